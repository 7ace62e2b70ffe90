"""Positions -> rotations: the joints come back, twists run on, and other bodies can be followed."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleximo import kinematics
from fleximo import rotations as rot
from fleximo.errors import FleximoError
from fleximo.inverse_kinematics import positions_to_rotations, rig_from_positions
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG, Rig

PEOPLE = Path(__file__).parents[1] / "data" / "people"
SMPL22 = (
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot "
    "neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
).split()
HINGES = {"left_knee": (1, 0, 0), "right_knee": (1, 0, 0), "left_elbow": (0, -1, 0), "right_elbow": (0, 1, 0)}


def _waves(rng: np.random.Generator, frames: int, shape: tuple[int, ...], fps: float = 20.0) -> np.ndarray:
    """Smooth curves (T, *shape) in about -1..1: three sines of up to 0.8 Hz each."""
    seconds = (np.arange(frames) / fps).reshape(-1, *([1] * len(shape)), 1)
    rate, phase = rng.uniform(0.1, 0.8, (*shape, 3)), rng.uniform(0.0, 2.0 * np.pi, (*shape, 3))
    return np.sin(2.0 * np.pi * rate * seconds + phase).mean(axis=-1) * 1.3


def random_motion(seed: int, frames: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations and root of somebody moving smoothly within human limits, his limbs often quite straight."""
    rng = np.random.default_rng(seed)
    amplitude = np.full(len(DEFAULT_RIG.joint_names), 0.15)
    for name, size in {"pelvis": 0.7, "left_hip": 0.6, "right_hip": 0.6, "left_shoulder": 0.9, "right_shoulder": 0.9,
                       "spine1": 0.25, "spine2": 0.25, "spine3": 0.25, "neck": 0.3}.items():  # fmt: skip
        amplitude[DEFAULT_RIG.index(name)] = size
    vectors = _waves(rng, frames, (len(amplitude), 3)) * amplitude[:, None]
    for name, axis in HINGES.items():
        flexion = np.maximum(_waves(rng, frames, (1,)) * 1.5, 0.0)
        vectors[:, DEFAULT_RIG.index(name)] = flexion * np.array(axis)
    root = np.array([0.0, 0.9, 0.0]) + _waves(rng, frames, (3,)) * 0.5
    return rot.from_rotation_vector(vectors), root


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_joints_come_back(seed: int, with_fingers: bool):
    rotations, root = random_motion(seed, 30)
    _, joints = kinematics.forward(DEFAULT_RIG, rotations, root)
    given_joints = joints if with_fingers else joints[:, : len(BODY_JOINTS)]
    found, found_root = positions_to_rotations(DEFAULT_RIG, given_joints)
    _, again = kinematics.forward(DEFAULT_RIG, found, found_root)
    errors = np.linalg.norm(again[:, : given_joints.shape[1]] - given_joints, axis=-1)
    assert errors.max() < 0.005


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_no_joint_jumps_where_the_motion_did_not(seed: int):
    rotations, root = random_motion(seed)
    _, joints = kinematics.forward(DEFAULT_RIG, rotations, root)
    found, _ = positions_to_rotations(DEFAULT_RIG, joints[:, : len(BODY_JOINTS)])
    jumps = np.degrees(rot.angle_between(found[1:], found[:-1]))
    assert jumps.max() < 30.0, DEFAULT_RIG.joint_names[int(jumps.max(axis=0).argmax())]


def test_bent_hinges_give_the_true_upper_rotations():
    rotations, root = random_motion(3)
    for name, axis in HINGES.items():
        bend = 1.0 + 0.3 * np.sin(np.arange(len(root)) / 7.0)
        rotations[:, DEFAULT_RIG.index(name)] = rot.from_axis_angle(axis, bend)
    world, joints = kinematics.forward(DEFAULT_RIG, rotations, root)
    found, found_root = positions_to_rotations(DEFAULT_RIG, joints[:, : len(BODY_JOINTS)])
    found_world, _ = kinematics.forward(DEFAULT_RIG, found, found_root)
    for name in ("pelvis", "spine3", "left_hip", "right_hip", "left_shoulder", "right_shoulder", *HINGES):
        joint = DEFAULT_RIG.index(name)
        assert np.degrees(rot.angle_between(world[:, joint], found_world[:, joint])).max() < 0.5, name


