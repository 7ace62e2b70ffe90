"""Blender on its display, as the tests handle it: mouse and keys from outside, questions by the probe inside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["HEIGHT", "MODULE", "WIDTH", "App"]

WIDTH, HEIGHT = 1280, 900
MODULE = "bl_ext.user_default.fleximo"
_STEP_PX = 18  # a button is 20 px high
_MOST_CLICKS = 30
PATIENCE_S = 180.0  # a machine that does much else answers late; nothing waits that long on one that does not
_HEADERS_TOP_PX, _HEADER_PX = 14, 28  # the middle of the first panel's header, and from one folded panel to the next
# Notes which panels are asked to draw, and lists them as the sidebar does.
_WATCH_PANELS = f"""
import {MODULE}.panels.view3d as view3d
kinds = [k for k in view3d.CLASSES if hasattr(k, "bl_label") and not hasattr(k, "bl_parent_id")]
drawn = set()
def watch(kind):
    draw = kind.draw
    kind.watched = True
    kind.draw = lambda self, context: (drawn.add(title(kind)), draw(self, context))[1]
def title(kind):
    return kind.__name__.removeprefix("FLEXIMO_PT_")
def shown():
    return [title(k) for k in kinds if not hasattr(k, "poll") or k.poll(bpy.context)]
for kind in kinds:
    if "watched" not in vars(kind):
        watch(kind)
