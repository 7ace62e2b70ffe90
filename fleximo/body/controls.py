"""The outlines by which an animator takes hold of a rig's bones: their lines, and how large they are around a body.

Lines of unit size; `clasp` says where and how large one has to be so that it lies around the body and not inside it.
Knows no program that draws them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo.arrays import FloatArray, IntArray

__all__ = ["OUTLINES", "Outline", "clasp"]

_MARGIN, _MARGIN_M = 1.12, 0.010  # by which an outline is wider than the body
_MARGIN_SHARE = 0.7  # of a small body part's own half width, at most
_LEAST = 8  # vertices that tell how wide a part is
_RING = 40


@dataclass(frozen=True, eq=False)
class Outline:
    """Lines of a control."""

    points: FloatArray  # (N,3), within -1..1; the bone runs along y
    edges: IntArray  # (M,2) rows of the above


def _loop(points: FloatArray) -> Outline:
    rows = np.arange(len(points))
    return Outline(points, np.stack((rows, np.roll(rows, -1)), axis=1))


def _joined(*outlines: Outline) -> Outline:
    starts = np.cumsum([0, *(len(outline.points) for outline in outlines[:-1])])
    return Outline(
        np.concatenate([outline.points for outline in outlines]),
        np.concatenate([outline.edges + start for outline, start in zip(outlines, starts)]),
    )


def _around(exponent: float = 1.0, count: int = _RING) -> FloatArray:
    """(count,2) on a circle; below 1 the exponent rounds a square instead."""
    angles = 2.0 * np.pi * np.arange(count) / count
    circle = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    return np.asarray(np.sign(circle) * np.abs(circle) ** exponent)


def _ring() -> Outline:
    x, z = _around().T
    return _loop(np.stack((x, np.zeros(_RING), z), axis=1))


def _square() -> Outline:
    x, z = _around(0.45).T
    return _loop(np.stack((x, np.zeros(_RING), z), axis=1))


def _box() -> Outline:
    """A box with rounded edges: an even loop below and above, and four uprights."""
    low, high = _square(), _square()
    box = _joined(
        Outline(low.points - np.array([0.0, 1.0, 0.0]), low.edges),
        Outline(high.points + np.array([0.0, 1.0, 0.0]), high.edges),
    )
    corners = _RING // 8 + _RING // 4 * np.arange(4)
    return Outline(box.points, np.concatenate((box.edges, np.stack((corners, corners + _RING), axis=1))))


def _saddle() -> Outline:
    """A ring whose sides bow down along the bone, as over a shoulder or a hip."""
    x, z = _around().T
    return _loop(np.stack((x, 0.35 * (z**2 - x**2), z), axis=1))


def _sole() -> Outline:
    """The outline of a shoe in the plane of x (width) and z (length, toes at +1)."""
    x, z = _around(0.75).T
    width = np.interp(z, (-1.0, -0.5, 0.05, 0.6, 1.0), (0.62, 0.70, 0.72, 1.0, 0.8))
    return _loop(np.stack((x * width, np.zeros(_RING), z), axis=1))


def _diamond() -> Outline:
    points = np.concatenate((np.eye(3), -np.eye(3)))
    edges = [(i, j) for i in range(6) for j in range(i + 1, 6) if j != i + 3]
    return Outline(points, np.array(edges))


def _chevron() -> Outline:
    """A small arrow over the bone, towards its end."""
    points = np.array(
        [[-1.0, -0.6, 0.0], [0.0, 0.0, 0.0], [1.0, -0.6, 0.0], [1.0, 0.1, 0.0], [0.0, 0.8, 0.0], [-1.0, 0.1, 0.0]]
    )
    return _loop(points)


OUTLINES: dict[str, Outline] = {
    "ring": _ring(),
    "square": _square(),
    "box": _box(),
    "saddle": _saddle(),
    "sole": _sole(),
    "diamond": _diamond(),
    "chevron": _chevron(),
}


def clasp(points: FloatArray, at: float, width: float) -> tuple[FloatArray, FloatArray]:
    """Centre (3,) and half sizes (3,) of the box around those of `points` (N,3) that lie `width` about y = `at`.

    `points`: a part of a body seen from its bone, m. The box is wider than they are; along y it is as wide as they lie.
    """
    away = np.abs(points[:, 1] - at)
    near = points[away <= max(width, float(np.sort(away)[min(_LEAST, len(away)) - 1]))]
    low, high = near.min(axis=0), near.max(axis=0)
    half = (high - low) / 2.0
    grown = np.minimum(half * _MARGIN + _MARGIN_M, half * (1.0 + _MARGIN_SHARE))
    return (low + high) / 2.0, np.array([grown[0], half[1], grown[2]])
