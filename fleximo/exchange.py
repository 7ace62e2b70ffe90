"""One segment of a plan exchanged for another: the new motion, and which frames of it differ from the old one.

Owns what may stay bit by bit. Knows no keys and no Blender.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fleximo import moves
from fleximo.errors import FleximoError
from fleximo.motion import Motion
from fleximo.plan import MotionPlan, Segment
from fleximo.rig import DEFAULT_RIG, Rig

__all__ = ["Exchange", "Span", "exchange_segment", "exchanged", "with_segment"]


@dataclass(frozen=True)
class Span:
    """The frames [start, stop) of the old motion, in whose place the frames [start, new_stop) of the new one come."""

    start: int
    stop: int
    new_stop: int


@dataclass(frozen=True)
class Exchange:
    """What a changed segment makes of a motion. Frames outside of the spans are the same bits, later ones shifted."""

    plan: MotionPlan
    motion: Motion  # the whole of it, after the change
    frames: Span  # the segment itself
    joints: tuple[Span, ...]  # (J,) of each joint's rotations
    root: Span
    contacts: Span

    @property
    def longer(self) -> int:
        """By how many frames the motion has grown; negative where it has shrunk."""
        return self.frames.new_stop - self.frames.stop


def exchange_segment(
    plan: MotionPlan,
    number: int,
    segment: Segment,
    *,
    fps: Fraction,
    rig: Rig = DEFAULT_RIG,
    progress: Callable[[float, str], None] | None = None,
) -> Exchange:
    """The motion of `plan` with its segment `number` (from 0) replaced by `segment`, against the motion before.

    Pose changes reach no further than the seam with the next segment; of the legs, until a foot that stands there is
    lifted. The place changes further on where the new segment ends elsewhere: then the person goes on from there.
    Raises `FleximoError` for a number that the plan does not have.
    """
    changed = with_segment(plan, number, segment)
    old = moves.generate(plan, fps=fps, rig=rig, progress=_half(progress, 0.0))
    new = moves.generate(changed, fps=fps, rig=rig, progress=_half(progress, 0.5))
    return exchanged(plan, changed, number, old, new)


def with_segment(plan: MotionPlan, number: int, segment: Segment) -> MotionPlan:
    """`plan` with its segment `number` (from 0) replaced; raises `FleximoError` for a number that it does not have."""
    if not 0 <= number < len(plan.segments):
        raise FleximoError(f"There is no segment {number}; the plan has {len(plan.segments)}.")
    return replace(plan, segments=(*plan.segments[:number], segment, *plan.segments[number + 1 :]))


def exchanged(
    plan: MotionPlan, changed: MotionPlan, number: int, old: Motion, new: Motion, tolerance: float = 0.0
) -> Exchange:
    """What to exchange of `old`, the motion of `plan`, for `new`, that of `changed` with another segment `number`.

    Both at one rate, on one rig. Values that differ by no more than `tolerance` (radians, metres) count as the same.
    """
    counts, new_counts = plan.frame_counts(old.fps), changed.frame_counts(old.fps)
    start = sum(counts[:number])
    frames = Span(start, start + counts[number], start + new_counts[number])

    def span(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> Span:
        return _span(frames, a, b, tolerance)

    joints = tuple(span(old.rotations[:, j], new.rotations[:, j]) for j in range(len(old.rig.joint_names)))
    return Exchange(
        changed, new, frames, joints, span(old.root, new.root), _span(frames, old.contacts, new.contacts, 0.0)
    )


def _half(progress: Callable[[float, str], None] | None, start: float) -> Callable[[float, str], None] | None:
    return None if progress is None else lambda share, text: progress(start + 0.5 * share, text)


def _span(frames: Span, old: npt.NDArray[np.generic], new: npt.NDArray[np.generic], tolerance: float) -> Span:
    """The smallest span outside of which `old` (T,N) and `new` (T',N) are the same, bit by bit without tolerance."""
    shorter = min(len(old), len(new))
    ahead = _equal(old[:shorter], new[:shorter], tolerance)
    # Frames come and go within the segment, however alike the pose is around it.
    lead = min(ahead, frames.stop, frames.new_stop)
    behind = _equal(old[len(old) - shorter :][::-1], new[len(new) - shorter :][::-1], tolerance)
    tail = min(behind, shorter - lead, len(old) - frames.start)
    return Span(lead, len(old) - tail, len(new) - tail)


def _equal(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic], tolerance: float) -> int:
    """How many rows from the first on are equal."""
    differs = (np.abs(np.subtract(a, b, dtype=np.float64)) > tolerance if tolerance else a != b).any(axis=1)
    return int(np.argmax(differs)) if differs.any() else len(a)
