"""A motion onto a character of the user's: keys for the mapped bones, and for nothing else.

A plain skeleton is computed; where constraints or drivers act, as in control rigs, each frame is posed, looked at and
corrected until the bones lie as they should. Knows no take.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Quaternion

from fleximo import rotations as rot
from fleximo.errors import FleximoError
from fleximo.rigs import families

from . import axes, compat, edit_layer, foreign_rig
from .armature import action_called

__all__ = ["bake_steps"]

_ROUNDS = 12  # of correction per frame; a control rig of a few levels needs two or three
_CLOSE_RAD, _CLOSE_M = 1e-3, 1e-4
_PATHS = {"QUATERNION": ("rotation_quaternion", 4), "AXIS_ANGLE": ("rotation_axis_angle", 4)}
_EULER = ("rotation_euler", 3)


@dataclass(frozen=True)
class _Lead:
    """A bone that takes keys, in the order in which they act on each other."""

    control: str
    joint: str  # whose turn it shall have
    above: int  # the lead that carries this one, -1 for none


def bake_steps(
    look_up: Callable[[], Any], turns: dict[str, Any], root: Any, frame_start: int, name: str
) -> Generator[float, None, str]:
    """Keys `turns` (`Bridge.turns`) and the pelvis at `root` (T,3) from `frame_start` on, as the character's base.

    Yields how much is done, 0..1; returns a sentence. `look_up` gives the armature at every step. Steps that are
    stopped leave the character as it was.
    """
    armature = look_up()
    leads, mover = _leads(armature)
    yield 0.0
    armature = look_up()
    stood = np.array(armature.matrix_world)
    turned = _Turns(stood, turns)
    places = (axes.points_to_blender(root.astype(np.float64)) - stood[:3, 3]) @ np.linalg.inv(stood[:3, :3]).T
    switched: dict[tuple[str, str], float] = {}
    action = ""
    try:
        if _is_plain(armature, leads):
            found = _computed(armature, leads, mover, turned, places)
        else:
            switched = _switch(armature)
            found = yield from _measured(look_up, leads, mover, turned, places)
        action = yield from _key_steps(look_up, leads, mover, *found, frame_start, name)
    finally:
        if not action:
            _switch_back(look_up(), switched)
    former = edit_layer.set_base(look_up(), bpy.data.actions[action])
    if former is not None:
        former.use_fake_user = True
    return f"{len(root)} frames are on {len(leads)} bones of {look_up().name}."


class _Turns:
    """Turns since the rest pose (T,4) by joint, about the armature object's own axes."""

    def __init__(self, stood: Any, turns: dict[str, Any]) -> None:
        self._turns = turns
        self._lies = rot.from_matrix(stood[:3, :3] / np.linalg.norm(stood[:3, :3], axis=0))

    def of(self, joint: str, frames: Any = slice(None)) -> Any:
        turned = axes.quaternions_to_blender(self._turns[joint][frames])
        return rot.multiply(rot.multiply(rot.conjugate(self._lies), turned), self._lies)


def _leads(armature: Any) -> tuple[list[_Lead], str]:
    """The bones to key, each after the one that carries it, and the one that carries the body."""
    shown, controls = foreign_rig.bones_of(armature), foreign_rig.controls_of(armature)
    mover = armature.fleximo_rig.mover
    if mover and mover not in armature.data.bones:
        raise FleximoError(f"The armature {armature.name} has no bone called {mover!r}.", remedy="Press Map Rig again.")
    if mover in ("", controls["pelvis"]):
        mover = controls["pelvis"]
        wanted = [(control, joint) for joint, control in controls.items()]
    else:
        wanted = [(mover, "pelvis"), *((control, joint) for joint, control in controls.items())]
    carried = _carriers(armature, wanted, shown)
    order: list[int] = []
    while len(order) < len(wanted):
        ready = [n for n in range(len(wanted)) if n not in order and (carried[n] < 0 or carried[n] in order)]
        if not ready:
            raise FleximoError("The controls of this rig carry each other in a circle.", remedy="Press Map Rig again.")
        order += ready
    place = {n: rank for rank, n in enumerate(order)}
    return [_Lead(*wanted[n], place.get(carried[n], -1)) for n in order], mover


def _carriers(armature: Any, wanted: list[tuple[str, str]], shown: dict[str, str]) -> list[int]:
    """For each bone to key the number of the one that carries it: the nearest above it that is keyed, shows a keyed
    one's turn, or lies where such a bone does, as the helpers of control rigs do."""
    skeleton = foreign_rig.skeleton_of(armature)
    number = {name: n for n, name in enumerate(skeleton.names)}
    owner = {number[shown[joint]]: n for n, (_, joint) in enumerate(wanted)}
    owner |= {number[control]: n for n, (control, _) in enumerate(wanted)}
    controlled = any(control != shown[joint] for control, joint in wanted)
    carried = []
    for n, (control, joint) in enumerate(wanted):
        found = -1
        for bone in reversed(skeleton.path(number[control])[:-1]):
            near = [bone, *(skeleton.coinciding(bone) if controlled else ())]
            other = [owner[one] for one in near if one in owner]
            # A joint's own helpers lie above its control; only the mover carries another bone of its joint.
            other = [one for one in other if one != n and (wanted[one][1] != joint or one == 0)]
            if other:
                found = other[0]
                break
        carried.append(found)
    return carried


