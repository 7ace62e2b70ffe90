"""Soft edges: how much of each pixel is the person, and her own colour there without the wall behind.

Knows masks and colours, no skeleton.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.models.draft.fill import pull_push
from fleximo.arrays import BoolArray, FloatArray

__all__ = ["soft_alpha"]


def soft_alpha(
    image: FloatArray, mask: FloatArray, scene: FloatArray, band_px: float, doubtful: BoolArray
) -> FloatArray:
    """(H,W) float32 0..1: the coverage of the person whose rough mask (H,W) 0..1 is good to `band_px`.

    `doubtful` (H,W) marks where colours tell little, as in the shadow at the feet.

    In the band around the mask's edge each colour is placed between the person's own (continued from inside) and the
    scene's; where the two look alike the mask decides.
    """
    hard = (mask > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(hard, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 5)[
        1:-1, 1:-1
    ]
    height = cv2.distanceTransform(1 - hard, cv2.DIST_L2, 5)
    size = 2 * round(2 * band_px) + 1
    ridge = cv2.dilate(depth, np.ones((size, size), np.uint8))
    inside = (depth > band_px) | ((depth > 0.7 * ridge) & (depth > 0))  # a finger is all edge: keep its middle
    band = ~inside & (height <= band_px)
    smooth = cv2.GaussianBlur(mask, (0, 0), 0.8)
    own = pull_push(image, inside) if inside.any() else image.astype(np.float32)
    behind = scene.astype(np.float32)
    span = own - behind
    contrast = (span**2).sum(axis=-1)
    place = ((image.astype(np.float32) - behind) * span).sum(axis=-1) / np.maximum(contrast, 1.0)
    noise = _unrest(behind, hard == 0)
    trust = np.clip((np.sqrt(contrast) - 20.0 - 3.0 * noise) / 60.0, 0.0, 1.0) * np.where(doubtful, 0.15, 0.8)
    mixed = np.clip(place, 0.0, 1.0) * trust + smooth * (1.0 - trust)
    mixed = np.maximum(mixed, np.clip((depth - 1.0) / np.minimum(band_px, 0.7 * ridge + 0.1), 0.0, 1.0))
    mixed = cv2.GaussianBlur(mixed.astype(np.float32), (0, 0), 0.6)
    mixed = cv2.medianBlur(np.clip(mixed * 255.0, 0, 255).astype(np.uint8), 5).astype(np.float32) / 255.0
    # Drawn in by about half a pixel: a missing rim is not seen, a rim of wall is.
    alpha = np.where(inside, 1.0, np.where(band, np.clip((mixed - 0.2) / 0.7, 0.0, 1.0), 0.0))
    return np.asarray(alpha, dtype=np.float32)


def _unrest(scene: FloatArray, known: BoolArray) -> FloatArray:
    """(H,W) how much the scene varies nearby: on a patterned wall a colour says little about what covers it."""
    weight = np.maximum(cv2.GaussianBlur(known.astype(np.float32), (0, 0), 8.0), 1e-3)
    grey = scene.mean(axis=-1) * known
    mean = cv2.GaussianBlur(grey, (0, 0), 8.0) / weight
    square = cv2.GaussianBlur(grey * grey, (0, 0), 8.0) / weight
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0)))
