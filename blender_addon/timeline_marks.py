"""Over the time of dope sheet and sequencer: frames that changed, leave the picture, or hide a limb; the self-check.

Draws what is kept on the active take; what deserves a mark is told by `fleximo.frame_marks`, the colours of the
self-check by `check_marks`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from fleximo.errors import FleximoError
from fleximo.frame_marks import FrameMarks

from . import check_marks, compat, takes

__all__ = ["Band", "bands", "close_marks", "keep", "open_marks", "told"]

_HEIGHT_PX, _CHECK_HEIGHT_PX, _GAP_PX = 5.0, 7.0, 1.0
_ROOM_PX = 20.0  # about what timelines leave below ruler and markers' names; rows become lower to fit
_BETWEEN = 0.7  # of the height, and of the opacity, for frames between two that were looked at
# What is said of it, and its colour, lowest row first.
KINDS = {
    "changed": ("changed since the last render", (1.0, 0.62, 0.1, 0.9)),
    "outside": ("out of the picture", (0.95, 0.2, 0.25, 0.9)),
    "hidden": ("with a hidden arm or leg", (0.45, 0.6, 1.0, 0.9)),
}
_handles: list[tuple[Any, Any]] = []


@dataclass(frozen=True)
class Band:
    """Scene frames [start, stop) to be marked."""

    kind: str
    start: int
    stop: int


def keep(take: Any, marks: FrameMarks, first_frame: int) -> None:
    """Keeps the marks on the take, of whose frames the first lies at the scene's `first_frame`."""
    take.marks = json.dumps({"start": first_frame, **marks.to_json()})


def _kept(take: Any) -> tuple[int, FrameMarks] | None:
    if take is None or not take.marks:
        return None
    try:
        document = json.loads(take.marks)
        return int(document["start"]), FrameMarks.from_json(document)
    except (ValueError, KeyError, TypeError, FleximoError):
        return None


def bands(take: Any) -> list[Band]:
    """What is marked of `take`, empty for None."""
    kept = _kept(take)
    if kept is None:
        return []
    first, marks = kept
    return [Band(kind, first + start, first + stop) for kind in KINDS for start, stop in getattr(marks, kind)]


def told(take: Any) -> list[tuple[str, str]]:
    """(kind, sentence) for the panel, one for each kind that is marked."""
    lines = []
    for kind, (words, _) in KINDS.items():
        found = [band for band in bands(take) if band.kind == kind]
        frames = sum(band.stop - band.start for band in found)
        if frames:
            where = "from" if len(found) == 1 else f"in {len(found)} places, from"
            counted = f"{frames} {'frame' if frames == 1 else 'frames'}"
            lines.append((kind, f"{counted} {words}, {where} {found[0].start} on"))
    return lines


def open_marks() -> None:
    """Begins to draw in dope sheets, timelines and sequencers."""
    if bpy.app.background:
        return
    for space in (bpy.types.SpaceDopeSheetEditor, bpy.types.SpaceSequenceEditor):
        _handles.append((space, space.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")))


def close_marks() -> None:
    """Undoes `open_marks`."""
    while _handles:
        space, handle = _handles.pop()
        space.draw_handler_remove(handle, "WINDOW")


def _draw() -> None:
    context = bpy.context
    take = takes.active_take(compat.shown_scene(context))
    found, checked, region = bands(take), check_marks.checked(take), context.region
    if region is None or not (found or checked):
        return
    # A key lies in the middle of its frame; a strip's frame reaches to the next number.
    early = 0.0 if context.area.type == "SEQUENCE_EDITOR" else 0.5
    kinds = [kind for kind in KINDS if any(band.kind == kind for band in found)]
    heights = _heights(checked is not None, len(kinds), context.preferences.system.ui_scale)
    gpu.state.blend_set("ALPHA")
    low = _GAP_PX
    if checked is not None:
        _draw_check(checked, region, low, heights[0], early)
        low += heights.pop(0) + _GAP_PX
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    for kind, height in zip(kinds, heights):
        row = [band for band in found if band.kind == kind]
        corners, corner_triples = _rectangles(row, region, low, height, early)
        low += height + _GAP_PX
        if corners:
            shader.uniform_float("color", KINDS[kind][1])
            batch_for_shader(shader, "TRIS", {"pos": corners}, indices=corner_triples).draw(shader)
    gpu.state.blend_set("NONE")


def _heights(with_check: bool, kinds: int, scale: float) -> list[float]:
    """The heights of the rows there are, the lowest first: that of the self-check, then one for each kind of mark."""
    heights = [*([_CHECK_HEIGHT_PX] if with_check else []), *[_HEIGHT_PX] * kinds]
    room = _ROOM_PX - _GAP_PX * len(heights)
    return [scale * height * min(1.0, room / sum(heights)) for height in heights]


def _draw_check(checked: check_marks.Checked, region: Any, low: float, height: float, early: float) -> None:
    """The row of the self-check: full where frames were looked at, lower and paler between them."""
    first, then = (region.view2d.view_to_region(checked.start - early + n, 0.0, clip=False)[0] for n in (0, 1000))
    cells = check_marks.cells(checked, first, (then - first) / 1000.0, region.width)
    count = len(cells.left_px)
    if not count:
        return
    high = low + height * np.where(cells.looked_at > 0.0, 1.0, _BETWEEN)
    at = np.empty((count, 4, 2), dtype=np.float32)
    at[:, (0, 3), 0], at[:, (1, 2), 0] = cells.left_px[:, None], cells.right_px[:, None]
    at[:, :2, 1], at[:, 2:, 1] = low, high[:, None]
    colours = np.column_stack((cells.colours, np.where(cells.looked_at > 0.0, 1.0, _BETWEEN)))
    corners = np.repeat(colours.astype(np.float32), 4, axis=0)
    triangles = (np.arange(count)[:, None] * 4 + (0, 1, 2, 0, 2, 3)).reshape(-1, 3).astype(np.int32)
    shader = gpu.shader.from_builtin("FLAT_COLOR")
    batch = batch_for_shader(shader, "TRIS", {"pos": at.reshape(-1, 2), "color": corners}, indices=triangles)
    batch.draw(shader)


def _rectangles(found: list[Band], region: Any, low: float, height: float, early: float) -> tuple[list[Any], list[Any]]:
    """Corners and triangles of one row of bands, `early` frames before their numbers, in the region's pixels."""
    corners: list[tuple[float, float]] = []
    triangles: list[tuple[int, int, int]] = []
    for band in found:
        left, right = (region.view2d.view_to_region(at - early, 0.0, clip=False)[0] for at in (band.start, band.stop))
        if right < 0 or left > region.width:
            continue
        right = max(right, left + 2.0)
        first = len(corners)
        corners += [(left, low), (right, low), (right, low + height), (left, low + height)]
        triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    return corners, triangles
