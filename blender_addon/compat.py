"""Every difference between the Blender versions 4.5, 5.0 and 5.2 that the add-on meets; nothing else branches on them.

Probes for the attribute where it can, so that later versions need no new line here.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

__all__ = [
    "BEZIER",
    "CONSTANT",
    "GENERATED",
    "LINEAR",
    "active_strip",
    "add_curve",
    "bezier_keys",
    "bone_selected",
    "channels_in",
    "drive",
    "generated_keys",
    "lay_strip",
    "new_action",
    "read_keys",
    "sequencer_scene",
    "set_keys",
    "set_png",
    "shown_scene",
    "strip_frame_count",
    "strip_range",
    "strips_of",
    "trim_strip",
    "write_keys",
]


def _enum(name: str, item: str) -> int:
    return int(bpy.types.Keyframe.bl_rna.properties[name].enum_items[item].value)


CONSTANT, LINEAR, BEZIER = (_enum("interpolation", item) for item in ("CONSTANT", "LINEAR", "BEZIER"))
GENERATED = _enum("type", "GENERATED")


def new_action(name: str, animated: Any) -> Any:
    """A new layered action with a slot for `animated` (an object), which it does not drive yet."""
    action = bpy.data.actions.new(name)
    action.slots.new(id_type=animated.id_type, name=animated.name)
    action.layers.new("Layer").strips.new(type="KEYFRAME")
    channels_in(action)
    return action


def drive(animated: Any, action: Any) -> None:
    """Lets `action`, which has a slot, be the object's active action."""
    # The slot is assigned by hand: automatic binding goes by slot name and may leave none.
    animated.animation_data.action = action
    animated.animation_data.action_slot = _slot(action)


def lay_strip(track: Any, action: Any, start: int) -> Any:
    """A strip of the whole `action` on an NLA track, from the scene frame `start` on, held before and after."""
    strip = track.strips.new(action.name, start, action)
    strip.action_slot = _slot(action)
    strip.blend_type, strip.extrapolation = "REPLACE", "HOLD"
    return strip


def _slot(action: Any) -> Any:
    return next(iter(action.slots), None)


def channels_in(action: Any) -> Any:
    """The channels of an action's first slot, None where it has none."""
    slot = _slot(action)
    if slot is None or not action.layers or not action.layers[0].strips:
        return None
    return action.layers[0].strips[0].channelbag(slot, ensure=True)


def add_curve(channels: Any, path: str, index: int, group: str) -> Any:
    """A new F-curve for `path[index]`, listed under `group`."""
    curve = channels.fcurves.new(path, index=index)  # `group_name` exists from 5.0 only
    curve.group = channels.groups.get(group) or channels.groups.new(group)
    return curve


def set_png(render: Any) -> None:
    """Lets `render` (a scene's settings) write PNG files with alpha; videos and pictures are told apart from 5.0 on."""
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGBA"


def set_keys(curve: Any, frames: Any, values: Any, *, interpolation: int, key_type: int) -> None:
    """Gives an empty `curve` one key per frame, all at once."""
    count = len(frames)
    points = curve.keyframe_points
    points.add(count)
    points.foreach_set("co", np.column_stack((frames, values)).astype(np.float32).ravel())
    points.foreach_set("interpolation", np.full(count, interpolation, dtype=np.int32))
    points.foreach_set("type", np.full(count, key_type, dtype=np.int32))
    curve.update()


# What makes up a key: name -> (numbers per key, their type).
_OF_A_KEY = {
    "co": (2, np.float32),
    "handle_left": (2, np.float32),
    "handle_right": (2, np.float32),
    "handle_left_type": (1, np.int32),
    "handle_right_type": (1, np.int32),
    "interpolation": (1, np.int32),
    "type": (1, np.int32),
}


def read_keys(curve: Any) -> dict[str, Any]:
    """All keys of a curve: `co` and handles (N,2), the other entries (N,)."""
    keys = {}
    for name, (width, kind) in _OF_A_KEY.items():
        entries = np.empty(width * len(curve.keyframe_points), dtype=kind)
        curve.keyframe_points.foreach_get(name, entries)
        keys[name] = entries.reshape(-1, 2) if width == 2 else entries
    return keys


