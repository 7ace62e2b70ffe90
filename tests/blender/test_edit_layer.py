"""Keys by hand on a layer of their own: they survive a regeneration, and touch nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, Motion
from fleximo import rotations as rot

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")
from mathutils import Quaternion  # noqa: E402  (comes with bpy)

ELBOW = DEFAULT_RIG.index("left_elbow")
TWEAK = Quaternion((1.0, 0.0, 0.0), np.radians(30.0))


def generated(scene: Any, text: str = "a man walks, then waves his right hand", seed: int = 1) -> Any:
    bpy.ops.fleximo.generate_motion(text=text, seed=seed)
    return scene.fleximo.takes[scene.fleximo.active]


def sampled(addon: Any, scene: Any, take: Any) -> Motion:
    motion: Motion = addon("sampling").sample_motion(scene, take.armature, take.frame_start, take.frame_end + 1)
    return motion


def pose(scene: Any, armature: Any, frame: int, name: str = "left_elbow", turn: Quaternion = TWEAK) -> Quaternion:
    """Turns a bone further at a frame and keys it, as an animator does; returns the pose that was keyed."""
    scene.frame_set(frame)
    bone = armature.pose.bones[name]
    bone.rotation_quaternion = bone.rotation_quaternion @ turn
    wanted = bone.rotation_quaternion.copy()
    assert bone.keyframe_insert("rotation_quaternion")
    return wanted


def bits(motion: Motion) -> Any:
    return np.concatenate((motion.rotations.reshape(len(motion), -1), motion.root, motion.contacts), axis=1)


def test_a_tweak_survives_a_regeneration_and_other_frames_are_bit_equal(addon: Any, scene: Any) -> None:
    take = generated(scene)
    armature, first = take.armature, sampled(addon, scene, take)
    for frame in (20, 24, 30):
        pose(scene, armature, frame)
    base = addon("edit_layer").base_action(armature)
    generated(scene, seed=2)
    edited = sampled(addon, scene, take)
    assert take.armature == armature and addon("edit_layer").base_action(armature) != base
    edits = addon("edit_layer").edits_action(armature)
    armature.animation_data.action = None
    plain = sampled(addon, scene, take)
    assert np.abs(plain.rotations - first.rotations).max() > 0.01, "another seed is another motion"
    tweaked = slice(19, 30)
    turned = np.degrees(rot.angle_between(plain.rotations[:, ELBOW], edited.rotations[:, ELBOW]))
    assert np.abs(turned[tweaked] - 30.0).max() < 0.1
    same = (bits(plain) == bits(edited)).all(axis=1)
    assert np.flatnonzero(~same).tolist() == list(range(19, 30))
    others = np.delete(np.arange(52), ELBOW)
    assert np.abs(plain.rotations[:, others] - edited.rotations[:, others]).max() < 1e-5
    addon("compat").drive(armature, edits)
    assert (bits(sampled(addon, scene, take)) == bits(edited)).all()


def test_the_pose_that_is_keyed_is_the_pose_that_is_seen(addon: Any, scene: Any) -> None:
    armature = generated(scene).armature
    wanted = {frame: pose(scene, armature, frame) for frame in (40, 10, 25)}  # also outside of the keys there are
    wanted[25] = pose(scene, armature, 25, turn=Quaternion((0.0, 0.6, 0.8, 0.0)))  # a key over a key
    scene.frame_set(12)
    armature.pose.bones["pelvis"].location = (0.1, 0.2, 0.3)
    armature.pose.bones["pelvis"].keyframe_insert("location")
    armature.pose.bones["pelvis"]["left_toe_planted"] = not armature.pose.bones["pelvis"]["left_toe_planted"]
    planted = armature.pose.bones["pelvis"]["left_toe_planted"]
    armature.pose.bones["pelvis"].keyframe_insert('["left_toe_planted"]')
    for frame, pose_there in wanted.items():
        scene.frame_set(frame)
        got = armature.pose.bones["left_elbow"].rotation_quaternion
        assert np.degrees(pose_there.rotation_difference(got).angle) < 0.05
    scene.frame_set(12)
    assert np.abs(np.array(armature.pose.bones["pelvis"].location) - (0.1, 0.2, 0.3)).max() < 1e-5
    assert armature.pose.bones["pelvis"]["left_toe_planted"] == planted


def test_hands_are_keyed_on_the_layer(addon: Any, scene: Any) -> None:
    take = generated(scene)
    before = sampled(addon, scene, take)
    scene.frame_set(20)
    bpy.ops.fleximo.key_hands(shape="fist", hand="left")
    curves = addon("edit_layer").pose_curves(addon("edit_layer").edits_action(take.armature))
    assert curves and all("left_" in curve.data_path for curve in curves)
    after = sampled(addon, scene, take)
    finger = DEFAULT_RIG.index("left_index2")
    assert rot.angle_between(before.rotations[19, finger], after.rotations[19, finger]) > 0.5
    generated(scene, seed=5)
    again = sampled(addon, scene, take)
    assert rot.angle_between(again.rotations[19, finger], after.rotations[19, finger]) < np.radians(3.0)


def test_the_base_itself_can_be_edited(addon: Any, scene: Any) -> None:
    take = generated(scene)
    armature, layer = take.armature, addon("edit_layer")
    pose(scene, armature, 20)
    edits, base = layer.edits_action(armature), layer.base_action(armature)
    before = sampled(addon, scene, take)
    bpy.ops.fleximo.edit_base()
    assert armature.animation_data.use_tweak_mode and armature.animation_data.action == base
    wanted = pose(scene, armature, 33)
    bpy.ops.fleximo.edit_base()
    assert not armature.animation_data.use_tweak_mode and layer.edits_action(armature) == edits
    keyed = [curve.evaluate(33) for curve in layer.pose_curves(base, ["left_elbow"])]
    assert np.allclose(keyed, wanted, atol=1e-6)
    changed = (bits(sampled(addon, scene, take)) != bits(before)).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [32]
    bpy.ops.fleximo.edit_base()
    generated(scene, seed=4)  # regenerating ends it
    assert not armature.animation_data.use_tweak_mode and layer.edits_action(armature) == edits
    assert layer.base_action(armature) != base and base.use_fake_user


def test_files_of_former_versions_keep_working(addon: Any, scene: Any, tmp_path: Path) -> None:
    """There the generated action drove the armature itself, keys by hand in it."""
    take = generated(scene)
    armature, layer = take.armature, addon("edit_layer")
    action = layer.base_action(armature)
    edits = layer.edits_action(armature)
    armature.animation_data.nla_tracks.remove(armature.animation_data.nla_tracks[0])
    armature.animation_data.action_blend_type, armature.animation_data.action_extrapolation = "REPLACE", "HOLD"
    addon("compat").drive(armature, action)
    bpy.data.actions.remove(edits)
    del action["fleximo"]
    before = sampled(addon, scene, take)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "old.blend"))
    scene = bpy.context.scene
    take = scene.fleximo.takes[0]
    assert (bits(sampled(addon, scene, take)) == bits(before)).all()
    former = layer.base_action(take.armature)
    assert former.name == take.armature.animation_data.action.name
    generated(scene, seed=9)
    assert layer.base_action(take.armature) != former and former.use_fake_user
    pose(scene, take.armature, 20)
    assert layer.edits_action(take.armature) not in (former, layer.base_action(take.armature), None)
    assert take.armature.animation_data.action_blend_type == "COMBINE"


def test_takes_that_share_an_armature_share_its_keys(addon: Any, scene: Any) -> None:
    take = generated(scene)
    pose(scene, take.armature, 20)
    bpy.ops.fleximo.duplicate_take(keep="motion")
    first, second = scene.fleximo.takes
    assert (bits(sampled(addon, scene, first)) == bits(sampled(addon, scene, second))).all()


def test_an_edit_comes_and_goes(addon: Any, scene: Any) -> None:
    take = generated(scene)
    before = sampled(addon, scene, take)
    for frame in (20, 60):
        scene.frame_set(frame)
        bone = take.armature.pose.bones["left_elbow"]
        bone.rotation_quaternion = bone.rotation_quaternion @ TWEAK
        bpy.ops.fleximo.key_pose(ease=5)
    after = sampled(addon, scene, take)
    turned = np.degrees(rot.angle_between(before.rotations[:, ELBOW], after.rotations[:, ELBOW]))
    assert turned[19] == pytest.approx(30.0, abs=0.1) and turned[59] == pytest.approx(30.0, abs=0.1)
    assert 5.0 < turned[17] < 29.0
    same = (bits(before) == bits(after)).all(axis=1)
    assert same[:14].all() and same[65:].all()
    assert np.abs(turned[25:53]).max() < 0.01, "between two edits the motion is as generated"
    scene.frame_set(20)
    bpy.ops.fleximo.key_generated()
    assert rot.angle_between(sampled(addon, scene, take).rotations[19, ELBOW], before.rotations[19, ELBOW]) < 1e-3
    bpy.ops.fleximo.clear_edits()
    assert (bits(sampled(addon, scene, take)) == bits(before)).all()


def test_an_edit_is_not_prolonged_by_a_later_one(addon: Any, scene: Any) -> None:
    take = generated(scene)
    for frame in (20, 30):
        pose(scene, take.armature, frame)
    before = sampled(addon, scene, take)
    scene.frame_set(80)
    bpy.ops.fleximo.key_hands(shape="fist", hand="right", ease=4)
    after = sampled(addon, scene, take)
    same = np.abs(bits(before) - bits(after)).max(axis=1) < 1e-6
    assert np.flatnonzero(~same).tolist() == list(range(76, 83))
