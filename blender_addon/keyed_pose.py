"""The pose of a take's armature at other frames than the current one, told by its keys alone.

Time stands still meanwhile: nothing is evaluated by Blender, and what is posed but not yet keyed stays as it is.
Knows the two layers of keys and the IK of the limbs; other constraints and layers do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleximo import rotations as rot
from fleximo.kinematics import two_bone_ik
from fleximo.rig import Rig

from . import axes, compat, edit_layer, limb_ik, sampling
from .armature import rest_heads, rest_quaternions

__all__ = ["Poses", "hand_keys", "keyed_poses", "played"]


@dataclass(frozen=True)
class Poses:
    """Poses of the rig's joints in our axes, seen from the armature object."""

    turns: Any  # (T,52,4) how each joint is turned since the rest pose
    places: Any  # (T,52,3) m


def played(armature: Any) -> tuple[Any, ...]:
    """What the armature plays: equal as long as its layers are the same ones in the same place."""
    binding = armature.animation_data
    if binding is None:
        return ()
    strips = [
        (track.name, track.mute, strip.action.name if strip.action else "", strip.frame_start, strip.action_frame_start)
        for track in binding.nla_tracks
        for strip in track.strips
    ]
    return (binding.action.name if binding.action else "", binding.use_tweak_mode, tuple(strips))


def hand_keys(armature: Any, names: Sequence[str]) -> list[float]:
    """The scene frames at which one of the bones `names` has a key by hand."""
    curves = edit_layer.pose_curves(edit_layer.edits_action(armature), names)
    return sorted({float(point.co.x) for curve in curves for point in curve.keyframe_points})


def keyed_poses(armature: Any, frames: Sequence[int]) -> Poses:
    """The poses at these scene frames, as the keys tell them. The armature must have the default rig's bones."""
    rig, layers = sampling.rig_of(armature), _layers(armature)
    turns = np.empty((len(frames), len(rig.joint_names), 4))
    for joint, (name, rest) in enumerate(zip(rig.joint_names, rest_quaternions(armature, rig.joint_names))):
        turns[:, joint] = _turn(layers, name, rest, frames)
    root = rig.joint_names[0]
    places = _place(layers, armature, root, frames)
    poses = _forward(rig, turns, places)
    for limb in limb_ik.LIMBS if limb_ik.has_controls(armature) else ():
        switch = layers[-1].values(f'pose.bones["{limb_ik.control_of(limb)}"]["{limb_ik.SWITCH}"]', 1, frames, 0.0)
        rows = np.flatnonzero(switch[:, 0] > 0.5)
        if len(rows):
            _reach(rig, poses, turns, rows, layers, armature, limb, [frames[row] for row in rows])
    return poses


class _Layer:
    """The curves of one action by path and index, and how much later than the scene's its time is."""

    def __init__(self, action: Any, earlier: float, span: tuple[float, float] | None) -> None:
        channels = compat.channels_in(action) if action is not None else None
        self._curves = {} if channels is None else {(c.data_path, c.array_index): c for c in channels.fcurves}
        self._earlier = earlier
        self._span = span  # the frames in which it counts; None: all

    def values(self, path: str, width: int, frames: Sequence[int], default: float) -> Any:
        """(T,width) of the curves; `default` where there is none, for the first component."""
        result = np.zeros((len(frames), width))
        result[:, 0] = default
        for index in range(width):
            curve = self._curves.get((path, index))
            if curve is not None:
                result[:, index] = [curve.evaluate(frame - self._earlier) for frame in frames]
        return result

    def has(self, path: str) -> bool:
        """Whether there is a curve of that path."""
        return any((path, index) in self._curves for index in range(4))

    def counts(self, frames: Sequence[int]) -> Any:
        """(T,) bool."""
        if self._span is None:
            return np.ones(len(frames), dtype=bool)
        return np.array([self._span[0] <= frame <= self._span[1] for frame in frames])


def _layers(armature: Any) -> tuple[_Layer, _Layer]:
    """What is played below, and the keys by hand above it."""
    strip = edit_layer.shown_strip(armature)
    if strip is None:
        return _Layer(edit_layer.base_action(armature), 0.0, None), _Layer(None, 0.0, None)
    edits = edit_layer.edits_action(armature)
    below = _Layer(strip.action, strip.frame_start - strip.action_frame_start, None)
    if edits is None:
        return below, _Layer(None, 0.0, None)
    return below, _Layer(edits, 0.0, (float(edits.frame_range[0]), float(edits.frame_range[1])))


