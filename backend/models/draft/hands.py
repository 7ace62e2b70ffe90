"""Drawing a hand from its 21 points where the photo shows none, or one in quite another pose.

Knows points and a skin colour; nothing of the body.
"""

from __future__ import annotations

import cv2
import numpy as np

from fleximo.arrays import FloatArray

__all__ = ["draw_hand", "skin_colour"]

_USUAL_SKIN = (200.0, 160.0, 135.0)
_FINE = 3  # drawn this many times larger, then reduced: smooth edges
# Half-widths of a finger at its four points, in hand lengths.
_FINGER = np.array([0.054, 0.050, 0.045, 0.038])
_THUMB = np.array([0.075, 0.060, 0.052, 0.042])


def skin_colour(image: FloatArray, points: FloatArray, radius: float) -> FloatArray:
    """(3,) RGB: the usual colour around `points` (N,2) px, without highlights and shadows."""
    low = np.maximum(np.floor(points.min(axis=0) - radius).astype(int), 0)
    high = np.minimum(np.ceil(points.max(axis=0) + radius).astype(int) + 1, [image.shape[1], image.shape[0]])
    if (high <= low).any():
        return np.array(_USUAL_SKIN)
    image = image[low[1] : high[1], low[0] : high[0]]
    rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]]
    near = np.zeros(image.shape[:2], dtype=bool)
    for x, y in points:
        near |= np.hypot(columns + 0.5 - x, rows + 0.5 - y) < max(radius, 1.0)
    if not near.any():
        return np.array(_USUAL_SKIN)
    colours = image[near].astype(np.float64)
    light = colours.sum(axis=1)
    low, high = np.quantile(light, [0.35, 0.85])
    return np.asarray(colours[(light >= low) & (light <= high)].mean(axis=0))


def draw_hand(
    points: FloatArray, depths_m: FloatArray, skin: FloatArray, length: float, size: tuple[int, int]
) -> tuple[FloatArray, int, int] | None:
    """A patch (h,w,4) uint8 with colours multiplied by alpha and its corner x0, y0; nothing if out of the picture.

    `points` (21,2) canvas px, `depths_m` (21,) order the fingers (0 = unknown), `length` is the whole hand's in px.
    """
    margin = 0.2 * length + 2.0
    low = np.floor(points.min(axis=0) - margin).astype(int)
    high = np.ceil(points.max(axis=0) + margin).astype(int)
    if (high <= 0).any() or (low >= size).any() or (high - low > 6 * length + 60).any():
        return None
    low, high = np.maximum(low, 0), np.minimum(high, size)
    width, height = (int(n) for n in high - low)
    shade = np.full((height * _FINE, width * _FINE), 186, np.uint8)
    cover = np.zeros_like(shade)
    local = (points - low) * _FINE
    _draw_palm(cover, shade, local, length * _FINE)
    fingers = sorted(range(5), key=lambda f: -float(depths_m[4 * f + 2 : 4 * f + 5].mean()))
    for finger in fingers:
        chain = local[[4 * finger + n for n in (1, 2, 3, 4)]]
        radii = (_THUMB if finger == 0 else _FINGER * (0.86 if finger == 4 else 1.0)) * length * _FINE
        _draw_finger(cover, shade, chain, radii)
    cover = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)
    shade = cv2.resize(shade, (width, height), interpolation=cv2.INTER_AREA)
    shade = cv2.GaussianBlur(shade, (0, 0), max(0.6, 0.012 * length))
    alpha = cover[..., None].astype(np.float32) / 255.0
    light = shade[..., None].astype(np.float32) / 190.0
    rgb = np.clip(skin * light, 0.0, 255.0) * alpha
    patch = np.concatenate([rgb, alpha * 255.0], axis=-1)
    return np.round(patch).astype(np.uint8), int(low[0]), int(low[1])


def _draw_palm(cover: FloatArray, shade: FloatArray, points: FloatArray, length: float) -> None:
    axis = points[9] - points[0]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    across = np.array([axis[1], -axis[0]])
    side = 1.0 if (points[5] - points[17]) @ across >= 0 else -1.0
    wrist = [points[0] + side * 0.11 * length * across, points[0] - side * 0.11 * length * across]
    heel = points[0] - side * 0.13 * length * across + 0.12 * length * axis
    outline = np.array([wrist[0], points[1], points[5], points[9], points[13], points[17], heel, wrist[1]])
    hull = cv2.convexHull(outline.astype(np.float32))[:, 0]
    corner = _fixed(hull)
    thick = max(1, round(0.085 * length))
    for canvas, inner, outer in ((cover, 255, 255), (shade, 194, 182)):
        cv2.polylines(canvas, [corner], True, outer, thick, cv2.LINE_AA, shift=4)
        cv2.fillPoly(canvas, [corner], inner, cv2.LINE_AA, shift=4)
    # the wrist runs into the sleeve or forearm
    base = _fixed(np.array([wrist[0], wrist[1], wrist[1] - 0.12 * length * axis, wrist[0] - 0.12 * length * axis]))
    for canvas, value in ((cover, 255), (shade, 190)):
        cv2.fillPoly(canvas, [base], value, cv2.LINE_AA, shift=4)


def _draw_finger(cover: FloatArray, shade: FloatArray, chain: FloatArray, radii: FloatArray) -> None:
    """Dark rim, body and a light ridge: a rounded finger that stands off from its neighbours."""
    _taper(cover, chain, radii, 255)
    for share, value in ((1.0, 160), (0.78, 186), (0.4, 204)):
        _taper(shade, chain, radii * share, value)


def _taper(canvas: FloatArray, chain: FloatArray, radii: FloatArray, value: int) -> None:
    places = _fixed(chain).tolist()
    for i in range(len(places) - 1):
        thick = max(1, round(float(radii[i] + radii[i + 1])))
        cv2.line(canvas, places[i], places[i + 1], value, thick, cv2.LINE_AA, shift=4)


def _fixed(points: FloatArray) -> FloatArray:
    return np.round(points * 16.0).astype(np.int32)
