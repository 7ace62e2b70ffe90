"""From tokens to units: what is done between two joints of a sentence, how, and what was not understood.

Knows joints, amounts and small words; `acts` knows the moves. Knows nothing of the order in which units happen.
"""

from __future__ import annotations

from fleximo.moves.lexicon import LEXICON, Variant
from fleximo.planner import amounts
from fleximo.planner.acts import ActReader
from fleximo.planner.forms import Token, best_match, number_of, verb_forms
from fleximo.planner.units import Modifiers, Unit
from fleximo.planner.words import (
    ADJECTIVES,
    ADVERBS,
    AUXILIARIES,
    BODY_PARTS,
    DETERMINERS,
    FILLERS,
    MANY,
    NEGATIONS,
    PEOPLE,
    PREPOSITIONS,
    PRONOUNS,
)

__all__ = ["read_units"]

_STAYS_LIGHT = frozenset("end finish conclude begin start close open".split())
_MEDIA = frozenset("video clip animation movie film scene shot gif loop motion picture footage".split())
_ASKING = frozenset(
    "please i we want need would like to see show me us imagine animate generate create render 'd".split()
)
_PLACING = frozenset("from on at in of off".split())


def read_units(tokens: list[Token]) -> list[Unit]:
    """The units of the text in reading order; each begins with the marks (stop, comma, then, while, ...) before it."""
    reader = _Reader(tokens)
    reader.at = reader.unit.start = _preamble(tokens)
    while reader.at < len(tokens):
        reader.step()
    reader.close_unit()
    return [unit for unit in reader.units if unit.marks or unit.stop > unit.start]


def _preamble(tokens: list[Token]) -> int:
    """The tokens of a request before what is asked for: "I want a video of", "please show me"."""
    words = [token.text for token in tokens[:12]]
    for index, word in enumerate(words):
        if word in _MEDIA and set(words[index + 1 : index + 3]) & {"of", "where", "showing", "with", "which", "shows"}:
            return index + 2
    index = 0
    while index < len(words) and words[index] in _ASKING:
        index += 1
    return index if index and words[:index] != ["i"] else 0


