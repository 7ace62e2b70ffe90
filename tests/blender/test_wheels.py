"""The runs on Blender's modules: the same versions everywhere, a missing Python named, a run that hangs ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.blender import run_on_wheels
from tests.blender.run_on_wheels import ROOT, WHEELS, Run


def test_the_versions_are_those_of_the_project_and_the_manifest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (own,) = [line for line in project["optional-dependencies"]["test"] if line.startswith("bpy")]
    assert own.split(";")[0] in [f"bpy=={wheel.version}" for wheel in WHEELS]
    manifest = tomllib.loads((ROOT / "blender_addon" / "blender_manifest.toml").read_text("utf-8"))
    assert min(wheel.version for wheel in WHEELS).startswith(manifest["blender_version_min"].removesuffix(".0"))
    assert len(run_on_wheels.requirements()) == len(run_on_wheels.NEEDED)


def test_a_wheel_whose_python_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    assert run_on_wheels.find_python("2.99") is None
    monkeypatch.setattr(run_on_wheels, "ROOT", tmp_path)
    monkeypatch.setattr(run_on_wheels, "requirements", list)
    monkeypatch.setattr(run_on_wheels, "WHEELS", (run_on_wheels.Wheel("9.9.9", "2.99"),))
    monkeypatch.setattr(sys, "argv", ["run_on_wheels.py"])
    assert run_on_wheels.main() == 1, "no wheel at all is a failure"
    assert capsys.readouterr().out == "Blender 9.9.9 (Python 2.99) is not tested here: python2.99 not found.\n"


def test_a_run_that_hangs_is_ended_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.setattr(run_on_wheels, "TEST_LIMIT_S", 0.5)
    output = tmp_path / "said.txt"
    output.write_text("collecting\n")
    process = subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60"], start_new_session=True)
    run = Run(WHEELS[0], process, output, time.monotonic())
    assert run.status() == 1
    run.end()
    assert process.wait(10.0) < 0
    deadline = time.monotonic() + 10.0
    with pytest.raises(ProcessLookupError):  # until nobody is left in the group
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.05)
    assert "not done after 0 s, ended" in capsys.readouterr().out
