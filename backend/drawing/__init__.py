"""Pose tracks as pictures: the skeleton on black that video models are given, exact to the pixel.

Pictures come as the networks were trained on them, with red and blue exchanged against `fleximo.layouts`. Knows tracks
and pixels, not where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backend.drawing.canvas import Canvas, Picture
from backend.drawing.strokes import strokes_of
from backend.drawing.styles import FLEXIMO_SLIM, FLEXIMO_THICK, MIMICMOTION, STYLES, VACE, Style, style_named
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.layouts import OPENPOSE_18, WHOLEBODY_128
from fleximo.pose_track import PoseTrack

__all__ = [
    "FLEXIMO_SLIM",
    "FLEXIMO_THICK",
    "MIMICMOTION",
    "STYLES",
    "VACE",
    "Pen",
    "Picture",
    "Style",
    "draw_track",
    "style_named",
]

_KINDS = (len(OPENPOSE_18), len(WHOLEBODY_128))
_AT_ONCE = 32  # frames whose strokes are worked out together


class Pen:
    """Draws skeletons of one style on pictures of one size (W,H); keeps its canvas, so one thread at a time."""

    def __init__(self, size: tuple[int, int], style: Style = MIMICMOTION) -> None:
        self._style = style
        self._size = np.array(size, dtype=np.float32)
        self._canvas = Canvas(size, style.canvas_px)
        self._canvas_size = np.array(self._canvas.size, dtype=np.float32)

    def draw(self, points_px: FloatArray, confidence: FloatArray) -> Picture:
        """One person (K,2) or several (N,K,2) in px of the picture, K = 18 or 128, -> (H,W,3) uint8.

        `confidence` (K,) or (N,K); detectors may exceed 1. Raises `FleximoError` on other shapes.
        """
        points, sure = np.asarray(points_px), np.asarray(confidence)
        if points.ndim == 2:
            points, sure = points[None], sure[None]
        return next(self.draw_frames(points[None], sure[None]))

    def draw_frames(self, points_px: FloatArray, confidence: FloatArray) -> Iterator[Picture]:
        """The same for `T` frames of `N` people: (T,N,K,2) and (T,N,K)."""
        points, sure = (np.asarray(given, dtype=np.float32) for given in (points_px, confidence))
        if points.ndim != 4 or points.shape[2] not in _KINDS or points.shape[3] != 2 or sure.shape != points.shape[:3]:
            raise FleximoError(
                f"Points {points.shape} and confidence {sure.shape} cannot be drawn; (T,N,18,2) or (T,N,128,2) and "
                "(T,N,18) or (T,N,128) were expected."
            )
        points = (points / self._size) * self._canvas_size  # by way of 0..1, whose rounding the networks were fed
        for first in range(0, len(points), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            yield from self._canvas.pictures(strokes_of(points[some], sure[some], self._style))


def draw_track(track: PoseTrack, style: Style = MIMICMOTION) -> Iterator[Picture]:
    """Each frame's skeleton on black, (H,W,3) uint8, as the networks of `style` get it, on the track's canvas."""
    return Pen(track.size, style).draw_frames(track.points_px[:, None], track.confidence[:, None])
