"""The pose of a hand on the canvas: a relaxed one that continues the forearm, and how far two poses differ.

Knows points, no pictures.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import FloatArray

__all__ = ["HAND_LENGTH", "hand_from_forearm", "pose_difference"]

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
