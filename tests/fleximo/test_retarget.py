"""The same motion on other bodies: planted feet and touching palms survive, and an equal body changes nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleximo import DEFAULT_RIG, Motion, MotionPlan, Segment
from fleximo.bones import rig_bones
from fleximo.moves import generate
from fleximo.rescale import Fit, apply_fit, fit_rig
from fleximo.retarget import retarget

OTHERS = {
    "broad": {"shoulder_width": 0.46, "upper_arm": 0.27, "forearm": 0.24},
    "long arms": {"upper_arm": 0.36, "forearm": 0.33},
    "narrow": {"shoulder_width": 0.24, "torso": 0.46},
}


@pytest.fixture(scope="module")
def motions() -> dict[str, Motion]:
    return {name: generate(MotionPlan((Segment(name, 3.0),))) for name in ("clap", "drink", "squat", "walk", "wave")}


def distance(motion: Motion, a: str, b: str) -> np.ndarray:
    return np.asarray(np.linalg.norm(np.diff(motion.positions(a, b), axis=1)[:, 0], axis=-1))


@pytest.mark.parametrize("name", ["clap", "walk", "wave"])
def test_an_equal_body_changes_nothing(name: str, motions: dict[str, Motion]) -> None:
    motion = motions[name]
    assert np.abs(retarget(motion, DEFAULT_RIG).joints() - motion.joints()).max() < 2e-3


@pytest.mark.parametrize("body", sorted(OTHERS))
def test_palms_that_clap_still_meet(body: str, motions: dict[str, Motion]) -> None:
    motion = motions["clap"]
    rig = fit_rig(DEFAULT_RIG, OTHERS[body])
    fitted = retarget(motion, rig)
    before, after = (distance(m, "left_middle1", "right_middle1") for m in (motion, fitted))
    touching = before < 0.10
    assert touching.any()
    assert np.abs(after[touching] - before[touching]).max() < 0.015
    naive = replace(motion, rig=rig)
    assert np.abs(distance(naive, "left_middle1", "right_middle1")[touching] - before[touching]).max() > 0.03
    # In the upper-body mode too.
    half = apply_fit(motion, Fit(bone_lengths_m=OTHERS[body], upper_body=True))
    assert np.abs(distance(half, "left_middle1", "right_middle1")[touching] - before[touching]).max() < 0.015


@pytest.mark.parametrize("body", sorted(OTHERS))
def test_a_drinking_hand_reaches_the_mouth(body: str, motions: dict[str, Motion]) -> None:
    motion = motions["drink"]
    sides = [side for side in ("left", "right") if distance(motion, f"{side}_middle1", "nose").min() < 0.12]
    fitted = retarget(motion, fit_rig(DEFAULT_RIG, OTHERS[body]))
    for side in sides:
        before = distance(motion, f"{side}_middle1", "nose")
        frame = int(before.argmin())
        assert distance(fitted, f"{side}_middle1", "nose")[frame] == pytest.approx(before[frame], abs=0.02)
    assert sides


def test_a_hand_keeps_its_turn_in_the_world(motions: dict[str, Motion]) -> None:
    motion = motions["clap"]
    fitted = retarget(motion, fit_rig(DEFAULT_RIG, OTHERS["broad"]))
    wrist = DEFAULT_RIG.index("left_wrist")
    same = np.abs((fitted.world_rotations()[:, wrist] * motion.world_rotations()[:, wrist]).sum(axis=-1))
    assert same.min() > 1.0 - 1e-6


@cache
def squat_and_walk() -> Motion:
    return generate(MotionPlan((Segment("squat", 1.5), Segment("walk", 1.5))))


@settings(max_examples=25, deadline=None)
@given(factors=st.lists(st.floats(0.65, 1.5), min_size=10, max_size=10), stride=st.floats(0.0, 1.0))
def test_any_body_keeps_its_bones_and_its_feet_on_the_floor(factors: list[float], stride: float) -> None:
    motion = squat_and_walk()
    own = rig_bones(DEFAULT_RIG)
    rig = fit_rig(DEFAULT_RIG, {name: length * factor for (name, length), factor in zip(own.items(), factors)})
    fitted = retarget(motion, rig, (1.0, 0.0, 0.0, stride))
    assert np.isfinite(fitted.joints()).all()
    spans = fitted.joints() - fitted.joints()[:, rig.parents]
    lengths = np.linalg.norm(spans[:, 1:], axis=-1)
    assert np.abs(lengths - np.linalg.norm(rig.rest_offsets[1:], axis=-1)).max() < 1e-4
    lowest, before = (
        m.positions("left_toe_tip", "right_toe_tip", "left_heel", "right_heel")[..., 1].min() for m in (fitted, motion)
    )
    assert lowest > 1.5 * min(before, 0.0) - 0.01
