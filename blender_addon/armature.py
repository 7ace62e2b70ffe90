"""The armature of a take: built from a Fleximo rig, and a motion keyed on it.

Each bone rests along its limb, so that it looks and handles as animators expect; the rig's joint frames are aligned to
the world instead, and `rest_quaternions` is the difference between the two. `sampling` reads back what is keyed here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from fleximo import rotations as rot
from fleximo.errors import FleximoError
from fleximo.motion import Motion
from fleximo.rig import Rig

from . import axes, compat, edit_layer, shapes

__all__ = [
    "CONTACTS",
    "action_called",
    "basis_rotations",
    "bone_names",
    "build_armature",
    "key_motion",
    "key_steps",
    "rest_heads",
    "rest_quaternions",
    "root_locations",
]

# Animated custom properties of the root bone: whether the toes stand still on the floor. An animator may change them.
CONTACTS = ("left_toe_planted", "right_toe_planted")

# Where bones with several children, or none, point to.
_AIMS = {
    "pelvis": "spine1",
    "spine3": "neck",
    "head": "head_top",
    "left_wrist": "left_middle1",
    "right_wrist": "right_middle1",
}
_SHORTEST_BONE_M = 0.01
_FRONT, _UP = Vector((0.0, -1.0, 0.0)), Vector((0.0, 0.0, 1.0))


def build_armature(rig: Rig, name: str, scene: Any) -> Any:
    """A new armature object of `rig` in `scene`, in T-pose on the floor, facing -Y; active there, in object mode."""
    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    # Bones are made in edit mode, which there is only in the scene that the user sees.
    seen, layer = bpy.context.scene, bpy.context.view_layer
    former = layer.objects.active
    seen.collection.objects.link(armature)
    layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        _add_bones(data, rig)
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
    if scene != seen:
        seen.collection.objects.unlink(armature)
        scene.collection.objects.link(armature)
        layer.objects.active = former
        scene.view_layers[0].objects.active = armature
    _dress(armature, rig)
    return armature


def _add_bones(data: Any, rig: Rig) -> None:
    heads = axes.points_to_blender(rig.rest_joints + np.array([0.0, rig.rest_height, 0.0]))
    tails = axes.points_to_blender(_tails(rig) + np.array([0.0, rig.rest_height, 0.0]))
    for joint, (name, parent) in enumerate(zip(rig.joint_names, rig.parents.tolist())):
        bone = data.edit_bones.new(name)
        bone.head, bone.tail = heads[joint], tails[joint]
        # The local X axis is the hinge: limbs bend towards the front, fingers towards the palm.
        bone.align_roll(_UP if _is_finger(name) else _FRONT)
        if parent >= 0:
            bone.parent = data.edit_bones[rig.joint_names[parent]]


def _is_finger(name: str) -> bool:
    return name[-1] in "123" and not name.startswith("spine")


def _tails(rig: Rig) -> np.ndarray[Any, Any]:
    """(J,3) m where each bone ends: at the joint or landmark it aims at, else a little further along its parent."""
    tails = np.empty((len(rig.joint_names), 3))
    tips = {joint_name: name for name, (joint_name, _) in rig.landmarks.items() if name.endswith("_tip")}
    for joint, name in enumerate(rig.joint_names):
        children = np.flatnonzero(rig.parents == joint)
        aim = _AIMS.get(name) or tips.get(name, "")
        if aim in rig.landmarks:
            offset: Any = np.array(rig.landmarks[aim][1])
        elif aim in rig.joint_names:
            offset = rig.rest_offsets[rig.index(aim)]
        elif len(children):
            offset = rig.rest_offsets[children[0]]
        else:
            offset = 0.5 * rig.rest_offsets[joint]
        length = float(np.linalg.norm(offset))
        if length < _SHORTEST_BONE_M:
            offset = np.array([0.0, _SHORTEST_BONE_M, 0.0]) if length < 1e-6 else offset * _SHORTEST_BONE_M / length
        tails[joint] = rig.rest_joints[joint] + offset
    return tails


def _dress(armature: Any, rig: Rig) -> None:
    """Bone collections, shapes, rotation mode, locks and the contact properties."""
    armature.data.display_type = "OCTAHEDRAL"
    armature.show_in_front = True
    shapes.collect(armature)
    shapes.dress(armature, rig)
    for joint, name in enumerate(rig.joint_names):
        bone = armature.pose.bones[name]
        bone.rotation_mode = "QUATERNION"
        if joint:
            bone.lock_location = (True, True, True)
        bone.lock_scale = (True, True, True)
    root = armature.pose.bones[rig.joint_names[0]]
    for contact in CONTACTS:
        root[contact] = False
        root.id_properties_ui(contact).update(description="The toes stand still on the floor in this frame")


def bone_names(armature: Any, rig: Rig) -> tuple[str, ...]:
    """The bones that carry `rig`'s joints, in its order; raises `FleximoError` that names missing ones."""
    bones = armature.data.bones
    missing = [name for name in rig.joint_names if name not in bones]
    if missing:
        shown = ", ".join(missing[:5]) + (" and others" if len(missing) > 5 else "")
        raise FleximoError(
            f"The armature {armature.name} lacks the bones {shown}.",
            code="unknown_rig",
            remedy="Press Map Rig under Character, or use the armature that Generate Motion makes.",
        )
    return rig.joint_names


