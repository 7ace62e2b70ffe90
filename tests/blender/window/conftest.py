"""The real application with a window on a display of its own, driven by mouse and keyboard from outside.

Skipped unless `run_in_window.py` starts it, which looks for the programs that it needs.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
collect_ignore = ["probe.py"]  # for Blender alone
WIDTH, HEIGHT = 1400, 900
MODULE = "bl_ext.user_default.fleximo"
_FOR = "the application with a window is tested by tests/blender/run_in_window.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get("FLEXIMO_WINDOW"):
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=_FOR))


class App:
    """Blender on its display."""

    def __init__(self, display: str, port: int, process: subprocess.Popen[bytes], shots: Path) -> None:
        self.display, self.port, self.process, self.shots = display, port, process, shots

    def run(self, program: str) -> Any:
        """What `result` is after `program` has run inside Blender."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60.0) as connection:
            connection.sendall(program.encode())
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        told = json.loads(answer)
        assert "error" not in told, told["error"]
        return told["result"]

    def ask(self, expression: str) -> Any:
        return self.run(f"result = {expression}")

    def wait(self, expression: str, seconds: float = 60.0) -> Any:
        """Waits until `expression` is true inside Blender."""
        deadline = time.monotonic() + seconds
        while not (told := self.ask(expression)):
            assert time.monotonic() < deadline, f"{expression} is still {told!r}: {self.ask(LIVE)}"
            time.sleep(0.2)
        return told

    def press(self, *words: str) -> None:
        """Hands words to xdotool."""
        subprocess.run(["xdotool", *words], check=True, timeout=30.0, env={**os.environ, "DISPLAY": self.display})

    def move(self, x: float, y: float) -> None:
        self.press("mousemove", str(round(x)), str(round(y)))

    def click(self, x: float, y: float) -> None:
        self.move(x, y)
        time.sleep(0.15)
        self.press("click", "1")
        time.sleep(0.15)

    def picture(self, name: str = "") -> Any:
        """(H,W,3) what the display shows, kept as NAME.jpg among the run's pictures."""
        time.sleep(0.4)  # Blender draws between two events
        command = ["import", "-display", self.display, "-window", "root", "-depth", "8", "rgb:-"]
        content = subprocess.run(command, check=True, timeout=30.0, capture_output=True).stdout
        pixels = np.frombuffer(content, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3)
        if name:
            encode = ["convert", "-size", f"{WIDTH}x{HEIGHT}", "-depth", "8", "rgb:-", "-quality", "82"]
            target = str(self.shots / f"{name}.jpg")
            subprocess.run([*encode, target], check=True, timeout=30.0, input=content)
        return pixels

    def region(self, area: str, region: str = "WINDOW") -> tuple[int, int, int, int]:
        """Left, top, right, bottom of a region on the display."""
        left, low, width, height = self.run(
            f"area = next(a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == {area!r})\n"
            f"region = next(r for r in area.regions if r.type == {region!r})\n"
            "result = [region.x, region.y, region.width, region.height]"
        )
        return left, HEIGHT - low - height, left + width, HEIGHT - low

    def button(self, command: str) -> tuple[int, int]:
        """Where in the sidebar the operator `command` is pressed: Ctrl+C over a button copies what it calls."""
        return self._place("ctrl+c", f"bpy.ops.fleximo.{command}(", command)

    def field(self, path: str) -> tuple[int, int]:
        """Where in the sidebar a property is shown, told by the end of its path, which is copied too."""
        return self._place("ctrl+alt+shift+c", path, path)

    def _place(self, keys: str, wanted: str, name: str) -> tuple[int, int]:
        left, top, right, bottom = self.region("VIEW_3D", "UI")
        for patience_s in (0.1, 0.4):  # a busy machine answers late
            self.ask("setattr(bpy.context.window_manager, 'clipboard', '-')")
            for share in (0.25, 0.7):
                x = round(left + share * (right - left))
                for y in range(top + 30, bottom - 8, 14):  # a button is 20 px high
                    self._copy(x, y, keys, patience_s)
                    if wanted in str(self.ask("bpy.context.window_manager.clipboard")):
                        return self._again(x, y, keys, wanted)
        self.picture(f"missing_{name}")
        raise AssertionError(f"{name} is not in the sidebar")

    def _copy(self, x: int, y: int, keys: str, patience_s: float) -> None:
        """Presses keys over a place; Blender notices a button when the mouse moves inside it a second time."""
        self.press("mousemove", str(x), str(y), "sleep", "0.05", "mousemove", str(x + 3), str(y), "sleep", "0.05")
        self.press("key", keys)
        time.sleep(patience_s)

    def _again(self, x: int, y: int, keys: str, wanted: str) -> tuple[int, int]:
        """(x, y), or a place above it if the answer belonged to that."""
        for above in (0, 14, 28):
            self.ask("setattr(bpy.context.window_manager, 'clipboard', '-')")
            self._copy(x, y - above, keys, 0.4)
            if wanted in str(self.ask("bpy.context.window_manager.clipboard")):
                return x, y - above
        raise AssertionError(f"{wanted} was there and is no longer")

    def show_panels(self, *names: str) -> None:
        """Of the panels about the take shows only these, all if none is named: what is looked for is then in view."""
        self.run(
            f"import {MODULE}.panels.view3d as view3d\n"
            f"names = {names!r}\n"
            "for kind in view3d.CLASSES:\n"
            "    if 'poll' in dir(kind) and issubclass(kind, view3d._TakePanel):\n"
            "        kind.asked = getattr(kind, 'asked', None) or kind.poll\n"
            "        kind.shown = not names or kind.__name__ in names\n"
            "        kind.poll = classmethod(lambda cls, context: cls.shown and cls.asked(context))\n"
        )
        time.sleep(0.5)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drags with the left button."""
        self.move(*start)
        time.sleep(0.2)
        self.press("mousedown", "1")
        for share in (0.3, 0.6, 1.0):
            self.move(*(a + share * (b - a) for a, b in zip(start, end)))
            time.sleep(0.1)
        self.press("mouseup", "1")
        time.sleep(0.3)


LIVE = "[bpy.context.window_manager.fleximo.task, bpy.context.window_manager.fleximo.error]"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as place:
        return int(place.getsockname()[1])


@pytest.fixture(scope="session")
def app(archive: Path, server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Blender with the built extension, a sidebar of Fleximo's panels and a sequencer below the 3D view."""
    home = tmp_path_factory.mktemp("window")
    shots = Path(os.environ.get("FLEXIMO_SHOTS") or home)
    shots.mkdir(parents=True, exist_ok=True)
    read, write = os.pipe()
    screen = ["-screen", "0", f"{WIDTH}x{HEIGHT}x24"]
    xvfb = subprocess.Popen(["Xvfb", "-displayfd", str(write), *screen, "-nolisten", "tcp"], pass_fds=[write])
    display = f":{os.read(read, 16).decode().strip()}"
    port = _free_port()
    command = [shutil.which("blender") or "blender", "--factory-startup", "-noaudio"]
    command += ["--window-geometry", "0", "0", str(WIDTH), str(HEIGHT)]
    command += ["--python", str(HERE / "probe.py"), "--", str(port)]
    environment = {**os.environ, "DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1"}
    environment["BLENDER_USER_RESOURCES"] = str(home / "blender")
    with (shots / "blender.txt").open("wb") as said:
        blender = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    made = App(display, port, blender, shots)
    try:
        _prepare(made, archive, server, home)
        yield made
    finally:
        for process in (blender, xvfb):
            process.kill()
            process.wait()


