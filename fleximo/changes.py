"""What "changed" means: which delivered frames a video engine would see differently.

Used by Blender and the backend alike.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.pose_track import PoseTrack

__all__ = ["CONFIDENCE_TOLERANCE", "POINT_TOLERANCE_PX", "changed_frames", "changed_ranges"]

POINT_TOLERANCE_PX = 0.05
CONFIDENCE_TOLERANCE = 0.01
DEPTH_ORDER_MARGIN_M = 0.005  # depths nearer to each other than this have no order


def changed_frames(before: PoseTrack, after: PoseTrack) -> BoolArray:
    """(T,) True where the signal differs: a point by > 0.05 px, a confidence by > 0.01, or a depth order.

    Tracks of another size, rate, layout or length share no frame: everything counts as changed. Points absent from
    both (confidence 0) are not compared.
    """
    same_kind = before.size == after.size and before.fps == after.fps and before.layout.name == after.layout.name
    if not same_kind or len(before) != len(after):
        return np.ones(len(after), dtype=bool)
    seen = (before.confidence > 0) | (after.confidence > 0)
    moved = (np.abs(before.points_px - after.points_px).max(axis=-1) > POINT_TOLERANCE_PX) & seen
    faded = np.abs(before.confidence - after.confidence) > CONFIDENCE_TOLERANCE
    swapped = _order(before.depths_m) * _order(after.depths_m) < 0
    return np.asarray(moved.any(axis=1) | faded.any(axis=1) | swapped.any(axis=(1, 2)))


def _order(depths_m: FloatArray) -> FloatArray:
    """(T,18,18) -1, 0, +1: which of two body points is nearer."""
    body = depths_m[:, :18]
    difference = body[:, :, None] - body[:, None, :]
    return np.asarray(np.sign(np.where(np.abs(difference) > DEPTH_ORDER_MARGIN_M, difference, 0.0)))


def changed_ranges(changed: BoolArray) -> list[tuple[int, int]]:
    """Half-open frame ranges [start, stop) of the True runs of `changed` (T,).

    >>> changed_ranges(np.array([0, 1, 1, 0, 1], dtype=bool))
    [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], changed.astype(np.int8), [0]))))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2])]