def _turn(layers: tuple[_Layer, _Layer], name: str, rest: Any, frames: Sequence[int]) -> Any:
    """(T,4) what a bone that rests as `rest` is turned by, in our axes."""
    path = edit_layer.turn_path(name)
    below, above = layers
    basis = rot.normalise(below.values(path, 4, frames, 1.0))
    if above.has(path):
        own = rot.normalise(above.values(path, 4, frames, 1.0))
        own[~above.counts(frames)] = rot.IDENTITY
        basis = rot.multiply(basis, own)
    return axes.quaternions_from_blender(rot.multiply(rot.multiply(rest, basis), rot.conjugate(rest)))


def _place(layers: tuple[_Layer, _Layer], armature: Any, name: str, frames: Sequence[int]) -> Any:
    """(T,3) m where a bone without parent is, in our axes."""
    below, above = layers
    path = f'pose.bones["{name}"].location'
    moved = below.values(path, 3, frames, 0.0)
    if above.has(path):
        moved += above.values(path, 3, frames, 0.0) * above.counts(frames)[:, None]
    rest, head = rest_quaternions(armature, (name,))[0], rest_heads(armature, (name,))[0]
    return axes.points_from_blender(rot.rotate(rest, moved) + head)


def _forward(rig: Rig, turns: Any, root: Any) -> Poses:
    """Local `turns` (T,52,4) as poses."""
    world, places = turns.copy(), np.empty((*turns.shape[:2], 3))
    places[:, 0] = root
    for joints in rig.levels[1:]:
        above = rig.parents[joints]
        world[:, joints] = rot.multiply(world[:, above], turns[:, joints])
        places[:, joints] = places[:, above] + rot.rotate(world[:, above], rig.rest_offsets[joints])
    return Poses(world, places)


def _reach(
    rig: Rig, poses: Poses, turns: Any, rows: Any, layers: Any, armature: Any, limb: str, frames: Sequence[int]
) -> None:
    """Writes into `poses` (T) how a limb lies in those `rows` in which its control moves it."""
    upper, lower, end = (rig.index(name) for name in limb_ik.LIMBS[limb])
    control, pole = limb_ik.control_of(limb), limb_ik.pole_of(limb)
    held = _above_only(layers)
    target, aim = (_place(held, armature, name, frames) for name in (control, pole))
    begin = poses.places[rows, upper]
    lengths = [float(np.linalg.norm(rig.rest_offsets[joint])) for joint in (lower, end)]
    middle, tip = two_bone_ik(begin, target, lengths[0], lengths[1], aim - begin)
    at_rest = [rig.rest_joints[joint] for joint in (upper, lower, end)]
    rest_pole = axes.points_from_blender(rest_heads(armature, (pole,))[0]) - _raised(rig, armature)
    plane = rot.cross(tip - begin, aim - begin)
    rest_plane = rot.cross(at_rest[2] - at_rest[0], rest_pole - at_rest[0])
    for joint, ends, rest in ((upper, (begin, middle), at_rest[:2]), (lower, (middle, tip), at_rest[1:])):
        poses.turns[rows, joint] = rot.multiply(
            _frame(ends[1] - ends[0], plane), rot.conjugate(_frame(rest[1] - rest[0], rest_plane))
        )
    poses.places[rows, lower], poses.places[rows, end] = middle, tip
    poses.turns[rows, end] = _turn(held, control, rest_quaternions(armature, (control,))[0], frames)
    for joint in range(end + 1, len(rig.joint_names)):
        above = int(rig.parents[joint])
        if above == end or _hangs_on(rig, above, end):
            poses.turns[rows, joint] = rot.multiply(poses.turns[rows, above], turns[rows, joint])
            poses.places[rows, joint] = poses.places[rows, above] + rot.rotate(
                poses.turns[rows, above], rig.rest_offsets[joint]
            )


def _above_only(layers: tuple[_Layer, _Layer]) -> tuple[_Layer, _Layer]:
    """Controls have keys by hand alone, whose last ones hold."""
    held = _Layer(None, 0.0, None)
    held._curves = layers[1]._curves
    return _Layer(None, 0.0, None), held


def _hangs_on(rig: Rig, joint: int, end: int) -> bool:
    while joint > end:
        joint = int(rig.parents[joint])
    return joint == end


def _raised(rig: Rig, armature: Any) -> Any:
    """(3,) m where the rig's origin, its root, is in the armature's rest pose."""
    return axes.points_from_blender(rest_heads(armature, rig.joint_names[:1])[0])


def _frame(along: Any, plane: Any) -> Any:
    """Rotations whose x lies along `along` (...,3) and whose z is the normal `plane` (...,3) of the limb's plane."""
    x = rot.unit(along)
    z = rot.unit(plane - (plane * x).sum(axis=-1, keepdims=True) * x)
    return rot.from_matrix(np.stack((x, rot.cross(z, x), z), axis=-1))
