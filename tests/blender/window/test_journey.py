"""From a sentence to a repaired video, by mouse and keyboard; what is drawn on the way is judged by its pixels.

Each test begins where the one before it ended.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

from fleximo.layouts import OPENPOSE_18
from fleximo.skeleton_mesh import skeleton_mesh
from tests.blender.window.app import HEIGHT, MODULE, App

pytestmark = pytest.mark.timeout(900)

TAKE = "bpy.context.scene.fleximo.takes[0]"
LIVE = "bpy.context.window_manager.fleximo"
IDLE = f"not {LIVE}.task"
STRIPS = "[[s.channel, s.mute, s.frame_final_duration] for s in bpy.context.scene.sequence_editor.strips]"
ORANGE, GREEN = (255, 158, 26), (41, 184, 122)
TEXT = "a woman waves her right hand, then turns around"
TURNS_AT = 84  # the first frame of the second move


def press(app: App, command: str) -> None:
    """Finds the operator's button in the sidebar and clicks it."""
    app.click(*app.button(command))


def done(app: App, expression: str) -> None:
    """Waits until `expression` is true and nothing is under way, and sees that nothing went wrong."""
    app.wait(f"({expression}) and {IDLE}")
    assert not app.ask(f"{LIVE}.error")


def over(app: App, area: str, *keys: str) -> None:
    """Presses keys with the mouse over the middle of an area."""
    left, top, right, bottom = app.region(area)
    app.move((left + right) / 2, (top + bottom) / 2)
    app.press("key", *keys)


def cut(picture: Any, place: tuple[int, int, int, int]) -> Any:
    left, top, right, bottom = place
    return picture[top:bottom, left:right].astype(int)


def share_of(picture: Any, colour: tuple[int, int, int], within: int = 40) -> float:
    return float((np.abs(picture - np.array(colour)).max(axis=-1) < within).mean())


def changed(first: Any, second: Any, by: int = 40) -> Any:
    """Which pixels differ."""
    return np.abs(first.astype(int) - second.astype(int)).max(axis=-1) > by


def test_the_server_is_started(app: App) -> None:
    app.show_panels("takes", "server")
    app.picture("start")
    press(app, "start_server")
    done(app, f"{LIVE}.server == 'connected'")


def test_a_take_is_added_and_its_text_typed(app: App) -> None:
    press(app, "add_take")
    assert app.wait("len(bpy.context.scene.fleximo.takes)") == 1
    app.show_panels("takes", "motion")
    app.move(*app.field("takes[0].text"))
    app.type(TEXT)
    assert app.wait(f"{TAKE}.text") == TEXT


def test_the_motion_is_generated_and_accepted(app: App) -> None:
    press(app, "generate_motion")
    done(app, f"{TAKE}.armature is not None")
    app.show_panels("takes", "motion")
    over(app, "view", "KP_1")
    over(app, "view", "Home")
    app.run("bpy.context.scene.frame_set(36)")
    app.picture("motion")
    press(app, "accept_motion")
    done(app, f"not {TAKE}.candidates")


def test_scrubbing_in_the_timeline_moves_the_frame(app: App) -> None:
    at = [_of_frame(app, frame) for frame in (10, 45)]
    app.drag(*at)
    assert abs(app.ask("bpy.context.scene.frame_current") - 45) <= 1


def _of_frame(app: App, frame: int) -> tuple[float, float]:
    """Where in the timeline a frame stands."""
    left, top, _, _ = app.region("timeline")
    inside = app.run(
        "shown = next(region for region in timeline.regions if region.type == 'WINDOW').view2d\n"
        f"result = shown.view_to_region({frame}, 0, clip=False)"
    )
    return left + inside[0], top + 10.0


def _of_bone(app: App, bone: str) -> list[tuple[float, float]]:
    """Where the shape around a bone lies in the viewport: some of its corners."""
    left, _, _, bottom = app.region("view")
    places = app.run(
        "from mathutils import Matrix\n"
        "from bpy_extras.view3d_utils import location_3d_to_region_2d\n"
        f"armature = {TAKE}.armature\n"
        f"posed = armature.pose.bones[{bone!r}]\n"
        "inside = next(region for region in view.regions if region.type == 'WINDOW')\n"
        "size = posed.custom_shape_scale_xyz * (posed.length if posed.use_custom_shape_bone_size else 1.0)\n"
        "turned = posed.custom_shape_rotation_euler.to_matrix()\n"
        "own = Matrix.LocRotScale(posed.custom_shape_translation, turned, size)\n"
        "placed = armature.matrix_world @ posed.matrix @ own\n"
        "corners = [placed @ vertex.co for vertex in posed.custom_shape.data.vertices]\n"
        "seen = view.spaces.active.region_3d\n"
        "some = corners[:: max(1, len(corners) // 8)]\n"
        "result = [list(location_3d_to_region_2d(inside, seen, corner)) for corner in some]"
    )
    return [(left + x, bottom - y) for x, y in places]


