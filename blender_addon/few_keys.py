"""The base with few Bezier keys in the place of one per frame: its keys read, and the reduced ones written.

The mathematics is `fleximo.key_reduction`'s. Knows no takes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from fractions import Fraction
from typing import Any

import bpy
import numpy as np

from fleximo import rotations as rot
from fleximo.key_reduction import Keys, ReducedKeys
from fleximo.motion import Motion

from . import axes, compat, edit_layer, sampling
from .armature import CONTACTS, action_called, bone_names, rest_heads, rest_quaternions

__all__ = ["reading_steps", "writing_steps"]


def reading_steps(look_up: Callable[[], Any], base: str, fps: Fraction) -> Generator[float, None, tuple[Motion, int]]:
    """What the action called `base` alone does, frame by frame, and its first frame; yields how much is done, 0..1."""
    rig = sampling.rig_of(look_up())
    names = bone_names(look_up(), rig)
    rests, head = rest_quaternions(look_up(), names), rest_heads(look_up(), names[:1])
    first, last = (round(end) for end in action_called(base).frame_range)
    frames = range(first, last + 1)
    rotations = np.empty((len(frames), len(names), 4))
    for joint, name in enumerate(names):
        basis = np.stack(
            [_values(base, edit_layer.turn_path(name), n, frames, float(n == 0)) for n in range(4)], axis=1
        )
        turned = rot.multiply(rot.multiply(rests[joint], rot.normalise(basis)), rot.conjugate(rests[joint]))
        rotations[:, joint] = axes.quaternions_from_blender(turned)
        yield (joint + 1) / len(names)
    root = f'pose.bones["{names[0]}"]'
    moved = np.stack([_values(base, f"{root}.location", n, frames, 0.0) for n in range(3)], axis=1)
    contacts = np.stack([_values(base, f'{root}["{name}"]', 0, frames, 0.0) for name in CONTACTS], axis=1) > 0.5
    places = axes.points_from_blender(rot.rotate(rests[0], moved) + head)
    return Motion(rot.continuous(rotations), places, fps, contacts, rig), first


def _values(action: str, path: str, index: int, frames: range, default: float) -> Any:
    curve = compat.channels_in(action_called(action)).fcurves.find(path, index=index)
    return np.array([curve.evaluate(frame) if curve is not None else default for frame in frames])


def writing_steps(
    look_up: Callable[[], Any], base: str, reduced: ReducedKeys, first: int
) -> Generator[float, None, tuple[str, int, int]]:
    """A copy of the action called `base` with the reduced keys, a bone at a time; (its name, keys before, keys now).

    Steps that are stopped leave nothing behind.
    """
    names = bone_names(look_up(), sampling.rig_of(look_up()))
    rests, head = rest_quaternions(look_up(), names), rest_heads(look_up(), names[:1])
    copy = action_called(base).copy()
    own, before, done = copy.name, _count(copy), False
    try:
        for joint, (name, keys) in enumerate(zip(names, reduced.joints)):
            values, slopes = (
                rot.multiply(
                    rot.multiply(rot.conjugate(rests[joint]), axes.quaternions_to_blender(numbers)), rests[joint]
                )
                for numbers in (keys.values, keys.slopes)
            )
            _write(own, edit_layer.turn_path(name), Keys(keys.frames + first, values, slopes))
            yield (joint + 1) / len(names)
        back = rot.conjugate(rests[0])
        places = rot.rotate(back, axes.points_to_blender(reduced.root.values) - head)
        ways = rot.rotate(back, axes.points_to_blender(reduced.root.slopes))
        root = f'pose.bones["{names[0]}"]'
        _write(own, f"{root}.location", Keys(reduced.root.frames + first, places, ways))
        for contact in CONTACTS:
            _drop_repeats(own, f'{root}["{contact}"]')
        done = True
    finally:
        if not done and own in bpy.data.actions:
            bpy.data.actions.remove(bpy.data.actions[own])
    return own, before, _count(action_called(own))


def _count(action: Any) -> int:
    return sum(len(curve.keyframe_points) for curve in edit_layer.pose_curves(action))


def _write(action: str, path: str, keys: Keys) -> None:
    curves = compat.channels_in(action_called(action)).fcurves
    for index in range(keys.values.shape[1]):
        curve = curves.find(path, index=index)
        if curve is not None:
            compat.write_keys(curve, compat.bezier_keys(keys.frames, keys.values[:, index], keys.slopes[:, index]))


def _drop_repeats(action: str, path: str) -> None:
    """Of constant keys those stay that change something, and the last, which tells the length."""
    curve = compat.channels_in(action_called(action)).fcurves.find(path)
    if curve is None:
        return
    keys = compat.read_keys(curve)
    values = keys["co"][:, 1]
    kept = np.append(True, values[1:] != values[:-1])
    kept[-1] = True
    compat.write_keys(curve, {name: entries[kept] for name, entries in keys.items()})
