"""Render settings under a name: kept in a file of Blender's own kind, put on another take, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.blender.conftest import FINISHED

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def test_settings_are_kept_and_put_on_another_take(addon: Any, scene: Any) -> None:
    ops, presets = bpy.ops.fleximo, addon("presets")
    assert not ops.add_render_preset.poll()
    take = addon("takes").add_take(scene)
    take.engine, take.quality, take.size, take.rescale, take.seed = "mimicmotion", "standard", (576, 1024), "paper", 7
    assert ops.add_render_preset(name="Tall and slow") == {"FINISHED"}
    (folder,) = (Path(path) for path in bpy.utils.preset_paths(presets.FOLDER))
    (file,) = folder.glob("*.py")
    other = addon("takes").add_take(scene)
    assert (other.engine, tuple(other.size)) == ("draft", (0, 0))
    menu = "FLEXIMO_PT_render_presets"
    assert bpy.ops.script.execute_preset(filepath=str(file), menu_idname=menu) == {"FINISHED"}
    other = addon("takes").active_take(scene)
    assert (other.engine, other.quality, tuple(other.size), other.rescale) == (
        "mimicmotion",
        "standard",
        (576, 1024),
        "paper",
    )
    assert other.seed == 0, "a seed belongs to the take"
    assert ops.add_render_preset(name="Tall and slow", remove_name=True) == {"FINISHED"}
    assert not file.exists()
    panel = addon("panels.view3d").FLEXIMO_PT_render
    assert hasattr(panel, "draw_header_preset"), "the list opens from the panel's header"
    assert ops.add_render_preset.get_rna_type().description
    FINISHED.add("FLEXIMO_OT_add_render_preset")  # its base is Blender's own
