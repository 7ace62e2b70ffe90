"""Tokens of a text, the inflected forms of words, and the patterns of the lexicon matched against them.

Knows English spelling; knows nothing of clauses, times or plans.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fleximo.moves.lexicon import IRREGULAR, LEXICON, Entry, Variant
from fleximo.planner.words import (
    CONTROL_VERBS,
    END_VERBS,
    LIGHT_VERBS,
    NUMBERS,
    OUTSIDE_PHRASES,
    OUTSIDE_VERBS,
    PRONOUNS,
)

__all__ = [
    "Form",
    "Match",
    "Pattern",
    "Token",
    "best_match",
    "normalized",
    "number_of",
    "singulars",
    "tokenize",
    "verb_forms",
]

Form = Literal["base", "s", "ing", "past", "noun", "nouns"]

_TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)|(?P<break>\n)|(?P<arrow>->|=>|→|⇒)"
    r"|(?P<mark>[^\w\s]|_)"
)
_STOPS, _COMMAS = frozenset(".!?;。！？"), frozenset(',:()[]{}—–/|…•*"，、')
_MOST_GAP_WORDS = 4


@dataclass(frozen=True)
class Token:
    """One word, number or mark of the text; `text` is lower case, `start` and `stop` count characters."""

    text: str
    start: int
    stop: int
    kind: Literal["word", "number", "comma", "stop"]
    capital: bool = False


@dataclass(frozen=True)
class Pattern:
    """Words to find one after another; None stands for a gap. `entry` None: a known meaning that no move shows."""

    parts: tuple[frozenset[str] | None, ...]
    entry: Entry | None
    variant: Variant | None = None
    noun: bool = False

    @property
    def words(self) -> int:
        return sum(part is not None for part in self.parts)


@dataclass(frozen=True)
class Match:
    """Where a pattern was found: the indices of its tokens and the form of its first word."""

    pattern: Pattern
    tokens: tuple[int, ...]
    form: Form


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`; hyphens join, other signs part. "180-degree" gives two words, "3x" a number and a word."""
    text = text.replace("’", "'").replace("‘", "'").replace("`", "'")
    tokens: list[Token] = []
    for found in _TOKEN.finditer(text):
        raw, start, stop = found.group(), found.start(), found.end()
        if found.lastgroup == "number":
            tokens.append(Token(raw.replace(",", ""), start, stop, "number"))
        elif found.lastgroup == "word":
            tokens.extend(_words(raw, start))
        elif found.lastgroup == "break" or raw in _STOPS:
            tokens.append(Token(".", start, stop, "stop"))
        elif found.lastgroup == "arrow":
            tokens.append(Token("then", start, stop, "word"))
        elif raw in "+&":
            tokens.append(Token("and", start, stop, "word"))
        elif raw in "×":
            tokens.append(Token("x", start, stop, "word"))
        elif raw == "°":
            tokens.append(Token("degrees", start, stop, "word"))
        elif raw in _COMMAS or (raw == "-" and text[start - 1 : start].isspace()):
            tokens.append(Token(",", start, stop, "comma"))
    return _without_list_numbers(tokens)


def _words(raw: str, start: int) -> Iterator[Token]:
    """A word, parted from its 's, n't, 're, 'll."""
    lower, capital = raw.lower(), raw[0].isupper()
    stop = start + len(raw)
    if lower.endswith("n't"):
        if len(lower) > 3:
            yield Token(lower[:-3], start, stop - 3, "word", capital)
        yield Token("not", stop - 3, stop, "word")
    elif "'" in lower and lower != "let's":
        head, tail = lower.split("'", 1)
        cut = start + len(head)
        yield Token(head, start, cut, "word", capital)
        yield Token("'" + tail, cut, stop, "word")
    else:
        yield Token(lower, start, stop, "word", capital)


def _without_list_numbers(tokens: list[Token]) -> list[Token]:
    """Leaves out the numbers of a list: "1. walk" on a line of its own."""
    kept: list[Token] = []
    for index, token in enumerate(tokens):
        follows_break = not kept or kept[-1].kind == "stop"
        marked = index + 1 < len(tokens) and tokens[index + 1].kind in ("stop", "comma")
        if not (token.kind == "number" and follows_break and marked):
            kept.append(token)
    return kept


def number_of(token: Token) -> float | None:
    """The number that a token says, in digits or as a word; at most a million."""
    if token.kind == "number":
        return min(float(token.text), 1e6)
    return NUMBERS.get(token.text)


def _spellings(base: str) -> Iterator[tuple[str, Form]]:
    """All forms of a verb. Both spellings are made where a consonant may be doubled: none of them is another word."""
    yield base, "base"
    if base.endswith(("s", "sh", "ch", "x", "z", "o")):
        yield base + "es", "s"
    elif base.endswith("y") and base[-2:-1] not in "aeiou":
        yield base[:-1] + "ies", "s"
        yield base[:-1] + "ied", "past"
    else:
        yield base + "s", "s"
    stem = base[:-1] if base.endswith("e") and not base.endswith("ee") else base
    stem = base[:-2] + "y" if base.endswith("ie") else stem
    yield stem + "ing", "ing"
    yield (base + "d" if base.endswith("e") else base + "ed"), "past"
    if base[-1] not in "aeiouwxyh" and base[-2:-1] in tuple("aeiou"):
        yield base + base[-1] + "ing", "ing"
        yield base + base[-1] + "ed", "past"
    if base == "have":
        yield "has", "s"
    for past in IRREGULAR.get(base, ()):
        yield past, "past"


