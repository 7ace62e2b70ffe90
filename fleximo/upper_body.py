"""Plans for a photo without legs: what the upper body shows of each move is kept, the rest is held, nobody travels.

Owns which moves say something without legs. Knows plans and whether a photo shows feet; plays no motion.
"""

from __future__ import annotations

from dataclasses import replace

from fleximo.camera_fit import legs_in_frame
from fleximo.errors import Notice
from fleximo.moves import LIBRARY
from fleximo.moves.lexicon import LEXICON
from fleximo.person import Person
from fleximo.plan import MotionPlan, Segment

__all__ = ["plan_for", "upper_body_plan"]

# Moves that use the legs and read without them, by arms, trunk or head; of the others nothing is left to recognise.
_READS_WITHOUT_LEGS = frozenset("walk run march jumping_jacks dance spin_dance golf_swing pick_up".split())
_HELD_TEXT = "stands still"  # a motion model that reads the words shall not make the move that is held
_TRAVELS = frozenset("walk run march".split())


def plan_for(plan: MotionPlan, person: Person) -> MotionPlan:
    """`plan` as the photo of `person` can show it: itself where feet are seen, else its `upper_body_plan`."""
    return plan if legs_in_frame(person) else upper_body_plan(plan)


def upper_body_plan(plan: MotionPlan) -> MotionPlan:
    """`plan` for someone whose legs are out of the picture; a notice `upper_body_only` names each move replaced.

    A move of the legs becomes standing still, with the arms, trunk and head of the move laid over it where they
    say something; lengths and other layers stay. A plan that uses no legs comes back as it is.

    >>> plan = upper_body_plan(MotionPlan((Segment("walk", 3.0), Segment("squat", 2.0), Segment("wave", 2.0))))
    >>> [(segment.move, [layer.move for layer in segment.layers]) for segment in plan.segments]
    [('idle', ['walk']), ('idle', []), ('wave', [])]
    """
    replaced: dict[str, str] = {}
    segments = tuple(_without_legs(segment, replaced) for segment in plan.segments)
    if not replaced:
        return plan
    said = "; ".join(f"{move.replace('_', ' ')}: {instead}" for move, instead in replaced.items())
    notice = Notice(
        "upper_body_only",
        f"The photo shows no feet, so the plan is for the upper body, on the spot. {said[0].upper()}{said[1:]}.",
        "Use a photo that shows the whole person to see the legs move.",
    )
    return replace(plan, segments=segments, notices=(*plan.notices, notice))


def _without_legs(segment: Segment, replaced: dict[str, str]) -> Segment:
    """`segment` with its moves of the legs laid over standing still, or left out; they are noted in `replaced`."""
    base = replace(segment, layers=())
    with_legs = [act for act in (base, *segment.layers) if _is_of_the_legs(act.move)]
    if not with_legs or (segment.move == "idle" and all(act.move in _READS_WITHOUT_LEGS for act in with_legs)):
        return segment
    kept = []
    for act in with_legs:
        if act.move in _READS_WITHOUT_LEGS:
            kept.append(replace(act, direction=None) if act.move in _TRAVELS else act)
            replaced[act.move] = f"{_parts(act.move)} only"
        else:
            replaced[act.move] = "held"
    others = tuple(layer for layer in segment.layers if layer not in with_legs)
    if base in with_legs or base.move == "idle":
        text = segment.text if kept or base.move == "idle" else _HELD_TEXT
        return Segment("idle", segment.seconds, text, layers=(*kept, *others), matched=segment.matched)
    if not kept:
        return replace(base, layers=others)
    return Segment("idle", segment.seconds, segment.text, layers=(*kept, base, *others), matched=segment.matched)


def _is_of_the_legs(move: str) -> bool:
    """Whether a move loses something without legs; of a bow, whose legs only give way, the photo shows it all."""
    return LIBRARY[move].uses_legs and LEXICON[move].mask == "body"


def _parts(move: str) -> str:
    """What of the body a move moves beside the legs, in words."""
    words = {"arm": "arm", "arms": "arms", "spine": "trunk", "head": "head"}
    parts = [words[group] for group in LIBRARY[move].layer]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
