"""A mesh clip as a file to look at: our own `.npz`, and Blender's point cache `.pc2`.

Knows no skeleton. A point cache has no faces: it moves the vertices of a mesh that is already there.
"""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np

from fleximo.errors import FleximoError
from fleximo.files import read_bytes, read_npz, reading, write_atomic
from fleximo.formats.clips import MeshClip
from fleximo.timing import as_fps

__all__ = ["MESH_ENDINGS", "load_mesh", "save_mesh"]

MESH_ENDINGS = (".npz", ".pc2")
_FORMAT_VERSION = 1


def save_mesh(clip: MeshClip, path: str | Path) -> None:
    """Writes the vertices of `clip` as `.npz` (`vertices` (T,N,3) float32 m, `fps`) or `.pc2`, all or nothing.

    Raises `FleximoError` for other endings.
    """
    path = Path(path)
    ending = path.suffix.lower()
    vertices = np.ascontiguousarray(clip.vertices, dtype="<f4")
    if ending == ".pc2":
        write_atomic(path, _point_cache_header(len(vertices), vertices.shape[1]) + vertices.tobytes())
    elif ending == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, vertices=vertices, fps=np.float64(clip.fps), format_version=np.int32(_FORMAT_VERSION))
        write_atomic(path, buffer.getvalue())
    else:
        raise FleximoError(
            f"{path} has an ending that no mesh is written with.", remedy=f"Use one of: {', '.join(MESH_ENDINGS)}."
        )


def load_mesh(path: str | Path) -> MeshClip:
    """Reads the `.npz` that `save_mesh` wrote; raises `FleximoError` on anything else."""
    arrays = read_npz(read_bytes(Path(path)), required=("vertices", "fps"), what="mesh", newest=_FORMAT_VERSION)
    with reading("mesh"):
        vertices = arrays["vertices"].astype(np.float32)
        fps: Fraction = as_fps(float(arrays["fps"]))
    if vertices.ndim != 3 or vertices.shape[2] != 3 or not np.isfinite(vertices).all():
        raise FleximoError(f"{path} holds no mesh clip (frames, vertices, 3).", code="unreadable_file")
    return MeshClip(vertices, fps)


def _point_cache_header(frames: int, points: int) -> bytes:
    """The 32 bytes before the samples: sign, version, points, first frame, frames per sample, samples."""
    return struct.pack("<12siiffi", b"POINTCACHE2\0", 1, points, 0.0, 1.0, frames)
