"""What the adapter learns from: clips of one skeleton drawn twice, without hands and with them.

Knows tracks and pictures; not where a track comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backend.drawing import Style, draw_track
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.layouts import BODY, LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from fleximo.pose_track import PoseTrack

__all__ = ["HANDS", "Clip", "draw_pair", "frames_between", "hand_boxes", "handless"]

Pictures = npt.NDArray[np.uint8]

HANDS = (LEFT_HAND, RIGHT_HAND)
_WRISTS = tuple(OPENPOSE_18.index(f"{side}_wrist") for side in ("left", "right"))
_DOT_PX = 5.5  # on the canvas drawn on: how far a dot reaches


@dataclass(frozen=True, eq=False)
class Clip:
    """`T` frames, red and blue as the networks of `backend.drawing`'s styles get them."""

    body: Pictures  # (T,H,W,3)
    full: Pictures  # (T,H,W,3) the same with hands
    boxes: npt.NDArray[np.bool_]  # (T,H,W) where the hands are

    def __len__(self) -> int:
        return len(self.body)


def draw_pair(track: PoseTrack, style: Style) -> Clip:
    """`track` (128 points) drawn in `style`, without face: without hands and with them."""
    bare = replace(style, face=False, hands=False)
    scale = 1.0 if style.canvas_px is None else min(track.size) / style.canvas_px
    return Clip(
        body=np.stack(list(draw_track(track, bare))),
        full=np.stack(list(draw_track(track, replace(bare, hands=True)))),
        boxes=hand_boxes(track, margin_px=_DOT_PX * scale + (scale != 1.0)),
    )


def hand_boxes(track: PoseTrack, margin_px: float = 0.0) -> npt.NDArray[np.bool_]:
    """(T,H,W) True inside the upright boxes around the points of each hand that is there."""
    width, height = track.size
    columns, rows = np.arange(width) + 0.5, np.arange(height) + 0.5
    inside = np.zeros((len(track), height, width), dtype=bool)
    for hand in HANDS:
        there = track.confidence[:, hand] > 0.0
        low = np.where(there[..., None], track.points_px[:, hand], np.inf).min(axis=1) - margin_px
        high = np.where(there[..., None], track.points_px[:, hand], -np.inf).max(axis=1) + margin_px
        across = (columns >= low[:, :1]) & (columns <= high[:, :1])
        down = (rows >= low[:, 1:]) & (rows <= high[:, 1:])
        inside |= down[:, :, None] & across[:, None, :]
    return inside


def handless(track: PoseTrack, reach: float = 1.2) -> npt.NDArray[np.bool_]:
    """(T,H,W) True around each wrist, as far as a hand can reach: where an adapter may change a picture.

    `reach` in forearms as long as they are seen, at least a quarter of the trunk where they point to the camera.
    """
    width, height = track.size
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    inside = np.zeros((len(track), height, width), dtype=bool)
    body, sure = track.points_px[:, BODY], track.confidence[:, BODY]
    trunk = _distance(body[:, OPENPOSE_18.index("neck")], body[:, [8, 11]].mean(axis=1))
    for wrist in _WRISTS:
        radius = np.maximum(reach * _distance(body[:, wrist], body[:, wrist - 1]), 0.25 * trunk)
        for frame in np.flatnonzero(sure[:, wrist] > 0.0):
            x, y = body[frame, wrist]
            inside[frame] |= np.hypot(columns - x, rows - y) <= radius[frame]
    return inside


def _distance(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(a - b, axis=-1))


def frames_between(total: int, frames: int, stride: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """`frames` numbers evenly over (frames - 1) * stride + 1 consecutive ones, from a random start.

    A clip that is shorter is spread over as a whole. Raises `FleximoError` if it has fewer than `frames` frames.
    """
    if total < frames:
        raise FleximoError(f"A clip of {total} frames is too short to train on {frames}.", code="too_short")
    span = min(total, (frames - 1) * stride + 1)
    start = int(rng.integers(total - span + 1))
    return start + np.linspace(0, span - 1, frames).round().astype(np.int64)
