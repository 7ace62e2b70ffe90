"""What is installed and what is missing, one line each with the fix; and the model files that came with packages."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleximo.client import Client
from fleximo.data_folder import data_folder
from fleximo.errors import FleximoError

__all__ = ["Check", "bundled_models", "examine"]

_MODELS = {  # sha256 of the files of mediapipe 0.10.21 that the detector uses
    "pose_detection/pose_detection.tflite": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark/pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "face_landmark/face_landmark.tflite": "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    "hand_landmark/hand_landmark_full.tflite": "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    "holistic_landmark/hand_recrop.tflite": "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
    "face_detection/face_detection_full_range_sparse.tflite": (
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1"
    ),
}


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
    models = bundled_models()
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
    checks += [_data_folder(), _server(), _blender()]
    return checks


def _package(name: str, fix: str) -> Check:
    try:
        return Check(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, "not installed", fix)


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


def bundled_models() -> list[dict[str, Any]]:
    """The model files inside the mediapipe package: name, path, size, sha256, licence, and the state: "there",
    "missing", or "altered" if it is not the file of the release that the project was tested with.
    """
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or spec.origin is None:
        return []
    root = Path(spec.origin).parent / "modules"
    rows = []
    for name, expected in _MODELS.items():
        path = root / name
        content = path.read_bytes() if path.is_file() else b""
        digest = hashlib.sha256(content).hexdigest() if content else ""
        rows.append(
            {
                "name": path.name,
                "path": str(path),
                "size": len(content),
                "sha256": digest,
                "licence": "Apache-2.0",
                "state": "missing" if not content else "there" if digest == expected else "altered",
            }
        )
    return rows
