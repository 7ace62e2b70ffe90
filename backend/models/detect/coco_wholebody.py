"""COCO-WholeBody's 133 points -> the 128 of `WHOLEBODY_128`. Knows names and scores, no network and no picture."""

from __future__ import annotations

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.layouts import OPENPOSE_18

__all__ = ["COCO_POINTS", "wholebody_128"]

COCO_POINTS = 133  # 17 body, 6 feet, 68 face, 21 left hand, 21 right hand
_COCO_BODY = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
).split()
_FACE_START = 23  # what comes before is body and feet; face and hands follow in the order of WHOLEBODY_128
_SHOULDERS = [_COCO_BODY.index("left_shoulder"), _COCO_BODY.index("right_shoulder")]
_NECK = OPENPOSE_18.index("neck")
_OF_BODY = np.array([_COCO_BODY.index(name) if name in _COCO_BODY else 0 for name in OPENPOSE_18.names])
_SEEN = 0.3


def wholebody_128(points: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points (N,133,2) and scores (N,133) as (N,128,2) and (N,128); the feet are left out.

    The neck is the middle of the shoulders, with score 1 where both score above 0.3, else 0 (DWPose).
    """
    body, sure = points[:, _OF_BODY], scores[:, _OF_BODY]
    body[:, _NECK] = points[:, _SHOULDERS].mean(axis=1)
    sure[:, _NECK] = (scores[:, _SHOULDERS] > _SEEN).all(axis=1)
    return (
        np.concatenate([body, points[:, _FACE_START:]], axis=1),
        np.concatenate([sure, scores[:, _FACE_START:]], axis=1),
    )
