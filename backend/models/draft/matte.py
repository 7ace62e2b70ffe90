"""Soft edges: how much of each pixel is the person, and her own colour there without the wall behind.

Knows masks and colours, no skeleton.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.models.draft.fill import pull_push
from fleximo.arrays import FloatArray

__all__ = ["soft_alpha"]


def soft_alpha(image: FloatArray, mask: FloatArray, scene: FloatArray, band_px: float) -> FloatArray:
    """(H,W) float32 0..1: the coverage of the person whose rough mask (H,W) 0..1 is good to `band_px`.

    In the band around the mask's edge each colour is placed between the person's own (continued from inside) and the
    scene's; where the two look alike the mask decides.
    """
    size = max(1, round(band_px))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * size + 1, 2 * size + 1))
    hard = (mask > 0.5).astype(np.uint8)
    inside = cv2.erode(hard, kernel, borderValue=1) > 0
    band = (cv2.dilate(hard, kernel) > 0) & ~inside
    smooth = cv2.GaussianBlur(mask, (0, 0), 0.8)
    own = pull_push(image, inside) if inside.any() else image.astype(np.float32)
    behind = scene.astype(np.float32)
    span = own - behind
    contrast = (span**2).sum(axis=-1)
    place = ((image.astype(np.float32) - behind) * span).sum(axis=-1) / np.maximum(contrast, 1.0)
    trust = np.clip((np.sqrt(contrast) - 20.0) / 60.0, 0.0, 1.0) * 0.8
    mixed = np.clip(place, 0.0, 1.0) * trust + smooth * (1.0 - trust)
    mixed = cv2.GaussianBlur(mixed.astype(np.float32), (0, 0), 0.6)
    # Drawn in by about half a pixel: a missing rim is not seen, a rim of wall is.
    alpha = np.where(inside, 1.0, np.where(band, np.clip((mixed - 0.2) / 0.7, 0.0, 1.0), 0.0))
    return np.asarray(alpha, dtype=np.float32)
