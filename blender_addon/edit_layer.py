"""Two layers of an armature's motion: the base, which is generated, and above it what the animator keys by hand.

The base is a strip on an NLA track of its own. The active action lies on top and is combined with it, so that keys set
by hand are kept as differences and live on when the base is exchanged. Knows no takes, no plans and no motions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import bpy
from mathutils import Quaternion

from . import compat

__all__ = [
    "base_action",
    "base_strip",
    "ease",
    "edits_action",
    "hide_preview",
    "key_neutral",
    "key_turn",
    "leave_base",
    "open_base",
    "pose_curves",
    "seal",
    "set_base",
    "shift_edits",
    "show_preview",
    "shown_strip",
    "turn_path",
    "why_fixed",
]

_BASE, _PREVIEW = "Fleximo Motion", "Fleximo Preview"
# Radians of half the angle of a turn: told finely, taken for none, and the least whose cosine is below 1 in 32 bits.
_FINE_HALF_TURN, _NO_HALF_TURN, _LEAST_HALF_TURN = 1e-3, 2e-5, math.acos(1.0 - 2.0**-24)
_ROLE = "fleximo"  # custom property of our actions: which layer they are


def why_fixed(armature: Any) -> str:
    """Why what is keyed on the armature would not be saved with this file; empty if it would be."""
    if not armature.is_editable:
        return f"{armature.name} is linked from another file: override it (Object > Library Override > Make)"
    binding = armature.animation_data
    if binding is not None and binding.action is not None and not binding.action.is_editable:
        return f"The keys of {armature.name} are linked from another file: make its action local in the Action Editor"
    return ""


def base_strip(armature: Any) -> Any:
    """The strip that plays the generated motion, None where there is none."""
    return _strip(armature, _BASE)


def shown_strip(armature: Any) -> Any:
    """The strip that is seen below the keys by hand: the preview, else the base; None where there is none."""
    return _strip(armature, _PREVIEW) or base_strip(armature)


def base_action(armature: Any) -> Any:
    """The action with the generated keys, None where there is none; in older files the armature's only action."""
    strip = base_strip(armature)
    if strip is not None:
        return strip.action
    binding = armature.animation_data
    return binding.action if binding is not None and not _is_edits(binding.action) else None


def edits_action(armature: Any) -> Any:
    """The action in which keys by hand land: the active one, where the armature has a base; else None."""
    binding = armature.animation_data
    if binding is None or binding.use_tweak_mode or base_strip(armature) is None:
        return None
    return binding.action


def set_base(armature: Any, action: Any, start: int | None = None) -> Any:
    """Plays `action` as the armature's base, from the scene frame `start` on; returns the former base, or None.

    `start`: None = where its first key is. Keys by hand stay as they are, on top. An action that drove the armature
    alone, as in older files, counts as a base.
    """
    binding = armature.animation_data or armature.animation_data_create()
    binding.use_tweak_mode = False
    former = base_action(armature)
    hide_preview(armature)
    if base_strip(armature) is None and former is not None:
        binding.action = None
    action[_ROLE] = "base"
    _lay(binding, _BASE, action, start)
    _ensure_edits(armature, action.name)
    return former if former != action else None


def show_preview(armature: Any, action: Any) -> None:
    """Plays `action` in place of the base, below the keys by hand, until `hide_preview`."""
    binding = armature.animation_data or armature.animation_data_create()
    binding.use_tweak_mode = False
    if base_strip(armature) is None and binding.action is not None and not _is_edits(binding.action):
        set_base(armature, binding.action)  # an older file: what is previewed lies below the active action
    _lay(binding, _PREVIEW, action, None)


def hide_preview(armature: Any) -> None:
    """Lets the base be seen again."""
    binding = armature.animation_data
    track = binding.nla_tracks.get(_PREVIEW) if binding is not None else None
    if track is not None:
        binding.nla_tracks.remove(track)


def open_base(armature: Any) -> None:
    """Makes the base's own keys the ones that are shown and set, until `leave_base`; the layer above rests."""
    binding = armature.animation_data
    track = binding.nla_tracks[_BASE]
    for other in binding.nla_tracks:
        other.select = other == track
        for strip in other.strips:
            strip.select = other == track
    binding.nla_tracks.active = track
    binding.use_tweak_mode = True


def leave_base(armature: Any) -> None:
    """Ends `open_base`."""
    armature.animation_data.use_tweak_mode = False


def pose_curves(action: Any, names: Iterable[str] | None = None) -> list[Any]:
    """The curves of an action's bones; of those in `names` only where given."""
    channels = compat.channels_in(action) if action is not None else None
    if channels is None:
        return []
    starts = (
        ("pose.bones[",) if names is None else tuple(f'pose.bones["{bpy.utils.escape_identifier(n)}"]' for n in names)
    )
    return [curve for curve in channels.fcurves if curve.data_path.startswith(starts)]


def key_neutral(curves: Iterable[Any], frame: float) -> int:
    """Keys "as the base is" on `curves` of the edits at `frame`, over a key that is there; returns how many."""
    count = 0
    for curve in curves:
        curve.keyframe_points.insert(frame, _neutral(curve))
        count += 1
    return count


def _neutral(curve: Any) -> float:
    """The value that leaves the base as it is."""
    turn = curve.data_path.endswith("rotation_quaternion") and curve.array_index == 0
    return float(turn or curve.data_path.endswith("scale"))


