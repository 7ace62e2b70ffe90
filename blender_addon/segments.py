"""The segments of a generated motion: named ranges between the markers of its action, and one of them exchanged.

Keys outside of what an exchange replaces are copied bit by bit. Knows no takes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from fractions import Fraction
from typing import Any

import bpy
import numpy as np

from fleximo.exchange import Exchange, Span
from fleximo.plan import MotionPlan

from . import compat, plan_list
from .armature import CONTACTS, action_called, basis_rotations, bone_names, rest_heads, rest_quaternions, root_locations

__all__ = ["exchange_steps", "mark_segments", "ranges"]


def mark_segments(action: Any, plan: MotionPlan, frame_start: int, fps: Fraction) -> None:
    """Puts a marker where each segment of `plan` starts; the last one ends with the action."""
    for marker in list(action.pose_markers):
        action.pose_markers.remove(marker)
    frame = frame_start
    for segment, count in zip(plan.segments, plan.frame_counts(fps)):
        action.pose_markers.new(plan_list.title(segment)).frame = frame
        frame += count


def ranges(action: Any) -> list[tuple[str, int, int]]:
    """(name, first frame, frame behind the last) of each marked segment, in the action's frames."""
    markers = sorted(action.pose_markers, key=lambda marker: marker.frame)
    ends = [marker.frame for marker in markers[1:]] + [round(action.frame_range[1]) + 1]
    return [(marker.name, marker.frame, end) for marker, end in zip(markers, ends)]


def exchange_steps(look_up: Callable[[], Any], base: str, made: Exchange, number: int) -> Generator[float, None, str]:
    """A copy of the action called `base` with the segment `number` exchanged, a bone at a time; returns its name.

    Yields how much is done, 0..1. `look_up` gives the armature at every step. Steps that are stopped leave nothing
    behind.
    """
    motion = made.motion
    names = bone_names(look_up(), motion.rig)
    rests = rest_quaternions(look_up(), names)
    copy = action_called(base).copy()
    own: str = copy.name
    first = ranges(copy)[0][1]
    done = False
    try:
        for joint, name in enumerate(names):
            curves = _curves(own)
            values = basis_rotations(motion, joint, rests[joint])
            for component in range(4):
                path = f'pose.bones["{name}"].rotation_quaternion'
                _replace(curves.get((path, component)), first, made.joints[joint], values[:, component], compat.LINEAR)
            yield (joint + 1) / len(names)
        curves, root = _curves(own), f'pose.bones["{names[0]}"]'
        places = root_locations(motion, rests[0], rest_heads(look_up(), names[:1]))
        for component in range(3):
            curve = curves.get((f"{root}.location", component))
            _replace(curve, first, made.root, places[:, component], compat.LINEAR)
        for side, contact in enumerate(CONTACTS):
            curve = curves.get((f'{root}["{contact}"]', 0))
            _replace(curve, first, made.contacts, motion.contacts[:, side], compat.CONSTANT)
        _move_markers(action_called(own), made, number)
        done = True
    finally:
        if not done and own in bpy.data.actions:
            bpy.data.actions.remove(bpy.data.actions[own])
    return own


def _curves(action: str) -> dict[tuple[str, int], Any]:
    channels = compat.channels_in(action_called(action))
    return {(curve.data_path, curve.array_index): curve for curve in channels.fcurves}


def _replace(curve: Any, first: int, span: Span, values: Any, interpolation: int) -> None:
    """Exchanges the keys of `curve` in `span` for `values` (T,), one per frame; `first`: the motion's first frame."""
    if curve is None or (span.start >= span.stop and span.start >= span.new_stop):
        return
    keys = compat.read_keys(curve)
    frames = keys["co"][:, 0]
    before, after = frames < first + span.start - 0.5, frames > first + span.stop - 0.5
    new = np.arange(span.start, span.new_stop)
    fresh = _join(
        _as_seen(curve, frames[before].max(initial=first - 1) + 1, first + span.start, interpolation),
        compat.generated_keys(first + new, values[new], interpolation),
    )
    later = {name: entries[after].copy() for name, entries in keys.items()}
    if after.any():
        later = _join(_as_seen(curve, first + span.stop, frames[after].min(), interpolation), later)
    for name in ("co", "handle_left", "handle_right"):
        later[name][:, 0] += span.new_stop - span.stop
    compat.write_keys(curve, _join({name: entries[before] for name, entries in keys.items()}, fresh, later))


def _as_seen(curve: Any, start: float, stop: float, interpolation: int) -> dict[str, Any]:
    """A key on each frame from `start` on, `stop` excluded: where keys are few, a piece that loses its end is kept."""
    frames = np.arange(round(start), round(stop))
    return compat.generated_keys(frames, np.array([curve.evaluate(frame) for frame in frames]), interpolation)


def _join(*keys: dict[str, Any]) -> dict[str, Any]:
    return {name: np.concatenate([each[name] for each in keys]) for name in keys[0]}


def _move_markers(action: Any, made: Exchange, number: int) -> None:
    markers = sorted(action.pose_markers, key=lambda marker: marker.frame)
    markers[number].name = plan_list.title(made.plan.segments[number])
    for marker in markers[number + 1 :]:
        marker.frame += made.longer
