"""The pose in one frame of a video: for judging and refining renders, not for cutting a person out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.models.detect import dwpose_models, mediapipe_models
from backend.models.detect.mediapipe_detector import named_points
from backend.models.detect.outline import Rgb
from fleximo.arrays import FloatArray
from fleximo.layouts import BODY

__all__ = ["Find", "Found", "find_body", "find_whole_body"]

Found = tuple[FloatArray, FloatArray]  # (128,2) px of the frame, (128,) confidence
Find = Callable[[Rgb], Found | None]  # a frame (H,W,3) -> who is seen in it


def find_body(rgb: Rgb) -> tuple[FloatArray, FloatArray] | None:
    """OpenPose-18 points (18,2) px and confidence (18,) of the most prominent person of a picture (H,W,3), or None.

    Points outside the picture keep their guessed place and have confidence 0.
    """
    found = find_whole_body(rgb)
    return None if found is None else (found[0][BODY], found[1][BODY])


def find_whole_body(rgb: Rgb, detector: str = "mediapipe") -> Found | None:
    """The same of all 128 points; by "dwpose", of the person of the largest box."""
    if detector == "dwpose":
        return _by_dwpose(rgb)
    sighting = mediapipe_models.look(np.ascontiguousarray(rgb))
    if sighting is None:
        return None
    points, confidence, _ = named_points(sighting)
    return points, confidence


def _by_dwpose(rgb: Rgb) -> Found | None:
    seen = dwpose_models.look(np.ascontiguousarray(rgb))
    if not len(seen.points_px):
        return None
    corners = np.asarray(seen.boxes.corners_px)
    one = int(np.prod(corners[:, 2:] - corners[:, :2], axis=1).argmax()) if len(corners) else 0
    points, height, width = seen.points_px[one], *rgb.shape[:2]
    inside = (points >= 0.0).all(axis=1) & (points <= [width, height]).all(axis=1)
    confidence = np.where(inside, seen.scores[one].clip(0.0, 1.0), 0.0)
    return None if not confidence[BODY].any() else (points, confidence)
