"""The sidebar of the 3D viewport: takes, then motion, photo and render in the order of work, then the server."""

from typing import Any

import bpy

from .. import live_puppet, offers, plan_list, preview_picture, properties, takes
from ..presets import draw_presets
from .character import draw_character
from .edit import draw_edit, draw_rig
from .remedies import draw_remedies
from .render import draw_render
from .server import draw_lacking, draw_server
from .text import draw_text

__all__ = ["CLASSES"]

_CLOSED = {"DEFAULT_CLOSED"}
_PICTURE_SCALE = 9.0
_PLAN_EDITS = {"add": "ADD", "remove": "REMOVE", "up": "TRIA_UP", "down": "TRIA_DOWN", "split": "MOD_EDGESPLIT"}


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Fleximo"


class FLEXIMO_UL_takes(bpy.types.UIList):
    # Blender counts the arguments: these seven have to be there.
    def draw_item(self, _ctx: Any, layout: Any, _owner: Any, take: Any, _icon: Any, _where: Any, _name: Any) -> None:
        row = layout.row(align=True)
        row.prop(take, "name", text="", emboss=False, icon="SEQUENCE")
        there = row.row(align=True)
        there.alignment = "RIGHT"
        there.label(text="", icon="ARMATURE_DATA" if take.armature else "BLANK1")
        there.label(text="", icon="OUTLINER_OB_CAMERA" if take.fitted_camera else "BLANK1")
        there.label(text="", icon="CHECKMARK" if take.video else "BLANK1")


class FLEXIMO_UL_segments(bpy.types.UIList):
    def draw_item(self, _ctx: Any, layout: Any, _owner: Any, row: Any, _icon: Any, _where: Any, _name: Any) -> None:
        line = layout.row(align=True)
        line.label(text=plan_list.title(row).capitalize())
        line.label(text="" if row.side == "any" else row.side)
        line.prop(row, "seconds", text="", emboss=False)


class FLEXIMO_PT_takes(_Sidebar, bpy.types.Panel):
    bl_idname = "FLEXIMO_PT_takes"
    bl_label = "Takes"

    def draw(self, context: Any) -> None:
        layout, state = self.layout, context.scene.fleximo
        if state.takes:
            row = layout.row()
            row.template_list("FLEXIMO_UL_takes", "", state, "takes", state, "active", rows=4)
            column = row.column(align=True)
            column.operator("fleximo.add_take", text="", icon="ADD")
            column.operator("fleximo.remove_take", text="", icon="REMOVE")
            column.separator()
            column.operator_menu_enum("fleximo.duplicate_take", "keep", text="", icon="DUPLICATE")
        else:
            layout.label(text="A take is one shot: a motion and a photo.")
            layout.operator("fleximo.add_take", icon="ADD")
        draw_state(layout)


def draw_state(layout: Any) -> None:
    """Progress of what is being done, or what happened last, or what went wrong and what to do."""
    live = properties.live()
    if live.task:
        column = layout.column(align=True)
        column.label(text=live.task)
        row = column.row(align=True)
        row.progress(factor=live.progress, text=live.message or f"{live.progress:.0%}")
        row.operator("fleximo.cancel", text="", icon="X")
        picture = preview_picture.icon()
        if picture:
            column.template_icon(icon_value=picture, scale=_PICTURE_SCALE)
    elif live.error:
        box = layout.box()
        draw_text(box, live.error, icon="ERROR")
        draw_remedies(box, (live.code,))
        box.operator("fleximo.copy_diagnostics", icon="COPYDOWN")
    elif live.message:
        draw_text(layout, live.message, icon="INFO")


class _TakePanel(_Sidebar):
    """A panel about the active take, hidden where there is none."""

    layout: Any

    @classmethod
    def poll(cls, context: Any) -> bool:
        return takes.active_take(context.scene) is not None

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        self.draw_take(layout, takes.active_take(context.scene))

    def draw_take(self, layout: Any, take: Any) -> None:
        raise NotImplementedError


def _draw_plan(layout: Any, take: Any) -> None:
    """The moves, as long as they belong to the text."""
    if not plan_list.has_plan(take):
        return
    row = layout.row()
    row.template_list("FLEXIMO_UL_segments", "", take, "segments", take, "segment", rows=3)
    column = row.column(align=True)
    for edit, icon in _PLAN_EDITS.items():
        column.operator("fleximo.edit_plan", text="", icon=icon).edit = edit
    if 0 <= take.segment < len(take.segments):
        chosen = take.segments[take.segment]
        column = layout.column(align=True)
        reads_text = offers.motion_model_named(take.motion_model).reads_text
        played = ("text",) if reads_text else ("move", "repeats", "side", "direction", "speed")
        for name in (*played, "seconds", "seed"):
            column.prop(chosen, name)
        layout.operator("fleximo.regenerate_segment", icon="FILE_REFRESH")


def _draw_preview(layout: Any, take: Any) -> None:
    """Which of the previewed motions is shown, and what may be done with it."""
    box = layout.box()
    row = box.row(align=True)
    row.operator("fleximo.flip_preview", text="", icon="TRIA_LEFT").step = -1
    shown = take.candidates[min(take.candidate, len(take.candidates) - 1)]
    row.label(text=f"Preview {take.candidate + 1} of {len(take.candidates)}, seed {shown.seed}")
    row.operator("fleximo.generate_motion", text="", icon="ADD")
    row.operator("fleximo.flip_preview", text="", icon="TRIA_RIGHT").step = 1
    row = box.row(align=True)
    row.operator("fleximo.accept_motion", icon="CHECKMARK")
    row.operator("fleximo.reject_motion", icon="X")


