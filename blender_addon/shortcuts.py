"""Keys and menu entries: from one worst frame and one variant to the next, and the repair of a marked second.

The keys work wherever frames are shown: timeline, dope sheet, sequencer, 3D viewport.
"""

from __future__ import annotations

from typing import Any

import bpy

from . import check_marks

__all__ = ["close_shortcuts", "open_shortcuts"]

# Alt Shift and an arrow: free in the editors that show frames.
_KEYS = (
    ("RIGHT_ARROW", "fleximo.go_to_worst", 1),
    ("LEFT_ARROW", "fleximo.go_to_worst", -1),
    ("DOWN_ARROW", "fleximo.show_variant", 1),
    ("UP_ARROW", "fleximo.show_variant", -1),
)
_MENUS = ("DOPESHEET_MT_context_menu", "DOPESHEET_MT_marker", "SEQUENCER_MT_context_menu", "SEQUENCER_MT_marker")
_items: list[tuple[Any, Any]] = []
_menus: list[Any] = []


def open_shortcuts() -> None:
    """Adds the keys, which the user can change in the preferences, and the entries of the markers' menus."""
    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is not None:  # there is none where no keys can be pressed
        keymap = configuration.keymaps.new(name="Frames", space_type="EMPTY", region_type="WINDOW")
        for key, operator, step in _KEYS:
            item = keymap.keymap_items.new(operator, key, "PRESS", alt=True, shift=True, repeat=True)
            item.properties.step = step
            _items.append((keymap, item))
    for name in _MENUS:
        menu = getattr(bpy.types, name, None)
        if menu is not None:
            menu.append(_draw_repair)
            _menus.append(menu)


def close_shortcuts() -> None:
    """Undoes `open_shortcuts`."""
    while _menus:
        _menus.pop().remove(_draw_repair)
    while _items:
        keymap, item = _items.pop()
        keymap.keymap_items.remove(item)


def _draw_repair(menu: Any, context: Any) -> None:
    """An entry for the marker of the self-check that is selected, none where none is."""
    marker = check_marks.selected_marker(context.scene)
    if marker is not None:
        menu.layout.separator()
        menu.layout.operator("fleximo.repair_second", icon="PREVIEW_RANGE").frame = marker.frame
