"""The whole way in real Blender with the real server: text, armature, hand edit, photo, video strip, and again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from fleximo.client import Client

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

ANNA = Path(__file__).resolve().parents[1] / "data" / "people" / "anna.jpg"
FIRST, FRAMES = 5, 40
SIZE = (288, 512)


@pytest.fixture
def folders(addon: Any, server: Path, tmp_path: Path) -> Iterator[Path]:
    """The add-on uses the test's server and saves its videos into the returned folder."""
    chosen = addon("preferences").preferences()
    chosen.data_folder, chosen.video_folder = str(server), str(tmp_path / "videos")
    yield tmp_path / "videos"
    chosen = addon("preferences").preferences()  # others, if the test has disabled and enabled the add-on
    chosen.data_folder = chosen.video_folder = ""


def decoded(path: str) -> Any:
    """(T,H,W,3) of a video file."""
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def turn_by_hand(armature: Any, name: str, frames: dict[int, float], axis: tuple[float, float, float]) -> None:
    """What an animator does: on each frame turn the bone by an angle (radians), set a key, and end the edit beside."""
    from mathutils import Quaternion

    bone = armature.pose.bones[name]
    for frame, angle in frames.items():
        bpy.context.scene.frame_set(frame)
        bone.rotation_quaternion = bone.rotation_quaternion @ Quaternion(axis, angle)
        bone.keyframe_insert("rotation_quaternion", frame=frame)
    for frame in (min(frames) - 1, max(frames) + 1):
        bpy.context.scene.frame_set(frame)
        bpy.ops.fleximo.key_generated()


def changed_scene_frames(before: Any, after: Any) -> list[int]:
    assert before.shape == after.shape
    return [FIRST + n for n in np.flatnonzero((before != after).reshape(len(before), -1).any(axis=1))]


def our_strips(addon: Any, scene: Any) -> list[Any]:
    return sorted(addon("compat").strips_of(scene), key=lambda strip: strip.channel)


@pytest.mark.timeout(240)
def test_text_and_photo_become_a_strip_and_an_edit_changes_its_frames_only(
    addon: Any, scene: Any, folders: Path
) -> None:
    scene.render.resolution_x, scene.render.resolution_y = 1920, 1080
    assert bpy.ops.fleximo.add_take() == {"FINISHED"}
    take = scene.fleximo.takes[0]
    take.frame_start = FIRST
    assert bpy.ops.fleximo.generate_motion(text="a woman waves her right hand and bows", seed=3) == {"FINISHED"}
    assert take.frame_end - take.frame_start + 1 >= FRAMES
    take.frame_end = FIRST + FRAMES - 1
    turn_by_hand(take.armature, "left_shoulder", {14: 0.2, 15: 0.4, 16: 0.2}, (1, 0, 0))

    assert bpy.ops.fleximo.set_reference(filepath=str(ANNA)) == {"FINISHED"}
    assert not bpy.ops.fleximo.render.poll()
    take.size = SIZE
    assert bpy.ops.fleximo.detect_pose() == {"FINISHED"}
    assert take.photo_digest and take.camera is scene.camera
    check_projection(addon, scene, take)

    assert bpy.ops.fleximo.render() == {"FINISHED"}
    (strip,) = our_strips(addon, scene)
    assert addon("compat").strip_range(strip) == (FIRST, FIRST + FRAMES)
    assert Path(take.video).parent == folders
    first = decoded(take.master)
    assert first.shape == (FRAMES, SIZE[1], SIZE[0], 3)
    assert len(decoded(take.video)) == FRAMES
    assert len(np.unique(first.reshape(FRAMES, -1), axis=0)) > FRAMES // 2, "the person moves"

    with pytest.raises(RuntimeError, match="Nothing that the video model sees has changed"):
        bpy.ops.fleximo.render_changed()
    assert bpy.ops.fleximo.render() == {"FINISHED"}
    assert changed_scene_frames(first, decoded(take.master)) == []

    edit = {24: 0.2, 25: 0.6, 26: 0.9, 27: 0.6, 28: 0.2}
    turn_by_hand(take.armature, "left_shoulder", edit, (1, 0, 0))
    assert bpy.ops.fleximo.render() == {"FINISHED"}
    second = decoded(take.master)
    assert changed_scene_frames(first, second) == sorted(edit)

    turn_by_hand(take.armature, "left_elbow", {33: 0.5, 34: 0.5}, (1, 0, 0))
    assert bpy.ops.fleximo.render_changed() == {"FINISHED"}
    assert addon("properties").live().message.startswith(f"2 of {FRAMES} frames rendered")
    third = decoded(take.master)
    assert changed_scene_frames(second, third) == [33, 34]
    assert np.abs(decoded(take.video).astype(int) - third).mean() < 5.0, "the video shows what the master holds"
    bpy.ops.fleximo.render()
    assert changed_scene_frames(third, decoded(take.master)) == [], "a part rendered again is as the whole would be"

    strips = our_strips(addon, scene)
    assert [strip.mute for strip in strips] == [True] * (len(strips) - 1) + [False]
    assert {addon("compat").strip_range(strip) for strip in strips} == {(FIRST, FIRST + FRAMES)}


