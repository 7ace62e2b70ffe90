"""A large canvas that is drawn on and scaled to the picture, only where something was drawn.

The result is that of drawing and scaling the whole. Knows strokes and pixels, no skeleton.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from backend.drawing.strokes import HALF_LIMB_PX, Strokes

__all__ = ["Canvas", "Picture"]

Picture = npt.NDArray[np.uint8]
Part = tuple[slice, slice]  # rows, columns

_LINE_PX = 2


class Canvas:
    """For pictures of one size. Empty between two pictures; used by one thread at a time."""

    def __init__(self, size: tuple[int, int], shorter_side_px: int | None) -> None:
        """`size` (W,H) of the picture; `shorter_side_px` of the canvas, None: the canvas is the picture."""
        scale = 1.0 if shorter_side_px is None else shorter_side_px / min(size)
        self._picture_size = size
        self.size = (int(size[0] * scale), int(size[1] * scale))
        self._tile, self._tile_px = _tile(size, self.size)
        # Not np.zeros: of np.empty NumPy asks for huge pages, and strokes cross thousands of small ones.
        self._pixels = np.empty((self.size[1], self.size[0], 3), dtype=np.uint8)
        self._pixels[:] = 0

    def pictures(self, strokes: Strokes) -> Iterator[Picture]:
        """Each frame's strokes as a picture (H,W,3), bilinear from the canvas as `cv2.resize` scales it."""
        width, height = self._picture_size
        for layers, parts in zip(strokes.layers, self._parts(strokes)):
            picture = np.zeros((height, width, 3), dtype=np.uint8)
            if self.size == self._picture_size:
                _draw(picture, layers)
            else:
                _draw(self._pixels, layers)
                for to, of in parts:
                    part = picture[to]
                    cv2.resize(self._pixels[of], part.shape[1::-1], dst=part, interpolation=cv2.INTER_LINEAR)
                for _, of in parts:
                    self._pixels[of] = 0
            yield picture

    def _parts(self, strokes: Strokes) -> list[list[tuple[Part, Part]]]:
        """For each frame and each of its boxes: where to in the picture, and where from on the canvas."""
        boxes = strokes.boxes
        last = -(-np.array(self._picture_size) // self._tile)
        low = (boxes[:, 1:3] // self._tile_px).clip(0, last)
        high = (boxes[:, 3:] // self._tile_px + 1).clip(0, last)
        rows = np.concatenate([boxes[:, :1], low, high], axis=1)[(low < high).all(axis=1)]
        parts: list[list[tuple[Part, Part]]] = [[] for _ in strokes.layers]
        tile, px = self._tile, self._tile_px
        for frame, left, top, right, bottom in rows.tolist():
            to = slice(top * tile, bottom * tile), slice(left * tile, right * tile)
            of = slice(top * px, bottom * px), slice(left * px, right * px)
            parts[frame].append((to, of))
        return parts


def _tile(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """Side of a tile in the picture and on the canvas: boxes of whole tiles can be scaled alone, with the same result.

    That holds where both sides are scaled by one fraction with a power of two below it, for then places between
    pixels are exact numbers; otherwise the one tile is the whole canvas.
    """
    scale = Fraction(canvas[0], size[0])
    step = scale.denominator
    if scale < 1 or scale != Fraction(canvas[1], size[1]) or step & (step - 1):
        return max(size), max(canvas)
    step *= -(-8 // scale.numerator)  # not less than 8 px
    return step, int(step * scale)


def _draw(canvas: Picture, layers: list[tuple[str, list[Any]]]) -> None:
    for kind, layer in layers:
        if kind == "limbs":
            for centre, half, degrees, colour in layer:
                outline = cv2.ellipse2Poly(centre, (half, HALF_LIMB_PX), degrees, 0, 360, 1)
                cv2.fillConvexPoly(canvas, outline, colour)
        elif kind == "lines":
            for start, stop, colour in layer:
                cv2.line(canvas, start, stop, colour, _LINE_PX)
        else:
            for centre, radius, colour in layer:
                cv2.circle(canvas, centre, radius, colour, cv2.FILLED)
