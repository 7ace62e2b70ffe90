"""The user's own characters in Blender: mapped, baked onto, read as the source of motion, rendered as the photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import Motion, Person
from fleximo import rotations as rot
from tests.fleximo.foreign_rigs import CHARACTERS, Body, Character, Maker

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def build(character: Character, name: str, scale: float = 1.0) -> Any:
    """An armature of the character's bones, each rolled by an angle of its own."""
    data = bpy.data.armatures.new(name)
    holder = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(holder)
    bpy.context.view_layer.objects.active = holder
    bpy.ops.object.mode_set(mode="EDIT")
    skeleton = character.skeleton
    for bone, (own, parent) in enumerate(zip(skeleton.names, skeleton.parents.tolist())):
        made = data.edit_bones.new(own)
        for end, places in (("head", skeleton.heads), ("tail", skeleton.tails)):
            x, y, z = places[bone]
            setattr(made, end, (x, -z, y))
        made.roll = 0.37 * bone
        if parent >= 0:
            made.parent = data.edit_bones[skeleton.names[parent]]
    bpy.ops.object.mode_set(mode="OBJECT")
    holder.scale = (scale, scale, scale)
    bpy.context.view_layer.update()
    return holder


def heads(addon: Any, holder: Any, names: list[str]) -> Any:
    """(N,3) m of the evaluated bones in our axes."""
    posed = holder.evaluated_get(bpy.context.evaluated_depsgraph_get())
    places = np.array([tuple(posed.matrix_world @ posed.pose.bones[name].head) for name in names])
    return addon("axes").points_from_blender(places)


def fitted_motion(addon: Any, scene: Any, take: Any) -> Motion:
    """The take's motion with the character's lengths, by the core alone."""
    motion = addon("sampling").sample_motion(scene, take.armature, take.frame_start, take.frame_end + 1)
    fitted: Motion = addon("foreign_rig").bridge_of(take.character).fit(motion)
    return fitted


def joint_errors(addon: Any, scene: Any, take: Any, fitted: Motion, every: int) -> Any:
    """(F,N) m between the character's bones and the motion, every few frames."""
    bones = addon("foreign_rig").bones_of(take.character)
    columns = [fitted.rig.index(joint) for joint in bones]
    errors = []
    for frame in range(0, len(fitted), every):
        scene.frame_set(take.frame_start + frame)
        places = heads(addon, take.character, list(bones.values()))
        errors.append(np.linalg.norm(places - fitted.joints()[frame, columns], axis=-1))
    return np.array(errors)


@pytest.mark.parametrize("family", CHARACTERS)
def test_a_motion_is_baked_onto_every_kind_of_rig(addon: Any, scene: Any, family: str) -> None:
    scale = 0.01 if family == "Mixamo" else 1.0
    character = CHARACTERS[family]()
    holder = build(character, family, scale)
    holder.pose.bones[3].rotation_mode = "YZX"
    holder.pose.bones[4].rotation_mode = "AXIS_ANGLE"
    bpy.ops.fleximo.generate_motion(text="a man waves, then steps forward", seed=1)
    take = scene.fleximo.takes[0]
    take.frame_end = take.frame_start + 59
    assert not bpy.ops.fleximo.bake_to_rig.poll()
    assert not bpy.ops.fleximo.map_rig.poll(), "our own armature needs no mapping"
    take.character = holder
    assert not bpy.ops.fleximo.bake_to_rig.poll()
    assert bpy.ops.fleximo.map_rig() == {"FINISHED"}
    rows = {row.name: row.bone for row in holder.fleximo_rig.joints if row.bone}
    assert holder.fleximo_rig.family == family
    assert rows == character.truth
    fitted = fitted_motion(addon, scene, take)
    assert bpy.ops.fleximo.bake_to_rig() == {"FINISHED"}
    errors = joint_errors(addon, scene, take, fitted, every=9)
    print(f"{family}: mean joint error {1000 * errors.mean():.4f} mm, largest {1000 * errors.max():.4f} mm")
    assert errors.mean() < 0.005
    assert errors.max() < 0.001, "a plain skeleton is exact but for float32"
    keyed = {curve.data_path.split('"')[1] for curve in addon("edit_layer").pose_curves(baked(addon, holder))}
    assert keyed == set(rows.values()), "keys for mapped bones only"


def baked(addon: Any, holder: Any) -> Any:
    return addon("edit_layer").base_action(holder)


