"""Refinement (Fleximo, arXiv 2411.19459): the pose seen in the first video, fitted to the photo, rendered once more.

Every pass is judged by looking again at its frames; it is kept only if the person does better what was asked. What is
finished is kept, so that the same call after a kill goes on where it stopped. Knows renders and looks; no engine.
"""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backend.models import detect
from backend.models.detect.frames import Find, Found, find_whole_body
from backend.refit import error_of, judged, moved_along, refitted, seen_in
from backend.rendering import Rendered, render_job, share_of
from backend.stages import Progress, silent
from fleximo.changes import OF_A_RANGE, appearance, why_full
from fleximo.errors import FleximoError, Notice
from fleximo.files import read_bytes, read_json, read_npz, write_atomic, write_json
from fleximo.job import RenderJob
from fleximo.pose_track import PoseSignal, PoseTrack

__all__ = ["MOST_PASSES", "REFINED_TRACK", "Pass", "Refined", "as_seen", "cost", "render_refined"]

MOST_PASSES = 4
REFINED_TRACK = "refined.npz"  # beside a render: the skeleton that it was made of, where that is a refined one
_LEAST_GAIN = 0.001  # torso lengths; below it a gain is the detector's trembling
_LOOKING = 0.1  # of a pass's progress
_PASSES, _RENDERED, _SEEN, _RESULT = "passes", "rendered.json", "seen.npz", "refined.json"
_FILES = ("master.mkv", "video.mp4", "engine")  # of a render


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
    """The best render, the skeleton it was made of, and what every pass brought."""

    rendered: Rendered
    track: PoseTrack
    passes: tuple[Pass, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether the video is that of a pass."""
        return any(each.kept for each in self.passes)


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


def render_refined(
    job: RenderJob,
    folder: Path,
    passes: int,
    progress: Progress = silent,
    *,
    find: Find | None = None,
    master: bool = True,
) -> Refined:
    """Renders the whole of `job` into `folder` and refines it by up to `passes` passes; the best render stays there.

    `find` defaults to the detector that is there. A pass without a gain is the last: the next would see the same.
    """
    progress(0.0, cost(passes))
    asked = {"job": job.digest, "passes": passes, "master": master}
    if not _decided(folder, asked):
        steps = _Steps(folder / _PASSES, find, master)
        best, done = _refined(job, passes, steps, progress)
        _write_result(folder, asked, best, done)
    refined = _settle(folder, job)
    progress(1.0, "refined")
    return refined


def as_seen(job: RenderJob, before: RenderJob, folder: Path) -> tuple[RenderJob, RenderJob]:
    """`job` and `before`, whose finished render `job` changes, as the engine sees them if that was refined.

    `folder` is that of the finished render. Where the whole has to be rendered anew both are returned as they are.
    """
    file = folder / REFINED_TRACK
    if not file.is_file() or why_full(appearance(before), appearance(job), but=OF_A_RANGE) is not None:
        return job, before
    track = PoseTrack.load(file)
    edited = moved_along(track, before.signal.track, job.signal.track)
    return replace(job, signal=PoseSignal(edited)), replace(before, signal=PoseSignal(track))


# --- passes


@dataclass(frozen=True)
class _Step:
    """A finished render and what was seen in it."""

    job: RenderJob
    folder: Path
    rendered: Rendered
    seen: Sequence[Found | None]
    seconds: float

    @property
    def found(self) -> int:
        return sum(each is not None for each in self.seen)


@dataclass
class _Steps:
    """Renders and looks, each done once: what lies in `folder` is used again."""

    folder: Path
    find: Find | None
    master: bool

    def step(self, job: RenderJob, progress: Progress) -> _Step:
        place = self.folder / job.digest[:16]
        rendered, rendering_s = self._rendered(job, place, share_of(progress, 0.0, 1.0 - _LOOKING))
        seen, looking_s = self._seen(rendered, place, share_of(progress, 1.0 - _LOOKING, 1.0))
        return _Step(job, place, rendered, seen, rendering_s + looking_s)

    def _rendered(self, job: RenderJob, place: Path, progress: Progress) -> tuple[Rendered, float]:
        record = place / _RENDERED
        if not record.is_file():
            detect.release()  # it holds memory that the frames need
            write_json(record, _plain(render_job(job, place, progress, master=self.master)))
        rendered = _read(read_json(record), place, job)
        return rendered, rendered.seconds

    def _seen(self, rendered: Rendered, place: Path, progress: Progress) -> tuple[Sequence[Found | None], float]:
        file = place / _SEEN
        if not file.is_file():
            if self.find is None:
                self.find = partial(find_whole_body, detector=detect.detector_used("auto"))
            started = time.monotonic()
            seen = seen_in(rendered.video, rendered.frames, self.find, progress)
            write_atomic(file, _packed(seen, time.monotonic() - started))
        return _unpacked(read_bytes(file))


def _refined(job: RenderJob, passes: int, steps: _Steps, progress: Progress) -> tuple[_Step, list[Pass]]:
    """The best render, and what each pass brought."""
    first = job.signal.track
    done: list[Pass] = []
    best = steps.step(job, share_of(progress, 0.0, 1.0 / (passes + 1)))
    for number in range(1, passes + 1):
        if not best.found:
            break
        again = replace(job, signal=PoseSignal(refitted(first, best.seen)), window=None, previous=None)
        tried = steps.step(again, share_of(progress, number / (passes + 1), (number + 1) / (passes + 1)))
        before, after = judged(best.seen, first), judged(tried.seen, first)
        kept = error_of(before) - error_of(after) > _LEAST_GAIN
        figures = (error_of(before), error_of(after), before.pck, after.pck, tried.seconds)
        done.append(Pass(number, best.found, len(first) - best.found, *figures, kept))
        if not kept:
            break
        best = tried
    return best, done


def _told(passes: Sequence[Pass]) -> Notice:
    if not passes:
        return Notice("refined_nobody", "Nobody was found in the video, so there is no pose to refine.")
    kept = [each for each in passes if each.kept]
    if not kept:
        last = passes[-1]
        return Notice(
            "not_refined",
            f"Refining brought nothing (mean error {last.error_before:.3f} before, {last.error_after:.3f} after, in "
            "torso lengths), so the first video was kept.",
        )
    who = "Refining" if len(passes) == 1 else f"{len(kept)} of {len(passes)} passes of refinement"
    return Notice(
        "refined",
        f"{who} brought the mean error from {kept[0].error_before:.3f} to {kept[-1].error_after:.3f} torso lengths.",
    )


# --- on disk


def _decided(folder: Path, asked: Mapping[str, Any]) -> bool:
    """Whether all passes of this very job are done, and the best one's video lies where `_settle` looks for it."""
    if not (folder / _RESULT).is_file():
        return False
    result = read_json(folder / _RESULT)
    places = (folder, folder / _PASSES / str(result["best"]))
    return result.items() >= asked.items() and any((place / "video.mp4").is_file() for place in places)


def _write_result(folder: Path, asked: Mapping[str, Any], best: _Step, done: Sequence[Pass]) -> None:
    """Writes down which render is the best: from here on the end can be reached without the other ones."""
    if any(each.kept for each in done):
        best.job.signal.track.save(folder / REFINED_TRACK)
    else:
        (folder / REFINED_TRACK).unlink(missing_ok=True)
    told = {"best": best.folder.name, "rendered": _plain(best.rendered), "done": [asdict(each) for each in done]}
    write_json(folder / _RESULT, {**asked, **told})


def _settle(folder: Path, job: RenderJob) -> Refined:
    """Moves the files of the best render to `folder` and removes the others; goes on where a kill left it."""
    result = read_json(folder / _RESULT)
    made = folder / _PASSES / str(result["best"])
    for name in _FILES:
        if (made / name).exists():
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            (made / name).replace(folder / name)
    shutil.rmtree(folder / _PASSES, ignore_errors=True)
    passes = tuple(Pass(**each) for each in result["done"])
    refined = any(each.kept for each in passes)
    track = PoseTrack.load(folder / REFINED_TRACK) if refined else job.signal.track
    return Refined(_read(result["rendered"], folder, job), track, passes, (_told(passes),))


def _plain(rendered: Rendered) -> dict[str, Any]:
    """A finished render of a whole job, but for what the job tells."""
    return {
        "master": rendered.master is not None,
        "notices": [notice.to_json() for notice in rendered.notices],
        "seconds": rendered.seconds,
        "native_fps": None if rendered.native_fps is None else str(rendered.native_fps),
        "frames_rendered": rendered.frames_rendered,
    }


def _read(document: Mapping[str, Any], folder: Path, job: RenderJob) -> Rendered:
    """What `_plain` wrote of the render of `job` that lies in `folder`."""
    return Rendered(
        master=folder / "master.mkv" if document["master"] else None,
        video=folder / "video.mp4",
        frames=len(job.signal.track),
        fps=job.fps,
        size=job.size,
        notices=tuple(Notice.from_json(notice) for notice in document["notices"]),
        seconds=float(document["seconds"]),
        native_fps=None if document["native_fps"] is None else Fraction(document["native_fps"]),
        frames_rendered=int(document["frames_rendered"]),
    )


def _packed(seen: Sequence[Found | None], seconds: float) -> bytes:
    """What was seen in each frame, as npz."""
    nobody = (np.zeros((128, 2)), np.zeros(128))
    there = [nobody if each is None else each for each in seen]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        points_px=np.stack([each[0] for each in there]),
        confidence=np.stack([each[1] for each in there]),
        found=np.array([each is not None for each in seen]),
        seconds=np.float64(seconds),
    )
    return buffer.getvalue()


def _unpacked(content: bytes) -> tuple[list[Found | None], float]:
    arrays = read_npz(content, required=("points_px", "confidence", "found", "seconds"), what="seen poses", newest=1)
    rows = zip(arrays["points_px"], arrays["confidence"], arrays["found"])
    return [(points, sure) if found else None for points, sure, found in rows], float(arrays["seconds"])
