"""The takes of a scene: adding, copying, finding and showing them, and forgetting what no longer holds.

Their values are declared in `properties`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import bpy
from bpy.app.handlers import persistent

from fleximo.errors import FleximoError

from . import check_marks

__all__ = [
    "FORMAT",
    "active_take",
    "add_take",
    "armature_of",
    "close_takes",
    "duplicate_take",
    "find_take",
    "forget_camera",
    "forget_fit",
    "forget_person",
    "found_in",
    "list_bones",
    "on_shown",
    "open_takes",
    "remove_take",
    "separate",
    "show_only",
    "tell_shown",
    "told_of_format",
]

FORMAT = 1  # of the takes in a file; a higher one means that earlier versions of Fleximo would lose something


def told_of_format() -> str:
    """What is to be told of the open file's takes; empty where this version knows all that they hold."""
    newest = max((scene.fleximo.format for scene in bpy.data.scenes), default=0)
    if newest <= FORMAT:
        return ""
    return f"This file was saved by a newer Fleximo (takes {newest}, here {FORMAT}). Update before you save it."


def active_take(scene: Any) -> Any:
    """The take that the panels show, None where the scene has none."""
    state = scene.fleximo
    return state.takes[state.active] if 0 <= state.active < len(state.takes) else None


def add_take(scene: Any) -> Any:
    """A new take of `scene`, made the active one, with a name of its own."""
    state = scene.fleximo
    state.format = max(state.format, FORMAT)
    taken = {take.name for take in state.takes}
    take = state.takes.add()
    take.name = next(name for n in range(1, len(taken) + 2) if (name := f"Take {n}") not in taken)
    take.uid = uuid.uuid4().hex
    take.frame_start = scene.frame_start
    state.active = len(state.takes) - 1
    return take


# What a take is made of. The rest follows from it, or belongs to its last render.
_OF_MOTION = (
    "text",
    "seed",
    "motion_model",
    "motion_settings",
    "made_by",
    "plan",
    "planned_text",
    "armature",
    "character",
    "frame_start",
    "frame_end",
)
_OF_PHOTO = (
    "photo",
    "stature_m",
    "lens_degrees",
    "person",
    "photo_digest",
    "warnings",
    "warning_codes",
    "camera",
    "framing",
    "fitted_camera",
    "show_body",
)
_OF_RENDER = ("engine", "quality", "size", "rescale", "refine")


def duplicate_take(scene: Any, source: Any, *, motion: bool, photo: bool) -> Any:
    """A new take with the motion of `source`, its photo and the person found in it, or both; the new one is active.

    The armature is shared, so that its keys serve both; so is the camera. Renders are not taken over.
    """
    uid = source.uid
    take = add_take(scene)
    source = find_take(uid)[1]  # the list may have moved in memory when it grew
    # Sizes come first and the photo's own values last: setting those forgets what was measured before.
    for name in (*_OF_RENDER, *(_OF_PHOTO if photo else ()), *(_OF_MOTION if motion else ())):
        setattr(take, name, getattr(source, name))
    if photo:
        list_bones(take)
    if motion:
        for segment in source.segments:
            copy = take.segments.add()
            for name in ("text", "move", "seconds", "repeats", "side", "direction", "speed", "layers", "seed"):
                setattr(copy, name, getattr(segment, name))
    if motion and photo:
        take.fit = source.fit
    show_only(scene)
    return take


def remove_take(scene: Any, uid: str) -> None:
    """Takes a take off the scene's list; armature, camera and videos stay in the file."""
    state = scene.fleximo
    place = [take.uid for take in state.takes].index(uid)
    state.takes.remove(place)
    state.active = max(0, min(state.active - (place < state.active), len(state.takes) - 1))


def show_only(scene: Any) -> None:
    """Looks through the active take's camera, hides the armatures of the other takes, and marks its worst frames."""
    take = active_take(scene)
    check_marks.renew_markers(scene, take)
    if take is None:
        return
    for other in scene.fleximo.takes:
        if other.armature is not None:
            _hide(scene, other.armature, other.armature != take.armature)
    if take.camera is not None:
        scene.camera = take.camera
    tell_shown(scene)


