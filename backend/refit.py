"""The pose seen in a video, laid on the skeleton that it was rendered from, and how far it is from it.

Knows tracks and what a detector tells of a frame; no engine and no file of a job.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.evaluate.metrics import PoseScore, score_video
from backend.media import read_frames
from backend.models.detect.frames import Find, Found
from backend.stages import Progress, silent
from fleximo.arrays import FloatArray
from fleximo.changes import CONFIDENCE_TOLERANCE
from fleximo.errors import FleximoError
from fleximo.layouts import BODY, FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from fleximo.paper_rescale import FIT_POINTS
from fleximo.pose_track import PoseTrack

__all__ = ["error_of", "judged", "moved_along", "refitted", "seen_in"]

_SEEN = 0.3  # confidence; less is filled from the first skeleton
# What hangs on which point of the body, and moves with it where only the point is seen.
_HUNG = ((FACE, "nose"), (LEFT_HAND, "left_wrist"), (RIGHT_HAND, "right_wrist"))


def seen_in(video: Path, count: int, find: Find, progress: Progress = silent) -> list[Found | None]:
    """What `find` sees in each of the `count` frames of a video; None where it sees nobody."""
    found = []
    for number, frame in enumerate(read_frames(video)):
        progress(min(1.0, number / count), "looking for the person")
        found.append(find(frame))
    return found


def refitted(first: PoseTrack, seen: Sequence[Found | None]) -> PoseTrack:
    """The pose seen in each frame, laid by one scale and one shift on `first`, the skeleton that fits the photo.

    Frames in which nobody was seen, and points that were not, are those of `first`; an unseen face moves with the
    nose, unseen hands with their wrists. Depths stay. Raises `FleximoError` for another number of frames.
    """
    if len(seen) != len(first):
        raise FleximoError(f"{len(seen)} frames were looked at; the skeleton has {len(first)}.")
    points, confidence = np.array(first.points_px, dtype=np.float64), np.array(first.confidence)
    frames = [number for number, each in enumerate(seen) if each is not None]
    if not frames:
        return first
    found_px = np.stack([each[0] for each in seen if each is not None])
    found = np.stack([each[1] for each in seen if each is not None])
    trusted = found > _SEEN
    found_px = _laid_on(found_px, trusted, points[frames], confidence[frames])
    moved = np.where(trusted[..., None], found_px, points[frames])
    for columns, name in _HUNG:
        on = OPENPOSE_18.index(name)
        shift = np.where(trusted[:, on, None], found_px[:, on] - points[frames][:, on], 0.0)
        unseen = ~trusted[:, columns]
        moved[:, columns] += np.where(unseen[..., None], shift[:, None], 0.0)
    points[frames] = moved
    confidence[frames] = np.where(trusted, np.minimum(found, 1.0), confidence[frames])
    return replace(first, points_px=points, confidence=confidence)


def _laid_on(found_px: FloatArray, trusted: Any, first_px: FloatArray, first_confidence: FloatArray) -> FloatArray:
    """`found_px` (F,128,2), scaled and shifted as one so that head and trunk of the clip lie as in `first_px`."""
    fit = list(FIT_POINTS)
    both = trusted[:, fit] & (first_confidence[:, fit] > _SEEN)
    source, target = found_px[:, fit][both], first_px[:, fit][both]
    if len(source) < 2:
        return found_px
    middle, aim = source.mean(axis=0), target.mean(axis=0)
    spread = float(((source - middle) ** 2).sum())
    scale = float(((source - middle) * (target - aim)).sum()) / spread if spread > 1e-9 else 1.0
    scale = scale if math.isfinite(scale) and 0.5 < scale < 2.0 else 1.0  # beyond it, somebody else was found
    return np.asarray((found_px - middle) * scale + aim)


def moved_along(refined: PoseTrack, before: PoseTrack, after: PoseTrack) -> PoseTrack:
    """`refined`, which was made of the skeleton `before`, after an edit that made `after` of it.

    Each point keeps the way by which refining had moved it in that frame, so that edited frames lie between the
    others without a jump. A point that the edit shows or hides is that of `after`.
    """
    other = np.abs(after.confidence - before.confidence) > CONFIDENCE_TOLERANCE
    moved = refined.points_px + (after.points_px - before.points_px)
    return replace(
        after,
        points_px=np.where(other[..., None], after.points_px, moved),
        confidence=np.where(other, after.confidence, refined.confidence),
    )


def judged(seen: Sequence[Found | None], asked: PoseTrack) -> PoseScore:
    """What was seen in a video against what was asked for at first."""
    looks = iter(seen)

    def again(_frame: Any) -> tuple[FloatArray, FloatArray] | None:
        each = next(looks)
        return None if each is None else (each[0][BODY], each[1][BODY])

    picture = np.zeros((asked.size[1], asked.size[0], 3), np.uint8)  # its size alone counts
    return score_video(itertools.repeat(picture, len(seen)), asked, every=1, find=again)


def error_of(score: PoseScore) -> float:
    """Mean distance in torso lengths over all points asked for; a point further off than 1, or missed, counts 1."""
    asked = score.errors[~np.isnan(score.errors)]
    return float(np.minimum(asked, 1.0).mean()) if asked.size else 1.0
