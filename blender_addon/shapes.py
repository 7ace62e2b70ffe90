"""The shapes by which the bones of a take's armature are taken hold of: outlines around the body, one colour per side.

One mesh object per outline serves all armatures; they lie in a collection that is never shown. What the outlines look
like is `fleximo.body`'s. Knows no takes.
"""

from __future__ import annotations

import math
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from fleximo.body import fitted_body, mannequin
from fleximo.body.controls import OUTLINES, clasp
from fleximo.rig import DEFAULT_RIG, FINGERS, SIDES, Rig

from . import axes
from .limb_ik import LIMBS, control_of, has_controls, pole_of

__all__ = ["FINGER_COLLECTIONS", "collect", "dress", "is_dressed", "remove_shapes", "remove_unused", "show_fingers"]

_COLLECTION = "Fleximo Shapes"
_PREFIX = "fleximo_shape_"
_WIRE = 2.0  # px
_FINE_WIRE = 1.5  # of fingers
# Normal, selected, active.
_COLOURS = {
    "left": ((0.25, 0.58, 1.0), (0.55, 0.82, 1.0), (0.80, 0.94, 1.0)),
    "right": ((1.0, 0.33, 0.28), (1.0, 0.62, 0.55), (1.0, 0.86, 0.82)),
    "": ((1.0, 0.76, 0.22), (1.0, 0.88, 0.50), (1.0, 0.96, 0.78)),
}
# Joint -> its outline, where along the bone it lies, and how much of the bone tells its width.
_BODY = {
    "spine1": ("ring", 0.35, 0.20),
    "spine2": ("ring", 0.40, 0.30),
    "spine3": ("ring", 0.30, 0.20),
    "neck": ("ring", 0.45, 0.25),
    "head": ("ring", 0.80, 0.25),
}
_LIMB = {
    "shoulder": ("ring", 0.42, 0.08),
    "elbow": ("ring", 0.42, 0.08),
    "wrist": ("square", 0.55, 0.20),
    "hip": ("ring", 0.42, 0.10),
    "knee": ("ring", 0.42, 0.10),
    "ankle": ("ring", 0.60, 0.25),
    "foot": ("ring", 0.50, 0.30),
}
_FINGER = ("ring", 0.55, 0.15)
_POLE_M = 0.028
_UPRIGHT = Quaternion((1.0, 0.0, 0.0), math.pi / 2.0)  # an outline's y points up, its z to the front
FINGER_COLLECTIONS = ("Left hand", "Right hand")
_COLLECTIONS = (
    "Body",
    *(f"{side.capitalize()} {limb}" for limb in ("arm", "leg") for side in SIDES),
    *FINGER_COLLECTIONS,
)
_ARM, _LEG = ("collar", "shoulder", "elbow", "wrist"), ("hip", "knee", "ankle", "foot")


def is_dressed(armature: Any) -> bool:
    """Whether the armature's bones have our shapes."""
    root = armature.pose.bones.get(DEFAULT_RIG.joint_names[0])
    return root is not None and root.custom_shape is not None


def collect(armature: Any) -> None:
    """Sorts the rig's bones into collections: body, arms, legs and hands; fingers are hidden until they are posed."""
    collections = armature.data.collections
    hidden = [title for title in FINGER_COLLECTIONS if title not in collections]
    for title in _COLLECTIONS:
        if title not in collections:
            collections.new(title)
    for title in hidden:
        collections[title].is_visible = False
    for name in DEFAULT_RIG.joint_names:
        bone, own = armature.data.bones[name], _collection_of(name)
        for title in _COLLECTIONS:
            if title != own:
                collections[title].unassign(bone)
        collections[own].assign(bone)


def show_fingers(armature: Any, sides: tuple[str, ...]) -> None:
    """Shows the fingers of these hands, which are about to be posed."""
    for side in sides:
        collection = armature.data.collections.get(f"{side.capitalize()} hand")
        if collection is not None:
            collection.is_visible = True


def _collection_of(name: str) -> str:
    side, _, joint = name.partition("_")
    if side not in SIDES:
        return "Body"
    part = "arm" if joint in _ARM else "leg" if joint in _LEG else "hand"
    return f"{side.capitalize()} {part}"


def dress(armature: Any, rig: Rig) -> None:
    """Gives the armature's bones, and its IK controls where it has them, shapes around a body of its size, and colours.

    `rig`: the version of the default rig whose bones the armature has.
    """
    tailor = _Tailor(armature, rig)
    for name in rig.joint_names:
        tailor.dress_bone(name)
    if has_controls(armature):
        for limb in LIMBS:
            tailor.dress_control(limb)
            tailor.dress_pole(limb)


def remove_unused() -> None:
    """Takes the outlines out of the file where no armature has them any more."""
    if not any(each.type == "ARMATURE" and is_dressed(each) for each in bpy.data.objects):
        remove_shapes()


def remove_shapes() -> None:
    """Takes the outlines out of the file; bones that had them are drawn as bones again."""
    for armature in bpy.data.objects:
        if armature.type == "ARMATURE":
            for bone in armature.pose.bones:
                if bone.custom_shape is not None and bone.custom_shape.name.startswith(_PREFIX):
                    bone.custom_shape = None
    for mesh in [each for each in bpy.data.meshes if each.name.startswith(_PREFIX)]:
        bpy.data.meshes.remove(mesh)  # its object goes with it
    if _COLLECTION in bpy.data.collections:
        bpy.data.collections.remove(bpy.data.collections[_COLLECTION])


