"""What DWPose's key-point network is given and what its numbers mean: crops around boxes, peaks along both axes.

Knows arrays and no network; margins and colour statistics are those of the released program.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from fleximo.arrays import FloatArray

__all__ = ["INPUT_SIZE", "crop_boxes", "crops", "points_of"]

INPUT_SIZE = (288, 384)  # (W,H) px
_MARGIN = 1.25
_BINS_PER_PX = 2  # SimCC: positions are told in half pixels
_MEAN, _DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet, RGB


def crop_boxes(corners_px: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centre (N,2) and size (N,2) px of what is looked at for boxes (N,4): with a margin, in the network's shape."""
    corners = np.asarray(corners_px, dtype=np.float64)
    centres = (corners[:, :2] + corners[:, 2:]) / 2.0
    width, height = ((corners[:, 2:] - corners[:, :2]) * _MARGIN).clip(1e-3).T
    aspect = INPUT_SIZE[0] / INPUT_SIZE[1]
    return centres, np.stack([np.maximum(width, height * aspect), np.maximum(height, width / aspect)], axis=1)


def crops(rgb: npt.NDArray[np.uint8], centres: FloatArray, sizes: FloatArray) -> npt.NDArray[np.float32]:
    """(N,3,384,288) the parts of a picture (H,W,3), normalised; black beyond its border."""
    cut = np.empty((len(centres), INPUT_SIZE[1], INPUT_SIZE[0], 3), dtype=np.float32)
    for picture, centre, size in zip(cut, centres, sizes):
        scale = INPUT_SIZE[0] / size[0]
        shift = np.array(INPUT_SIZE) / 2.0 - scale * centre
        affine = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
        picture[:] = cv2.warpAffine(rgb, affine, INPUT_SIZE, flags=cv2.INTER_LINEAR)
    cut -= np.array(_MEAN, dtype=np.float32)
    cut /= np.array(_DEVIATION, dtype=np.float32)
    return np.ascontiguousarray(cut.transpose(0, 3, 1, 2))


def points_of(
    simcc_x: FloatArray, simcc_y: FloatArray, centres: FloatArray, sizes: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Points (N,133,2) px of the picture and raw scores (N,133), which may exceed 1, of SimCC (N,133,576 / 768).

    A point whose score is not above 0 lies half a pixel outside the crop, as the released program has it.
    """
    peaks = np.stack([simcc_x.argmax(axis=-1), simcc_y.argmax(axis=-1)], axis=-1).astype(np.float64)
    scores = np.minimum(simcc_x.max(axis=-1), simcc_y.max(axis=-1))
    peaks[scores <= 0.0] = -1.0
    in_crop = peaks / _BINS_PER_PX / INPUT_SIZE
    return in_crop * sizes[:, None] + (centres - sizes / 2.0)[:, None], scores