def _rotation(app: App, bone: str) -> Any:
    return np.array(app.ask(f"list({TAKE}.armature.pose.bones[{bone!r}].matrix_basis.to_quaternion())"))


def turn(app: App, bone: str, degrees: int) -> None:
    """Picks a bone by the mouse and turns it by keys, in pose mode."""
    for place in _of_bone(app, bone):  # another shape may lie over one of its corners
        app.click(*place)
        if app.ask("getattr(bpy.context.active_pose_bone, 'name', None)") == bone:
            break
    assert app.ask("getattr(bpy.context.active_pose_bone, 'name', None)") == bone
    before = _rotation(app, bone)
    app.press("key", "r")
    app.press("type", "--", str(degrees))
    app.press("key", "Return")
    angle = 2 * np.degrees(np.arccos(min(1.0, abs(float(before @ _rotation(app, bone))))))
    assert abs(angle - abs(degrees)) < 1.0, angle


def set_mode(app: App, mode: str) -> None:
    """Goes to pose mode or back by the keys; bones are shown in pose mode alone, so that the person is seen else."""
    app.run(f"view.spaces.active.overlay.show_bones = {mode == 'POSE'}")
    if app.ask("bpy.context.mode") != mode:
        over(app, "view", "ctrl+Tab")
        app.wait(f"bpy.context.mode == {mode!r}")


def test_a_hand_is_moved_and_keyed(app: App) -> None:
    over(app, "view", "KP_1")
    over(app, "view", "Home")
    app.click(*_of_bone(app, "left_elbow")[0])
    assert app.ask(f"bpy.context.view_layer.objects.active == {TAKE}.armature")
    set_mode(app, "POSE")
    turn(app, "left_elbow", -70)
    app.show_panels("edit")
    app.picture("hand")
    press(app, "key_pose")
    turned = _rotation(app, "left_elbow")
    at = app.ask("bpy.context.scene.frame_current")
    app.run("bpy.context.scene.frame_set(1)")
    app.run(f"bpy.context.scene.frame_set({at})")
    assert abs(float(turned @ _rotation(app, "left_elbow"))) > 0.9999, "it is keyed"
    set_mode(app, "OBJECT")


def test_the_photo_is_chosen_and_the_person_found(app: App) -> None:
    app.show_panels("photo")
    press(app, "set_reference")
    app.wait("any(area.type == 'FILE_BROWSER' for area in window.screen.areas)")
    app.run("browser = next(area for area in window.screen.areas if area.type == 'FILE_BROWSER')", draw=True)
    left, top, _, _ = app.region("browser")
    app.picture("choosing_photo")
    app.move(left + 60, top + 38)  # the only picture in the folder, below the columns' names
    app.press("click", "--repeat", "2", "--delay", "40", "1")
    assert app.wait(f"{TAKE}.photo").endswith("anna.jpg")
    app.run(f"{TAKE}.size = (432, 768)", draw=True)
    press(app, "detect_pose")
    done(app, f"{TAKE}.fitted_camera")


def test_the_skeleton_is_drawn_over_the_photo_in_the_models_colours(app: App) -> None:
    app.run(f"{TAKE}.show_body = False")
    over(app, "view", "KP_0")
    over(app, "view", "Home")
    app.wait(f"{TAKE}.fit")  # measured when it is drawn for the first time
    for frame in (45, 20):
        app.run(f"bpy.context.scene.frame_set({frame})", draw=True)
        expected = _expected_skeleton(app)
        drawn = app.picture("photo" if frame == 20 else "")
        app.click(*app.field("show_overlay"))
        bare = app.picture()
        app.click(*app.field("show_overlay"))
        for picture, right in ((drawn, True), (bare, False)):
            hits = [np.abs(picture[y, x].astype(int) - colour).max() < 40 for (x, y), colour in expected]
            assert len(hits) > 12 and (np.mean(hits) > 0.9 if right else np.mean(hits) < 0.2), (frame, hits)


