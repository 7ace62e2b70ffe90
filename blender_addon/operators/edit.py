"""Editing the motion by hand: what Blender's own tools do not do in one step.

Keys land on the layer above the generated motion (`edit_layer`).
"""

# mypy: disable-error-code="valid-type"

import math
from collections.abc import Generator
from typing import Any

import bpy

from fleximo import rotations as rot
from fleximo.adjustments import in_place, looped, with_locked_feet
from fleximo.errors import FleximoError
from fleximo.fingers import HAND_SHAPES, curled, finger_names, shape_rotations
from fleximo.key_reduction import ReducedKeys, reduce_keys
from fleximo.motion import Motion
from fleximo.rig import DEFAULT_RIG

from .. import (
    adjusting,
    armature,
    axes,
    compat,
    edit_layer,
    few_keys,
    foreign_rig,
    landing,
    sampling,
    shapes,
    takes,
)
from ..limb_ik import LIMBS, add_controls, has_controls, snap_steps
from ..session import Report, Task
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator

__all__ = ["CLASSES"]

_SHAPES = (
    *((name, name.capitalize(), "", number) for number, name in enumerate(HAND_SHAPES)),
    ("custom", "Curl and Spread", "As the two values below say", len(HAND_SHAPES)),
)
_HANDS = (
    ("left", "Left", "The person's left hand", 0),
    ("right", "Right", "The person's right hand", 1),
    ("both", "Both", "Both hands", 2),
)


_EASE = {
    "name": "Ease",
    "description": "In how many frames the edit comes and goes. 0: it holds until the next key",
    "default": 6,
    "min": 0,
    "max": 1000,
}


class _OnArmature(FleximoOperator):
    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or take.armature is None:
            return cls.refuse("Generate a motion first, or choose an armature")
        fixed = edit_layer.why_fixed(take.armature)
        return cls.refuse(fixed) if fixed else True

    @classmethod
    def on_our_bones(cls, context: Any) -> bool:
        """For `poll`: whether the armature has the default rig's bones; says so on the button if not."""
        holder = takes.active_take(context.scene).armature
        if not foreign_rig.is_mapped(holder) and all(name in holder.data.bones for name in DEFAULT_RIG.joint_names):
            return True
        return cls.refuse("It works on the armature that Generate Motion makes, not on a character of your own")


class _OnLayer(_OnArmature):
    @classmethod
    def poll(cls, context: Any) -> bool:
        if not super().poll(context):
            return False
        holder = takes.active_take(context.scene).armature
        if edit_layer.edits_action(holder) is None:
            return cls.refuse("Leave the generated keys first (Edit Generated Keys), or generate a motion")
        if edit_layer.base_action(holder) is None:
            return cls.refuse("The generated motion's action has been deleted: undo, or press Generate Motion")
        return True


def _chosen(holder: Any) -> list[str]:
    """The bones that are selected; all where none is."""
    names = [bone.name for bone in holder.pose.bones]
    return [name for name in names if compat.bone_selected(holder, name)] or names


