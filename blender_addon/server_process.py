"""Starting and stopping the render server as a process of its own, which outlives Blender.

Knows commands and processes, no HTTP and no bpy.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from fleximo.data_folder import ServerAddress
from fleximo.errors import FleximoError
from fleximo.system import hidden_process_flags, process_is_alive

__all__ = ["end", "find_command", "launch", "log_tail"]

_children: dict[int, subprocess.Popen[bytes]] = {}


def find_command(given: str, folder: Path) -> list[str]:
    """What starts the server: the program `given` in the preferences, else `fleximo` on the PATH, else the Python
    that served `folder` last. Raises `FleximoError` with the line that installs it."""
    if given:
        if not Path(given).is_file():
            raise FleximoError(f"The server command {given} is not there.", remedy="Correct it in the preferences.")
        return _command(given)
    found = shutil.which("fleximo") or _last_interpreter(folder)
    if found is None:
        raise FleximoError(
            "Fleximo's server is not installed, or Blender cannot see it.",
            code="no_server_command",
            remedy="Run `python3 -m pip install .` in Fleximo's source folder with Python 3.11 or 3.12, then set the "
            "server command in the preferences.",
        )
    return _command(found)


def _command(program: str) -> list[str]:
    if Path(program).name.lower().startswith("python"):
        return [program, "-m", "backend.cli"]
    return [program]


def _last_interpreter(folder: Path) -> str | None:
    try:
        document = json.loads(ServerAddress.path(folder).read_text("utf-8"))
        interpreter = str(document["interpreter"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return interpreter if Path(interpreter).is_file() else None


def launch(command: list[str], folder: Path, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts the server of the data folder, its output appended to `log`; returns at once.

    `environment` is added to Blender's own: settings that no command line may show.
    """
    arguments = [*command, "serve", "--data", str(folder)]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(
                arguments,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that it does not end with Blender; without effect on Windows
                creationflags=hidden_process_flags(),
            )
    except OSError as error:
        reason = error.strerror or error
        raise FleximoError(f"The server cannot be started by {' '.join(arguments)}: {reason}.") from None
    _children[child.pid] = child
    return child


def log_tail(log: Path, lines: int = 5) -> str:
    """The last lines of the server's log."""
    try:
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return ""


def end(pid: int, timeout_s: float = 10.0) -> None:
    """Asks the server's process to end and waits for it; raises `FleximoError` if it does not."""
    try:
        os.kill(pid, signal.SIGTERM)  # on Windows this ends it at once
    except ProcessLookupError:
        return
    except PermissionError:
        raise FleximoError(f"The server (process {pid}) belongs to another user.") from None
    deadline = time.monotonic() + timeout_s
    while _is_alive(pid):
        if time.monotonic() > deadline:
            raise FleximoError(f"The server (process {pid}) has not ended within {timeout_s:.0f} seconds.")
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    child = _children.get(pid)
    if child is not None:  # asking our own child also clears its remains away
        return child.poll() is None
    return process_is_alive(pid)
