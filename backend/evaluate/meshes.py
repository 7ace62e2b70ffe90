"""A mesh clip to measure the importer with: 6890 points on tubes around the bones of a motion.

Every point hangs on one bone; this is for times, not for how well joints are found.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fleximo import Motion, rotations
from fleximo.rig import BODY_JOINTS

__all__ = ["tubes_around"]

_POINTS = 6890
_RING = 12
_TIPS = {"head": "head_top"} | {
    f"{side}_{end}": f"{side}_{tip}"
    for side in ("left", "right")
    for end, tip in (("wrist", "middle_tip"), ("foot", "toe_tip"))
}
_RADII_M = {"pelvis": 0.12, "spine1": 0.11, "spine2": 0.11, "spine3": 0.12, "head": 0.08, "hip": 0.07, "knee": 0.05}
_RADIUS_M = 0.035


def tubes_around(motion: Motion) -> npt.NDArray[np.float32]:
    """(T,6890,3) m, points around the body's bones, the head, the hands and the toes of `motion`."""
    rig = motion.rig
    body = [rig.index(name) for name in BODY_JOINTS]
    bones = [(int(rig.parents[joint]), rig.rest_offsets[joint]) for joint in body[1:]]
    neutral = motion[:1]
    at_rest = rotations.conjugate(neutral.world_rotations())
    for joint, tip in _TIPS.items():
        reach = neutral.positions(tip)[:, 0] - neutral.positions(joint)[:, 0]
        bones.append((rig.index(joint), rotations.rotate(at_rest[0, rig.index(joint)], reach[0])))
    lengths = np.array([np.linalg.norm(offset) for _, offset in bones])
    rings = np.maximum((_POINTS / _RING * lengths / lengths.sum()).astype(int), 2)
    world, joints = motion.world_rotations(), motion.joints()
    tubes = []
    for (joint, offset), count in zip(bones, rings.tolist()):
        along = rotations.unit(offset)
        turn = rotations.from_two_vectors(np.array([0.0, 1.0, 0.0]), along)
        angle = 2.0 * np.pi * np.arange(_RING) / _RING
        circle = np.stack((np.cos(angle), np.zeros(_RING), np.sin(angle)), axis=1)
        name = rig.joint_names[joint]
        radius = _RADII_M.get(name, _RADII_M.get(name.split("_")[-1], _RADIUS_M))
        circle = radius * rotations.rotate(turn, circle)
        points = (np.linspace(0.0, 1.0, count)[:, None, None] * offset + circle).reshape(-1, 3)
        tubes.append(joints[:, joint, None] + rotations.rotate(world[:, joint, None], points))
    surface = np.concatenate(tubes, axis=1).astype(np.float32)
    spare = surface[:, np.arange(_POINTS - surface.shape[1]) % surface.shape[1]]
    return np.concatenate((surface, spare), axis=1)[:, :_POINTS]
