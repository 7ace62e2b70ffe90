"""A motion that was sampled and changed comes back as keys by hand: the bones that changed, in the frames that did."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from mathutils import Matrix, Quaternion, Vector

from fleximo import rotations as rot
from fleximo.motion import Motion

from . import axes, edit_layer
from .armature import bone_names, rest_heads, rest_quaternions

__all__ = ["keying_steps"]

_SAME_RAD, _SAME_M = 1e-4, 1e-5


def keying_steps(
    look_up: Callable[[], tuple[Any, Any]], before: Motion, after: Motion, start: int
) -> Generator[float, None, int]:
    """Keys by hand that make of `before`, sampled from the scene frame `start` on, the motion `after`.

    From the frame before the first change to the one behind the last; yields how much is done, returns how many
    frames are keyed. `look_up` gives (scene, armature) at every step.
    """
    scene, armature = look_up()
    current = scene.frame_current
    names = bone_names(armature, after.rig)
    rests, head = rest_quaternions(armature, names), rest_heads(armature, names[:1])[0]
    turned = rot.angle_between(before.rotations, after.rotations) > _SAME_RAD
    moved = np.abs(before.root - after.root).max(axis=1) > _SAME_M
    changed = np.flatnonzero(turned.any(axis=1) | moved)
    if not len(changed):
        return 0
    frames = range(max(0, int(changed[0]) - 1), min(len(after), int(changed[-1]) + 2))
    joints = np.flatnonzero(turned.any(axis=0)).tolist()
    edit_layer.seal(armature, names)
    try:
        for number, frame in enumerate(frames):
            scene, armature = look_up()
            scene.frame_set(start + frame)
            world = armature.matrix_world.copy()
            for joint in joints:
                turn = axes.quaternions_to_blender(after.rotations[frame, joint].astype(np.float64))
                if joint == 0:
                    turn = np.array(world.to_quaternion().inverted() @ Quaternion(turn))
                basis = rot.multiply(rot.multiply(rot.conjugate(rests[joint]), turn), rests[joint])
                edit_layer.key_turn(armature, armature.pose.bones[names[joint]], Quaternion(basis), start + frame)
            if moved.any():
                place = _place(after, frame, world)
                root = armature.pose.bones[names[0]]
                root.location = Quaternion(rests[0]).inverted() @ (place - Vector(head))
                root.keyframe_insert("location", frame=start + frame, group=root.name)
            yield (number + 1) / len(frames)
    finally:
        look_up()[0].frame_set(current)
    return len(frames)


def _place(motion: Motion, frame: int, world: Matrix) -> Vector:
    """Where the root is in the armature's own axes."""
    return world.inverted() @ Vector(axes.points_to_blender(motion.root[frame].astype(np.float64)))
