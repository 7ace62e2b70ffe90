"""A folder of `.obj` files, one mesh per frame -> the vertices over time.

Reads vertices only; faces, normals and materials are passed over.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.formats.clips import Ask, Found, MeshClip, check_frames
from fleximo.formats.containers import LIMIT_BYTES, damaged, guarded, read_limited

__all__ = ["found_in_obj_folder", "obj_frames", "vertices_of_obj"]

_FPS = Fraction(20)
_LIMIT_BYTES = 4 * 2**20  # of one frame; SMPL's with faces and normals is 1 MB
_MAX_DIGITS = 40
_VERTEX = re.compile(rb"^v[ \t]+([^\r\n#]*)", re.MULTILINE)


def obj_frames(folder: Path) -> list[Path]:
    """The `.obj` files of `folder` by the last number in their names."""

    def order(path: Path) -> tuple[int, str]:
        digits = re.findall(r"\d+", path.stem)
        return (int(digits[-1][:9]) if digits else -1, path.name)

    return sorted((path for path in folder.iterdir() if path.suffix.lower() == ".obj"), key=order)


def vertices_of_obj(content: bytes, *, what: str) -> FloatArray:
    """(N,3) float32, the places of a mesh's vertices; colours after them are left out."""
    with guarded(what):
        lines = _VERTEX.findall(content)
        if not lines:
            raise damaged(what, "it has no vertices")
        words = b" ".join(lines).split()
        if max(map(len, words), default=0) > _MAX_DIGITS:
            raise damaged(what, "it has a number of absurd length")
        values = np.array(words).astype(np.float64)
        each, rest = divmod(len(values), len(lines))
        if rest or each not in (3, 4, 6, 7):
            raise damaged(what, "some vertices have no three coordinates")
        places = values.reshape(len(lines), each)[:, :3]
        if not np.isfinite(places).all():
            raise damaged(what, "some of its numbers are not finite")
        return places.astype(np.float32)


def found_in_obj_folder(folder: Path, ask: Ask) -> Found:
    """The mesh clip of a folder of frames; every frame must have the vertices of the first."""
    frames = obj_frames(folder)
    check_frames(len(frames))
    vertices: list[FloatArray] = []
    for path in frames:
        vertices.append(vertices_of_obj(read_limited(path, limit=_LIMIT_BYTES), what=f"frame {path.name}"))
        if vertices[-1].shape != vertices[0].shape:
            raise FleximoError(
                f"{path.name} has {len(vertices[-1])} vertices; {frames[0].name} has {len(vertices[0])}.",
                code="unreadable_file",
                remedy="Leave only the frames of one clip in the folder.",
            )
        if len(frames) * vertices[0].nbytes > LIMIT_BYTES:
            raise FleximoError(f"The {len(frames)} frames of {folder.name} are too many.", code="file_too_large")
    fps, notices = ask.rate(_FPS)
    return Found("folder of .obj meshes", MeshClip(np.stack(vertices), fps, folder), notices=notices)
