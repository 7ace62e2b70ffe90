"""The order of what was read: before and after, while, again, the other hand; a list of steps, each with its layers.

Knows clauses and which joints moves share; knows no lengths of time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fleximo.errors import FleximoError
from fleximo.moves.lexicon import LEXICON
from fleximo.planner.units import Action, Modifiers, Unit

__all__ = ["Step", "lay_or_follow", "ordered_steps"]

_MOST_STEPS = 1200  # the longest plan, filled with the shortest segments
_REACH = {"body": 4, "upper": 3, "arms": 2, "arm": 1, "head": 0}  # how much of the body a move takes
_SUBORDINATE = frozenset({"while", "before", "after", "preceded"})
_ARMED = frozenset("punch throw catch drink pick_up".split())  # wider moves that keep one arm busy
_OPPOSITE = {"left": "right", "right": "left"}


@dataclass
class Step:
    """An act with the acts played over it. `clash`: acts that were to go together but need the same joints."""

    base: Action
    layers: list[Action] = field(default_factory=list)
    clash: bool = False

    def copy(self) -> Step:
        return Step(replace(self.base), [replace(layer) for layer in self.layers])


def ordered_steps(units: list[Unit]) -> list[Step]:
    """The steps of all sentences in the order in which they happen."""
    _resolve(units)
    steps: list[Step] = []
    sentence: list[Unit] = []
    for unit in units:
        if "stop" in unit.marks and sentence:
            _Sentence(sentence, steps).place()
            sentence = []
        sentence.append(unit)
    _Sentence(sentence, steps).place()
    return steps


# -- what refers to something said before ------------------------------------------------------------------------------


def _resolve(units: list[Unit]) -> None:
    """Turns "again", "two more", "the other hand" and modifiers that stand alone into acts or their modifiers."""
    done: list[Action] = []
    for index, unit in enumerate(units):
        if unit.hold is not None and not unit.actions:
            _hold(unit, done)
        elif unit.again and not unit.actions and done:
            unit.actions = _repeated(unit, done)
        elif unit.loose and not unit.actions:
            following = units[index + 1] if index + 1 < len(units) else None
            _place_loose(unit, following, done)
        if unit.again and unit.actions and unit.again[0] > 1 and unit.actions[0].modifiers.repeats is None:
            unit.actions[0].modified(Modifiers(repeats=unit.again[0]))
        _carry_side(unit, done)
        for action in unit.actions:
            if action.state and done and done[-1].entry.move in ("sit_down", "kneel"):  # "sits, then stands"
                action.entry, action.state = LEXICON["stand_up"], False
            _name_other_side(action, done)
            done.append(action)


def _hold(unit: Unit, done: list[Action]) -> None:
    """Keeps the last pose for the seconds said; behind any other act, stands still."""
    if done and done[-1].entry.kind in ("gesture", "held") and done[-1].entry.move != "idle":
        done[-1].modified(Modifiers(held=unit.hold))
    else:
        said = Modifiers(seconds=unit.hold)
        unit.actions = [Action(LEXICON["idle"], "noun", unit.start, unit.stop, modifiers=said)]


def _repeated(unit: Unit, done: list[Action]) -> list[Action]:
    assert unit.again is not None
    times, own_count = unit.again
    acts = [action for action in done if action.entry.move != "idle"] or done
    last = acts[-1]
    if own_count:
        counted = [action for action in acts if action.entry.counted] or acts
        last = counted[-1]
    if unit.loose.repeats is not None and not own_count and times == 1:
        times, unit.loose = unit.loose.repeats, replace(unit.loose, repeats=None)
    modifiers = unit.loose.over(last.modifiers)
    unit.loose = Modifiers()
    fresh = replace(last, start=unit.start, stop=max(unit.stop, unit.start + 1), modifiers=modifiers, link="next")
    if own_count:
        return [replace(fresh, modifiers=replace(modifiers, repeats=times, seconds=None))]
    if times > 1 and (last.modifiers.repeats or 1) == 1 and last.entry.counted:
        return [replace(fresh, modifiers=replace(modifiers, repeats=times))]
    return [replace(fresh) for _ in range(min(times, 200))]


def _place_loose(unit: Unit, following: Unit | None, done: list[Action]) -> None:
    """Modifiers without an act: a new side, way or pace does the last act anew; else they belong to a neighbour."""
    leads = following is not None and bool(following.actions) and not following.marks & {"stop", "then"}
    loose, last = unit.loose, done[-1].modifiers if done else Modifiers()
    joined = bool(unit.marks & {"then", "and", "comma", "first"}) and not unit.subject and bool(done)
    ways = bool(done) and (done[-1].entry.one_sided or bool({*done[-1].entry.directions} & {*loose.directions}))
    anew = bool((loose.sides and last.sides) or (ways and loose.directions and last.directions))
    anew = anew or (loose.speed is not None and "then" in unit.marks and not leads)
    if joined and anew:
        kept = replace(last, directions=() if loose.sides else last.directions, seconds=None)
        unit.actions = [replace(done[-1], start=unit.start, stop=unit.stop, modifiers=loose.over(kept), link="next")]
    elif leads and joined and loose.seconds is not None and "then" in unit.marks:  # "then, after 2 seconds, ..."
        unit.actions = [Action(LEXICON["idle"], "noun", unit.start, unit.stop, modifiers=loose)]
    elif leads and following is not None and (unit.marks & {"stop", "then", "first"} or not done):
        following.actions[0].modifiers = following.actions[0].modifiers.over(loose)
    elif done:
        done[-1].modifiers = last.over(loose)
    unit.loose = Modifiers()


def _carry_side(unit: Unit, done: list[Action]) -> None:
    """ "raises his left hand and waves (it)": the same hand."""
    for action in unit.actions:
        raised = done[-1] if done and done[-1].entry.move == "raise_arms" else None
        if (
            raised is not None
            and not action.modifiers.sides
            and action.entry.mask == "arm"
            and "then" not in unit.marks
            and raised.modifiers.sides in (("left",), ("right",))
        ):
            action.modifiers = replace(action.modifiers, sides=raised.modifiers.sides)


def _name_other_side(action: Action, done: Iterable[Action]) -> None:
    """ "the other hand": opposite to the last side, said or usual."""
    if "other" not in action.modifiers.sides:
        return
    last = next((act for act in reversed(list(done)) if act.entry.one_sided or act.modifiers.sides), None)
    side = last.modifiers.sides[-1] if last is not None and last.modifiers.sides else None
    if side not in _OPPOSITE:
        side = last.entry.default_side if last is not None else action.entry.default_side
    action.modifiers = replace(action.modifiers, sides=(_OPPOSITE.get(side or "right", "left"),))


# -- one sentence ------------------------------------------------------------------------------------------------------


class _Sentence:
    """Places the acts of one sentence behind the steps so far."""

    def __init__(self, units: list[Unit], steps: list[Step]) -> None:
        self.units = units
        self.steps = steps
        self.tail: list[Step] = []  # what the sentence began with "before"
        self.over: list[Action] = []  # what it began with "while"
        self.over_firmly = True
        self.run_start = len(steps)  # where the acts joined by "and" to the last one begin

    def place(self) -> None:
        for index, (unit, role) in enumerate(zip(self.units, self.roles())):
            kind, initial = role
            if unit.whole:
                self.steps.extend([step.copy() for step in self.steps])
                _refuse_too_many(self.steps)
            elif not unit.actions:
                if "together" in unit.marks and "stop" not in unit.marks and len(self.steps) > 1:
                    self.join_last_two()
            elif kind == "while":
                self.place_while(unit, initial)
            elif kind == "before" and initial:
                self.tail.extend(self.new_steps(unit))
            elif (kind == "after" and not initial) or kind == "preceded":
                fresh = self.new_steps(unit)
                where = self.run_start if kind == "after" else max(len(self.steps) - 1, 0)
                self.steps[where:where] = fresh
                self.run_start = where + len(fresh)
            elif self.leading_participle(index):
                (step,) = self.new_steps(unit)
                self.over, self.over_firmly = [step.base, *step.layers], False
            else:
                self.place_main(unit)
        self.steps.extend(Step(action) for action in self.over)
        self.steps.extend(self.tail)

    def roles(self) -> list[tuple[str, bool]]:
        """For each unit the kind of clause it belongs to ("" = main) and whether that clause opens the sentence."""
        roles: list[tuple[str, bool]] = []
        kind, initial, form, acted, main_seen = "", False, "", False, False
        for index, unit in enumerate(self.units):
            opening = unit.marks & _SUBORDINATE
            if opening:
                kind, initial, form, acted = sorted(opening)[0], not main_seen, "", False
            elif kind and not self.continues(index, initial, form, acted):
                kind = ""
            roles.append((kind, initial))
            if unit.actions:
                form, acted = form or unit.actions[0].form, True
                main_seen = main_seen or not kind
        return roles

    def continues(self, index: int, initial: bool, form: str, acted: bool) -> bool:
        """Whether a unit still belongs to the subordinate clause before it."""
        unit = self.units[index]
        here = unit.actions[0].form if unit.actions else form
        if unit.marks & {"then", "first"}:
            return False
        if not initial:
            return "comma" not in unit.marks and here == form and not unit.subject and form == "ing"
        if unit.subject:
            return not acted
        if form == "ing":
            return here == "ing"
        return "comma" not in unit.marks or any(later.subject for later in self.units[index + 1 :])

    def leading_participle(self, index: int) -> bool:
        """ "Waving, she walks in": the first act goes on during the second."""
        unit = self.units[index]
        if index != 0 or unit.subject or unit.marks & _SUBORDINATE or len(self.units) < 2:
            return False
        following = self.units[1]
        if (
            not unit.actions
            or not (unit.actions[0].form == "ing" or unit.actions[0].link == "layer")
            or len(self.new_steps(unit)) != 1
        ):
            return False
        lasting = unit.actions[0].entry.kind != "gesture" or unit.actions[0].entry.mask != "body"
        return "comma" in following.marks and following.subject and bool(following.actions) and lasting

    def new_steps(self, unit: Unit) -> list[Step]:
        """The acts of one unit, layered where the unit says so."""
        fresh: list[Step] = []
        for action in unit.actions:
            if fresh and action.link != "next":
                lay_or_follow(fresh, [action], firmly=False)
            else:
                fresh.append(Step(action))
        return fresh

    def place_main(self, unit: Unit) -> None:
        if unit.marks & {"then", "stop", "comma", "first"} or len(self.steps) <= self.run_start:
            self.run_start = len(self.steps)
        fresh = self.new_steps(unit)
        first = fresh[0]
        soft = first.base.link != "next" or self.goes_along(unit)
        if "together" in unit.marks and self.steps:
            lay_or_follow(self.steps, [first.base, *first.layers], firmly=True)
            fresh = fresh[1:]
        elif soft and self.steps and not self.over:
            lay_or_follow(self.steps, [first.base, *first.layers], firmly=False)
            fresh = fresh[1:]
        elif self.steps and self.stands(self.steps[-1]) and "and" in unit.marks:
            self.steps.pop()
        self.steps.extend(fresh)
        if self.over and fresh:
            over, self.over = self.over, []
            rest = self.steps[-len(fresh) + 1 :] if len(fresh) > 1 else []
            del self.steps[len(self.steps) - len(rest) :]
            lay_or_follow(self.steps, over, firmly=self.over_firmly, before=True)
            self.steps.extend(rest)

    def stands(self, step: Step) -> bool:
        """Whether a step only says that someone stands: "he stands and waves"."""
        return step.base.state and not step.layers and step.base.modifiers.seconds is None

    def goes_along(self, unit: Unit) -> bool:
        """ "is walking and waving"; "she walks in, waving"."""
        action = unit.actions[0]
        if action.form != "ing" or unit.subject or unit.marks & {"then", "stop", "before", "after"}:
            return False
        here = self.units.index(unit)
        acting = [other for other in self.units[:here] if other.actions]
        if not acting:
            return False
        finite = acting[-1].actions[-1].form in ("s", "past", "base") and "comma" in unit.marks
        gerunds = [other for other in self.units if other.actions and other.actions[0].form == "ing"]
        joined = acting[-1].actions[-1].form == "ing" and unit.marks == {"and"} and len(gerunds) == 2
        return finite or (joined and (acting[-1].progressive or acting[-1].subject))

    def place_while(self, unit: Unit, initial: bool) -> None:
        if initial and not (self.steps and len(self.steps) > self.run_start):
            self.over.extend(unit.actions)
            self.over_firmly = True
        elif self.steps:
            lay_or_follow(self.steps, unit.actions, firmly=True)
        else:
            self.steps.extend(self.new_steps(unit))

    def join_last_two(self) -> None:
        last = self.steps.pop()
        lay_or_follow(self.steps, [last.base, *last.layers], firmly=True)


def _refuse_too_many(steps: list[Step]) -> None:
    """Each "repeat everything" doubles the plan; raises before that fills the memory."""
    if len(steps) > _MOST_STEPS:
        raise FleximoError(
            f"The text asks for more than {_MOST_STEPS} moves in a row.",
            code="too_long",
            remedy="Ask for fewer repeats, or plan it in several texts.",
        )


# -- layers ------------------------------------------------------------------------------------------------------------


def lay_or_follow(steps: list[Step], actions: list[Action], *, firmly: bool, before: bool = False) -> None:
    """Plays `actions` together with the last step; where the joints do not allow it, one after another."""
    for action in actions:
        joined = _joined(steps[-1], action)
        if joined is not None:
            steps[-1] = joined
        else:
            steps.insert(len(steps) - before, Step(action, clash=firmly))


def _joined(step: Step, action: Action) -> Step | None:
    """The step with `action` in it: the act that takes more of the body is the base. None where both need the same."""
    if step.base.entry.move == action.entry.move:
        return None
    if "idle" in (step.base.entry.move, action.entry.move):
        return _without_idle(step, action)
    first, second = step.base, action
    if _REACH[second.entry.mask] > _REACH[first.entry.mask]:
        first, second = second, first
    if not _allowed(first, second) or any(not _disjoint(other, second) for other in step.layers):
        return None
    return Step(first, [*step.layers, second], step.clash)


def _without_idle(step: Step, action: Action) -> Step | None:
    """Standing still adds nothing to an act but its length."""
    idle, other = (step.base, action) if step.base.entry.move == "idle" else (action, step.base)
    if other.entry.mask == "body":
        return None
    other.modifiers = other.modifiers.over(Modifiers(seconds=idle.modifiers.seconds))
    return Step(other, [layer for layer in step.layers if layer is not other], step.clash)


def _allowed(base: Action, layer: Action) -> bool:
    if _REACH[layer.entry.mask] >= _REACH[base.entry.mask] and not (base.entry.mask == layer.entry.mask == "arm"):
        return False
    if base.entry.mask == "body":
        return base.entry.move not in _ARMED or _disjoint(base, layer)
    return _disjoint(base, layer)


def _disjoint(one: Action, other: Action) -> bool:
    """Whether two acts can go on at once; gives the second the free arm if neither side was said for it."""
    if "head" in (one.entry.mask, other.entry.mask):
        return one.entry.mask != other.entry.mask
    if one.entry.move == "bow":
        return True
    sides = [_side(one), _side(other)]
    if None in sides or "both" in sides:
        return False
    if sides[0] != sides[1]:
        return True
    free = _OPPOSITE[sides[0] or "right"]
    changed = other if not other.modifiers.sides else one if not one.modifiers.sides else None
    if changed is None:
        return False
    changed.modifiers = replace(changed.modifiers, sides=(free,))
    return True


def _side(action: Action) -> str | None:
    sides = action.modifiers.sides
    if sides and sides[0] in ("left", "right", "both"):
        return sides[0]
    return "right" if sides and sides[0] == "one" else action.entry.default_side
