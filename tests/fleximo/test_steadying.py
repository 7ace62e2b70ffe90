"""Trembling joints: how much it is told from the bones, taken out where the motion is smoother, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo import DEFAULT_RIG
from fleximo.steadying import jitter_m, on_bones, steadied
from tests.fleximo.move_metrics import example
from tests.fleximo.solve_metrics import body_joints

MOVES = ("walk", "squat", "wave", "punch", "jump")
PARENTS = DEFAULT_RIG.parents[1:22]


def lengths(places: np.ndarray) -> np.ndarray:
    return np.linalg.norm(places[:, 1:] - places[:, PARENTS], axis=-1)


@pytest.mark.parametrize("sigma_m", [0.002, 0.005, 0.010, 0.020])
@pytest.mark.parametrize("name", MOVES)
def test_the_size_of_the_trembling_is_told(name: str, sigma_m: float) -> None:
    joints = body_joints(example(name, fps=20))
    noise = np.random.default_rng(1).normal(scale=sigma_m, size=joints.shape)
    assert jitter_m(joints + noise) == pytest.approx(sigma_m, rel=0.2)
    assert jitter_m(joints) < 1e-6


@pytest.mark.parametrize("name", MOVES)
def test_what_does_not_tremble_stays_as_it_is(name: str) -> None:
    joints = body_joints(example(name, fps=20))
    assert steadied(joints, jitter_m(joints)) is joints
    assert on_bones(joints, DEFAULT_RIG) is joints


@pytest.mark.parametrize("name", MOVES)
def test_trembling_is_lessened_and_fast_parts_are_kept(name: str) -> None:
    joints = body_joints(example(name, fps=20))
    given = joints + np.random.default_rng(2).normal(scale=0.01, size=joints.shape)
    steady = steadied(given, jitter_m(given))
    error, before = (np.linalg.norm(places - joints, axis=-1) for places in (steady, given))
    assert error.mean() < 0.9 * before.mean()
    assert error.max() < 0.06


def test_bones_get_their_lengths_by_small_moves() -> None:
    joints = body_joints(example("walk", fps=20))
    given = joints + np.random.default_rng(3).normal(scale=0.01, size=joints.shape)
    placed = on_bones(given, DEFAULT_RIG)
    assert np.abs(lengths(placed) - lengths(DEFAULT_RIG.rest_joints[None, :22])).max() < 0.01
    assert np.linalg.norm(placed - given, axis=-1).mean() < np.linalg.norm(given - joints, axis=-1).mean()
    assert np.linalg.norm(placed - joints, axis=-1).mean() < np.linalg.norm(given - joints, axis=-1).mean()
    np.testing.assert_allclose(placed.mean(axis=1), given.mean(axis=1), atol=1e-9)


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_short_clips_pass(frames: int) -> None:
    joints = body_joints(example("walk", fps=20))[:frames]
    given = joints + np.random.default_rng(4).normal(scale=0.01, size=joints.shape)
    assert np.isfinite(on_bones(steadied(given, 0.01), DEFAULT_RIG)).all()
