"""Render settings kept under a name, by Blender's own presets: files in the user's folder of scripts."""

# mypy: disable-error-code="valid-type"

from typing import Any

import bpy
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel

from . import takes

__all__ = ["CLASSES", "FOLDER", "draw_presets"]

FOLDER = "fleximo/render"
_KEPT = ("engine", "quality", "size", "rescale", "refine")  # the engine first: setting it forgets the quality


class FLEXIMO_OT_add_render_preset(AddPresetBase, bpy.types.Operator):
    """Keep engine, quality, size and proportions of the take under a name, for other takes and files"""

    bl_idname = "fleximo.add_render_preset"
    bl_label = "Add Render Preset"
    preset_menu = "FLEXIMO_PT_render_presets"
    preset_subdir = FOLDER
    # Lines of the file that Blender runs when the preset is chosen.
    preset_defines = ("scene = bpy.context.scene.fleximo", "take = scene.takes[scene.active]")
    preset_values = tuple(f"take.{name}" for name in _KEPT)

    @classmethod
    def poll(cls, context: Any) -> bool:
        if takes.active_take(context.scene) is None:
            cls.poll_message_set("Add a take first")
            return False
        return True


class FLEXIMO_PT_render_presets(PresetPanel, bpy.types.Panel):
    bl_label = "Render Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    preset_add_operator = FLEXIMO_OT_add_render_preset.bl_idname


def draw_presets(layout: Any) -> None:
    """Draws the button that opens the list of presets, for a panel's header."""
    FLEXIMO_PT_render_presets.draw_panel_header(layout)


CLASSES = (FLEXIMO_OT_add_render_preset, FLEXIMO_PT_render_presets)
