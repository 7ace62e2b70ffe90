"""What is done in haste is done smaller: limbs stay below the speed that muscles give them.

Knows how much of a movement there is time for; which limb it concerns is the move's.
"""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.moves.base import Cue
from fleximo.moves.posing import HANGING, arm_keys

__all__ = ["fullness", "restrained"]


def fullness(cue: Cue, natural_s: float, spare: float = 1.0) -> float:
    """The share 0.3..1 of the full movement for which a repeat has time; `natural_s` is a repeat at its own pace.

    `spare`: how much faster than that the full movement can still be done.
    """
    return float(np.clip(spare * cue.end / cue.repeats / natural_s, 0.3, 1.0))


def restrained(cue: Cue, side: str, arm: FloatArray, share: float) -> FloatArray:
    """The arm rotations (T,4,4) with only `share` of their way from the hanging arm; its speeds shrink alike."""
    if share >= 1.0:
        return arm
    hanging = arm_keys(cue, side, [(0.0, HANGING), (max(cue.end, 1e-3), HANGING)])
    return rot.slerp(hanging, arm, np.full(arm.shape[:2], share))
