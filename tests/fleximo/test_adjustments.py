"""Whole motions adjusted: standing feet, walking in place, loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fleximo import FleximoError, MotionPlan
from fleximo import rotations as rot
from fleximo.adjustments import in_place, looped, with_locked_feet
from fleximo.moves import generate
from fleximo.plan import Segment
from fleximo.seams import slide_m_s

WALK = generate(MotionPlan((Segment("walk", 4.0),)), fps=30)


def test_sliding_feet_are_held() -> None:
    drift = np.zeros((len(WALK), 3))
    drift[:, 0] = 0.05 * np.sin(np.arange(len(WALK)) / 20.0)
    sliding = replace(WALK, root=WALK.root + drift)
    assert slide_m_s(sliding) > 0.05
    locked = with_locked_feet(sliding)
    toes = [WALK.rig.index(f"{side}_foot") for side in ("left", "right")]
    both = WALK.contacts[:-1] & WALK.contacts[1:]
    speeds = [np.linalg.norm(np.diff(m.joints()[:, toes], axis=0)[..., [0, 2]], axis=-1) for m in (sliding, locked)]
    assert np.median(speeds[1][both]) < 0.1 * np.median(speeds[0][both])
    arms = WALK.rig.index("left_elbow")
    assert (locked.rotations[:, arms] == sliding.rotations[:, arms]).all()
    still = generate(MotionPlan((Segment("wave", 2.0),)), fps=30)
    assert np.abs(with_locked_feet(still).rotations - still.rotations).max() < 1e-5


def test_a_walk_in_place_goes_nowhere_and_keeps_its_poses() -> None:
    stays = in_place(WALK)
    assert np.linalg.norm(WALK.root[-1] - WALK.root[0]) > 2.0
    assert np.abs(stays.root[:, [0, 2]] - stays.root[0, [0, 2]]).max() < 0.3
    assert (stays.rotations == WALK.rotations).all() and (stays.root[:, 1] == WALK.root[:, 1]).all()
    one = WALK[:1]
    assert (in_place(one).root == one.root).all()


@pytest.mark.parametrize("move", ["wave", "walk", "turn"])
def test_the_end_leads_into_the_beginning(move: str) -> None:
    motion = generate(MotionPlan((Segment(move, 3.0),)), fps=30)
    loop = looped(motion)
    assert (loop.rotations[: len(motion) // 2] == motion.rotations[: len(motion) // 2]).all()
    steps = rot.angle_between(loop.rotations[1:, 1:], loop.rotations[:-1, 1:])
    across = rot.angle_between(loop.rotations[0, 1:], loop.rotations[-1, 1:])
    assert across.max() < 1.2 * steps.max() + 0.01, "no jump where it begins again"
    if move == "wave":
        assert np.linalg.norm(loop.root[-1] - loop.root[0]) < 0.01
    else:
        assert np.abs(loop.root[:, [0, 2]] - motion.root[:, [0, 2]]).max() < 0.1
    with pytest.raises(FleximoError, match="4 or more"):
        looped(motion[:3])
