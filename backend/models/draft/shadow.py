"""The shadows that the feet cast on the floor in the photo, lifted off as darkening and laid under the moving feet.

Knows feet and floor, no pieces.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.models.draft.cut import Limb
from backend.models.draft.fill import pull_push
from fleximo.arrays import BoolArray, FloatArray
from fleximo.easing import smoothstep
from fleximo.puppet.layers import Shadow

__all__ = ["draw_shadow", "find_shadows", "shadow_zone"]

_WIDE, _HIGH = 0.5, 0.17  # the zone's half axes in torso lengths
_DARKEST = 0.3


def _places(limbs: tuple[Limb, ...], down: FloatArray, torso_px: float) -> list[tuple[Limb, FloatArray]]:
    legs = [limb for limb in limbs if limb.kind == "leg" and limb.with_tip]
    return [(limb, limb.joints[-1] + down * 0.19 * torso_px) for limb in legs]


def shadow_zone(shape: tuple[int, int], limbs: tuple[Limb, ...], down: FloatArray, torso_px: float) -> BoolArray:
    """(H,W) the floor around the feet that may carry their shadow."""
    zone = np.zeros(shape, np.uint8)
    for _, centre in _places(limbs, down, torso_px):
        axes = (round(_WIDE * torso_px), round(_HIGH * torso_px))
        cv2.ellipse(zone, (round(float(centre[0])), round(float(centre[1]))), axes, 0, 0, 360, 1, -1)
    return zone > 0


def find_shadows(
    image: FloatArray,
    scene: FloatArray,
    alpha: FloatArray,
    limbs: tuple[Limb, ...],
    down: FloatArray,
    torso_px: float,
    pad: tuple[int, int],
) -> tuple[Shadow, ...]:
    """What the photo is darker than the empty scene around each foot."""
    height, width = alpha.shape
    sigma = max(1.0, 0.012 * torso_px)
    places = _places(limbs, down, torso_px)
    found = []
    for limb, centre in places:
        reach = np.array([_WIDE, _HIGH]) * torso_px
        low = np.maximum(np.floor(centre - reach).astype(int), 0)
        high = np.minimum(np.ceil(centre + reach).astype(int) + 1, [width, height])
        if (high - low < 4).any():
            continue
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        seen = alpha[window] < 0.05
        if seen.sum() < 0.05 * seen.size:
            continue
        light = np.stack([image[window].astype(np.float32).sum(-1), scene[window].astype(np.float32).sum(-1)], -1)
        filled = pull_push(np.concatenate([light, light[..., :1]], axis=-1), seen)[..., :2]
        smooth = cv2.GaussianBlur(filled, (0, 0), sigma)
        darkening = np.clip(1.0 - (smooth[..., 0] + 10.0) / (smooth[..., 1] + 10.0), 0.0, 1.0 - _DARKEST)
        rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
        radius = np.hypot((columns - centre[0]) / reach[0], (rows - centre[1]) / reach[1])
        own = 1.0 / np.maximum(radius, 0.05) ** 2
        others = [np.hypot((columns - c[0]) / reach[0], (rows - c[1]) / reach[1]) for _, c in places]
        share = own / sum(1.0 / np.maximum(other, 0.05) ** 2 for other in others)
        darkening = darkening * share * (1.0 - smoothstep((radius - 0.6) / 0.4))
        origin = (int(low[0]) - pad[0], int(low[1]) - pad[1])
        anchor = limb.joints[-1] - np.array(pad, dtype=np.float64)
        found.append(Shadow(limb.side, darkening.astype(np.float32), origin, anchor))
    return tuple(found)


def draw_shadow(canvas: FloatArray, shadow: Shadow, foot: FloatArray, growth: float, strength: float) -> None:
    """Darkens `canvas` (H,W,3) uint8 in place: `foot` is where the ankle would stand, canvas px."""
    if strength < 0.02:
        return
    height, width = shadow.darkening.shape
    corner = foot + (np.array(shadow.origin) - shadow.anchor) * growth
    low = np.floor(corner).astype(int)
    high = np.ceil(corner + np.array([width, height]) * growth).astype(int)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), canvas.shape[1]), min(int(high[1]), canvas.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    place = (corner - [x0, y0]) + 0.5 * growth - 0.5
    matrix = np.array([[growth, 0.0, place[0]], [0.0, growth, place[1]]])
    dark = cv2.warpAffine(shadow.darkening, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    keep = cv2.merge([1.0 - dark * strength] * 3)
    window = canvas[y0:y1, x0:x1]
    cv2.multiply(window, keep, dst=window, dtype=cv2.CV_8U)
