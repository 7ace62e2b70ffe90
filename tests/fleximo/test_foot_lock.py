"""Planted toes told from positions, and legs that are left alone where feet stand already."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from fleximo.foot_lock import lock_feet, planted_toes
from fleximo.moves import LIBRARY
from fleximo.posed import Posed
from tests.fleximo.move_metrics import example
from tests.fleximo.solve_metrics import body_joints

FPS = Fraction(20)


@pytest.mark.parametrize("name", LIBRARY)
def test_planted_toes_are_those_of_the_move(name: str) -> None:
    motion = example(name, fps=20)
    assert (planted_toes(body_joints(motion), FPS) == motion.contacts).mean() > 0.9


def test_a_foot_held_in_the_air_is_not_planted() -> None:
    joints = body_joints(example("idle", fps=20)).copy()
    joints[:, [7, 10]] += np.array([0.0, 0.25, 0.1])
    planted = planted_toes(joints, FPS)
    assert not planted[:, 0].any() and planted[:, 1].all()


def test_stairs_are_floor_too() -> None:
    joints = body_joints(example("idle", fps=20, seconds=4.0)).copy()
    joints[len(joints) // 2 :] += np.array([0.0, 0.5, 0.0])
    assert planted_toes(joints, FPS)[-10:].all()


def test_labels_are_believed_while_the_toe_is_slow() -> None:
    motion = example("walk", fps=20)
    everywhere = planted_toes(body_joints(motion), FPS, np.ones((len(motion), 2), dtype=bool))
    assert (everywhere == motion.contacts).mean() > 0.85
    assert not planted_toes(body_joints(motion), FPS, np.zeros((len(motion), 2), dtype=bool)).any()


@pytest.mark.parametrize("name", ["squat", "walk", "kick"])
def test_standing_feet_are_not_touched(name: str) -> None:
    motion = example(name, fps=20)
    posed = Posed(motion.rig, motion.rotations.astype(np.float64), motion.root.astype(np.float64))
    held = lock_feet(posed, motion.contacts, FPS)
    assert np.abs(posed.rotations - motion.rotations).max() < 2e-3  # a landing toe of the walk slides 0.4 mm
    assert held.sum() > 0.9 * motion.contacts.sum()


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_clips_shorter_than_a_stance_pass(frames: int) -> None:
    motion = example("walk", fps=20)[:frames]
    posed = Posed(motion.rig, motion.rotations.astype(np.float64), motion.root.astype(np.float64))
    assert lock_feet(posed, planted_toes(body_joints(motion), FPS), FPS).shape == (frames, 2)


def test_a_slow_slide_becomes_small_steps() -> None:
    motion = example("idle", fps=20, seconds=4.0)
    root = motion.root.astype(np.float64) + np.linspace(0.0, 0.5, len(motion))[:, None] * np.array([1.0, 0.0, 0.0])
    posed = Posed(motion.rig, motion.rotations.astype(np.float64), root)
    before = posed.joints[:, [10, 11]].copy()
    held = lock_feet(posed, np.ones((len(motion), 2), dtype=bool), FPS)
    after = Posed(motion.rig, posed.rotations, posed.root).joints[:, [10, 11]]
    standing = held[1:] & held[:-1]
    assert 0.4 < held.mean() < 0.95
    assert np.linalg.norm(np.diff(after, axis=0), axis=-1)[standing].max() < 1e-3
    assert np.linalg.norm(after - before, axis=-1).max() < 0.05