class FLEXIMO_OT_key_hands(_OnArmature, bpy.types.Operator):
    """Pose the fingers and set keys for them at the current frame"""

    bl_idname = "fleximo.key_hands"
    bl_label = "Key Hands"
    bl_options = CHANGES_FILE

    shape: bpy.props.EnumProperty(name="Shape", description="How the hand is held", items=_SHAPES)
    hand: bpy.props.EnumProperty(name="Hand", description="Which hand", items=_HANDS, default="both")
    curl: bpy.props.FloatProperty(
        name="Curl", description="0 is open, 1 a fist", subtype="FACTOR", default=0.3, min=0.0, max=1.0
    )
    spread: bpy.props.FloatProperty(
        name="Spread", description="Degrees between neighbouring fingers", default=4.0, min=-5.0, max=20.0
    )
    ease: bpy.props.IntProperty(**_EASE)

    @classmethod
    def poll(cls, context: Any) -> bool:
        return super().poll(context) and cls.on_our_bones(context)

    def act(self, context: Any) -> str:
        holder, frame = takes.active_take(context.scene).armature, context.scene.frame_current
        shape = curled(self.curl, self.spread) if self.shape == "custom" else self.shape
        sides = ("left", "right") if self.hand == "both" else (self.hand,)
        edit_layer.seal(holder, DEFAULT_RIG.joint_names)
        shapes.show_fingers(holder, sides)
        for side in sides:
            names = finger_names(side)
            rests = armature.rest_quaternions(holder, names)
            local = axes.quaternions_to_blender(shape_rotations(shape, side))
            basis = rot.multiply(rot.multiply(rot.conjugate(rests), local), rests)
            for name, turn in zip(names, basis):
                bone = holder.pose.bones[name]
                bone.rotation_quaternion = turn
                bone.keyframe_insert("rotation_quaternion", frame=frame, group=name)
            edit_layer.ease(edit_layer.pose_curves(edit_layer.edits_action(holder), names), frame, self.ease)
        return f"{' and '.join(sides)} hand: {self.shape}, at frame {frame}."


class FLEXIMO_OT_key_pose(_OnLayer, bpy.types.Operator):
    """Keep the pose of the selected bones (all where none is selected) at the current frame, eased in and out"""

    bl_idname = "fleximo.key_pose"
    bl_label = "Key Pose"
    bl_options = CHANGES_FILE

    ease: bpy.props.IntProperty(**_EASE)

    def act(self, context: Any) -> str:
        holder, frame = takes.active_take(context.scene).armature, context.scene.frame_current
        names = _chosen(holder)
        edit_layer.seal(holder, DEFAULT_RIG.joint_names)
        root = holder.data.bones[0].name
        for name in names:
            for path in ("rotation_quaternion", "location") if name == root else ("rotation_quaternion",):
                holder.pose.bones[name].keyframe_insert(path, frame=frame, group=name)
        edit_layer.ease(edit_layer.pose_curves(edit_layer.edits_action(holder), names), frame, self.ease)
        return f"{len(names)} bone{'s' * (len(names) > 1)} keyed at frame {frame}."


class FLEXIMO_OT_key_generated(_OnLayer, bpy.types.Operator):
    """Let the selected bones (all where none is selected) be at the current frame as they were generated"""

    bl_idname = "fleximo.key_generated"
    bl_label = "Key As Generated"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        holder, frame = takes.active_take(context.scene).armature, context.scene.frame_current
        curves = edit_layer.pose_curves(edit_layer.edits_action(holder), _chosen(holder))
        if not curves:
            raise FleximoError("These bones have no keys by hand.", remedy="They are as generated everywhere.")
        edit_layer.key_neutral(curves, frame)
        return f"As generated at frame {frame}."


class FLEXIMO_OT_clear_edits(_OnLayer, bpy.types.Operator):
    """Remove the keys by hand of the selected bones (of all where none is selected)"""

    bl_idname = "fleximo.clear_edits"
    bl_label = "Clear Edits"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        holder = takes.active_take(context.scene).armature
        action = edit_layer.edits_action(holder)
        curves = edit_layer.pose_curves(action, _chosen(holder))
        count = sum(len(curve.keyframe_points) for curve in curves)
        for curve in curves:
            compat.channels_in(action).fcurves.remove(curve)
        return f"{count} keys by hand removed."


class FLEXIMO_OT_edit_base(_OnArmature, bpy.types.Operator):
    """Show and set the generated keys themselves; press again to come back to the keys by hand above them"""

    bl_idname = "fleximo.edit_base"
    bl_label = "Edit Generated Keys"
    bl_options = CHANGES_FILE

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not super().poll(context):
            return False
        if edit_layer.base_strip(takes.active_take(context.scene).armature) is None:
            return cls.refuse("The armature has no generated motion")
        return True

    def act(self, context: Any) -> str:
        holder = takes.active_take(context.scene).armature
        if holder.animation_data.use_tweak_mode:
            edit_layer.leave_base(holder)
            return "Keys are set above the generated ones again."
        edit_layer.open_base(holder)
        return "Generated keys are edited now; generating again replaces them."


