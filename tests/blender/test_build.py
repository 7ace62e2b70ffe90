"""The built extension: same bytes each time, accepted by Blender's own tool, and enough by itself."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import build_addon

CLEAN_PROCESS = """
import sys
root, folder = sys.argv[-2:]
sys.path[:] = [path for path in sys.path if path != root]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
import bpy
import addon_utils
import importlib.util
assert importlib.util.find_spec("fleximo") is None, "fleximo must come from the extension alone"
extensions = bpy.context.preferences.extensions
extensions.repos.new(name="Own", module="own", remote_url="file://" + folder + "/index.json")
number = extensions.repos.find("Own")
assert bpy.ops.extensions.repo_sync(repo_index=number) == {"FINISHED"}
bpy.context.preferences.system.use_online_access = True  # Blender asks for it whatever the address is
bpy.ops.extensions.package_install(repo_index=number, pkg_id="fleximo", enable_on_install=True)
import fleximo
assert ".local" in fleximo.__file__, fleximo.__file__
assert not {"backend", "cv2", "torch"} & set(sys.modules)
assert bpy.ops.fleximo.generate_motion(text="a man waves") == {"FINISHED"}
warnings = addon_utils._extensions_warnings_get()  # what Blender lists as against the rules, such as sys.path
assert not warnings.get("bl_ext.own.fleximo"), warnings
take = bpy.context.scene.fleximo.takes[0]
assert take.armature is not None and take.frame_end > 10
print("ENOUGH", take.frame_end)
sys.stdout.flush()
import os
os._exit(0)
"""


def test_the_same_sources_give_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = build_addon.build(tmp_path)
    assert again.read_bytes() == archive.read_bytes()


def test_the_zip_holds_a_wheel_of_fleximo_and_nothing_of_the_backend(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        manifest = tomllib.loads(opened.read("blender_manifest.toml").decode())
        (wheel,) = manifest["wheels"]
        content = opened.read(wheel.removeprefix("./"))
    assert "__init__.py" in names and "LICENSE" in names
    assert not [name for name in names if "__pycache__" in name or "backend/" in name]
    assert wheel.endswith("-py3-none-any.whl") and f"fleximo-{manifest['version']}+" in wheel
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        inside = opened.namelist()
        metadata = opened.read(next(name for name in inside if name.endswith("METADATA"))).decode()
    assert "fleximo/motion.py" in inside
    assert "Requires-Dist" not in metadata and "Requires-Python: >=3.11\n" in metadata
    assert len(inside) == len(set(inside))


def test_another_content_is_another_wheel_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = build_addon.build_wheel()
    sources = build_addon._sources(build_addon.PACKAGE, build_addon.ROOT)
    monkeypatch.setattr(build_addon, "_sources", lambda *_folders: {**sources, "fleximo/more.py": b"x = 1\n"})
    after, _ = build_addon.build_wheel()
    assert before != after


@pytest.fixture
def tool() -> list[str]:
    """Blender's own tool for extensions."""
    found = build_addon.find_tool()
    if found is None:
        pytest.skip("no Blender found: neither the bpy module nor a program")
    return found


def test_blenders_own_tool_accepts_it_and_refuses_a_broken_one(archive: Path, tool: list[str], tmp_path: Path) -> None:
    build_addon.validate(archive, tool)
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(archive) as opened, zipfile.ZipFile(broken, "w") as written:
        for name in opened.namelist():
            content = opened.read(name)
            if name == "blender_manifest.toml":
                content = content.replace(b"on this computer", b"on this computer!")
            written.writestr(name, content)
    with pytest.raises(SystemExit, match="refuses"):
        build_addon.validate(broken, tool)


@pytest.mark.timeout(120)
def test_from_its_own_repository_it_makes_a_motion_in_a_clean_process(
    archive: Path, tool: list[str], tmp_path: Path
) -> None:
    bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")
    (listed,) = json.loads(build_addon.write_index(archive.parent, tool).read_text("utf-8"))["data"]
    assert listed["archive_hash"] == f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path)}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-I", "-c", CLEAN_PROCESS]
    if bpy.app.binary_path:  # the application, not the module
        command = [bpy.app.binary_path, "-b", "--factory-startup", "--python-exit-code", "3"]
        command += ["--python-expr", CLEAN_PROCESS, "--"]
    command += [str(build_addon.ROOT), str(archive.parent)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, cwd=tmp_path)
    assert ended.returncode == 0 and "ENOUGH" in ended.stdout, ended.stdout + ended.stderr