def check_projection(addon: Any, scene: Any, take: Any) -> None:
    """The fitted camera in Blender puts the armature where Fleximo's camera puts the motion."""
    from tests.blender.test_camera import seen_by_blender

    camera = addon("shot").camera_of(take)[0]
    assert camera.size == SIZE
    motion = addon("sampling").sample_motion(scene, take.armature, FIRST, FIRST + 1)
    points = motion.joints()[0]
    seen = seen_by_blender(addon, scene, take.camera, points, camera.size)
    assert np.abs(seen - camera.project(points)[0]).max() < 0.01


def press(addon: Any, monkeypatch: Any, name: str, **values: Any) -> set[str]:
    """What a click does. Without a window Blender calls `execute` for it, so `invoke` is called here, as with one."""
    base, kind = addon("operators.base"), getattr(bpy.types, f"FLEXIMO_OT_{name}")
    with monkeypatch.context() as patch:
        patch.setattr(base, "bpy", SimpleNamespace(app=SimpleNamespace(background=False, timers=bpy.app.timers)))
        asked = getattr(bpy.ops.fleximo, name).get_rna_type().properties
        unset = {each.identifier: each.default for each in asked if each.identifier != "rna_type"}
        given = {**unset, "kind": kind.kind, "prepare": kind.prepare, **values}
        bases = tuple(each for each in kind.__mro__[1:] if issubclass(each, base.TaskOperator))
        pressed = type("Pressed", bases, {**given, "report": lambda *_: None})()
        answer: set[str] = pressed.invoke(bpy.context, None)
    return answer


def wait_for(addon: Any, kind: str) -> None:
    """Ticks, as Blender's timer does, until no task of the kind runs."""
    base, deadline = addon("operators.base"), time.monotonic() + 60.0
    while base.session().running(kind):
        assert time.monotonic() < deadline, f"{kind} has not ended"
        base.tick()
        time.sleep(0.02)


def wait_for_progress(addon: Any, kind: str) -> None:
    """Ticks until the server has done a part of the task of the kind."""
    base, live = addon("operators.base"), addon("properties").live()
    while live.progress < 0.11:  # until then the armature is read
        assert base.session().running(kind), live.error
        base.tick()
        time.sleep(0.01)


@pytest.mark.timeout(120)
def test_buttons_do_not_wait_and_cancel_stops(
    addon: Any, scene: Any, folders: Path, server: Path, monkeypatch: Any
) -> None:
    """The way of people: a click returns at once, the timer lands the result."""
    live, timers, tick = addon("properties").live(), bpy.app.timers, addon("operators.base").tick
    started = time.monotonic()
    assert press(addon, monkeypatch, "generate_motion", text="a man bows", seed=-1) == {"FINISHED"}
    assert time.monotonic() - started < 0.5 and timers.is_registered(tick)
    take = scene.fleximo.takes[0]
    assert take.armature is None and live.task == "Motion of Take 1"
    wait_for(addon, "motion")
    assert take.armature is not None and live.task == "" and "frames of motion" in live.message
    assert tick() is None, "the timer ends when nothing is at work"

    bpy.ops.fleximo.set_reference(filepath=str(ANNA))
    take.size = SIZE
    assert press(addon, monkeypatch, "detect_pose") == {"FINISHED"}
    assert not bpy.ops.fleximo.detect_pose.poll(), "one detection at a time"
    assert press(addon, monkeypatch, "detect_pose") == {"CANCELLED"}
    assert "has not ended yet" in live.error
    wait_for(addon, "detect")
    assert take.person and take.fitted_camera and not live.error

    take.frame_end = take.frame_start + 499  # long enough to be stopped in the middle
    assert press(addon, monkeypatch, "render") == {"FINISHED"}
    wait_for_progress(addon, "render")
    assert bpy.ops.fleximo.cancel() == {"FINISHED"}
    wait_for(addon, "render")
    assert live.message.endswith("cancelled.") and not take.video
    assert Client.from_data_folder(server).jobs()[0].state == "canceled", "the server was told"
    assert not bpy.ops.fleximo.cancel.poll()

    take.frame_end = take.frame_start + 19
    assert press(addon, monkeypatch, "render") == {"FINISHED"}
    scene.fleximo.takes.remove(0)
    wait_for(addon, "render")
    assert "no longer in this file" in live.error, "the result of a deleted take is not used"


