"""The user's own characters: which bone of an armature is which joint, kept on the armature, and how its pose reads.

The mapping belongs to the armature object, so that every take, and another file into which the character is linked,
has it. Matching and rest poses are `fleximo.rigs`'s.
"""

# mypy: disable-error-code="valid-type"

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import bpy
import numpy as np

from fleximo.errors import FleximoError
from fleximo.rig import DEFAULT_RIG
from fleximo.rigs import Bridge, Match, Skeleton

from . import axes
from .armature import CONTACTS
from .takes import forget_fit

__all__ = [
    "CLASSES",
    "attach",
    "bones_of",
    "bridge_of",
    "controls_of",
    "detach",
    "is_mapped",
    "is_ours",
    "show_match",
    "skeleton_of",
    "uniform_scale",
]


class FLEXIMO_PG_mapped(bpy.types.PropertyGroup):
    """One joint (its `name`) and the bone of the character that carries it."""

    bone: bpy.props.StringProperty(
        name="Bone",
        description="The bone that shows how this joint turns; empty: none",
        update=lambda row, _context: _measure_anew(row.id_data),
    )
    control: bpy.props.StringProperty(
        name="Control", description="The bone that takes the keys instead, in a control rig; empty: the bone itself"
    )
    guessed: bpy.props.BoolProperty(description="Told by the shape of the skeleton alone: worth a look")


def _measure_anew(armature: Any) -> None:
    """Another bone, another body: how its motion is laid on a photo has to be measured again."""
    for scene in bpy.data.scenes:
        for take in scene.fleximo.takes:
            if take.armature == armature:
                forget_fit(take)


class FLEXIMO_PG_rig(bpy.types.PropertyGroup):
    """Which bone of a character is which joint."""

    family: bpy.props.StringProperty(name="Kind", description="The program whose names the bones have")
    joints: bpy.props.CollectionProperty(type=FLEXIMO_PG_mapped, name="Joints", description="Joint by joint")
    joint: bpy.props.IntProperty(name="Active joint", description="The joint whose bones are shown", min=0)
    mover: bpy.props.StringProperty(
        name="Mover", description="The control that carries the whole body; empty: the pelvis"
    )


CLASSES = (FLEXIMO_PG_mapped, FLEXIMO_PG_rig)


def attach() -> None:
    """Hangs the mapping on objects."""
    bpy.types.Object.fleximo_rig = bpy.props.PointerProperty(type=FLEXIMO_PG_rig)


def detach() -> None:
    """Takes off what `attach` hung on, if it is there."""
    if hasattr(bpy.types.Object, "fleximo_rig"):
        del bpy.types.Object.fleximo_rig


def is_ours(armature: Any) -> bool:
    """Whether Generate Motion made the armature: it needs no mapping."""
    root = armature.pose.bones.get(DEFAULT_RIG.joint_names[0])
    return root is not None and all(contact in root for contact in CONTACTS)


def is_mapped(armature: Any) -> bool:
    """Whether the armature is a character of the user's, with a mapping."""
    return len(armature.fleximo_rig.joints) > 0


def show_match(armature: Any, match: Match) -> None:
    """Keeps `match` on the armature: a row per joint, also for joints that have no bone, to be chosen by hand."""
    state = armature.fleximo_rig
    state.family, state.mover = match.family, match.mover
    state.joints.clear()
    for joint in DEFAULT_RIG.joint_names:
        row = state.joints.add()
        row.name, row.bone = joint, match.bones.get(joint, "")
        row.control, row.guessed = match.controls.get(joint, ""), joint in match.by_structure


def bones_of(armature: Any) -> dict[str, str]:
    """The bone of each joint that has one.

    Raises `FleximoError` for a bone that the armature lacks or that is chosen twice.
    """
    found = {row.name: row.bone for row in armature.fleximo_rig.joints if row.bone}
    _check(armature, found)
    return found


def controls_of(armature: Any) -> dict[str, str]:
    """The bone that takes the keys of each joint that has a bone; raises `FleximoError` as `bones_of` does."""
    found = {row.name: row.control or row.bone for row in armature.fleximo_rig.joints if row.bone}
    _check(armature, found)
    return found


def _check(armature: Any, found: Mapping[str, str]) -> None:
    """Every bone is there, and is one joint's only."""
    missing = [bone for bone in found.values() if bone not in armature.data.bones]
    if missing:
        raise FleximoError(
            f"The armature {armature.name} has no bone called {missing[0]!r}.",
            code="unknown_rig",
            remedy="Choose another one in the list, or press Map Rig.",
        )
    if len(set(found.values())) < len(found):
        twice = [bone for bone in found.values() if list(found.values()).count(bone) > 1]
        raise FleximoError(
            f"The bone {twice[0]} is chosen for {' and '.join(j for j, bone in found.items() if bone == twice[0])}.",
            code="unknown_rig",
            remedy="Choose one bone for each joint.",
        )


def skeleton_of(armature: Any) -> Skeleton:
    """All bones at rest, where the object stands, in our axes."""
    bones = armature.data.bones
    places = {}
    for end in ("head_local", "tail_local"):
        local = np.empty(3 * len(bones), dtype=np.float32)
        bones.foreach_get(end, local)
        places[end] = _in_world(armature, local.reshape(-1, 3))
    number = {bone.name: n for n, bone in enumerate(bones)}
    parents = [number[bone.parent.name] if bone.parent else -1 for bone in bones]
    return Skeleton(
        tuple(number), np.array(parents), places["head_local"], places["tail_local"],
        np.array([bone.use_deform for bone in bones]),
    )  # fmt: skip


def _in_world(armature: Any, points: Any) -> Any:
    """Points (N,3) of the armature's space in our axes."""
    world = np.array(armature.matrix_world)
    return axes.points_from_blender(points.astype(np.float64) @ world[:3, :3].T + world[:3, 3])


def bridge_of(armature: Any) -> Bridge:
    """The way between the default rig and the armature as its object stands now.

    Raises `FleximoError` where a needed joint has no bone, or the object is squeezed.
    """
    uniform_scale(armature)
    mapped = bones_of(armature)
    heads = np.array([armature.data.bones[bone].head_local for bone in mapped.values()]).reshape(-1, 3)
    return _bridge(tuple(mapped), _in_world(armature, heads).tobytes())


def uniform_scale(armature: Any) -> float:
    """By how much the object scales its bones; raises `FleximoError` where not alike in all directions."""
    scale = np.array(armature.matrix_world.to_scale())
    if scale.max() - scale.min() > 0.001 * abs(scale.max()) or scale.min() <= 0:
        raise FleximoError(
            f"The armature {armature.name} is scaled by {scale.round(3).tolist()}, not alike in all directions.",
            remedy="Apply its scale (Ctrl+A).",
        )
    # Blender keeps 1.0 only nearly where an object has been turned.
    return 1.0 if abs(scale.mean() - 1.0) < 1e-5 else float(scale.mean())


@lru_cache(maxsize=16)
def _bridge(joints: tuple[str, ...], places: bytes) -> Bridge:
    """Made once per rest pose: the overlay asks at every redraw."""
    rest: Mapping[str, Any] = dict(zip(joints, np.frombuffer(places).reshape(-1, 3)))
    return Bridge(rest)
