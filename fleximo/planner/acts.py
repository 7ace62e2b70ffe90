"""Acts read at a place in the text: verbs and nouns that name a move, and those that no move shows.

Tells "throws two punches" from "throws a ball" and "a dancer spins" from "a dance". Knows no joints of sentences.
"""

from __future__ import annotations

from fleximo.moves.lexicon import Entry, Variant
from fleximo.planner import amounts
from fleximo.planner.cursor import Cursor
from fleximo.planner.forms import Form, Match, best_match, verb_forms
from fleximo.planner.units import Modifiers
from fleximo.planner.words import (
    AUXILIARIES,
    BODY_PARTS,
    CONTROL_VERBS,
    DESCRIBING,
    DESCRIBING_VERBS,
    END_VERBS,
    LIGHT_VERBS,
    MOTION_NOUNS,
    NEGATIONS,
    OUTSIDE_VERBS,
)

__all__ = ["ActReader"]

_KEPT_FREE = frozenset(  # said inside a phrase, and a direction as well: "move forward"
    "forward forwards ahead backward backwards back left right up down around round away sideways".split()
)
_WAYS = frozenset("to across through along into onto off out past down towards toward away over by".split())
_PLACES_TO_CLIMB = frozenset("stairs staircase stairway ladder".split())

_HELD = frozenset("it that this them there the a his her their your pose position stance still".split())


class ActReader(Cursor):
    """Finds acts: verbs and nouns that name moves, and those that no move shows."""

    def verb_match(self) -> bool:
        found = best_match(self.tokens, self.at, noun=False)
        if found is None or self.at in self.free:
            return False
        noun = best_match(self.tokens, self.at, noun=True)
        if noun is not None and len(noun.tokens) > len(found.tokens):
            return False
        if self.noun_place(self.at) or self.noun_by_list(found):
            return self.epithet(found)
        object_place = found.form in ("s", "past") or (found.form == "base" and self.word(-1) != "to")
        place = self.previous == "prep" or (
            self.previous == "thing" and found.form == "base" and bool(self.unit.actions)
        )
        if place and object_place and len(found.tokens) == 1:
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
            if self.word(1) in MOTION_NOUNS:
                self.take(found)
                return True
            self.at += 1
            self.previous = "det"
            return True
        return False

    def described(self, found: Match) -> bool:
        """ "a man standing in the park waves": standing says where he is."""
        if not self.describes():
            return False
        rest = self.tokens[found.tokens[-1] + 1 :]
        return any(best_match(list(rest), index, noun=False) for index in range(min(len(rest), 16)))

    def describes(self) -> bool:
        """A participle behind the person, or the verb of "who stands by the door"."""
        if self.relative and self.previous in ("subject", "aux"):
            return any(base in DESCRIBING_VERBS for base, _ in verb_forms(self.word()))
        before = self.units[-1] if self.units else None
        apposed = before is not None and before.subject and not before.actions and "comma" in self.unit.marks
        place = self.previous == "subject" or (apposed and self.previous == "start")
        return self.word() in DESCRIBING and place and not self.unit.progressive

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
        measured = measured or (not acts and self.number_before(self.at) is not None)
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
        self.light_open = self.light_open or thrown or not acts
        self.previous = "act"
        self.at += 1
        return True

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
        if "hold" in bases and self.holds():
            return True
        if "do" in bases and self.word(1) in ("so", "this", "that", "it") and "while" in self.unit.marks:
            self.unit.marks = self.unit.marks | {"together"}  # "nods while he does so"
            self.at += 2
            return True
        light = bases & LIGHT_VERBS
        if light and (self.previous != "prep" or self.word(-1) == "by"):
            self.unit.light = sorted(light)[0]
            self.light_open, self.previous = True, "light"
            self.at += 1
            return True
        if bases & OUTSIDE_VERBS or forms[0][1] == "ing":
            return self.outside_verb(forms[0][1])
        return False

    def holds(self) -> bool:
        """ "hold (the pose) for three seconds": the last act goes on for so long."""
        behind = self.at + 1
        while behind < len(self.tokens) and self.tokens[behind].text in _HELD:
            behind += 1
        held = amounts.read_seconds(self.tokens, behind)
        posed = behind > self.at + 1 and (behind == len(self.tokens) or self.tokens[behind].kind != "word")
        if held is None and not posed:
            return False
        self.unit.hold = held[0] if held else 1.0
        self.at = held[1] if held else behind
        return True

    def outside_verb(self, form: Form) -> bool:
        """Reports an act that no move shows, with its object, if the word stands where a verb stands."""
        if self.describes():
            return self.skip_description()
        verb_place = self.previous in ("start", "subject", "aux", "to", "control")
        after_noun = form in ("s", "past") and self.previous in ("noun", "thing", "other") and not self.unit.actions
        if not (verb_place or after_noun or form == "ing"):
            return False
        if self.previous == "start" and form == "base" and self.unit.marks == frozenset({"and"}) and not self.units:
            return False
        return self.report_verb()