def _is_plain(armature: Any, leads: list[_Lead]) -> bool:
    """Whether nothing but parents acts on the bones to key and on what is above them, which rests where not keyed."""
    bones, keyed = armature.pose.bones, {lead.control for lead in leads}
    above = {bone.name: bone for lead in leads for bone in (bones[lead.control], *bones[lead.control].parent_recursive)}
    shown = foreign_rig.bones_of(armature)
    if any(lead.control != shown[lead.joint] for lead in leads):
        return False
    if armature.animation_data is not None:
        driven = [curve.data_path for curve in armature.animation_data.drivers]
        if any(_path(name) in path for path in driven for name in above):
            return False
    return all(
        not bone.constraints
        and bone.bone.use_inherit_rotation
        and bone.bone.use_local_location
        and (name in keyed or np.allclose(np.array(bone.matrix_basis), np.eye(4), atol=1e-5))
        for name, bone in above.items()
    )


def _matrices(armature: Any, names: list[str]) -> Any:
    """(N,4,4) of the evaluated bones, in the armature's axes."""
    posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    values = np.empty(16 * len(posed), dtype=np.float32)
    posed.foreach_get("matrix", values)
    rows = [posed.find(name) for name in names]
    return values.reshape(-1, 4, 4)[rows].swapaxes(1, 2).astype(np.float64)


def _turns_of(matrices: Any) -> Any:
    """(N,4) wxyz of matrices (N,4,4), whatever their scale."""
    basis = matrices[..., :3, :3]
    return rot.from_matrix(basis / np.maximum(np.linalg.norm(basis, axis=-2, keepdims=True), 1e-12))


def _rests(armature: Any, names: list[str]) -> Any:
    return np.array([armature.data.bones[name].matrix_local for name in names], dtype=np.float64)


def _computed(
    armature: Any, leads: list[_Lead], mover: str, turned: _Turns, places: Any
) -> tuple[Callable[[int], Any], Any]:
    """What gives each lead's own rotations (T,4) by its number, and the mover's locations (T,3), from the rest pose and
    the tree alone."""
    lie = _turns_of(_rests(armature, [lead.control for lead in leads]))

    def basis(n: int) -> Any:
        # Where a bone lies without its own turn: as at rest, and turned as the one that carries it.
        above = leads[n].above
        frame = rot.multiply(turned.of(leads[above].joint), lie[n]) if above >= 0 else lie[n]
        return rot.multiply(rot.conjugate(frame), rot.multiply(turned.of(leads[n].joint), lie[n]))

    rest = _rests(armature, [mover])[0]
    return basis, (places - rest[:3, 3]) @ rest[:3, :3]


def _measured(
    look_up: Callable[[], Any], leads: list[_Lead], mover: str, turned: _Turns, places: Any
) -> Generator[float, None, tuple[Callable[[int], Any], Any]]:
    """As `_computed`, found by posing each frame, looking and correcting; a look per step."""
    armature = look_up()
    names = [lead.control for lead in leads]
    lie = _turns_of(_rests(armature, names))
    kept = {name: armature.pose.bones[name].matrix_basis.copy() for name in names}
    bases, moves = np.empty((len(leads), len(places), 4)), np.empty((len(places), 3))
    own, moved = np.tile(rot.IDENTITY, (len(leads), 1)), np.zeros(3)
    read = [*names, foreign_rig.bones_of(armature)["pelvis"]]
    try:
        for frame, place in enumerate(places):
            wanted = rot.multiply(np.array([turned.of(lead.joint, frame) for lead in leads]), lie)
            for _ in range(_ROUNDS):
                armature = look_up()
                # What waits to be evaluated may bring keys back; after it they act no more until a frame is set.
                bpy.context.view_layer.update()
                _pose(armature, names, mover, own, moved)
                seen = _matrices(armature, read)
                off, better, missed, nearer = _corrected(leads, names.index(mover), seen, wanted, own, moved, place)
                yield 0.8 * frame / len(places)
                if off < _CLOSE_RAD and missed < _CLOSE_M:
                    break
                own, moved = better, nearer
            bases[:, frame], moves[frame] = own, moved
    finally:
        for name, basis in kept.items():
            look_up().pose.bones[name].matrix_basis = basis
    return lambda n: bases[n], moves