def _hide(scene: Any, thing: Any, hidden: bool) -> None:
    """Hides an object in the view layers of the scene that hold it; another scene may be the one that is seen."""
    for layer in scene.view_layers:
        if layer.objects.get(thing.name) == thing:
            thing.hide_set(hidden, view_layer=layer)


_shown_listeners: list[Callable[[Any], None]] = []


def on_shown(call: Callable[[Any], None]) -> Callable[[], None]:
    """Calls `call` with the scene whenever what is shown of its takes has changed; returns what ends that."""
    _shown_listeners.append(call)
    return lambda: _shown_listeners.remove(call)


def tell_shown(scene: Any) -> None:
    """Tells the listeners that what is shown of the scene's takes has changed."""
    for call in _shown_listeners:
        call(scene)


def found_in(scene: Any, digest: str) -> Any:
    """A take of the scene in whose photo, of that sha256, the person has been found; None where there is none."""
    return next((take for take in scene.fleximo.takes if take.person and take.photo_digest == digest), None)


def find_take(uid: str) -> tuple[Any, Any]:
    """(scene, take) of a take's `uid`; raises `FleximoError` if it has been deleted meanwhile.

    Work that outlives a click keeps the uid, never the take itself: undo and file loading replace it.
    """
    for scene in bpy.data.scenes:
        for take in scene.fleximo.takes:
            if take.uid == uid:
                return scene, take
    raise FleximoError("The take is no longer in this file; the result was not used.", code="take_gone")


def armature_of(uid: str) -> Any:
    """The armature of the take with that `uid`; raises `FleximoError` if one of them has been deleted meanwhile."""
    take = find_take(uid)[1]
    if take.armature is None:
        raise FleximoError(
            f"The armature of {take.name} has been deleted meanwhile.",
            code="take_gone",
            remedy="Undo (Ctrl+Z), or press Generate Motion.",
        )
    return take.armature


_OBJECTS = ("armature", "former_armature", "character", "camera")


def separate() -> None:
    """Parts what Blender's own tools left together: takes of copied scenes, and objects deleted from every scene."""
    known: set[str] = set()
    for scene in sorted(bpy.data.scenes, key=lambda scene: int(scene.session_uid)):  # a copy is the younger one
        if scene.library is not None:
            continue
        for take in scene.fleximo.takes:
            if take.uid in known:
                take.uid, take.order = uuid.uuid4().hex, ""  # what the server renders is the first one's
            known.add(take.uid)
            for name in _OBJECTS:
                # A take alone would keep a deleted object in the file, hidden from everyone.
                if getattr(take, name) is not None and not getattr(take, name).users_scene:
                    setattr(take, name, None)


@persistent  # type: ignore[untyped-decorator]
def _scene_changed(_scene: Any, graph: Any) -> None:
    if graph.id_type_updated("SCENE"):
        separate()


def open_takes() -> None:
    """Begins to notice scenes that are copied and objects that are deleted."""
    bpy.app.handlers.depsgraph_update_post.append(_scene_changed)


def close_takes() -> None:
    """Undoes `open_takes`."""
    if _scene_changed in bpy.app.handlers.depsgraph_update_post:
        bpy.app.handlers.depsgraph_update_post.remove(_scene_changed)


def forget_person(take: Any) -> None:
    """Another photo: what was found in the former one no longer holds."""
    take.person = take.photo_digest = take.warnings = take.warning_codes = ""
    take.bones.clear()
    forget_camera(take)


def list_bones(take: Any) -> None:
    """Lists the bone lengths of the take's person."""
    lengths = json.loads(take.person)["bone_lengths_m"] if take.person else {}
    take.bones.clear()
    for name, metres in lengths.items():
        row = take.bones.add()
        row.name, row.metres = name, metres


def forget_camera(take: Any) -> None:
    """Another person or another canvas: camera and framing have to be fitted anew."""
    take.framing = take.fitted_camera = ""
    forget_fit(take)


def forget_fit(take: Any) -> None:
    """Another motion, camera or mode: the next render measures anew how the motion is laid on the person."""
    take.fit = ""
