"""The self-check in Blender: colours, markers on the worst frames, the way from one to the next, and their repair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo.client import Client
from fleximo.self_check import Look, SelfCheck
from tests.blender.conftest import serving, stand_ins
from tests.blender.test_journey import ANNA, FIRST, decoded, folders, our_strips, turn_by_hand

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

__all__ = ["folders"]  # the fixture


def take_of(addon: Any, scene: Any, text: str, size: tuple[int, int]) -> Any:
    bpy.ops.fleximo.add_take()
    take = scene.fleximo.takes[0]
    take.frame_start = FIRST
    bpy.ops.fleximo.generate_motion(text=text, seed=3)
    bpy.ops.fleximo.set_reference(filepath=str(ANNA))
    take.size = size
    bpy.ops.fleximo.detect_pose()
    return take


def markers(scene: Any) -> list[tuple[int, str]]:
    return sorted((marker.frame, marker.name) for marker in scene.timeline_markers)


def refusal(addon: Any, monkeypatch: Any, name: str) -> str:
    """Why the button is disabled, empty if it is not."""
    told: list[str] = []
    with monkeypatch.context() as patch:
        refuse = classmethod(lambda _cls, reason: bool(told.append(reason)))
        patch.setattr(addon("operators.base").FleximoOperator, "refuse", refuse)
        kind = next(each for each in addon("operators").CLASSES if each.bl_idname == f"fleximo.{name}")
        assert kind.poll(bpy.context) is not bool(told)
    return told[0] if told else ""


def looks(server: Path) -> int:
    """How many frames the newest check on the server has looked at in all."""
    client = Client.from_data_folder(server)
    return len(json.loads(client.result(client.jobs(1)[0].id))["looks"])


@pytest.mark.timeout(240)
def test_the_draft_is_checked_marked_and_checked_again_where_it_changed(
    addon: Any, scene: Any, folders: Path, server: Path, monkeypatch: Any
) -> None:
    take = take_of(addon, scene, "a woman turns around", (288, 512))
    assert refusal(addon, monkeypatch, "self_check") == "Render the take once first"
    assert refusal(addon, monkeypatch, "go_to_worst") == "Press Self-Check first"
    scene.timeline_markers.new("mine", frame=7)
    bpy.ops.fleximo.render()
    assert bpy.ops.fleximo.self_check() == {"FINISHED"}
    marks, live = addon("check_marks"), addon("properties").live()
    checked = marks.checked(take)
    assert (checked.start, checked.check.frames, checked.check.every) == (FIRST, take.rendered_frames, 4)
    assert live.message == marks.told(checked) and "deserve" in live.message
    peaks = checked.peaks
    assert peaks and peaks[0][0] > FIRST, "a flat puppet cannot turn; its first frame is the photo"
    wanted = [(at, f"fleximo: check {look.error:.2f}") for at, look in peaks]
    assert markers(scene) == sorted([*wanted, (7, "mine")])

    go_and_back(scene, peaks)
    bpy.ops.fleximo.connect()  # the server tells for which engines seeds matter
    assert refusal(addon, monkeypatch, "repair_second").startswith("Draft puppet gives the same picture")
    assert bpy.ops.fleximo.self_check() == {"FINISHED"}
    assert markers(scene) == sorted([*wanted, (7, "mine")]), "asked twice, marked once"
    bpy.ops.fleximo.add_take()
    assert markers(scene) == [(7, "mine")], "the other take has no check"
    scene.fleximo.active = 0
    assert len(markers(scene)) == len(peaks) + 1

    turn_by_hand(take.armature, "left_elbow", {FIRST + 3: 0.6, FIRST + 4: 0.6}, (1, 0, 0))
    assert bpy.ops.fleximo.render_changed() == {"FINISHED"}
    kept = marks.checked(take).check
    gone = {look.frame for look in checked.check.looks} - {look.frame for look in kept.looks}
    assert gone == {4}, "what was not rendered anew is known still"
    assert bpy.ops.fleximo.self_check(every=1) == {"FINISHED"}
    assert looks(server) == take.rendered_frames == len(marks.checked(take).check.looks)
    bpy.ops.fleximo.render()
    assert marks.checked(take) is None and markers(scene) == [(7, "mine")], "another render, nothing known"
    bpy.ops.fleximo.self_check()
    assert bpy.ops.fleximo.clear_check() == {"FINISHED"}
    assert marks.checked(take) is None and markers(scene) == [(7, "mine")]


def go_and_back(scene: Any, peaks: list[tuple[int, Any]]) -> None:
    """From one worst frame to the next, and from the last to the first."""
    scene.frame_set(FIRST)
    for at, _ in [*peaks, peaks[0]]:
        assert bpy.ops.fleximo.go_to_worst() == {"FINISHED"}
        assert scene.frame_current == at
        assert [marker.frame for marker in scene.timeline_markers if marker.select] == [at]
    bpy.ops.fleximo.go_to_worst(step=-1)
    assert scene.frame_current == peaks[-1][0]


@pytest.fixture(scope="module")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A server with small stand-ins of MimicMotion's weights."""
    models = stand_ins(tmp_path_factory.mktemp("models"), "svd", "mimicmotion")
    with serving(tmp_path_factory.mktemp("tiny"), FLEXIMO_MODELS=str(models)) as folder:
        yield folder


