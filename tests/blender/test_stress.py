"""Nothing is lost and no trace is in Blender's console: renders, a killed server, a closed file, undo, long motion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blender import stress
from tests.blender.conftest import ROOT, SERVER_DATA

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

IN_THE_APPLICATION = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.blender import stress
stress.main(*sys.argv[-2:])
"""


@pytest.mark.timeout(420)
def test_nothing_is_lost(archive: Path, tmp_path: Path) -> None:
    if SERVER_DATA:
        pytest.skip("the server runs elsewhere; it cannot be killed from here")
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "blender"), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "tests.blender.stress"]
    if bpy.app.binary_path:  # the application, not the module
        command = [bpy.app.binary_path, "-b", "--factory-startup", "--python-exit-code", "3"]
        command += ["--python-expr", IN_THE_APPLICATION, "--"]
    command += [str(archive), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400)
    console = done.stdout + done.stderr
    assert done.returncode == 0, console[-4000:]
    told = json.loads(next(line for line in console.splitlines() if line.startswith("STRESS "))[7:])
    assert "Traceback" not in console and "Error" not in console, console[-4000:]
    assert told["renders"]["landed"] == told["renders"]["strips"] == stress.TAKES
    assert told["renders"]["before the kill"] < stress.TAKES
    assert told["undo"] == {"undone": True, "redone": True, "changed": True}
    assert told["motion"]["untouched"] and told["motion"]["frames"] >= stress.MINUTES * 60 * 30 - 10
