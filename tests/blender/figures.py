"""Figures of the add-on for `fleximo bench --blender`: prints one line of JSON, name -> value, unit and bar.

Run by a Python that has the bpy module. Drawing itself needs a window and is not among them.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import build_addon
from fleximo.moves import generate
from fleximo.plan import MotionPlan, Segment
from fleximo.skeleton_mesh import skeleton_mesh
from tests.blender.conftest import PEOPLE
from tests.blender.driven import Driven

_HOLD_MS = 50.0
_LONG = ("walks", "waves", "dances", "marches", "claps") * 2  # ten minutes of them


def _best_ms(call: Callable[[], object], runs: int) -> float:
    """CPU time of the quickest of several runs, as others disturb."""
    times = []
    for _ in range(runs):
        started = time.thread_time()
        call()
        times.append(time.thread_time() - started)
    return 1e3 * min(times)


def _row(value: float, bar: float | None) -> dict[str, Any]:
    return {"value": value, "unit": "ms", "bar": bar}


class Figures(Driven):
    """What is measured, one method for each part of the work."""

    def take(self) -> Any:
        """A take with a motion, a photo and the person in it, at the size that MimicMotion renders."""
        ops = self.bpy.ops.fleximo
        ops.generate_motion(text="a woman waves her right hand")
        ops.set_reference(filepath=str(PEOPLE / "anna.jpg"))
        self.takes[0].size = (576, 1024)
        ops.detect_pose()
        return self.takes[0]

    def pose(self) -> dict[str, Any]:
        """From a turned bone to what is drawn."""
        scene, take = self.bpy.context.scene, self.take()
        overlay, live = self.module("overlay"), self.module("live_puppet")
        self.bpy.ops.fleximo.live_puppet()
        self.module("shot").measure(scene, take)
        puppet = live.load(next(self.module("preferences").user_folder("puppets").glob("*.npz")))

        def skeleton() -> Any:
            track = overlay.track_now(scene, take)
            return skeleton_mesh(track.points_px[0], track.confidence[0], track.size)

        def layers() -> Any:
            return live.placed_now(puppet, overlay.track_now(scene, take), take)

        return {
            "Blender, overlay: a new pose": _row(_best_ms(skeleton, 30), None),
            "Blender, live puppet: a new pose": _row(_best_ms(layers, 15), 20.0),
        }

    def keys(self) -> dict[str, Any]:
        """As many as 200 frames of 54 bones have."""
        compat, frames = self.module("compat"), np.arange(1, 201)
        values = np.random.default_rng(0).random((216, 200))
        holder = self.bpy.data.objects.new("Keys", None)

        def keyed() -> None:
            channels = compat.channels_in(compat.new_action("Keys", holder))
            for number, each in enumerate(values):
                curve = compat.add_curve(channels, f'pose.bones["b{number // 4}"].rotation_quaternion', number % 4, "b")
                compat.set_keys(curve, frames, each, interpolation=compat.LINEAR, key_type=compat.GENERATED)

        return {"Blender, 43,200 keys": _row(_best_ms(keyed, 5), 100.0)}

    def landing(self) -> dict[str, Any]:
        """A motion of 200 frames comes onto an armature that is there."""
        self.new_file()
        self.bpy.ops.fleximo.generate_motion(text="a man waves")
        take, land = self.takes[0], self.module("landing").landing_steps
        fps = self.module("sampling").scene_fps(self.bpy.context.scene)
        motion = generate(MotionPlan((Segment("walk", 8.0),)), fps=fps)[:200]
        return {"Blender, landing of 200 frames": _row(_best_ms(lambda: list(land(take.uid, motion)), 5), 100.0)}

    def journey(self) -> dict[str, Any]:
        """Ten minutes of motion, and a short take as far as a changed render: what holds Blender longest."""
        self.new_file()
        text = ", then ".join(f"a man {move} for 60 seconds" for move in _LONG)
        self.click("ten minutes of motion", "generate_motion", text=text, preview=False)
        self.new_file()
        self.click("motion", "generate_motion", text="a man waves", preview=False)
        self.bpy.ops.fleximo.set_reference(filepath=str(PEOPLE / "anna.jpg"))
        take = self.takes[0]
        take.size = (288, 512)
        self.click("photo", "detect_pose")
        take.frame_end = take.frame_start + 29
        self.click("draft", "render")
        bone = take.armature.pose.bones["left_elbow"]
        self.bpy.context.scene.frame_set(take.frame_start + 10)
        bone.rotation_quaternion = (0.7, 0.0, 0.0, 0.7)
        self.bpy.ops.fleximo.key_pose()
        self.click("draft of what changed", "render_changed")
        told = {f"Blender, longest hold, {what}": _row(held, _HOLD_MS) for what, held in self.longest_ms.items()}
        told["Blender, longest hold of all by the clock"] = _row(max(self.waited_ms.values()), None)
        return told

    def click(self, what: str, name: str, **values: Any) -> None:
        """A click and all ticks until it is done."""
        self.press(what, name, **values)
        self.ticks(what, self.idle)
        assert not self.module("properties").live().error, self.module("properties").live().error


def measure(folder: Path) -> dict[str, Any]:
    """All figures; `folder` takes preferences, server data and videos."""
    figures = Figures(str(build_addon.build(folder / "dist")), folder)
    assert figures.bpy.ops.fleximo.start_server() == {"FINISHED"}
    try:
        return figures.pose() | figures.keys() | figures.landing() | figures.journey()
    finally:
        figures.bpy.ops.fleximo.stop_server()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        told = json.dumps(measure(Path(name)))
    print(told, flush=True)
    os._exit(0)  # some versions hang or crash while the interpreter shuts down