def rest_quaternions(armature: Any, names: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """(J,4) wxyz: how each bone lies in the rest pose, in the armature's own Blender axes."""
    rests = np.array([armature.data.bones[name].matrix_local for name in names])
    return np.asarray(rot.from_matrix(rests[:, :3, :3]))


def rest_heads(armature: Any, names: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """(J,3) m where each bone starts in the rest pose, in the armature's own Blender axes."""
    return np.array([armature.data.bones[name].head_local for name in names], dtype=np.float64)


def key_motion(armature: Any, motion: Motion, frame_start: int, action_name: str) -> Any:
    """Keys every frame of `motion` from `frame_start` on, in a new action that becomes the armature's base; returns it.

    One key per frame and channel, linear, typed GENERATED, so that the dope sheet tells them from keys made by hand.
    `motion.fps` must be the scene's rate; the armature's former base is kept in the file.
    """
    steps = key_steps(lambda: armature, motion, frame_start, action_name)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            action = bpy.data.actions[end.value]
            former = edit_layer.set_base(armature, action)
            if former is not None:
                former.use_fake_user = True
            return action


def action_called(action_name: str) -> Any:
    """The action of that name, which steps work on; raises `FleximoError` where it is gone, as after an undo."""
    action = bpy.data.actions.get(action_name)
    if action is None:
        raise FleximoError(
            "The keys that were worked on have been undone, deleted or renamed meanwhile.",
            code="take_gone",
            remedy="Do it again.",
        )
    return action


def key_steps(
    look_up: Callable[[], Any], motion: Motion, frame_start: int, action_name: str
) -> Generator[float, None, str]:
    """The keys of `key_motion` in a new action that plays nowhere yet, a bone at a time; returns the action's name.

    Yields how much is done, 0..1. `look_up` gives the armature at every step, because undo and file loading replace
    it. Steps that are stopped leave nothing behind.
    """
    armature = look_up()
    names = bone_names(armature, motion.rig)
    rests = rest_quaternions(armature, names)
    own: str = compat.new_action(action_name, armature).name
    done = False
    frames = np.arange(frame_start, frame_start + len(motion))
    try:
        for joint, name in enumerate(names):
            channels = compat.channels_in(action_called(own))
            for component, values in enumerate(basis_rotations(motion, joint, rests[joint]).T):
                path = f'pose.bones["{name}"].rotation_quaternion'
                _key(compat.add_curve(channels, path, component, name), frames, values, compat.LINEAR)
            yield (joint + 1) / len(names)
        head = rest_heads(look_up(), names[:1])
        _key_root(compat.channels_in(action_called(own)), names[0], motion, frames, rests[0], head)
        done = True
    finally:
        if not done and own in bpy.data.actions:
            bpy.data.actions.remove(bpy.data.actions[own])
    return own


def basis_rotations(motion: Motion, joint: int, rest: Any) -> Any:
    """(T,4) wxyz what a bone that rests as `rest` (4,) is turned by, where it carries that joint of `motion`."""
    local = axes.quaternions_to_blender(motion.rotations[:, joint].astype(np.float64))
    # A bone's own rotation is the joint's rotation seen from the bone's rest axes.
    basis = rot.multiply(rot.multiply(rot.conjugate(rest), local), rest)
    return rot.continuous(basis[:, None])[:, 0]


def root_locations(motion: Motion, rest: Any, head: Any) -> Any:
    """(T,3) m how far the root bone, which rests as `rest` (4,) at `head` (3,), is moved in its own axes."""
    return rot.rotate(rot.conjugate(rest), axes.points_to_blender(motion.root.astype(np.float64)) - head)


def _key_root(channels: Any, name: str, motion: Motion, frames: Any, rest: Any, head: Any) -> None:
    """Where the root goes, and which toes are planted."""
    for component, values in enumerate(root_locations(motion, rest, head).T):
        curve = compat.add_curve(channels, f'pose.bones["{name}"].location', component, name)
        _key(curve, frames, values, compat.LINEAR)
    for contact, values in zip(CONTACTS, motion.contacts.T):
        curve = compat.add_curve(channels, f'pose.bones["{name}"]["{contact}"]', 0, name)
        _key(curve, frames, values, compat.CONSTANT)


def _key(curve: Any, frames: Any, values: Any, interpolation: int) -> None:
    compat.set_keys(curve, frames, values, interpolation=interpolation, key_type=compat.GENERATED)
