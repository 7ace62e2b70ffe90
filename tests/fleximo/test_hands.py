"""The 21-point hands of the rig, judged by anatomy and by name."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, WHOLEBODY_128, Motion
from fleximo import rotations as rot
from fleximo.bones import rig_bones
from fleximo.fingers import HAND_SHAPES, finger_names, shape_rotations
from fleximo.hands import hand_names, hand_points
from fleximo.layouts import HAND_EDGES, LEFT_HAND, RIGHT_HAND


def posed(shape: str, seed: int = 0) -> Motion:
    """Both hands in `shape`, the arms and the body turned any way."""
    generator = np.random.default_rng(seed)
    rotations = rot.normalise(generator.normal(size=(5, len(DEFAULT_RIG.joint_names), 4)))
    for side in ("left", "right"):
        columns = [DEFAULT_RIG.index(name) for name in finger_names(side)]
        rotations[:, columns] = shape_rotations(shape, side)
    return Motion(rotations, np.zeros((5, 3)), 30, np.zeros((5, 2), dtype=bool))


def test_the_points_are_matched_by_name_not_by_order() -> None:
    for side, part in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
        wanted = [name.removeprefix(f"{side}_hand_") for name in WHOLEBODY_128.names[part]]
        ours = [name.removeprefix(f"{side}_") for name in hand_names(side)]
        assert [name.replace("_tip", "4") for name in ours] == wanted


@pytest.mark.parametrize("shape", sorted(HAND_SHAPES))
@pytest.mark.parametrize("side", ["left", "right"])
def test_fingers_keep_their_lengths_and_their_reach(shape: str, side: str) -> None:
    points = hand_points(posed(shape), side)
    flat = hand_points(posed("flat"), side)
    for a, b in HAND_EDGES:
        length, rest = (np.linalg.norm(hand[:, a] - hand[:, b], axis=-1) for hand in (points, flat))
        assert np.abs(length / rest - 1.0).max() < 0.05
    reach = np.linalg.norm(points[:, 4::4] - points[:, :1], axis=-1)
    assert reach.max() <= 1.15 * rig_bones(DEFAULT_RIG)["hand"]


def test_a_fist_brings_the_fingertips_back_and_an_open_hand_fans_them() -> None:
    open_tips, fist_tips = (
        np.linalg.norm(
            hand_points(posed(shape), "left")[:, [8, 12, 16, 20]] - hand_points(posed(shape), "left")[:, :1], axis=-1
        )
        for shape in ("open", "fist")
    )
    assert (fist_tips < 0.75 * open_tips).all()


def test_the_thumb_is_the_finger_that_stands_off() -> None:
    points = hand_points(posed("open"), "right")
    spans = np.linalg.norm(np.diff(points[:, [4, 8, 12, 16, 20]], axis=1), axis=-1)
    assert (spans[:, 0] > spans[:, 1:].max(axis=1)).all()