def _prepare(app: App, archive: Path, server: Path, home: Path) -> None:
    deadline = time.monotonic() + 90.0
    while True:
        try:
            app.ask("1")
            break
        except OSError:
            assert app.process.poll() is None and time.monotonic() < deadline, "Blender did not start"
            time.sleep(0.3)
    app.run(
        "for each in list(bpy.data.objects): bpy.data.objects.remove(each)\n"
        f"bpy.ops.extensions.package_install_files(filepath={str(archive)!r}, repo='user_default', "
        "enable_on_install=True)\n"
        "import importlib\n"
        f"chosen = importlib.import_module('{MODULE}.preferences').preferences()\n"
        f"chosen.data_folder, chosen.video_folder = {str(server)!r}, {str(home / 'videos')!r}\n"
        "bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = 576, 1024\n"
        "bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 30, 1.0\n"
        "screen = bpy.context.window_manager.windows[0].screen\n"
        "view = next(area for area in screen.areas if area.type == 'VIEW_3D')\n"
        "view.spaces.active.show_region_ui = True\n"
    )
    time.sleep(0.5)
    app.run(
        "next(region for region in view.regions if region.type == 'UI').active_panel_category = 'Fleximo'\n"
        "view.tag_redraw()\n"
        "below = next(area for area in screen.areas if area.type == 'PROPERTIES')\n"
        "below.type = 'SEQUENCE_EDITOR'\n"
        "below.spaces.active.view_type = 'SEQUENCER_PREVIEW'\n"
    )
    time.sleep(0.5)
