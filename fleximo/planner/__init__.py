"""The rule planner: English text to a `MotionPlan`, without a model and in milliseconds.

Owns the way from text to plan and what is said about words that were not understood; it knows no joints and no photo.
Text -> tokens (`forms`) -> units (`reading`, `amounts`) -> steps (`ordering`) -> segments (`timing`).
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from fleximo.errors import FleximoError
from fleximo.plan import MotionPlan
from fleximo.planner.forms import Token, normalized, tokenize
from fleximo.planner.notices import plan_notices, remedy
from fleximo.planner.ordering import ordered_steps
from fleximo.planner.reading import read_units
from fleximo.planner.timing import timed_segments
from fleximo.planner.units import Unit
from fleximo.planner.words import AUXILIARIES, DETERMINERS, FOREIGN_WORDS, PREPOSITIONS, PRONOUNS

__all__ = ["RulePlanner"]

MAX_TEXT_CHARACTERS = 10_000
_ENGLISH = DETERMINERS | PRONOUNS | PREPOSITIONS | AUXILIARIES | {"and", "then", "while", "before", "after"}


class RulePlanner:
    """Plans by rules and a dictionary. The same text always gives the same plan.

    >>> plan = RulePlanner().plan("a man waves his left hand, then does three squats")
    >>> [(segment.move, segment.side, segment.repeats) for segment in plan.segments]
    [('wave', 'left', 3), ('squat', None, 3)]
    """

    name = "rules"

    def plan(self, text: str) -> MotionPlan:
        """The plan of `text`. Words about motion that were not understood are quoted in a notice `unmatched_text`.

        Raises `FleximoError`: `unmatched_text` where no move is named, `not_english`, `too_long`, `invalid_input`.
        """
        if len(text) > MAX_TEXT_CHARACTERS:
            raise FleximoError(
                f"The text has {len(text)} characters; at most {MAX_TEXT_CHARACTERS} are planned at once.",
                code="too_long",
                remedy="Split it into several texts.",
            )
        text = normalized(text)
        tokens = tokenize(text)
        _refuse_other_languages(text, tokens)
        units = read_units(tokens)
        steps = ordered_steps(units)
        unmatched = _quotes(units, tokens, text)
        if not steps:
            raise _nothing_matched(text, tokens, unmatched)

        def text_of(start: int, stop: int) -> str:
            return _words(text, tokens, *_around(units, start, stop))

        segments, notices = timed_segments(steps, text_of)
        matched = _matched(units, tokens)
        return MotionPlan(
            tuple(replace(segment, matched=matched) for segment in segments),
            notices=plan_notices(unmatched, steps) + tuple(notices),
        )


def _words(text: str, tokens: list[Token], start: int, stop: int) -> str:
    if not tokens or start >= len(tokens):
        return ""
    stop = min(max(stop, start + 1), len(tokens))
    while stop - 1 > start and tokens[stop - 1].kind in ("comma", "stop"):
        stop -= 1
    return " ".join(text[tokens[start].start : tokens[stop - 1].stop].split())


def _around(units: list[Unit], start: int, stop: int) -> tuple[int, int]:
    """The words of an act: its unit, shared at the beginnings of the acts in it."""
    for unit in units:
        if unit.start <= start < max(unit.stop, unit.start + 1):
            places = [action.start for action in unit.actions]
            first = unit.start if not places or start <= places[0] else start
            later = [place for place in places if place > start]
            return first, (later[0] if later else max(unit.stop, stop))
    return start, stop


def _quotes(units: list[Unit], tokens: list[Token], text: str) -> list[str]:
    """The words that were not understood, in the order of the text."""
    ranges = sorted(span for unit in units for span in unit.unmatched)
    return [words for words in (_words(text, tokens, start, stop) for start, stop in ranges) if words]


def _matched(units: list[Unit], tokens: list[Token]) -> float:
    """The part of the words that was understood."""
    total = sum(token.kind == "word" for token in tokens)
    lost = {index for unit in units for start, stop in unit.unmatched for index in range(start, stop)}
    lost = {index for index in lost if index < len(tokens) and tokens[index].kind == "word"}
    return round(1.0 - len(lost) / total, 3) if total else 1.0


def _nothing_matched(text: str, tokens: list[Token], unmatched: list[str]) -> FleximoError:
    words = [token.text for token in tokens if token.kind == "word" and token.text not in _ENGLISH]
    if not words:
        return FleximoError(
            "The text names no motion.",
            code="unmatched_text",
            remedy='Say what the person does, e.g. "a man waves his right hand, then bows".',
        )
    quoted = unmatched[0] if unmatched else " ".join(text.split())[:80]
    foreign = any(word in FOREIGN_WORDS for word in words) and not any(token.text in _ENGLISH for token in tokens)
    hint = " The text seems not to be English, the only language the rule planner reads." if foreign else ""
    heads = [words.split()[0] for words in unmatched] or words
    return FleximoError(f'No known move in "{quoted}".{hint}', code="unmatched_text", remedy=remedy(heads))


def _refuse_other_languages(text: str, tokens: list[Token]) -> None:
    """Raises `not_english` where most letters are not Latin, or other languages' small words outnumber English ones."""
    letters = [character for character in text if character.isalpha()]
    latin = sum(unicodedata.name(character, "").startswith("LATIN") for character in letters)
    words = {token.text for token in tokens}
    foreign, english = len(words & FOREIGN_WORDS), len(words & _ENGLISH)
    if (letters and latin * 2 < len(letters)) or (foreign >= 2 and foreign > english):
        raise FleximoError(
            "The text seems not to be English, the only language the rule planner reads.",
            code="not_english",
            remedy='Write it in English, e.g. "a woman walks forward and waves".',
        )
