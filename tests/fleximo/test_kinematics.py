"""Forward kinematics against SciPy and two-bone limbs against their lengths."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fleximo import kinematics
from fleximo import rotations as rot
from fleximo.rig import DEFAULT_RIG


def _random_pose(frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    joints = len(DEFAULT_RIG.joint_names)
    return rot.normalise(rng.normal(size=(frames, joints, 4))), rng.normal(size=(frames, 3))


def test_forward_against_matrices():
    rotations, root = _random_pose(3, 0)
    world, joints = kinematics.forward(DEFAULT_RIG, rotations, root)
    for frame in range(3):
        matrices = {}
        for joint, parent in enumerate(DEFAULT_RIG.parents.tolist()):
            local = np.eye(4)
            local[:3, :3] = Rotation.from_quat(rotations[frame, joint, [1, 2, 3, 0]]).as_matrix()
            local[:3, 3] = DEFAULT_RIG.rest_offsets[joint] if parent >= 0 else root[frame]
            matrices[joint] = matrices[parent] @ local if parent >= 0 else local
            np.testing.assert_allclose(joints[frame, joint], matrices[joint][:3, 3], atol=1e-9)
            np.testing.assert_allclose(rot.to_matrix(world[frame, joint]), matrices[joint][:3, :3], atol=1e-9)


def test_landmarks_ride_on_their_joint():
    rotations, root = _random_pose(4, 1)
    world, joints = kinematics.forward(DEFAULT_RIG, rotations, root)
    nose, wrist = np.moveaxis(kinematics.landmark_positions(DEFAULT_RIG, world, joints, ("nose", "left_wrist")), 1, 0)
    head = DEFAULT_RIG.index("head")
    offset = np.array(DEFAULT_RIG.landmarks["nose"][1])
    expected = joints[:, head] + np.einsum("tij,j->ti", rot.to_matrix(world[:, head]), offset)
    np.testing.assert_allclose(nose, expected, atol=1e-9)
    np.testing.assert_array_equal(wrist, joints[:, DEFAULT_RIG.index("left_wrist")])


@given(st.integers(0, 2**32 - 1))
def test_two_bone_limb_keeps_its_lengths_and_bends_to_the_pole(seed: int):
    rng = np.random.default_rng(seed)
    upper, lower = rng.uniform(0.2, 0.5, 2)
    start = rng.normal(size=(20, 3))
    direction = rng.normal(size=(20, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    target = start + direction * rng.uniform(0.0, 1.5 * (upper + lower), (20, 1))
    pole = rng.normal(size=(20, 3))
    middle, end = kinematics.two_bone_ik(start, target, upper, lower, pole)
    np.testing.assert_allclose(np.linalg.norm(middle - start, axis=1), upper, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=1), lower, atol=1e-6)
    distance = np.linalg.norm(target - start, axis=1)
    reachable = (distance < 0.999 * (upper + lower)) & (distance > abs(upper - lower) + 1e-3)
    np.testing.assert_allclose(end[reachable], target[reachable], atol=1e-6)
    off_axis = (middle - start) - ((middle - start) * direction).sum(1, keepdims=True) * direction
    assert ((off_axis * pole).sum(1) >= -1e-9).all()


def test_a_target_out_of_reach_is_approached_along_its_direction():
    start, target = np.zeros((1, 3)), np.array([[0.0, -3.0, 0.0]])
    _, end = kinematics.two_bone_ik(start, target, 0.4, 0.4, np.array([[0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(end, [[0.0, -0.8, 0.0]], atol=1e-4)
