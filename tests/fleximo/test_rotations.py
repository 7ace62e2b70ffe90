"""Quaternions judged by SciPy's rotations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from fleximo import rotations as rot


def _random(count: int, seed: int = 0) -> np.ndarray:
    return rot.normalise(np.random.default_rng(seed).normal(size=(count, 4)))


def _scipy(q: np.ndarray) -> Rotation:
    return Rotation.from_quat(np.asarray(q)[..., [1, 2, 3, 0]])


def _same(ours: np.ndarray, theirs: Rotation, tolerance: float = 1e-9) -> bool:
    """Whether both are the same rotations; q and -q are one."""
    return bool(((_scipy(ours).inv() * theirs).magnitude() < tolerance).all())


def test_multiply_applies_the_right_one_first():
    a, b = _random(50, 1), _random(50, 2)
    assert _same(rot.multiply(a, b), _scipy(a) * _scipy(b))


def test_unit_vectors_keep_their_direction_and_zero_stays_zero():
    v = np.random.default_rng(2).normal(size=(20, 3))
    np.testing.assert_allclose(rot.unit(v) * np.linalg.norm(v, axis=1, keepdims=True), v, atol=1e-12)
    np.testing.assert_array_equal(rot.unit(np.zeros((2, 3))), np.zeros((2, 3)))


def test_conjugate_is_the_inverse():
    q = _random(50)
    assert _same(rot.conjugate(q), _scipy(q).inv())


def test_rotate_broadcasts_over_frames_and_points():
    q, v = _random(7), np.random.default_rng(3).normal(size=(7, 5, 3))
    expected = np.stack([_scipy(q[t]).apply(v[t]) for t in range(7)])
    np.testing.assert_allclose(rot.rotate(q[:, None], v), expected, atol=1e-12)
    np.testing.assert_allclose(rot.rotate(q, v[0, 0]), _scipy(q).apply(v[0, 0]), atol=1e-12)
    np.testing.assert_allclose(rot.rotate(q[0], v[0]), _scipy(q[0]).apply(v[0]), atol=1e-12)


def test_axis_angle():
    rng = np.random.default_rng(4)
    axis = rng.normal(size=(40, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    angle = rng.uniform(-7.0, 7.0, 40)
    assert _same(rot.from_axis_angle(axis, angle), Rotation.from_rotvec(axis * angle[:, None]))


@pytest.mark.parametrize("length", [0.0, 1e-12, 1e-6, 0.5, 3.0, np.pi - 1e-6])
def test_rotation_vector_both_ways(length: float):
    axis = np.random.default_rng(5).normal(size=(20, 3))
    vectors = axis / np.linalg.norm(axis, axis=1, keepdims=True) * length
    q = rot.from_rotation_vector(vectors)
    assert _same(q, Rotation.from_rotvec(vectors))
    np.testing.assert_allclose(rot.to_rotation_vector(q), vectors, atol=1e-9)
    np.testing.assert_allclose(rot.to_rotation_vector(-q), vectors, atol=1e-9)


def test_matrix_both_ways_also_at_half_turns():
    half_turns = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0.6, 0.8, 0], [1e-9, -0.6, 0, 0.8]])
    q = np.concatenate((_random(200), half_turns))
    np.testing.assert_allclose(rot.to_matrix(q), _scipy(q).as_matrix(), atol=1e-12)
    assert _same(rot.from_matrix(rot.to_matrix(q)), _scipy(q), 1e-7)


def test_two_vectors_take_the_shortest_way():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(100, 3)), rng.normal(size=(100, 3))
    q = rot.from_two_vectors(a, b)
    turned = rot.rotate(q, a)
    cosine = (turned * b).sum(-1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(cosine, 1.0, atol=1e-9)
    between = np.arccos(np.clip((a * b).sum(-1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1), -1, 1))
    np.testing.assert_allclose(_scipy(q).magnitude(), between, atol=1e-7)


@pytest.mark.parametrize("axis", [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (0.6, 0.8, 0.0)])
def test_opposite_vectors_turn_by_half(axis: tuple[float, float, float]):
    a = np.array(axis)
    q = rot.from_two_vectors(a, -a)
    np.testing.assert_allclose(rot.rotate(q, a), -a, atol=1e-6)
    assert np.linalg.norm(q) == pytest.approx(1.0)


def test_slerp_against_scipy():
    a, b = _random(2, 7)
    times = np.linspace(0.0, 1.0, 11)
    expected = Slerp([0.0, 1.0], _scipy(np.stack((a, b))))(times)
    assert _same(rot.slerp(a[None], b[None], times), expected, 1e-7)
    assert _same(rot.slerp(a[None], -b[None], times), expected, 1e-7)


@given(st.integers(0, 2**32 - 1))
def test_continuous_changes_signs_only(seed: int):
    q = _random(30, seed).reshape(10, 3, 4)
    steady = rot.continuous(q)
    np.testing.assert_array_equal(np.abs(steady), np.abs(q))
    assert ((steady[1:] * steady[:-1]).sum(-1) >= 0.0).all()
    assert _same(steady.reshape(-1, 4), _scipy(q.reshape(-1, 4)), 1e-7)


def test_angle_between_ignores_the_sign():
    a, b = _random(50, 8), _random(50, 9)
    expected = (_scipy(a).inv() * _scipy(b)).magnitude()
    np.testing.assert_allclose(rot.angle_between(a, b), expected, atol=1e-9)
    np.testing.assert_allclose(rot.angle_between(a, -b), expected, atol=1e-9)


def test_twist_leaves_a_swing_without_turn_about_the_axis():
    q = _random(50, 10)
    axis = np.array([0.0, 0.6, 0.8])
    twist = rot.twist_about(q, axis)
    np.testing.assert_allclose(np.cross(twist[:, 1:], axis), 0.0, atol=1e-12)
    swing = rot.multiply(q, rot.conjugate(twist))
    turned = rot.to_rotation_vector(swing)
    np.testing.assert_allclose((turned * axis).sum(-1), 0.0, atol=1e-7)


def test_yaw_is_positive_towards_the_left_side():
    angles = np.radians([-170.0, -90.0, 0.0, 45.0, 179.0])
    leaning = rot.from_axis_angle([1.0, 0.0, 0.0], 0.3)
    q = rot.multiply(rot.from_axis_angle([0.0, 1.0, 0.0], angles), leaning)
    np.testing.assert_allclose(rot.yaw(q), angles, atol=1e-9)
    assert rot.rotate(q, np.array([0.0, 0, 1]))[3, 0] > 0.0


def test_a_zero_quaternion_becomes_the_identity():
    np.testing.assert_array_equal(rot.normalise(np.zeros((2, 4))), [[1, 0, 0, 0]] * 2)
