"""BlazePose's landmarks -> OpenPose-18 points at the joint centres of a rig.

The two define shoulders, hips, ankles, nose and ears differently; this file owns the difference. Knows no `Person`.
"""

from __future__ import annotations

import numpy as np

from backend.models.detect.outline import Plane
from fleximo.arrays import FloatArray
from fleximo.layouts import OPENPOSE_18

__all__ = ["LANDMARKS", "hip_lift", "joint_centres"]

LANDMARKS = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8, "left_shoulder": 11, "right_shoulder": 12,
    "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16, "left_hip": 23, "right_hip": 24,
    "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
}  # fmt: skip
_EYES, _MOUTH, _EARS = [2, 5], [9, 10], [7, 8]
_SHOULDERS, _HIPS, _KNEES = [11, 12], [23, 24], [25, 26]

# Where a joint centre lies from BlazePose's landmark, as fractions of the body's own spans, so that it holds for any
# size, tilt and turn. Least squares over six pictures, the three rendered people of the tests and their mirror images,
# rounded; how they do on a person left out of the fit, and what they do not mend: docs/log.md.
_SHOULDERS_DOWN = 0.042  # of the trunk, towards the hips: BlazePose marks the top of the shoulder
_TRUNK_WIDER = 0.06  # of shoulder and hip width
_ANKLES_ON = 0.05  # of the shin, beyond the ankle
_NOSE_DOWN = 0.18  # of the span from eyes to mouth: the tip of the nose
_EARS_WIDER = 0.28  # of the span between the ears: BlazePose marks where the cheek ends
# Hips lie this far, in trunks, above the point where the legs part (trochanter and crotch: 0.05 statures apart in
# body tables, and the clothes; 0.20 to 0.28 on those people, 0.35 in dungarees). BlazePose goes by the clothes: under
# a long shirt it sets the hips too low.
_ABOVE_CROTCH = 0.24
_HIGHEST_LIFT = 0.05


def joint_centres(landmarks: FloatArray, lift: float = 0.0) -> FloatArray:
    """The 18 points (18,k) of BlazePose landmarks (33,k), k = 2 px or 3 m; the hips lifted by `lift` trunks.

    Every point is a fixed mixture of landmarks: a picture and its depths, or a body turned, are treated alike.
    """
    points = np.zeros((18, landmarks.shape[1]))
    for name, landmark in LANDMARKS.items():
        points[OPENPOSE_18.index(name)] = landmarks[landmark]
    neck, hips, ears = (landmarks[pair].mean(axis=0) for pair in (_SHOULDERS, _HIPS, _EARS))
    trunk = neck - hips
    face = landmarks[_MOUTH].mean(axis=0) - landmarks[_EYES].mean(axis=0)
    for side in ("left", "right"):
        shoulder, hip, knee, ankle, ear = (
            OPENPOSE_18.index(f"{side}_{part}") for part in ("shoulder", "hip", "knee", "ankle", "ear")
        )
        points[shoulder] += _TRUNK_WIDER * (points[shoulder] - neck) - _SHOULDERS_DOWN * trunk
        points[hip] += _TRUNK_WIDER * (points[hip] - hips) + lift * trunk
        points[ankle] += _ANKLES_ON * (points[ankle] - points[knee])
        points[ear] += _EARS_WIDER * (points[ear] - ears)
    points[OPENPOSE_18.index("nose")] += _NOSE_DOWN * face
    points[OPENPOSE_18.index("neck")] = neck - _SHOULDERS_DOWN * trunk
    return points


def hip_lift(body_px: FloatArray, segmentation: Plane) -> float:
    """By how many trunks the hips of `body_px` (33,2) are to be lifted, judged by where the legs part; mostly 0.

    Halfway to where the gap between the legs, in `segmentation` (H,W) 0..1, puts them. Only ever up, for cloth closes
    the gap and never opens it; only where the thighs go on from the trunk, seen at full length.
    """
    hips, knees = body_px[_HIPS].mean(axis=0), body_px[_KNEES].mean(axis=0)
    trunk, thighs = hips - body_px[_SHOULDERS].mean(axis=0), knees - hips
    size, length = float(np.linalg.norm(trunk)), float(np.linalg.norm(thighs))
    if size < 8.0 or length < 0.7 * size or trunk @ thighs < 0.9 * size * length:
        return 0.0
    steps = np.arange(0.0, length)
    columns, rows = (hips + steps[:, None] / length * thighs).astype(int).T
    inside = (rows >= 0) & (columns >= 0) & (rows < segmentation.shape[0]) & (columns < segmentation.shape[1])
    if not inside.all():
        return 0.0
    person = segmentation[rows, columns] > 0.5
    if not person[0] or person.all():
        return 0.0
    missing = _ABOVE_CROTCH - float(np.argmin(person)) / size
    return float(np.clip(0.5 * missing, 0.0, _HIGHEST_LIFT))
