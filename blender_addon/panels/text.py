"""Texts of any length in the sidebar: Blender's labels do not wrap."""

import textwrap
from typing import Any

import bpy

__all__ = ["draw_text"]

_LETTER_PX, _BORDER_PX = 6.6, 64.0  # of the interface's font, and what icon and margins take of a line, at scale 1
_FEWEST_LETTERS = 20


def draw_text(layout: Any, text: str, icon: str = "NONE") -> None:
    """A text of any length as lines of the sidebar's width."""
    letters = _letters(bpy.context)
    column = layout.column(align=True)
    for paragraph in text.split("\n"):
        for line in textwrap.wrap(paragraph, letters, break_on_hyphens=False) or [""]:
            column.label(text=line, icon=icon)
            icon = "BLANK1" if icon != "NONE" else "NONE"


def _letters(context: Any) -> int:
    """How many letters a line of the sidebar holds."""
    width = context.region.width / context.preferences.system.ui_scale if context.region else 0.0
    return max(_FEWEST_LETTERS, int((width - _BORDER_PX) / _LETTER_PX))
