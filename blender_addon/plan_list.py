"""A take's plan as the list that the panel shows, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fleximo.plan import MotionPlan, Segment

__all__ = ["has_plan", "plan_of", "show_plan"]


def show_plan(take: Any, plan: MotionPlan) -> None:
    """Lists `plan` in the take, as made of the take's present text."""
    take.plan, take.planned_text = json.dumps(plan.to_json()), take.text
    take.segments.clear()
    for segment in plan.segments:
        row = take.segments.add()
        row.text, row.move, row.seconds, row.repeats = segment.text, segment.move, segment.seconds, segment.repeats
        row.side, row.direction, row.speed = segment.side or "any", segment.direction or "any", segment.speed
        row.layers = json.dumps([layer.to_json() for layer in segment.layers])
    take.segment = min(take.segment, len(take.segments) - 1)


def has_plan(take: Any) -> bool:
    """Whether the list belongs to the take's text, so that it is what will be done."""
    return bool(take.segments) and take.planned_text == take.text


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
    )
