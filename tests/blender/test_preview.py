"""Motions that are previewed, and one move of a motion made anew."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, MotionPlan
from tests.blender.test_edit_layer import bits, generated, pose, sampled

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

LEGS = ("hip", "knee", "ankle")


def keys(addon: Any, action: Any) -> dict[tuple[str, int], Any]:
    curves = addon("compat").channels_in(action).fcurves
    return {(curve.data_path, curve.array_index): addon("compat").read_keys(curve) for curve in curves}


def test_nothing_is_overwritten_before_accept(addon: Any, scene: Any) -> None:
    take = generated(scene)
    pose(scene, take.armature, 20)
    layer = addon("edit_layer")
    base, before, count = layer.base_action(take.armature), sampled(addon, scene, take), len(bpy.data.actions)
    state = (take.seed, take.plan, take.frame_end, take.planned_text)
    for number in range(3):
        bpy.ops.fleximo.generate_motion(preview=True)
        assert take.candidate == number and [each.seed for each in take.candidates] == [1, 2, 3][: number + 1]
    assert layer.base_action(take.armature) == base
    assert (take.seed, take.plan, take.frame_end, take.planned_text) == state
    shown = [sampled(addon, scene, take)]
    for _ in range(3):
        bpy.ops.fleximo.flip_preview()
        shown.append(sampled(addon, scene, take))
    assert (bits(shown[0]) == bits(shown[3])).all()
    assert (bits(shown[1]) == bits(before)).all(), "the same seed, the keys by hand on top"
    assert np.abs(shown[2].rotations - shown[0].rotations).max() > 1e-3
    assert not bpy.ops.fleximo.render.poll() and not bpy.ops.fleximo.regenerate_segment.poll()
    bpy.ops.fleximo.generate_motion(preview=True)
    assert not bpy.ops.fleximo.generate_motion.poll(), "four are enough"
    bpy.ops.fleximo.reject_motion()
    assert (bits(sampled(addon, scene, take)) == bits(before)).all()
    assert layer.base_action(take.armature) == base and len(bpy.data.actions) == count
    assert not bpy.ops.fleximo.accept_motion.poll() and not bpy.ops.fleximo.flip_preview.poll()


def test_an_accepted_preview_is_the_take_s_motion(addon: Any, scene: Any) -> None:
    take = generated(scene)
    take.text = "a man bows, then claps"
    bpy.ops.fleximo.generate_motion(preview=True, seed=8)
    bpy.ops.fleximo.generate_motion(preview=True, seed=9)
    bpy.ops.fleximo.flip_preview(step=-1)
    take.frame_end = take.frame_start + 30
    shown = sampled(addon, scene, take)
    bpy.ops.fleximo.accept_motion()
    assert take.seed == 8 and [row.move for row in take.segments] == ["bow", "clap"]
    assert addon("plan_list").has_plan(take) and not take.candidates
    assert (bits(sampled(addon, scene, take))[:31] == bits(shown)).all()
    again = take.frame_end
    bpy.ops.fleximo.generate_motion(seed=8)
    assert take.frame_end == again
    assert (bits(sampled(addon, scene, take))[:31] == bits(shown)).all()


def test_the_first_motion_can_be_rejected_too(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.generate_motion(text="a man bows", preview=True)
    take = scene.fleximo.takes[0]
    assert take.armature is not None and take.frame_end == 0
    bpy.ops.fleximo.reject_motion()
    assert take.armature is None and not bpy.data.objects and not bpy.data.armatures
    bpy.ops.fleximo.generate_motion(preview=True)
    bpy.ops.fleximo.accept_motion()
    assert take.frame_end > 30 and addon("edit_layer").base_action(take.armature) is not None


def test_a_script_s_motion_lands_at_once_and_ends_the_previews(addon: Any, scene: Any) -> None:
    take = generated(scene)
    bpy.ops.fleximo.generate_motion(preview=True)
    bpy.ops.fleximo.generate_motion(seed=6)
    assert not take.candidates and take.seed == 6
    assert take.armature.animation_data.nla_tracks.keys() == ["Fleximo Motion"]


@pytest.mark.parametrize("change", ["seed", "longer", "shorter", "move"])
def test_one_move_is_made_anew(addon: Any, scene: Any, change: str) -> None:
    take = generated(scene, "a man waves, then bows, then claps, then squats")
    assert [row.move for row in take.segments] == ["wave", "bow", "clap", "squat"]
    layer, segments = addon("edit_layer"), addon("segments")
    marked = segments.ranges(layer.base_action(take.armature))
    assert [name for name, _, _ in marked] == ["wave", "bow", "clap", "squat"]
    pose(scene, take.armature, 10)
    pose(scene, take.armature, take.frame_end - 5)
    before, frames, actions = keys(addon, layer.base_action(take.armature)), take.frame_end, len(bpy.data.actions)
    row = take.segments[1]
    if change == "longer":
        row.seconds += 1.0
    elif change == "shorter":
        row.seconds -= 1.0
    elif change == "move":
        row.move = "raise_arms"
    longer = {"longer": 30, "shorter": -30}.get(change, 0)
    assert bpy.ops.fleximo.regenerate_segment(number=1) == {"FINISHED"}
    assert take.frame_end == frames + longer and len(bpy.data.actions) == actions
    start, stop, next_stop = marked[1][1], marked[1][2], marked[2][2]
    changed = 0
    for (path, component), after in keys(addon, layer.base_action(take.armature)).items():
        old, end = before[(path, component)], next_stop if any(leg in path for leg in LEGS) else stop + 12
        for name in ("co", "type", "interpolation"):
            entries, kept = after[name], old[name].copy()
            if name == "co":
                kept[kept[:, 0] >= stop, 0] += longer
            lead, tail = start - take.frame_start, next(iter(np.flatnonzero(old["co"][:, 0] >= end)))
            assert (entries[:lead] == kept[:lead]).all() and (entries[tail + longer :] == kept[tail:]).all()
        changed += int(len(after["co"]) != len(old["co"]) or (after["co"] != old["co"]).any())
    assert changed > 50
    edits = {p.co.x for curve in layer.pose_curves(layer.edits_action(take.armature)) for p in curve.keyframe_points}
    assert edits == {10.0, frames - 5 + longer}, "keys by hand go along"
    titles = addon("plan_list").title
    names = [(name, last - first) for name, first, last in segments.ranges(layer.base_action(take.armature))]
    plan = MotionPlan.from_json(json.loads(take.plan))
    assert names == list(zip([titles(s) for s in plan.segments], plan.frame_counts(addon("sampling").scene_fps(scene))))
    after = keys(addon, layer.base_action(take.armature))
    bpy.ops.fleximo.generate_motion()  # the whole, from the list
    whole = keys(addon, layer.base_action(take.armature))
    gap = max(np.abs(after[path]["co"] - whole[path]["co"]).max() for path in whole)
    assert gap < 1e-6, "a part made anew is as the whole would be"


def test_what_the_list_no_longer_tells_is_not_exchanged(addon: Any, scene: Any) -> None:
    take = generated(scene, "a man waves, then bows")
    base = addon("edit_layer").base_action(take.armature)
    bpy.ops.fleximo.edit_plan(edit="add")
    with pytest.raises(RuntimeError, match="was not made from this list"):
        bpy.ops.fleximo.regenerate_segment(number=0)
    bpy.ops.fleximo.edit_plan(edit="remove")
    with pytest.raises(RuntimeError, match="There is no move 2"):
        bpy.ops.fleximo.regenerate_segment(number=2)
    scene.render.fps = 24
    with pytest.raises(RuntimeError, match="was not made from this list"):
        bpy.ops.fleximo.regenerate_segment(number=0)
    assert addon("edit_layer").base_action(take.armature) == base
    scene.render.fps = 30
    steps = addon("landing").exchange_steps(take.uid, base.name, _exchange(addon, scene, take), 0)
    count = len(bpy.data.actions)
    for _ in range(5):
        next(steps)
    steps.close()
    assert len(bpy.data.actions) == count and addon("edit_layer").base_action(take.armature) == base


def _exchange(addon: Any, scene: Any, take: Any) -> Any:
    from fleximo.exchange import exchange_segment

    plan = MotionPlan.from_json(json.loads(take.plan))
    return exchange_segment(plan, 0, plan.segments[1], fps=addon("sampling").scene_fps(scene), rig=DEFAULT_RIG)
