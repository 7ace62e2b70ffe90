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

    os._exit(0)  # some versions hang or crash while the interpreter shuts down


if __name__ == "__main__":
    main(*sys.argv[1:])