_LIMBS = (
    ("all", "All", "Arms and legs", 0),
    *((limb, limb.replace("_", " ").capitalize(), "The person's own", n) for n, limb in enumerate(LIMBS, start=1)),
)
_OVER = (
    ("frame", "This Frame", "The switch is keyed at the current frame", 0),
    ("take", "Whole Take", "The switch, and the pose of every frame, are keyed over the take", 1),
)


class _Snap(_OnLayer, TaskOperator):
    kind = "motion"
    to_ik: bool
    limb: str
    over: str

    @classmethod
    def poll(cls, context: Any) -> bool:
        return super().poll(context) and cls.on_our_bones(context) and cls.idle()

    def prepare(self, context: Any) -> Task:
        scene, take = context.scene, takes.active_take(context.scene)
        uid, name, limbs = take.uid, scene.name, tuple(LIMBS) if self.limb == "all" else (self.limb,)
        frame, whole = scene.frame_current, range(take.frame_start, take.frame_end + 1)
        frames = whole if self.over == "take" else range(frame, frame + 1)
        to_ik, told = self.to_ik, ", ".join(limbs).replace("_", " ")
        if not has_controls(take.armature):
            if not to_ik:
                raise FleximoError("The armature has no IK yet.", remedy="Its limbs are posed by their own bones.")
            add_controls(take.armature)
            shapes.dress(take.armature, sampling.rig_of(take.armature))

        def look_up() -> tuple[Any, Any]:
            return bpy.data.scenes[name], takes.armature_of(uid)

        def work(_report: Report) -> Generator[None, None, None]:
            yield

        def land(_none: None) -> Generator[float, None, str]:
            yield from snap_steps(look_up, limbs, frames, to_ik=to_ik, ease=6)
            return f"Posed by {'IK' if to_ik else 'FK'} in {len(frames)} frame(s): {told}."

        return Task(self.kind, f"Snapping {take.name}", work, land)


class FLEXIMO_OT_snap_ik(_Snap, bpy.types.Operator):
    """Pose limbs by the controls at their ends (IK); the controls are put where the limbs are"""

    bl_idname = "fleximo.snap_ik"
    bl_label = "Snap to IK"
    bl_options = LEAVES_FILE
    to_ik = True

    limb: bpy.props.EnumProperty(name="Limb", description="Which limb", items=_LIMBS)
    over: bpy.props.EnumProperty(name="Over", description="Which frames", items=_OVER)


class FLEXIMO_OT_snap_fk(_Snap, bpy.types.Operator):
    """Pose limbs by their own bones (FK), which are turned as they are seen"""

    bl_idname = "fleximo.snap_fk"
    bl_label = "Snap to FK"
    bl_options = LEAVES_FILE
    to_ik = False

    limb: bpy.props.EnumProperty(name="Limb", description="Which limb", items=_LIMBS)
    over: bpy.props.EnumProperty(name="Over", description="Which frames", items=_OVER)


