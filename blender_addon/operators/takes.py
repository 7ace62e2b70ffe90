"""The list of takes: new ones, copies that share a motion or a photo, and taking one off."""

# mypy: disable-error-code="valid-type"

from typing import Any

import bpy

from .. import landing, shapes, takes
from .base import CHANGES_FILE, FleximoOperator

__all__ = ["CLASSES"]

_KEPT = (
    ("all", "Everything", "The same motion and the same photo", 0),
    ("motion", "Same Motion, Other Photo", "The same armature with its keys; another person is to be chosen", 1),
    ("photo", "Same Photo, Other Motion", "The same person, already found; another motion is to be made", 2),
)


class FLEXIMO_OT_add_take(FleximoOperator, bpy.types.Operator):
    """Add a take: a shot with a motion, a photo and a range of its own"""

    bl_idname = "fleximo.add_take"
    bl_label = "Add Take"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        return f"{takes.add_take(context.scene).name} added."


class _OnTake(FleximoOperator):
    @classmethod
    def poll(cls, context: Any) -> bool:
        if takes.active_take(context.scene) is None:
            return cls.refuse("Add a take first")
        return True


class FLEXIMO_OT_duplicate_take(_OnTake, bpy.types.Operator):
    """Add a take with the active take's motion, its photo, or both. Keys are shared, not copied"""

    bl_idname = "fleximo.duplicate_take"
    bl_label = "Duplicate Take"
    bl_options = CHANGES_FILE

    keep: bpy.props.EnumProperty(name="Keep", description="What the new take shares with this one", items=_KEPT)

    def act(self, context: Any) -> str:
        source = takes.active_take(context.scene)
        name = source.name
        kept = {"motion": self.keep != "photo", "photo": self.keep != "motion"}
        made = takes.duplicate_take(context.scene, source, **kept)
        shared = {"all": "motion and photo", "motion": "motion", "photo": "photo"}[self.keep]
        return f"{made.name} shares the {shared} of {name}."


class FLEXIMO_OT_remove_take(_OnTake, bpy.types.Operator):
    """Take the active take off the list; its armature, camera and videos stay in the file"""

    bl_idname = "fleximo.remove_take"
    bl_label = "Remove Take"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        take = takes.active_take(context.scene)
        name = take.name
        landing.reject(take)
        takes.remove_take(context.scene, take.uid)
        if not any(scene.fleximo.takes for scene in bpy.data.scenes):
            shapes.remove_shapes()
        return f"{name} is off the list."


CLASSES = (FLEXIMO_OT_add_take, FLEXIMO_OT_duplicate_take, FLEXIMO_OT_remove_take)
