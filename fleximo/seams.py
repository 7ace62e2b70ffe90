"""How well the parts of a long motion hold together: one `Seam` for each place where two of them meet.

Measures a finished motion and changes nothing; `transitions` makes the joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleximo.motion import Motion

__all__ = ["MAX_JUMP_M", "MAX_SLIDE_M_S", "Seam", "measure_seams", "slide_m_s"]

MAX_JUMP_M = 0.02  # a joint may step so much further across a seam than next to it
_FINE_JUMP_M = 0.005
_FINE_SLIDE_M_S = 0.03
MAX_SLIDE_M_S = 0.10  # of a planted toe, before it is seen
_AROUND_S = 0.3  # what is next to a seam


@dataclass(frozen=True)
class Seam:
    """One seam, as it came out."""

    frame: int  # the first frame of the later part
    seconds: float  # its time
    kind: str  # "blended", or "decoded together" where a model made both sides at once
    jump_m: float  # how much further a joint moves across it than between the frames next to it; 0 = no further
    root_jump_m: float  # the same of the pelvis alone
    slide_m_s: float  # the fastest planted toe next to it

    @property
    def quality(self) -> str:
        """ "good" (nobody sees it), "fair", or "poor"."""
        if self.jump_m <= _FINE_JUMP_M and self.slide_m_s <= _FINE_SLIDE_M_S:
            return "good"
        return "fair" if self.jump_m <= MAX_JUMP_M and self.slide_m_s <= MAX_SLIDE_M_S else "poor"

    def to_json(self) -> dict[str, Any]:
        return {
            "frame": self.frame,
            "seconds": round(self.seconds, 3),
            "kind": self.kind,
            "jump_m": round(self.jump_m, 4),
            "root_jump_m": round(self.root_jump_m, 4),
            "slide_m_s": round(self.slide_m_s, 4),
            "quality": self.quality,
        }


def measure_seams(motion: Motion, frames: Sequence[int], kinds: Sequence[str] | None = None) -> tuple[Seam, ...]:
    """The seams of `motion` before each of `frames`, each 1 or more; `kinds`: None = all of them blended."""
    return tuple(_seam(motion, frame, "blended" if kinds is None else kinds[i]) for i, frame in enumerate(frames))


def _seam(motion: Motion, frame: int, kind: str) -> Seam:
    around = max(2, round(_AROUND_S * float(motion.fps)))
    start = max(0, frame - 1 - around)
    window = motion[start : frame + 1 + around]  # so that a long motion's joints are never held at once
    across = frame - 1 - start
    joints = window.joints()
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1)
    beside = np.delete(steps, across, axis=0)
    further = np.maximum(steps[across] - beside.max(axis=0), 0.0) if len(beside) else steps[across]
    seconds = frame / float(motion.fps)
    return Seam(frame, seconds, kind, float(further.max()), float(further[0]), slide_m_s(window))


def slide_m_s(motion: Motion) -> float:
    """How fast, at worst, a toe moves over the floor while it is said to be planted."""
    toes = motion.joints()[:, [motion.rig.index(f"{side}_foot") for side in ("left", "right")]]
    planted = motion.contacts[:-1] & motion.contacts[1:]
    steps = np.where(planted, np.linalg.norm(np.diff(toes, axis=0)[..., [0, 2]], axis=-1), 0.0)
    return float(steps.max(initial=0.0)) * float(motion.fps)
