"""The skeleton that all motions of HumanML3D, and so T2M-GPT's, were brought to, as a rig of 52 joints.

One rig for every segment: bone lengths estimated anew for each would not join.
"""

from __future__ import annotations

import numpy as np

from fleximo.rig import BODY_JOINTS, DEFAULT_RIG, Rig

__all__ = ["HUMANML_RIG", "SOLE_M"]

# Length of the bone that ends in joints 1..21, m.
_BONES_M = (
    0.1031, 0.1099, 0.1316, 0.3936, 0.3902, 0.1432, 0.4324, 0.4256, 0.0574, 0.1434, 0.1494, 0.2194, 0.1375, 0.1434,
    0.1030, 0.1316, 0.1230, 0.2568, 0.2631, 0.2660, 0.2699,
)  # fmt: skip
# Where bones of the trunk point to in the rest pose; those of pelvis and chest measured on two clips, each with its
# own noise.
_DIRECTIONS = {
    "left_hip": (0.0595, -0.0832, -0.0123),
    "right_hip": (-0.0633, -0.0890, -0.0120),
    "spine1": (0.0024, 0.1284, -0.0284),
    "neck": (-0.0010, 0.2191, -0.0084),
    "left_collar": (0.0743, 0.1150, -0.0116),
    "right_collar": (-0.0758, 0.1211, -0.0120),
    # Those of a person who stands upright and looks ahead; people in the data do so on average. Bones of the default
    # rig's direction would have them look at the floor: here the head's joint lies far before the neck's.
    "spine2": (0.0, 0.985, 0.174),
    "spine3": (0.0, 0.970, 0.242),
    "head": (0.0, 0.530, 0.848),
    "left_shoulder": (0.999, 0.050, 0.0),
    "right_shoulder": (-0.999, 0.050, 0.0),
}
_TOES_BELOW_ANKLE_M = 0.036  # of such a foot
SOLE_M = 0.016  # height of the toe joint of a foot that stands flat
_TIP_M = 0.005


def _humanml_rig() -> Rig:
    """The default rig with these bones, and feet whose soles lie on the floor where its toe joints stand."""
    offsets, landmarks = DEFAULT_RIG.rest_offsets.astype(np.float64), dict(DEFAULT_RIG.landmarks)
    for name, length in zip(BODY_JOINTS[1:], _BONES_M):
        joint = DEFAULT_RIG.index(name)
        direction = np.array(_DIRECTIONS.get(name, offsets[joint]))
        offsets[joint] = direction * (length / np.linalg.norm(direction))
    for side in ("left", "right"):
        foot = DEFAULT_RIG.index(f"{side}_foot")
        ahead = np.sqrt(np.sum(offsets[foot] ** 2) - _TOES_BELOW_ANKLE_M**2)
        offsets[foot] = 0.0, -_TOES_BELOW_ANKLE_M, ahead
        for name, height in (("heel", -_TOES_BELOW_ANKLE_M - SOLE_M), ("toe_tip", _TIP_M - SOLE_M)):
            joint, (x, _, z) = landmarks[f"{side}_{name}"]
            landmarks[f"{side}_{name}"] = joint, (x, height, z)
    return DEFAULT_RIG.with_offsets(offsets, landmarks)


HUMANML_RIG = _humanml_rig()
