"""Renders in a queue, and over closing and opening the file: jobs belong to the server, the file waits for them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from fleximo.client import Client
from tests.blender.test_journey import ANNA, folders, our_strips, press, wait_for, wait_for_progress

__all__ = ["folders"]

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


@pytest.fixture
def take(addon: Any, scene: Any, folders: Path) -> Any:
    """A take that can be rendered."""
    bpy.ops.fleximo.generate_motion(text="a man bows")
    bpy.ops.fleximo.set_reference(filepath=str(ANNA))
    made = scene.fleximo.takes[0]
    made.size = (144, 256)
    bpy.ops.fleximo.detect_pose()
    made.frame_end = made.frame_start + 9
    return made


def opened(path: Path) -> Any:
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return bpy.context.scene


def ended(server: Path, job: str) -> Any:
    """The state of the job once it has ended, whoever waits for it."""
    client, deadline = Client.from_data_folder(server), time.monotonic() + 60.0
    while not client.job(job).ended:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return client.job(job)


@pytest.mark.timeout(120)
def test_takes_wait_in_a_queue(addon: Any, scene: Any, take: Any, server: Path, monkeypatch: Any) -> None:
    live, session = addon("properties").live(), addon("operators.base").session()
    for _ in range(3):
        bpy.ops.fleximo.duplicate_take(keep="all")
    uids = [each.uid for each in scene.fleximo.takes]
    for number in range(4):
        scene.fleximo.active = number
        scene.fleximo.takes[number].frame_end = take.frame_start + (200 if number == 1 else 9)
        assert press(addon, monkeypatch, "render") == {"FINISHED"}
    assert live.task == "Rendering Take 1, 3 more wait"
    assert not bpy.ops.fleximo.render.poll(), "one render of a take at a time"
    assert session.cancel("render", uids[1]) == 1
    wait_for(addon, "render")
    videos = [each.video for each in scene.fleximo.takes]
    assert [bool(video) for video in videos] == [True, False, True, True] and len(set(videos)) == 4
    assert len(our_strips(addon, scene)) == 3
    assert not any(each.order for each in scene.fleximo.takes)


@pytest.mark.timeout(120)
def test_a_render_is_waited_for_over_closing_and_opening(
    addon: Any, scene: Any, take: Any, server: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    session, path = addon("operators.base").session(), tmp_path / "shot.blend"
    take.frame_end = take.frame_start + 149
    assert press(addon, monkeypatch, "render") == {"FINISHED"}
    wait_for_progress(addon, "render")
    job = json.loads(take.order)["job"]
    take.order = ""  # as an undo would
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    assert json.loads(take.order)["job"] == job, "saving knows what is waited for"
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert not session.tasks, "the other file does not wait for it"
    assert ended(server, job).state == "done", "but the server goes on"

    take = opened(path).fleximo.takes[0]
    assert session.running("render", take.uid) is not None and not take.video
    assert bpy.ops.fleximo.fetch_renders() == {"FINISHED"}
    take = bpy.context.scene.fleximo.takes[0]
    assert take.job == job and not take.order and take.fit and take.rendered_with and take.marks
    (strip,) = our_strips(addon, bpy.context.scene)
    assert addon("compat").strip_range(strip) == (take.frame_start, take.frame_end + 1)
    files = {Path(bpy.path.abspath(name)) for name in (take.video, take.master, take.track)}
    assert all(file.is_file() for file in files)
    with pytest.raises(RuntimeError, match="Nothing that the video model sees has changed"):
        bpy.ops.fleximo.render_changed()
    assert not bpy.ops.fleximo.fetch_renders.poll()


@pytest.mark.timeout(120)
def test_what_blender_leaves_behind_at_its_end(
    addon: Any, scene: Any, take: Any, server: Path, tmp_path: Path, monkeypatch: Any, installed: str, folders: Path
) -> None:
    """Disabling, as closing Blender does, leaves a render to the server; a file of gone renders says so once."""
    take.frame_end = take.frame_start + 149
    assert press(addon, monkeypatch, "render") == {"FINISHED"}
    wait_for_progress(addon, "render")
    job, path = json.loads(take.order)["job"], tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.preferences.addon_disable(module=installed)
    bpy.ops.preferences.addon_enable(module=installed)
    assert ended(server, job).state == "done"
    preferences = addon("preferences").preferences()
    preferences.data_folder, preferences.video_folder = str(server), str(folders)

    preferences.data_folder = str(tmp_path / "nobody")
    monkeypatch.setattr(addon("remote.waiting"), "_PATIENCE_S", 0.0)
    take = opened(path).fleximo.takes[0]
    wait_for(addon, "render")
    assert "Press Start" in addon("properties").live().error and take.order, "another time, perhaps"
    preferences.data_folder = str(server)
    Client.from_data_folder(server).delete(job)
    assert bpy.ops.fleximo.connect() == {"FINISHED"}
    wait_for(addon, "render")
    assert "job" in addon("properties").live().error and not take.order, "it cannot be had any more"
