"""Few keys instead of one per frame, and how far their curves are off."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo import FleximoError, Motion, MotionPlan, kinematics
from fleximo import rotations as rot
from fleximo.key_reduction import ReducedKeys, reduce_keys
from fleximo.moves import generate
from fleximo.plan import Segment


def errors(motion: Motion, reduced: ReducedKeys) -> tuple[float, float]:
    """(degrees, mm) at worst, sampled."""
    turned = np.stack([rot.normalise(keys.sample(len(motion))) for keys in reduced.joints], axis=1)
    places = kinematics.forward(motion.rig, turned, reduced.root.sample(len(motion)))[1]
    angles = rot.angle_between(turned, motion.rotations.astype(np.float64))
    distances = np.linalg.norm(places - motion.joints(), axis=-1)
    return float(np.degrees(angles.max())), 1e3 * float(distances.max())


@pytest.mark.parametrize("move", ["walk", "squat", "golf_swing", "jumping_jacks"])
def test_few_keys_stay_within_the_tolerance(move: str) -> None:
    motion = generate(MotionPlan((Segment(move, 4.0),)), fps=30)
    reduced = reduce_keys(motion)
    degrees, mm = errors(motion, reduced)
    share = reduced.count / (53 * len(motion))
    print(f"{move}: {100 * share:.1f} % of the keys, {degrees:.2f} degrees, {mm:.2f} mm")
    assert degrees <= 1.0 and mm <= 5.0 and share < 0.25
    assert np.radians(degrees) == pytest.approx(reduced.angle_error_rad, rel=1e-6)
    assert mm == pytest.approx(1e3 * reduced.position_error_m, rel=1e-6)


def test_tighter_means_more_keys() -> None:
    motion = generate(MotionPlan((Segment("dance", 3.0),)), fps=30)
    counts = []
    for factor in (1.0, 0.25):
        reduced = reduce_keys(motion, angle_rad=np.radians(factor), distance_m=0.005 * factor)
        degrees, mm = errors(motion, reduced)
        assert degrees <= factor and mm <= 5.0 * factor
        counts.append(reduced.count)
    assert counts[0] < counts[1]


def test_noise_keeps_most_keys() -> None:
    rng = np.random.default_rng(0)
    still = generate(MotionPlan((Segment("idle", 1.0),)), fps=30)
    shaken = rot.multiply(still.rotations.astype(float), rot.from_rotation_vector(rng.normal(size=(30, 52, 3)) * 0.2))
    motion = Motion(shaken, still.root, 30, still.contacts)
    reduced = reduce_keys(motion)
    degrees, mm = errors(motion, reduced)
    assert degrees <= 1.0 and mm <= 5.0 and reduced.count > 0.5 * 52 * 30


def test_a_motion_that_stands_still_has_two_keys_a_joint_and_one_frame_has_one() -> None:
    frame = generate(MotionPlan((Segment("wave", 1.0),)), fps=30)[3:4]
    still = frame.at(np.zeros(40), frame.fps)
    assert reduce_keys(still).count == 2 * 53
    assert reduce_keys(frame).count == 53
    with pytest.raises(FleximoError, match="above 0"):
        reduce_keys(frame, distance_m=0.0)
