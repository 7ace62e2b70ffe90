"""What stands in the panel Server: the checklist, each line with its remedy, and the server's buttons."""

from typing import Any

import bpy

from .. import checklist
from .text import draw_text

__all__ = ["draw_lacking", "draw_server"]

_ICONS = {True: "CHECKMARK", False: "ERROR", None: "QUESTION"}


def draw_server(layout: Any) -> None:
    """Draws the checklist and the buttons."""
    column = layout.column()
    for line in checklist.lines(bpy.context):
        _draw_line(column, line)
    row = layout.row(align=True)
    row.operator("fleximo.connect", text="Check", icon="FILE_REFRESH")
    row.operator("fleximo.start_server", text="Start", icon="PLAY")
    row.operator("fleximo.stop_server", text="Stop", icon="SNAP_FACE")
    row = layout.row(align=True)
    row.operator("fleximo.show_log", icon="TEXT")
    row.operator("fleximo.copy_diagnostics", text="Diagnostics", icon="COPYDOWN")


def draw_lacking(layout: Any, model: Any) -> None:
    """Draws the weights that an engine or motion model lacks, each with the line that fetches it."""
    for line in checklist.lacking(model):
        _draw_line(layout, line)


def _draw_line(layout: Any, line: Any) -> None:
    if line.well:
        draw_text(layout, line.text, icon="CHECKMARK")
        return
    box = layout.box().column()
    draw_text(box, line.text, icon=_ICONS[line.well])
    if line.fix:
        _draw_fix(box, line)


def _draw_fix(layout: Any, line: Any) -> None:
    icon = "COPYDOWN" if line.fix == "fleximo.copy_line" else "NONE"
    named = {"text": line.label} if line.label else {}
    button = layout.operator(line.fix, icon=icon, **named)
    for name, value in line.values.items():
        setattr(button, name, value)
