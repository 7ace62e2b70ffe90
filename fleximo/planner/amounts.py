"""Numbers, counts, lengths of time, sides, directions and paces, read off the tokens at one place.

Each reader takes the tokens and an index and gives what it says and the index behind it, or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fleximo.planner.forms import Token, number_of
from fleximo.planner.words import (
    COUNT_WORDS,
    DIRECTION_PHRASES,
    JOINTS,
    LENGTH_UNITS,
    MANY,
    POSSESSIVES,
    SIDE_PARTS,
    SPEED_PHRASES,
    TIME_UNITS,
    UNSHOWN_WAYS,
)

__all__ = [
    "is_vague",
    "read_again",
    "read_count",
    "read_degrees",
    "read_direction",
    "read_joint",
    "read_quantity",
    "read_seconds",
    "read_side",
    "read_speed",
    "read_unshown",
]

Value = TypeVar("Value")
_LONGEST_PHRASE = 5
_ABOUT = frozenset(
    "about around roughly approximately nearly almost just exactly at least most up to another the next some full a "
    "only over more than good whole further".split()
)
_TIMES = frozenset("times time x reps rep repetitions repetition".split())
_VERY = frozenset("very really extremely so super too incredibly".split())
_ARTICLES = POSSESSIVES | {"the", "a", "an"}


def _word(tokens: list[Token], index: int) -> str:
    return tokens[index].text if 0 <= index < len(tokens) else ""


def _phrase(table: Mapping[tuple[str, ...], Value], tokens: list[Token], index: int) -> tuple[Value, int] | None:
    """The longest phrase of `table` that begins at `index`."""
    words = tuple(token.text for token in tokens[index : index + _LONGEST_PHRASE])
    for length in range(len(words), 0, -1):
        if words[:length] in table:
            return table[words[:length]], index + length
    return None


def read_joint(tokens: list[Token], index: int) -> tuple[str, int] | None:
    """then / first / while / together / before / after / preceded / and / or."""
    return _phrase(JOINTS, tokens, index)


def read_speed(tokens: list[Token], index: int) -> tuple[float, int] | None:
    """The pace that an adverb asks for, 1 = the move's own; "very" squares it.

    >>> from fleximo.planner.forms import tokenize
    >>> read_speed(tokenize("slowly"), 0)
    (0.71, 1)
    """
    very = _word(tokens, index) in _VERY
    found = _phrase(SPEED_PHRASES, tokens, index + very)
    if found is None:
        return None
    return (round(found[0] ** 2, 2) if very else found[0]), found[1]


def read_direction(tokens: list[Token], index: int) -> tuple[tuple[str, ...], int] | None:
    """Directions named at `index`: one, or two for "left and right"; "back", "side", "to and fro" are kept as said."""
    found = _phrase(DIRECTION_PHRASES, tokens, index)
    if found is not None:
        return (found[0],), found[1]
    start = index
    if _word(tokens, index) in ("to", "towards", "toward") and _word(tokens, index + 1) in _ARTICLES:
        index += 2
    first = _word(tokens, index)
    if first not in ("left", "right") or _word(tokens, index + 1) in SIDE_PARTS - {"side", "one"}:
        return None
    if _word(tokens, index + 1) in ("away", "now", "after", "before", "there", "here"):
        return None
    if start != index and _word(tokens, index + 1) == "side":
        return (first,), index + 2
    second = _word(tokens, index + 2)
    if _word(tokens, index + 1) in ("and", "then") and second in ("left", "right") and second != first:
        if _word(tokens, index + 3) in SIDE_PARTS:
            return None
        return (first, second), index + 3
    return (first,), index + 1


def read_side(tokens: list[Token], index: int) -> tuple[tuple[str, ...], int] | None:
    """Sides of the body: ("left",), ("both",), ("left", "right") one after the other, ("other",) or ("one",)."""
    word = _word(tokens, index)
    pair = _word(tokens, index + 1) in ("and", "or") and _word(tokens, index + 2) in ("left", "right")
    if word in ("left", "right") and pair and _word(tokens, index + 3) in SIDE_PARTS:
        return ("both",), index + 4
    if word in ("left", "right") and _word(tokens, index + 1) in SIDE_PARTS:
        return (word,), index + 2
    if word in ("with", "using") and _word(tokens, index + 1) in _ARTICLES | {"left", "right"}:
        side = index + 1 + (_word(tokens, index + 1) in _ARTICLES)
        if _word(tokens, side) in ("left", "right"):
            return (_word(tokens, side),), side + 1 + (_word(tokens, side + 1) in SIDE_PARTS)
    if word in ("both", "two"):
        skip = index + 1 + (_word(tokens, index + 1) == "of")
        skip += _word(tokens, skip) in _ARTICLES
        if _word(tokens, skip) in SIDE_PARTS:
            return ("both",), skip + 1
    if word in ("other", "opposite") and (_word(tokens, index + 1) in SIDE_PARTS or _word(tokens, index - 1) == "the"):
        return ("other",), index + 1 + (_word(tokens, index + 1) in SIDE_PARTS)
    if word in ("each", "either", "alternating", "alternate") and _word(tokens, index + 1) in SIDE_PARTS:
        return ("left", "right"), index + 2
    if word in ("one", "a", *POSSESSIVES) and _word(tokens, index + 1) in ("hand", "arm"):
        return ("one",), index + 2
    return None


def is_vague(tokens: list[Token], index: int) -> bool:
    """Whether the word is a vague amount: "several", "a couple of", but not "the couple"."""
    if _word(tokens, index) in ("couple", "pair"):
        return _word(tokens, index - 1) == "a" and _word(tokens, index + 1) in ("of", "times", "more", *TIME_UNITS)
    return _word(tokens, index) in MANY


def read_quantity(tokens: list[Token], index: int) -> tuple[float, int] | None:
    """A number: "3", "twenty five", "two and a half", "half a", "a couple of", "a dozen"; "2 or 3" gives the middle."""
    word, after = _word(tokens, index), index + 1
    if word == "half":
        return 0.5, after + (_word(tokens, after) in ("a", "an", "of"))
    if word in ("a", "an") and _word(tokens, after) in (*MANY, "dozen", "hundred", "half"):
        return read_quantity(tokens, after)
    if is_vague(tokens, index):
        return MANY[word], after + (_word(tokens, after) == "of")
    value = number_of(tokens[index]) if index < len(tokens) else None
    if value is None:
        return None
    small = number_of(tokens[after]) if after < len(tokens) and tokens[after].kind == "word" else None
    if word.endswith("ty") and small is not None and small < 10:
        value, after = value + small, after + 1
    elif small is not None and small in (12.0, 100.0):
        value, after = value * small, after + 1
    if [_word(tokens, after + step) for step in range(3)] == ["and", "a", "half"]:
        return value + 0.5, after + 3
    if _word(tokens, after) in ("or", "to") and after + 1 < len(tokens):
        upper = number_of(tokens[after + 1])
        if upper is not None and upper > value:
            return (value + upper) / 2, after + 2
    return value, after


def read_seconds(tokens: list[Token], index: int) -> tuple[float, int] | None:
    """A length of time in seconds: "for about three seconds", "half a minute", "a 5 second", "a moment".

    >>> from fleximo.planner.forms import tokenize
    >>> read_seconds(tokenize("for two and a half minutes"), 0)
    (150.0, 6)
    """
    start = index
    while _word(tokens, index) in ("for", "during", "lasting", "in", "within"):
        index += 1
    told = index > start
    while _word(tokens, index) in _ABOUT and read_quantity(tokens, index) is None:
        index += 1
    amount = read_quantity(tokens, index)
    article = _word(tokens, index - 1) if index > start else ""
    if amount is None:
        if article not in ("a", "another", "full", "whole", "good"):
            return None
        amount = (1.0, index)
    value, after = amount
    while _word(tokens, after) in ("more", "full", "short", "whole", "brief", "long", "little", "quick", "good"):
        value *= {"short": 0.7, "brief": 0.7, "little": 0.7, "long": 2.0}.get(_word(tokens, after), 1.0)
        after += 1
    unit = _word(tokens, after)
    if unit not in TIME_UNITS or (
        unit in ("while", "bit", "beat", "s") and not (told or tokens[after - 1].kind == "number")
    ):
        return None
    if unit in ("second", "sec") and article in ("a", "the") and amount[1] == index and not told:
        return None  # "a second bow" counts; it lasts nothing
    seconds, after = value * TIME_UNITS[unit], after + 1
    if [_word(tokens, after + step) for step in range(3)] == ["and", "a", "half"]:
        return seconds + TIME_UNITS[unit] / 2, after + 3
    if [_word(tokens, after + step) for step in range(2)] == ["or", "two"] and value == 1:
        return 1.5 * TIME_UNITS[unit], after + 2
    return seconds, after


def read_count(tokens: list[Token], index: int) -> tuple[int, int] | None:
    """How often: "twice", "5 times", "3x", "x3", "a couple of times", "over and over"."""
    word = _word(tokens, index)
    if word == "all" and _word(tokens, index + 1) in ("over", "around", "round"):
        return None
    if (
        word in ("over", "again", "time")
        and _word(tokens, index + 1) in ("and", "after")
        and _word(tokens, index + 2) == word
    ):
        return COUNT_WORDS["repeatedly"], index + 3 + (_word(tokens, index + 3) == "again")
    if word in COUNT_WORDS and _word(tokens, index + 1) not in ("more", "as"):
        return COUNT_WORDS[word], index + 1
    if word == "x" and index + 1 < len(tokens) and tokens[index + 1].kind == "number":
        return max(1, round(min(float(tokens[index + 1].text), 1e6))), index + 2
    while _word(tokens, index) in ("for", "about", "around", "exactly", "roughly", "approximately", "another"):
        index += 1
    amount = read_quantity(tokens, index)
    if amount is None or _word(tokens, amount[1]) not in _TIMES:
        return None
    return max(1, round(amount[0])), amount[1] + 1


def read_again(tokens: list[Token], index: int) -> tuple[int, bool, int] | None:
    """A wish to repeat what was done: (how often, whether as a count of its own: "two more", index behind)."""
    word, following = _word(tokens, index), _word(tokens, index + 1)
    if word == "again":
        return 1, False, index + 1
    if word == "once" and following == "more":
        return 1, False, index + 2 + (_word(tokens, index + 2) == "time")
    if (
        word in ("a", "another", "one")
        and following in ("second", "third", "time")
        and _word(tokens, index + 2) in _TIMES | {""}
    ):
        return 1, False, index + 3
    if word == "another" and following == "time":
        return 1, False, index + 2
    if word in COUNT_WORDS and following == "more":
        return COUNT_WORDS[word], False, index + 2
    amount = read_quantity(tokens, index)
    if word == "another":
        amount = read_quantity(tokens, index + 1)
        if amount is None or _word(tokens, amount[1]) not in (*_TIMES, ""):
            return None
        return max(1, round(amount[0])), _word(tokens, amount[1]) not in _TIMES, amount[1] + 1
    if amount is None or _word(tokens, amount[1]) != "more":
        return None
    after = amount[1] + 1
    times = _word(tokens, after) in _TIMES
    ends = after >= len(tokens) or tokens[after].kind != "word" or _word(tokens, after) in ("and", "then", "of", "with")
    if not (times or ends):
        return None
    return max(1, round(amount[0])), not times, after + times


def read_degrees(tokens: list[Token], index: int) -> tuple[float, int] | None:
    """An angle: "180 degrees", "90-degree"."""
    amount = read_quantity(tokens, index)
    if amount is None or _word(tokens, amount[1]) not in ("degree", "degrees"):
        return None
    return amount[0], amount[1] + 1


def read_unshown(tokens: list[Token], index: int) -> int | None:
    """The index behind words that ask for what no move can do: a distance ("five meters"), a way ("on one leg")."""
    way = _phrase(UNSHOWN_WAYS, tokens, index)
    if way is not None:
        return way[1]
    amount = read_quantity(tokens, index)
    if amount is None or _word(tokens, amount[1]) not in LENGTH_UNITS:
        return None
    return amount[1] + 1
