"""Blender's own reader of point caches judges the ones that we write."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fleximo.formats.clips import MeshClip
from fleximo.formats.mesh_cache import save_mesh

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def test_blender_plays_the_point_cache(tmp_path: Path) -> None:
    vertices = np.random.default_rng(0).normal(size=(4, 30, 3)).astype(np.float32)
    save_mesh(MeshClip(vertices, Fraction(20)), tmp_path / "mesh.pc2")
    mesh = bpy.data.meshes.new("person")
    mesh.from_pydata(vertices[0].tolist(), [], [(i, i + 1, i + 2) for i in range(0, 30, 3)])
    holder = bpy.data.objects.new("person", mesh)
    bpy.context.scene.collection.objects.link(holder)
    cache = holder.modifiers.new("cache", "MESH_CACHE")
    cache.cache_format, cache.filepath = "PC2", str(tmp_path / "mesh.pc2")
    cache.frame_start = 1.0
    for frame, expected in enumerate(vertices):
        bpy.context.scene.frame_set(1 + frame)
        evaluated = holder.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
        places = np.empty(90, np.float32)
        evaluated.vertices.foreach_get("co", places)
        assert np.allclose(places.reshape(30, 3), expected, atol=1e-6), frame
    bpy.data.objects.remove(holder)