def _expected_skeleton(app: App) -> list[tuple[tuple[int, int], Any]]:
    """Places on the display in the middle of the body's limbs, and the colour of the skeleton there."""
    points, confidence, (width, height), wider, (scale, left, top) = app.run(
        f"import {MODULE}.overlay as overlay\n"
        f"track = overlay.track_now(bpy.context.scene, {TAKE})\n"
        "inside = next(region for region in view.regions if region.type == 'WINDOW')\n"
        "with bpy.context.temp_override(window=window, area=view, region=inside):\n"
        "    placed = overlay.canvas_to_region(bpy.context, track.size)\n"
        "    wider = overlay._wider(bpy.context, placed, track.size)\n"
        "result = [track.points_px[0].tolist(), track.confidence[0].tolist(), list(track.size), wider,\n"
        "          [placed[0][0], inside.x + placed[0][3], inside.y + placed[1][3]]]"
    )
    mesh = skeleton_mesh(np.array(points), np.array(confidence), (width, height), wider=wider)
    corners = mesh.corners_px[mesh.triangles]
    expected = []
    for a, b in OPENPOSE_18.limbs:
        middle = (np.array(points[a]) + points[b]) / 2
        over = [number for number, triangle in enumerate(corners) if _inside(middle, triangle)]
        if over and min(confidence[a], confidence[b]) > 0.3:
            colour = 255 * mesh.colours[mesh.triangles[over[-1], 0]]  # later ones lie over earlier ones
            expected.append(((int(left + scale * middle[0]), int(HEIGHT - (top - scale * middle[1]))), colour))
    return expected


def _inside(point: Any, triangle: Any) -> bool:
    sides = np.roll(triangle, -1, axis=0) - triangle
    to = point - triangle
    crossed = sides[:, 0] * to[:, 1] - sides[:, 1] * to[:, 0]
    return bool((crossed >= -1e-9).all() or (crossed <= 1e-9).all())


def test_the_live_puppet_follows_a_bone_turned_by_the_mouse(app: App) -> None:
    app.run("bpy.context.scene.frame_set(30)")
    skeleton = app.picture()
    press(app, "live_puppet")
    done(app, f"__import__('{MODULE}.live_puppet', fromlist=['x']).is_live({TAKE})")
    app.picture("puppet")
    app.click(*app.field("show_overlay"))
    place = app.region("view")
    first = app.picture()
    _beside(app, skeleton, first)
    rest = (_of_bone(app, "right_elbow")[0], _of_bone(app, "left_ankle")[0])
    app.run("bpy.context.scene.frame_set(36)")
    assert changed(cut(first, place), cut(app.picture(), place)).mean() > 0.002, "she follows the frame"
    app.run("bpy.context.scene.frame_set(30)")
    set_mode(app, "POSE")
    turn(app, "left_shoulder", 60)
    app.run("view.spaces.active.overlay.show_bones = False")
    moved = changed(first, app.picture("puppet_turned"))
    assert cut(moved, place).mean() > 0.003, "she follows the bone"
    for x, y in rest:
        near = moved[int(y) - 8 : int(y) + 8, int(x) - 8 : int(x) + 8]
        assert not near.any(), "the rest of her stays"
    over(app, "view", "ctrl+z")
    set_mode(app, "OBJECT")
    app.click(*app.field("show_overlay"))
    app.wait("bpy.context.scene.fleximo.show_overlay")


def _beside(app: App, *pictures: Any) -> None:
    """Keeps the camera's frame of each picture, side by side."""
    (x, y), (width, height) = app.run(
        f"import {MODULE}.overlay as overlay\n"
        f"size = overlay.shot.camera_of({TAKE})[0].size\n"
        "inside = next(region for region in view.regions if region.type == 'WINDOW')\n"
        "with bpy.context.temp_override(window=window, area=view, region=inside):\n"
        "    placed = overlay.canvas_to_region(bpy.context, size)\n"
        "result = [[inside.x + placed[0][3], inside.y + placed[1][3]], [n * placed[0][0] for n in size]]"
    )
    top, bottom = max(60, round(HEIGHT - y)), round(HEIGHT - y + height)
    frames = [picture[top:bottom, round(x) : round(x + width)] for picture in pictures]
    app.keep("skeleton_and_puppet", np.ascontiguousarray(np.hstack(frames)))


