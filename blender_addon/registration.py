"""Registering everything in order, and undoing it in the opposite order, also after a failure half way."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from . import (
    body,
    foreign_rig,
    live_puppet,
    operators,
    overlay,
    panels,
    preferences,
    presets,
    preview_picture,
    properties,
    shortcuts,
    takes,
    timeline_marks,
    trails,
)
from .operators import base, fetch

__all__ = ["register", "unregister"]

_CLASSES = (
    *properties.CLASSES,
    *foreign_rig.CLASSES,
    *preferences.CLASSES,
    *operators.CLASSES,
    *presets.CLASSES,
    *panels.CLASSES,
)

_undo: list[Callable[[], None]] = []


def register() -> None:
    """Registers classes, properties and the session; if one of them fails, the part that was done is undone."""
    try:
        for cls in _CLASSES:
            bpy.utils.register_class(cls)
            _undo.append(lambda cls=cls: bpy.utils.unregister_class(cls))  # type: ignore[misc]
        _undo.append(properties.detach)
        properties.attach()
        _undo.append(foreign_rig.detach)
        foreign_rig.attach()
        _undo.append(base.close_session)
        base.open_session()
        _undo.append(fetch.close_waiting)
        fetch.open_waiting()
        _undo.append(takes.close_takes)
        takes.open_takes()
        _undo.append(overlay.close_overlay)
        overlay.open_overlay()
        _undo.append(trails.close_trails)
        trails.open_trails()
        _undo.append(body.close_bodies)
        body.open_bodies()
        _undo.append(timeline_marks.close_marks)
        timeline_marks.open_marks()
        _undo.append(shortcuts.close_shortcuts)
        shortcuts.open_shortcuts()
        _undo.append(preview_picture.close_pictures)
        _undo.append(live_puppet.close_live_puppet)
        live_puppet.open_live_puppet()
    except BaseException:
        unregister()
        raise


def unregister() -> None:
    """Undoes what `register` did, last things first; goes on if one step fails and raises its error at the end."""
    failed: Exception | None = None
    while _undo:
        try:
            _undo.pop()()
        except Exception as error:
            failed = failed or error
    if failed is not None:
        raise failed
