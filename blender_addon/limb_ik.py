"""IK for arms and legs: control bones, a switch per limb, and snapping from one way of posing to the other.

A limb is posed forward (FK) by its own three bones, or (IK) by a control at its end and a pole that its middle points
to. Snapping changes the way, not the pose. Knows no takes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from fleximo.errors import FleximoError

from . import compat, edit_layer

__all__ = ["LIMBS", "SWITCH", "add_controls", "control_of", "has_controls", "pole_of", "snap_steps"]

# Limb -> its bones: the upper one, the lower one, and the one at its end.
LIMBS = {
    f"{side}_{limb}": (f"{side}_{upper}", f"{side}_{lower}", f"{side}_{end}")
    for limb, upper, lower, end in (("arm", "shoulder", "elbow", "wrist"), ("leg", "hip", "knee", "ankle"))
    for side in ("left", "right")
}
SWITCH = "ik"  # custom property of a limb's control: 0 FK, 1 IK
_POLE_M = 0.4  # from the middle joint to the pole
_NEAR_M = 1e-5  # a middle joint nearer than this needs no turn of the pole
_MOST_TURNS = 6
_STRAIGHT_M = 1e-4  # a limb bent by less has no side that its middle points to
_COLLECTION = "IK"


def control_of(limb: str) -> str:
    """The name of the bone that moves the end of `limb`."""
    return f"{limb}_ik"


def pole_of(limb: str) -> str:
    """The name of the bone that the middle of `limb` points to."""
    return f"{limb}_pole"


def has_controls(armature: Any) -> bool:
    """Whether `add_controls` has been called for the armature."""
    return all(control_of(limb) in armature.data.bones for limb in LIMBS)


def add_controls(armature: Any) -> None:
    """Gives the armature controls and constraints for all limbs, switched to FK.

    Raises `FleximoError` where it is not in the scene on screen, or its bones cannot be changed.
    """
    layer, former = bpy.context.view_layer, bpy.context.view_layer.objects.active
    if layer.objects.get(armature.name) != armature:
        raise FleximoError(
            f"{armature.name} is not in the view layer that is shown.", remedy="Tick its collection in the Outliner."
        )
    if not armature.data.is_editable:
        raise FleximoError(
            f"The bones of {armature.name} are linked from another file.",
            remedy="Make the armature's data local (Object > Relations > Make Local).",
        )
    mode = bpy.context.mode if former == armature else "OBJECT"
    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    hidden = armature.hide_get()
    armature.hide_set(False)
    layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        for limb in LIMBS:
            _add_bones(armature.data.edit_bones, limb)
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
        armature.hide_set(hidden)
        layer.objects.active = former
    collection = armature.data.collections.get(_COLLECTION) or armature.data.collections.new(_COLLECTION)
    for limb in LIMBS:
        _bind(armature, limb, collection)
    if mode == "POSE":
        bpy.ops.object.mode_set(mode="POSE")


def _add_bones(bones: Any, limb: str) -> None:
    _, lower, end = (bones[name] for name in LIMBS[limb])
    control, pole = bones.new(control_of(limb)), bones.new(pole_of(limb))
    control.head, control.tail, control.roll = end.head, end.tail, end.roll
    # Knees point to the front (-Y), elbows to the back.
    aside = Vector((0.0, -_POLE_M if limb.endswith("leg") else _POLE_M, 0.0))
    pole.head = lower.head + aside
    pole.tail = pole.head + Vector((0.0, 0.0, 0.08))
    control.use_deform = pole.use_deform = False


def _bind(armature: Any, limb: str, collection: Any) -> None:
    _, lower, end = LIMBS[limb]
    bones = armature.pose.bones
    control, pole = bones[control_of(limb)], bones[pole_of(limb)]
    for bone in (control, pole):
        bone.rotation_mode, bone.lock_scale = "QUATERNION", (True, True, True)
        collection.assign(bone.bone)
    pole.lock_rotation, pole.lock_rotation_w = (True, True, True), True
    control[SWITCH] = 0.0
    control.id_properties_ui(SWITCH).update(
        min=0.0, max=1.0, default=0.0, description="0: posed by its own bones (FK), 1: by the control at its end (IK)"
    )
    reach = bones[lower].constraints.new("IK")
    reach.target, reach.subtarget = armature, control.name
    reach.pole_target, reach.pole_subtarget = armature, pole.name
    reach.chain_count, reach.use_stretch = 2, False
    reach.pole_angle = _pole_angle(armature.data.bones, limb)
    turn = bones[end].constraints.new("COPY_ROTATION")
    turn.target, turn.subtarget = armature, control.name
    for constraint in (reach, turn):
        driver = constraint.driver_add("influence").driver
        driver.type = "AVERAGE"
        variable = driver.variables.new()
        variable.targets[0].id = armature
        variable.targets[0].data_path = f'pose.bones["{control.name}"]["{SWITCH}"]'


def _pole_angle(bones: Any, limb: str) -> float:
    """By how much the upper bone's X axis is turned from the pole, about the bone."""
    upper, lower = (bones[name] for name in LIMBS[limb][:2])
    along = upper.tail_local - upper.head_local
    normal = (lower.tail_local - upper.head_local).cross(bones[pole_of(limb)].head_local - upper.head_local)
    towards, across = normal.cross(along), upper.matrix_local.to_3x3().col[0]
    angle = float(across.angle(towards))
    return -angle if across.cross(towards).dot(along) > 0.0 else angle


