"""A take's plan as the list that the panel shows, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fleximo.plan import MotionPlan, Segment

__all__ = ["forget_unread", "has_plan", "plan_of", "same", "show_plan", "title", "told"]


def show_plan(take: Any, plan: MotionPlan) -> None:
    """Lists `plan` in the take, as made of the take's present text."""
    take.plan, take.planned_text = json.dumps(plan.to_json()), take.text
    take.segments.clear()
    for segment in plan.segments:
        row = take.segments.add()
        row.text, row.move, row.seconds, row.repeats = segment.text, segment.move, segment.seconds, segment.repeats
        row.side, row.direction, row.speed = segment.side or "any", segment.direction or "any", segment.speed
        row.seed = -1 if segment.seed is None else segment.seed
        row.layers = json.dumps([layer.to_json() for layer in segment.layers])
    take.segment = min(take.segment, len(take.segments) - 1)


def has_plan(take: Any) -> bool:
    """Whether the list belongs to the take's text, so that it is what will be done."""
    return bool(take.segments) and take.planned_text == take.text


def forget_unread(take: Any) -> None:
    """For another motion model: a plan in which words were not understood is to be made anew."""
    plan = MotionPlan.from_json(json.loads(take.plan)) if take.plan else None
    if plan is None:
        return
    unread = any(segment.matched < 1.0 for segment in plan.segments)
    if unread or any(notice.code == "unmatched_text" for notice in plan.notices):
        take.planned_text = ""


def plan_of(take: Any) -> MotionPlan:
    """The plan as the list has it now; raises `FleximoError` where it cannot be played."""
    kept = MotionPlan.from_json(json.loads(take.plan)) if take.plan else None
    plan = MotionPlan(tuple(_segment(row) for row in take.segments), seed=take.seed)
    return plan if kept is None else replace(plan, notices=kept.notices, setting=kept.setting)


def _segment(row: Any) -> Segment:
    layers = tuple(Segment.from_json(layer) for layer in json.loads(row.layers or "[]"))
    return Segment(
        row.move,
        row.seconds,
        row.text,
        side=None if row.side == "any" else row.side,
        repeats=row.repeats,
        direction=None if row.direction == "any" else row.direction,
        speed=row.speed,
        layers=tuple(replace(layer, seconds=row.seconds) for layer in layers),
        seed=None if row.seed < 0 else row.seed,
    )


def same(a: Segment, b: Segment) -> bool:
    """Whether two segments are played alike; a list keeps seconds and speed less exactly than a plan."""
    close = abs(a.seconds - b.seconds) < 1e-4 and abs(a.speed - b.speed) < 1e-4
    layers = len(a.layers) == len(b.layers) and all(same(x, y) for x, y in zip(a.layers, b.layers))
    kept = ("move", "side", "repeats", "direction", "seed")
    return close and layers and all(getattr(a, name) == getattr(b, name) for name in kept)


def title(segment: Any) -> str:
    """The name of a segment or row: its move, or its words where they stand for no move."""
    name: str = segment.text.strip() if segment.move == "idle" else ""
    return name or segment.move.replace("_", " ")


def told(plan: MotionPlan) -> str:
    """The plan as a sentence, with what is to be said about it."""
    steps = ", then ".join(title(segment) for segment in plan.segments)
    notices = " ".join(notice.message for notice in plan.notices)
    return f"{steps}: {plan.seconds:.1f} s. {notices}".strip()