def test_an_own_character_is_the_source_of_motion(addon: Any, scene: Any) -> None:
    """What was baked onto a character is read back from it, and exported, as the same motion."""
    bpy.ops.fleximo.generate_motion(text="a man squats, then waves", seed=2)
    take = scene.fleximo.takes[0]
    take.frame_end = take.frame_start + 44
    take.character = build(CHARACTERS["Unreal"](), "Manny")
    bpy.ops.fleximo.map_rig()
    fitted = fitted_motion(addon, scene, take)
    bpy.ops.fleximo.bake_to_rig()
    take.armature = take.character
    back = addon("sampling").sample_motion(scene, take.armature, take.frame_start, take.frame_end + 1)
    assert np.abs(back.joints() - fitted.joints()).max() < 0.001
    assert np.degrees(rot.angle_between(back.world_rotations(), fitted.world_rotations())).max() < 0.2
    assert not bpy.ops.fleximo.key_hands.poll() and not bpy.ops.fleximo.snap_ik.poll(), "they know our bones only"
    own = take.armature
    take.character = build(CHARACTERS["VRM"](), "Other")
    bpy.ops.fleximo.map_rig()
    onward = fitted_motion(addon, scene, take)
    bpy.ops.fleximo.bake_to_rig()
    assert joint_errors(addon, scene, take, onward, every=11).max() < 0.001, "from one character onto another"
    bpy.ops.fleximo.generate_motion(text="a man bows")
    assert take.armature != own, "a new motion does not land on the user's character by itself"
    assert len(own.fleximo_rig.joints) == 52


def test_a_moved_character_is_read_where_it_stands(addon: Any, scene: Any) -> None:
    holder = build(CHARACTERS["SMPL"](), "Anna")
    take = addon("takes").add_take(scene)
    take.armature = holder
    with pytest.raises(RuntimeError, match="Press Map Rig"):
        bare = build(CHARACTERS["VRM"](), "Bare")
        take.armature, take.frame_end = bare, 3
        bpy.ops.fleximo.export_motion(filepath="/nowhere/at/all.npz")
    take.armature = holder
    bpy.ops.fleximo.map_rig()
    holder.location, holder.rotation_euler = (1.0, -2.0, 0.0), (0.0, 0.0, 0.5)
    bpy.context.view_layer.update()
    take.fit = "measured"
    rows = holder.fleximo_rig.joints
    rows[0].bone = rows[0].bone
    assert take.fit == "", "another mapping, another fit"
    pose = addon("sampling").pose_now(scene, holder)
    bones = addon("foreign_rig").bones_of(holder)
    places = heads(addon, holder, list(bones.values()))
    assert np.abs(pose.joints()[0, [pose.rig.index(joint) for joint in bones]] - places).max() < 1e-4