def generated_keys(frames: Any, values: Any, interpolation: int) -> dict[str, Any]:
    """Keys as `set_keys` makes them with the type GENERATED, in the form of `read_keys`."""
    count = len(frames)
    co = np.column_stack((frames, values)).astype(np.float32)
    automatic = np.full(count, _enum("handle_left_type", "AUTO_CLAMPED"), dtype=np.int32)
    third = np.array([1.0 / 3.0, 0.0], dtype=np.float32)
    return {
        "co": co,
        "handle_left": co - third,
        "handle_right": co + third,
        "handle_left_type": automatic,
        "handle_right_type": automatic,
        "interpolation": np.full(count, interpolation, dtype=np.int32),
        "type": np.full(count, GENERATED, dtype=np.int32),
    }


def bezier_keys(frames: Any, values: Any, slopes: Any) -> dict[str, Any]:
    """Keys typed GENERATED of a smooth curve with these slopes per frame, in the form of `read_keys`."""
    keys = generated_keys(frames, values, BEZIER)
    third = np.diff(frames, prepend=frames[0] - 1, append=frames[-1] + 1) / 3.0
    for name, length in (("handle_left", -third[:-1]), ("handle_right", third[1:])):
        keys[name] = keys["co"] + np.column_stack((length, length * slopes)).astype(np.float32)
        keys[f"{name}_type"] = np.full(len(frames), _enum("handle_left_type", "ALIGNED"), dtype=np.int32)
    return keys


def write_keys(curve: Any, keys: dict[str, Any]) -> None:
    """Gives `curve` these keys, in the form of `read_keys`, and no others."""
    points, count = curve.keyframe_points, len(keys["co"])
    if len(points) != count:
        points.clear()
        points.add(count)
    for name, entries in keys.items():
        points.foreach_set(name, np.ascontiguousarray(entries).ravel())
    curve.update()


def bone_selected(armature: Any, name: str) -> bool:
    """Whether a bone is selected in pose mode; the selection moved to the pose bone in 5.0."""
    bone = armature.pose.bones[name]
    return bool(bone.select if hasattr(bone, "select") else bone.bone.select)


def sequencer_scene(context: Any) -> Any:
    """The scene whose sequencer the user looks at: chosen per workspace from 5.0, else the scene itself."""
    workspace = context.workspace
    if workspace is None or not hasattr(workspace, "sequencer_scene"):
        return context.scene
    if workspace.sequencer_scene is None:
        workspace.sequencer_scene = context.scene
    return workspace.sequencer_scene


def shown_scene(context: Any) -> Any:
    """The scene whose time the area shows; asked while drawing, so that nothing is chosen here."""
    if context.area is None or context.area.type != "SEQUENCE_EDITOR":
        return context.scene
    return getattr(context.workspace, "sequencer_scene", None) or context.scene


def active_strip(context: Any) -> Any:
    """The strip that is chosen in the sequencer that the user looks at, None where there is none."""
    editor = sequencer_scene(context).sequence_editor
    return None if editor is None else editor.active_strip


def strips_of(scene: Any) -> Any:
    """The strips of the scene's sequencer, which is made where there is none."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    return editor.strips


def strip_range(strip: Any) -> tuple[int, int]:
    """The half-open range of scene frames that a strip covers; `frame_final_*` goes away after 5.2."""
    if hasattr(strip, "left_handle"):
        return int(strip.left_handle), int(strip.right_handle)
    return int(strip.frame_final_start), int(strip.frame_final_end)


def trim_strip(strip: Any, start: int, stop: int) -> None:
    """Cuts a strip to the scene frames [start, stop); its file stays as it is."""
    if hasattr(strip, "left_handle"):
        strip.left_handle, strip.right_handle = start, stop
    else:
        strip.frame_final_start, strip.frame_final_end = start, stop


def strip_frame_count(strip: Any) -> int:
    """How many frames the strip's file has, before any cut."""
    return int(strip.content_duration if hasattr(strip, "content_duration") else strip.frame_duration)