@pytest.mark.timeout(400)
def test_the_worst_second_is_rendered_again_and_accepted(
    addon: Any, scene: Any, folders: Path, tiny_server: Path, monkeypatch: Any
) -> None:
    addon("preferences").preferences().data_folder = str(tiny_server)
    scene.render.fps = 8
    take = take_of(addon, scene, "a woman waves her right hand", (64, 128))
    take.frame_end = FIRST + 11
    take.engine, take.quality = "mimicmotion", "standard"
    bpy.ops.fleximo.connect()
    assert bpy.ops.fleximo.render() == {"FINISHED"}
    assert bpy.ops.fleximo.self_check() == {"FINISHED"}
    marks, strips = addon("check_marks"), addon("sequencer")
    peaks = marks.checked(take).peaks
    assert [look.found for _, look in peaks] == [False] * len(peaks), "made-up weights show nobody"
    assert [at for at, _ in peaks] == [FIRST, FIRST + 8]

    scene.frame_set(FIRST + 1)
    bpy.ops.fleximo.go_to_worst()
    assert scene.frame_current == FIRST + 8
    before, old_strip = decoded(take.master), our_strips(addon, scene)[0].name
    assert bpy.ops.fleximo.repair_second(variants=2, steps=2) == {"FINISHED"}
    variants = strips.variants_of(scene, take.uid)
    second = (FIRST + 4, FIRST + 12)
    assert [addon("compat").strip_range(strip) for strip in variants] == [second, second]
    assert [strip.mute for strip in variants] == [True, True]
    seeds = [strips.provenance_of(strip)["seed"] for strip in variants]
    assert seeds == [take.seed + 1, take.seed + 2] and take.tried_seed == take.seed + 2
    bpy.ops.fleximo.show_variant()
    bpy.ops.fleximo.show_variant()
    assert [strip.mute for strip in variants] == [True, False]
    chosen = decoded(bpy.path.abspath(strips.provenance_of(variants[1])["master"]))

    assert bpy.ops.fleximo.accept_variant() == {"FINISHED"}
    after = decoded(take.master)
    inside = np.zeros(12, dtype=bool)
    inside[4:12] = True
    assert np.array_equal(after, chosen)
    assert np.array_equal(after[~inside], before[~inside]), "frames outside are the same bytes"
    assert (after[inside] != before[inside]).any(axis=(1, 2, 3)).all()
    shown = [strip for strip in our_strips(addon, scene) if not strip.mute]
    assert [addon("compat").strip_range(strip) for strip in shown] == [(FIRST, FIRST + 12)]
    assert Path(bpy.path.abspath(shown[0].filepath)) == Path(bpy.path.abspath(take.video)) and old_strip
    assert len(decoded(take.video)) == 12

    known = [look.frame for look in marks.checked(take).check.looks]
    assert known == [*range(4)], "the repaired second has to be looked at again"
    assert [at for at, _ in marks.checked(take).peaks] == [FIRST]
    bpy.ops.fleximo.self_check()
    assert len(marks.checked(take).check.looks) == 12

    marker = next(marker for marker in scene.timeline_markers if marker.frame == FIRST + 8)
    scene.frame_set(100)
    marks.select_marker(scene, -1)
    assert refusal(addon, monkeypatch, "repair_second").startswith("Go to a marked frame first")
    marker.select = True
    assert refusal(addon, monkeypatch, "repair_second") == "", "a selected marker will do"
    with pytest.raises(RuntimeError, match="no second around frame 100"):
        bpy.ops.fleximo.repair_second()
    assert bpy.ops.fleximo.repair_second(frame=marker.frame, variants=1, steps=1) == {"FINISHED"}
    (variant,) = strips.variants_of(scene, take.uid)
    assert addon("compat").strip_range(variant) == second, "the clip's last second"
    assert strips.provenance_of(variant)["seed"] == take.seed + 3, "one that has not been tried"
    assert bpy.ops.fleximo.drop_variants() == {"FINISHED"}
    assert np.array_equal(decoded(take.master), after)

    stop_after_the_first(addon, scene, take, monkeypatch)


