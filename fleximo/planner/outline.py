"""An outline: a text's single motions as a language model tells them apart, and its way to a `MotionPlan`.

Owns the outline's JSON schema and its check; sides, lengths, layers and splits follow the very rules of the text
planner. Knows no model and no network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fleximo.errors import FleximoError, Notice
from fleximo.moves.lexicon import LEXICON
from fleximo.plan import DIRECTIONS, MAX_PLAN_SECONDS, MOVES, SIDES, MotionPlan
from fleximo.planner.notices import plan_notices
from fleximo.planner.ordering import Step, lay_or_follow
from fleximo.planner.timing import timed_segments
from fleximo.planner.units import Action, Modifiers

__all__ = ["outline_schema", "plan_from_outline"]

_MOST_SEGMENTS = 500
_MOST_LAYERS = 8
_MOST_REPEATS = 1000  # of one motion; the planner splits it into segments of at most 200
_MOST_CHARACTERS = 1000  # of one text
_MOST_QUOTES = 30  # of words that no move shows
_QUOTED = 100  # characters of each
_SPEEDS = (0.2, 5.0)


def outline_schema() -> dict[str, Any]:
    """The JSON schema of an outline, in the subset that strict structured output asks for: every field is required.

    >>> sorted(outline_schema()["properties"])
    ['segments', 'setting', 'unmatched']
    """

    def nullable(kind: str) -> dict[str, Any]:
        return {"type": [kind, "null"]}

    layer = {
        "text": {"type": "string"},
        "move": {"type": "string", "enum": list(MOVES)},
        "side": nullable("string") | {"enum": [*SIDES, None]},
        "direction": nullable("string") | {"enum": [*DIRECTIONS, None]},
        "repeats": nullable("integer"),
        "seconds": nullable("number"),
        "speed": nullable("number"),
    }
    segment = layer | {"layers": {"type": "array", "items": _object(layer)}}
    return _object(
        {
            "setting": {"type": "string"},
            "segments": {"type": "array", "items": _object(segment)},
            "unmatched": {"type": "array", "items": {"type": "string"}},
        }
    )


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def plan_from_outline(outline: Any, text: str) -> MotionPlan:
    """The plan that `outline`, a JSON document made of `text`, asks for.

    Every field but `segments` and their `move` may be missing, for not every model keeps to the schema; a wrong type,
    an unknown name or an impossible number raises `FleximoError` (code `invalid_outline`), too long a plan `too_long`.
    As in a text, a side or a direction that a move does not have is left out.
    """
    reader = _Reader()
    document = reader.fields(outline, "the outline", {"setting", "segments", "unmatched"})
    steps: list[Step] = []
    for act in reader.listed(document.get("segments"), "segments", _MOST_SEGMENTS):
        fields = reader.fields(act, "a segment", _SEGMENT)
        steps.append(Step(reader.action(fields)))
        layers = reader.listed(fields.get("layers"), "layers", _MOST_LAYERS)
        actions = [reader.action(reader.fields(layer, "a layer", _LAYER)) for layer in layers]
        lay_or_follow(steps, actions, firmly=True)
    if not steps:
        raise _invalid("it names no motion")
    quotes = reader.listed(document.get("unmatched"), "unmatched", _MOST_QUOTES)
    unmatched = [words[:_QUOTED] for words in (reader.text(quote, "unmatched") for quote in quotes) if words]
    segments, notices = timed_segments(steps, lambda start, stop: reader.texts[start])
    lost = sum(len(words.split()) for words in unmatched) / max(1, len(text.split()))
    matched = round(1.0 - min(lost, 1.0), 3)
    told: tuple[Notice, ...] = (*plan_notices(unmatched, steps), *notices)
    setting = reader.text(document.get("setting"), "setting")
    return MotionPlan(tuple(replace(segment, matched=matched) for segment in segments), notices=told, setting=setting)


_LAYER = {"text", "move", "side", "direction", "repeats", "seconds", "speed"}
_SEGMENT = _LAYER | {"layers"}


def _invalid(what: str) -> FleximoError:
    return FleximoError(f"The outline cannot be used: {what}.", code="invalid_outline")


class _Reader:
    """Reads acts one by one; `texts` are their words, by the place that the act got."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def action(self, fields: Mapping[str, Any]) -> Action:
        move = self._one_of(fields.get("move"), MOVES, "move")
        if move is None:
            raise _invalid("a segment names no move")
        side = self._one_of(fields.get("side"), SIDES, "side")
        direction = self._one_of(fields.get("direction"), DIRECTIONS, "direction")
        repeats = self._number(fields.get("repeats"), "repeats", 1, _MOST_REPEATS)
        if repeats is not None and repeats != int(repeats):
            raise _invalid(f"{repeats:g} repeats were asked for; a whole number was expected")
        said = Modifiers(
            sides=() if side is None else (side,),
            repeats=None if repeats is None else int(repeats),
            seconds=self._number(fields.get("seconds"), "seconds", 0.1, MAX_PLAN_SECONDS),
            directions=() if direction is None else (direction,),
            speed=self._number(fields.get("speed"), "speed", *_SPEEDS),
        )
        place = len(self.texts)
        self.texts.append(self.text(fields.get("text"), "text") or move.replace("_", " "))
        return Action(LEXICON[move], "base", place, place + 1, modifiers=said)

    def fields(self, document: Any, what: str, known: set[str]) -> Mapping[str, Any]:
        if not isinstance(document, Mapping):
            raise _invalid(f"{what} is no JSON object")
        unknown = sorted(set(document) - known)
        if unknown:
            raise _invalid(f"{what} has the unknown field {_short(unknown[0])}")
        return document

    def listed(self, value: Any, name: str, most: int) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > most:
            raise _invalid(f"{name} is no list of at most {most} entries")
        return value

    def text(self, value: Any, name: str) -> str:
        """`value` as one line that a terminal can show."""
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
            raise _invalid(f"{name} is no text of at most {_MOST_CHARACTERS} characters")
        shown = (letter for letter in value if letter.isprintable() or letter.isspace())
        return " ".join("".join(shown).split())

    def _one_of(self, value: Any, names: tuple[str, ...], what: str) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str) or value not in names:
            raise _invalid(f"the {what} {_short(value)} is not known")
        return value

    def _number(self, value: Any, name: str, least: float, most: float) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _invalid(f"{name} is {_short(value)}, no number")
        if (isinstance(value, float) and not math.isfinite(value)) or not least <= value <= most:
            raise _invalid(f"{name} is {_short(value)}; {least:g} to {most:g} was expected")
        return float(value)


def _short(value: Any) -> str:
    """`value` as an error may quote it."""
    return "".join(letter for letter in repr(value)[:60] if letter.isprintable())
