"""Plans for a photo without legs: what is kept, what is held, what is said, and what it looks like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleximo.layouts import OPENPOSE_18
from fleximo.motion import Motion
from fleximo.moves import LIBRARY, generate
from fleximo.person import Person
from fleximo.plan import MOVES, MotionPlan, Segment
from fleximo.planner import RulePlanner
from fleximo.rescale import fit_notices
from fleximo.upper_body import plan_for, upper_body_plan
from tests.fleximo.truth import scene

LEGS = ("hip", "knee", "ankle", "foot")


def moves(plan: MotionPlan) -> list[tuple[str, list[str]]]:
    return [(segment.move, [layer.move for layer in segment.layers]) for segment in plan.segments]


def rewritten(text: str) -> MotionPlan:
    return upper_body_plan(RulePlanner().plan(text))


def still_legs(motion: Motion) -> bool:
    """Whether nobody goes anywhere and the knees stay as they are, breathing aside."""
    travel = np.ptp(motion.root[:, [0, 2]], axis=0).max()
    knees = motion.positions("left_knee", "right_knee", "left_ankle", "right_ankle")
    return bool(travel < 0.05 and np.ptp(knees, axis=0).max() < 0.05)


@pytest.mark.parametrize(
    ("text", "expected", "said"),
    [
        ("she walks for three seconds", [("idle", ["walk"])], "Walk: arms only."),
        ("she walks backward while waving", [("idle", ["walk", "wave"])], "Walk: arms only."),
        ("she does two squats and bows", [("idle", []), ("bow", [])], "Squat: held."),
        ("she dances and plays golf", [("idle", ["dance"]), ("idle", ["golf_swing"])], "Dance: trunk, head and arms"),
        ("she does jumping jacks", [("idle", ["jumping_jacks"])], "Jumping jacks: arms only."),
        ("she sits down, drinks and stands up", [("idle", []), ("drink", []), ("idle", [])], "Sit down: held; stand"),
        ("she picks up a box", [("idle", ["pick_up"])], "Pick up: trunk and arm only."),
        ("she turns around and nods", [("idle", []), ("nod", [])], "Turn: held."),
    ],
)
def test_moves_of_the_legs_are_replaced_and_it_is_said(
    text: str, expected: list[tuple[str, list[str]]], said: str
) -> None:
    plan, whole = rewritten(text), RulePlanner().plan(text)
    assert moves(plan) == expected
    [notice] = plan.notices
    assert notice.code == "upper_body_only" and said in notice.message and notice.remedy
    assert [segment.seconds for segment in plan.segments] == [segment.seconds for segment in whole.segments]
    for segment, before in zip(plan.segments, whole.segments):
        held = segment.move == "idle" and not segment.layers
        assert segment.text == ("stands still" if held else before.text)


def test_a_gesture_over_which_legs_were_to_move_stays() -> None:
    walk, squat, nod = Segment("walk", 2.0, direction="left"), Segment("squat", 2.0), Segment("nod", 1.0)
    wave = Segment("wave", 2.0, side="left")
    [over] = upper_body_plan(MotionPlan((replace(wave, layers=(squat, nod)),))).segments
    assert over == replace(wave, layers=(nod,))
    [under] = upper_body_plan(MotionPlan((replace(wave, layers=(walk, nod)),))).segments
    assert under.move == "idle" and under.layers == (replace(walk, direction=None), wave, nod)


def test_other_notices_seed_and_setting_stay() -> None:
    plan = replace(RulePlanner().plan("she walks and juggles").with_seed(7), setting="a park")
    rewritten = upper_body_plan(plan)
    assert [notice.code for notice in rewritten.notices] == ["unmatched_text", "upper_body_only"]
    assert (rewritten.seed, rewritten.setting) == (7, "a park")


@given(
    st.lists(st.tuples(st.sampled_from(MOVES), st.lists(st.sampled_from(MOVES), max_size=2)), min_size=1, max_size=3)
)
def test_nothing_that_moves_the_legs_is_left(acts: list[tuple[str, list[str]]]) -> None:
    plan = MotionPlan(
        tuple(Segment(move, 1.0, layers=tuple(Segment(layer, 1.0) for layer in layers)) for move, layers in acts)
    )
    rewritten = upper_body_plan(plan)
    assert all(segment.move in ("idle", "bow") or not LIBRARY[segment.move].uses_legs for segment in rewritten.segments)
    assert rewritten.seconds == plan.seconds
    assert upper_body_plan(rewritten).segments == rewritten.segments
    named = {name for move, layers in acts for name in (move, *layers)}
    if not any(LIBRARY[name].uses_legs for name in named - {"bow"}):
        assert rewritten is plan


@pytest.mark.parametrize("move", [name for name in MOVES if LIBRARY[name].uses_legs and name != "bow"])
def test_the_legs_stand_and_the_rest_moves(move: str) -> None:
    plan = upper_body_plan(MotionPlan((Segment(move, 3.0),)))
    motion, standing = generate(plan, fps=20), generate(MotionPlan((Segment("idle", 3.0),)), fps=20)
    assert still_legs(motion)
    arms = ("left_wrist", "right_wrist", "nose")
    reach, calm = (np.ptp(each.positions(*arms), axis=0).max() for each in (motion, standing))
    assert (reach > 0.1) == bool(plan.segments[0].layers)
    assert calm < 0.06


def test_the_photo_decides() -> None:
    whole = scene("anna").person()
    plan = RulePlanner().plan("she walks")
    assert plan_for(plan, whole) is plan
    bust = _without_feet(whole)
    assert moves(plan_for(plan, bust)) == [("idle", ["walk"])]
    assert "travel" not in fit_notices(generate(plan_for(plan, bust)), bust)[0].message


def _without_feet(person: Person) -> Person:
    confidence = person.confidence.copy()
    for name in ("left_ankle", "right_ankle"):
        confidence[OPENPOSE_18.index(name)] = 0.0
    return replace(person, confidence=confidence)
