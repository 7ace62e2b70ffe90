"""The stages of the pipeline as typed protocols: one method each. Stages never import each other.

Cheap real implementations that need no download: `fleximo.planner`, `fleximo.moves`, `backend.models.detect`,
`fleximo.hands`/`fleximo.face`, `backend.models.draft`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from fleximo.errors import Notice
from fleximo.job import RenderJob
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.pose_track import PoseSignal
from fleximo.video import Video

__all__ = ["MotionModel", "Planner", "PoseDetector", "Progress", "SkeletonAdapter", "VideoModel", "silent"]


class Progress(Protocol):
    """Told how much is done; raises `fleximo.Cancelled` when the user asked to stop."""

    def __call__(self, fraction: float, message: str = "", /) -> None: ...


def silent(fraction: float, message: str = "", /) -> None:
    """A `Progress` for callers that do not watch."""


class Planner(Protocol):
    def plan(self, text: str) -> MotionPlan: ...


class MotionModel(Protocol):
    def generate(self, plan: MotionPlan, progress: Progress) -> Motion: ...


class PoseDetector(Protocol):
    def detect(self, photo: bytes) -> Person: ...


class SkeletonAdapter(Protocol):
    def complete(self, signal: PoseSignal) -> PoseSignal: ...


class VideoModel(Protocol):
    """Renders a job. `fps` is the native rate (None: any); `window` the most frames of one call (None: any)."""

    name: str
    fps: Fraction | None
    window: int | None

    def render(self, job: RenderJob, progress: Progress) -> Video: ...

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        """What this engine cannot show of the job, told before or after rendering."""
        ...