def test_an_overstretched_elbow_does_not_turn_the_arm():
    frames = 40
    rotations = np.broadcast_to(rot.IDENTITY, (frames, len(DEFAULT_RIG.joint_names), 4)).copy()
    bend = np.radians(np.concatenate((np.linspace(90, -20, 20), np.linspace(-20, 90, 20))))
    rotations[:, DEFAULT_RIG.index("left_elbow")] = rot.from_axis_angle(HINGES["left_elbow"], bend)
    _, joints = kinematics.forward(DEFAULT_RIG, rotations, np.zeros((frames, 3)))
    found, _ = positions_to_rotations(DEFAULT_RIG, joints[:, : len(BODY_JOINTS)])
    turn = np.degrees(rot.angle_between(found[:, DEFAULT_RIG.index("left_shoulder")], rot.IDENTITY))
    assert turn.max() < 5.0


def test_a_straight_arm_keeps_the_twist_it_was_bent_with():
    frames = 61
    rotations = np.broadcast_to(rot.IDENTITY, (frames, len(DEFAULT_RIG.joint_names), 4)).copy()
    twist = np.linspace(np.radians(70.0), np.radians(40.0), frames)
    rotations[:, DEFAULT_RIG.index("left_shoulder")] = rot.from_axis_angle([1.0, 0.0, 0.0], twist)
    bend = np.radians(np.clip(np.abs(np.arange(frames) - 30) * 6.0 - 90.0, 0.0, 90.0))
    rotations[:, DEFAULT_RIG.index("left_elbow")] = rot.from_axis_angle(HINGES["left_elbow"], bend)
    _, joints = kinematics.forward(DEFAULT_RIG, rotations, np.zeros((frames, 3)))
    found, _ = positions_to_rotations(DEFAULT_RIG, joints[:, : len(BODY_JOINTS)])
    error = rot.angle_between(
        found[:, DEFAULT_RIG.index("left_shoulder")], rotations[:, DEFAULT_RIG.index("left_shoulder")]
    )
    assert np.degrees(error).max() < 8.0


def test_noise_of_a_millimetre_shakes_no_straight_limb():
    rng = np.random.default_rng(0)
    rest = DEFAULT_RIG.rest_joints[: len(BODY_JOINTS)]
    noisy = rest + rng.normal(scale=0.001, size=(60, *rest.shape))
    found, _ = positions_to_rotations(DEFAULT_RIG, noisy)
    limbs = [DEFAULT_RIG.index(name) for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]
    assert np.degrees(rot.angle_between(found[1:, limbs], found[:-1, limbs])).max() < 8.0


@pytest.mark.parametrize("name", ["anna_wave", "anna_squat"])
def test_another_body_is_followed(name: str):
    with np.load(PEOPLE / f"{name}.npz") as archive:
        joints = archive["smpl22_xyz_m"].astype(np.float64)
        columns = [archive["smpl22_names"].tolist().index(joint) for joint in SMPL22]
    joints = joints[:, columns]
    rig = rig_from_positions(DEFAULT_RIG, joints[:1])
    rotations, root = positions_to_rotations(rig, joints)
    assert np.isfinite(rotations).all()
    _, again = kinematics.forward(rig, rotations, root)
    assert np.linalg.norm(again[:, :22] - joints, axis=-1).max() < 0.025
    assert np.degrees(rot.angle_between(rotations[1:], rotations[:-1])).max() < 720.0 / 15.0 + 5.0


def test_rig_from_positions_finds_the_lengths_again():
    scale = np.random.default_rng(5).uniform(0.8, 1.2, (len(DEFAULT_RIG.joint_names), 1))
    for joint, name in enumerate(DEFAULT_RIG.joint_names):  # palms and trunk grow as one piece
        if (
            (name[-1:] == "1" and "_" in name)
            or name in ("left_hip", "right_hip", "spine1", "neck")
            or "collar" in name
        ):
            scale[joint] = 1.1
    person = DEFAULT_RIG.with_offsets(DEFAULT_RIG.rest_offsets * scale)
    rotations, root = random_motion(6)
    _, joints = kinematics.forward(person, rotations, root)
    found = rig_from_positions(DEFAULT_RIG, joints)
    np.testing.assert_allclose(found.rest_offsets, person.rest_offsets, atol=1e-5)


