"""A place in the text while it is read: what stands before and behind it, and the unit that grows there.

Tells whether a word stands where a noun or a verb stands. Knows nothing of which words mean which move.
"""

from __future__ import annotations

from fleximo.moves.lexicon import Entry, Variant
from fleximo.planner import amounts
from fleximo.planner.forms import Form, Token, best_match, number_of, verb_forms
from fleximo.planner.units import Action, Modifiers, Unit
from fleximo.planner.words import (
    ADJECTIVES,
    ADVERBS,
    AUXILIARIES,
    DETERMINERS,
    FILLERS,
    MANY,
    NEGATIONS,
    PREPOSITIONS,
    PRONOUNS,
)

__all__ = ["Cursor"]

_SILENT_LIGHT = frozenset("have be end finish conclude begin start let".split())
_CAUSING = frozenset("have let make see watch help".split())


class Cursor:
    """A place among the tokens and the unit being read there; answers what stands around it."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.units: list[Unit] = []
        self.unit = Unit(frozenset({"stop"}), 0)
        self.taken: set[int] = set()  # tokens that a phrase has used further on
        self.free: set[int] = set()  # those of them that are a direction as well
        self.previous = "start"  # the kind of the last thing read: start subject verb noun prep det aux to act other
        self.with_noun = ""  # "layer" or "next" after "with"
        self.negated = False
        self.relative = False  # in "who ..."
        self.last_control = ""
        self.light_open = False  # a light verb or its list of nouns is still open

    def word(self, offset: int = 0) -> str:
        index = self.at + offset
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def close_unit(self) -> None:
        unit = self.unit
        unit.stop = self.at
        self.end_light()
        self.units.append(unit)

    def new_unit(self, *marks: str) -> None:
        """Begins a unit; marks of an empty one are handed on."""
        self.close_unit()
        unit = self.units[-1]
        empty = not (unit.actions or unit.loose or unit.again or unit.unmatched or unit.subject or self.consumed(unit))
        carried = unit.marks if empty else frozenset()
        if empty:
            self.units.pop()
        was_light = self.light_open and "stop" not in marks
        self.unit = Unit(frozenset(marks) | carried, self.at)
        self.previous, self.with_noun, self.negated, self.last_control = "start", "", False, ""
        self.light_open = was_light

    def consumed(self, unit: Unit) -> bool:
        """Whether the unit holds a word other than joints and marks."""
        return any(self.tokens[index].kind in ("word", "number") for index in range(unit.start, unit.stop))

    def end_light(self) -> None:
        """Reports "does a backflip": a verb whose noun names no move."""
        unit = self.unit
        if (
            unit.light
            and (unit.light not in _SILENT_LIGHT or self.with_noun == "next")  # "ends with a curtsy"
            and not unit.actions
            and not unit.unmatched
            and not unit.again
        ):
            start = next((i for i in range(unit.start, self.at) if self.is_form(i, unit.light)), unit.start)
            unit.unmatched.append((start, self.at))
        elif self.light_open and not unit.light and not unit.actions and not unit.subject and not unit.unmatched:
            nouns = [
                i for i in range(unit.start, self.at) if self.tokens[i].text in ("a", "an") or number_of(self.tokens[i])
            ]
            if nouns and nouns[0] + 1 < self.at and not unit.again:
                unit.unmatched.append((nouns[0], self.at))

    def is_form(self, index: int, base: str) -> bool:
        return any(verb == base for verb, _ in verb_forms(self.tokens[index].text))

    def attach(self, modifiers: Modifiers, after: int) -> bool:
        """Gives modifiers to the act before them in this unit, else keeps them for the act to come."""
        if self.unit.actions and not self.precedes_act(after):
            self.unit.actions[-1].modified(modifiers)
        else:
            self.unit.loose = modifiers.over(self.unit.loose)
        self.at = after
        self.previous = "other" if self.previous not in ("start", "subject", "aux", "to") else self.previous
        return True

    def precedes_act(self, after: int) -> bool:
        """An adverb between "to" or a subject and its verb: "... to slowly bow"."""
        return (
            self.previous in ("to", "subject")
            and after < len(self.tokens)
            and bool(verb_forms(self.tokens[after].text))
        )

    def add(self, entry: Entry, form: Form, stop: int, variant: Variant) -> None:
        actions = self.unit.actions
        link = "next"
        if self.with_noun:
            link = self.with_noun
        elif (actions and form == "ing" and self.previous not in ("to", "control") and not self.last_control) or (
            form == "noun" and entry.move in ("cross_arms", "raise_arms") and (actions or self.units)
        ):
            link = "perhaps"
        action = Action(entry, form, self.at, stop, variant, self.unit.loose, link)
        self.unit.loose = Modifiers()
        actions.append(action)

    def noun_place(self, index: int) -> bool:
        """Whether the word at `index` stands where a noun stands: behind an article, a number or "with"."""
        back = index - 1
        number = False
        while back >= self.unit.start:
            token = self.tokens[back]
            if number_of(token) is not None or amounts.is_vague(self.tokens, back):
                number = True
            elif token.text in DETERMINERS:
                if token.text == "her" and back > 0 and self.tokens[back - 1].text in _CAUSING:
                    return False  # "have her bow"
                return token.text not in ("that", "this", "all") or number
            elif token.text not in ADJECTIVES and token.text != "very":
                break
            back -= 1
        return number

    def number_before(self, index: int) -> float | None:
        """The number or vague amount before a noun: "two quick punches", "a few squats", "a double kick"."""
        for back in range(index - 1, max(self.unit.start, index - 5) - 1, -1):
            token = self.tokens[back]
            value = number_of(token)
            if value is not None:
                return self.in_sets(self.first_number(back))
            if amounts.is_vague(self.tokens, back):
                return MANY[token.text]
            if token.text in ("double", "triple"):
                return {"double": 2.0, "triple": 3.0}[token.text]
            if token.text not in ADJECTIVES | {"of", "more", "x", "times", "very"}:
                return None
        return None

    def in_sets(self, index: int) -> float | None:
        """The number at `index`, times the number of "three sets of" before it."""
        amount = amounts.read_quantity(self.tokens, index)
        if amount is None:
            return None
        words = [token.text for token in self.tokens[max(0, index - 2) : index]]
        if words in (["sets", "of"], ["rounds", "of"], ["series", "of"]) and index > 2:
            return amount[0] * (number_of(self.tokens[index - 3]) or 1.0)
        return amount[0]

    def speed_before(self, index: int) -> float | None:
        """The pace of a noun: "five quick squats"."""
        for back in range(index - 1, max(self.unit.start, index - 4) - 1, -1):
            if self.tokens[back].text not in ADJECTIVES:
                return None
            found = amounts.read_speed(self.tokens, back)
            if found is not None:
                return found[0]
        return None

    def first_number(self, index: int) -> int:
        while index - 1 >= self.unit.start and number_of(self.tokens[index - 1]) is not None:
            index -= 1
        return index

    def following_form(self) -> str:
        index = self.at + 1
        while index < len(self.tokens) and self.tokens[index].text in ADVERBS:
            index += 1
        forms = verb_forms(self.tokens[index].text) if index < len(self.tokens) else ()
        return forms[0][1] if forms else ""

    def manner(self) -> bool:
        """Reports the words up to the next mark or joint: "like a robot"."""
        start = self.at
        self.at += 1
        while self.at < len(self.tokens) and self.tokens[self.at].kind in ("word", "number"):
            if amounts.read_joint(self.tokens, self.at) is not None or amounts.read_seconds(self.tokens, self.at):
                break
            if amounts.read_count(self.tokens, self.at) is not None:
                break
            self.at += 1
        self.unit.unmatched.append((start, self.at))
        return True

    def report_verb(self) -> bool:
        start = self.at
        self.at += 1
        while self.at < len(self.tokens) and self.at - start < 7 and self.tokens[self.at].kind in ("word", "number"):
            if amounts.read_joint(self.tokens, self.at) or amounts.read_seconds(self.tokens, self.at):
                break
            if amounts.read_count(self.tokens, self.at) or amounts.read_speed(self.tokens, self.at):
                break
            if self.verb_here() or (self.word() == "by" and self.following_form() == "ing"):
                break
            self.at += 1
        self.unit.unmatched.append((start, self.at))
        self.negated, self.previous = False, "act"
        return True

    def verb_here(self) -> bool:
        found = best_match(self.tokens, self.at, noun=False)
        return (
            found is not None
            and found.pattern.entry is not None
            and not self.noun_place(self.at)
            and found.form in ("ing", "s")
        )

    def verb_within(self, start: int, count: int) -> bool:
        for index in range(start, min(start + count, len(self.tokens))):
            if self.tokens[index].kind in ("comma", "stop"):
                return False
            if any(form in ("s", "ing", "past") for _, form in verb_forms(self.tokens[index].text)) and index > start:
                return True
        return False

    def compound(self, index: int) -> bool:
        """ "dance floor", "kick drum": the noun only tells which floor."""
        token = self.tokens[index]
        known = PREPOSITIONS | ADVERBS | FILLERS | DETERMINERS | AUXILIARIES | NEGATIONS | PRONOUNS | ADJECTIVES
        if token.kind != "word" or token.text in known or amounts.read_joint(self.tokens, index) is not None:
            return False
        if amounts.read_count(self.tokens, index) or amounts.read_speed(self.tokens, index):
            return False
        if amounts.read_direction(self.tokens, index) or amounts.read_seconds(self.tokens, index):
            return False
        plural = self.word().endswith("s")
        forms = {form for _, form in verb_forms(token.text)}
        return (not forms or (forms == {"base"} and not plural)) and not token.text.endswith("ly")