def _corrected(
    leads: list[_Lead], mover: int, seen: Any, wanted: Any, own: Any, moved: Any, place: Any
) -> tuple[float, Any, float, Any]:
    """How far off the leads are (rad), their better rotations, how far off the pelvis is, the mover's better location.

    `seen` (L+1,4,4) are the leads and the pelvis as they lie, `wanted` (L,4) how the leads shall lie, `place` (3,)
    where the pelvis shall be; `own` (L,4) and `moved` (3,) were set before.
    """
    lie = _turns_of(seen[:-1])
    miss = rot.multiply(wanted, rot.conjugate(lie))
    frames = rot.multiply(lie, rot.conjugate(own))
    carried = np.array([miss[lead.above] if lead.above >= 0 else rot.IDENTITY for lead in leads])
    better = rot.multiply(rot.conjugate(rot.multiply(carried, frames)), wanted)
    off = float(np.linalg.norm(rot.to_rotation_vector(miss), axis=1).max())
    gap = place - seen[-1, :3, 3]
    size = np.linalg.norm(seen[mover, :3, :3], axis=0).mean()
    step = rot.rotate(rot.conjugate(frames[mover]), gap) / max(float(size), 1e-9)
    return off, rot.normalise(better), float(np.linalg.norm(gap)), moved + step


def _pose(armature: Any, names: list[str], mover: str, own: Any, moved: Any) -> None:
    bones = armature.pose.bones
    for name, turn in zip(names, own):
        bone = bones[name]
        if bone.rotation_mode == "QUATERNION":
            bone.rotation_quaternion = turn
        elif bone.rotation_mode == "AXIS_ANGLE":
            axis, angle = Quaternion(turn).to_axis_angle()
            bone.rotation_axis_angle = (angle, *axis)
        else:
            bone.rotation_euler = Quaternion(turn).to_euler(bone.rotation_mode)
    bones[mover].location = moved
    bpy.context.view_layer.update()


def _switch(armature: Any) -> dict[tuple[str, str], float]:
    """Sets the properties by which the rig's family lets its controls act; returns the former values."""
    family = next((one for one in families() if one.name == armature.fleximo_rig.family), None)
    former = {}
    for bone, values in (family.switches_in(armature.pose.bones.keys()) if family else {}).items():
        for key, value in values.items():
            if key in armature.pose.bones[bone]:
                former[bone, key] = armature.pose.bones[bone][key]
                armature.pose.bones[bone][key] = value
    return former


def _switch_back(armature: Any, former: dict[tuple[str, str], float]) -> None:
    for (bone, key), value in former.items():
        armature.pose.bones[bone][key] = value


def _key_steps(
    look_up: Callable[[], Any],
    leads: list[_Lead],
    mover: str,
    basis: Callable[[int], Any],
    moves: Any,
    frame_start: int,
    title: str,
) -> Generator[float, None, str]:
    """A new action with the keys, a bone per step; returns its name. Steps that are stopped leave nothing behind."""
    own: str = compat.new_action(title, look_up()).name
    frames, done = np.arange(frame_start, frame_start + len(moves)), False
    try:
        for n, lead in enumerate(leads):
            channels = compat.channels_in(action_called(own))
            mode = look_up().pose.bones[lead.control].rotation_mode
            path, width = _PATHS.get(mode, _EULER)
            values = _as_mode(rot.continuous(basis(n)[:, None])[:, 0], mode)
            for component in range(width):
                curve = compat.add_curve(channels, f"{_path(lead.control)}.{path}", component, lead.control)
                compat.set_keys(
                    curve, frames, values[:, component], interpolation=compat.LINEAR, key_type=compat.GENERATED
                )
            yield 0.8 + 0.2 * (n + 1) / len(leads)
        channels = compat.channels_in(action_called(own))
        for component in range(3):
            curve = compat.add_curve(channels, f"{_path(mover)}.location", component, mover)
            compat.set_keys(curve, frames, moves[:, component], interpolation=compat.LINEAR, key_type=compat.GENERATED)
        done = True
    finally:
        if not done and own in bpy.data.actions:
            bpy.data.actions.remove(bpy.data.actions[own])
    return own


def _path(bone: str) -> str:
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"]'


def _as_mode(turns: Any, mode: str) -> Any:
    """Rotations (T,4) as the numbers that a bone of this rotation mode keys, without jumps."""
    if mode == "QUATERNION":
        return turns
    if mode == "AXIS_ANGLE":
        vectors = rot.to_rotation_vector(turns)
        angle = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.concatenate((angle, np.where(angle > 1e-9, vectors / np.maximum(angle, 1e-9), [0.0, 1.0, 0.0])), 1)
    values, former = [], None
    for turn in turns:
        former = Quaternion(turn).to_euler(mode, former) if former else Quaternion(turn).to_euler(mode)
        values.append(tuple(former))
    return np.array(values)
