"""The light body around a take's armature: a mesh that follows the bones in the viewport and is never rendered.

The mannequin of our own, or the template of a body model that the user has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from fleximo.body import SkinnedBody, fitted_body, mannequin
from fleximo.errors import FleximoError
from fleximo.files import read_bytes
from fleximo.rig import DEFAULT_RIG, Rig

from . import axes, foreign_rig, sampling, shapes, takes

__all__ = ["body_of", "can_have_body", "close_bodies", "is_lost", "open_bodies", "remove_body", "show_body"]

_MARK = "fleximo_body"  # custom property of the mesh object: what it was made of
_COLOUR = (0.60, 0.58, 0.56, 1.0)


_undo: list[Callable[[], None]] = []


def open_bodies() -> None:
    """Begins to show the active take's body, and to hide those of the others."""
    _undo.append(takes.on_shown(_follow))


def close_bodies() -> None:
    """Undoes `open_bodies`."""
    while _undo:
        _undo.pop()()


def _follow(scene: Any) -> None:
    active = takes.active_take(scene)
    for take in scene.fleximo.takes:
        if take.armature is not None:
            shown = active is not None and take.armature == active.armature and active.show_body
            show_body(take.armature, shown, scene.fleximo.body_file)


def can_have_body(armature: Any) -> bool:
    """Whether the armature has the default rig's bones; a character of the user's has a body of its own."""
    return not foreign_rig.is_mapped(armature) and all(name in armature.data.bones for name in DEFAULT_RIG.joint_names)


def body_of(armature: Any) -> Any:
    """The mesh object that is the armature's body, None where it has none."""
    return next((each for each in armature.children if _MARK in each), None)


def is_lost(file: str) -> bool:
    """Whether the body in `file` is gone, so that new bodies are the mannequin's."""
    return bool(file) and not Path(file).is_file()


def show_body(armature: Any, shown: bool, file: str = "") -> None:
    """Shows or hides the armature's body; made, or made anew, where it is to be seen and its bones tell another one.

    `file`: as `SkinnedBody.to_bytes` wrote it; empty: the mannequin, which also stands in for a file that is gone. An
    armature of an earlier version gets its shapes here.
    """
    body = body_of(armature)
    if shown and can_have_body(armature):
        rig = sampling.rig_of(armature)
        if not shapes.is_dressed(armature):
            shapes.collect(armature)
            shapes.dress(armature, rig)
        made_of = _made_of(rig, file)
        if body is None or body[_MARK] != made_of:
            remove_body(armature)
            body = _make(armature, fitted_body(_template(file), rig))
            body[_MARK] = made_of
    if body is not None and body.name in bpy.context.view_layer.objects:
        body.hide_set(not shown)


def remove_body(armature: Any) -> None:
    """Takes the armature's body out of the file."""
    body = body_of(armature)
    if body is not None:
        mesh = body.data
        bpy.data.objects.remove(body)
        bpy.data.meshes.remove(mesh)


def _made_of(rig: Rig, file: str) -> str:
    lengths = np.round(1e4 * rig.rest_offsets).astype(np.int64)
    return f"{Path(file).stem} {hashlib.sha256(lengths.tobytes()).hexdigest()[:16]}"


def _template(file: str) -> SkinnedBody:
    if file:
        try:
            return _loaded(file)
        except FleximoError:
            pass  # it is gone: the panel says so
    return mannequin()


@cache
def _loaded(file: str) -> SkinnedBody:
    return SkinnedBody.from_bytes(read_bytes(Path(file)))


def _make(armature: Any, body: SkinnedBody) -> Any:
    """A mesh object with the body's surface, moved by the armature; in its collections, neither rendered nor picked."""
    mesh = bpy.data.meshes.new(f"{armature.name} body")
    root = np.array(armature.data.bones[DEFAULT_RIG.joint_names[0]].head_local)
    places = axes.points_to_blender(body.vertices - body.joints[0]) + root
    mesh.from_pydata(places.tolist(), [], body.faces.tolist())
    mesh.shade_smooth()
    mesh.materials.append(_material())
    made = bpy.data.objects.new(mesh.name, mesh)
    for joint, name in enumerate(DEFAULT_RIG.joint_names):
        group = made.vertex_groups.new(name=name)
        weights = body.weights[:, joint]
        # Vertices of equal weight at once: rings of the mannequin have the same.
        for weight in np.unique(weights[weights > 0.0]):
            group.add(np.flatnonzero(weights == weight).tolist(), float(weight), "REPLACE")
    for collection in armature.users_collection:
        collection.objects.link(made)
    made.parent = armature
    follow = made.modifiers.new("Armature", "ARMATURE")
    follow.object, follow.use_deform_preserve_volume = armature, True
    made.hide_render = made.hide_select = True
    return made


def _material() -> Any:
    name = "Fleximo Body"
    material = bpy.data.materials.get(name)
    if material is None:
        material = bpy.data.materials.new(name)
        material.diffuse_color, material.roughness = _COLOUR, 0.6
    return material
