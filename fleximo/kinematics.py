"""Rotations -> positions: forward kinematics, and the two-bone inverse that places a knee or an elbow.

Pure functions over arrays and a `Rig`; knows nothing of motions, contacts or pictures. Whole poses are turned back
into rotations by `inverse_kinematics`.
"""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.rig import Rig

__all__ = ["forward", "landmark_positions", "two_bone_ik"]


def forward(rig: Rig, rotations: FloatArray, root: FloatArray) -> tuple[FloatArray, FloatArray]:
    """World rotations (T,J,4) and positions (T,J,3) in m of local `rotations` (T,J,4) with the root at `root` (T,3)."""
    world = np.empty(rotations.shape)
    joints = np.empty((*rotations.shape[:2], 3))
    world[:, 0], joints[:, 0] = rotations[:, 0], root
    for level in rig.levels[1:]:
        parents = rig.parents[level]
        above = world[:, parents]
        world[:, level] = rot.multiply(above, rotations[:, level])
        joints[:, level] = joints[:, parents] + rot.rotate(above, rig.rest_offsets[level])
    return world, joints


def landmark_positions(rig: Rig, world: FloatArray, joints: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """World positions (T,N,3) in m of joints or landmarks called `names`, from the result of `forward`."""
    hung = [rig.landmarks.get(name, (name, (0.0, 0.0, 0.0))) for name in names]
    on = [rig.index(joint) for joint, _ in hung]
    offsets = np.array([offset for _, offset in hung])
    return np.asarray(joints[:, on] + rot.rotate(world[:, on], offsets))


def two_bone_ik(
    start: FloatArray, target: FloatArray, upper: float, lower: float, pole: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Places the middle joint of a two-bone limb.

    `start`, `target`: (T,3) m ends of the limb; `upper`, `lower`: bone lengths in m; `pole`: (T,3) direction towards
    which the middle joint bends. Returns (middle (T,3), end (T,3)). A target out of reach is approached along its
    direction, so `end` differs from `target` there.
    """
    reach = target - start
    distance = np.linalg.norm(reach, axis=-1, keepdims=True)
    along = reach / np.maximum(distance, 1e-9)
    clamped = np.clip(distance, abs(upper - lower) + 1e-6, (upper + lower) * 0.99999)
    side = rot.unit(pole - (pole * along).sum(axis=-1, keepdims=True) * along)
    foot = (upper**2 - lower**2 + clamped**2) / (2.0 * clamped)
    height = np.sqrt(np.maximum(upper**2 - foot**2, 0.0))
    return start + along * foot + side * height, start + along * clamped
