"""One Blender process under stress: queued renders over a killed server and a closed file, undo, ten minutes of motion.

`python -m tests.blender.stress ARCHIVE FOLDER` prints one line of JSON with what was counted and measured. Needs the
bpy module; run by `test_stress`, which reads what this process says.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.blender.conftest import PEOPLE
from tests.blender.driven import Driven

TAKES = 20
TURNS = 100
MINUTES = 10
FRAMES = 6  # of each queued render
SIZE = (144, 256)


class Stress(Driven):
    def queue(self) -> None:
        """Twenty takes of one motion and one photo, all sent to render."""
        ops = self.bpy.ops.fleximo
        assert ops.start_server() == {"FINISHED"}
        ops.generate_motion(text="a man waves", seed=1)
        ops.set_reference(filepath=str(PEOPLE / "anna.jpg"))
        self.takes[0].size = SIZE
        ops.detect_pose()
        self.takes[0].frame_end = self.takes[0].frame_start + FRAMES - 1
        while len(self.takes) < TAKES:
            ops.duplicate_take(keep="all")
        for number in range(TAKES):
            self.bpy.context.scene.fleximo.active = number
            self.press("renders", "render")

    def landed(self) -> int:
        return sum(bool(take.video) for take in self.takes)

    def renders(self) -> dict[str, Any]:
        """The server is killed in the middle, and the file closed and opened."""
        self.queue()
        self.ticks("renders", lambda: self.landed() >= 3)
        address = json.loads((self.folder / "data" / "server.json").read_text())
        os.kill(address["pid"], signal.SIGKILL)
        before = self.landed()
        self.press("renders", "start_server")
        self.ticks("renders", lambda: self.landed() >= min(before + 3, TAKES))
        path = str(self.folder / "stress.blend")
        self.bpy.ops.wm.save_as_mainfile(filepath=path)
        self.new_file()
        self.ticks("renders", self.idle)
        self.bpy.ops.wm.open_mainfile(filepath=path)
        reopened = self.landed()
        self.ticks("renders", self.idle)
        strips = self.module("compat").strips_of(self.bpy.context.scene)
        return {"before the kill": before, "at opening": reopened, "landed": self.landed(), "strips": len(strips)}

    def state(self) -> list[Any]:
        """What must be as it was: takes with their motion and render, keys, strips."""
        scene = self.bpy.context.scene
        armature = self.takes[0].armature
        curves = self.module("compat").channels_in(self.module("edit_layer").base_action(armature)).fcurves
        keys = sum(len(curve.keyframe_points) for curve in curves)
        takes = [(take.uid, take.text, take.video, take.job, take.armature == armature) for take in self.takes]
        return [takes, keys, len(self.module("compat").strips_of(scene))]

    def undo(self) -> dict[str, Any]:
        """A hundred edits of bones and takes undone and done again."""
        bpy, ops = self.bpy, self.bpy.ops
        bpy.context.preferences.edit.undo_steps = TURNS + 10
        bpy.context.preferences.edit.use_global_undo = True
        ops.ed.undo_push(message="before")
        before = self.state()
        for number in range(TURNS):
            bpy.context.scene.frame_set(1 + number % FRAMES)
            if number % 10 == 0:
                ops.fleximo.add_take()
                bpy.context.scene.fleximo.active = 0
            else:
                ops.fleximo.key_pose()
            ops.ed.undo_push(message=f"edit {number}")
        after = self.state()
        for _ in range(TURNS):
            ops.ed.undo()
        undone = self.state() == before
        for _ in range(TURNS):
            ops.ed.redo()
        return {"undone": undone, "redone": self.state() == after, "changed": before != after}

    def motion(self) -> dict[str, Any]:
        """Ten minutes of motion, stopped half-way of its landing, then landed."""
        bpy = self.bpy
        self.new_file()
        bpy.ops.fleximo.generate_motion(text="a man waves")
        before, actions = self.state(), len(bpy.data.actions)
        session = self.module("operators.base").session()
        text = ", then ".join(
            f"a man {move} for 60 seconds" for move in ("walks", "waves", "dances", "marches", "claps") * 2
        )
        self.press("motion", "generate_motion", text=text, seed=2, preview=False)
        self.ticks("motion", lambda: session.running("motion").steps is not None)
        for _ in range(3):
            self.module("operators.base").tick()
        begun = len(bpy.data.actions) > actions
        session.cancel("motion")
        self.ticks("motion", self.idle)
        untouched = begun and self.state()[1:] == before[1:] and len(bpy.data.actions) == actions
        self.press("motion", "generate_motion", text=text, seed=2, preview=False)
        self.ticks("motion", self.idle)
        frames = self.takes[0].frame_end - self.takes[0].frame_start + 1
        return {"untouched": untouched, "frames": frames}


def main(archive: str, folder: str) -> None:
    stress = Stress(archive, Path(folder))
    told: dict[str, Any] = {}
    try:
        for name in ("renders", "undo", "motion"):
            told[name] = getattr(stress, name)()
    finally:
        stress.bpy.ops.fleximo.stop_server()
    told["longest_ms"], told["cpu_s"] = stress.longest_ms, round(time.process_time(), 1)
    print(f"STRESS {json.dumps(told)}", flush=True)
    os._exit(0)  # some versions hang or crash while the interpreter shuts down


if __name__ == "__main__":
    main(*sys.argv[1:])