def snap_steps(
    look_up: Callable[[], tuple[Any, Any]], limbs: Iterable[str], frames: range, *, to_ik: bool, ease: int = 0
) -> Generator[float, None, None]:
    """Switches `limbs` to IK, or to FK, in the scene `frames`, with keys that keep the pose; yields how much is done.

    `look_up` gives (scene, armature) at every step. The switch is keyed back beside a range; from a single frame on it
    holds. `ease`: in how many frames keys of FK come and go beside them. Steps that are stopped leave the keys by
    hand as they were.
    """
    scene, armature = look_up()
    limbs, current = tuple(limbs), scene.frame_current
    edits = edit_layer.edits_action(armature)
    backup = edits.copy().name if edits is not None else ""
    switches_before = [float(armature.pose.bones[control_of(limb)][SWITCH]) for limb in limbs]
    outside = {}
    for frame in (frames.start - 1, frames.stop) if len(frames) > 1 else (frames.start - 1,):
        scene.frame_set(frame)
        outside[frame] = [float(armature.pose.bones[control_of(limb)][SWITCH]) for limb in limbs]
    done = False
    try:
        seen = []
        for number, frame in enumerate(frames):  # all of them first: a key that is set changes the frames after it
            scene, armature = look_up()
            scene.frame_set(frame)
            seen.append(_seen(armature, limbs))
            yield 0.3 * (number + 1) / len(frames)
        for number, frame in enumerate(frames):
            scene, armature = look_up()
            scene.frame_set(frame)
            (_to_ik if to_ik else _to_fk)(armature, limbs, frame, seen[number])
            yield 0.3 + 0.7 * (number + 1) / len(frames)
        for frame, switches in outside.items():
            scene.frame_set(frame)
            for limb, switch in zip(limbs, switches):
                _switch(armature, limb, switch, frame)
        names = [name for limb in limbs for name in LIMBS[limb]]
        curves = edit_layer.pose_curves(edit_layer.edits_action(armature), names)
        for frame in () if to_ik else sorted({frames.start, frames.stop - 1}):
            edit_layer.ease(curves, frame, ease)
        done = True
    finally:
        scene, armature = look_up()
        if backup:
            _keep(armature, bpy.data.actions[backup], done)
        for limb, switch in zip(limbs, switches_before if not done else ()):
            armature.pose.bones[control_of(limb)][SWITCH] = switch
        scene.frame_set(current)


def _keep(armature: Any, backup: Any, done: bool) -> None:
    """Drops the backup of the edits, or goes back to it."""
    if not done:
        spoilt, name = edit_layer.edits_action(armature), ""
        if spoilt is not None:
            name = spoilt.name
            bpy.data.actions.remove(spoilt)
        compat.drive(armature, backup)
        backup.name = name or backup.name
    else:
        bpy.data.actions.remove(backup)


def _switch(armature: Any, limb: str, value: float, frame: int) -> None:
    control = armature.pose.bones[control_of(limb)]
    control[SWITCH] = value
    control.keyframe_insert(f'["{SWITCH}"]', frame=frame, group=control.name)
    for curve in edit_layer.pose_curves(edit_layer.edits_action(armature), [control.name]):
        if curve.data_path.endswith(f'["{SWITCH}"]'):
            for point in curve.keyframe_points:
                point.interpolation = "CONSTANT"


