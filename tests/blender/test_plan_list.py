"""The plan as an editable list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleximo.plan import MotionPlan
from fleximo.planner import RulePlanner

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def moves(take: Any) -> list[str]:
    return [row.move for row in take.segments]


def test_a_plan_is_listed_and_read_back(addon: Any, scene: Any) -> None:
    text = "a woman walks forward while waving her left hand, then bows twice"
    bpy.ops.fleximo.plan(text=text)
    take = scene.fleximo.takes[0]
    plan = RulePlanner().plan(text)
    assert moves(take) == [segment.move for segment in plan.segments]
    read = addon("plan_list").plan_of(take)
    for a, b in zip(read.segments, plan.segments):
        assert (a.move, a.side, a.repeats, a.direction, len(a.layers)) == (
            b.move,
            b.side,
            b.repeats,
            b.direction,
            len(b.layers),
        )
        assert a.seconds == pytest.approx(b.seconds, abs=1e-5)


def test_the_list_is_what_is_made(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.plan(text="a man waves, then bows")
    take = scene.fleximo.takes[0]
    edit = bpy.ops.fleximo.edit_plan
    take.segment = 0
    edit(edit="down")
    assert moves(take) == ["bow", "wave"] and take.segment == 1
    edit(edit="split")
    assert moves(take) == ["bow", "wave", "wave"]
    edit(edit="add")
    take.segments[2].move, take.segments[2].seconds = "squat", 3.0
    assert moves(take) == ["bow", "wave", "squat", "wave"]
    take.segment = 3
    edit(edit="remove")
    seconds = sum(row.seconds for row in take.segments)
    bpy.ops.fleximo.generate_motion()
    assert take.frame_end - take.frame_start + 1 == pytest.approx(seconds * 30, abs=2)
    assert [segment.move for segment in MotionPlan.from_json(json.loads(take.plan)).segments] == [
        "bow",
        "wave",
        "squat",
    ]
    bpy.ops.fleximo.generate_motion(text="a man jumps")
    assert moves(take) == ["jump"], "another text, another plan"


def test_a_list_without_a_text(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.add_take()
    take = scene.fleximo.takes[0]
    with pytest.raises(RuntimeError, match="No move is chosen"):
        bpy.ops.fleximo.edit_plan(edit="remove")
    bpy.ops.fleximo.edit_plan(edit="add")
    take.segments[0].move = "clap"
    bpy.ops.fleximo.generate_motion()
    assert take.armature is not None and moves(take) == ["clap"]
    for _ in range(2):
        if take.segments:
            bpy.ops.fleximo.edit_plan(edit="remove")
    with pytest.raises(RuntimeError, match="There is no text"):
        bpy.ops.fleximo.generate_motion()


def test_a_copied_take_has_its_own_list(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.plan(text="a man waves, then bows")
    bpy.ops.fleximo.duplicate_take(keep="motion")
    first, second = scene.fleximo.takes
    assert moves(first) == moves(second)
    second.segments[0].move = "clap"
    assert moves(first)[0] == "wave"