def _draw_model(layout: Any, take: Any) -> None:
    """What makes the motion, and how to get what it lacks."""
    layout.prop(take, "motion_choice")
    if take.motion_model != offers.MOVES:
        layout.prop(take, "motion_settings", placeholder="greedy=true")
        draw_lacking(layout, offers.motion_model_named(take.motion_model))


class FLEXIMO_PT_motion(_TakePanel, bpy.types.Panel):
    bl_idname = "FLEXIMO_PT_motion"
    bl_label = "Motion"

    def draw_take(self, layout: Any, take: Any) -> None:
        layout.prop(take, "text", text="", placeholder="a man waves, then bows")
        _draw_model(layout, take)
        layout.prop(take, "seed")
        row = layout.split(factor=0.36, align=True)
        row.operator("fleximo.plan", icon="PRESET")
        row.operator("fleximo.generate_motion", icon="ARMATURE_DATA")
        if take.candidates:
            _draw_preview(layout, take)
        _draw_plan(layout, take)
        row = layout.row(align=True)
        row.operator("fleximo.import_motion", icon="IMPORT")
        row.operator("fleximo.export_motion", icon="EXPORT")
        layout.prop(take, "armature")
        if take.armature is not None and not take.candidates:
            column = layout.column(align=True)
            column.prop(take, "frame_start")
            column.prop(take, "frame_end", text="Last")


class FLEXIMO_PT_edit(_TakePanel, bpy.types.Panel):
    bl_idname = "FLEXIMO_PT_edit"
    bl_label = "Edit"

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        return take is not None and take.armature is not None

    def draw_take(self, layout: Any, take: Any) -> None:
        draw_edit(layout, take)


class FLEXIMO_PT_rig(_TakePanel, bpy.types.Panel):
    bl_idname = "FLEXIMO_PT_rig"
    bl_label = "Rig and Body"
    bl_parent_id = "FLEXIMO_PT_edit"

    def draw_take(self, layout: Any, take: Any) -> None:
        draw_rig(layout, take, bpy.context.scene.fleximo)


class FLEXIMO_UL_joints(bpy.types.UIList):
    def draw_item(self, _ctx: Any, layout: Any, _owner: Any, row: Any, _icon: Any, _where: Any, _name: Any) -> None:
        line = layout.split(factor=0.45)
        line.label(text=row.name.replace("_", " ").capitalize(), icon="QUESTION" if row.guessed else "NONE")
        line.label(text=row.bone.rpartition(":")[2] or "none")


class FLEXIMO_PT_character(_TakePanel, bpy.types.Panel):
    bl_idname = "FLEXIMO_PT_character"
    bl_label = "Character"
    bl_options = _CLOSED

    def draw_take(self, layout: Any, take: Any) -> None:
        draw_character(layout, take)


class FLEXIMO_PT_photo(_TakePanel, bpy.types.Panel):
    bl_idname = "FLEXIMO_PT_photo"
    bl_label = "Photo"

    def draw_take(self, layout: Any, take: Any) -> None:
        if not take.photo:
            layout.operator("fleximo.set_reference", icon="IMAGE_DATA")
            return
        layout.prop(take, "photo", text="")
        row = layout.row(align=True)
        row.operator("fleximo.detect_pose", icon="VIEWZOOM")
        row.operator("fleximo.fit_camera", icon="OUTLINER_OB_CAMERA")
        row = layout.row(align=True)
        row.operator("fleximo.place_points", icon="EMPTY_AXIS")
        if take.placing:
            row.operator("fleximo.detect_pose", text="Use Points", icon="CHECKMARK").by_points = True
        if take.warnings:
            box = layout.box()
            draw_text(box, take.warnings, icon="ERROR")
            draw_remedies(box, take.warning_codes.split())
        layout.prop(take, "camera")
        shown = live_puppet.is_live(take)
        layout.operator("fleximo.live_puppet", icon="OUTLINER_OB_ARMATURE", depress=shown)
        layout.prop(bpy.context.scene.fleximo, "show_overlay")


class FLEXIMO_PT_body(_TakePanel, bpy.types.Panel):
    bl_idname = "FLEXIMO_PT_body"
    bl_label = "Body and Lens"
    bl_parent_id = "FLEXIMO_PT_photo"
    bl_options = _CLOSED

    def draw_take(self, layout: Any, take: Any) -> None:
        column = layout.column(align=True)
        column.prop(take, "stature_m")
        column.prop(take, "lens_degrees")
        column = layout.column(align=True)
        for bone in take.bones:
            column.prop(bone, "metres", text=bone.name.replace("_", " ").capitalize())


class FLEXIMO_PT_render(_TakePanel, bpy.types.Panel):
    bl_idname = "FLEXIMO_PT_render"
    bl_label = "Render"

    def draw_header_preset(self, _context: Any) -> None:
        draw_presets(self.layout)

    def draw_take(self, layout: Any, take: Any) -> None:
        draw_render(layout, take)


class FLEXIMO_PT_server(_Sidebar, bpy.types.Panel):
    bl_idname = "FLEXIMO_PT_server"
    bl_label = "Server"

    def draw(self, _context: Any) -> None:
        draw_server(self.layout)


CLASSES = (
    FLEXIMO_UL_takes,
    FLEXIMO_UL_segments,
    FLEXIMO_PT_takes,
    FLEXIMO_PT_motion,
    FLEXIMO_UL_joints,
    FLEXIMO_PT_edit,
    FLEXIMO_PT_rig,
    FLEXIMO_PT_character,
    FLEXIMO_PT_photo,
    FLEXIMO_PT_body,
    FLEXIMO_PT_render,
    FLEXIMO_PT_server,
)
