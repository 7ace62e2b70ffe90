"""The mesh of a clip as a file: our npz comes back, the point cache has the bytes that its format says."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fleximo import FleximoError
from fleximo.formats.clips import MeshClip
from fleximo.formats.mesh_cache import load_mesh, save_mesh

CLIP = MeshClip(np.random.default_rng(0).normal(size=(3, 5, 3)).astype(np.float32), Fraction(30000, 1001))


def test_our_npz_comes_back(tmp_path: Path) -> None:
    save_mesh(CLIP, tmp_path / "mesh.npz")
    found = load_mesh(tmp_path / "mesh.npz")
    assert np.array_equal(found.vertices, CLIP.vertices) and found.fps == CLIP.fps


def test_a_point_cache_is_its_header_and_the_samples(tmp_path: Path) -> None:
    save_mesh(CLIP, tmp_path / "mesh.pc2")
    content = (tmp_path / "mesh.pc2").read_bytes()
    sign, version, points, first, step, frames = struct.unpack("<12siiffi", content[:32])
    assert (sign, version, points, first, step, frames) == (b"POINTCACHE2\0", 1, 5, 0.0, 1.0, 3)
    assert np.array_equal(np.frombuffer(content[32:], "<f4").reshape(3, 5, 3), CLIP.vertices)


def test_wrong_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(FleximoError, match=r"\.npz, \.pc2"):
        save_mesh(CLIP, tmp_path / "mesh.abc")
    bad = tmp_path / "bad.npz"
    for arrays in ({"vertices": np.zeros((3, 5, 3))}, {"vertices": np.zeros((3, 5)), "fps": 20.0},
                   {"vertices": np.full((3, 5, 3), np.nan), "fps": 20.0}, {"vertices": np.array("x"), "fps": 20.0},
                   {"vertices": np.zeros((3, 5, 3)), "fps": -1.0}):  # fmt: skip
        np.savez(bad, **arrays)
        with pytest.raises(FleximoError):
            load_mesh(bad)
    assert not list(tmp_path.glob("*.part"))