# Draws the window after each of some poses, and after none; CPU ms of this thread for Blender's evaluation of the pose
# and for each of our drawings.
_PACE = f"""
import time
import {MODULE}.live_puppet as live_puppet, {MODULE}.overlay as overlay
def timed(draw, times):
    def drawn():
        started = time.thread_time()
        draw()
        times.append(1e3 * (time.thread_time() - started))
    return drawn
spent = dict(evaluation=[], skeleton=[], puppet=[])
kinds = ((overlay, "skeleton", "POST_PIXEL"), (live_puppet, "puppet", "POST_VIEW"))
def watch(times):
    for module, name, moment in kinds:
        bpy.types.SpaceView3D.draw_handler_remove(module._handle, "WINDOW")
        call = timed(module._draw, times[name]) if times else module._draw
        module._handle = bpy.types.SpaceView3D.draw_handler_add(call, (), "WINDOW", moment)
def draw():
    with bpy.context.temp_override(window=window):
        bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)
watch(spent)
bone = {TAKE}.armature.pose.bones["left_shoulder"]
kept = bone.rotation_quaternion.copy()
for number in range(12):
    bone.rotation_quaternion.rotate(type(bone.rotation_quaternion)((0.0, 1.0, 0.0), 0.02))
    started = time.thread_time()
    bpy.context.view_layer.update()
    spent["evaluation"].append(1e3 * (time.thread_time() - started))
    draw()
posed = {{name: sorted(times) for name, times in spent.items()}}
for times in spent.values():
    times.clear()
for number in range(12):
    draw()
again = {{name: sorted(times) for name, times in spent.items()}}
watch(None)
bone.rotation_quaternion = kept
result = [posed, again]
"""


