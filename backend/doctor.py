"""What is installed and what is missing, one line each with the fix."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from typing import Any

from backend import weights
from backend.llm import language_model_set_up
from fleximo.client import Client
from fleximo.data_folder import data_folder
from fleximo.errors import FleximoError

__all__ = ["Check", "examine"]


@dataclass(frozen=True)
class Check:
    """One line of the doctor: what, how it stands, and what to do if it is not well."""

    name: str
    well: bool
    state: str
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.well, "state": self.state, "fix": self.fix}

    def sentence(self) -> str:
        return f"{'ok  ' if self.well else 'FIX '} {self.name}: {self.state}" + ("" if self.well else f" -> {self.fix}")


def examine() -> list[Check]:
    """All checks; none of them starts or downloads anything."""
    version = sys.version_info[:2]
    checks = [
        Check(
            "Python",
            (3, 11) <= version <= (3, 12),
            f"{version[0]}.{version[1]}",
            "the key-point models need Python 3.11 or 3.12",
        )
    ]
    for package in ("numpy", "opencv-contrib-python", "mediapipe", "av", "fastapi", "uvicorn", "pydantic", "pillow"):
        checks.append(_package(package, f"pip install {package}"))
    models = weights.bundled_models()
    broken = [row["name"] for row in models if row["state"] != "there"]
    checks.append(
        Check(
            "key-point models",
            bool(models) and not broken,
            f"{len(models)} in the mediapipe package" if not broken else f"missing or altered: {', '.join(broken)}",
            "pip install mediapipe==0.10.21",
        )
    )
    torch = importlib.util.find_spec("torch") is not None
    checks.append(Check("torch", True, "there" if torch else "absent: not needed by the draft"))
    checks.append(Check("GPU driver", True, "found" if shutil.which("nvidia-smi") else "none: the draft needs none"))
    checks += [*_weights(), _language_model(), _data_folder(), _server(), _blender()]
    return checks


def _package(name: str, fix: str) -> Check:
    try:
        return Check(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, "not installed", fix)


_STATES = {
    "verified": "there, as published",
    "unverified": "there, unverified: no sum is published for it",
    "stand_in": "stand-ins made by the test script: results say so",
    "absent": "absent: not needed by the draft; fleximo models setup paper tells more",
}


def _weights() -> list[Check]:
    """One line for the weights that are not here, and one for each bundle that is, or half is."""
    standing = {name: weights.standing(name) for name in weights.locked_bundles()}
    absent = [name for name, (state, _) in standing.items() if state == "absent"]
    checks = [Check(f"weights {', '.join(absent)}", True, _STATES["absent"])] if absent else []
    for name, (state, missing) in standing.items():
        if state == "incomplete":
            checks.append(Check(f"weights {name}", False, f"lack {', '.join(missing)}", f"fleximo models pull {name}"))
        elif state != "absent":
            checks.append(Check(f"weights {name}", True, _STATES[state]))
    return checks


def _language_model() -> Check:
    try:
        named = language_model_set_up()
    except FleximoError as error:
        return Check("language model", False, error.message, error.remedy)
    return Check("language model", True, f"{named} (not asked now)" if named else "none: the rules plan")


def _data_folder() -> Check:
    folder = data_folder()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    writable = os.access(there, os.W_OK)
    return Check("data folder", writable, str(folder), "set FLEXIMO_DATA to a folder that you may write to")


def _server() -> Check:
    try:
        client = Client.from_data_folder()
        client.check()
    except FleximoError as error:
        return Check("render server", True, f"not running: {error.message}")
    return Check("render server", True, f"running at {client.address.host}:{client.address.port}")


def _blender() -> Check:
    if shutil.which("blender"):
        return Check("Blender", True, str(shutil.which("blender")))
    if importlib.util.find_spec("bpy") is not None:
        return Check("Blender", True, "the bpy module of this Python")
    return Check("Blender", True, "not found on the PATH: install the add-on from dist/ inside Blender")
