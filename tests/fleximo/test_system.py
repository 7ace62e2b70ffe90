"""Locks, living processes and private files of the operating system at hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleximo import FleximoError
from fleximo.system import (
    FileLock,
    hidden_process_flags,
    kill_process,
    make_private_folder,
    peak_memory_mb,
    process_is_alive,
    replace_file,
    user_data_folder,
)

HOLD = (
    "import sys, time; from pathlib import Path; from fleximo.system import FileLock;"
    "print(FileLock(Path(sys.argv[1])).acquire(), flush=True); time.sleep(60)"
)


def test_a_lock_is_held_by_one_and_freed_by_death(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        lock = FileLock(path)
        started = time.monotonic()
        assert not lock.acquire(0.1)
        assert time.monotonic() - started >= 0.1
        assert lock.holder() == holder.pid
        assert process_is_alive(holder.pid)
        kill_process(holder.pid)
        assert lock.acquire(5.0)
        assert lock.holder() == os.getpid()
        holder.wait()
        assert not process_is_alive(holder.pid)
        kill_process(holder.pid)
        lock.release()
        lock.release()
        assert FileLock(path).acquire()


def test_a_lock_that_nobody_took_has_no_holder(tmp_path: Path) -> None:
    assert FileLock(tmp_path / "lock").holder() is None
    (tmp_path / "lock").write_bytes(b"\x00odd")
    assert FileLock(tmp_path / "lock").holder() is None


def test_odd_process_ids_are_not_alive() -> None:
    assert process_is_alive(os.getpid())
    assert not process_is_alive(0)
    assert not process_is_alive(-1)
    assert not process_is_alive(2**22 + 1)
    assert not process_is_alive(2**70)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "a" / "b")
    make_private_folder(tmp_path / "a" / "b")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FleximoError, match="--data"):
        make_private_folder(tmp_path / "file" / "folder")


def test_replacing_a_file(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    replace_file(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"new"
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "new", tmp_path / "old")


def test_memory_and_data_root() -> None:
    peak = peak_memory_mb()
    assert sys.platform == "win32" or (peak is not None and 10 < peak < 100_000)
    assert user_data_folder().is_absolute()


def test_a_child_with_the_hidden_flags_runs() -> None:
    command = [sys.executable, "-c", "print('ran')"]
    ended = subprocess.run(command, creationflags=hidden_process_flags(), capture_output=True, text=True, timeout=30)
    assert ended.stdout.strip() == "ran"
