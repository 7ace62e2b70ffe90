"""Filling colours into unknown pixels by pull-push: each level averages what it knows, coarse levels fill the fine.

Knows nothing of people.
"""

from __future__ import annotations

import cv2
import numpy as np

from fleximo.arrays import BoolArray, FloatArray

__all__ = ["pull_push"]


def pull_push(colours: FloatArray, known: BoolArray) -> FloatArray:
    """(H,W,3) float32: `colours` where `known`, elsewhere a smooth continuation that reads known pixels only.

    After Gortler et al., The Lumigraph (1996). Nothing known gives grey.
    """
    if not known.any():
        return np.full_like(colours, 128.0)
    weight = known.astype(np.float32)
    levels = [(colours.astype(np.float32) * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 1 and levels[-1][1].min() == 0.0:
        colour, weight = levels[-1]
        size = ((weight.shape[1] + 1) // 2, (weight.shape[0] + 1) // 2)
        levels.append(
            (
                cv2.resize(colour, size, interpolation=cv2.INTER_AREA),
                cv2.resize(weight, size, interpolation=cv2.INTER_AREA),
            )
        )
    filled = levels[-1][0] / np.maximum(levels[-1][1], 1e-6)[..., None]
    for colour, weight in levels[-2::-1]:
        size = (weight.shape[1], weight.shape[0])
        coarse = cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR).reshape(colour.shape)
        share = np.minimum(weight, 1.0)[..., None]
        filled = np.where(share > 0, colour / np.maximum(weight, 1e-6)[..., None], 0.0) * share + coarse * (1 - share)
    return np.asarray(filled, dtype=np.float32)