def test_keys_by_hand_lie_above_what_is_baked(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.generate_motion(text="a man waves")
    take = scene.fleximo.takes[0]
    take.frame_end = take.frame_start + 19
    take.character = holder = build(CHARACTERS["VRM"](), "Vroid")
    holder.pose.bones["J_Sec_Hair1_01"].keyframe_insert("rotation_quaternion", frame=1)
    former = holder.animation_data.action
    bpy.ops.fleximo.map_rig()
    bpy.ops.fleximo.bake_to_rig()
    assert former.use_fake_user and former.name in bpy.data.actions
    first = baked(addon, holder)
    bpy.ops.fleximo.bake_to_rig()
    assert baked(addon, holder) != first


def test_the_list_of_bones_can_be_corrected(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.generate_motion(text="a man bows")
    take = scene.fleximo.takes[0]
    take.frame_end = take.frame_start + 9
    take.character = holder = build(CHARACTERS["Mixamo"](), "Mix", 0.01)
    bpy.ops.fleximo.map_rig()
    rows = {row.name: row for row in holder.fleximo_rig.joints}
    rows["left_index3"].bone = ""
    bpy.ops.fleximo.bake_to_rig()
    keyed = {curve.data_path.split('"')[1] for curve in addon("edit_layer").pose_curves(baked(addon, holder))}
    assert "mixamorig:LeftHandIndex3" not in keyed and "mixamorig:LeftHandIndex2" in keyed
    rows["left_knee"].bone = "gone"
    with pytest.raises(RuntimeError, match="no bone called 'gone'"):
        bpy.ops.fleximo.bake_to_rig()
    rows["left_knee"].bone = "mixamorig:LeftUpLeg"
    with pytest.raises(RuntimeError, match="LeftUpLeg is chosen for left_hip and left_knee"):
        bpy.ops.fleximo.bake_to_rig()
    rows["left_knee"].bone = ""
    with pytest.raises(RuntimeError, match="No bone is chosen for left_knee"):
        bpy.ops.fleximo.bake_to_rig()
    rows["left_knee"].bone = "mixamorig:LeftLeg"
    rows["left_knee"].control = rows["right_knee"].control = "mixamorig:Head"
    with pytest.raises(RuntimeError, match="Head is chosen for"):
        bpy.ops.fleximo.bake_to_rig()
    rows["left_knee"].control = rows["right_knee"].control = ""
    holder.scale = (0.01, 0.02, 0.01)
    bpy.context.view_layer.update()
    with pytest.raises(RuntimeError, match="Apply its scale"):
        bpy.ops.fleximo.bake_to_rig()


def test_what_is_no_body_is_listed_to_be_chosen_by_hand(addon: Any, scene: Any) -> None:
    whole = CHARACTERS["SMPL"]()
    maker = Maker(Body())
    for number, joint in enumerate(("pelvis", "left_hip", "left_knee", "left_ankle")):
        maker.add(f'odd "{number}"', f'odd "{number - 1}"' if number else "", joint)
    take = addon("takes").add_take(scene)
    take.armature, take.character = build(whole, "Anna"), build(maker.made(), "Leg")
    assert bpy.ops.fleximo.map_rig() == {"FINISHED"}
    assert "bones that a body needs were not found" in addon("properties").live().message
    assert len(take.character.fleximo_rig.joints) == 52
    with pytest.raises(RuntimeError, match="No bone is chosen for"):
        bpy.ops.fleximo.bake_to_rig()
    take.character = None
    bpy.ops.fleximo.map_rig()
    assert len(take.armature.fleximo_rig.joints) == 52, "without a character it is the source of the motion"


def test_names_with_quotes_are_keyed(addon: Any, scene: Any) -> None:
    character = CHARACTERS["SMPL"]()
    bpy.ops.fleximo.generate_motion(text="a man bows")
    take = scene.fleximo.takes[0]
    take.frame_end = take.frame_start + 9
    take.character = holder = build(character, "Anna")
    holder.data.bones["head"].name = 'the "head" \\ bone'
    bpy.ops.fleximo.map_rig()
    rows = {row.name: row for row in holder.fleximo_rig.joints}
    assert rows["head"].bone == 'the "head" \\ bone' and rows["head"].guessed
    fitted = fitted_motion(addon, scene, take)
    bpy.ops.fleximo.bake_to_rig()
    scene.frame_set(take.frame_end)
    back = addon("sampling").pose_now(scene, holder)
    head = fitted.rig.index("head")
    assert np.degrees(rot.angle_between(back.world_rotations()[0, head], fitted.world_rotations()[-1, head])) < 0.1


def test_a_bake_that_is_stopped_leaves_the_character_alone(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.generate_motion(text="a man bows")
    take = scene.fleximo.takes[0]
    take.frame_end = take.frame_start + 9
    take.character = holder = build(CHARACTERS["SMPL"](), "Anna")
    bpy.ops.fleximo.map_rig()
    constraint = holder.pose.bones["head"].constraints.new("LIMIT_LOCATION")  # so that frames are posed and looked at
    actions = len(bpy.data.actions)
    fitted, bridge = fitted_motion(addon, scene, take), addon("foreign_rig").bridge_of(holder)
    for count in (2, 8, 14, 40):
        steps = addon("bake").bake_steps(lambda: holder, bridge.turns(fitted), fitted.root, 1, "stopped")
        for _ in range(count):
            next(steps)
        steps.close()
        assert len(bpy.data.actions) == actions
        assert holder.animation_data is None or addon("edit_layer").base_action(holder) is None
        bpy.context.view_layer.update()
        assert all(np.allclose(np.array(bone.matrix_basis), np.eye(4), atol=1e-6) for bone in holder.pose.bones)
    holder.pose.bones["head"].constraints.remove(constraint)


def small_rigify() -> Any:
    """A rig generated by Blender's own Rigify from its human metarig, without the face, which takes long."""
    bpy.ops.preferences.addon_enable(module="rigify")
    bpy.ops.object.armature_human_metarig_add()
    metarig = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    bones = metarig.data.edit_bones
    for bone in list(bones["face"].children_recursive):
        bones.remove(bone)
    bones.remove(bones["face"])
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.pose.rigify_generate()
    bpy.data.objects.remove(metarig)
    return bpy.context.object


def test_a_generated_rigify_rig_is_keyed_by_its_controls(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.generate_motion(text="a man waves, then steps forward", seed=1)
    take = scene.fleximo.takes[0]
    take.frame_end = take.frame_start + 23
    take.character = holder = small_rigify()
    bpy.ops.fleximo.map_rig()
    rows = {row.name: (row.bone, row.control) for row in holder.fleximo_rig.joints}
    assert holder.fleximo_rig.family == "Rigify" and len(rows) == 52
    assert rows["left_elbow"] == ("ORG-forearm.L", "forearm_fk.L")
    assert rows["right_index2"] == ("ORG-f_index.02.R", "f_index.02.R")
    assert rows["spine2"] == ("DEF-spine.002", "spine_fk.002")
    fitted = fitted_motion(addon, scene, take)
    bpy.ops.fleximo.bake_to_rig()
    errors = joint_errors(addon, scene, take, fitted, every=5)
    print(f"Rigify, generated: mean joint error {1000 * errors.mean():.4f} mm, largest {1000 * errors.max():.4f} mm")
    assert errors.mean() < 0.001
    keyed = {curve.data_path.split('"')[1] for curve in addon("edit_layer").pose_curves(baked(addon, holder))}
    assert keyed == {control for _, control in rows.values()} | {"torso"}
    assert holder.pose.bones["upper_arm_parent.L"]["IK_FK"] == 1.0


def with_mesh(holder: Any) -> Any:
    """A box around each bone of the body, moved by it."""
    from mathutils import Matrix

    corners, faces, groups = [], [], {}
    for bone in holder.data.bones:
        if bone.length < 0.05:
            continue
        first = len(corners)
        box = bone.matrix_local @ Matrix.Diagonal((0.04, bone.length, 0.04, 1.0))
        corners += [box @ Matrix.Translation((x, y, z)).to_translation()
                    for x in (-1, 1) for y in (0, 1) for z in (-1, 1)]  # fmt: skip
        faces += [[first + n for n in face] for face in
                  ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))]  # fmt: skip
        groups[bone.name] = range(first, first + 8)
    mesh = bpy.data.meshes.new("Body")
    mesh.from_pydata(corners, [], faces)
    body = bpy.data.objects.new("Body", mesh)
    bpy.context.scene.collection.objects.link(body)
    for name, members in groups.items():
        body.vertex_groups.new(name=name).add(list(members), 1.0, "REPLACE")
    body.modifiers.new("Armature", "ARMATURE").object = holder
    return body


def test_the_rendered_character_is_the_photo(addon: Any, scene: Any, tmp_path: Path) -> None:
    addon("preferences").preferences().video_folder = str(tmp_path)
    holder = build(CHARACTERS["MPFB"](), "Mia")
    take = addon("takes").add_take(scene)
    take.character = holder
    assert not bpy.ops.fleximo.photo_from_rig.poll()
    bpy.ops.fleximo.map_rig()
    assert not bpy.ops.fleximo.photo_from_rig.poll(), "nothing to be seen"
    body = with_mesh(holder)
    scenes, cameras = len(bpy.data.scenes), len(bpy.data.cameras)
    assert bpy.ops.fleximo.photo_from_rig() == {"FINISHED"}
    assert len(bpy.data.scenes) == scenes and len(bpy.data.cameras) == cameras + 1, "the take's own camera"
    assert Path(bpy.path.abspath(take.photo)).is_file()
    person: Person = addon("shot").person_of(take)
    assert person.photo_size == (720, 1280)
    covered = np.argwhere(person.mask)
    for name in ("left_wrist", "right_knee", "left_ankle", "right_shoulder"):
        x, y = person.point(name)
        away = np.linalg.norm(covered + 0.5 - [y, x], axis=1).min()
        assert away < 12.0, f"{name} lies on the picture's body"
    assert person.point("left_wrist")[0] > person.point("right_wrist")[0], "she faces us: her left is on our right"
    bridge = addon("foreign_rig").bridge_of(holder)
    own = np.linalg.norm(bridge.rig.rest_offsets[bridge.rig.index("left_knee")])
    assert abs(person.bone_lengths_m["thigh"] - own) < 1e-4
    assert abs(person.yaw_degrees) < 2.0 and 1.5 < person.stature_m < 2.0
    fit, _ = addon("shot").camera_of(take)
    assert fit.size == (576, 1024)
    body.hide_render = True
    assert not bpy.ops.fleximo.photo_from_rig.poll()


def test_a_character_in_its_own_photo_is_rendered(addon: Any, scene: Any, server: Path, tmp_path: Path) -> None:
    """The whole way: its own motion, its own picture, a video."""
    preferences = addon("preferences").preferences()
    preferences.data_folder, preferences.video_folder = str(server), str(tmp_path)
    bpy.ops.fleximo.generate_motion(text="a man waves")
    take = scene.fleximo.takes[0]
    take.frame_end = take.frame_start + 9
    take.character = build(CHARACTERS["MPFB"](), "Mia")
    with_mesh(take.character)
    bpy.ops.fleximo.map_rig()
    bpy.ops.fleximo.photo_from_rig()
    bpy.ops.fleximo.bake_to_rig()
    take.armature = take.character
    assert bpy.ops.fleximo.render() == {"FINISHED"}
    assert Path(bpy.path.abspath(take.video)).stat().st_size > 10_000
    assert take.rendered_frames == 10
