"""Drawing placed pieces over the background with OpenCV: sample, then premultiplied "over".

Knows textures and grids; nothing of bodies.
"""

from __future__ import annotations

import cv2

from backend.models.draft.warp import CELL, Placed
from fleximo.arrays import FloatArray

__all__ = ["draw_patch", "draw_placed"]


def draw_placed(canvas: FloatArray, placed: Placed) -> None:
    """Draws one piece onto `canvas` (H,W,4) uint8, in place."""
    x0, y0, x1, y1 = placed.box
    rows, columns = placed.grid.shape[:2]
    source = cv2.resize(placed.grid, (columns * CELL, rows * CELL), interpolation=cv2.INTER_LINEAR)
    source = source[CELL : CELL + y1 - y0, CELL : CELL + x1 - x0]
    patch = cv2.remap(
        placed.texture, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0)
    )
    draw_patch(canvas, patch, x0, y0)


def draw_patch(canvas: FloatArray, patch: FloatArray, x0: int, y0: int) -> None:
    """Lays `patch` (h,w,4) uint8, colours multiplied by alpha, onto `canvas` at (x0, y0), in place; both must fit."""
    height, width = patch.shape[:2]
    window = canvas[y0 : y0 + height, x0 : x0 + width]
    alpha = cv2.extractChannel(patch, 3)
    clear = cv2.bitwise_not(cv2.merge([alpha, alpha, alpha, alpha]))
    cv2.multiply(window, clear, dst=window, scale=1.0 / 255.0)
    cv2.add(window, patch, dst=window)
