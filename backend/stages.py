"""The stages of the pipeline as typed protocols: one method each. Stages never import each other.

Cheap real implementations that need no download: `fleximo.planner`, `fleximo.moves`, `backend.models.detect`,
`fleximo.hands`/`fleximo.face`, `backend.models.draft`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from backend.weights import Bundle
from fleximo.errors import Notice
from fleximo.job import RenderJob
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.pose_track import PoseSignal
from fleximo.seams import Seam
from fleximo.video import Video

__all__ = [
    "MotionModel",
    "Performance",
    "Planner",
    "PoseDetector",
    "Progress",
    "SkeletonAdapter",
    "VideoModel",
    "Workplace",
    "silent",
]


class Progress(Protocol):
    """Told how much is done; raises `fleximo.Cancelled` when the user asked to stop."""

    def __call__(self, fraction: float, message: str = "", /) -> None: ...


def silent(fraction: float, message: str = "", /) -> None:
    """A `Progress` for callers that do not watch."""


class Planner(Protocol):
    name: str  # for the report

    def plan(self, text: str) -> MotionPlan: ...


@dataclass(frozen=True)
class Performance:
    """What a motion model made of a plan, and what is to be told of it."""

    motion: Motion
    seams: tuple[Seam, ...] = ()  # one for each two segments that follow each other
    notices: tuple[Notice, ...] = ()
    bundles: tuple[Bundle, ...] = ()  # the weights it was made with


class MotionModel(Protocol):
    name: str
    reads_text: bool  # whether it reads the segments' words, so that it can do more than the moves that plans know

    def generate(self, plan: MotionPlan, progress: Progress) -> Motion:
        """The motion of `plan` at the model's own rate."""
        ...

    def perform(self, plan: MotionPlan, progress: Progress, fps: Fraction | None = None) -> Performance:
        """The same at `fps` (None: the model's own rate), with what is to be told of it."""
        ...


class PoseDetector(Protocol):
    def detect(self, photo: bytes) -> Person: ...


class SkeletonAdapter(Protocol):
    def complete(self, signal: PoseSignal) -> PoseSignal: ...


@dataclass(frozen=True)
class Workplace:
    """Where an engine may write: checkpoints, from which a killed render goes on, and what later renders can reuse."""

    folder: Path  # this render's own; what lies here is of the same job, or thrown away before
    previous: Path | None = None  # that of the finished render which this one changes


class VideoModel(Protocol):
    """Renders a job. `fps` is the native rate (None: any); `window` the most frames of one call (None: any).

    `reach`: how many native frames on either side of a change it has to render again with it, so that they meet the
    frames that stay; 0 where each frame stands for itself.
    """

    name: str
    fps: Fraction | None
    window: int | None
    reach: int

    def render(self, job: RenderJob, progress: Progress, place: Workplace | None = None) -> Video:
        """The frames `job.frames`; without a `place` nothing is written to disk."""
        ...

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        """What this engine cannot show of the job, told before or after rendering."""
        ...
