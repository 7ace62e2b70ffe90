"""Editing the motion by hand: what Blender's own tools do not do in one step.

Keys land on the layer above the generated motion (`edit_layer`).
"""

# mypy: disable-error-code="valid-type"

from typing import Any

import bpy

from fleximo import rotations as rot
from fleximo.errors import FleximoError
from fleximo.fingers import HAND_SHAPES, curled, finger_names, shape_rotations

from .. import armature, axes, compat, edit_layer, properties
from .base import CHANGES_FILE, FleximoOperator

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
        take = properties.active_take(context.scene)
        if take is None or take.armature is None:
            return cls.refuse("Generate a motion first, or choose an armature")
        return True


class _OnLayer(_OnArmature):
    @classmethod
    def poll(cls, context: Any) -> bool:
        if not super().poll(context):
            return False
        if edit_layer.edits_action(properties.active_take(context.scene).armature) is None:
            return cls.refuse("Leave the generated keys first (Edit Generated Keys), or generate a motion")
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

    def act(self, context: Any) -> str:
        holder, frame = properties.active_take(context.scene).armature, context.scene.frame_current
        shape = curled(self.curl, self.spread) if self.shape == "custom" else self.shape
        sides = ("left", "right") if self.hand == "both" else (self.hand,)
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
        holder, frame = properties.active_take(context.scene).armature, context.scene.frame_current
        names = _chosen(holder)
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
        holder, frame = properties.active_take(context.scene).armature, context.scene.frame_current
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
        holder = properties.active_take(context.scene).armature
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
        if edit_layer.base_strip(properties.active_take(context.scene).armature) is None:
            return cls.refuse("The armature has no generated motion")
        return True

    def act(self, context: Any) -> str:
        holder = properties.active_take(context.scene).armature
        if holder.animation_data.use_tweak_mode:
            edit_layer.leave_base(holder)
            return "Keys are set above the generated ones again."
        edit_layer.open_base(holder)
        return "Generated keys are edited now; generating again replaces them."


CLASSES = (
    FLEXIMO_OT_key_hands,
    FLEXIMO_OT_key_pose,
    FLEXIMO_OT_key_generated,
    FLEXIMO_OT_clear_edits,
    FLEXIMO_OT_edit_base,
)
