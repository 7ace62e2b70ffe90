"""The render server seen from Blender: is it there, start it, stop it; and what to send with a report."""

# mypy: disable-error-code="valid-type"

import json
import platform
from collections.abc import Generator
from typing import Any

import bpy

from fleximo import __version__
from fleximo.errors import FleximoError

from .. import checklist, properties, server_process, takes
from ..preferences import preferences, server_environment, server_folder, user_folder
from ..remote import serving
from ..session import Report, Task
from . import fetch
from .base import LEAVES_FILE, FleximoOperator, TaskOperator

__all__ = ["CLASSES"]

_LOG_LINES = 500


class _ServerTask(TaskOperator):
    """One task about the server at a time."""

    kind = "server"
    bl_options = LEAVES_FILE

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return cls.idle()


def _connected(greeting: serving.Greeting) -> str:
    state = properties.live()
    state.server, state.server_text, state.server_code = "connected", greeting.told, ""
    state.offer = json.dumps({"version": greeting.version, **greeting.offer})
    fetch.attach()
    return greeting.told


class FLEXIMO_OT_connect(_ServerTask, bpy.types.Operator):
    """Look for the render server"""

    bl_idname = "fleximo.connect"
    bl_label = "Connect"

    def prepare(self, _context: Any) -> Task:
        folder = server_folder()
        _not_connected("Looking for it...")

        def work(report: Report) -> Generator[None, None, serving.Greeting]:
            report(0.0, "Looking for the server")
            yield
            return serving.greeting(folder)

        return Task(self.kind, "Connecting", work, _connected, changes_file=False)


class FLEXIMO_OT_start_server(_ServerTask, bpy.types.Operator):
    """Start the render server on this computer. It goes on when Blender is closed"""

    bl_idname = "fleximo.start_server"
    bl_label = "Start Server"

    def prepare(self, _context: Any) -> Task:
        folder, log = server_folder(), user_folder("server") / "server.log"
        given, environment = bpy.path.abspath(preferences().server_command), server_environment()

        def work(report: Report) -> Generator[None, None, serving.Greeting]:
            return serving.start_server(given, folder, log, environment, report)

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
            return serving.stop_server(folder)

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


class FLEXIMO_OT_copy_line(FleximoOperator, bpy.types.Operator):
    """Copy this line to the clipboard, to be run in a terminal"""

    bl_idname = "fleximo.copy_line"
    bl_label = "Copy Line"
    bl_options = LEAVES_FILE

    text: bpy.props.StringProperty(name="Line", description="What is copied", default=checklist.INSTALL_LINE)
    told: bpy.props.StringProperty(name="Name", description="What it is", default="the install line")

    def act(self, context: Any) -> str:
        context.window_manager.clipboard = self.text
        return f"{self.told[:1].upper()}{self.told[1:]} is on the clipboard."


class FLEXIMO_OT_show_log(FleximoOperator, bpy.types.Operator):
    """Open the end of the server's log in a text editor"""

    bl_idname = "fleximo.show_log"
    bl_label = "Server Log"
    bl_options = LEAVES_FILE

    def act(self, context: Any) -> str:
        path = user_folder("server") / "server.log"
        said = server_process.log_tail(path, lines=_LOG_LINES)
        if not said:
            raise FleximoError(
                f"There is no log at {path}.",
                code="no_log",
                remedy="A server that was started in a terminal writes there.",
            )
        name = "Fleximo server log"
        text = bpy.data.texts.get(name) or bpy.data.texts.new(name)
        text.from_string(said)
        _show_text(context, text)
        return f"The end of {path} is the text {name}."


def _show_text(context: Any, text: Any) -> None:
    """Shows a text in an editor that is open, else in a window of its own."""
    if bpy.app.background:
        return
    editors = [area for window in context.window_manager.windows for area in window.screen.areas]
    editor = next((area for area in editors if area.type == "TEXT_EDITOR"), None)
    if editor is None:
        bpy.ops.wm.window_new()
        editor = context.window_manager.windows[-1].screen.areas[0]
        editor.type = "TEXT_EDITOR"
    editor.spaces.active.text = text
    editor.spaces.active.top = max(0, len(text.lines) - 20)


def diagnostics(context: Any) -> str:
    """Versions, state and last error as text; no photo, no token."""
    state = properties.live()
    take = takes.active_take(context.scene)
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


CLASSES = (
    FLEXIMO_OT_connect,
    FLEXIMO_OT_start_server,
    FLEXIMO_OT_stop_server,
    FLEXIMO_OT_copy_diagnostics,
    FLEXIMO_OT_copy_line,
    FLEXIMO_OT_show_log,
)
