"""Feet locked, a walk in place and a loop, as keys above the generated ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fleximo import rotations as rot
from fleximo.adjustments import in_place, looped, with_locked_feet
from tests.blender.test_edit_layer import bits, generated, sampled

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


@pytest.mark.parametrize("adjustment", ["place", "loop", "feet"])
def test_the_armature_does_what_was_computed(addon: Any, scene: Any, adjustment: str) -> None:
    take = generated(scene, "a man walks")
    if adjustment == "feet":
        for frame in (30, 60):
            scene.frame_set(frame)
            take.armature.pose.bones["pelvis"].location.x += 0.05 * (frame == 60)
            take.armature.pose.bones["pelvis"].keyframe_insert("location")
    take.armature.location = (0.3, -0.2, 0.0)
    take.armature.rotation_euler = (0.0, 0.0, 0.4)
    before = sampled(addon, scene, take)
    base = addon("edit_layer").base_action(take.armature)
    assert bpy.ops.fleximo.adjust_motion(adjustment=adjustment) == {"FINISHED"}
    after = sampled(addon, scene, take)
    wanted = {"place": in_place, "loop": looped, "feet": with_locked_feet}[adjustment](before)
    assert np.linalg.norm(wanted.joints() - before.joints(), axis=-1).max() > 0.005
    assert (
        1e3 * np.linalg.norm(after.joints() - wanted.joints(), axis=-1).max() < 1.0
    )  # what 32 bits tell of small turns
    assert np.degrees(rot.angle_between(after.rotations, wanted.rotations)).max() < 0.3
    assert addon("edit_layer").base_action(take.armature) == base
    if adjustment == "loop":
        assert (bits(after) == bits(before)).all(axis=1)[: len(before) // 2].all()


def test_what_is_right_is_left_alone(addon: Any, scene: Any) -> None:
    generated(scene, "a man waves")
    bpy.ops.fleximo.adjust_motion(adjustment="feet")
    assert addon("properties").live().message == "Nothing had to be changed."
