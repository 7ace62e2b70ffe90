"""Builds the Blender extension: the wheel of `fleximo` in the add-on's folder, zipped, checked by Blender's own tool.

The same sources give the same bytes. Run `python build_addon.py`; the zip lies in `dist/` afterwards, and beside it the
index that makes the folder a repository of extensions for any web server.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib.util
import io
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

__all__ = ["build", "build_wheel", "find_tool", "main", "validate", "write_index"]

ROOT = Path(__file__).resolve().parent
ADDON, PACKAGE = ROOT / "blender_addon", ROOT / "fleximo"
_LEFT_OUT = {"__pycache__", ".DS_Store"}
_TIMESTAMP = (2000, 1, 1, 0, 0, 0)  # any fixed time: bytes must not depend on the day


def build(folder: Path) -> Path:
    """Builds `fleximo-VERSION.zip` into `folder` and returns its path."""
    manifest = (ADDON / "blender_manifest.toml").read_text("utf-8")
    version = str(tomllib.loads(manifest)["version"])
    if version != _package_version():
        raise SystemExit(f"blender_manifest.toml says {version}, fleximo {_package_version()}: make them equal.")
    wheel_name, wheel = build_wheel()
    # A table starts with its name in brackets, so plain keys must stand before the first one.
    head, table, rest = manifest.partition("[permissions]")
    manifest = f'{head}wheels = ["./wheels/{wheel_name}"]\n\n{table}{rest}'
    files = {path: content for path, content in _sources(ADDON, ADDON).items() if path != "blender_manifest.toml"}
    files["blender_manifest.toml"] = manifest.encode()
    files["LICENSE"] = (ROOT / "LICENSE").read_bytes()
    files[f"wheels/{wheel_name}"] = wheel
    target = folder / f"fleximo-{version}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_zipped(files))
    return target


def build_wheel() -> tuple[str, bytes]:
    """(file name, bytes) of the pure Python wheel of `fleximo`, without requirements.

    Its version ends with a hash of its content: Blender keeps an installed wheel whose version is the same, so code
    that changed without its version would not be seen.
    """
    sources = _sources(PACKAGE, ROOT)
    seen = hashlib.sha256()
    for path in sorted(sources):
        seen.update(path.encode() + b"\0" + hashlib.sha256(sources[path]).digest())
    version = f"{_package_version()}+{seen.hexdigest()[:8]}"
    information = f"fleximo-{version}.dist-info"
    metadata = (
        f"Metadata-Version: 2.4\nName: fleximo\nVersion: {version}\n"
        "Summary: Plans, motions, skeletons, cameras and jobs of Fleximo\n"
        "License-Expression: GPL-3.0-or-later\nLicense-File: LICENSE\nRequires-Python: >=3.11\n"
    )
    sources[f"{information}/METADATA"] = metadata.encode()
    sources[f"{information}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: fleximo build_addon\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    sources[f"{information}/licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = "".join(
        f"{path},sha256={_url_digest(content)},{len(content)}\n" for path, content in sorted(sources.items())
    )
    sources[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n".encode()
    return f"fleximo-{version}-py3-none-any.whl", _zipped(sources)


def _package_version() -> str:
    for line in (PACKAGE / "__init__.py").read_text("utf-8").splitlines():
        if line.startswith("__version__"):
            return line.split('"')[1]
    raise SystemExit("fleximo/__init__.py has no line __version__ = ...")


def _sources(folder: Path, base: Path) -> dict[str, bytes]:
    """The files of `folder` by their path below `base`, without what Python and systems leave there."""
    return {
        path.relative_to(base).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _LEFT_OUT & set(path.parts) and path.suffix != ".pyc"
    }


def _url_digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _zipped(files: dict[str, bytes]) -> bytes:
    """A zip with sorted names, fixed times and plain rights."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _TIMESTAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[path])
    return buffer.getvalue()


def find_tool() -> list[str] | None:
    """The command of Blender's extension tool: the script inside the bpy module, or `blender`; None without either."""
    spec = importlib.util.find_spec("bpy")
    if spec is not None and spec.origin is not None:
        site = Path(spec.origin).parent
        scripts = sorted(site.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
        if scripts:
            return [sys.executable, str(scripts[-1])]
    program = shutil.which("blender")
    return [program, "--command", "extension"] if program else None


def validate(archive: Path, tool: list[str]) -> str:
    """What Blender's tool says of `archive`; ends the program if it does not accept it."""
    return _said([*tool, "validate", str(archive.resolve())], f"Blender's tool refuses {archive.name}")


def write_index(folder: Path, tool: list[str]) -> Path:
    """Lets Blender's tool list the zips of `folder` in its `index.json`; ends the program if that fails."""
    _said([*tool, "server-generate", "--repo-dir", str(folder.resolve())], f"{folder} cannot be listed")
    return folder / "index.json"


def _said(command: list[str], failure: str) -> str:
    with tempfile.TemporaryDirectory() as elsewhere:  # the tool writes nothing there, but must find no stray manifest
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=elsewhere, check=False)
    told = (answer.stdout + answer.stderr).strip()
    if answer.returncode != 0 or "error" in told.lower():
        raise SystemExit(f"{failure}:\n{told}")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the Blender extension and has it checked.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="the folder of the zip (dist)")
    archive = build(parser.parse_args().output)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    print(f"{archive}: {archive.stat().st_size / 1000:.0f} kB, sha256 {digest}")
    tool = find_tool()
    if tool is None:
        print("Not validated and not listed: neither the bpy module nor `blender` on the PATH was found.")
        return
    print(f"Validated by Blender's tool: {validate(archive, tool) or 'no complaint'}")
    print(f"{write_index(archive.parent, tool)}: the folder is a repository of extensions")


if __name__ == "__main__":
    main()
