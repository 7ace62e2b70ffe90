"""Few Bezier keys in the place of one per frame, and all keys of a motion at once."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest

from fleximo import rotations as rot
from tests.blender.test_edit_layer import generated, pose, sampled

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def test_few_keys_are_near_to_all_of_them(addon: Any, scene: Any) -> None:
    take = generated(scene, "a man walks, then waves")
    layer, segments = addon("edit_layer"), addon("segments")
    before, marked = sampled(addon, scene, take), segments.ranges(layer.base_action(take.armature))
    count = sum(len(c.keyframe_points) for c in layer.pose_curves(layer.base_action(take.armature)))
    actions = len(bpy.data.actions)
    assert bpy.ops.fleximo.reduce_keys() == {"FINISHED"}
    after, action = sampled(addon, scene, take), layer.base_action(take.armature)
    degrees = np.degrees(rot.angle_between(before.rotations, after.rotations)).max()
    mm = 1e3 * np.linalg.norm(before.joints() - after.joints(), axis=-1).max()
    left = sum(len(c.keyframe_points) for c in layer.pose_curves(action))
    print(f"{left} of {count} keys left, {degrees:.2f} degrees, {mm:.2f} mm; {addon('properties').live().message}")
    assert degrees <= 1.0 and mm <= 5.0 and left < 0.25 * count
    assert re.match(f"{left} of {count} keys are left", addon("properties").live().message)
    assert (after.contacts == before.contacts).all()
    assert len(bpy.data.actions) == actions and segments.ranges(action) == marked
    points = [point for curve in layer.pose_curves(action, ["left_elbow"]) for point in curve.keyframe_points]
    assert {(point.interpolation, point.type) for point in points} == {("BEZIER", "GENERATED")}


def test_keys_by_hand_and_moves_made_anew_go_with_few_keys(addon: Any, scene: Any) -> None:
    take = generated(scene, "a man waves, then bows")
    for frame in (20, 30):
        pose(scene, take.armature, frame)
    edits = addon("edit_layer").edits_action(take.armature)
    bpy.ops.fleximo.reduce_keys(degrees=2.0)
    assert addon("edit_layer").edits_action(take.armature) == edits
    before = sampled(addon, scene, take)
    assert bpy.ops.fleximo.regenerate_segment(number=1) == {"FINISHED"}
    after = sampled(addon, scene, take)
    start = addon("segments").ranges(addon("edit_layer").base_action(take.armature))[1][1] - take.frame_start
    assert np.abs(before.rotations[:start] - after.rotations[:start]).max() < 1e-6 and len(after) == len(before)
    assert np.abs(before.rotations[start + 5 :] - after.rotations[start + 5 :]).max() > 1e-3


def test_all_keys_of_a_motion_are_set_at_once(addon: Any, scene: Any) -> None:
    """54 bones x 4 numbers x 200 frames."""
    compat = addon("compat")
    armature = addon("armature").build_armature(addon("sampling").DEFAULT_RIG, "Subject", scene)
    frames, values = np.arange(1, 201), np.random.default_rng(0).random((216, 200))
    best = np.inf
    for _ in range(3):
        action = compat.new_action("Keys", armature)
        channels = compat.channels_in(action)
        started = time.thread_time()
        for number in range(216):
            curve = compat.add_curve(channels, f'pose.bones["b{number // 4}"].rotation_quaternion', number % 4, "b")
            compat.set_keys(curve, frames, values[number], interpolation=compat.LINEAR, key_type=compat.GENERATED)
        best = min(best, time.thread_time() - started)
    print(f"43,200 keys in {1e3 * best:.0f} ms of CPU time")
    assert sum(len(curve.keyframe_points) for curve in channels.fcurves) == 43_200 and best <= 0.1
