"""The real application with a window on a display of its own, driven by mouse and keyboard from outside.

Skipped unless `run_in_window.py` starts it, which looks for the programs that it needs.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blender.conftest import PEOPLE, ROOT, SERVER_DATA, SERVER_PYTHON, serving
from tests.blender.window.app import HEIGHT, MODULE, WIDTH, App

HERE = Path(__file__).parent
collect_ignore = ["probe.py"]  # for Blender alone
_LONGEST_S = 1400  # no Blender lives longer, whatever happens to the tests
_START_S = 180.0
_FOR = "the application with a window is tested by tests/blender/run_in_window.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get("FLEXIMO_WINDOW"):
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=_FOR))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real render server, with small stand-ins of MimicMotion's weights where its Python has what they need."""
    if SERVER_DATA:
        yield Path(SERVER_DATA)
        return
    models = tmp_path_factory.mktemp("models")
    make = [SERVER_PYTHON, "-m", "tests.fixtures.make_standin_weights", "svd", "mimicmotion", "--tiny"]
    made = subprocess.run([*make, "--to", str(models)], cwd=ROOT, capture_output=True, timeout=300.0)
    with serving(
        tmp_path_factory.mktemp("server"), **({"FLEXIMO_MODELS": str(models)} if not made.returncode else {})
    ) as folder:
        yield folder


@pytest.fixture(scope="session")
def app(archive: Path, server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Blender with the built extension and a saved file, `anna.jpg` beside it; the areas as `_LAYOUT` names them."""
    film = _film()
    home = tmp_path_factory.mktemp("window")
    shots = Path(os.environ.get("FLEXIMO_SHOTS") or home)
    shots.mkdir(parents=True, exist_ok=True)
    limit = ["timeout", "--foreground", "--kill-after=5", str(_LONGEST_S)]
    display, xvfb = _display(limit, shots)
    port = _free_port()
    command = [*limit, shutil.which("blender") or "blender", "--factory-startup", "-noaudio"]
    command += ["--window-geometry", "0", "0", str(WIDTH), str(HEIGHT)]
    command += ["--python", str(HERE / "probe.py"), "--", str(port)]
    environment = {**os.environ, "DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1"}
    environment["BLENDER_USER_RESOURCES"] = str(home / "blender")
    with (shots / "blender.txt").open("wb") as said:
        blender = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        made = App(display, port, blender, shots)
        _prepare(made, archive, server, film)
        yield made
    finally:
        for process in (blender, xvfb):
            process.terminate()  # `timeout` passes it on
            process.wait()
        shutil.rmtree(film)


def _film() -> Path:
    """A folder for the file and its videos, with a short name where it is free: pictures for the guide show it."""
    folder = Path(tempfile.gettempdir()) / "film"
    try:
        folder.mkdir()
    except FileExistsError:
        return Path(tempfile.mkdtemp(prefix="film-"))
    return folder


def _display(limit: list[str], shots: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """A new display of the tests' own, and the program that keeps it."""
    read, write = os.pipe()
    command = [*limit, "Xvfb", "-displayfd", str(write), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
    with (shots / "display.txt").open("wb") as said:
        process = subprocess.Popen(command, pass_fds=[write], stdout=said, stderr=said)
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    assert number, (shots / "display.txt").read_text("utf-8", "replace")
    return f":{number}", process


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as place:
        return int(place.getsockname()[1])


# A viewport with its sidebar, the sequencer's preview beside it, the sequencer and the timeline below. One change at a
# time, drawn in between: Blender ends where an area is asked about that has just been changed.
_LAYOUT = (
    """
window = bpy.context.window_manager.windows[0]
screen = window.screen
def area_of(kind):
    return next(area for area in screen.areas if area.type == kind)
with bpy.context.temp_override(window=window, screen=screen, area=area_of("OUTLINER")):
    bpy.ops.screen.area_close()
""",
    """
with bpy.context.temp_override(window=window, screen=screen, area=area_of("VIEW_3D")):
    bpy.ops.screen.area_split(direction="HORIZONTAL", factor=0.16)
""",
    """
view, sequencer = sorted((area for area in screen.areas if area.type == "VIEW_3D"), key=lambda area: -area.y)
timeline, preview = area_of("DOPESHEET_EDITOR"), area_of("PROPERTIES")
sequencer.type = preview.type = "SEQUENCE_EDITOR"
""",
    """
sequencer.spaces.active.view_type, preview.spaces.active.view_type = "SEQUENCER", "PREVIEW"
view.spaces.active.show_region_ui = True
view.spaces.active.show_gizmo_navigate = view.spaces.active.overlay.show_cursor = False
for area in (view, sequencer, preview):
    for kind in ("toolbar", "channels", "footer"):
        if hasattr(area.spaces.active, f"show_region_{kind}"):
            setattr(area.spaces.active, f"show_region_{kind}", False)
""",
    """
next(region for region in view.regions if region.type == "UI").active_panel_category = "Fleximo"
""",
)


def _prepare(app: App, archive: Path, server: Path, film: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            app.ask("1")
            break
        except OSError:
            assert app.process.poll() is None and time.monotonic() < deadline, "Blender did not start"
            time.sleep(0.3)
    shutil.copy(PEOPLE / "anna.jpg", film)
    app.run(
        "for each in list(bpy.data.objects): bpy.data.objects.remove(each)\n"
        f"bpy.ops.extensions.package_install_files(filepath={str(archive)!r}, repo='user_default', "
        "enable_on_install=True)\n"
        "import importlib\n"
        f"importlib.import_module('{MODULE}.preferences').preferences().data_folder = {str(server)!r}\n"
        "bpy.context.preferences.view.filebrowser_display_type = 'SCREEN'\n"
        "scene = bpy.context.scene\n"
        "scene.render.resolution_x, scene.render.resolution_y = 576, 1024\n"
        "scene.render.fps, scene.render.fps_base = 30, 1.0\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={str(film / 'wave.blend')!r})\n"
    )
    for change in _LAYOUT:
        app.run(change, draw=True)
    app.picture()
