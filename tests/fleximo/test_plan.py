"""Plans go through JSON unchanged and refuse what no move can play."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleximo.errors import FleximoError, Notice
from fleximo.plan import DIRECTIONS, MOVES, SIDES, MotionPlan, Segment

SEGMENTS = st.builds(
    Segment,
    move=st.sampled_from(MOVES),
    seconds=st.floats(0.1, 60.0),
    text=st.text(max_size=20),
    side=st.sampled_from((None, *SIDES)),
    repeats=st.integers(1, 200),
    direction=st.sampled_from((None, *DIRECTIONS)),
    speed=st.floats(0.2, 5.0),
    matched=st.floats(0.0, 1.0),
)


@given(st.lists(SEGMENTS, min_size=1, max_size=5), SEGMENTS, st.integers(0, 2**63))
def test_json_round_trip(segments: list[Segment], layer: Segment, seed: int):
    first = Segment("walk", 2.0, layers=(layer,))
    plan = MotionPlan((first, *segments), seed, (Notice("unmatched_text", "twerks", "Name a move."),))
    assert MotionPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_the_document_is_the_documented_one():
    document = MotionPlan((Segment("wave", 2.0),)).to_json()
    assert set(document) == {"segments", "seed", "warnings"}
    assert set(document["segments"][0]) == {
        "text", "move", "seconds", "side", "repeats", "direction", "speed", "layers", "matched",
    }  # fmt: skip
    assert document["segments"][0]["side"] is None


def test_the_setting_is_written_where_there_is_one():
    plan = MotionPlan((Segment("wave", 2.0),), setting="a woman in a park")
    assert plan.to_json()["setting"] == "a woman in a park"
    assert MotionPlan.from_json(plan.to_json()) == plan
    assert MotionPlan.from_json({"segments": [{"move": "wave", "seconds": 1}]}).setting == ""


def test_all_32_moves_are_known():
    assert len(MOVES) == len(set(MOVES)) == 32
    assert {"idle", "jumping_jacks", "spin_dance", "golf_swing", "drink"} <= set(MOVES)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"move": "fly", "seconds": 1.0}, "'fly' is not known; the moves are idle, walk"),
        ({"move": "walk", "seconds": 0.0}, "lasts 0 s; 0.1 to 60 s"),
        ({"move": "walk", "seconds": float("nan")}, "lasts nan s"),
        ({"move": "walk", "seconds": 61.0}, "lasts 61 s"),
        ({"move": "wave", "seconds": 1.0, "side": "top"}, "side 'top' is not known"),
        ({"move": "walk", "seconds": 1.0, "direction": "north"}, "direction 'north'"),
        ({"move": "walk", "seconds": 1.0, "repeats": 0}, "repeats 0 times"),
        ({"move": "walk", "seconds": 1.0, "speed": 9.0}, "speed 9"),
    ],
)
def test_wrong_segments_are_explained(fields: dict[str, object], message: str):
    with pytest.raises(FleximoError, match=message):
        Segment(**fields)


def test_layers_are_one_deep_and_plans_not_endless():
    layered = Segment("walk", 1.0, layers=(Segment("wave", 1.0),))
    with pytest.raises(FleximoError, match="layer cannot have layers"):
        Segment("run", 1.0, layers=(layered,))
    with pytest.raises(FleximoError, match="at least one segment"):
        MotionPlan(())
    with pytest.raises(FleximoError, match="lasts 660 s; at most 600 s"):
        MotionPlan((Segment("walk", 60.0),) * 11)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"segments": 3},
        {"segments": [{}]},
        {"segments": [{"move": "walk", "seconds": "long"}]},
        {"segments": []},
        [],
        "walk",
        {"segments": [{"move": "walk", "seconds": 1, "layers": 5}]},
    ],
)
def test_documents_that_are_no_plan(document: object):
    with pytest.raises(FleximoError):
        MotionPlan.from_json(document)  # type: ignore[arg-type]


def test_with_seed_changes_the_seed_alone():
    plan = MotionPlan((Segment("wave", 2.0), Segment("bow", 1.5)), 3)
    assert plan.with_seed(4) == MotionPlan(plan.segments, 4)
    assert plan.seconds == 3.5
