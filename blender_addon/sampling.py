"""What the armature does over a range of scene frames, as a Fleximo motion: the inverse of `armature.key_motion`.

Reads evaluated poses, so that hand edits, constraints, drivers and layers all count. Knows no take and no photo.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import bpy
import numpy as np

from fleximo import rotations as rot
from fleximo.errors import FleximoError
from fleximo.formats.clips import grounded
from fleximo.motion import Motion
from fleximo.rig import DEFAULT_RIG, Rig
from fleximo.timing import as_fps

from . import axes, foreign_rig
from .armature import CONTACTS, bone_names, rest_heads, rest_quaternions

__all__ = ["MOST_FRAMES", "pose_now", "rig_of", "sample_motion", "sampling_steps", "scene_fps"]

MOST_FRAMES = 20_000
_FRAMES_A_STEP = 8
_SAME_M = 1e-5


def scene_fps(scene: Any) -> Fraction:
    """The scene's exact rate: Blender keeps 23.976 as 24 / 1.001."""
    return as_fps(scene.render.fps / scene.render.fps_base)


def rig_of(armature: Any) -> Rig:
    """The rig that the armature's rest pose shows; the default rig itself where it has not been changed.

    A character of the user's has it by its mapping (`foreign_rig`).
    """
    if foreign_rig.is_mapped(armature):
        return foreign_rig.bridge_of(armature).rig
    names = bone_names(armature, DEFAULT_RIG)
    heads = axes.points_from_blender(rest_heads(armature, names)) * foreign_rig.uniform_scale(armature)
    offsets = heads - heads[np.maximum(DEFAULT_RIG.parents, 0)]
    if np.abs(offsets - DEFAULT_RIG.rest_offsets).max() < _SAME_M:
        return DEFAULT_RIG
    return DEFAULT_RIG.with_offsets(offsets)


def sample_motion(scene: Any, armature: Any, start: int, stop: int) -> Motion:
    """The motion of `armature` in the scene frames [start, stop), one frame each, at the scene's rate.

    The scene's current frame is as before afterwards. Raises `FleximoError` for an empty or too long range and for
    an armature that lacks bones.
    """
    steps = sampling_steps(lambda: (scene, armature), start, stop)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            motion: Motion = end.value
            return motion


def sampling_steps(look_up: Callable[[], tuple[Any, Any]], start: int, stop: int) -> Generator[float, None, Motion]:
    """`sample_motion` a few frames at a time; yields how much is done, 0..1.

    `look_up` gives (scene, armature) at every step, because undo and file loading replace both.
    """
    if not 0 < stop - start <= MOST_FRAMES:
        raise FleximoError(
            f"The frames {start} to {stop - 1} are {max(0, stop - start)} frames; 1 to {MOST_FRAMES} were expected.",
            remedy="Set the take's first and last frame.",
        )
    scene, armature = look_up()
    reader, fps = _reader_of(armature), scene_fps(scene)
    frames: list[_Frame] = []
    for first in range(start, stop, _FRAMES_A_STEP):
        scene, armature = look_up()
        with _frame_kept(scene):
            for frame in range(first, min(first + _FRAMES_A_STEP, stop)):
                scene.frame_set(frame)
                frames.append(_read(scene, armature, reader.names))
        yield len(frames) / (stop - start)
    return reader.motion(frames, fps)


def pose_now(scene: Any, armature: Any) -> Motion:
    """What the armature shows at this moment, keyed or not, as a motion of one frame."""
    reader = _reader_of(armature)
    return reader.motion([_read(scene, armature, reader.names)], scene_fps(scene))


@dataclass(frozen=True)
class _Frame:
    poses: Any  # (J,4,4) of the bones that are read, in the armature's axes
    world: Any  # (4,4) of the armature object
    contacts: list[bool]


def _read(scene: Any, armature: Any, names: tuple[str, ...]) -> _Frame:
    """The evaluated pose of the bones called `names`, the root's first, at the scene's current frame."""
    # The user may look at another scene meanwhile, whose graph does not know the armature.
    seen = bpy.context.scene == scene
    posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get() if seen else scene.view_layers[0].depsgraph)
    bones = posed.pose.bones
    matrices = np.empty((len(bones), 4, 4), dtype=np.float32)
    bones.foreach_get("matrix", matrices.reshape(-1))
    order = [bones.find(name) for name in names]
    contacts = [bool(bones[names[0]].get(contact, False)) for contact in CONTACTS]
    # Blender stores matrices by column.
    return _Frame(matrices[order].swapaxes(1, 2).astype(np.float64), np.array(posed.matrix_world), contacts)


class _Own:
    """Reads an armature that has the default rig's bones."""

    def __init__(self, armature: Any) -> None:
        self.rig = rig_of(armature)
        self.names = self.rig.joint_names
        self.rests = rest_quaternions(armature, self.names)

    def motion(self, frames: list[_Frame], fps: Fraction) -> Motion:
        poses, worlds = np.stack([frame.poses for frame in frames]), np.stack([frame.world for frame in frames])
        turned = rot.multiply(_rotation(poses), rot.conjugate(self.rests))
        turned = axes.quaternions_from_blender(rot.multiply(_rotation(worlds)[:, None], turned))
        local = turned.copy()
        local[:, 1:] = rot.multiply(rot.conjugate(turned[:, self.rig.parents[1:]]), turned[:, 1:])
        root = axes.points_from_blender((worlds @ poses[:, 0])[:, :3, 3])
        contacts = np.array([frame.contacts for frame in frames])
        return Motion(rot.continuous(rot.normalise(local)), root, fps, contacts, self.rig)


class _Foreign:
    """Reads a character of the user's through its mapping; how its toes touch the floor tells the contacts."""

    def __init__(self, armature: Any) -> None:
        self.bridge = foreign_rig.bridge_of(armature)
        mapped = foreign_rig.bones_of(armature)
        self.names = tuple(mapped[joint] for joint in self.bridge.joints)
        self.rests = rest_quaternions(armature, self.names)
        self.stood = _rotation(np.array(armature.matrix_world))  # how the object lay when the rest pose was measured

    def motion(self, frames: list[_Frame], fps: Fraction) -> Motion:
        poses, worlds = np.stack([frame.poses for frame in frames]), np.stack([frame.world for frame in frames])
        turned = rot.multiply(_rotation(poses), rot.conjugate(self.rests))
        turned = rot.multiply(rot.multiply(_rotation(worlds)[:, None], turned), rot.conjugate(self.stood))
        turned = axes.quaternions_from_blender(turned)
        turns = {joint: turned[:, n] for n, joint in enumerate(self.bridge.joints)}
        root = axes.points_from_blender((worlds @ poses[:, 0])[:, :3, 3])
        motion = self.bridge.motion(turns, root, fps, np.zeros((len(frames), 2), dtype=bool))
        return grounded(motion, shift=False) if len(frames) > 1 else motion


def _reader_of(armature: Any) -> _Own | _Foreign:
    return _Foreign(armature) if foreign_rig.is_mapped(armature) else _Own(armature)


def _rotation(matrices: Any) -> Any:
    """(...,4) wxyz of matrices (...,4,4), whatever their scale."""
    basis = matrices[..., :3, :3]
    return rot.from_matrix(basis / np.maximum(np.linalg.norm(basis, axis=-2, keepdims=True), 1e-9))


@contextmanager
def _frame_kept(scene: Any) -> Iterator[None]:
    current, subframe = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        scene.frame_set(current, subframe=subframe)
