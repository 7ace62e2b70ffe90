"""Runs inside the application: carries out what the tests send, on the main thread, between Blender's own events.

blender --factory-startup --python probe.py -- PORT
"""

from __future__ import annotations

import json
import socket
import sys
import traceback
from typing import Any

import bpy

_EVERY_S = 0.05
_names: dict[str, Any] = {"bpy": bpy}
_listening = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--") + 1])))
_listening.setblocking(False)


def _answer() -> float:
    """One request: a program whose `result` is sent back as JSON, or the trace of its error."""
    try:
        connection, _ = _listening.accept()
    except BlockingIOError:
        return _EVERY_S
    with connection:
        connection.settimeout(10.0)
        program = b""
        while piece := connection.recv(65536):
            program += piece
        _names["result"] = None
        try:
            exec(program.decode(), _names)
            told = {"result": _names["result"]}
            _redraw()
        except Exception:
            told = {"error": traceback.format_exc()}
        connection.sendall(json.dumps(told).encode())
    return _EVERY_S


def _redraw() -> None:
    """After an event Blender draws by itself; after a timer it does not."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()


bpy.context.preferences.view.show_splash = False  # it would take the first clicks
bpy.app.timers.register(_answer, first_interval=0.5, persistent=True)
