"""Outlines as language models write them: what becomes a plan, by which rules, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleximo.errors import FleximoError
from fleximo.moves.lexicon import LEXICON
from fleximo.plan import DIRECTIONS, MOVES, SIDES, MotionPlan
from fleximo.planner import RulePlanner
from fleximo.planner.outline import outline_schema, plan_from_outline


def act(move: str, **fields: Any) -> dict[str, Any]:
    return {"move": move, **fields}


def planned(*acts: dict[str, Any], text: str = "some text", **fields: Any) -> MotionPlan:
    return plan_from_outline({"segments": list(acts), **fields}, text)


def refusal(outline: Any) -> FleximoError:
    with pytest.raises(FleximoError) as caught:
        plan_from_outline(outline, "some text")
    return caught.value


@pytest.mark.parametrize(
    ("text", "acts"),
    [
        ("he does three squats", [act("squat", repeats=3)]),
        ("he claps for five seconds", [act("clap", seconds=5)]),
        ("he claps for 90 seconds", [act("clap", seconds=90)]),
        ("he walks backward", [act("walk", direction="backward")]),
        ("he nods, then punches with both hands", [act("nod"), act("punch", side="both")]),
        ("he walks while waving his left hand", [act("walk", layers=[act("wave", side="left")])]),
        ("he waves while walking", [act("wave", layers=[act("walk")])]),
        ("he slowly kneels down", [act("kneel", speed=0.71)]),
        ("he turns around", [act("turn", direction="around")]),
    ],
)  # fmt: skip
def test_the_rules_for_text_hold_for_outlines(text: str, acts: list[dict[str, Any]]) -> None:
    """Lengths, repeats, sides, splits and layers come out as if the text had said the same."""
    rules, outlined = RulePlanner().plan(text), planned(*acts)
    without_words = [_without_words(plan) for plan in (rules, outlined)]
    assert without_words[0] == without_words[1]


def _without_words(plan: MotionPlan) -> list[dict[str, Any]]:
    segments = plan.to_json()["segments"]
    for segment in segments:
        for entry in (segment, *segment["layers"]):
            del entry["text"], entry["matched"]
    return segments


def test_what_the_text_says_beside_motion_is_kept_apart() -> None:
    plan = planned(
        act("walk", text="a person walks"),
        text="a tall woman in a red dress walks along the beach and juggles",
        setting="a tall woman in a red dress, at the beach",
        unmatched=["juggles"],
    )
    assert plan.setting == "a tall woman in a red dress, at the beach"
    assert [segment.text for segment in plan.segments] == ["a person walks"]
    [notice] = plan.notices
    assert notice.code == "unmatched_text" and '"juggles"' in notice.message and notice.remedy
    assert plan.segments[0].matched == pytest.approx(12 / 13, abs=1e-3)
    assert MotionPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_segment_without_words_is_named_after_its_move() -> None:
    assert planned(act("jumping_jacks")).segments[0].text == "jumping jacks"


def test_words_become_one_line_that_a_terminal_can_show() -> None:
    plan = planned(act("nod", text="he\n\n nods\x1b[31m\u202e"), setting="a\tpark\x07")
    assert plan.segments[0].text == "he nods[31m" and plan.setting == "a park"
    assert planned(act("nod"), unmatched=["\x07 \x07", " "]).notices == ()


def test_what_a_move_does_not_have_is_left_out() -> None:
    nod, walk = planned(act("nod", side="left", direction="up"), act("walk", direction="around")).segments
    assert (nod.side, nod.direction, walk.direction) == (None, None, None)


def test_moves_of_the_same_limbs_follow_each_other_and_it_is_said() -> None:
    plan = planned(act("clap", layers=[act("punch")]))
    assert [segment.move for segment in plan.segments] == ["clap", "punch"]
    assert "same limbs" in plan.notices[0].message


@pytest.mark.parametrize(
    ("outline", "words"),
    [
        (None, "the outline is no JSON object"),
        ([], "the outline is no JSON object"),
        ({}, "it names no motion"),
        ({"segments": []}, "it names no motion"),
        ({"segments": {"move": "walk"}}, "segments is no list"),
        ({"segments": ["walk"]}, "a segment is no JSON object"),
        ({"segments": [{"text": "walks"}]}, "names no move"),
        ({"segments": [act("fly")]}, "the move 'fly' is not known"),
        ({"segments": [act("Walk")]}, "the move 'Walk' is not known"),
        ({"segments": [act(["walk"])]}, "is not known"),  # type: ignore[arg-type]
        ({"segments": [act("walk", side="top")]}, "the side 'top' is not known"),
        ({"segments": [act("walk", direction="north")]}, "the direction 'north'"),
        ({"segments": [act("walk", style="sad")]}, "unknown field 'style'"),
        ({"segments": [act("walk")], "mood": "sad"}, "unknown field 'mood'"),
        ({"segments": [act("clap", repeats=0)]}, "repeats is 0; 1 to 1000"),
        ({"segments": [act("clap", repeats=2.5)]}, "2.5 repeats"),
        ({"segments": [act("clap", repeats=True)]}, "repeats is True, no number"),
        ({"segments": [act("clap", repeats="3")]}, "repeats is '3', no number"),
        ({"segments": [act("clap", repeats=10**400)]}, "1 to 1000"),
        ({"segments": [act("walk", seconds=-1)]}, "seconds is -1; 0.1 to 600"),
        ({"segments": [act("walk", seconds=601)]}, "0.1 to 600"),
        ({"segments": [act("walk", seconds=float("nan"))]}, "seconds is nan"),
        ({"segments": [act("walk", seconds=float("inf"))]}, "seconds is inf"),
        ({"segments": [act("walk", speed=0)]}, "speed is 0; 0.2 to 5"),
        ({"segments": [act("walk", text=7)]}, "text is no text"),
        ({"segments": [act("walk", text="x" * 1001)]}, "at most 1000 characters"),
        ({"segments": [act("walk")] * 501}, "at most 500 entries"),
        ({"segments": [act("walk", layers=[act("wave", layers=[act("nod")])])]}, "unknown field 'layers'"),
        ({"segments": [act("walk")], "unmatched": "juggles"}, "unmatched is no list"),
        ({"segments": [act("walk")], "unmatched": ["juggles"] * 31}, "at most 30 entries"),
        ({"segments": [act("walk")], "setting": ["park"]}, "setting is no text"),
    ],
)  # fmt: skip
def test_what_is_no_outline_is_named(outline: Any, words: str) -> None:
    error = refusal(outline)
    assert error.code == "invalid_outline" and words in error.message


def test_a_plan_without_end_is_refused() -> None:
    assert refusal({"segments": [act("walk", seconds=400), act("run", seconds=300)]}).code == "too_long"
    assert refusal({"segments": [act("sit_down", repeats=1000)]}).code == "too_long"


def test_the_schema_offers_what_the_reader_takes() -> None:
    schema = outline_schema()
    segment = schema["properties"]["segments"]["items"]
    layer = segment["properties"]["layers"]["items"]
    assert segment["properties"]["move"]["enum"] == list(MOVES)
    assert segment["properties"]["side"]["enum"] == [*SIDES, None]
    assert segment["properties"]["direction"]["enum"] == [*DIRECTIONS, None]
    for part in (schema, segment, layer):  # as strict structured output demands
        assert part["additionalProperties"] is False and part["required"] == list(part["properties"])
    full = dict.fromkeys(segment["required"]) | {"move": "walk", "layers": []}
    assert planned(full, setting="", unmatched=[]).segments[0].move == "walk"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(MOVES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["segments", "move", "layers", "repeats", "seconds", "text"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON | st.builds(lambda acts: {"segments": acts}, st.lists(JSON, max_size=3)))
def test_any_json_gives_a_plan_or_one_sentence(outline: Any) -> None:
    try:
        plan = plan_from_outline(outline, "some text")
    except FleximoError as error:
        assert error.code in ("invalid_outline", "too_long")
    else:
        assert all(segment.move in LEXICON for segment in plan.segments)
