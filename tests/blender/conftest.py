"""Real Blender as a Python module, with the built extension installed from its zip.

Needs the bpy module; without it every test here is skipped. Blender keeps one state per process, so this tier runs
in a process of its own, and ends it at once: some versions hang or crash while the interpreter shuts down.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fleximo import Person
from fleximo.client import Client

if "bpy" not in sys.modules:
    # Preferences, extensions and caches of this run alone; Blender reads this when the module is imported.
    os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp(prefix="fleximo-blender-")

ROOT = Path(__file__).resolve().parents[2]
# Where Blender's Python has no backend (another version of Blender), another Python runs the server; or it runs
# already, and only its data folder is named.
SERVER_PYTHON = os.environ.get("FLEXIMO_SERVER_PYTHON", sys.executable)
SERVER_DATA = os.environ.get("FLEXIMO_SERVER_DATA", "")
PEOPLE = ROOT / "tests" / "data" / "people"
MODULE = "bl_ext.user_default.fleximo"
FINISHED: set[str] = set()  # the classes of the operators that have done their work in this process
LAST = "test_every_operator_has_done_its_work"
# Scripts need packages that Blender's Python lacks.
collect_ignore = [path.name for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == LAST)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    status = config.stash.get(_STATUS, None)
    if status is not None and "bpy" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


_STATUS = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built zip of the extension."""
    build_addon = importlib.import_module("build_addon")
    path: Path = build_addon.build(tmp_path_factory.mktemp("dist"))
    return path


@pytest.fixture(scope="session")
def installed(archive: Path) -> str:
    """The name of the installed and enabled extension's module."""
    bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")
    bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True)
    assert MODULE in bpy.context.preferences.addons
    _note_operators(importlib.import_module(f"{MODULE}.operators.base").FleximoOperator)
    return MODULE


def _note_operators(base: Any) -> None:
    """Every operator does its work inside `guarded`."""
    guarded = base.guarded

    def noted(operator: Any, action: Any) -> set[str]:
        answer: set[str] = guarded(operator, action)
        if answer == {"FINISHED"}:
            FINISHED.add(type(operator).__name__)
        return answer

    base.guarded = noted


@pytest.fixture
def addon(installed: str) -> Iterator[Callable[[str], ModuleType]]:
    """Gives the extension's modules by name, in an empty file of 30 frames per second."""
    import bpy

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.context.scene.render.fps = 30
    bpy.context.scene.render.fps_base = 1.0
    chosen = importlib.import_module(f"{installed}.preferences").preferences()
    chosen.data_folder = chosen.video_folder = ""  # an earlier test's may be left
    yield lambda name: importlib.import_module(f"{installed}.{name}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a real render server, a process of its own."""
    if SERVER_DATA:
        yield Path(SERVER_DATA)
        return
    with serving(tmp_path_factory.mktemp("server")) as folder:
        yield folder


@contextmanager
def serving(folder: Path, **more: str) -> Iterator[Path]:
    """A render server of its own over the data `folder`, with `more` in its environment."""
    folder.mkdir(exist_ok=True)
    command = [SERVER_PYTHON, "-m", "backend.cli", "serve", "--data", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
    try:
        deadline = time.monotonic() + 60.0
        while not (folder / "server.json").is_file():
            said = (folder / "output.txt").read_text()
            assert process.poll() is None and time.monotonic() < deadline, f"the server did not start: {said}"
            time.sleep(0.1)
        yield folder
    finally:
        process.terminate()
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()


def stand_ins(folder: Path, *bundles: str) -> Path:
    """The models folder `folder` with small made-up weights, which the server's Python makes where it has torch."""
    if SERVER_DATA:
        pytest.skip("the server runs elsewhere, with weights of its own")
    command = [SERVER_PYTHON, "-m", "tests.fixtures.make_standin_weights", *bundles, "--tiny", "--to", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    if done.returncode and "No module named" in done.stderr:
        pytest.skip("the extra `models` is not installed")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def scene(addon: Any) -> Any:
    """The only scene of the empty file."""
    import bpy

    return bpy.context.scene


@pytest.fixture(scope="session")
def anna(server: Path) -> Person:
    """The person that the server finds in the shipped photo."""
    return Client.from_data_folder(server).detect((PEOPLE / "anna.jpg").read_bytes())
