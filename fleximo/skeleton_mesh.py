"""The drawn skeleton of one frame as triangles with colours: the shapes that MimicMotion is shown, for any canvas.

The same ellipses, lines and dots as `backend.drawing` rasterises in the style "mimicmotion", without its rounding to
pixels: for a graphics card that draws them over a view. Knows no window and no motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo.arrays import FloatArray, IntArray
from fleximo.layouts import FACE, HAND_EDGES, LEFT_HAND, OPENPOSE_18, RAINBOW, RIGHT_HAND

__all__ = ["SkeletonMesh", "skeleton_mesh"]

_CANVAS_PX = 2160.0  # the shorter side of the canvas for which the widths below hold
_LIMB_PX, _DOT_PX, _FINGER_PX, _FACE_PX = 4.0, 4.0, 1.0, 3.0  # half widths and radii there
_SHOWN = np.float32(0.3)  # body points of at most this confidence are left out, as in the drawing
_DIMMED = 0.6  # limbs lie under their joints
_CIRCLE = 12  # corners of a dot
_ELLIPSE = 24  # corners of a limb

# Red and blue change places at the end, as in the pictures that the video model was trained on.
_COLOURS = np.array(RAINBOW, dtype=np.float64)[:, ::-1] / 255.0


@dataclass(frozen=True)
class SkeletonMesh:
    """Filled triangles, later ones over earlier ones."""

    corners_px: FloatArray  # (N,2) px of the canvas
    colours: FloatArray  # (N,3) RGB, 0..1
    triangles: IntArray  # (M,3) rows of the above


def skeleton_mesh(
    points_px: FloatArray, confidence: FloatArray, size: tuple[int, int], *, wider: float = 1.0
) -> SkeletonMesh:
    """The skeleton of one frame of the layout "wholebody_128": `points_px` (128,2) on a canvas of `size` (W, H) px.

    Body strokes need a confidence above 0.3, hands and face are as bright as theirs. All strokes are `wider` times as
    wide as the video model's, which are two pixels of 576, so that people see them in a small view; the dots of hands
    and face, which lie close together, half as much.
    """
    points, seen = np.asarray(points_px, dtype=np.float64), np.asarray(confidence, dtype=np.float64)
    px = wider * min(size) / _CANVAS_PX
    fine_px = max(1.0, wider / 2.0) * min(size) / _CANVAS_PX
    shapes = _Shapes()
    body = seen[:18] > _SHOWN
    limbs = np.array(OPENPOSE_18.limbs)
    drawn = body[limbs[:, 0]] & body[limbs[:, 1]]
    shine = seen[limbs[:, 0]] * seen[limbs[:, 1]] * _DIMMED
    limb_colours = _COLOURS[: len(limbs)] * shine[:, None]
    shapes.ellipses(points[limbs[drawn, 0]], points[limbs[drawn, 1]], _LIMB_PX * px, limb_colours[drawn])
    shapes.dots(points[:18][body], _DOT_PX * px, (_COLOURS * seen[:18, None])[body])
    edges = np.array(HAND_EDGES)
    for part in (LEFT_HAND, RIGHT_HAND):
        hand, sure = points[part], seen[part]
        there = sure > 0.0
        lines = there[edges[:, 0]] & there[edges[:, 1]]
        colours = _HAND_COLOURS * (sure[edges[:, 0]] * sure[edges[:, 1]])[:, None]
        shapes.ellipses(hand[edges[lines, 0]], hand[edges[lines, 1]], _FINGER_PX * px, colours[lines], whole=True)
        shapes.dots(hand[there], _DOT_PX * fine_px, np.array([1.0, 0.0, 0.0]) * sure[there, None])
    face = seen[FACE] > 0.0
    shapes.dots(points[FACE][face], _FACE_PX * fine_px, np.ones(3) * seen[FACE][face, None])
    return shapes.mesh()


def _hue(turn: float) -> tuple[float, float, float]:
    """A full colour of the wheel at `turn` 0..1, red and blue exchanged."""
    r, g, b = (float(np.clip(abs((turn * 6.0 + shift) % 6.0 - 3.0) - 1.0, 0.0, 1.0)) for shift in (0.0, 4.0, 2.0))
    return b, g, r


_HAND_COLOURS = np.array([_hue(edge / len(HAND_EDGES)) for edge in range(len(HAND_EDGES))])


class _Shapes:
    """Collects fans of triangles."""

    def __init__(self) -> None:
        self._corners: list[FloatArray] = []
        self._colours: list[FloatArray] = []
        self._triangles: list[IntArray] = []
        self._count = 0

    def dots(self, centres: FloatArray, radius: float, colours: FloatArray) -> None:
        """Discs around `centres` (N,2)."""
        self._fans(centres[:, None] + radius * _ring(_CIRCLE), colours)

    def ellipses(
        self, starts: FloatArray, ends: FloatArray, half_width: float, colours: FloatArray, *, whole: bool = False
    ) -> None:
        """SkeletonMesh from `starts` to `ends` (N,2): ellipses that end there, or with `whole` bars of even width."""
        half = (ends - starts) / 2.0
        length = np.linalg.norm(half, axis=-1, keepdims=True)
        along = np.divide(half, length, out=np.zeros_like(half), where=length > 0.0)
        across = np.stack((-along[:, 1], along[:, 0]), axis=-1)
        ring = _ring(4, np.pi / 4.0) * np.sqrt(2.0) if whole else _ring(_ELLIPSE)
        corners = ring[:, :1] * half[:, None] + ring[:, 1:] * (half_width * across)[:, None]
        self._fans((starts + ends)[:, None] / 2.0 + corners, colours)

    def _fans(self, corners: FloatArray, colours: FloatArray) -> None:
        """`corners` (N,C,2) of convex shapes with one colour (N,3) each."""
        shapes, count = corners.shape[:2]
        fan = np.stack((np.zeros(count - 2, int), np.arange(1, count - 1), np.arange(2, count)), axis=-1)
        self._triangles.append((self._count + count * np.arange(shapes)[:, None, None] + fan).reshape(-1, 3))
        self._corners.append(corners.reshape(-1, 2))
        self._colours.append(np.repeat(colours, count, axis=0))
        self._count += shapes * count

    def mesh(self) -> SkeletonMesh:
        return SkeletonMesh(
            np.concatenate(self._corners), np.concatenate(self._colours), np.concatenate(self._triangles)
        )


def _ring(corners: int, start: float = 0.0) -> FloatArray:
    """(corners, 2) on the unit circle."""
    angle = start + 2.0 * np.pi * np.arange(corners) / corners
    return np.stack((np.cos(angle), np.sin(angle)), axis=-1)
