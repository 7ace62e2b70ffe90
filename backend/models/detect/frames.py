"""The pose in one frame of a video: for judging renders, not for cutting a person out."""

from __future__ import annotations

import numpy as np

from backend.models.detect.mediapipe_detector import named_points
from backend.models.detect.mediapipe_models import look
from backend.models.detect.outline import Rgb
from fleximo.arrays import FloatArray
from fleximo.layouts import BODY

__all__ = ["find_body"]


def find_body(rgb: Rgb) -> tuple[FloatArray, FloatArray] | None:
    """OpenPose-18 points (18,2) px and confidence (18,) of the most prominent person of a picture (H,W,3), or None.

    Points outside the picture keep their guessed place and have confidence 0.
    """
    sighting = look(np.ascontiguousarray(rgb))
    if sighting is None:
        return None
    points, confidence, _ = named_points(sighting)
    return points[BODY], confidence[BODY]
