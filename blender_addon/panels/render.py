"""What stands in the panel Render: engine, quality and size, what it will take, the start, and what deserves a look."""

import json
from typing import Any

import bpy

from .. import check_marks, compat, offers, pace, sequencer, timeline_marks
from .text import draw_text

__all__ = ["draw_render"]

_RAMP_ICONS = ("COLLECTION_COLOR_04", "COLLECTION_COLOR_03", "COLLECTION_COLOR_01")  # green, yellow, red
_ICONS = {"changed": "FILE_REFRESH", "outside": "FULLSCREEN_EXIT", "hidden": "HIDE_ON"}


def draw_render(layout: Any, take: Any) -> None:
    """Draws the take's render settings and buttons."""
    _draw_settings(layout, take)
    size = _size(take)
    if size is not None and take.frame_end >= take.frame_start:
        frames = take.frame_end - take.frame_start + 1
        told = pace.sentence(take.engine, take.quality, size, frames, refine=take.refine)
        draw_text(layout, told, icon="TIME")
    row = layout.row(align=True)
    row.operator("fleximo.render", icon="RENDER_ANIMATION")
    row.operator("fleximo.render_changed", icon="FILE_REFRESH")
    _draw_self_check(layout, take)
    _draw_waiting(layout, take)
    _draw_repair(layout, take)
    _draw_marks(layout, take)
    row = layout.row(align=True)
    row.operator("fleximo.insert_video", icon="SEQ_SEQUENCER")
    row.operator("fleximo.go_to_source", icon="LOOP_BACK")
    if take.refinement:
        draw_text(layout, take.refinement, icon="INFO")
    shown_with = bpy.context.scene.view_settings.view_transform
    if take.video and shown_with != "Standard":
        box = layout.box()
        draw_text(box, f"The view transform {shown_with} changes the colours of strips.", icon="ERROR")
        box.operator("fleximo.standard_view")


def _draw_self_check(layout: Any, take: Any) -> None:
    """The look at what was rendered, what its colours mean, and the way from one worst frame to the next."""
    row = layout.row(align=True)
    row.operator("fleximo.self_check", icon="HIDE_OFF").every = 0
    row.operator("fleximo.self_check", text="Every Frame").every = 1
    checked = check_marks.checked(take)
    if checked is None:
        return
    box = layout.box().column()
    draw_text(box, check_marks.told(checked))
    row = box.row(align=True)
    for icon, (error, _) in zip(_RAMP_ICONS, check_marks.COLOURS):
        row.label(text=f"{error:.2f}", icon=icon)
    row.operator("fleximo.clear_check", text="", icon="X")
    if checked.peaks:
        row = box.row(align=True)
        row.operator("fleximo.go_to_worst", text="", icon="TRIA_LEFT").step = -1
        row.operator("fleximo.repair_second", icon="PREVIEW_RANGE")
        row.operator("fleximo.go_to_worst", text="", icon="TRIA_RIGHT").step = 1


def _draw_waiting(layout: Any, take: Any) -> None:
    """A render of this take that is at the server."""
    if take.order:
        row = layout.row(align=True)
        row.label(text="A render is at the server", icon="SORTTIME")
        row.operator("fleximo.fetch_renders", text="", icon="IMPORT")
        row.operator("fleximo.cancel", text="", icon="X").about = take.uid


def _draw_repair(layout: Any, take: Any) -> None:
    """A range rendered once more, and the variants that there are of it."""
    if not take.video:
        return
    layout.operator("fleximo.render_range", icon="PREVIEW_RANGE")
    variants = sequencer.variants_of(compat.sequencer_scene(bpy.context), take.uid)
    if variants:
        row = layout.row(align=True)
        row.operator("fleximo.show_variant", text="", icon="TRIA_LEFT").step = -1
        row.label(text=next((strip.name for strip in variants if not strip.mute), "The video as it is"))
        row.operator("fleximo.show_variant", text="", icon="TRIA_RIGHT").step = 1
        row.operator("fleximo.accept_variant", text="", icon="CHECKMARK")
        row.operator("fleximo.drop_variants", text="", icon="X")


def _draw_settings(layout: Any, take: Any) -> None:
    layout.prop(take, "engine_choice")
    engine = offers.engine_named(take.engine)
    if engine.lacks:
        draw_text(layout, f"The weights {', '.join(engine.lacks)} are missing; see the panel Server.", icon="ERROR")
    if engine.qualities or take.quality:
        layout.prop(take, "quality_choice")
    layout.prop(take, "size_choice")
    if take.size_choice == "custom":
        column = layout.column(align=True)
        column.prop(take, "size", index=0, text="Width")
        column.prop(take, "size", index=1, text="Height")
        if any(side % engine.multiple for side in take.size):
            draw_text(layout, f"{engine.title} renders multiples of {engine.multiple}.", icon="ERROR")
    layout.prop(take, "seed")
    layout.prop(take, "rescale")
    layout.prop(take, "refine")


def _size(take: Any) -> tuple[int, int] | None:
    """Width and height of the next render; None where they are not known yet."""
    if take.framing:
        width, height = json.loads(take.framing)["canvas_size"]
        return int(width), int(height)
    return (take.size[0], take.size[1]) if all(take.size) else None


def _draw_marks(layout: Any, take: Any) -> None:
    """The check of the frames and what it found."""
    layout.operator("fleximo.check_frames", icon="VIEWZOOM")
    column = layout.column(align=True)
    for kind, sentence in timeline_marks.told(take):
        draw_text(column, sentence, icon=_ICONS[kind])
