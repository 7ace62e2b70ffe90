"""From tokens to units: what is done between two joints of a sentence, with its own modifiers, and what was not understood.

Tells verbs from nouns and people from acts. Knows nothing of the order in which units happen, nor of lengths.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fleximo.moves.lexicon import LEXICON, Entry, Variant
from fleximo.planner import amounts
from fleximo.planner.forms import Form, Match, Token, best_match, number_of, verb_forms
from fleximo.planner.words import (
    ADJECTIVES,
    ADVERBS,
    AUXILIARIES,
    BODY_PARTS,
    CONTROL_VERBS,
    DESCRIBING,
    DETERMINERS,
    END_VERBS,
    FILLERS,
    LIGHT_VERBS,
    MANY,
    NEGATIONS,
    OUTSIDE_VERBS,
    PEOPLE,
    PREPOSITIONS,
    PRONOUNS,
)

__all__ = ["Action", "Modifiers", "Unit", "read_units"]

_KEPT_FREE = frozenset(  # said inside a phrase, and a direction as well: "move forward"
    "forward forwards ahead backward backwards back left right up down around round away sideways".split()
)
_SILENT_LIGHT = frozenset("have be end finish conclude begin start let".split())
_STAYS_LIGHT = frozenset("end finish conclude begin start close open".split())
_MEDIA = frozenset("video clip animation movie film scene shot gif loop motion picture footage".split())
_ASKING = frozenset("please i we want need would like to see show me us imagine animate generate create render 'd".split())
_CAUSING = frozenset("have let make see watch help".split())
_WAYS = frozenset("to across through along into onto off out past down towards toward away over by".split())
_PLACES_TO_CLIMB = frozenset("stairs staircase stairway ladder".split())


@dataclass(frozen=True)
class Modifiers:
    """What is said about how an act is done; None where nothing is said."""

    sides: tuple[str, ...] = ()
    repeats: int | None = None
    seconds: float | None = None
    directions: tuple[str, ...] = ()
    speed: float | None = None
    degrees: float | None = None

    def over(self, other: Modifiers) -> Modifiers:
        """These, and where they say nothing the other's."""
        return Modifiers(
            self.sides or other.sides,
            other.repeats if self.repeats is None else self.repeats,
            other.seconds if self.seconds is None else self.seconds,
            self.directions or other.directions,
            other.speed if self.speed is None else self.speed,
            other.degrees if self.degrees is None else self.degrees,
        )

    def __bool__(self) -> bool:
        return self != Modifiers()


@dataclass
class Action:
    """One act that a move shows. `link`: how it stands to the act before it: "next", "layer" or "perhaps" a layer."""

    entry: Entry
    form: Form
    start: int  # token
    stop: int
    variant: Variant = field(default_factory=lambda: Variant(()))
    modifiers: Modifiers = field(default_factory=Modifiers)
    link: str = "next"
    bare: bool = False  # a plural noun without a number: "squats"
    stepping: bool = False  # steps rather than walks: its "back" is backward
    state: bool = False  # "stands": where someone is rather than what he does

    def modified(self, new: Modifiers) -> None:
        self.modifiers = new.over(self.modifiers)


@dataclass
class Unit:
    """The words from one joint of a sentence to the next."""

    marks: frozenset[str]
    start: int
    stop: int = 0
    subject: bool = False
    actions: list[Action] = field(default_factory=list)
    loose: Modifiers = field(default_factory=Modifiers)  # said without an act beside it
    again: tuple[int, bool] | None = None  # how often, and whether the number is a count of its own
    whole: bool = False  # "repeat everything"
    unmatched: list[tuple[int, int]] = field(default_factory=list)  # token ranges
    light: str = ""  # the verb of "does a kick"
    progressive: bool = False  # "is walking"


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