@lru_cache(maxsize=4096)
def singulars(word: str) -> frozenset[str]:
    """The word and what it may be the plural of."""
    found = {word}
    if word == "feet":
        found.add("foot")
    if word.endswith("s") and not word.endswith("ss"):
        found.add(word[:-1])
        if word.endswith("es"):
            found.add(word[:-2])
        if word.endswith("ies"):
            found.add(word[:-3] + "y")
    return frozenset(found)


def _pattern(phrase: str, entry: Entry | None, variant: Variant | None = None, noun: bool = False) -> Pattern:
    parts = tuple(None if part == "*" else frozenset(part.split("/")) for part in phrase.split())
    return Pattern(parts, entry, variant, noun)


def _patterns() -> Iterator[Pattern]:
    for entry in LEXICON.values():
        for phrase in entry.verbs + entry.phrases:
            yield _pattern(phrase, entry)
        for variant in entry.variants:
            for phrase in variant.words:
                yield _pattern(phrase, entry, variant)
            for phrase in variant.nouns:
                yield _pattern(phrase, entry, variant, noun=True)
        for phrase in entry.nouns:
            yield _pattern(phrase, entry, noun=True)
    for phrase in OUTSIDE_PHRASES:
        yield _pattern(phrase, None)


def _by_first_word(noun: bool) -> dict[str, list[Pattern]]:
    index: dict[str, list[Pattern]] = {}
    for pattern in _patterns():
        if pattern.noun is noun and pattern.parts[0] is not None:
            for word in pattern.parts[0]:
                index.setdefault(word, []).append(pattern)
    return index


_VERB_PATTERNS, _NOUN_PATTERNS = _by_first_word(noun=False), _by_first_word(noun=True)


def _verb_index(bases: Iterable[str]) -> dict[str, tuple[tuple[str, Form], ...]]:
    index: dict[str, dict[str, Form]] = {}
    for base in bases:
        for spelling, form in _spellings(base):
            index.setdefault(spelling, {}).setdefault(base, form)
    return {spelling: tuple(found.items()) for spelling, found in index.items()}


_VERBS = _verb_index(sorted({*_VERB_PATTERNS, *LIGHT_VERBS, *CONTROL_VERBS, *END_VERBS, *OUTSIDE_VERBS}))
_BREAKING = PRONOUNS | {"then", "while", "before", "after", "and", "but", "as"}


def verb_forms(word: str) -> tuple[tuple[str, Form], ...]:
    """The verbs that `word` may be a form of: (base, form).

    >>> verb_forms("threw")
    (('throw', 'past'),)
    """
    return _VERBS.get(word, ())


def _fits(part: frozenset[str], word: str, noun: bool) -> bool:
    if not part.isdisjoint(singulars(word)):
        return True
    return not noun and any(base in part for base, _ in verb_forms(word))


def _breaks_gap(tokens: list[Token], index: int) -> bool:
    token = tokens[index]
    if token.text == "and" and 0 < index < len(tokens) - 1:  # "raises his left and right arms"
        return not {tokens[index - 1].text, tokens[index + 1].text} <= {"left", "right"}
    return token.kind in ("comma", "stop") or token.text in _BREAKING


def _found(pattern: Pattern, tokens: list[Token], start: int) -> tuple[int, ...] | None:
    """The tokens of `pattern` from `start` on, gaps as short as can be; None where it does not fit."""
    places = [start]
    position, gap = start + 1, False
    for part in pattern.parts[1:]:
        if part is None:
            gap = True
            continue
        limit = position + (_MOST_GAP_WORDS if gap else 0)
        while True:
            if position >= len(tokens):
                return None
            if _fits(part, tokens[position].text, pattern.noun):
                break
            if position >= limit or _breaks_gap(tokens, position):
                return None
            position += 1
        places.append(position)
        position, gap = position + 1, False
    return tuple(places)


def _in_context(pattern: Pattern, tokens: list[Token]) -> bool:
    return pattern.variant is None or not pattern.variant.near or any(t.text in pattern.variant.near for t in tokens)


def best_match(tokens: list[Token], start: int, *, noun: bool) -> Match | None:
    """The pattern with the most words that begins at `start`; a known meaning that no move shows wins a tie."""
    word = tokens[start].text
    heads: list[tuple[str, Form]]
    if noun:
        heads = [(base, "noun" if base == word else "nouns") for base in sorted(singulars(word))]
    else:
        heads = list(verb_forms(word))
    best: Match | None = None
    best_rank = (0, False, 0, False)
    for base, form in heads:
        for pattern in (_NOUN_PATTERNS if noun else _VERB_PATTERNS).get(base, ()):
            places = _found(pattern, tokens, start)
            if places is None or not _in_context(pattern, tokens):
                continue
            if noun and tokens[places[-1]].text not in {word for part in pattern.parts if part for word in part}:
                form = "nouns"
            rank = (pattern.words, pattern.entry is None, places[-1], pattern.variant is not None)
            if best is None or rank > best_rank:
                best_rank = rank
                best = Match(pattern, places, form)
    return best


def normalized(text: str) -> str:
    """`text` with compatible characters made one (full-width letters, ligatures)."""
    return unicodedata.normalize("NFKC", text)
