"""The default rig's conventions, and what a rig refuses."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo.errors import FleximoError
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG, FINGERS, Rig

# SMPL-H's order as the published model has it, written down here by hand.
SMPLH_PARENTS = [
    -1,
    0,
    0,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    9,
    9,
    12,
    13,
    14,
    16,
    17,
    18,
    19,
    20,
    22,
    23,
    20,
    25,
    26,
    20,
    28,
    29,
    20,
    31,
    32,
    20,
    34,
    35,
    21,
    37,
    38,
    21,
    40,
    41,
    21,
    43,
    44,
    21,
    46,
    47,
    21,
    49,
    50,
]


def _place(name: str) -> np.ndarray:
    if name in DEFAULT_RIG.landmarks:
        joint, offset = DEFAULT_RIG.landmarks[name]
        return DEFAULT_RIG.rest_joints[DEFAULT_RIG.index(joint)] + np.array(offset)
    return DEFAULT_RIG.rest_joints[DEFAULT_RIG.index(name)]


def test_order_and_tree_are_smpl_h_s():
    assert DEFAULT_RIG.joint_names[:22] == BODY_JOINTS
    assert DEFAULT_RIG.parents.tolist() == SMPLH_PARENTS
    fingers = [f"left_{finger}{n}" for finger in ("index", "middle", "pinky", "ring", "thumb") for n in (1, 2, 3)]
    assert list(DEFAULT_RIG.joint_names[22:37]) == fingers
    assert FINGERS == ("index", "middle", "pinky", "ring", "thumb")


def test_left_is_plus_x_and_both_sides_mirror():
    names = [*DEFAULT_RIG.joint_names, *DEFAULT_RIG.landmarks]
    for name in names:
        if name.startswith("left_"):
            left, right = _place(name), _place("right_" + name[5:])
            assert left[0] > 0.0, name
            np.testing.assert_allclose(right, left * [-1, 1, 1], atol=1e-7)


def test_the_rest_pose_faces_plus_z_in_a_t():
    assert _place("nose")[2] > 0.08
    assert _place("left_toe_tip")[2] > _place("left_heel")[2]
    arm = _place("left_wrist") - _place("left_shoulder")
    assert arm[0] > 0.4
    np.testing.assert_allclose(arm[1:], 0.0, atol=1e-7)
    assert _place("head_top")[1] + DEFAULT_RIG.rest_height == pytest.approx(1.72, abs=0.06)


def test_the_soles_lie_on_one_floor():
    lowest = min(_place(name)[1] for name in [*DEFAULT_RIG.joint_names, *DEFAULT_RIG.landmarks])
    assert lowest == pytest.approx(-DEFAULT_RIG.rest_height)
    for name in ("left_heel", "right_toe_tip"):
        assert _place(name)[1] - lowest < 0.02


def test_descendants_hold_the_whole_branch_and_nothing_else():
    arm = {DEFAULT_RIG.joint_names[joint] for joint in DEFAULT_RIG.descendants("left_collar")}
    assert {"left_collar", "left_shoulder", "left_elbow", "left_wrist", "left_thumb3"} <= arm
    assert len(arm) == 19
    assert all(name.startswith("left_") for name in arm)
    assert len(DEFAULT_RIG.descendants("pelvis")) == 52


def test_levels_hold_every_joint_once_below_its_parent():
    assert sorted(np.concatenate(DEFAULT_RIG.levels).tolist()) == list(range(52))
    for above, level in zip(DEFAULT_RIG.levels, DEFAULT_RIG.levels[1:]):
        assert set(DEFAULT_RIG.parents[level].tolist()) <= set(above.tolist())


def test_unknown_joints_are_named_with_the_known_ones():
    with pytest.raises(FleximoError, match=r"no joint called 'tail'; it has pelvis, left_hip"):
        DEFAULT_RIG.index("tail")


@pytest.mark.parametrize(
    ("names", "parents", "offsets", "landmarks", "message"),
    [
        (("a", "a"), [-1, 0], np.zeros((2, 3)), {}, "its own name"),
        (("a", "b"), [0, 0], np.zeros((2, 3)), {}, "must start with -1"),
        (("a", "b", "c"), [-1, 2, 0], np.zeros((3, 3)), {}, "each parent before its children"),
        (("a", "b"), [-1, -1], np.zeros((2, 3)), {}, "each parent before its children"),
        (("a", "b"), [-1, 0], np.ones((2, 3)), {}, "root must be 0"),
        (("a", "b"), [-1, 0], np.zeros((3, 3)), {}, "Rig.rest_offsets has the shape"),
        (("a",), [-1], np.zeros((1, 3)), {"nose": ("head", (0.0, 0.0, 0.0))}, "landmark nose hangs on head"),
    ],
)
def test_what_is_no_tree_is_refused(names, parents, offsets, landmarks, message):
    with pytest.raises(FleximoError, match=message):
        Rig(names, np.array(parents), offsets, landmarks)


def test_with_offsets_keeps_everything_else():
    other = DEFAULT_RIG.with_offsets(DEFAULT_RIG.rest_offsets * 1.1)
    assert other.joint_names == DEFAULT_RIG.joint_names
    assert dict(other.landmarks) == dict(DEFAULT_RIG.landmarks)
    np.testing.assert_allclose(other.rest_joints, DEFAULT_RIG.rest_joints * 1.1, atol=1e-6)