def stop_after_the_first(addon: Any, scene: Any, take: Any, monkeypatch: Any) -> None:
    """Stopped on the way, the variants that are finished are there."""
    renders = addon("remote.renders")
    real, made = renders.render, []

    def render(*given: Any, **named: Any) -> Any:
        if made:
            addon("operators.base").session().cancel("render")
        made.append((yield from real(*given, **named)))
        return made[-1]

    scene.frame_set(FIRST)
    with monkeypatch.context() as patch:
        patch.setattr(renders, "render", render)
        assert bpy.ops.fleximo.repair_second(variants=3, steps=1) == {"FINISHED"}
    assert len(made) == 1 == len(addon("sequencer").variants_of(scene, take.uid))


# --- what is drawn


def checked_of(addon: Any, errors: dict[int, float], frames: int = 20, every: int = 4) -> Any:
    found = tuple(Look(frame, error, True, "nose") for frame, error in errors.items())
    # The installed extension has its own copy of the knowledge.
    document = SelfCheck(frames, Fraction(10), every, "mediapipe", found).to_json()
    marks = addon("check_marks")
    return marks.Checked(5, marks.SelfCheck.from_json(document))


def test_colours_go_from_green_to_red_and_stay_away_where_nothing_is_known(addon: Any) -> None:
    marks = addon("check_marks")
    checked = checked_of(addon, {0: 0.0, 4: 0.3, 8: 0.07, 16: 1.0})
    cells = marks.cells(checked, 100.0, 10.0, 1000)
    assert cells.left_px.tolist() == [100.0 + 10 * frame for frame in (*range(9), 16)]
    assert np.array_equal(cells.right_px - cells.left_px, np.full(10, 10.0))
    assert np.flatnonzero(cells.looked_at).tolist() == [0, 4, 8, 9]
    green, _, red = (colour for _, colour in marks.COLOURS)
    assert cells.colours[[0, 8]].tolist() == [list(green), list(green)]
    assert cells.colours[[4, 9]].tolist() == [list(red), list(red)]
    assert np.all(np.diff(cells.colours[4:8, 1]) > 0), "between two that were looked at a mixture"
    assert len(marks.cells(checked, 100.0, 10.0, 125).left_px) == 3, "what lies outside the region is not drawn"


def test_in_a_long_clip_a_pixel_shows_its_worst_frame(addon: Any) -> None:
    marks = addon("check_marks")
    errors = dict.fromkeys(range(18000), 0.0) | {9001: 0.9}
    cells = marks.cells(checked_of(addon, errors, frames=18000), 0.0, 0.05, 900)
    assert len(cells.left_px) == 900
    assert cells.colours[450].tolist() == list(marks.COLOURS[2][1])


def test_a_check_of_another_render_or_one_that_cannot_be_read_is_not_shown(addon: Any, scene: Any) -> None:
    marks, take = addon("check_marks"), addon("takes").add_take(scene)
    take.job, take.rendered_start, take.rendered_frames = "one", 5, 20
    marks.keep(take, checked_of(addon, {0: 0.5}).check)
    assert marks.checked(take).peaks[0][0] == 5
    take.job = "another"
    assert marks.checked(take) is None and marks.checked(None) is None
    for broken in ("", "{", "[]", json.dumps({"job": "another", "start": 1, "check": {}})):
        take.self_check = broken
        assert marks.checked(take) is None


def test_keys_and_menus_come_and_go(addon: Any, scene: Any, monkeypatch: Any) -> None:
    shortcuts, marks = addon("shortcuts"), addon("check_marks")

    def keys() -> list[tuple[str, str, int]]:
        keymap = bpy.context.window_manager.keyconfigs.addon.keymaps["Frames"]
        return [
            (item.type, item.idname, item.properties.step)
            for item in keymap.keymap_items
            if item.idname.startswith("fleximo.") and item.alt and item.shift
        ]

    def entries() -> int:
        menu = bpy.types.DOPESHEET_MT_context_menu
        return sum(draw.__module__.endswith("shortcuts") for draw in menu._dyn_ui_initialize())

    assert sorted(keys()) == sorted(shortcuts._KEYS) and entries() == 1
    shortcuts.close_shortcuts()
    assert keys() == [] and entries() == 0
    shortcuts.open_shortcuts()
    assert sorted(keys()) == sorted(shortcuts._KEYS) and entries() == 1
    assert marks.selected_marker(scene) is None
    scene.timeline_markers.new("fleximo: check 0.40", frame=9)
    marks.select_marker(scene, 9)
    assert marks.selected_marker(scene).frame == 9
