"""Limbs solved from their ends: forward kinematics puts them where they were asked to be, hinges stay hinges."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, kinematics
from fleximo import rotations as rot
from fleximo.fingers import HAND_SHAPES, finger_names, finger_rotations, shape_rotations
from fleximo.limbs import arm_rotations, leg_rotations, mirrored, on_elbow_hinge

SIDES = ("left", "right")


def random_directions(rng: np.random.Generator, count: int) -> np.ndarray:
    v = rng.normal(size=(count, 3))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


@pytest.mark.parametrize("side", SIDES)
def test_a_wrist_in_reach_is_reached(side: str) -> None:
    rng = np.random.default_rng(1)
    way = random_directions(rng, 200) * [1.0, 1.0, 0.5] + [0.6, 0.0, 0.5]
    wrist = np.array([0.18, 0.14, 0.0]) + 0.36 * way / np.linalg.norm(way, axis=1, keepdims=True)
    count = len(wrist)
    local = arm_rotations(DEFAULT_RIG, side, wrist, np.broadcast_to([0.4, -0.7, -0.6], wrist.shape))
    q = np.broadcast_to(rot.IDENTITY, (count, 52, 4)).copy()
    for k, joint in enumerate(("collar", "shoulder", "elbow", "wrist")):
        q[:, DEFAULT_RIG.index(f"{side}_{joint}")] = local[:, k]
    _, joints = kinematics.forward(DEFAULT_RIG, q, np.zeros((count, 3)))
    chest = joints[:, DEFAULT_RIG.index("spine3")]
    flip = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
    there = (joints[:, DEFAULT_RIG.index(f"{side}_wrist")] - chest) * flip
    assert np.abs(there - wrist).max() < 1e-6
    assert np.abs(on_elbow_hinge(local[:, 2], side) - local[:, 2]).max() < 1e-6


def test_left_and_right_are_mirror_images() -> None:
    wrist = np.array([[0.3, 0.2, 0.3], [0.1, 0.0, 0.35]])
    pole = np.broadcast_to([0.5, -0.6, -0.5], wrist.shape)
    palm, fingers = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0], [0.0, 0.6, 0.8]])
    left = arm_rotations(DEFAULT_RIG, "left", wrist, pole, fingers, palm, 0.2)
    right = arm_rotations(DEFAULT_RIG, "right", wrist, pole, fingers, palm, 0.2)
    assert np.abs(mirrored(left) - right).max() < 1e-9
    for name in HAND_SHAPES:
        assert np.allclose(mirrored(shape_rotations(name, "left")), shape_rotations(name, "right"))


def test_a_hand_in_reach_of_its_joints_takes_its_directions() -> None:
    wrist, pole = np.array([[0.30, 0.05, 0.33]]), np.array([[0.5, -0.8, -0.4]])
    fingers, palm = np.array([[-0.1, 0.3, 0.95]]), np.array([[-1.0, 0.0, -0.1]])
    local = arm_rotations(DEFAULT_RIG, "left", wrist, pole, fingers, palm)
    hand = rot.multiply(rot.multiply(local[:, 0], local[:, 1]), rot.multiply(local[:, 2], local[:, 3]))
    along = fingers[0] / np.linalg.norm(fingers[0])
    assert rot.rotate(hand, np.array([1.0, 0.0, 0.0]))[0] @ along > 0.97
    assert rot.rotate(hand, np.array([0.0, -1.0, 0.0]))[0] @ palm[0] > 0.95


def test_mixed_elbows_come_back_to_their_hinge() -> None:
    rng = np.random.default_rng(0)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        bend, twist = rng.uniform(0.0, 2.5, 60), rng.uniform(-1.3, 1.3, 60)
        q = rot.multiply(
            rot.from_axis_angle([0.0, -sign, 0.0], bend), rot.from_axis_angle(np.array([1.0, 0.0, 0.0]), twist)
        )
        mixed = on_elbow_hinge(rot.slerp(q[:30], q[30:], 0.5), side)
        forearm = rot.rotate(mixed, np.array([sign, 0.0, 0.0]))
        assert np.abs(forearm[:, 1]).max() < 1e-9
        assert forearm[:, 2].min() >= -1e-9


@pytest.mark.parametrize("side", SIDES)
def test_an_ankle_in_reach_is_reached_and_the_foot_turned(side: str) -> None:
    rng = np.random.default_rng(2)
    count = 100
    pelvis = rot.from_rotation_vector(rng.uniform(-0.3, 0.3, (count, 3)))
    root = np.array([0.0, 0.9, 0.0]) + rng.uniform(-0.05, 0.05, (count, 3))
    ankle = np.array([0.1 if side == "left" else -0.1, 0.25, 0.0]) + rng.uniform(-0.12, 0.12, (count, 3))
    foot = rot.from_rotation_vector(rng.uniform(-0.5, 0.5, (count, 3)))
    knee = np.broadcast_to([0.0, 0.0, 1.0], (count, 3))
    leg = leg_rotations(DEFAULT_RIG, side, pelvis, root, ankle, foot, knee)
    q = np.broadcast_to(rot.IDENTITY, (count, 52, 4)).copy()
    q[:, 0] = pelvis
    for k, joint in enumerate(("hip", "knee", "ankle")):
        q[:, DEFAULT_RIG.index(f"{side}_{joint}")] = leg[:, k]
    world, joints = kinematics.forward(DEFAULT_RIG, q, root)
    j = DEFAULT_RIG.index(f"{side}_ankle")
    assert np.abs(joints[:, j] - ankle).max() < 1e-6
    assert rot.angle_between(world[:, j], foot).max() < 1e-6
    flexion = rot.to_rotation_vector(leg[:, 1])
    assert np.abs(flexion[:, 1:]).max() < 1e-9
    assert flexion[:, 0].min() > 0.0


@pytest.mark.parametrize("side", SIDES)
def test_fingers_ease_late_and_the_last_joint_follows_the_middle_one(side: str) -> None:
    t = np.arange(40) / 30
    q = finger_rotations(side, t, [(0.2, "open"), (0.6, "fist"), (1.2, "fist")])
    assert np.allclose(q[0], shape_rotations("open", side)) and np.allclose(q[-1], shape_rotations("fist", side))
    names = finger_names(side)
    angle = np.degrees(rot.angle_between(q, np.broadcast_to(rot.IDENTITY, q.shape)))
    for finger in ("index", "middle", "ring", "pinky"):
        middle, last = (names.index(f"{side}_{finger}{n}") for n in (2, 3))
        assert np.allclose(angle[:, last], angle[:, middle] * 2 / 3, atol=1e-6)
    half = [int(np.argmax(angle[:, names.index(f"{side}_{f}2")] > 50.0)) for f in ("index", "pinky")]
    assert t[half[0]] > 0.4  # later than the middle of the key's own time
    assert half[1] >= half[0]
