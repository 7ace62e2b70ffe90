"""Arms and legs posed by controls at their ends, and back, without a visible change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, Motion
from tests.blender.test_edit_layer import bits, generated, sampled

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")
from mathutils import Vector  # noqa: E402  (comes with bpy)


def apart_mm(a: Motion, b: Motion) -> float:
    return float(1e3 * np.linalg.norm(a.joints() - b.joints(), axis=-1).max())


def test_snapping_both_ways_keeps_the_pose(addon: Any, scene: Any) -> None:
    take = generated(scene, "a man punches, then squats")
    take.frame_end = take.frame_start + 59
    before = sampled(addon, scene, take)
    assert bpy.ops.fleximo.snap_ik(over="take") == {"FINISHED"}
    ik = addon("limb_ik")
    bones = take.armature.pose.bones
    assert all(bones[ik.control_of(limb)][ik.SWITCH] == 1.0 for limb in ik.LIMBS)
    by_ik = sampled(addon, scene, take)
    print(f"to IK: {apart_mm(before, by_ik):.4f} mm")
    assert apart_mm(before, by_ik) <= 0.1
    scene.frame_set(40)
    control = bones["left_arm_ik"]
    control.matrix = control.matrix.copy()
    control.location += Vector((0.0, 0.05, 0.05))
    control.keyframe_insert("location")
    moved = sampled(addon, scene, take)
    wrist = DEFAULT_RIG.index("left_wrist")
    away = np.linalg.norm(moved.joints() - by_ik.joints(), axis=-1)
    assert away[39, wrist] > 0.03 and away[30].max() < 1e-4, "the control moves the wrist"
    assert bpy.ops.fleximo.snap_fk(over="take") == {"FINISHED"}
    by_fk = sampled(addon, scene, take)
    print(f"to FK: {apart_mm(moved, by_fk):.4f} mm")
    assert apart_mm(moved, by_fk) <= 0.1
    assert all(bones[ik.control_of(limb)][ik.SWITCH] == 0.0 for limb in ik.LIMBS)


def test_one_limb_at_one_frame(addon: Any, scene: Any) -> None:
    take = generated(scene, "a man walks")
    before = sampled(addon, scene, take)
    with pytest.raises(RuntimeError, match="has no IK yet"):
        bpy.ops.fleximo.snap_fk()
    scene.frame_set(30)
    bpy.ops.fleximo.snap_ik(limb="right_leg")
    scene.frame_set(36)
    bpy.ops.fleximo.snap_fk(limb="right_leg")
    after = sampled(addon, scene, take)
    assert apart_mm(before[29:30], after[29:30]) <= 0.1
    ankle = after.joints()[:, DEFAULT_RIG.index("right_ankle")]
    assert np.linalg.norm(ankle[29:31] - ankle[29], axis=-1).max() < 1e-4
    assert (bits(before) == bits(after)).all(axis=1)[:25].all()
    generated(scene, "a man walks", seed=3)
    again = sampled(addon, scene, take).joints()[:, DEFAULT_RIG.index("right_ankle")]
    assert np.linalg.norm(again[29] - ankle[29]) < 1e-3, "the foot stays where its control is"


def test_a_snap_that_is_stopped_changes_nothing(addon: Any, scene: Any) -> None:
    take = generated(scene, "a man walks")
    addon("limb_ik").add_controls(take.armature)
    before, count = sampled(addon, scene, take), len(bpy.data.actions)
    steps = addon("limb_ik").snap_steps(lambda: (scene, take.armature), ["left_leg"], range(1, 40), to_ik=True)
    for _ in range(5):
        next(steps)
    steps.close()
    assert len(bpy.data.actions) == count
    assert (bits(sampled(addon, scene, take)) == bits(before)).all()
