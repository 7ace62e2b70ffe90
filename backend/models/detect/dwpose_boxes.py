"""What DWPose's person detector is given and what its numbers mean: letterbox, YOLOX grids, suppression of doubles.

Knows arrays and no network; sizes, thresholds and the pixel conventions are those of the released program.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fleximo.arrays import FloatArray

__all__ = ["INPUT_PX", "Boxes", "boxes_of", "letterboxed"]

INPUT_PX = 640
_STRIDES = (8, 16, 32)
_PADDING = 114
_PERSON = 0  # class of COCO
_SUPPRESSED_BELOW, _KEPT_ABOVE, _SAME_IOU = 0.1, 0.3, 0.45


@dataclass(frozen=True, eq=False)
class Boxes:
    """The people of a picture, surest first."""

    corners_px: FloatArray  # (N,4) left, top, right, bottom
    scores: FloatArray  # (N,)


def letterboxed(rgb: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], float]:
    """A picture (H,W,3) fitted into the upper left of a grey one, (3,640,640), and by how much it was scaled."""
    height, width = rgb.shape[:2]
    ratio = min(INPUT_PX / height, INPUT_PX / width)
    size = (max(1, int(width * ratio)), max(1, int(height * ratio)))
    canvas = np.full((INPUT_PX, INPUT_PX, 3), _PADDING, dtype=np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)), ratio


def boxes_of(raw: FloatArray, ratio: float) -> Boxes:
    """The people in the detector's output (8400,85) for a picture that `letterboxed` scaled by `ratio`."""
    cells, strides = _grid()
    centres = (raw[:, :2] + cells) * strides
    with np.errstate(over="ignore"):
        half = np.exp(raw[:, 2:4]) * strides / 2.0
    corners = np.concatenate([centres - half, centres + half], axis=1) / ratio
    scores = raw[:, 4] * raw[:, 5 + _PERSON]
    likely = (scores > _SUPPRESSED_BELOW) & np.isfinite(corners).all(axis=1)
    corners, scores = corners[likely], scores[likely]
    kept = [n for n in _without_doubles(corners, scores) if scores[n] > _KEPT_ABOVE]
    return Boxes(corners[kept], scores[kept])


def _grid() -> tuple[FloatArray, FloatArray]:
    """Cell (x, y) and stride of each of the 8400 outputs: finest grid first, row by row."""
    cells, strides = [], []
    for stride in _STRIDES:
        count = INPUT_PX // stride
        y, x = np.mgrid[:count, :count]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full((count * count, 1), stride))
    return np.concatenate(cells).astype(np.float64), np.concatenate(strides).astype(np.float64)


def _without_doubles(corners: FloatArray, scores: FloatArray) -> list[int]:
    """Greedy non-maximum suppression, surest first; sides count both border pixels."""
    areas = np.prod(corners[:, 2:] - corners[:, :2] + 1.0, axis=1)
    waiting = np.argsort(scores)[::-1]
    kept = []
    while len(waiting):
        best, rest = waiting[0], waiting[1:]
        kept.append(int(best))
        low = np.maximum(corners[best, :2], corners[rest, :2])
        high = np.minimum(corners[best, 2:], corners[rest, 2:])
        shared = np.prod((high - low + 1.0).clip(0.0), axis=1)
        waiting = rest[shared / (areas[best] + areas[rest] - shared) <= _SAME_IOU]
    return kept