class _Reader:
    """Walks over the tokens once; `step` tries what can begin at `at`, most telling first."""

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
        self.last_control = ""
        self.light_open = False  # a light verb or its list of nouns is still open

    def word(self, offset: int = 0) -> str:
        index = self.at + offset
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

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

    # -- units ---------------------------------------------------------------------------------------------------------

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
        was_light = self.light_open and "stop" not in marks and not unit.subject
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
            and unit.light not in _SILENT_LIGHT
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

    # -- marks and amounts ---------------------------------------------------------------------------------------------

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
        degrees = amounts.read_degrees(self.tokens, self.at)
        if degrees is not None:
            return self.attach(Modifiers(degrees=degrees[0]), degrees[1])
        count = amounts.read_count(self.tokens, self.at)
        if self.word() == "once" and self.word(1) in PRONOUNS | DETERMINERS and self.previous == "start":
            return False
        if count is not None and not (count[1] == self.at + 1 and self.noun_place(self.at)):
            return self.attach(Modifiers(repeats=count[0]), count[1])
        speed = amounts.read_speed(self.tokens, self.at)
        if speed is not None and not self.noun_place(self.at):
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
        if direction is None:
            return False
        if self.sided_noun(direction[1]):
            return self.attach(Modifiers(sides=direction[0]), direction[1])
        if self.previous == "det" and not self.unit.actions and direction[1] < len(self.tokens):
            if self.tokens[direction[1]].kind == "word" and self.tokens[direction[1]].text not in PREPOSITIONS:
                return False  # "the back yard", "a forward motion"
        self.name_missing_direction(direction[0], direction[1])
        return self.attach(Modifiers(directions=direction[0]), direction[1])

    def side(self, sides: tuple[str, ...], after: int) -> bool:
        """Attaches a side; "with his left arm raised" keeps the arm for the pose."""
        posed = best_match(self.tokens, after - 1, noun=True)
        if posed is not None and len(posed.tokens) > 1 and after - 1 > self.at:
            self.unit.loose = Modifiers(sides=sides).over(self.unit.loose)
            self.at = after - 1
            return True
        return self.attach(Modifiers(sides=sides), after)

    def name_missing_direction(self, directions: tuple[str, ...], after: int) -> None:
        """Reports a way that a travelling move cannot take: "runs backward", "walks in a circle"."""
        entry = self.unit.actions[-1].entry if self.unit.actions else None
        if entry is None or entry.kind != "travel":
            return
        known = {*entry.directions, "back", "up", "down", "none", "to and fro"}
        if "left" in entry.directions:
            known.add("side")
        if not set(directions) <= known:
            self.unit.unmatched.append((self.at, after))

    def sided_noun(self, after: int) -> bool:
        """ "a left jab": the side of the noun behind it."""
        if self.word() not in ("left", "right") or after >= len(self.tokens) or not self.noun_place(self.at):
            return False
        found = best_match(self.tokens, after, noun=True)
        return found is not None and found.pattern.entry is not None and found.pattern.entry.one_sided

    # -- joints --------------------------------------------------------------------------------------------------------

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

    def verb_within(self, start: int, count: int) -> bool:
        for index in range(start, min(start + count, len(self.tokens))):
            if self.tokens[index].kind in ("comma", "stop"):
                return False
            if any(form in ("s", "ing", "past") for _, form in verb_forms(self.tokens[index].text)) and index > start:
                return True
        return False

    def joins_nouns(self) -> bool:
        """ "a man and a woman dance": people joined, not acts."""
        after = [token.text for token in self.tokens[self.at + 1 : self.at + 4]]
        people = bool(after) and (after[0] in PEOPLE or (after[0] in DETERMINERS and bool(set(after[1:]) & PEOPLE)))
        return people and not self.unit.actions and not self.unit.unmatched and self.unit.subject

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

    # -- acts ----------------------------------------------------------------------------------------------------------

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

    def verb_match(self) -> bool:
        found = best_match(self.tokens, self.at, noun=False)
        if found is None or self.at in self.free:
            return False
        noun = best_match(self.tokens, self.at, noun=True)
        if noun is not None and len(noun.tokens) > len(found.tokens):
            return False
        if self.noun_place(self.at) or self.noun_by_list(found):
            return self.epithet(found)
        if self.previous == "prep" and found.form not in ("ing", "base") and len(found.tokens) == 1:
            return False
        if found.form in ("base", "s") and len(found.tokens) == 1 and self.noun_after_light():
            return False
        if found.pattern.entry is None:
            return self.outside(found)
        if self.described(found):
            return self.skip_description()
        self.take(found)
        return True

    def noun_by_list(self, found: Match) -> bool:
        """ "does squats and lunges": the second plural is a noun like the first."""
        before = self.units[-1].actions if self.units else []
        return (
            found.form == "s"
            and len(found.tokens) == 1
            and self.previous == "start"
            and self.light_open
            and bool(before)
            and before[-1].bare
            and best_match(self.tokens, self.at, noun=True) is not None
        )

    def noun_after_light(self) -> bool:
        """ "does squats": a noun right behind a verb that carries nouns."""
        return self.previous in ("light", "with") and best_match(self.tokens, self.at, noun=True) is not None

    def epithet(self, found: Match) -> bool:
        """ "a waving man": no act of its own. Any other noun is left to `noun_match`."""
        if found.form == "ing" and found.pattern.entry is not None:
            self.at += 1
            self.previous = "det"
            return True
        return False

    def described(self, found: Match) -> bool:
        """ "a man standing in the park waves": standing says where he is."""
        word = self.word()
        if word not in DESCRIBING or self.previous != "subject" or self.unit.progressive:
            return False
        rest = self.tokens[found.tokens[-1] + 1 :]
        return any(best_match(list(rest), index, noun=False) for index in range(min(len(rest), 16)))

    def skip_description(self) -> bool:
        self.at += 1
        self.previous = "prep"
        return True

    def take(self, found: Match) -> None:
        """Adds the act of a verb pattern, unless it is negated or what has just stopped ("stops walking")."""
        entry = found.pattern.entry
        assert entry is not None
        before = self.unit.actions[-1] if self.unit.actions else None
        stopped = (
            before is not None
            and before.entry.move == "idle"
            and before.stop == self.at
            and self.tokens[before.start].text.startswith(("stop", "halt"))
            and found.form == "ing"
        )
        last = found.tokens[-1] + 1
        self.free.update(index for index in found.tokens[1:] if self.tokens[index].text in _KEPT_FREE)
        self.taken.update(set(found.tokens) - self.free)
        if stopped:
            self.at += 1
            return
        if self.negated:
            if entry.move != "idle":
                self.unit.unmatched.append((self.at - 1 if self.word(-1) in NEGATIONS else self.at, last))
            self.at += 1
            return
        self.add(entry, found.form, self.at + 1, found.pattern.variant or Variant(()))
        action = self.unit.actions[-1]
        base = next(iter(verb_forms(self.word())), ("", ""))[0]
        action.stepping = base == "step" or self.tokens[found.tokens[-1]].text.startswith("step")
        number = self.number_before(found.tokens[-1]) if len(found.tokens) > 1 else None
        if number is not None and self.tokens[found.tokens[-1]].text not in BODY_PARTS:
            action.modified(Modifiers(repeats=max(1, round(number))))  # "takes three steps"
        action.state = entry.move == "idle" and base == "stand" and len(found.tokens) == 1
        self.at += 1
        self.previous, self.with_noun = "act", ""
        self.in_place(entry)

    def in_place(self, entry: Entry) -> None:
        """Names what a travelling move cannot do: run on the spot, climb stairs."""
        for index in range(self.at, min(self.at + 6, len(self.tokens))):
            if index == self.at and entry.move == "march" and self.tokens[index].text in _WAYS:
                self.unit.actions[-1].modified(Modifiers(directions=("forward",)))
            words = [token.text for token in self.tokens[index : index + 3]]
            if self.tokens[index].kind != "word" or words[0] in ("and", "then", "while", "before", "after"):
                return
            if entry.kind != "travel":
                return
            if entry.move == "run" and (words[:2] == ["in", "place"] or words == ["on", "the", "spot"]):
                self.unit.unmatched.append((index, index + (2 if words[1] == "place" else 3)))
            elif words[0] in _PLACES_TO_CLIMB:
                self.unit.unmatched.append((index, index + 1))

    def add(self, entry: Entry, form: Form, stop: int, variant: Variant) -> None:
        actions = self.unit.actions
        link = "next"
        if self.with_noun:
            link = self.with_noun
        elif (actions and form == "ing" and self.previous not in ("to", "control") and not self.last_control) or (form == "noun" and entry.move in ("cross_arms", "raise_arms") and (actions or self.units)):
            link = "perhaps"
        action = Action(entry, form, self.at, stop, variant, self.unit.loose, link)
        self.unit.loose = Modifiers()
        actions.append(action)

    def noun_match(self, forced: bool = False) -> bool:
        """Nouns that name a move, where a verb carries them or no verb is near: "a kick", "two punches"."""
        found = best_match(self.tokens, self.at, noun=True)
        if found is None or found.pattern.entry is None:
            return False
        entry = found.pattern.entry
        posed = entry.move in ("cross_arms", "raise_arms")
        acts = [action for action in self.unit.actions if action.form not in ("noun", "nouns")]
        thrown = bool(acts) and acts[-1].entry.move in ("throw", "catch") and entry.move in ("punch", "kick")
        measured = bool(acts) and acts[-1].entry is entry
        carried = self.light_open or bool(self.with_noun) or thrown or posed or forced or measured
        if (acts and not carried) or (self.previous == "prep" and not carried):
            return False
        if found.tokens[-1] + 1 < len(self.tokens) and not forced and self.compound(found.tokens[-1] + 1):
            return False
        if thrown:
            self.unit.actions.remove(acts[-1])
            self.unit.loose = acts[-1].modifiers.over(self.unit.loose)
        self.taken.update(found.tokens)
        number = self.number_before(self.at)
        if acts and acts[-1].entry is entry and number is not None:  # "walks three steps"
            acts[-1].modified(Modifiers(repeats=max(1, round(number))))
            self.at += 1
            return True
        if self.negated:
            self.unit.unmatched.append((self.at, found.tokens[-1] + 1))
            self.at += 1
            return True
        variant = found.pattern.variant or Variant(())
        self.add(entry, found.form, found.tokens[-1] + 1, variant)
        action = self.unit.actions[-1]
        action.stepping = self.word().startswith("step")
        action.bare = found.form == "nouns" and number is None and not posed
        speed = self.speed_before(self.at)
        if speed is not None:
            action.modified(Modifiers(speed=speed))
        if number is not None:
            action.modified(Modifiers(repeats=max(1, round(number))))
        elif action.bare and action.modifiers.repeats is None:
            action.modified(Modifiers(repeats=max(3, entry.default_repeats)))
        self.light_open = self.light_open or not acts
        self.previous = "act"
        self.at += 1
        return True

    def compound(self, index: int) -> bool:
        """ "dance floor", "kick drum": the noun only tells which floor."""
        token = self.tokens[index]
        known = PREPOSITIONS | ADVERBS | FILLERS | DETERMINERS | AUXILIARIES | NEGATIONS | PRONOUNS | ADJECTIVES
        if token.kind != "word" or token.text in known or amounts.read_joint(self.tokens, index) is not None:
            return False
        if amounts.read_count(self.tokens, index) or amounts.read_speed(self.tokens, index):
            return False
        return not verb_forms(token.text) and not token.text.endswith("ly")

    def number_before(self, index: int) -> float | None:
        """The number or vague amount before a noun: "two quick punches", "a few squats", "a double kick"."""
        for back in range(index - 1, max(self.unit.start, index - 5) - 1, -1):
            token = self.tokens[back]
            value = number_of(token)
            if value is not None:
                return amounts.read_quantity(self.tokens, self.first_number(back))[0]  # type: ignore[index]
            if amounts.is_vague(self.tokens, back):
                return MANY[token.text]
            if token.text in ("double", "triple"):
                return {"double": 2.0, "triple": 3.0}[token.text]
            if token.text not in ADJECTIVES | {"of", "more", "x", "times", "very"}:
                return None
        return None

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

    # -- other verbs and the grammar's small words ---------------------------------------------------------------------

    def outside(self, found: Match) -> bool:
        """Reports a phrase that holds a move's word but means something else."""
        self.taken.update(found.tokens)
        self.unit.unmatched.append((self.at, found.tokens[-1] + 1))
        self.at = found.tokens[-1] + 1
        self.previous = "act"
        return True

    def plain_verb(self) -> bool:
        """Verbs that carry, begin or end another act, and those that no move shows."""
        forms = verb_forms(self.word())
        if not forms or self.noun_place(self.at):
            return False
        word = self.word()
        if word in AUXILIARIES or (word in ("do", "does", "did") and self.word(1) == "not"):
            return False
        bases = {base for base, _ in forms}
        following_ing = self.following_form() == "ing"
        if bases & CONTROL_VERBS and (following_ing or self.word(1) == "to"):
            self.at += 1
            self.last_control, self.previous = word, "control"
            return True
        if bases & END_VERBS:
            return False
        if "do" in bases and self.word(1) in ("so", "this", "that", "it") and "while" in self.unit.marks:
            self.unit.marks = self.unit.marks | {"together"}  # "nods while he does so"
            self.at += 2
            return True
        light = bases & LIGHT_VERBS
        if light and self.previous != "prep":
            self.unit.light = sorted(light)[0]
            self.light_open, self.previous = True, "light"
            self.at += 1
            return True
        if bases & OUTSIDE_VERBS:
            return self.outside_verb(forms[0][1])
        return False

    def following_form(self) -> str:
        index = self.at + 1
        while index < len(self.tokens) and self.tokens[index].text in ADVERBS:
            index += 1
        forms = verb_forms(self.tokens[index].text) if index < len(self.tokens) else ()
        return forms[0][1] if forms else ""

    def outside_verb(self, form: Form) -> bool:
        """Reports an act that no move shows, with its object, if the word stands where a verb stands."""
        if self.word() in DESCRIBING and self.previous == "subject" and not self.unit.progressive:
            return self.skip_description()
        verb_place = self.previous in ("start", "subject", "aux", "to", "control")
        after_noun = form in ("s", "past") and self.previous in ("noun", "other") and not self.unit.actions
        if not (verb_place or after_noun or form == "ing"):
            return False
        if self.previous == "start" and form == "base" and self.unit.marks == frozenset({"and"}) and not self.units:
            return False
        return self.report_verb()

    def report_verb(self) -> bool:
        start = self.at
        self.at += 1
        while self.at < len(self.tokens) and self.at - start < 7 and self.tokens[self.at].kind in ("word", "number"):
            if amounts.read_joint(self.tokens, self.at) or amounts.read_seconds(self.tokens, self.at):
                break
            if amounts.read_count(self.tokens, self.at) or amounts.read_speed(self.tokens, self.at):
                break
            if self.verb_here():
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
        if word in PRONOUNS or (word in PEOPLE and self.previous != "prep"):
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
        if word in BODY_PARTS | PEOPLE:
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
        self.unit.subject = True
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
        if token.capital and not (sentence_start and self.following_form() == ""):
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
        verb_place = self.previous in ("start", "subject", "aux", "to", "control")
        ending = word.endswith(("s", "ed")) and not word.endswith(("ss", "us", "is"))
        after_noun = ending and self.previous == "noun" and not self.unit.actions and not self.unit.light
        participle = word.endswith("ing") and self.previous == "act" and not self.unit.light
        if verb_place or after_noun or participle:
            return self.report_verb()
        self.previous = "noun"
        self.at += 1
        return True
