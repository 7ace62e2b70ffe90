"""Shapes, collections and the light body of a take's armature."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, Person
from tests.blender.conftest import PEOPLE
from tests.fixtures.synthetic_body import make_body

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

SMALL = DEFAULT_RIG.with_offsets(DEFAULT_RIG.rest_offsets * 0.7, {})


def take_with(addon: Any, scene: Any, rig: Any = DEFAULT_RIG) -> Any:
    take = addon("takes").add_take(scene)
    take.armature = addon("armature").build_armature(rig, "Subject", scene)
    addon("takes").show_only(scene)
    return take


def surface(body: Any) -> Any:
    """(N,3) m of the body as it is seen now."""
    posed = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
    places = np.empty(3 * len(posed.data.vertices), dtype=np.float32)
    posed.data.vertices.foreach_get("co", places)
    return places.reshape(-1, 3)


def weights_on(body: Any, name: str) -> Any:
    number = body.vertex_groups[name].index
    return np.array(
        [sum(g.weight for g in vertex.groups if g.group == number) for vertex in body.data.vertices], dtype=np.float64
    )


def test_every_bone_has_a_shape_around_the_body(addon: Any, scene: Any) -> None:
    for rig in (DEFAULT_RIG, SMALL):
        take = take_with(addon, scene, rig)
        places = surface(addon("body").body_of(take.armature))
        for bone in take.armature.pose.bones:
            assert bone.custom_shape is not None and not bone.use_custom_shape_bone_size, bone.name
            corners = np.array([tuple(vertex.co) for vertex in bone.custom_shape.data.vertices])
            turn = np.array(bone.custom_shape_rotation_euler.to_matrix())
            local = (corners * np.array(bone.custom_shape_scale_xyz)) @ turn.T + np.array(bone.custom_shape_translation)
            rest = np.array(bone.bone.matrix_local)
            drawn = local @ rest[:3, :3].T + rest[:3, 3]
            near = np.linalg.norm(drawn[:, None] - places[None], axis=-1).min(axis=1)
            assert near.max() < 0.12, (bone.name, near.max())
    assert len([each for each in bpy.data.objects if each.name.startswith("fleximo_shape_")]) < 8, "they are shared"


def test_sides_have_colours_and_fingers_are_hidden_until_they_are_posed(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.generate_motion(text="a man bows")
    data = scene.fleximo.takes[0].armature.data
    colours = {name: tuple(data.bones[name].color.custom.normal) for name in ("left_knee", "right_knee", "spine2")}
    assert len(set(colours.values())) == 3
    shown = {collection.name: collection.is_visible for collection in data.collections}
    assert shown == {
        "Body": True, "Left arm": True, "Right arm": True, "Left leg": True, "Right leg": True, "Left hand": False,
        "Right hand": False,
    }  # fmt: skip
    assert sum(len(collection.bones) for collection in data.collections) == 52
    bpy.ops.fleximo.key_hands(shape="fist", hand="left")
    assert data.collections["Left hand"].is_visible and not data.collections["Right hand"].is_visible
    bpy.ops.fleximo.snap_ik(limb="left_arm")
    pose = scene.fleximo.takes[0].armature.pose.bones
    for name in ("left_arm_ik", "left_arm_pole", "right_leg_ik"):
        assert pose[name].custom_shape is not None
        side = name.split("_")[0]
        assert tuple(pose[name].bone.color.custom.normal) == colours[f"{side}_knee"]


def test_the_shapes_go_with_the_last_take(addon: Any, scene: Any) -> None:
    take_with(addon, scene)
    take_with(addon, scene)
    bpy.ops.fleximo.remove_take()
    assert "Fleximo Shapes" in bpy.data.collections and bpy.data.collections["Fleximo Shapes"].hide_viewport
    bpy.ops.fleximo.remove_take()
    assert "Fleximo Shapes" not in bpy.data.collections
    assert not [each for each in (*bpy.data.objects, *bpy.data.meshes) if each.name.startswith("fleximo_shape_")]
    armature = next(each for each in bpy.data.objects if each.type == "ARMATURE")
    take = addon("takes").add_take(scene)
    take.armature = armature
    take.show_body = True
    assert armature.pose.bones["head"].custom_shape is not None, "dressed again"


def test_the_body_follows_the_bones(addon: Any, scene: Any) -> None:
    take = take_with(addon, scene)
    body = addon("body").body_of(take.armature)
    before = surface(body)
    assert np.abs(before[:, 2].min()) < 0.01 and body.hide_render and body.hide_select
    bone = take.armature.pose.bones["left_elbow"]
    bone.rotation_quaternion = (np.cos(0.6), np.sin(0.6), 0.0, 0.0)
    bpy.context.view_layer.update()
    after = surface(body)
    forearm = weights_on(body, "left_elbow") > 0.999
    assert forearm.sum() >= 16
    turned = np.array(bone.matrix @ bone.bone.matrix_local.inverted())
    assert np.abs(before[forearm] @ turned[:3, :3].T + turned[:3, 3] - after[forearm]).max() < 1e-4
    moved = np.linalg.norm(after - before, axis=1)
    assert moved[forearm].min() > 0.1 and moved[before[:, 0] < 0.3].max() < 1e-5


def test_each_armature_has_the_body_of_its_own_size_and_only_the_active_one_is_seen(addon: Any, scene: Any) -> None:
    tall, small = take_with(addon, scene), take_with(addon, scene, SMALL)
    tall = scene.fleximo.takes[0]
    bodies = [addon("body").body_of(take.armature) for take in (tall, small)]
    heights = [np.ptp(surface(body)[:, 2]) for body in bodies]
    assert heights[0] == pytest.approx(1.73, abs=0.03)
    assert heights[1] == pytest.approx(0.7 * heights[0], rel=1e-3)
    assert [body.hide_get() for body in bodies] == [True, False]
    scene.fleximo.active = 0
    assert [body.hide_get() for body in bodies] == [False, True]
    scene.fleximo.takes[0].show_body = False
    assert [body.hide_get() for body in bodies] == [True, True]


def test_the_photo_is_not_hidden_by_the_body(addon: Any, scene: Any, anna: Person) -> None:
    from fleximo.camera_fit import fit_camera, frame_photo

    take = take_with(addon, scene)
    body = addon("body").body_of(take.armature)
    assert not body.hide_get()
    take.photo = str(PEOPLE / "anna.jpg")
    framing = frame_photo(anna.photo_size, (288, 512), anna)
    addon("shot").store_camera(take, fit_camera(anna, framing), framing)
    assert body.hide_get()


def test_a_rejected_preview_leaves_no_body(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.generate_motion(text="a man bows", preview=True)
    assert addon("body").body_of(scene.fleximo.takes[0].armature) is not None
    bpy.ops.fleximo.reject_motion()
    assert not [each for each in (*bpy.data.objects, *bpy.data.meshes) if each.name.endswith("body")]


def test_the_users_own_model_takes_the_mannequins_place(addon: Any, scene: Any, tmp_path: Path) -> None:
    take = take_with(addon, scene)
    path = tmp_path / "own.npz"
    np.savez(path, **make_body(3).arrays())
    assert not bpy.ops.fleximo.drop_body_model.poll()
    bpy.ops.fleximo.use_body_model(filepath=str(path))
    body = addon("body").body_of(take.armature)
    assert len(body.data.vertices) == 6890 and scene.fleximo.body_name == "own.npz"
    before = surface(body)
    assert abs(before[:, 2].min()) < 0.06 and np.ptp(before[:, 2]) == pytest.approx(1.73, abs=0.15)
    take.armature.pose.bones["right_knee"].rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    bpy.context.view_layer.update()
    moved = np.linalg.norm(surface(body) - before, axis=1)
    assert moved[weights_on(body, "right_ankle") > 0.9].min() > 0.2 and moved[before[:, 0] > 0.03].max() < 1e-4
    bpy.ops.fleximo.drop_body_model()
    assert len(addon("body").body_of(take.armature).data.vertices) < 4000

    path.write_bytes(b"no model")
    with pytest.raises(RuntimeError, match="body model"):
        bpy.ops.fleximo.use_body_model(filepath=str(path))
    assert len(addon("body").body_of(take.armature).data.vertices) < 4000


def test_a_model_that_is_gone_leaves_the_mannequin(addon: Any, scene: Any) -> None:
    scene.fleximo.body_file = "/nowhere/body.npz"
    assert addon("body").is_lost(scene.fleximo.body_file) and not addon("body").is_lost("")
    take = take_with(addon, scene)
    assert len(addon("body").body_of(take.armature).data.vertices) < 4000


def test_a_body_is_made_and_moved_quickly(addon: Any, scene: Any) -> None:
    take = take_with(addon, scene)
    times = []
    for _ in range(6):
        addon("body").remove_body(take.armature)
        started = time.thread_time()
        addon("body").show_body(take.armature, True)
        times.append(time.thread_time() - started)
    body, pose = addon("body").body_of(take.armature), take.armature.pose.bones
    evaluated = []
    for shown in (True, False):
        body.hide_viewport = not shown
        each = []
        for number in range(12):
            pose["spine2"].rotation_quaternion = (1.0, 0.01 * number, 0.0, 0.0)
            started = time.process_time()
            bpy.context.view_layer.update()
            each.append(time.process_time() - started)
        evaluated.append(min(each))
    print(
        f"body: made in {1e3 * min(times):.1f} ms; a pose {1e3 * evaluated[0]:.2f} ms, {1e3 * evaluated[1]:.2f} without"
    )
    assert min(times) < 0.05 and evaluated[0] < 0.02


def test_undo_and_redo_of_the_body(addon: Any, scene: Any) -> None:
    take_with(addon, scene)
    bpy.ops.ed.undo_push(message="a take")
    armature = bpy.context.scene.fleximo.takes[0].armature
    addon("body").remove_body(armature)
    bpy.ops.ed.undo_push(message="no body")
    for _ in range(3):
        bpy.ops.ed.undo()
        armature = bpy.context.scene.fleximo.takes[0].armature
        body = addon("body").body_of(armature)
        assert body is not None and body.modifiers[0].object == armature
        assert armature.pose.bones["head"].custom_shape.name == "fleximo_shape_ring"
        bpy.ops.ed.redo()
        assert addon("body").body_of(bpy.context.scene.fleximo.takes[0].armature) is None
    addon("takes").show_only(bpy.context.scene)
    assert addon("body").body_of(bpy.context.scene.fleximo.takes[0].armature) is not None


def test_enabling_twice_listens_once(addon: Any, installed: str) -> None:
    handlers = bpy.app.handlers
    for _ in range(2):
        bpy.ops.preferences.addon_disable(module=installed)
        kinds = (handlers.undo_post, handlers.redo_post, handlers.load_post, handlers.depsgraph_update_post)
        assert not [call for kind in kinds for call in kind if call.__module__.endswith(".trails")]
        assert addon("takes")._shown_listeners == []
        bpy.ops.preferences.addon_enable(module=installed)
        assert len(addon("takes")._shown_listeners) == 1
        assert sum(call.__module__.endswith(".trails") for call in handlers.undo_post) == 1


def test_a_saved_file_keeps_body_and_shapes(addon: Any, scene: Any, tmp_path: Path) -> None:
    take_with(addon, scene, SMALL)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    take = bpy.context.scene.fleximo.takes[0]
    body = addon("body").body_of(take.armature)
    made_of = body["fleximo_body"]
    addon("takes").show_only(bpy.context.scene)
    assert addon("body").body_of(take.armature) == body and body["fleximo_body"] == made_of, "nothing is made anew"
    assert take.armature.pose.bones["spine1"].custom_shape is not None
