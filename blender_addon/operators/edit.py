"""Editing the motion by hand: what Blender's own tools do not do in one step."""

# mypy: disable-error-code="valid-type"

from typing import Any

import bpy

from fleximo import rotations as rot
from fleximo.fingers import HAND_SHAPES, curled, finger_names, shape_rotations

from .. import armature, axes, properties
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


class FLEXIMO_OT_key_hands(FleximoOperator, bpy.types.Operator):
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

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = properties.active_take(context.scene)
        if take is None or take.armature is None:
            return cls.refuse("Generate a motion first, or choose an armature")
        return True

    def act(self, context: Any) -> str:
        holder = properties.active_take(context.scene).armature
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
                bone.keyframe_insert("rotation_quaternion", frame=context.scene.frame_current, group=name)
        return f"{' and '.join(sides)} hand: {self.shape}, at frame {context.scene.frame_current}."


CLASSES = (FLEXIMO_OT_key_hands,)
