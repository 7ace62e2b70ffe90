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

_EVERY_S = 0.005
# Blender handles events, runs timers and draws in turn. After two turns what mouse and keys sent before the request
# has been handled, and what the request asked to be drawn is on the screen.
_TURNS = 2
_names: dict[str, Any] = {"bpy": bpy}
_listening = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--") + 1])))
_listening.setblocking(False)
_waiting: list[tuple[socket.socket, dict[str, Any]]] = []
_turns_left = 0


def _tick() -> float:
    global _turns_left
    if _waiting:
        _turns_left -= 1
        if _turns_left <= 0:
            connection, told = _waiting.pop()
            with connection:
                connection.sendall(json.dumps(told).encode())
        return _EVERY_S
    try:
        connection, _ = _listening.accept()
    except BlockingIOError:
        return _EVERY_S
    connection.settimeout(10.0)
    _waiting.append((connection, _answer(connection)))
    _turns_left = _TURNS
    return _EVERY_S


def _answer(connection: socket.socket) -> dict[str, Any]:
    """Runs a request's program; its `result`, or the trace of its error."""
    content = b""
    while piece := connection.recv(65536):
        content += piece
    request = json.loads(content)
    _names["result"] = None
    try:
        exec(request["program"], _names)
        json.dumps(_names["result"])
    except Exception:
        return {"error": traceback.format_exc()}
    if request["draw"]:
        _redraw()
    return {"result": _names["result"]}


def _redraw() -> None:
    """After an event Blender draws by itself; after a timer it does not."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()


bpy.context.preferences.view.show_splash = False  # it would take the first clicks
bpy.app.timers.register(_tick, first_interval=0.5, persistent=True)