class FLEXIMO_OT_reduce_keys(_OnLayer, TaskOperator, bpy.types.Operator):
    """Put few keys with handles in the place of the generated ones on every frame; keys by hand stay"""

    bl_idname = "fleximo.reduce_keys"
    bl_label = "Reduce Keys"
    bl_options = LEAVES_FILE
    kind = "motion"

    degrees: bpy.props.FloatProperty(
        name="Degrees", description="By how much a bone may be turned otherwise", default=1.0, min=0.05, max=20.0
    )
    distance: bpy.props.FloatProperty(
        name="Distance",
        description="By how much a joint may lie elsewhere",
        default=0.005,
        min=0.0002,
        max=0.2,
        unit="LENGTH",
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        return super().poll(context) and cls.idle()

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        uid, fps, base = take.uid, sampling.scene_fps(context.scene), edit_layer.base_action(take.armature).name
        angle_rad, distance_m, first = math.radians(self.degrees), self.distance, 0

        def look_up() -> Any:
            return takes.armature_of(uid)

        def gather() -> Generator[float, None, Any]:
            nonlocal first
            motion, first = yield from few_keys.reading_steps(look_up, base, fps)

            def work(report: Report) -> Generator[None, None, ReducedKeys]:
                yield
                return reduce_keys(motion, angle_rad=angle_rad, distance_m=distance_m, progress=report)

            return work

        def land(reduced: ReducedKeys) -> Generator[float, None, str]:
            own, before, now = yield from few_keys.writing_steps(look_up, base, reduced, first)
            landing.exchange_base(takes.find_take(uid)[1], bpy.data.actions[own])
            return (
                f"{now} of {before} keys are left ({now / before:.1%}); within "
                f"{math.degrees(reduced.angle_error_rad):.2f} degrees and {1e3 * reduced.position_error_m:.1f} mm."
            )

        return Task(self.kind, f"Reducing the keys of {take.name}", None, land, gather)


_ADJUSTMENTS = (
    ("feet", "Lock Feet", "Toes stay in one place while they are planted", 0),
    ("place", "In Place", "Take out the way over the floor; sway and steps stay", 1),
    ("loop", "Loop", "Bend the end so that the frame after the last is the first again", 2),
)
_ADJUST = {"feet": with_locked_feet, "place": in_place, "loop": looped}


class FLEXIMO_OT_adjust_motion(_OnLayer, TaskOperator, bpy.types.Operator):
    """Adjust the take's motion by keys on the layer above the generated ones"""

    bl_idname = "fleximo.adjust_motion"
    bl_label = "Adjust Motion"
    bl_options = LEAVES_FILE
    kind = "motion"

    adjustment: bpy.props.EnumProperty(name="Adjustment", description="What is done", items=_ADJUSTMENTS)

    @classmethod
    def description(cls, _context: Any, given: Any) -> str:
        return {name: told for name, _, told, _ in _ADJUSTMENTS}[given.adjustment]

    @classmethod
    def poll(cls, context: Any) -> bool:
        return super().poll(context) and cls.idle()

    def prepare(self, context: Any) -> Task:
        take, scene_name = takes.active_take(context.scene), context.scene.name
        uid, start, stop = take.uid, take.frame_start, take.frame_end + 1
        adjust = _ADJUST[self.adjustment]

        def look_up() -> tuple[Any, Any]:
            return bpy.data.scenes[scene_name], takes.armature_of(uid)

        def gather() -> Generator[float, None, Any]:
            before = yield from sampling.sampling_steps(look_up, start, stop)

            def work(_report: Report) -> Generator[None, None, tuple[Motion, Motion]]:
                yield
                return before, adjust(before)

            return work

        def land(made: tuple[Motion, Motion]) -> Generator[float, None, str]:
            count = yield from adjusting.keying_steps(look_up, *made, start)
            return f"{count} frames are keyed." if count else "Nothing had to be changed."

        return Task(self.kind, f"Adjusting {take.name}", None, land, gather)


CLASSES = (
    FLEXIMO_OT_adjust_motion,
    FLEXIMO_OT_reduce_keys,
    FLEXIMO_OT_snap_ik,
    FLEXIMO_OT_snap_fk,
    FLEXIMO_OT_key_hands,
    FLEXIMO_OT_key_pose,
    FLEXIMO_OT_key_generated,
    FLEXIMO_OT_clear_edits,
    FLEXIMO_OT_edit_base,
)
