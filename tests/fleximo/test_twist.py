"""A limb's turn about itself: exact where it is bent, carried on where it is straight, never jumping."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo import rotations as rot
from fleximo.twist import bend_twist

X, Y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
LOWER_M = 0.26


def limb(turn_rad: np.ndarray, bend_rad: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An arm along +x that is turned about itself and bent about its own -y: (along, lower, hinge axis), one limb."""
    turned = rot.from_axis_angle(X, turn_rad)
    lower = rot.rotate(rot.multiply(turned, rot.from_axis_angle(-Y, bend_rad)), LOWER_M * X)
    shape = (len(turn_rad), 1, 3)
    return np.broadcast_to(X, shape), lower[:, None], np.broadcast_to(-Y, shape)


@pytest.mark.parametrize("bend", [12.0, 30.0, 90.0, 150.0])
def test_a_bent_limb_tells_its_turn(bend: float) -> None:
    turn = np.linspace(-1.0, 1.2, 40)
    found = bend_twist(*limb(turn, np.full(40, np.radians(bend))), jitter=0.0)
    assert np.degrees(np.abs(found[:, 0] - turn)).max() < 1.5


def test_a_straight_limb_is_carried_from_bend_to_bend() -> None:
    turn = np.linspace(0.2, 1.0, 60)
    bend = np.radians(np.where((np.arange(60) > 15) & (np.arange(60) < 45), 0.5, 60.0))
    found = bend_twist(*limb(turn, bend), jitter=0.0)
    assert np.degrees(np.abs(found[:, 0] - turn)).max() < 3.0


def test_a_limb_that_is_never_bent_is_not_turned() -> None:
    assert np.abs(bend_twist(*limb(np.linspace(0.0, 1.0, 20), np.full(20, 0.01)), jitter=0.0)).max() < 1e-9


def test_overstretching_is_no_half_turn() -> None:
    bend = np.radians(np.concatenate((np.linspace(60, -15, 20), np.linspace(-15, 60, 20))))
    found = bend_twist(*limb(np.full(40, 0.3), bend), jitter=0.0)
    assert np.degrees(np.abs(found[:, 0] - 0.3)).max() < 5.0


def test_errors_of_a_nearly_straight_limb_do_not_shake_it() -> None:
    along, lower, hinge = limb(np.full(80, 0.4), np.full(80, np.radians(14.0)))
    shaken = lower + np.random.default_rng(0).normal(scale=0.006, size=lower.shape)
    calm, blind = (bend_twist(along, shaken, hinge, jitter=jitter)[:, 0] for jitter in (0.006, 0.0))
    assert np.degrees(np.abs(np.diff(calm))).max() <= 15.0
    assert np.abs(calm - 0.4).mean() < 0.75 * np.abs(blind - 0.4).mean()


def test_a_jump_is_spread_where_the_plane_is_not_sure() -> None:
    turn = np.where(np.arange(40) < 20, 0.0, 1.2)
    found = bend_twist(*limb(turn, np.full(40, np.radians(9.0))), jitter=0.008)
    assert np.degrees(np.abs(np.diff(found[:, 0]))).max() <= 30.0