def test_connection_is_told_in_sentences(addon: Any, scene: Any, folders: Path, tmp_path: Path) -> None:
    live = addon("properties").live()
    assert bpy.ops.fleximo.connect() == {"FINISHED"}
    assert live.server == "connected" and live.server_text.startswith("Fleximo ")
    addon("preferences").preferences().data_folder = str(tmp_path / "nobody")
    with pytest.raises(RuntimeError, match=r"No render server serves .*nobody.* Press Start"):
        bpy.ops.fleximo.connect()
    assert live.server == "missing" and "Press Start" in live.error
    assert bpy.ops.fleximo.copy_diagnostics() == {"FINISHED"}
    told = addon("operators.backend").diagnostics(bpy.context)
    assert "Press Start" in told and "blender: " in told


@pytest.mark.timeout(180)
def test_the_server_is_started_and_stopped_and_a_render_goes_on_over_it(
    addon: Any, scene: Any, folders: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    from tests.blender.conftest import ROOT, SERVER_DATA, SERVER_PYTHON

    if SERVER_DATA:
        pytest.skip("the server runs elsewhere; no Python that could start it is known here")
    chosen, live = addon("preferences").preferences(), addon("properties").live()
    chosen.data_folder, chosen.server_command = str(tmp_path / "own"), "/there/is/no/fleximo"
    with pytest.raises(RuntimeError, match="server command /there/is/no/fleximo is not there"):
        bpy.ops.fleximo.start_server()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    chosen.server_command = SERVER_PYTHON
    try:
        assert bpy.ops.fleximo.start_server() == {"FINISHED"}
        assert live.server == "connected"
        assert bpy.ops.fleximo.start_server() == {"FINISHED"}, "a running server is found, not started again"
        bpy.ops.fleximo.generate_motion(text="a man bows")
        bpy.ops.fleximo.set_reference(filepath=str(ANNA))
        take = scene.fleximo.takes[0]
        take.size = SIZE
        bpy.ops.fleximo.detect_pose()
        take.frame_end = take.frame_start + 299
        assert press(addon, monkeypatch, "render") == {"FINISHED"}
        wait_for_progress(addon, "render")
        assert bpy.ops.fleximo.stop_server() == {"FINISHED"}
        assert live.server == "missing"
        assert bpy.ops.fleximo.start_server() == {"FINISHED"}
        wait_for(addon, "render")
        assert take.video and not live.error
        assert len(our_strips(addon, scene)) == 1
    finally:
        bpy.ops.fleximo.stop_server()
        chosen.server_command = ""
    with pytest.raises(RuntimeError, match="Press Start"):
        bpy.ops.fleximo.stop_server()


def test_errors_of_the_take_are_sentences(addon: Any, scene: Any, folders: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="There is no text"):
        bpy.ops.fleximo.plan()
    with pytest.raises(RuntimeError, match="There is no picture at"):
        bpy.ops.fleximo.set_reference(filepath=str(tmp_path / "missing.jpg"))
    assert bpy.ops.fleximo.plan(text="a man bows") == {"FINISHED"}
    take = scene.fleximo.takes[0]
    assert '"bow"' in take.plan
    take.photo = str(tmp_path / "missing.jpg")
    with pytest.raises(RuntimeError, match=r"no picture at .*missing\.jpg\. Put it back"):
        bpy.ops.fleximo.detect_pose()
