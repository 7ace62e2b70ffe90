"""The person's outline: a detector's soft segmentation sharpened on the photo, or a cut-out grown from a skeleton.

Knows pixels and skeletons, no model.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from fleximo.arrays import BoolArray, FloatArray

__all__ = ["refine_mask", "share_of"]


def share_of(
    segmentation: npt.NDArray[np.float32], body_px: FloatArray, others: list[tuple[npt.NDArray[np.float32], FloatArray]]
) -> npt.NDArray[np.float32]:
    """A person's segmentation (H,W) without what is nearer to somebody else's skeleton."""
    if not others:
        return segmentation
    mine = _distance_to(body_px, segmentation.shape)
    share = segmentation.copy()
    for theirs, points in others:
        share[(_distance_to(points, segmentation.shape) < mine) & (theirs > 0.2)] = 0.0
    return share


def refine_mask(rgb: npt.NDArray[np.uint8], segmentation: npt.NDArray[np.float32]) -> BoolArray:
    return np.asarray(segmentation > 0.5)


_BONES = ((11, 12), (11, 13), (13, 15), (12, 14), (14, 16), (11, 23), (12, 24), (23, 24), (23, 25), (25, 27), (24, 26),
          (26, 28), (27, 31), (28, 32), (0, 11), (0, 12), (15, 19), (16, 20))  # fmt: skip


def _distance_to(body_px: FloatArray, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    drawn = np.ones(shape[:2], dtype=np.uint8)
    for a, b in _BONES:
        start, stop = (tuple(int(v) for v in body_px[i]) for i in (a, b))
        cv2.line(drawn, start, stop, 0, 1)
    return np.asarray(cv2.distanceTransform(drawn, cv2.DIST_L2, 3), dtype=np.float32)