"""


class App:
    """Blender on its display."""

    def __init__(self, display: str, port: int, process: subprocess.Popen[bytes], shots: Path) -> None:
        self.display, self.port, self.process, self.shots = display, port, process, shots
        self._scrolled_down = False  # the sidebar
        self._places: dict[str, tuple[int, int]] = {}  # of buttons, where they were last

    # Questions

    def run(self, program: str, *, draw: bool = False) -> Any:
        """What `result` is after `program` has run inside Blender, after all that mouse and keys did before.

        With `draw` the windows are drawn anew before it returns.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(json.dumps({"program": program, "draw": draw}).encode())
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer, "Blender has ended"
        told = json.loads(answer)
        assert "error" not in told, told["error"]
        return told["result"]

    def ask(self, expression: str) -> Any:
        return self.run(f"result = {expression}")

    def wait(self, expression: str) -> Any:
        """Waits until `expression` is true inside Blender, as long as nothing goes wrong there."""
        deadline = time.monotonic() + PATIENCE_S
        while not (told := self.ask(expression)):
            error = self.ask("bpy.context.window_manager.fleximo.error")
            if error or time.monotonic() > deadline:
                self.picture("late", still=False)
                raise AssertionError(f"{expression} is still {told!r}: {error}")
            time.sleep(0.1)
        return told

    def settle(self) -> None:
        """Waits until Blender has handled what mouse and keys did."""
        self.run("pass")

    # Mouse and keys

    def press(self, *words: str) -> None:
        """Hands words to xdotool, and waits until Blender has seen them."""
        self._xdotool(*words)
        self.settle()

    def _xdotool(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], check=True, timeout=30.0, env={**os.environ, "DISPLAY": self.display})

    def move(self, x: float, y: float) -> None:
        """Moves the mouse; Blender notices what is below it when it moves there a second time."""
        self.press("mousemove", str(round(x)), str(round(y)))
        self.press("mousemove", str(round(x) + 2), str(round(y)))

    def click(self, x: float, y: float) -> None:
        self.move(x, y)
        self.press("mousedown", "1")
        self.press("mouseup", "1")

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drags with the left button."""
        self.move(*start)
        self.press("mousedown", "1")
        for share in (0.3, 0.6, 1.0):
            self.move(*(a + share * (b - a) for a, b in zip(start, end)))
        self.press("mouseup", "1")

    def type(self, text: str) -> None:
        """Types into the field at the mouse, in place of what stands there."""
        self.press("click", "--repeat", "2", "--delay", "40", "1")
        self.press("key", "ctrl+a")
        self.press("type", "--delay", "15", text)
        self.press("key", "Return")

    # What is seen

    def picture(self, name: str = "", *, still: bool = True) -> Any:
        """(H,W,3) what the display shows, kept as NAME.png among the run's pictures.

        With `still` nothing lies below the mouse, and it waits until nothing moves any more.
        """
        if still:
            self.move(WIDTH // 4, HEIGHT // 2)  # over the viewport first: the status bar ends no tooltip
            self.move(16, HEIGHT - 4)  # reports stand in its middle
        self.run("pass", draw=True)
        pixels = self._pixels()
        deadline = time.monotonic() + 30.0
        while still and time.monotonic() < deadline:
            time.sleep(0.25)
            self.settle()
            before, pixels = pixels, self._pixels()
            if np.array_equal(before, pixels):
                break
        if name:
            self.keep(name, pixels)
        return pixels

    def keep(self, name: str, pixels: Any) -> None:
        """Keeps a picture as NAME.png among the run's."""
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        encode = ["convert", "-size", size, "-depth", "8", "rgb:-", str(self.shots / f"{name}.png")]
        subprocess.run(encode, check=True, timeout=60.0, input=pixels.tobytes())

    def _pixels(self) -> Any:
        command = ["import", "-display", self.display, "-window", "root", "-depth", "8", "rgb:-"]
        content = subprocess.run(command, check=True, timeout=60.0, capture_output=True).stdout
        return np.frombuffer(content, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3)

    def region(self, area: str, region: str = "WINDOW") -> tuple[int, int, int, int]:
        """Left, top, right, bottom of a region of the named area of `conftest._LAYOUT` on the display."""
        left, low, width, height = self.run(
            f"region = next(r for r in {area}.regions if r.type == {region!r})\n"
            "result = [region.x, region.y, region.width, region.height]"
        )
        return left, HEIGHT - low - height, left + width, HEIGHT - low

    # Fleximo's panels

    def show_panels(self, *names: str) -> None:
        """Unfolds the named panels of the sidebar (`takes`, `motion`, ...) and folds the others, by the mouse."""
        for _ in range(_MOST_CLICKS):
            there, unfolded = self._panels()
            assert set(names) <= set(there), f"{names} of {there}"
            wrong = [name for name in there if (name in unfolded) != (name in names)]
            if not wrong:
                return
            # Where the panels above are folded a header's place is known: first all are folded from the top on, then
            # unfolded from the bottom on.
            close = next((name for name in there if name in unfolded), None) if set(wrong) & set(unfolded) else None
            self._press_header(there.index(close or wrong[-1]))
        raise AssertionError(f"{self._panels()} do not become {names}")

    def _panels(self) -> tuple[list[str], list[str]]:
        """The sidebar's panels from the top on, and those that are unfolded: Blender asks only these to draw."""
        self.run(_WATCH_PANELS, draw=True)
        there, drawn = self.run("result = [shown(), sorted(drawn)]")
        return there, drawn

    def _press_header(self, place: int) -> None:
        self._scroll(up=True)
        left, top, _, _ = self.region("view", "UI")
        self.click(left + 60, top + _HEADERS_TOP_PX + place * _HEADER_PX)
        time.sleep(0.6)  # panels slide to their places by the clock
        self.settle()

    def button(self, command: str) -> tuple[int, int]:
        """Where in the sidebar the operator `command` is pressed: Ctrl+C over a button copies what it calls."""
        return self._place("ctrl+c", f"bpy.ops.fleximo.{command}(", command)

    def field(self, path: str) -> tuple[int, int]:
        """Where in the sidebar a property is shown, told by the end of its path, which is copied too."""
        return self._place("ctrl+alt+shift+c", path, path)

    def _place(self, keys: str, wanted: str, name: str) -> tuple[int, int]:
        self.ask("setattr(bpy.context.window_manager, 'clipboard', '')")
        if name in self._places and wanted in self._copied(*self._places[name], keys, patient=True):
            return self._places[name]
        for patient in (False, True):
            self._scroll(up=True)
            for _ in range(2):
                place = self._search(keys, wanted, patient=patient)
                if place is not None:
                    self._places[name] = place
                    return place
                self._scroll(up=False)
        self.picture(f"missing_{name}")
        raise AssertionError(f"{name} is not in the sidebar")

    def _search(self, keys: str, wanted: str, *, patient: bool) -> tuple[int, int] | None:
        """Where in the visible part of the sidebar `keys` copy something with `wanted` in it."""
        left, top, right, bottom = self.region("view", "UI")
        for y in range(top + 24, bottom - 8, _STEP_PX):
            for share in (0.2, 0.45, 0.75):
                x = round(left + share * (right - left))
                if wanted in self._copied(x, y, keys, patient=patient):
                    return x, y
        return None

    def _scroll(self, *, up: bool) -> None:
        """Scrolls the sidebar to its end, if it is not there: over a panel, for the wheel is the view's elsewhere."""
        if up != self._scrolled_down:
            return
        left, top, _, _ = self.region("view", "UI")
        self.move(left + 60, top + _HEADERS_TOP_PX)
        self.press("click", "--repeat", "30", "--delay", "5", "4" if up else "5")
        self._scrolled_down = not up

    def _copied(self, x: int, y: int, keys: str, *, patient: bool) -> str:
        """What is in the clipboard after pressing `keys` over a place; a busy Blender needs patience to notice it."""
        if patient:
            self.move(x, y)
            self._xdotool("key", keys)
        else:
            pause = ["sleep", "0.06"]
            self._xdotool("mousemove", str(x), str(y), *pause, "mousemove", str(x + 2), str(y), *pause, "key", keys)
        return str(self.ask("bpy.context.window_manager.clipboard"))
