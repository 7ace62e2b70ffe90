"""Hands taken from the plan: a motion without fingers gets those of its moves, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo import FleximoError, Motion, MotionPlan, Segment
from fleximo import rotations as rot
from fleximo.fingers import finger_names, shape_rotations
from fleximo.moves import generate
from fleximo.moves.hands import with_fingers
from fleximo.solve import motion_from_joints

PLAN = MotionPlan(
    (Segment("walk", 2.0), Segment("punch", 3.0, side="both"), Segment("wave", 2.5, side="left"), Segment("idle", 1.0))
)


@pytest.fixture(scope="module")
def motion() -> Motion:
    joints = generate(PLAN, fps=20).joints()[:, :22]
    return with_fingers(motion_from_joints(joints, 20), PLAN)


def _nearest(motion: Motion, side: str, shape: str) -> np.ndarray:
    """(T,) degrees between the `side` hand and a hand shape, mean over its fingers."""
    own = motion.rotations[:, [motion.rig.index(name) for name in finger_names(side)]]
    return np.degrees(rot.angle_between(own, shape_rotations(shape, side))).mean(axis=1)


def test_each_segment_has_the_hands_of_its_move(motion: Motion) -> None:
    walk, punch, wave, idle = slice(0, 40), slice(40, 100), slice(100, 150), slice(150, 170)
    assert _nearest(motion, "right", "fist")[punch].min() < 1.0
    assert _nearest(motion, "left", "open")[wave].min() < 1.0
    assert _nearest(motion, "right", "relaxed")[wave].max() < 3.0
    for rest in (walk, idle):
        assert _nearest(motion, "left", "relaxed")[rest].max() < 3.0


def test_nothing_but_fingers_changes(motion: Motion) -> None:
    bare = motion_from_joints(generate(PLAN, fps=20).joints()[:, :22], 20)
    np.testing.assert_array_equal(motion.rotations[:, :22], bare.rotations[:, :22])
    np.testing.assert_array_equal(motion.root, bare.root)


def test_fingers_do_not_jump_at_the_seams(motion: Motion) -> None:
    jumps = np.degrees(rot.angle_between(motion.rotations[1:, 22:], motion.rotations[:-1, 22:]))
    assert jumps.max() < 30.0


def test_a_segment_s_hands_depend_on_it_alone(motion: Motion) -> None:
    other = MotionPlan((Segment("golf_swing", 2.0), *PLAN.segments[1:]))
    again = with_fingers(motion, other)
    assert not np.array_equal(again.rotations[:40], motion.rotations[:40])
    np.testing.assert_array_equal(again.rotations[40:], motion.rotations[40:])


def test_a_plan_of_another_length_is_refused(motion: Motion) -> None:
    with pytest.raises(FleximoError, match="170 frames; its plan lasts 60"):
        with_fingers(motion, MotionPlan((Segment("walk", 3.0),)))
