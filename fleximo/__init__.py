"""Fleximo's knowledge: plans, motions, skeletons, cameras and jobs. Needs numpy and the standard library only."""

from fleximo.camera import Camera, Framing
from fleximo.errors import Cancelled, FleximoError, Notice
from fleximo.job import RenderJob
from fleximo.layouts import OPENPOSE_18, WHOLEBODY_128, Layout
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.plan import MotionPlan, Segment
from fleximo.pose_track import PoseSignal, PoseTrack
from fleximo.rig import DEFAULT_RIG, Rig
from fleximo.video import Video

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_RIG",
    "OPENPOSE_18",
    "WHOLEBODY_128",
    "Camera",
    "Cancelled",
    "FleximoError",
    "Framing",
    "Layout",
    "Motion",
    "MotionPlan",
    "Notice",
    "Person",
    "PoseSignal",
    "PoseTrack",
    "RenderJob",
    "Rig",
    "Segment",
    "Video",
    "__version__",
]