class _Reader(ActReader):
    """Walks over the tokens once; `step` tries what can begin at `at`, most telling first."""

    def step(self) -> None:
        if self.at in self.taken:
            self.at += 1
            return
        for attempt in (
            self.punctuation,
            self.measure,
            self.repeat,
            self.verb_match,
            self.direction_or_side,
            self.joint,
            self.noun_match,
            self.plain_verb,
            self.grammar,
            self.name_or_unknown,
        ):
            if attempt():
                return
        self.at += 1

    def punctuation(self) -> bool:
        kind = self.tokens[self.at].kind
        if kind not in ("comma", "stop"):
            return False
        if kind == "comma" and self.number_list():
            self.at += 1
            return True
        self.new_unit(kind)
        self.at += 1
        self.unit.start = self.at
        if kind == "stop":
            self.light_open = False
        return True

    def number_list(self) -> bool:
        """A comma between adjectives: "a tall, young man"."""
        return self.word(-1) in ADJECTIVES and self.word(1) in ADJECTIVES | PEOPLE and self.noun_place(self.at)

    def measure(self) -> bool:
        """Lengths of time, angles, counts and paces."""
        found = amounts.read_seconds(self.tokens, self.at)
        if found is not None:
            return self.length_of_time(*found)
        rhythm = amounts.read_seconds(self.tokens, self.at + 1) if self.word() == "every" else None
        if rhythm is not None:
            self.unit.unmatched.append((self.at, rhythm[1]))
            self.at = rhythm[1]
            return True
        degrees = amounts.read_degrees(self.tokens, self.at)
        if degrees is not None:
            return self.attach(Modifiers(degrees=degrees[0]), degrees[1])
        count = amounts.read_count(self.tokens, self.at)
        if self.word() == "once" and self.word(1) in PRONOUNS | DETERMINERS and self.previous == "start":
            return False
        if count is not None and not (self.word() in ADJECTIVES and self.noun_place(self.at)):
            return self.attach(Modifiers(repeats=count[0]), count[1])
        named = amounts.read_unshown(self.tokens, self.at)
        if named is not None and self.unit.actions:
            self.unit.unmatched.append((self.at, named))
            self.at = named
            return True
        speed = amounts.read_speed(self.tokens, self.at)
        if speed is not None and not (self.word() in ADJECTIVES and self.noun_place(self.at)):
            return self.attach(Modifiers(speed=speed[0]), speed[1])
        return False

    def length_of_time(self, seconds: float, after: int) -> bool:
        following = self.tokens[after].text if after < len(self.tokens) else ""
        alone = not self.unit.actions and self.unit.marks & {"after", "then"}
        if following in ("later", "afterwards", "after", "passes", "pass") or (alone and "after" in self.unit.marks):
            self.at = after
            self.add(LEXICON["idle"], "noun", after, Variant((), seconds=seconds))
            self.unit.marks = (self.unit.marks - {"after"}) | {"then"}
            return True
        following_noun = best_match(self.tokens, after, noun=True) if after < len(self.tokens) else None
        if following_noun is not None and following_noun.pattern.entry is not None:  # "a five second pause"
            self.at = after
            pending = Modifiers(seconds=seconds)
            if self.noun_match(forced=True):
                self.unit.actions[-1].modified(pending)
                return True
        return self.attach(Modifiers(seconds=seconds), after)

    def repeat(self) -> bool:
        found = amounts.read_again(self.tokens, self.at)
        if found is not None:
            times, own_count, after = found
            if not (self.unit.actions and times == 1 and not own_count):
                self.unit.again = (times, own_count)
            self.at = after
            return True
        if self.word() in ("same",) and self.word(-1) == "the":
            self.unit.again = (1, False)
            self.at += 1
            return True
        base = [verb for verb, form in verb_forms(self.word()) if verb == "repeat" and form != "noun"]
        if (
            base
            and not self.noun_place(self.at)
            and best_match(self.tokens, min(self.at + 2, len(self.tokens) - 1), noun=True) is None
        ):
            rest = {token.text for token in self.tokens[self.at + 1 : self.at + 5]}
            self.unit.whole = bool(rest & {"everything", "all", "sequence", "whole", "routine"})
            self.unit.again = self.unit.again or (1, False)
            self.at += 1
            return True
        return False

    def direction_or_side(self) -> bool:
        side = amounts.read_side(self.tokens, self.at)
        if side is not None:
            return self.side(*side)
        direction = amounts.read_direction(self.tokens, self.at)
        if direction is None or (self.word(-1) in DETERMINERS and self.word(-2) in _PLACING):
            return False  # "comes in from the left"
        if self.sided_noun(direction[1]):
            return self.attach(Modifiers(sides=direction[0]), direction[1])
        if self.previous == "det" and not self.unit.actions and self.noun_follows(direction[1]):
            return False  # "the back yard", "a forward motion"
        if self.missing_direction(direction[0]):
            self.unit.unmatched.append((self.at, direction[1]))
            self.at = direction[1]
            return True
        return self.attach(Modifiers(directions=direction[0]), direction[1])

    def noun_follows(self, index: int) -> bool:
        return (
            index < len(self.tokens)
            and self.tokens[index].kind == "word"
            and self.tokens[index].text not in PREPOSITIONS
        )

    def side(self, sides: tuple[str, ...], after: int) -> bool:
        """Attaches a side; "with his left arm raised" keeps the arm for the pose."""
        posed = best_match(self.tokens, after - 1, noun=True)
        if posed is not None and len(posed.tokens) > 1 and after - 1 > self.at:
            self.unit.loose = Modifiers(sides=sides).over(self.unit.loose)
            self.at = after - 1
            return True
        return self.attach(Modifiers(sides=sides), after)

    def missing_direction(self, directions: tuple[str, ...]) -> bool:
        """Whether a travelling move cannot go this way: "runs backward", "walks in a circle"."""
        entry = self.unit.actions[-1].entry if self.unit.actions else None
        if entry is None or entry.kind != "travel":
            return False
        known = {*entry.directions, "back", "away", "up", "down", "none", "to and fro"}
        if "left" in entry.directions:
            known.add("side")
        return not set(directions) <= known

    def sided_noun(self, after: int) -> bool:
        """ "a left jab": the side of the noun behind it."""
        if self.word() not in ("left", "right") or after >= len(self.tokens) or not self.noun_place(self.at):
            return False
        found = best_match(self.tokens, after, noun=True)
        return found is not None and found.pattern.entry is not None and found.pattern.entry.one_sided

    def joint(self) -> bool:
        if self.word() == "as":
            return self.joint_as()
        found = amounts.read_joint(self.tokens, self.at)
        if found is None:
            return False
        mark, after = found
        if self.word() == "next" and self.word(1) == "to":
            return False
        if self.word() in ("first", "later", "now", "next") and self.previous in ("det", "prep"):
            return False
        if mark == "after" and self.word() in ("when", "once") and self.previous == "det":
            return False
        if mark == "and" and self.joins_nouns():
            self.at = after
            self.previous = "prep"
            return True
        if mark == "together":
            self.unit.marks = self.unit.marks | {"together"}
        else:
            self.new_unit(mark)
        self.at = after
        if not self.unit.actions:
            self.unit.start = self.at if mark != "together" else self.unit.start
        return True

    def joint_as(self) -> bool:
        """ "as she walks" is a while; "as a robot", "as if" tell a manner."""
        follows = self.word(1)
        ing = any(form == "ing" for _, form in verb_forms(follows))
        person = follows in DETERMINERS and any(
            token.text in PEOPLE for token in self.tokens[self.at + 2 : self.at + 5]
        )
        if ing or follows in PRONOUNS - {"if"} or (person and self.verb_within(self.at + 2, 6)):
            self.new_unit("while")
            self.at += 1
            self.unit.start = self.at
            return True
        if follows in ("if", "though") or (follows in ("a", "an") and self.unit.actions):
            return self.manner()
        return False

    def joins_nouns(self) -> bool:
        """ "a man and a woman dance": people joined, not acts."""
        after = [token.text for token in self.tokens[self.at + 1 : self.at + 4]]
        people = bool(after) and (after[0] in PEOPLE or (after[0] in DETERMINERS and bool(set(after[1:]) & PEOPLE)))
        idle = not self.unit.actions and not self.unit.unmatched and not self.unit.light
        things = (
            bool(after)
            and self.previous in ("noun", "thing", "other")
            and not verb_forms(after[0])
            and not after[0].endswith("ly")
        )
        return idle and self.unit.subject and (people or (things and after[0] not in PRONOUNS | AUXILIARIES | ADVERBS))

    def grammar(self) -> bool:
        """Small words; they steer what the next word can be."""
        word = self.word()
        self_kind = self.small_word(word)
        if self_kind is None:
            return False
        if self_kind == "subject":
            self.meet_subject()
        elif self_kind:
            self.previous = self_kind
        self.at += 1
        return True

    def small_word(self, word: str) -> str | None:
        """The kind of a small word; "" where it changes nothing, None where it is none."""
        if word in NEGATIONS:
            self.negated = True
            return ""
        if word == "like" and self.unit.actions:
            self.manner()
            self.at -= 1
            return ""
        if word == "with":
            self.with_noun = "next" if self.unit.light in _STAYS_LIGHT or self.last_control else "layer"
            return "with"
        if word in ("her", "him", "them") and self.previous == "light" and self.following_form() == "base":
            return "subject"  # "have her bow"
        if amounts.is_vague(self.tokens, self.at):
            return ""
        acting = self.previous == "subject" and word.endswith("s")  # "the lady fans herself"
        if word in PRONOUNS or (word in PEOPLE and self.previous != "prep" and not acting):
            return "subject"
        if word in DETERMINERS:
            return "det" if self.previous not in ("prep", "with") else "prep"
        if word == "to" and any(form == "base" for _, form in verb_forms(self.word(1))):
            return "to"
        if word in AUXILIARIES:
            self.unit.progressive = self.unit.progressive or self.following_form() == "ing"
            return "aux"
        if word in PREPOSITIONS:
            return "prep"
        if word in ADVERBS | FILLERS:
            return ""
        if word in ADJECTIVES | set(MANY) or number_of(self.tokens[self.at]) is not None:
            return "" if self.previous in ("start", "det", "prep", "with", "aux", "light") else "noun"
        if word in BODY_PARTS or (word in PEOPLE and not acting):
            return "noun"
        return None

    def meet_subject(self) -> None:
        """A new subject behind an act begins a clause of its own: "after bowing she walks"."""
        unit = self.unit
        later = self.act_ahead()
        if unit.actions and self.previous not in ("prep", "with") and later:
            start = self.at - 1 if self.word(-1) in DETERMINERS else self.at
            at, self.at = self.at, start
            self.new_unit("subject")
            self.at = at
        self.light_open = self.light_open and self.previous == "light"
        self.unit.subject = True
        self.relative = self.word() == "who"
        self.previous = "subject"

    def act_ahead(self) -> bool:
        """Whether an act follows before the next mark."""
        for index in range(self.at + 1, min(self.at + 8, len(self.tokens))):
            if self.tokens[index].kind in ("comma", "stop"):
                return False
            if verb_forms(self.tokens[index].text) and best_match(self.tokens, index, noun=False):
                return True
        return False

    def name_or_unknown(self) -> bool:
        """Words that no list holds: names, things, manners, and verbs that we do not know."""
        token = self.tokens[self.at]
        word = token.text
        if token.kind != "word" or word.startswith("'"):
            self.at += 1
            return True
        sentence_start = self.previous == "start" and "stop" in self.unit.marks
        named = self.word(1) == "," and self.word(2) in ("who", "whose", "which")
        if token.capital and not (sentence_start and not named and self.following_form() == ""):
            self.previous = "subject"
            self.unit.subject = True
            self.at += 1
            return True
        if sentence_start and self.following_form() in ("s", "ing", "past"):
            self.previous, self.unit.subject = "subject", True
            self.at += 1
            return True
        if word.endswith("ly") and self.previous != "det":
            self.unit.unmatched.append((self.at, self.at + 1))
            self.at += 1
            return True
        verb_place = self.previous in ("start", "subject", "aux", "to", "control") and not self.noun_place(self.at)
        ending = word.endswith(("s", "ed")) and not word.endswith(("ss", "us", "is"))
        after_noun = ending and self.previous in ("noun", "thing") and not self.unit.actions and not self.unit.light
        participle = word.endswith("ing") and self.previous == "act" and not self.unit.light
        if verb_place or after_noun or participle:
            return self.report_verb()
        self.previous = "thing" if self.previous in ("prep", "with", "thing") else "noun"
        self.at += 1
        return True
