"""The paper's own two-dimensional rescale, kept for comparison: one fit of the whole clip, then three limb lengths.

arXiv 2411.19459 as its authors released it. Knows OpenPose-18 points in pictures; no rig, no depth. The default of
this project matches bones in 3D instead (`rescale`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.layouts import BODY, FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from fleximo.pose_track import PoseTrack

__all__ = [
    "FIT_POINTS",
    "MIMICMOTION_FIT_POINTS",
    "ClipFit",
    "anchor_at_neck",
    "clip_fit",
    "fit_points",
    "kept_frames",
    "paper_rescale",
]

# Nose, neck, shoulders, hips, eyes and ears: what the authors fit the whole figure by.
FIT_POINTS: tuple[int, ...] = (0, 1, 2, 5, 8, 11, 14, 15, 16, 17)
# MimicMotion, from which they took the fit, counts knees and ankles too.
MIMICMOTION_FIT_POINTS: tuple[int, ...] = (0, 1, 2, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
_SCORE = 0.3
_NECK = OPENPOSE_18.index("neck")
# child -> what is shifted along with it, in the order in which the authors apply them
_LIMBS: tuple[tuple[int, tuple[int, ...]], ...] = ((2, (3, 4)), (5, (6, 7)), (0, (14, 15, 16, 17)))


@dataclass(frozen=True)
class ClipFit:
    """new = scale * old + shift, in coordinates normalised by each picture's own width and height."""

    scale: tuple[float, float]
    shift: tuple[float, float]

    def apply(self, points_norm: FloatArray) -> FloatArray:
        """Points (...,2) in normalised coordinates -> the same, fitted."""
        return np.asarray(points_norm * np.array(self.scale) + np.array(self.shift))


def fit_points(reference_score: FloatArray, candidates: tuple[int, ...] = FIT_POINTS) -> tuple[int, ...]:
    """The key points that enter the clip fit: those of `candidates` that the reference (18,) shows."""
    return tuple(point for point in candidates if reference_score[point] > _SCORE)


def kept_frames(count: int, fps: float, stride: int = 2) -> tuple[int, ...]:
    """Which of `count` frames the authors keep: every k-th, k = stride x max(1, floor(fps / 24)).

    >>> kept_frames(8, 60.0, 1)
    (0, 2, 4, 6)
    """
    return tuple(range(0, count, stride * max(1, math.floor(fps / 24))))


def clip_fit(
    reference_norm: FloatArray,
    reference_score: FloatArray,
    body_norm: FloatArray,
    source_size: tuple[int, int],
    target_size: tuple[int, int],
    candidates: tuple[int, ...] = FIT_POINTS,
) -> ClipFit:
    """The one scale and shift that lays the figure of a whole clip on the reference (paper notes 1.4 a).

    `reference_norm` (18,2), `reference_score` (18,), `body_norm` (T,18,2) all kept frames; sizes are (W, H) px of the
    clip and of the reference. Least squares on y, the same scale in pixels on x. Raises `FleximoError` if fewer than
    two points can be fitted or all lie at one height.
    """
    points = list(fit_points(np.asarray(reference_score), candidates))
    if len(points) < 2 or len(body_norm) == 0:
        raise FleximoError(
            f"The paper's fit found {len(points)} of its {len(candidates)} key points in the photo; 2 are needed.",
            remedy="Use the rescale mode bones.",
        )
    target = np.broadcast_to(np.asarray(reference_norm)[points], (len(body_norm), len(points), 2)).astype(np.float64)
    source = np.asarray(body_norm, dtype=np.float64)[:, points]
    known = np.isfinite(source).all(axis=-1) & np.isfinite(target).all(axis=-1)
    source, target = source[known], target[known]
    y, y_target = source[:, 1], target[:, 1]
    spread = ((y - y.mean()) ** 2).sum() if len(y) else 0.0
    if spread < 1e-12:
        raise FleximoError("The paper's fit needs key points at different heights.", remedy="Use the mode bones.")
    scale_y = float(((y - y.mean()) * (y_target - y_target.mean())).sum() / spread)
    shift_y = float(y_target.mean() - scale_y * y.mean())
    (source_w, source_h), (target_w, target_h) = source_size, target_size
    scale_x = scale_y * (target_h / target_w) * (source_w / source_h)
    shift_x = float((target[..., 0] - scale_x * source[..., 0]).mean())
    return ClipFit((scale_x, scale_y), (shift_x, shift_y))


def anchor_at_neck(reference_px: FloatArray, body_px: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gives shoulders and nose the reference's distance from the neck, which stays (paper notes 1.4 b).

    `reference_px` (18,2), `body_px` (T,18,2) px. Returns the new points and (T,3,2), how far right shoulder, left
    shoulder and nose were moved. A segment without length has no direction and stays as it is; a point that is not a
    number counts as (0, 0), the authors' code for a missing one.
    """
    reference = np.nan_to_num(np.asarray(reference_px, dtype=np.float64))
    points = np.nan_to_num(np.array(body_px, dtype=np.float64))
    moves = np.zeros((len(points), len(_LIMBS), 2))
    for row, (child, dependants) in enumerate(_LIMBS):
        span = points[:, child] - points[:, _NECK]
        length = np.linalg.norm(span, axis=-1, keepdims=True)
        wanted = np.linalg.norm(reference[child] - reference[_NECK])
        moved = points[:, _NECK] + span / np.where(length > 0.0, length, 1.0) * wanted
        moves[:, row] = np.where(length > 0.0, moved - points[:, child], 0.0)
        for point in (child, *dependants):
            points[:, point] += moves[:, row]
    return points, moves


def paper_rescale(track: PoseTrack, reference_px: FloatArray, reference_score: FloatArray, fit: ClipFit) -> PoseTrack:
    """`track` fitted to the photo the paper's way; hands move with their wrists, the face with the nose.

    `reference_px` (18,2) canvas px, `reference_score` (18,) of the photo; `fit` from `clip_fit`. Segments with
    an end missing in the photo or in the frame keep their length; missing points stay missing.
    """
    size = np.array(track.size, dtype=np.float64)
    points = fit.apply(track.points_px.astype(np.float64) / size) * size
    _, moves = anchor_at_neck(reference_px, points[:, BODY])
    seen = np.asarray(reference_score) > _SCORE
    for row, ((child, dependants), extra) in enumerate(zip(_LIMBS, (RIGHT_HAND, LEFT_HAND, FACE))):
        if seen[child] and seen[_NECK]:
            present = (track.confidence[:, [child, _NECK]] > 0.0).all(axis=1)
            shift = np.where(present[:, None], moves[:, row], 0.0)[:, None]
            points[:, [child, *dependants]] += shift
            points[:, extra] += shift
    return replace(track, points_px=points)
