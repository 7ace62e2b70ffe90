"""Words that no planner knows, kept for motion models that read words."""

from __future__ import annotations

import pytest

from fleximo import FleximoError
from fleximo.planner import RulePlanner
from fleximo.planner.any_text import plan_any_text

plan = RulePlanner().plan


def test_what_is_known_is_planned_as_ever() -> None:
    text = "a person walks forward, waves and sits down"
    assert plan_any_text(text, plan) == plan(text)


def test_unknown_words_become_segments_of_their_own() -> None:
    made = plan_any_text("a man does a cartwheel, then walks forward and limps like an old man for 7 seconds", plan)
    first = made.segments[0]
    assert (first.move, first.matched, first.text) == ("idle", 0.0, "a man does a cartwheel")
    assert "limps like an old man" in made.segments[-1].text
    assert made.segments[-1].seconds == 7.0 and "seconds" not in made.segments[-1].text
    assert "unmatched_text" not in [notice.code for notice in made.notices]


def test_a_known_clause_keeps_its_move_beside_an_unknown_one() -> None:
    made = plan_any_text("she waves twice. She juggles.", plan)
    assert [segment.move for segment in made.segments] == ["wave", "idle"]
    assert made.segments[0].repeats == 2


def test_a_text_of_nothing_known_is_one_segment() -> None:
    (segment,) = plan_any_text("a person limps like an old man", plan).segments
    assert segment.text == "a person limps like an old man"


@pytest.mark.parametrize("text", ["", "  ", "...", "он идёт вперёд и машет рукой"])
def test_what_no_model_reads_is_refused(text: str) -> None:
    with pytest.raises(FleximoError):
        plan_any_text(text, plan)
