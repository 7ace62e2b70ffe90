"""A whole motion adjusted: feet that stand still, walking in place, an end that leads into the beginning.

Pure functions from motion to motion. Knows no keys and no Blender.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.easing import minimum_jerk
from fleximo.errors import FleximoError
from fleximo.foot_lock import lock_feet, planted_toes
from fleximo.motion import Motion
from fleximo.posed import Posed

__all__ = ["in_place", "looped", "with_locked_feet"]

_PATH_S = 1.0  # what is slower than this is going somewhere, what is faster is sway
_LOOP_S = 0.5
_STAYS_M, _STAYS_RAD = 0.1, np.radians(20.0)  # who ends no further off has not gone anywhere


def with_locked_feet(motion: Motion) -> Motion:
    """Legs bent so that each toe stays in one place while its contact says so; contacts are believed while it is slow.

    Feet that stand still already are not touched.
    """
    posed = Posed(motion.rig, motion.rotations.astype(np.float64), motion.root.astype(np.float64))
    lock_feet(posed, planted_toes(posed.joints, motion.fps, motion.contacts), motion.fps)
    return posed.motion(motion)


def in_place(motion: Motion) -> Motion:
    """The motion without where it goes: sway and steps stay, the way over the floor is taken out."""
    across = motion.root[:, [0, 2]].astype(np.float64)
    root = motion.root.astype(np.float64)
    root[:, [0, 2]] += across[0] - _path(across, round(_PATH_S * float(motion.fps)))
    return replace(motion, root=root)


def _path(across: FloatArray, window: int) -> FloatArray:
    """(T,2) m, `across` over a moving `window` of frames; continued at both ends as it came."""
    reach = min(window // 2, len(across) - 1)
    if reach == 0:
        return across
    longer = np.pad(across, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    kernel = np.full(2 * reach + 1, 1.0 / (2 * reach + 1))
    return np.stack([np.convolve(column, kernel, mode="valid") for column in longer.T], axis=1)


def looped(motion: Motion, seconds: float = _LOOP_S) -> Motion:
    """The motion with its last `seconds` bent so that the frame after its last is its first again.

    Who has gone somewhere, or turned away, begins again there. Raises `FleximoError` for fewer than 4 frames.
    """
    count = len(motion)
    if count < 4:
        raise FleximoError(f"The motion has {count} frames; 4 or more were expected to make a loop of.")
    blend = min(max(1, round(seconds * float(motion.fps))), count // 2)
    q, root = motion.rotations.astype(np.float64), motion.root.astype(np.float64)
    after = rot.multiply(q[-1], rot.multiply(rot.conjugate(q[-2]), q[-1]))  # as it would go on
    there = 2.0 * root[-1] - root[-2]
    target, gap = q[0].copy(), root[0] - there
    turned = float(rot.yaw(rot.multiply(after[0], rot.conjugate(q[0, 0]))))
    if np.hypot(gap[0], gap[2]) > _STAYS_M or abs(turned) > _STAYS_RAD:
        gap[[0, 2]] = 0.0
        target[0] = rot.multiply(rot.from_axis_angle([0.0, 1.0, 0.0], turned), q[0, 0])
    share = minimum_jerk(np.arange(1, blend + 1) / (blend + 1))
    bend = rot.to_rotation_vector(rot.multiply(rot.conjugate(after), target))
    q[-blend:] = rot.normalise(rot.multiply(q[-blend:], rot.from_rotation_vector(share[:, None, None] * bend)))
    root[-blend:] += share[:, None] * gap
    return replace(motion, rotations=q, root=root)