def key_turn(armature: Any, bone: Any, turn: Quaternion, frame: int, *, twist: bool = False) -> None:
    """Keys by hand, at the current `frame`, that the bone is turned by `turn`, as exactly as Blender can.

    It combines turns by the angle whose cosine w is, and in 32 bits there is none between 0 and 0.04 degrees: a key
    that it sets itself may be off by as much. Here a turn that small is keyed as the nearer of the two; with `twist`
    0.1 degrees about the bone itself are added, which moves no joint of it and takes the angle to where it is told
    finely.
    """
    bone.rotation_quaternion = turn
    bone.keyframe_insert("rotation_quaternion", frame=frame, group=bone.name)
    below = _turn_below(armature, bone.name, frame)
    action = edits_action(armature)
    if below is None or action is None:
        return
    own = below.inverted() @ turn
    half = math.sqrt(own.x * own.x + own.y * own.y + own.z * own.z)
    if half < (_NO_HALF_TURN if twist else 0.5 * _LEAST_HALF_TURN):
        own = Quaternion()
    elif half < _FINE_HALF_TURN and twist:
        own = own @ Quaternion((0.0, 1.0, 0.0), math.copysign(2.0 * _FINE_HALF_TURN, own.y))
    curves = compat.channels_in(action).fcurves
    for index, value in enumerate(own):
        for point in curves.find(turn_path(bone.name), index=index).keyframe_points:
            if abs(point.co.x - frame) < 0.5:
                point.co_ui.y = value


def seal(armature: Any, names: Iterable[str]) -> None:
    """Ends the edits of these bones where the keys by hand end, so that later keys elsewhere do not prolong them."""
    action = edits_action(armature)
    curves = pose_curves(action, names)
    if not any(len(curve.keyframe_points) for curve in curves):
        return
    first, last = action.frame_range
    ways: dict[str, list[Any]] = {}
    for curve in curves:
        ways.setdefault(curve.data_path, []).append(curve)
    for way in ways.values():
        for end, frame in ((0, first - 1.0), (-1, last + 1.0)):
            points = [curve.keyframe_points[end] for curve in way if len(curve.keyframe_points)]
            if any(point.co.y != _neutral(curve) for point, curve in zip(points, way)):
                for point in points:  # between the keys there are, the curve stays as it is
                    point.handle_left_type = point.handle_right_type = "FREE"
                key_neutral(way, frame)


def turn_path(name: str) -> str:
    """The path of the curves that turn the bone of that name."""
    return f'pose.bones["{bpy.utils.escape_identifier(name)}"].rotation_quaternion'


def _turn_below(armature: Any, name: str, frame: int) -> Quaternion | None:
    """What the base turns a bone by; None where there are more layers than the base and the keys by hand."""
    strip, tracks = base_strip(armature), armature.animation_data.nla_tracks
    if strip is None or len(tracks) > 1 or armature.animation_data.use_tweak_mode:
        return None
    curves = [compat.channels_in(strip.action).fcurves.find(turn_path(name), index=index) for index in range(4)]
    at = frame - strip.frame_start + strip.action_frame_start
    return Quaternion([curve.evaluate(at) for curve in curves]) if all(curves) else None


def ease(curves: Iterable[Any], frame: float, frames: int) -> None:
    """Lets the keys of `curves` at `frame` come and go within `frames` (0: as keyed), where no other key is so near."""
    for curve in curves if frames else ():
        others = [point.co.x - frame for point in curve.keyframe_points if point.co.x != frame]
        if len(others) == len(curve.keyframe_points):
            continue
        if not any(-frames <= away < 0 for away in others):
            key_neutral([curve], frame - frames)
        if not any(0 < away <= frames for away in others):
            key_neutral([curve], frame + frames)


def shift_edits(armature: Any, frame: int, by: int) -> None:
    """Moves the keys by hand from scene `frame` on, later ones along with what they were set on."""
    for curve in pose_curves(edits_action(armature)):
        points = curve.keyframe_points
        # From the far end, so that no key runs over another one.
        for point in sorted(points, key=lambda point: point.co.x, reverse=by > 0):
            if point.co.x >= frame:
                point.co_ui.x += by
        curve.update()


def _strip(armature: Any, title: str) -> Any:
    binding = armature.animation_data
    track = binding.nla_tracks.get(title) if binding is not None else None
    return track.strips[0] if track is not None and track.strips else None


def _is_edits(action: Any) -> bool:
    return action is not None and action.get(_ROLE) == "edits"


def _lay(binding: Any, title: str, action: Any, start: int | None) -> None:
    """Makes a strip of `action` the only one on the track called `title`."""
    tracks = binding.nla_tracks
    track = tracks.get(title)
    if track is None:
        track = tracks.new(prev=tracks.get(_BASE))
        track.name = title
    for strip in list(track.strips):
        track.strips.remove(strip)
    compat.lay_strip(track, action, round(action.frame_range[0]) if start is None else start)


def _ensure_edits(armature: Any, name: str) -> None:
    """An action for keys by hand, on top; outside the first and the last of them the base alone plays."""
    binding = armature.animation_data
    if binding.action is None:
        edits = compat.new_action(f"{name} edits", armature)
        edits[_ROLE] = "edits"
        compat.drive(armature, edits)
        binding.action_blend_type, binding.action_extrapolation, binding.action_influence = "COMBINE", "NOTHING", 1.0
