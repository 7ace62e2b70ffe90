"""Makes the file of takes that later versions must open: `python -m tests.blender.make_saved`.

Run with the oldest Blender that is supported, and only when the format of the takes becomes another one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import build_addon
from tests.blender.conftest import PEOPLE, ROOT
from tests.blender.driven import Driven

TARGET = ROOT / "tests" / "data" / "blender"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        driven = Driven(str(build_addon.build(folder / "dist")), folder)
        bpy, ops = driven.bpy, driven.bpy.ops.fleximo
        shutil.copy(PEOPLE / "anna.jpg", folder)
        ops.start_server()
        path = folder / f"takes_{driven.module('properties').FORMAT}.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(path))
        ops.generate_motion(text="a man waves, then bows", seed=5)
        take = driven.takes[0]
        take.size = (64, 96)
        ops.set_reference(filepath="//anna.jpg")
        ops.detect_pose()
        bpy.context.scene.frame_set(20)
        take.armature.pose.bones["left_elbow"].rotation_quaternion = (0.7, 0.0, 0.0, 0.7)
        ops.key_pose()
        take.frame_end = take.frame_start + 39
        ops.render()
        ops.reduce_keys(degrees=1.0)
        ops.add_take()
        driven.bpy.context.scene.fleximo.active = 0
        bpy.ops.outliner.orphans_purge(do_recursive=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
        ops.stop_server()
        TARGET.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, TARGET / path.name)
        print(f"{TARGET / path.name}: {path.stat().st_size} bytes by Blender {bpy.app.version_string}")
    sys.stdout.flush()
    os._exit(0)  # some versions hang or crash while the interpreter shuts down


if __name__ == "__main__":
    main()
