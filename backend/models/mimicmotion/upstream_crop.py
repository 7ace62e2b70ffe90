"""How the reference program cuts a photo: the shorter side is resized to `resolution`, the middle of 9:16 is kept.

Kept for comparison; `pictures` lays photos on the canvas as the job's framing says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Crop", "crop", "crop_geometry"]

_ASPECT = 9 / 16


@dataclass(frozen=True)
class Crop:
    """Sizes (W, H) px."""

    resized: tuple[int, int]
    size: tuple[int, int]
    left_top: tuple[int, int]


def crop_geometry(photo_size: tuple[int, int], resolution: int) -> Crop:
    """Where the picture of a photo of `photo_size` (W, H) is taken from; only upright photos get an upright one.

    >>> crop_geometry((1365, 2048), 576)
    Crop(resized=(683, 1024), size=(576, 1024), left_top=(54, 0))
    """
    width, height = photo_size
    long = math.floor(resolution / _ASPECT / 64) * 64
    size = (resolution, long) if height > width else (long, resolution)
    ratio = height / width
    if ratio < size[1] / size[0]:
        resized = (math.ceil(size[1] / ratio), size[1])
    else:
        resized = (size[0], math.ceil(size[0] * ratio))
    return Crop(resized, size, (round((resized[0] - size[0]) / 2), round((resized[1] - size[1]) / 2)))


def crop(photo: npt.NDArray[np.uint8], resolution: int) -> npt.NDArray[np.uint8]:
    """(h,w,3) -> (H,W,3), bilinear without antialiasing, in floating point."""
    plan = crop_geometry((photo.shape[1], photo.shape[0]), resolution)
    resized = cv2.resize(photo.astype(np.float32), plan.resized, interpolation=cv2.INTER_LINEAR)
    (left, top), (width, height) = plan.left_top, plan.size
    return np.rint(resized[top : top + height, left : left + width]).clip(0, 255).astype(np.uint8)