def _update(armature: Any) -> None:
    armature.update_tag()
    bpy.context.view_layer.update()


def _seen(armature: Any, limbs: tuple[str, ...]) -> dict[str, Matrix]:
    """How the bones of the limbs, and those that they hang on, lie in the armature's axes."""
    bones = armature.pose.bones
    names = [name for limb in limbs for name in (*LIMBS[limb], bones[LIMBS[limb][0]].parent.name)]
    return {name: bones[name].matrix.copy() for name in names}


def _to_ik(armature: Any, limbs: tuple[str, ...], frame: int, seen: dict[str, Matrix]) -> None:
    """Puts the controls where the limbs were seen, at the current frame, and keys them."""
    bones = armature.pose.bones
    wanted = {limb: tuple(seen[name].translation for name in LIMBS[limb]) for limb in limbs}
    for limb in limbs:
        begin, middle, end = wanted[limb]
        bones[control_of(limb)].matrix = seen[LIMBS[limb][2]]
        aside = _aside(begin, middle, end)
        if aside.length < _STRAIGHT_M:  # straight: as the pole lies at rest, seen from the upper bone
            upper = LIMBS[limb][0]
            rest = bones[upper].bone.matrix_local.inverted() @ bones[pole_of(limb)].bone.head_local
            aside = _aside(begin, seen[upper] @ rest, end)
        bones[pole_of(limb)].matrix = Matrix.Translation(middle + _POLE_M * aside.normalized())
        bones[control_of(limb)][SWITCH] = 1.0
    for _ in range(_MOST_TURNS):
        _update(armature)
        off = [limb for limb in limbs if (bones[LIMBS[limb][1]].head - wanted[limb][1]).length > _NEAR_M]
        if not off:
            break
        for limb in off:
            _turn_pole(armature, limb, wanted[limb])
    for limb in limbs:
        control, pole = bones[control_of(limb)], bones[pole_of(limb)]
        for bone, path in ((control, "location"), (control, "rotation_quaternion"), (pole, "location")):
            bone.keyframe_insert(path, frame=frame, group=bone.name)
        _switch(armature, limb, 1.0, frame)


def _aside(begin: Vector, point: Vector, end: Vector) -> Vector:
    """From the line between the limb's ends to `point`, across the line."""
    along = (end - begin).normalized()
    return (point - begin) - along * (point - begin).dot(along)


def _turn_pole(armature: Any, limb: str, wanted: tuple[Vector, Vector, Vector]) -> None:
    """Turns the pole about the limb by what its middle joint is off."""
    begin, middle, end = wanted
    there, here = _aside(begin, middle, end), _aside(begin, armature.pose.bones[LIMBS[limb][1]].head, end)
    along = (end - begin).normalized()
    angle = float(np.arctan2(here.cross(there).dot(along), here.dot(there)))
    pole = armature.pose.bones[pole_of(limb)]
    turned = Matrix.Rotation(angle, 3, along) @ (pole.head - begin) + begin
    pole.matrix = Matrix.Translation(turned)


def _to_fk(armature: Any, limbs: tuple[str, ...], frame: int, seen: dict[str, Matrix]) -> None:
    """Turns the limbs' own bones as they were seen, at the current frame, and keys them.

    From the upper bone down, each aimed at where the next one was seen from where it has come to lie itself.
    """
    bones = armature.pose.bones
    for limb in limbs:
        _switch(armature, limb, 0.0, frame)
    for level in range(3):
        bpy.context.scene.frame_set(frame)
        for limb in limbs:
            bone = bones[LIMBS[limb][level]]
            wanted = seen[bone.name].to_3x3()
            if level < 2:
                aim = seen[LIMBS[limb][level + 1]].translation - bone.head
                wanted = wanted.col[1].rotation_difference(aim).to_matrix() @ wanted
            basis = bone.bone.convert_local_to_pose(
                wanted.to_4x4(),
                bone.bone.matrix_local,
                parent_matrix=bone.parent.matrix,
                parent_matrix_local=bone.parent.bone.matrix_local,
                invert=True,
            )
            edit_layer.key_turn(armature, bone, basis.to_quaternion(), frame, twist=True)
