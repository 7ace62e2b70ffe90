"""Refinement (Fleximo, arXiv 2411.19459): the pose seen in the first video, fitted to the photo, rendered once more.

Every pass is judged by looking again at its frames; it is kept only if the person does better what was asked. Knows
tracks, detectors and renders; no engine.
"""

from __future__ import annotations

import itertools
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backend.evaluate.metrics import PoseScore, score_video
from backend.media import read_frames
from backend.models import detect
from backend.models.detect.frames import find_whole_body
from backend.rendering import Rendered, render_job, share_of
from backend.stages import Progress, silent
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError, Notice
from fleximo.job import RenderJob
from fleximo.layouts import BODY, FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from fleximo.paper_rescale import FIT_POINTS
from fleximo.pose_track import PoseSignal, PoseTrack

__all__ = ["MOST_PASSES", "Found", "Pass", "Refined", "cost", "error_of", "refine", "refitted", "seen_in"]

Found = tuple[FloatArray, FloatArray]  # (128,2) px of the video, (128,) confidence

MOST_PASSES = 4
_SEEN = 0.3  # confidence; less is filled from the first skeleton
_LEAST_GAIN = 0.001  # torso lengths; below it a gain is the detector's trembling
_LOOKING = 0.1  # of a pass's progress
# What hangs on which point of the body, and moves with it where only the point is seen.
_HUNG = ((FACE, "nose"), (LEFT_HAND, "left_wrist"), (RIGHT_HAND, "right_wrist"))


@dataclass(frozen=True)
class Pass:
    """What one more pass brought. Errors: mean distance from the pose asked for, in torso lengths, a miss counts 1."""

    number: int
    frames_found: int  # in which the person was found again, of the video before
    frames_filled: int  # taken from the first skeleton
    error_before: float
    error_after: float
    pck_before: float
    pck_after: float
    seconds: float
    kept: bool

    @property
    def gain(self) -> float:
        return self.error_before - self.error_after

    def to_json(self) -> dict[str, Any]:
        figures = {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return figures | {"gain": round(self.gain, 5)}


@dataclass(frozen=True)
class Refined:
    """The best render, the job it was made of, and what every pass brought."""

    job: RenderJob
    rendered: Rendered
    passes: tuple[Pass, ...]
    notices: tuple[Notice, ...]


def cost(passes: int) -> str:
    """What refining takes, to be said before anything starts; raises `FleximoError` for a number that is not possible.

    >>> cost(1)
    'Refining renders everything 2 times and looks for the person in every frame: at least 2 times as long.'
    """
    if not 1 <= passes <= MOST_PASSES:
        raise FleximoError(f"{passes} passes of refinement were asked for; 1 to {MOST_PASSES} are possible.")
    return (
        f"Refining renders everything {passes + 1} times and looks for the person in every frame: "
        f"at least {passes + 1} times as long."
    )


def refine(
    job: RenderJob,
    rendered: Rendered,
    passes: int,
    progress: Progress = silent,
    *,
    find: Callable[[Any], Found | None] | None = None,
) -> Refined:
    """Up to `passes` passes over the render of `job`; better ones take the place of its files.

    `find` defaults to the detector that is there. A pass without a gain is the last: the next would see the same.
    """
    cost(passes)
    folder = rendered.video.parent
    if find is None:
        find = partial(find_whole_body, detector=detect.detector_used("auto"))
    best, best_job, done = rendered, job, []
    seen = seen_in(rendered.video, len(job.signal.track), find, share_of(progress, 0.0, _LOOKING / passes))
    for number in range(1, passes + 1):
        started = time.monotonic()
        if not any(seen):
            return Refined(best_job, best, tuple(done), (_nobody(),))
        share = share_of(progress, (number - 1) / passes, number / passes)
        track = refitted(job.signal.track, seen)
        tried_job = replace(job, signal=PoseSignal(track), window=None, previous=None)
        detect.release()  # it holds memory that the frames need
        attempt = folder / "refined"
        tried = render_job(
            tried_job, attempt, share_of(share, _LOOKING, 1.0 - _LOOKING), master=rendered.master is not None
        )
        seen_again = seen_in(tried.video, len(track), find, share_of(share, 1.0 - _LOOKING, 1.0))
        before, after = _judged(seen, job.signal.track), _judged(seen_again, job.signal.track)
        kept = error_of(before) - error_of(after) > _LEAST_GAIN
        found = sum(each is not None for each in seen)
        figures = (error_of(before), error_of(after), before.pck, after.pck, time.monotonic() - started)
        done.append(Pass(number, found, len(seen) - found, *figures, kept))
        if kept:
            best, best_job, seen = _moved(tried, attempt, folder), tried_job, seen_again
        shutil.rmtree(attempt, ignore_errors=True)
        if not kept:
            break
    progress(1.0, "refined")
    return Refined(best_job, best, tuple(done), (_told(done),))


def seen_in(
    video: Path, count: int, find: Callable[[Any], Found | None], progress: Progress = silent
) -> list[Found | None]:
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


def _judged(seen: Sequence[Found | None], asked: PoseTrack) -> PoseScore:
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


def _moved(tried: Rendered, attempt: Path, folder: Path) -> Rendered:
    """The files of a better render in the place of the former ones."""
    for name in ("master.mkv", "video.mp4"):
        if (attempt / name).is_file():
            (attempt / name).replace(folder / name)
    shutil.rmtree(folder / "engine", ignore_errors=True)
    if (attempt / "engine").is_dir():
        (attempt / "engine").replace(folder / "engine")
    master = None if tried.master is None else folder / tried.master.name
    return replace(tried, master=master, video=folder / tried.video.name)


def _nobody() -> Notice:
    return Notice("refined_nobody", "Nobody was found in the video, so there is no pose to refine.")


def _told(passes: Sequence[Pass]) -> Notice:
    kept = [each for each in passes if each.kept]
    if not kept:
        last = passes[-1]
        return Notice(
            "not_refined",
            f"Refining brought nothing (mean error {last.error_before:.3f} before, {last.error_after:.3f} after, in "
            "torso lengths), so the first video was kept.",
        )
    return Notice(
        "refined",
        f"{len(kept)} of {len(passes)} passes of refinement brought the mean error from {kept[0].error_before:.3f} to "
        f"{kept[-1].error_after:.3f} torso lengths.",
    )