def test_a_pose_is_drawn_in_time(app: App) -> None:
    posed, again = app.run(_PACE)
    quick = {name: times[len(times) // 4] for name, times in posed.items()}  # the rest is the machine's other work
    told = {f"{name}, pose changed, CPU ms": round(each, 2) for name, each in quick.items()}
    redrawn = again["skeleton"][len(again["skeleton"]) // 4]
    told |= {"skeleton, redrawn, CPU ms": round(redrawn, 2), "played with both": _played(app)}
    app.click(*app.field("show_overlay"))
    press(app, "live_puppet")
    done(app, f"not __import__('{MODULE}.live_puppet', fromlist=['x']).is_live({TAKE})")
    told |= {"played with neither": _played(app)}
    app.click(*app.field("show_overlay"))
    (app.shots / "pace.json").write_text(json.dumps(told, indent=1))
    assert sum(quick.values()) < 40.0 and redrawn < 4.0, told


def _played(app: App) -> dict[str, float]:
    """How fast the animation plays with every frame shown, by the clock and by Blender's CPU time, of all threads."""
    app.run("counted = []; count = lambda *_: counted.append(1); bpy.app.handlers.frame_change_post.append(count)")
    over(app, "view", "space")
    begun = app.ask("[len(counted), time.monotonic(), time.process_time()]")
    time.sleep(8.0)
    ended = app.ask("[len(counted), time.monotonic(), time.process_time()]")
    over(app, "view", "space")
    app.run("bpy.app.handlers.frame_change_post.remove(count); bpy.context.scene.frame_set(30)")
    frames, seconds, busy = (b - a for a, b in zip(begun, ended))
    assert frames > 0
    return {"frames per second": round(frames / seconds, 2), "CPU ms per frame": round(1e3 * busy / frames, 1)}


def test_the_draft_is_rendered_to_a_strip_and_seen(app: App) -> None:
    app.run("bpy.context.scene.frame_end = 140")
    app.show_panels("takes", "render")
    press(app, "render")
    pictures = f"__import__('{MODULE}.preview_picture', fromlist=['x']).icon()"
    app.wait(f"{pictures} or {LIVE}.progress > 0.6 or {TAKE}.video")
    time.sleep(0.8)  # panels slide to their places by the clock
    app.picture("rendering", still=False)
    done(app, f"{TAKE}.video")
    assert app.ask(STRIPS) == [[1, False, 126]]
    place = app.region("preview", "PREVIEW")
    over(app, "preview", "Home")
    seen = []
    for frame in (20, 135):
        app.run(f"bpy.context.scene.frame_set({frame})")
        seen.append(cut(app.picture("strip" if frame == 20 else ""), place))
    assert (seen[0].max(axis=-1) - seen[0].min(axis=-1) > 60).mean() > 0.02, "the person in her blue shirt"
    assert changed(seen[0], seen[1]).mean() > 0.1, "past its end the video is not seen"


def test_the_render_is_checked_and_its_worst_frame_found(app: App) -> None:
    places = [app.region(area) for area in ("timeline", "sequencer")]
    before = [share_of(cut(app.picture(), place), GREEN) for place in places]
    app.show_panels("render")
    press(app, "self_check")
    done(app, f"{TAKE}.self_check")
    over(app, "timeline", "alt+shift+Right")
    looks = app.ask(f"__import__('json').loads({TAKE}.self_check)['check']['looks']")
    assert max(looks, key=lambda look: look["error"])["frame"] >= TURNS_AT, "a flat puppet waves but does not turn"
    marked = app.ask("[marker.frame for marker in bpy.context.scene.timeline_markers if marker.select]")
    assert marked == [app.ask("bpy.context.scene.frame_current")]
    after = [share_of(cut(app.picture("checked"), place), GREEN) for place in places]
    assert all(b > a + 0.0002 for a, b in zip(before, after)), "drawn over timeline and sequencer"


def test_changed_keys_are_marked_and_rendered_again(app: App) -> None:
    app.run("bpy.context.scene.frame_set(42)", draw=True)
    set_mode(app, "POSE")
    turn(app, "left_shoulder", 50)
    app.show_panels("edit")
    press(app, "key_pose")
    set_mode(app, "OBJECT")
    places = [app.region(area) for area in ("timeline", "sequencer")]
    before = [share_of(cut(app.picture(), place), ORANGE) for place in places]
    app.show_panels("render")
    press(app, "check_frames")
    done(app, f"'changed' in {TAKE}.marks")
    marks = app.ask(f"__import__('json').loads({TAKE}.marks)['changed']")
    assert marks and marks[0][0] < 42 <= marks[-1][1]
    after = [share_of(cut(app.picture("changed"), place), ORANGE) for place in places]
    assert all(b > a + 0.0002 for a, b in zip(before, after)), "drawn over timeline and sequencer"
    press(app, "render_changed")
    done(app, "len(bpy.context.scene.sequence_editor.strips) == 2")
    assert app.ask("[s.mute for s in bpy.context.scene.sequence_editor.strips]") == [True, False]


def test_a_marked_second_is_repaired(app: App) -> None:
    take = TAKE.replace("[0]", "[1]")
    app.run(
        "bpy.ops.fleximo.duplicate_take(keep='all')\n"
        f"take = {take}\n"
        "take.engine, take.size, take.frame_end = 'mimicmotion', (64, 128), 36\n"
        "bpy.ops.fleximo.fit_camera()\n"
        f"import {MODULE}.offers as offers\n"
        "engine = offers.engine_named('mimicmotion')\n"
        "take.quality = engine.qualities[0]\n"
    )
    if app.ask("list(engine.lacks)"):
        pytest.skip("the server has no stand-ins of MimicMotion's weights")
    app.show_panels("render")
    press(app, "render")
    done(app, f"{take}.video")
    press(app, "self_check")
    done(app, f"{take}.self_check")
    app.run("bpy.context.scene.frame_set(1)")
    over(app, "timeline", "alt+shift+Left")
    assert app.ask("any(marker.select for marker in bpy.context.scene.timeline_markers)"), (
        "nobody is in made-up pictures"
    )
    rendered = app.ask(f"{take}.video")
    press(app, "repair_second")
    variants = f"__import__('{MODULE}.sequencer', fromlist=['x']).variants_of(bpy.context.scene, {take}.uid)"
    done(app, f"len({variants}) == 4")
    over(app, "timeline", "alt+shift+Down")
    over(app, "timeline", "alt+shift+Down")
    assert app.ask(f"[strip.mute for strip in {variants}]") == [True, False, True, True]
    app.picture("variants")
    press(app, "accept_variant")
    done(app, f"not {variants}")
    assert app.ask(f"{take}.video") != rendered
    app.run("bpy.context.scene.fleximo.active = 0")


def test_the_checklist_is_drawn_with_its_remedies(app: App) -> None:
    app.show_panels("takes", "server")
    press(app, "connect")
    done(app, f"{LIVE}.server == 'connected'")
    press(app, "standard_view")
    app.wait("bpy.context.scene.view_settings.view_transform == 'Standard'")
    app.picture("server")


def test_nothing_went_wrong_unseen(app: App) -> None:
    said = (app.shots / "blender.txt").read_text("utf-8", "replace")
    assert "Traceback" not in said and "rror:" not in said
