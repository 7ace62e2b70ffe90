"""The 21-point hands of a rig: wrist, then thumb, index, middle, ring and little finger from root to tip.

Matches rig and 2D convention by name, for their fingers stand in another order. Knows no camera.
"""

from __future__ import annotations

from fleximo.arrays import FloatArray
from fleximo.motion import Motion

__all__ = ["HAND_FINGERS", "hand_names", "hand_points"]

HAND_FINGERS = ("thumb", "index", "middle", "ring", "pinky")  # the order of the 2D convention


def hand_names(side: str) -> tuple[str, ...]:
    """The rig's joints and landmarks that are the 21 points of the `side` hand, in order.

    >>> hand_names("left")[:6]
    ('left_wrist', 'left_thumb1', 'left_thumb2', 'left_thumb3', 'left_thumb_tip', 'left_index1')
    """
    fingers = (f"{side}_{finger}{part}" for finger in HAND_FINGERS for part in ("1", "2", "3", "_tip"))
    return (f"{side}_wrist", *fingers)


def hand_points(motion: Motion, side: str) -> FloatArray:
    """World positions (T,21,3) in m of the `side` hand ("left" or "right", the subject's own)."""
    return motion.positions(*hand_names(side))
