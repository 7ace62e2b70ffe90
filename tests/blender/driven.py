"""The add-on driven in a process of its own, as by clicks: what each click and each tick of the timer takes is kept.

Needs the bpy module, and a folder of its own for preferences, server data and videos.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.blender.conftest import MODULE, SERVER_PYTHON
from tests.blender.test_journey import press

__all__ = ["Driven"]

_PATIENCE_S = 150.0


class Driven:
    """The installed add-on, and how long its clicks and ticks held Blender, by what they were for."""

    def __init__(self, archive: str, folder: Path) -> None:
        import bpy

        self.bpy, self.folder = bpy, folder
        bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
        self.new_file()
        chosen = self.module("preferences").preferences()
        chosen.data_folder, chosen.video_folder = str(folder / "data"), str(folder / "videos")
        chosen.server_command = SERVER_PYTHON
        self.longest_ms: dict[str, float] = {}  # of CPU time of the main thread
        self.waited_ms: dict[str, float] = {}  # by the clock

    def new_file(self) -> None:
        self.bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        self.bpy.context.scene.render.fps = 30

    def module(self, name: str) -> Any:
        """One of the add-on's modules."""
        return importlib.import_module(f"{MODULE}.{name}")

    @property
    def takes(self) -> Any:
        return self.bpy.context.scene.fleximo.takes

    def idle(self) -> bool:
        return not self.module("operators.base").session().tasks

    def press(self, what: str, name: str, **values: Any) -> None:
        """A click on the button of an operator that does not wait."""

        def click() -> None:
            assert press(self.module, patch, name, **values) == {"FINISHED"}, self.module("properties").live().error

        with pytest.MonkeyPatch.context() as patch:
            self._held(what, click)

    def ticks(self, what: str, until: Callable[[], bool]) -> None:
        """Ticks as Blender's timer does, until `until` holds."""
        base, deadline = self.module("operators.base"), time.monotonic() + _PATIENCE_S
        while not until():
            assert time.monotonic() < deadline, f"{what}: {base.session().tasks.values()}"
            self._held(what, base.tick)
            time.sleep(0.02)

    def _held(self, what: str, call: Callable[[], object]) -> None:
        started, clock = time.thread_time(), time.perf_counter()
        call()
        held, waited = (time.thread_time() - started) * 1e3, (time.perf_counter() - clock) * 1e3
        self.longest_ms[what] = max(self.longest_ms.get(what, 0.0), held)
        self.waited_ms[what] = max(self.waited_ms.get(what, 0.0), waited)
