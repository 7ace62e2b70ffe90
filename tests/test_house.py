"""The house itself: who may import whom, never in a circle, and that modules export exactly what they define."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fleximo

ROOT = Path(__file__).resolve().parents[1]
STANDARD = set(sys.stdlib_module_names)


@functools.cache
def imported_modules(path: Path) -> frozenset[str]:
    """Absolute names of everything that a file imports, also inside functions; relative ones are resolved."""
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{stem}.{alias.name}" for alias in node.names} | {stem}
    return frozenset(found)


def ring_files(ring: str) -> list[Path]:
    return sorted(path for path in (ROOT / ring).rglob("*.py"))


@pytest.mark.parametrize("path", ring_files("fleximo"), ids=lambda path: str(path.relative_to(ROOT)))
def test_fleximo_needs_numpy_and_the_standard_library_only(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported_modules(path)} - {""}
    assert roots <= STANDARD | {"numpy", "fleximo"}


@pytest.mark.parametrize("path", ring_files("backend"), ids=lambda path: str(path.relative_to(ROOT)))
def test_backend_never_imports_blender(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported_modules(path)}
    assert not roots & {"bpy", "mathutils", "blender_addon"}


@pytest.mark.parametrize("path", ring_files("blender_addon"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_addon_never_imports_the_backend(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported_modules(path)}
    assert not roots & {"backend", "torch", "cv2", "mediapipe"}


def test_no_imports_run_in_a_circle() -> None:
    paths = [path for ring in ("fleximo", "backend", "blender_addon") for path in ring_files(ring)]
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    graph = {
        name: {other for other in imported_modules(path) if other in files and not f"{name}.".startswith(f"{other}.")}
        for name, path in files.items()
    }
    TopologicalSorter(graph).prepare()  # raises with the circle


def test_the_floor_plan_names_every_room_of_the_addon() -> None:
    told = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    addon = ROOT / "blender_addon"
    rooms = {path.name for path in addon.glob("*.py")} | {
        f"{path.parent.name}/" for path in addon.glob("*/__init__.py")
    }
    assert [room for room in sorted(rooms - {"__init__.py"}) if f"`{room}`" not in told] == []


def test_no_model_imports_another() -> None:
    models = ROOT / "backend" / "models"
    islands = {path.name for path in models.iterdir() if path.is_dir() and path.name != "__pycache__"}
    for island in islands:
        for path in (models / island).rglob("*.py"):
            others = {
                name.split(".")[2] for name in imported_modules(path) if name.startswith("backend.models.")
            } & islands
            assert others <= {island, "svd"}, f"{path} imports {others}"


def test_only_the_job_and_server_rooms_know_http_and_the_database() -> None:
    for path in ring_files("backend"):
        if path.parts[len(ROOT.parts) + 1] not in ("server", "jobs"):
            assert not {name.split(".")[0] for name in imported_modules(path)} & {"fastapi", "uvicorn", "sqlite3"}


def modules_with_exports() -> list[str]:
    names = [info.name for info in pkgutil.walk_packages(fleximo.__path__, "fleximo.")]
    return ["fleximo", *names]


@pytest.mark.parametrize("name", modules_with_exports())
def test_modules_export_exactly_what_they_define(name: str) -> None:
    module = importlib.import_module(name)
    exported = list(getattr(module, "__all__", []))
    assert all(hasattr(module, entry) for entry in exported)
    defined = {
        entry
        for entry, value in vars(module).items()
        if not entry.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    }
    assert defined <= set(exported), f"{name} defines {sorted(defined - set(exported))} without exporting it"


def test_importing_fleximo_loads_nothing_heavy() -> None:
    code = (
        "import sys, fleximo; heavy = {'cv2', 'torch', 'mediapipe', 'bpy', 'backend', 'fastapi'} & set(sys.modules);"
        "sys.exit(bool(heavy))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_there_is_one_owner_of_cv2() -> None:
    from importlib.metadata import packages_distributions

    assert len(set(packages_distributions().get("cv2", []))) == 1
