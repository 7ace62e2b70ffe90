"""Catmull-Clark subdivision of a closed mesh, of its places and of all that is known per vertex (skin weights).

Knows polygons only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleximo.arrays import FloatArray, IntArray

__all__ = ["subdivided"]


def subdivided(values: FloatArray, faces: Sequence[Sequence[int]]) -> tuple[FloatArray, IntArray]:
    """One step of Catmull-Clark (1978): `values` (N,C) of the vertices, and quads (M,4).

    `faces`: polygons of a closed, consistently oriented mesh. The first N rows are the former vertices, moved.
    """
    values = np.asarray(values, dtype=np.float64)
    count, sizes = len(values), np.array([len(face) for face in faces])
    corners = np.array([vertex for face in faces for vertex in face])
    face_of = np.repeat(np.arange(len(faces)), sizes)
    # The corner before and the corner after each one, around its face.
    starts, place = np.repeat(np.cumsum(sizes) - sizes, sizes), np.arange(len(corners))
    around = np.repeat(sizes, sizes)
    before, after = (starts + (place - starts + step) % around for step in (-1, 1))
    following = corners[after]
    centres = _sums(face_of, values[corners], len(faces)) / sizes[:, None]
    edges, edge_of = np.unique(np.sort(np.stack((corners, following), axis=1), axis=1), axis=0, return_inverse=True)
    edge_of = edge_of.reshape(-1)
    ends = values[edges].sum(axis=1)
    middles = (ends + _sums(edge_of, centres[face_of], len(edges))) / 4.0
    moved = _moved(values, corners, centres[face_of], edges, ends / 2.0)
    quads = np.stack((corners, count + edge_of, count + len(edges) + face_of, count + edge_of[before]), axis=1)
    return np.concatenate((moved, middles, centres)), quads


def _sums(rows: IntArray, values: FloatArray, count: int) -> FloatArray:
    """(count,C): the rows of `values` added up by their number in `rows`, each of which occurs."""
    order = np.argsort(rows, kind="stable")
    return np.asarray(np.add.reduceat(values[order], np.searchsorted(rows[order], np.arange(count))))


def _moved(
    values: FloatArray, corners: IntArray, centres: FloatArray, edges: IntArray, middles: FloatArray
) -> FloatArray:
    """Where the former vertices go: between their faces' centres, their edges' middles and themselves."""
    valence = np.bincount(corners, minlength=len(values))[:, None].astype(np.float64)
    of_faces = _sums(corners, centres, len(values)) / valence
    of_edges = _sums(edges.ravel(), np.repeat(middles, 2, axis=0), len(values)) / valence
    return np.asarray((of_faces + 2.0 * of_edges + (valence - 3.0) * values) / valence)
