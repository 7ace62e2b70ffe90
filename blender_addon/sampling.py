"""What the armature does over a range of scene frames, as a Fleximo motion: the inverse of `armature.key_motion`.

Reads evaluated poses, so that hand edits, constraints, drivers and layers all count. Knows no take and no photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import bpy
import numpy as np

from fleximo import rotations as rot
from fleximo.errors import FleximoError
from fleximo.motion import Motion
from fleximo.rig import DEFAULT_RIG, Rig
from fleximo.timing import as_fps

from . import axes
from .armature import CONTACTS, bone_names, rest_heads, rest_quaternions

__all__ = ["MOST_FRAMES", "rig_of", "sample_motion", "scene_fps"]

MOST_FRAMES = 20_000
_SAME_M = 1e-5


def scene_fps(scene: Any) -> Fraction:
    """The scene's exact rate: Blender keeps 23.976 as 24 / 1.001."""
    return as_fps(scene.render.fps / scene.render.fps_base)


def rig_of(armature: Any) -> Rig:
    """The rig that the armature's rest pose shows; the default rig itself where it has not been changed."""
    names = bone_names(armature, DEFAULT_RIG)
    heads = axes.points_from_blender(rest_heads(armature, names)) * _uniform_scale(armature)
    offsets = heads - heads[np.maximum(DEFAULT_RIG.parents, 0)]
    if np.abs(offsets - DEFAULT_RIG.rest_offsets).max() < _SAME_M:
        return DEFAULT_RIG
    return DEFAULT_RIG.with_offsets(offsets)


def sample_motion(scene: Any, armature: Any, start: int, stop: int) -> Motion:
    """The motion of `armature` in the scene frames [start, stop), one frame each, at the scene's rate.

    The scene's current frame is as before afterwards. Raises `FleximoError` for an empty or too long range and for
    an armature that lacks bones.
    """
    if not 0 < stop - start <= MOST_FRAMES:
        raise FleximoError(
            f"The frames {start} to {stop - 1} are {max(0, stop - start)} frames; 1 to {MOST_FRAMES} were expected.",
            remedy="Set the take's first and last frame.",
        )
    rig = rig_of(armature)
    names = rig.joint_names
    order = [armature.pose.bones.find(name) for name in names]
    matrices = np.empty((stop - start, len(armature.pose.bones), 16), dtype=np.float32)
    worlds = np.empty((stop - start, 4, 4))
    contacts = np.zeros((stop - start, 2), dtype=bool)
    with _frame_kept(scene):
        for row, frame in enumerate(range(start, stop)):
            scene.frame_set(frame)
            posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
            posed.pose.bones.foreach_get("matrix", matrices[row].reshape(-1))
            worlds[row] = posed.matrix_world
            contacts[row] = [bool(posed.pose.bones[names[0]].get(contact, False)) for contact in CONTACTS]
    # Blender stores matrices by column.
    poses = matrices.reshape(len(matrices), -1, 4, 4)[:, order].swapaxes(2, 3).astype(np.float64)
    return _motion_from_poses(rig, poses, worlds, contacts, rest_quaternions(armature, names), scene_fps(scene))


def _motion_from_poses(rig: Rig, poses: Any, worlds: Any, contacts: Any, rests: Any, fps: Fraction) -> Motion:
    """`poses` (T,J,4,4) in the armature's axes, `worlds` (T,4,4) of the armature object, `rests` (J,4)."""
    turned = rot.multiply(_rotation(poses), rot.conjugate(rests))
    turned = axes.quaternions_from_blender(rot.multiply(_rotation(worlds)[:, None], turned))
    local = turned.copy()
    local[:, 1:] = rot.multiply(rot.conjugate(turned[:, rig.parents[1:]]), turned[:, 1:])
    root = (worlds @ poses[:, 0])[:, :3, 3]
    return Motion(rot.continuous(rot.normalise(local)), axes.points_from_blender(root), fps, contacts, rig)


def _rotation(matrices: Any) -> Any:
    """(...,4) wxyz of matrices (...,4,4), whatever their scale."""
    basis = matrices[..., :3, :3]
    return rot.from_matrix(basis / np.maximum(np.linalg.norm(basis, axis=-2, keepdims=True), 1e-9))


def _uniform_scale(armature: Any) -> float:
    scale = np.array(armature.matrix_world.to_scale())
    if scale.max() - scale.min() > 0.001 * abs(scale.max()) or scale.min() <= 0:
        raise FleximoError(
            f"The armature {armature.name} is scaled by {scale.round(3).tolist()}, not alike in all directions.",
            remedy="Apply its scale (Ctrl+A).",
        )
    # Blender keeps 1.0 only nearly where an object has been turned.
    return 1.0 if abs(scale.mean() - 1.0) < 1e-5 else float(scale.mean())


@contextmanager
def _frame_kept(scene: Any) -> Iterator[None]:
    current, subframe = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        scene.frame_set(current, subframe=subframe)
