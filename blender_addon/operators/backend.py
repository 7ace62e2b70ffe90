"""The render server seen from Blender: is it there, start it, stop it; and what to send with a report."""

import json
import platform
from collections.abc import Generator
from typing import Any

import bpy

from fleximo import __version__

from .. import properties, remote, server_process
from ..preferences import preferences, server_environment, server_folder, user_folder
from ..session import Report, Task
from .base import LEAVES_FILE, FleximoOperator, TaskOperator

__all__ = ["CLASSES"]


class _ServerTask(TaskOperator):
    """One task about the server at a time."""

    kind = "server"
    bl_options = LEAVES_FILE

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return cls.idle()


def _connected(told: str) -> str:
    state = properties.live()
    state.server, state.server_text = "connected", told
    return told


class FLEXIMO_OT_connect(_ServerTask, bpy.types.Operator):
    """Look for the render server"""

    bl_idname = "fleximo.connect"
    bl_label = "Connect"

    def prepare(self, _context: Any) -> Task:
        folder = server_folder()
        _not_connected("Looking for it...")

        def work(report: Report) -> Generator[None, None, str]:
            report(0.0, "Looking for the server")
            yield
            return remote.greeting(folder)

        return Task(self.kind, "Connecting", work, _connected, changes_file=False)


class FLEXIMO_OT_start_server(_ServerTask, bpy.types.Operator):
    """Start the render server on this computer. It goes on when Blender is closed"""

    bl_idname = "fleximo.start_server"
    bl_label = "Start Server"

    def prepare(self, _context: Any) -> Task:
        folder, log = server_folder(), user_folder("server") / "server.log"
        given, environment = bpy.path.abspath(preferences().server_command), server_environment()

        def work(report: Report) -> Generator[None, None, str]:
            return remote.start_server(given, folder, log, environment, report)

        return Task(self.kind, "Starting the server", work, _connected, changes_file=False)


class FLEXIMO_OT_stop_server(_ServerTask, bpy.types.Operator):
    """Stop the render server; what it has not finished goes on when it is started again"""

    bl_idname = "fleximo.stop_server"
    bl_label = "Stop Server"

    def prepare(self, _context: Any) -> Task:
        folder = server_folder()

        def work(report: Report) -> Generator[None, None, str]:
            report(0.0, "Stopping the server")
            yield
            return remote.stop_server(folder)

        return Task(self.kind, "Stopping the server", work, _not_connected, changes_file=False)


def _not_connected(told: str) -> str:
    state = properties.live()
    state.server, state.server_text = "missing", told
    return told


class FLEXIMO_OT_copy_diagnostics(FleximoOperator, bpy.types.Operator):
    """Copy versions, the state of the active take and the full text of the last error to the clipboard"""

    bl_idname = "fleximo.copy_diagnostics"
    bl_label = "Copy Diagnostics"
    bl_options = LEAVES_FILE

    def act(self, context: Any) -> str:
        context.window_manager.clipboard = diagnostics(context)
        return "Diagnostics are on the clipboard."


def diagnostics(context: Any) -> str:
    """Versions, state and last error as text; no photo, no token."""
    state = properties.live()
    take = properties.active_take(context.scene)
    lines = {
        "fleximo": __version__,
        "blender": bpy.app.version_string,
        "python": platform.python_version(),
        "system": platform.platform(),
        "server": f"{state.server}: {state.server_text}",
        "server log": server_process.log_tail(user_folder("server") / "server.log", lines=20),
        "error": state.error,
        "detail": state.detail,
    }
    if take is not None:
        lines["take"] = json.dumps(
            {
                "text": take.text,
                "range": [take.frame_start, take.frame_end],
                "engine": take.engine,
                "size": list(take.size),
                "seed": take.seed,
                "rescale": take.rescale,
                "job": take.job,
                "warnings": take.warnings,
            }
        )
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


CLASSES = (FLEXIMO_OT_connect, FLEXIMO_OT_start_server, FLEXIMO_OT_stop_server, FLEXIMO_OT_copy_diagnostics)
