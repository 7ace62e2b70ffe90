"""Hands for a motion that has none: each segment of its plan shapes them as the segment's move would.

Knows what the moves' fingers do, not where a motion came from.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.fingers import finger_names
from fleximo.motion import Motion
from fleximo.moves import play
from fleximo.plan import MotionPlan, Segment
from fleximo.timing import frame_times

__all__ = ["with_fingers"]

_FPS = Fraction(10)  # fingers need no more: their shapes ease over a third of a second
_NAMES = (*finger_names("left"), *finger_names("right"))


def with_fingers(motion: Motion, plan: MotionPlan) -> Motion:
    """`motion`, which performs `plan` segment by segment, with the fingers that the plan's moves and layers have.

    Nothing else changes, and the fingers of a segment depend on that segment alone. Raises `FleximoError` if the
    motion is not as long as the plan or its rig has no fingers.
    """
    counts = plan.frame_counts(motion.fps)
    if sum(counts) != len(motion):
        raise FleximoError(f"The motion has {len(motion)} frames; its plan lasts {sum(counts)}.")
    joints = [motion.rig.index(name) for name in _NAMES]
    rotations = motion.rotations.copy()
    shaped = [_fingers(segment, count, motion.fps) for segment, count in zip(plan.segments, counts)]
    rotations[:, joints] = np.concatenate(shaped)
    return replace(motion, rotations=rotations)


def _fingers(segment: Segment, frames: int, fps: Fraction) -> FloatArray:
    """(T,30,4) local rotations of the left and the right fingers while `segment` is played in `frames`."""
    played, _ = play(segment, fps=_FPS, liveliness=0.0)
    shapes = played.rotations[:, [played.rig.index(name) for name in _NAMES]].astype(np.float64)
    at = np.clip(frame_times(frames, fps) * float(_FPS), 0.0, len(shapes) - 1.0)
    low = np.minimum(np.floor(at).astype(int), max(0, len(shapes) - 2))
    high = np.minimum(low + 1, len(shapes) - 1)
    return rot.slerp(shapes[low], shapes[high], (at - low)[:, None])
