"""The live puppet: cut once by the server, then moved inside Blender by every pose."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo.client import Client
from tests.blender.conftest import PEOPLE

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


@pytest.fixture
def take(addon: Any, scene: Any, server: Path) -> Iterator[Any]:
    chosen = addon("preferences").preferences()
    chosen.data_folder = str(server)
    assert not bpy.ops.fleximo.live_puppet.poll()
    bpy.ops.fleximo.generate_motion(text="a woman waves her right hand")
    made = scene.fleximo.takes[0]
    made.size = (288, 512)
    bpy.ops.fleximo.set_reference(filepath=str(PEOPLE / "anna.jpg"))
    assert not bpy.ops.fleximo.live_puppet.poll()
    bpy.ops.fleximo.detect_pose()
    yield made
    addon("live_puppet").stop()
    chosen.data_folder = ""


def puppet_jobs(server: Path) -> int:
    return sum(job.kind == "puppet" for job in Client.from_data_folder(server).jobs())


def test_it_is_cut_once_and_shown_until_asked_again(addon: Any, scene: Any, take: Any, server: Path) -> None:
    live, before = addon("live_puppet"), puppet_jobs(server)
    assert take.armature.show_in_front
    for expected in (True, False, True):
        assert bpy.ops.fleximo.live_puppet() == {"FINISHED"}
        assert live.is_live(take) == expected
        assert take.armature.show_in_front != expected, "bones in front would be covered"
    assert puppet_jobs(server) - before == 1
    bpy.ops.fleximo.add_take()
    assert not live.is_live(addon("takes").active_take(scene))


def test_a_turned_bone_moves_its_layers_and_no_others(addon: Any, scene: Any, take: Any) -> None:
    bpy.ops.fleximo.live_puppet()
    live, overlay = addon("live_puppet"), addon("overlay")
    puppet = live.load(next(addon("preferences").user_folder("puppets").glob("*.npz")))
    scene.frame_set(5)

    def boxes() -> dict[str, Any]:
        placed = live.placed_now(puppet, overlay.track_now(scene, take), take)
        names = {id(piece.texture): piece.name for piece in puppet.pieces}
        return {names[id(layer.texture)]: np.array(layer.box) for layer in placed if id(layer.texture) in names}

    before = boxes()
    assert {"chest", "left_forearm", "right_thigh"} <= set(before)
    take.armature.pose.bones["left_shoulder"].rotation_quaternion = (0.7, 0.0, 0.0, 0.7)
    bpy.context.view_layer.update()
    after = boxes()
    assert np.abs(after["left_forearm"] - before["left_forearm"]).max() > 10
    assert (after["right_thigh"] == before["right_thigh"]).all()


def test_a_pose_is_ready_in_time(addon: Any, scene: Any, take: Any) -> None:
    """All of our own code between a turned bone and the graphics card."""
    bpy.ops.fleximo.live_puppet()
    live, overlay = addon("live_puppet"), addon("overlay")
    puppet = live.load(next(addon("preferences").user_folder("puppets").glob("*.npz")))
    times = []
    for _ in range(15):
        started = time.thread_time()
        live.placed_now(puppet, overlay.track_now(scene, take), take)
        times.append(time.thread_time() - started)
    print(f"a pose for the live puppet: {1e3 * min(times):.1f} ms")
    assert min(times) < 0.06
