"""The pose of a take's armature at other frames than the current one, told by its keys alone.

Time stands still meanwhile: nothing is evaluated by Blender, and what is posed but not yet keyed stays as it is.
Knows the two layers of keys and the IK of the limbs; other constraints and layers do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    reader, rig = _Reader(armature, frames), sampling.rig_of(armature)
    rests = rest_quaternions(armature, rig.joint_names)
    turns = np.stack([reader.turn(name, rest) for name, rest in zip(rig.joint_names, rests)], axis=1)
    poses = _forward(rig, turns, reader.place(rig.joint_names[0]))
    for limb in limb_ik.LIMBS if limb_ik.has_controls(armature) else ():
        rows = np.flatnonzero(reader.switched(limb))
        if len(rows):
            _reach(rig, poses, turns, rows, _Held(armature, [frames[row] for row in rows]), limb)
    return poses


@dataclass(frozen=True)
class _Layer:
    """What one action says."""

    curves: dict[tuple[str, int], Any]  # by path and index
    later: float = 0.0  # by how much its frames lie later in the scene
    span: tuple[float, float] | None = None  # the scene frames in which it counts; None: all

    def values(self, path: str, width: int, frames: Sequence[int], default: float) -> Any:
        """(T,width) of the curves; `default` where there is none, for the first component."""
        result = np.zeros((len(frames), width))
        result[:, 0] = default
        for index in range(width):
            curve = self.curves.get((path, index))
            if curve is not None:
                result[:, index] = [curve.evaluate(frame - self.later) for frame in frames]
        return result

    def has(self, path: str) -> bool:
        """Whether there is a curve of that path."""
        return any((path, index) in self.curves for index in range(4))

    def counts(self, frames: Sequence[int]) -> Any:
        """(T,) bool."""
        if self.span is None:
            return np.ones(len(frames), dtype=bool)
        return np.array([self.span[0] <= frame <= self.span[1] for frame in frames])


_NOTHING = _Layer({})


def _curves(action: Any) -> dict[tuple[str, int], Any]:
    channels = compat.channels_in(action) if action is not None else None
    return {} if channels is None else {(curve.data_path, curve.array_index): curve for curve in channels.fcurves}


def _layers(armature: Any) -> tuple[_Layer, _Layer]:
    """What is played below, and the keys by hand above it."""
    strip = edit_layer.shown_strip(armature)
    if strip is None:
        return _Layer(_curves(edit_layer.base_action(armature))), _NOTHING
    below = _Layer(_curves(strip.action), strip.frame_start - strip.action_frame_start)
    edits = edit_layer.edits_action(armature)
    if edits is None:
        return below, _NOTHING
    return below, _Layer(_curves(edits), span=(float(edits.frame_range[0]), float(edits.frame_range[1])))


class _Reader:
    """Reads what the layers say at some scene frames."""

    def __init__(self, armature: Any, frames: Sequence[int]) -> None:
        self.armature, self._frames = armature, frames
        self._below, self._above = _layers(armature)

    def turn(self, name: str, rest: Any) -> Any:
        """(T,4) what a bone that rests as `rest` is turned by, in our axes."""
        path = edit_layer.turn_path(name)
        basis = rot.normalise(self._below.values(path, 4, self._frames, 1.0))
        if self._above.has(path):
            own = rot.normalise(self._above.values(path, 4, self._frames, 1.0))
            own[~self._above.counts(self._frames)] = rot.IDENTITY
            basis = rot.multiply(basis, own)
        return axes.quaternions_from_blender(rot.multiply(rot.multiply(rest, basis), rot.conjugate(rest)))

    def place(self, name: str) -> Any:
        """(T,3) m where a bone without parent is, in our axes."""
        path = f'pose.bones["{name}"].location'
        moved = self._below.values(path, 3, self._frames, 0.0)
        if self._above.has(path):
            moved += self._above.values(path, 3, self._frames, 0.0) * self._above.counts(self._frames)[:, None]
        rest, head = rest_quaternions(self.armature, (name,))[0], rest_heads(self.armature, (name,))[0]
        return axes.points_from_blender(rot.rotate(rest, moved) + head)

    def switched(self, limb: str) -> Any:
        """(T,) bool: whether the limb is moved by its control."""
        path = f'pose.bones["{limb_ik.control_of(limb)}"]["{limb_ik.SWITCH}"]'
        return self._above.values(path, 1, self._frames, 0.0)[:, 0] > 0.5


class _Held(_Reader):
    """Reads the controls of limbs: they have keys by hand alone, whose last ones hold."""

    def __init__(self, armature: Any, frames: Sequence[int]) -> None:
        super().__init__(armature, frames)
        self._below, self._above = _NOTHING, replace(self._above, span=None)


def _forward(rig: Rig, turns: Any, root: Any) -> Poses:
    """Local `turns` (T,52,4) as poses."""
    world, places = turns.copy(), np.empty((*turns.shape[:2], 3))
    places[:, 0] = root
    for joints in rig.levels[1:]:
        above = rig.parents[joints]
        world[:, joints] = rot.multiply(world[:, above], turns[:, joints])
        places[:, joints] = places[:, above] + rot.rotate(world[:, above], rig.rest_offsets[joints])
    return Poses(world, places)


def _reach(rig: Rig, poses: Poses, turns: Any, rows: Any, held: _Held, limb: str) -> None:
    """Writes into `poses` (T) how a limb lies in those `rows` in which its control moves it; `turns`: local ones."""
    names, control, pole = limb_ik.LIMBS[limb], limb_ik.control_of(limb), limb_ik.pole_of(limb)
    upper, lower, end = (rig.index(name) for name in names)
    begin, aim = poses.places[rows, upper], held.place(pole)
    lengths = [float(np.linalg.norm(rig.rest_offsets[joint])) for joint in (lower, end)]
    middle, tip = two_bone_ik(begin, held.place(control), lengths[0], lengths[1], aim - begin)
    at_rest = axes.points_from_blender(rest_heads(held.armature, (*names, pole)))
    plane = rot.cross(tip - begin, aim - begin)
    rest_plane = rot.cross(at_rest[2] - at_rest[0], at_rest[3] - at_rest[0])
    for joint, bone, rest in (
        (upper, middle - begin, at_rest[1] - at_rest[0]),
        (lower, tip - middle, at_rest[2] - at_rest[1]),
    ):
        poses.turns[rows, joint] = rot.multiply(_frame(bone, plane), rot.conjugate(_frame(rest, rest_plane)))
    poses.places[rows, lower], poses.places[rows, end] = middle, tip
    poses.turns[rows, end] = held.turn(control, rest_quaternions(held.armature, (control,))[0])
    for joint in rig.descendants(names[-1])[1:]:
        above = int(rig.parents[joint])
        turned = poses.turns[rows, above]
        poses.turns[rows, joint] = rot.multiply(turned, turns[rows, joint])
        poses.places[rows, joint] = poses.places[rows, above] + rot.rotate(turned, rig.rest_offsets[joint])


def _frame(along: Any, plane: Any) -> Any:
    """Rotations whose x lies along `along` (...,3) and whose z is the normal `plane` (...,3) of the limb's plane."""
    x = rot.unit(along)
    z = rot.unit(plane - (plane * x).sum(axis=-1, keepdims=True) * x)
    return rot.from_matrix(np.stack((x, rot.cross(z, x), z), axis=-1))
