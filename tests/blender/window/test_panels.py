"""Panels, overlay, live puppet and the timeline's marks as they are really drawn; then a journey by mouse and keys."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from tests.blender.conftest import PEOPLE
from tests.blender.window.conftest import MODULE, App

pytestmark = pytest.mark.timeout(400)

TAKE = "bpy.context.scene.fleximo.takes[0]"
IDLE = "not bpy.context.window_manager.fleximo.task"
ERROR = "bpy.context.window_manager.fleximo.error"
LIVE_PUPPET = f"{MODULE}.live_puppet"
ORANGE = (255, 158, 26)


def pressed(app: App, command: str, *panels: str) -> None:
    """Finds the button in its panel and clicks it."""
    app.show_panels(*panels)
    app.click(*app.button(command))


def cut(picture: Any, place: tuple[int, int, int, int]) -> Any:
    left, top, right, bottom = place
    return picture[top:bottom, left:right].astype(int)


def pixels_of(picture: Any, colour: tuple[int, int, int], within: int = 40) -> int:
    return int((np.abs(picture - np.array(colour)).max(axis=-1) < within).sum())


def test_a_take_is_added_and_its_text_typed(app: App) -> None:
    app.picture("1_start")
    pressed(app, "add_take", "FLEXIMO_PT_takes")
    assert app.wait("len(bpy.context.scene.fleximo.takes)") == 1
    app.show_panels("FLEXIMO_PT_motion")
    x, y = app.field("takes[0].text")
    app.press("mousemove", str(x), str(y), "click", "--repeat", "2", "--delay", "60", "1", "key", "ctrl+a")
    time.sleep(0.3)
    app.press("type", "--delay", "30", "a woman waves her right hand, then bows")
    app.press("key", "Return")
    assert app.wait(f"{TAKE}.text") == "a woman waves her right hand, then bows"


def test_the_motion_is_generated_and_accepted(app: App) -> None:
    pressed(app, "generate_motion", "FLEXIMO_PT_motion")
    app.wait(f"{TAKE}.armature is not None and {IDLE}")
    app.picture("2_motion")
    pressed(app, "accept_motion", "FLEXIMO_PT_motion")
    app.wait(f"not {TAKE}.candidates")


def test_the_person_is_found_in_the_photo(app: App) -> None:
    app.run(f"bpy.ops.fleximo.set_reference(filepath={str(PEOPLE / 'anna.jpg')!r}); {TAKE}.size = (288, 512)")
    pressed(app, "detect_pose", "FLEXIMO_PT_photo")
    app.wait(f"{TAKE}.fitted_camera != '' and {IDLE}")
    assert not app.ask(ERROR)


def look_through_camera(app: App) -> None:
    app.run(
        "view.spaces.active.region_3d.view_perspective = 'CAMERA'\n"
        "inside = next(region for region in view.regions if region.type == 'WINDOW')\n"
        "with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=view, region=inside):\n"
        "    bpy.ops.view3d.view_center_camera()\n"
        "bpy.context.scene.frame_set(30)\n"
    )
    time.sleep(1.0)


def test_the_skeleton_is_drawn_over_the_photo_and_follows_the_frame(app: App) -> None:
    look_through_camera(app)
    place = app.region("VIEW_3D")
    app.ask("setattr(bpy.context.scene.fleximo, 'show_overlay', False)")
    bare = cut(app.picture(), place)
    app.ask("setattr(bpy.context.scene.fleximo, 'show_overlay', True)")
    app.show_panels()
    drawn = cut(app.picture("3_photo"), place)
    app.show_panels("FLEXIMO_PT_photo")
    drawn = cut(app.picture(), place)
    bright = (drawn.max(axis=-1) - drawn.min(axis=-1) > 120) & (np.abs(drawn - bare).max(axis=-1) > 60)
    assert bright.mean() > 0.002, "strokes in full colours"
    app.run("bpy.context.scene.frame_set(45)")
    assert (np.abs(cut(app.picture(), place) - drawn).max(axis=-1) > 60).mean() > 0.002


def test_the_live_puppet_is_drawn_and_moves_with_the_frame(app: App) -> None:
    place = app.region("VIEW_3D")
    app.run("bpy.context.scene.fleximo.show_overlay = False; bpy.context.scene.frame_set(1)")
    pressed(app, "live_puppet", "FLEXIMO_PT_photo")
    app.wait(f"__import__('{LIVE_PUPPET}', fromlist=['x']).is_live({TAKE}) and {IDLE}")
    time.sleep(1.0)
    first = cut(app.picture(), place)
    app.run("bpy.context.scene.frame_set(30)")
    time.sleep(0.5)
    second = cut(app.picture("4_puppet"), place)
    assert (np.abs(first - second).max(axis=-1) > 40).mean() > 0.003
    app.run("bpy.context.scene.fleximo.show_overlay = True")


def test_scrubbing_in_the_timeline_moves_the_frame(app: App) -> None:
    left, top, _, _ = app.region("DOPESHEET_EDITOR")
    app.drag((left + 300.0, top + 10.0), (left + 420.0, top + 10.0))
    assert app.ask("bpy.context.scene.frame_current") > 30


def test_the_draft_is_rendered_to_a_strip(app: App) -> None:
    app.run(f"{TAKE}.frame_end = 60; bpy.context.scene.frame_end = 80")
    app.show_panels("FLEXIMO_PT_takes", "FLEXIMO_PT_render")
    app.click(*app.button("render"))
    pictures = f"__import__('{MODULE}.preview_picture', fromlist=['x']).icon()"
    app.wait(f"{pictures} or {TAKE}.video", 120.0)
    app.picture("5_rendering")
    app.wait(f"{TAKE}.video and {IDLE}", 120.0)
    assert not app.ask(ERROR)
    strips = "[[s.channel, s.mute, s.frame_final_duration] for s in bpy.context.scene.sequence_editor.strips]"
    assert app.ask(strips) == [[1, False, 60]]


def test_a_moved_hand_is_marked_and_rendered_again(app: App) -> None:
    app.run(
        f"bone = {TAKE}.armature.pose.bones['left_shoulder']\n"
        "for frame in (40, 41, 42, 43, 44):\n"
        "    bpy.context.scene.frame_set(frame)\n"
        "    bone.rotation_quaternion = bone.rotation_quaternion @ type(bone.rotation_quaternion)((1, 0, 0), 0.5)\n"
        "    bone.keyframe_insert('rotation_quaternion', frame=frame)\n"
    )
    place = app.region("DOPESHEET_EDITOR")
    before = pixels_of(cut(app.picture(), place), ORANGE)
    pressed(app, "check_frames", "FLEXIMO_PT_takes", "FLEXIMO_PT_render")
    app.wait(f"'changed' in {TAKE}.marks and {IDLE}")
    marks = app.ask(f"__import__('json').loads({TAKE}.marks)['changed']")
    assert marks and marks[0][0] <= 40 <= marks[-1][1]
    after = pixels_of(cut(app.picture("6_changed"), place), ORANGE)
    assert after > before + 40, "drawn over the timeline"
    pressed(app, "render_changed", "FLEXIMO_PT_takes", "FLEXIMO_PT_render")
    app.wait(f"len(bpy.context.scene.sequence_editor.strips) == 2 and {IDLE}", 120.0)
    assert app.ask("[s.mute for s in bpy.context.scene.sequence_editor.strips]") == [True, False]
    app.run(
        "inside = next(region for region in below.regions if region.type == 'WINDOW')\n"
        "with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=below, region=inside):\n"
        "    bpy.ops.sequencer.view_all()\n"
        "bpy.context.scene.frame_set(42)\n"
    )
    time.sleep(1.0)
    app.picture("7_strip")


def test_the_checklist_is_drawn_with_its_remedies(app: App) -> None:
    pressed(app, "connect", "FLEXIMO_PT_takes", "FLEXIMO_PT_server")
    app.wait("bpy.context.window_manager.fleximo.server == 'connected'")
    app.click(*app.button("standard_view"))
    app.wait("bpy.context.scene.view_settings.view_transform == 'Standard'")
    app.picture("8_server")


def test_nothing_went_wrong_unseen(app: App) -> None:
    said = (app.shots / "blender.txt").read_text("utf-8", "replace")
    assert "Traceback" not in said
