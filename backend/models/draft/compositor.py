"""Drawing placed textures over the background with OpenCV: sample, then premultiplied "over".

Knows textures and grids; nothing of bodies.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from fleximo.arrays import FloatArray
from fleximo.puppet.warp import CELL, Placed

__all__ = ["draw_all"]


def draw_all(canvas: FloatArray, layers: Sequence[Placed]) -> None:
    """Draws `layers`, back to front, onto `canvas` (H,W,3) uint8 in place."""
    for placed in layers:
        x0, y0, x1, y1 = placed.box
        rows, columns = placed.grid.shape[:2]
        source = cv2.resize(placed.grid, (columns * CELL, rows * CELL), interpolation=cv2.INTER_LINEAR)
        source = source[CELL : CELL + y1 - y0, CELL : CELL + x1 - x0]
        patch = cv2.remap(placed.texture, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        window = canvas[y0:y1, x0:x1]
        clear = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(patch, 3)), cv2.COLOR_GRAY2RGB)
        cv2.multiply(window, clear, dst=window, scale=1.0 / 255.0)
        cv2.add(window, cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), dst=window)
