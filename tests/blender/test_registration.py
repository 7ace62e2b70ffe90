"""Enabling and disabling: twice, after a failure half way, and with nothing left behind."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

OPERATORS = (
    "plan generate_motion set_reference detect_pose fit_camera render render_changed cancel insert_video connect "
    "render_range show_variant accept_variant drop_variants "
    "start_server stop_server add_take duplicate_take remove_take live_puppet "
    "use_body_model drop_body_model import_motion export_motion edit_plan key_hands key_pose key_generated clear_edits "
    "edit_base "
    "accept_motion reject_motion flip_preview regenerate_segment snap_ik snap_fk reduce_keys adjust_motion "
    "map_rig bake_to_rig photo_from_rig go_to_source standard_view place_points copy_diagnostics "
    "self_check clear_check go_to_worst repair_second "
    "check_frames copy_line show_log fetch_renders"
).split()


def left_behind() -> list[str]:
    classes = [name for name in dir(bpy.types) if name.startswith("FLEXIMO_")]
    properties = [owner.__name__ for owner in (bpy.types.Scene, bpy.types.WindowManager) if hasattr(owner, "fleximo")]
    properties += ["Object"] if hasattr(bpy.types.Object, "fleximo_rig") else []
    threads = [thread.name for thread in threading.enumerate() if thread.name == "fleximo"]
    handlers = bpy.app.handlers
    kept = [f.__module__ for kind in (handlers.depsgraph_update_post, handlers.frame_change_post) for f in kind]
    return classes + properties + threads + [module for module in kept if "fleximo" in module]


def test_disabling_leaves_nothing_and_enabling_works_again(addon: Any, installed: str) -> None:
    for _ in range(2):
        assert {f"FLEXIMO_OT_{name}" for name in OPERATORS} <= set(dir(bpy.types))
        bpy.ops.fleximo.generate_motion(text="a man bows")  # the worker thread runs now
        bpy.ops.preferences.addon_disable(module=installed)
        assert left_behind() == []
        bpy.ops.preferences.addon_enable(module=installed)
    assert bpy.context.scene.fleximo.takes is not None


def test_a_failure_half_way_undoes_the_part_done(addon: Any, installed: str, monkeypatch: Any) -> None:
    registration = addon("registration")
    registration.unregister()

    class FLEXIMO_OT_broken(bpy.types.Operator):
        bl_idname = "nodotinthisname"
        bl_label = "Broken"

    working = registration._CLASSES
    monkeypatch.setattr(registration, "_CLASSES", (*working[:5], FLEXIMO_OT_broken, *working[5:]))
    with pytest.raises(Exception, match="nodotinthisname"):
        registration.register()
    assert left_behind() == []
    monkeypatch.setattr(registration, "_CLASSES", working)
    registration.register()
    assert bpy.context.scene.fleximo.active == 0


def test_every_operator_and_property_is_explained(addon: Any) -> None:
    for name in OPERATORS:
        kind = getattr(bpy.ops.fleximo, name).get_rna_type()
        assert kind.description, name
        assert not kind.description.endswith("."), name  # Blender adds the full stop
    for name in ("FLEXIMO_PG_take", "FLEXIMO_PG_scene", "FLEXIMO_PG_live"):
        for prop in getattr(addon("properties"), name).bl_rna.properties:
            hidden = prop.identifier in ("rna_type", "name", "takes")
            assert hidden or prop.description, (name, prop.identifier)


def test_panels_draw_for_every_state(addon: Any, scene: Any, monkeypatch: Any) -> None:
    """Drawing needs a window; what a panel asks for is checked against the operators and properties there are."""

    class Recorder:
        def __init__(self) -> None:
            self.asked: list[tuple[str, Any]] = []

        def __getattr__(self, name: str) -> Any:
            if name in ("row", "column", "box", "split"):
                return lambda **_: self
            return lambda *given, **_: self.asked.append((name, given)) or SimpleNamespace()

    def draw(kind: Any) -> list[tuple[str, Any]]:
        recorder = Recorder()
        if hasattr(kind, "draw_take"):
            kind.draw_take(None, recorder, addon("takes").active_take(scene))
        else:
            kind.draw(SimpleNamespace(layout=recorder), bpy.context)
        return recorder.asked

    view3d = addon("panels.view3d")
    panels = [kind for kind in view3d.CLASSES if issubclass(kind, bpy.types.Panel)]
    assert not view3d.FLEXIMO_PT_motion.poll(bpy.context)
    addon("takes").add_take(scene)
    assert view3d.FLEXIMO_PT_motion.poll(bpy.context)
    live = addon("properties").live()
    asked = []
    take = addon("takes").active_take(scene)
    for state in ({"task": "Rendering"}, {"task": "", "error": "It failed. " * 20}, {"error": "", "message": "Done."}):
        for name, value in state.items():
            setattr(live, name, value)
        take.photo, take.warnings = str(len(live.error)), live.error
        asked += [entry for kind in panels for entry in draw(kind)]
    live.server, live.server_text = "missing", "No render server answers."
    asked += draw(view3d.FLEXIMO_PT_server)
    live.server, live.server_text = "unknown", ""
    take.photo = ""
    take.video, take.order = "video.mp4", "{}"
    bpy.ops.fleximo.generate_motion(text="a man bows")
    assert scene.view_settings.view_transform != "Standard"
    bpy.ops.fleximo.plan(text="a man waves, then bows")
    asked += [entry for kind in panels for entry in draw(kind)]
    bpy.ops.fleximo.generate_motion(preview=True)
    variant = SimpleNamespace(mute=False, name="variant 1")
    monkeypatch.setattr(addon("sequencer"), "variants_of", lambda *_: [variant])
    looked_at = SimpleNamespace(peaks=[(1, None)])
    monkeypatch.setattr(addon("check_marks"), "checked", lambda _: looked_at)
    monkeypatch.setattr(addon("check_marks"), "told", lambda _: "Far from what was asked for.")
    asked += [entry for kind in panels for entry in draw(kind)]
    operators = {given[0].removeprefix("fleximo.") for name, given in asked if name.startswith("operator")}
    assert operators == set(OPERATORS)
    for name, given in asked:
        if name == "prop":
            assert given[1] in given[0].bl_rna.properties
        if name == "label" and given:
            assert len(given[0]) <= 60
    live.message = ""
