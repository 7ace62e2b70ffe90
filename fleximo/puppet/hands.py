"""Hands on the canvas: a relaxed one that continues the forearm, how far two poses differ, and a plainly painted one.

The draft engine paints finer ones; this painting is for views that follow a pose while it changes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fleximo.arrays import FloatArray

__all__ = ["HAND_LENGTH", "hand_from_forearm", "paint_hand", "pose_difference"]

HAND_LENGTH = 0.36  # wrist to middle finger tip in torso lengths (Drillis and Contini 1964: 0.108 of the stature)
# A relaxed open hand seen from the back: along the hand, across it towards the thumb, in hand lengths.
_TEMPLATE = np.array(
    [
        (0.0, 0.0), (0.14, 0.13), (0.28, 0.21), (0.4, 0.25), (0.5, 0.27), (0.47, 0.13), (0.66, 0.15), (0.77, 0.15),
        (0.87, 0.14), (0.5, 0.03), (0.71, 0.03), (0.84, 0.02), (0.95, 0.01), (0.48, -0.07), (0.66, -0.08),
        (0.78, -0.09), (0.88, -0.1), (0.43, -0.15), (0.57, -0.18), (0.66, -0.19), (0.75, -0.2),
    ]
)  # fmt: skip


def hand_from_forearm(wrist: FloatArray, axis: FloatArray, length: float, thumb_side: float) -> FloatArray:
    """(21,2) a relaxed hand that continues the forearm's unit `axis`; `thumb_side` +1 or -1 across it."""
    across = np.array([axis[1], -axis[0]]) * thumb_side
    return np.asarray(wrist + length * (_TEMPLATE[:, :1] * axis + _TEMPLATE[:, 1:] * across))


def pose_difference(points: FloatArray, lengths: FloatArray, own: FloatArray, own_length: float) -> FloatArray:
    """(T,) how far the hands `points` (T,21,2) differ in pose from `own` (21,2), in hand lengths.

    Each is seen in its own frame of wrist and middle knuckle and in units of its own length.
    """
    placed = _in_own_frame(points, lengths)
    return np.asarray(np.linalg.norm(placed - _in_own_frame(own, np.array(own_length)), axis=-1)[..., 1:].mean(axis=-1))


def _in_own_frame(hands: FloatArray, lengths: FloatArray) -> FloatArray:
    axis = hands[..., 9, :] - hands[..., 0, :]
    axis = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-6)
    across = np.stack([axis[..., 1], -axis[..., 0]], axis=-1)
    offset = (hands - hands[..., :1, :]) / np.maximum(lengths, 1e-6)[..., None, None]
    return np.stack([(offset * axis[..., None, :]).sum(-1), (offset * across[..., None, :]).sum(-1)], axis=-1)


# Radii along a finger in hand lengths, as shares of them from the rim to the ridge, and the light there.
_FINGER, _THUMB, _PALM = 0.046, 0.056, 0.095
_SHADES = ((1.0, 0.84), (0.78, 0.98), (0.4, 1.07))


def paint_hand(
    points: FloatArray, depths_m: FloatArray, skin: FloatArray, length: float, size: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], int, int] | None:
    """A hand of rounded fingers: see `sequence.PaintHand`."""
    margin = 0.15 * length + 2.0
    low = np.floor(points.min(axis=0) - margin).astype(int)
    high = np.ceil(points.max(axis=0) + margin).astype(int)
    if (high <= 0).any() or (low >= size).any() or (high - low > 6 * length + 60).any():
        return None
    low, high = np.maximum(low, 0), np.minimum(high, size)
    cover = np.zeros((high[1] - low[1], high[0] - low[0]))
    light = np.ones_like(cover)
    local = points - low
    for knuckle in (1, 5, 9, 13, 17):
        _stroke(cover, light, local[0], local[knuckle], _PALM * length, 1.0)
    fingers = sorted(range(5), key=lambda finger: -float(depths_m[4 * finger + 2 : 4 * finger + 5].mean()))
    for finger in fingers:
        chain = local[4 * finger + 1 : 4 * finger + 5]
        radius = (_THUMB if finger == 0 else _FINGER) * length
        for share, shade in _SHADES:
            for start, end in zip(chain, chain[1:]):
                _stroke(cover, light, start, end, share * radius, shade)
    rgb = np.clip(skin * light[..., None], 0.0, 255.0) * cover[..., None]
    patch = np.concatenate([rgb, 255.0 * cover[..., None]], axis=-1)
    return np.round(patch).astype(np.uint8), int(low[0]), int(low[1])


def _stroke(
    cover: FloatArray, light: FloatArray, start: FloatArray, end: FloatArray, radius: float, shade: float
) -> None:
    """Paints a round-ended bar with smooth edges into `cover` and `light` (h,w), in place."""
    low = np.clip(np.floor(np.minimum(start, end) - radius - 1.0).astype(int), 0, cover.shape[::-1])
    high = np.clip(np.ceil(np.maximum(start, end) + radius + 1.0).astype(int), 0, cover.shape[::-1])
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    x = np.arange(low[0], high[0]) + 0.5 - start[0]
    y = np.arange(low[1], high[1])[:, None] + 0.5 - start[1]
    along = end - start
    t = np.clip((x * along[0] + y * along[1]) / max(float(along @ along), 1e-6), 0.0, 1.0)
    painted = np.clip(radius + 0.5 - np.hypot(x - t * along[0], y - t * along[1]), 0.0, 1.0)
    light[window] += painted * (shade - light[window])
    cover[window] = np.maximum(cover[window], painted)
