"""A motion keyed on the armature and read back is the same motion."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, FleximoError, Motion
from fleximo import rotations as rot

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def some_motion(frames: int = 60, fps: float | Fraction = 30) -> Motion:
    """All joints turned by different amounts, a path that leaves the origin, contacts that change."""
    rng = np.random.default_rng(7)
    t = np.linspace(0.0, 1.0, frames)[:, None, None]
    turned = rng.normal(size=(1, 52, 3)) * 0.4 + rng.normal(size=(1, 52, 3)) * np.sin(5.0 * t)
    root = np.stack((np.sin(t[:, 0, 0]), 0.9 + 0.1 * t[:, 0, 0], 2.0 * t[:, 0, 0]), axis=-1)
    return Motion(rot.from_rotation_vector(turned), root, fps, rng.random((frames, 2)) > 0.5)


def keyed(addon: Any, scene: Any, motion: Motion, start: int = 11) -> Any:
    armature = addon("armature")
    made = armature.build_armature(motion.rig, "Subject", scene)
    armature.key_motion(made, motion, start, "Motion")
    return made


def test_axes_go_both_ways_and_keep_handedness(addon: Any) -> None:
    axes = addon("axes")
    points = np.random.default_rng(0).normal(size=(9, 3))
    assert np.allclose(axes.points_from_blender(axes.points_to_blender(points)), points)
    up, front, left = np.eye(3)[1], np.eye(3)[2], np.eye(3)[0]
    assert axes.points_to_blender(up).tolist() == [0, 0, 1]
    assert axes.points_to_blender(front).tolist() == [0, -1, 0]
    assert axes.points_to_blender(left).tolist() == [1, 0, 0]
    turn = rot.from_rotation_vector(np.array([0.3, -0.8, 0.5]))
    there = rot.rotate(axes.quaternions_to_blender(turn), axes.points_to_blender(points))
    assert np.allclose(there, axes.points_to_blender(rot.rotate(turn, points)))
    assert np.allclose(axes.quaternions_from_blender(axes.quaternions_to_blender(turn)), turn)


def test_the_rest_pose_stands_on_the_floor_facing_the_front(addon: Any, scene: Any) -> None:
    made = addon("armature").build_armature(DEFAULT_RIG, "Subject", scene)
    bones = made.data.bones
    assert len(bones) == 52
    assert bones["left_wrist"].head_local.x > 0.5  # her left is +X
    assert bones["left_foot"].tail_local.y < bones["left_ankle"].head_local.y  # toes point to the front, -Y
    lowest = min(min(bone.head_local.z, bone.tail_local.z) for bone in bones)
    assert 0.0 <= lowest < 0.1
    assert min(bone.length for bone in bones) > 0.009
    assert made.pose.bones["left_knee"].rotation_mode == "QUATERNION"
    # Mirrored bones rest mirrored, so that poses can be pasted flipped.
    left, right = bones["left_elbow"].matrix_local, bones["right_elbow"].matrix_local
    assert np.allclose(np.array(left.translation) * [-1, 1, 1], np.array(right.translation), atol=1e-6)


@pytest.mark.parametrize("fps", [Fraction(30), Fraction(24000, 1001)])
def test_sampling_undoes_keying(addon: Any, scene: Any, fps: Fraction) -> None:
    scene.render.fps, scene.render.fps_base = round(fps), round(fps) / float(fps)
    motion = some_motion(fps=fps)
    made = keyed(addon, scene, motion)
    scene.frame_set(3)
    sampled = addon("sampling").sample_motion(scene, made, 11, 11 + len(motion))
    assert scene.frame_current == 3
    assert sampled.fps == fps
    assert np.abs(rot.angle_between(sampled.rotations, motion.rotations)).max() < 1e-4
    assert np.abs(sampled.root - motion.root).max() < 1e-5
    assert (sampled.contacts == motion.contacts).all()
    assert sampled.rig is DEFAULT_RIG
    again = addon("sampling").sample_motion(scene, made, 11, 11 + len(motion))
    assert (again.rotations == sampled.rotations).all() and (again.root == sampled.root).all()


def test_sampling_sees_hand_edits_and_the_objects_own_place(addon: Any, scene: Any) -> None:
    motion = some_motion()
    made = keyed(addon, scene, motion)
    sampling = addon("sampling")
    before = sampling.sample_motion(scene, made, 11, 41)
    scene.frame_set(20)
    bone = made.pose.bones["left_elbow"]
    bone.rotation_quaternion = (1.0, 0.0, 0.0, 0.0)
    bone.keyframe_insert("rotation_quaternion", frame=20)
    edited = sampling.sample_motion(scene, made, 11, 41)
    moved = rot.angle_between(before.rotations, edited.rotations) > 1e-3
    elbow = DEFAULT_RIG.index("left_elbow")
    assert np.argwhere(moved).tolist() == [[9, elbow], [10, elbow]]  # Blender lets a lone key last for a frame
    made.location = (0.5, 0.0, 0.25)
    made.rotation_euler = (0.0, 0.0, np.pi / 2.0)
    placed = sampling.sample_motion(scene, made, 11, 41)
    # A quarter turn about up takes her front (Fleximo +Z) to her left (+X).
    wanted = np.stack((edited.root[:, 2] + 0.5, edited.root[:, 1] + 0.25, -edited.root[:, 0]), axis=-1)
    assert np.abs(placed.root - wanted).max() < 1e-5
    assert np.abs(rot.angle_between(placed.rotations[:, 1:], edited.rotations[:, 1:])).max() < 1e-4
    before, after = edited.joints(), placed.joints()
    wanted = np.stack((before[..., 2] + 0.5, before[..., 1] + 0.25, -before[..., 0]), axis=-1)
    assert np.abs(after - wanted).max() < 1e-4


def test_keys_are_typed_generated_and_the_former_action_is_kept(addon: Any, scene: Any) -> None:
    made = keyed(addon, scene, some_motion())
    base_action = addon("edit_layer").base_action
    former = base_action(made)
    action = addon("armature").key_motion(made, some_motion(20), 1, "Motion")
    assert base_action(made) == action != former and former.use_fake_user
    curves = addon("compat").channels_in(action).fcurves
    assert len(curves) == 52 * 4 + 3 + 2
    assert {point.type for curve in curves for point in curve.keyframe_points} == {"GENERATED"}
    assert {point.interpolation for curve in curves for point in curve.keyframe_points} == {"LINEAR", "CONSTANT"}


def test_an_armature_is_made_whatever_the_user_is_doing(addon: Any, scene: Any) -> None:
    """In pose mode of another armature, and for a scene that is not the one on the screen."""
    build = addon("armature").build_armature
    build(DEFAULT_RIG, "First", scene)
    bpy.ops.object.mode_set(mode="POSE")
    second = build(DEFAULT_RIG, "Second", scene)
    assert bpy.context.mode == "OBJECT" and bpy.context.object == second
    elsewhere = bpy.data.scenes.new("Elsewhere")
    third = build(DEFAULT_RIG, "Third", elsewhere)
    assert len(third.data.bones) == 52 and third.name in elsewhere.objects
    assert bpy.context.scene == scene and bpy.context.object == second


def test_an_armature_without_the_bones_is_refused_in_words(addon: Any, scene: Any) -> None:
    made = addon("armature").build_armature(DEFAULT_RIG, "Subject", scene)
    made.data.bones["left_knee"].name = "knee.L"
    with pytest.raises(FleximoError, match="lacks the bones left_knee"):
        addon("sampling").sample_motion(scene, made, 1, 10)
    with pytest.raises(FleximoError, match="1 to 20000 were expected"):
        addon("sampling").sample_motion(scene, made, 10, 10)


def test_other_proportions_are_read_from_the_rest_pose(addon: Any, scene: Any) -> None:
    offsets = DEFAULT_RIG.rest_offsets.copy()
    offsets[DEFAULT_RIG.index("left_knee")] *= 1.2
    made = addon("armature").build_armature(DEFAULT_RIG.with_offsets(offsets), "Subject", scene)
    assert np.abs(addon("sampling").rig_of(made).rest_offsets - offsets).max() < 1e-5
    made.scale = (1.0, 1.0, 2.0)
    bpy.context.view_layer.update()
    with pytest.raises(FleximoError, match="not alike in all directions"):
        addon("sampling").rig_of(made)