def test_the_head_follows_the_face_and_the_neck_shares_its_turn():
    frames = 12
    rotations = np.broadcast_to(rot.IDENTITY, (frames, len(DEFAULT_RIG.joint_names), 4)).copy()
    rotations[:, DEFAULT_RIG.index("head")] = rot.from_axis_angle([0.0, 1.0, 0.0], np.linspace(0.0, 1.0, frames))
    world, joints = kinematics.forward(DEFAULT_RIG, rotations, np.zeros((frames, 3)))
    names = ("nose", "left_eye", "right_eye")
    points = kinematics.landmark_positions(DEFAULT_RIG, world, joints, names)
    face = {name: points[:, column] for column, name in enumerate(names)}
    found, root = positions_to_rotations(DEFAULT_RIG, joints[:, :22], face_points=face)
    found_world, _ = kinematics.forward(DEFAULT_RIG, found, root)
    head = DEFAULT_RIG.index("head")
    assert np.degrees(rot.angle_between(found_world[:, head], world[:, head])).max() < 0.1
    share = np.degrees(rot.angle_between(found[-1, DEFAULT_RIG.index("neck")], rot.IDENTITY))
    assert 15.0 < share < 40.0
    alone, root = positions_to_rotations(DEFAULT_RIG, joints[:, :22], face_points={"nose": face["nose"]})
    alone_world, _ = kinematics.forward(DEFAULT_RIG, alone, root)
    assert np.degrees(rot.angle_between(alone_world[:, head], world[:, head])).max() < 1.0


def test_the_forearm_takes_half_of_the_hand_s_turn():
    rotations = np.broadcast_to(rot.IDENTITY, (1, len(DEFAULT_RIG.joint_names), 4)).copy()
    rotations[:, DEFAULT_RIG.index("left_wrist")] = rot.from_axis_angle([1.0, 0.0, 0.0], 1.0)
    _, joints = kinematics.forward(DEFAULT_RIG, rotations, np.zeros((1, 3)))
    found, root = positions_to_rotations(DEFAULT_RIG, joints)
    assert np.linalg.norm(kinematics.forward(DEFAULT_RIG, found, root)[1] - joints, axis=-1).max() < 1e-6
    for name in ("left_elbow", "left_wrist"):
        assert rot.angle_between(found[0, DEFAULT_RIG.index(name)], rot.IDENTITY) == pytest.approx(0.5, abs=0.02)


def test_196_frames_in_20_milliseconds():
    rotations, root = random_motion(1, 196)
    _, joints = kinematics.forward(DEFAULT_RIG, rotations, root)
    body = joints[:, : len(BODY_JOINTS)]
    fastest = min(_cpu_seconds(body) for _ in range(5))
    assert fastest < 0.020


def _cpu_seconds(joints: np.ndarray) -> float:
    start = time.thread_time()
    positions_to_rotations(DEFAULT_RIG, joints)
    return time.thread_time() - start


@pytest.mark.parametrize("shape", [(5, 21, 3), (5, 22, 2), (22, 3), (0, 22, 3)])
def test_wrong_shapes_are_named(shape: tuple[int, ...]):
    with pytest.raises(FleximoError, match="positions"):
        positions_to_rotations(DEFAULT_RIG, np.zeros(shape))


def test_missing_values_and_unknown_faces_are_refused():
    joints = DEFAULT_RIG.rest_joints[None, :22].copy()
    with pytest.raises(FleximoError, match="left_wrist are no landmarks"):
        positions_to_rotations(DEFAULT_RIG, joints, face_points={"left_wrist": np.zeros((1, 3))})
    joints[0, 3] = np.nan
    with pytest.raises(FleximoError, match="not finite"):
        positions_to_rotations(DEFAULT_RIG, joints)
    with pytest.raises(FleximoError, match="no joint called 'pelvis'"):
        positions_to_rotations(Rig(("hip",), np.array([-1]), np.zeros((1, 3))), np.zeros((1, 1, 3)))


def test_joints_on_one_spot_give_finite_rotations():
    found, _ = positions_to_rotations(DEFAULT_RIG, np.zeros((3, 22, 3)))
    assert np.isfinite(found).all()
    assert np.abs(np.linalg.norm(found, axis=-1) - 1.0).max() < 1e-6