class _Tailor:
    """Measures the body around an armature's bones and lays outlines around it."""

    def __init__(self, armature: Any, rig: Rig) -> None:
        self._armature = armature
        body = fitted_body(mannequin(), rig)
        root = np.array(armature.data.bones[rig.joint_names[0]].head_local)
        self._places = axes.points_to_blender(body.vertices) + root
        self._weights = body.weights
        self._size = float(np.ptp(body.vertices[:, 1])) / float(np.ptp(mannequin().vertices[:, 1]))

    def dress_bone(self, name: str) -> None:
        """One of the rig's own bones."""
        side, _, joint = name.partition("_")
        joint, bone = joint or name, self._armature.data.bones[name]
        fine = name[:-1].endswith(FINGERS)
        if name == "pelvis":
            low, high = _extent(self._around([name]))
            half = (high - low) / 2.0
            size = Vector((1.15 * half[0] + 0.01, 0.55 * half[2], 1.2 * half[1] + 0.01))
            self._put(name, "box", Matrix.LocRotScale(Vector((low + high) / 2.0), _UPRIGHT, size))
        elif joint == "collar":
            self._put(name, "chevron", self._over_collar(bone, side))
        else:
            outline, at, width = _BODY.get(name) or _LIMB.get(joint) or _FINGER
            centre, half = clasp(self._around([name], bone), at * bone.length, width * bone.length)
            size = Vector((half[0], max(half[0], half[2]), half[2]))  # it has no thickness along the bone
            placed = Matrix.LocRotScale(Vector((centre[0], at * bone.length, centre[2])), None, size)
            self._put(name, outline, bone.matrix_local @ placed, fine=fine)

    def dress_control(self, limb: str) -> None:
        """The control at a limb's end: a box around the hand, the outline of the shoe under the foot."""
        end = LIMBS[limb][2]
        side = end.partition("_")[0]
        if limb.endswith("leg"):
            low, high = _extent(self._around([end, f"{side}_foot"]))
            middle, half = (low + high) / 2.0, (high - low) / 2.0 * 1.2
            size = Vector((1.25 * half[0], half[1], half[1]))
            under = Vector((middle[0], middle[1], low[2]))
            self._put(control_of(limb), "sole", Matrix.LocRotScale(under, _UPRIGHT, size))
        else:
            bone = self._armature.data.bones[control_of(limb)]
            low, high = _extent(self._around([end], bone))
            middle, half = (low + high) / 2.0, (high - low) / 2.0 * 1.15 + 0.012
            placed = Matrix.LocRotScale(Vector(middle), None, Vector(half))
            self._put(control_of(limb), "box", bone.matrix_local @ placed)

    def dress_pole(self, limb: str) -> None:
        """What a limb's middle points to."""
        bone = self._armature.data.bones[pole_of(limb)]
        size = Vector((_POLE_M * self._size,) * 3)
        self._put(pole_of(limb), "diamond", Matrix.LocRotScale(bone.head_local, None, size))

    def _around(self, names: list[str], bone: Any = None) -> Any:
        """(N,3) m the vertices that these joints move most, seen from the bone; None: in the armature's axes."""
        mine = self._weights[:, [DEFAULT_RIG.index(name) for name in names]].sum(axis=1) > 0.5
        places = self._places[mine]
        if bone is None:
            return places
        rest = np.array(bone.matrix_local)
        return (places - rest[:3, 3]) @ rest[:3, :3]

    def _over_collar(self, bone: Any, side: str) -> Matrix:
        """Above the shoulder, lying flat, pointing outwards."""
        top = self._places[:, 2][np.abs(self._places[:, 0] - bone.tail_local.x) < 0.03].max()
        outwards = Matrix.Rotation(-np.pi / 2.0 if side == "left" else np.pi / 2.0, 4, "Z")
        at = 0.35 * bone.head_local + 0.65 * bone.tail_local
        size = 0.042 * self._size
        return Matrix.Translation((at.x, at.y, top + 0.03 * self._size)) @ outwards @ Matrix.Scale(size, 4)

    def _put(self, name: str, outline: str, placed: Matrix, *, fine: bool = False) -> None:
        """Gives the bone an outline that lies as `placed` in the armature's axes, and its side's colours."""
        bone = self._armature.pose.bones[name]
        bone.custom_shape = _holder(outline)
        location, turn, scale = (bone.bone.matrix_local.inverted() @ placed).decompose()
        bone.use_custom_shape_bone_size = False
        bone.custom_shape_translation, bone.custom_shape_scale_xyz = location, scale
        bone.custom_shape_rotation_euler = turn.to_euler()
        bone.custom_shape_wire_width = _FINE_WIRE if fine else _WIRE
        side = name.partition("_")[0]
        bone.bone.color.palette = "CUSTOM"
        own = bone.bone.color.custom
        own.normal, own.select, own.active = _COLOURS[side if side in SIDES else ""]


def _extent(places: Any) -> tuple[Any, Any]:
    return places.min(axis=0), places.max(axis=0)


def _holder(outline: str) -> Any:
    """The object that holds an outline, made where the file has none."""
    name = f"{_PREFIX}{outline}"
    holder = bpy.data.objects.get(name)
    if holder is None:
        lines = OUTLINES[outline]
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(lines.points.tolist(), lines.edges.tolist(), [])
        holder = bpy.data.objects.new(name, mesh)
        _hidden_collection().objects.link(holder)
    return holder


def _hidden_collection() -> Any:
    collection = bpy.data.collections.get(_COLLECTION)
    if collection is None:
        collection = bpy.data.collections.new(_COLLECTION)
        collection.hide_viewport = collection.hide_render = True
        bpy.context.scene.collection.children.link(collection)
    return collection
