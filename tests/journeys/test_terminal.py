"""The progress line on a terminal: redrawn in place, with the time that is left; nothing where there is no terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cli import main
from backend.terminal import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_the_line_never_wraps_and_leaves_nothing_behind(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal()
    progress = ProgressLine(terminal)
    progress(0.0, "begin")
    progress(1.0, "a message that is longer than the place for it, by far")
    progress.close()
    _, *drawn, last = terminal.getvalue().split("\r")
    assert max(len(line) for line in drawn) <= columns - 1
    assert len(drawn[-1].rstrip()) == 0 and len(drawn[-1]) >= max(len(line) for line in drawn) and last == ""


def test_the_time_that_is_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 110.0, 110.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    terminal = Terminal()
    ProgressLine(terminal)(0.25, "frame 3 of 12")
    assert "25%" in terminal.getvalue() and "30 s left" in terminal.getvalue() and "frame 3" in terminal.getvalue()


def test_what_an_earlier_run_did_does_not_count_as_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 100.1, 110.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    terminal = Terminal()
    progress = ProgressLine(terminal)
    progress(0.5)
    progress(0.6)
    assert "40 s left" in terminal.getvalue()


def test_a_pipe_sees_nothing() -> None:
    pipe = io.StringIO()
    progress = ProgressLine(pipe)
    progress(0.5, "half")
    progress.close()
    assert pipe.getvalue() == ""


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "fleximo.planner", None)
    assert main(["plan", "she waves"]) == 1
    assert "package fleximo is missing" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """`fleximo plan ... | head -0`: the pipe is closed before anything is written."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "backend.cli", "plan", "she waves"]
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0 and done.stderr == b""
