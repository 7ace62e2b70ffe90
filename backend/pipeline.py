"""The whole way from a text and a photo to a video, one stage after another, every intermediate returned.

text -> plan -> 3D motion -> (photo -> person) -> camera, bone lengths and 2D signal -> frames -> files
(Fleximo, arXiv 2411.19459, section 3; what differs from the paper is said where it differs). Knows the order of the
stages and nothing of how any of them works.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from backend import catalog
from backend.llm import local
from backend.media import GOP, Piece, VideoWriter, concatenate, read_frames
from backend.models import detect
from backend.retime import longest_window, render_delivered
from backend.stages import Performance, Progress, VideoModel, Workplace, silent
from fleximo.errors import FleximoError, Notice
from fleximo.files import write_atomic
from fleximo.job import RenderJob
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.take import Take
from fleximo.upper_body import plan_for
from fleximo.video import Video

__all__ = ["Animation", "Rendered", "Request", "animate", "render_job"]


@dataclass(frozen=True)
class Request:
    """What the user asks for: the options of `fleximo animate`."""

    photo: bytes  # PNG, JPEG or WebP
    text: str = ""
    motion: Motion | None = None  # given: text-to-motion is skipped
    points: Mapping[str, Any] | None = None  # manual key points {name: [x, y]}, photo px
    detector: str = "auto"  # one of detect.DETECTORS
    choose: int | None = None  # which of several people, from the left, 0 = the first
    engine: str = "draft"
    planner: str = "rules"
    motion_model: str = "moves"
    fps: Fraction | None = None  # None: the engine's default
    size: tuple[int, int] | None = None  # (W, H) px; None: 576x1024 or 1024x576
    seed: int = 0
    rescale: str = "bones"
    retime: str = "flow"  # one of fleximo.job.RETIME: how an engine of another rate comes to this one
    settings: Mapping[str, Any] = field(default_factory=dict)
    lens_degrees: float | None = None  # of the photo's longer side; None: as EXIF says, else a portrait's usual lens
    stature_m: float | None = None  # None: an adult's usual
    camera_height_m: float | None = None  # over the floor; None: fitted to the photo, like the pitch
    camera_pitch_degrees: float | None = None  # positive looks down
    master: bool = True  # also keep the lossless master: without it frames cannot be exchanged later


@dataclass(frozen=True)
class Rendered:
    """A finished render: the files and what it took."""

    master: Path | None  # FFV1, lossless
    video: Path  # H.264
    frames: int
    fps: Fraction
    size: tuple[int, int]
    notices: tuple[Notice, ...]
    seconds: float
    native_fps: Fraction | None  # of the engine; None: it renders at any rate
    frames_rendered: int  # fewer than `frames` when a window was rendered or an interrupted render went on


@dataclass(frozen=True)
class Animation:
    """Everything that was made on the way."""

    request: Request
    plan: MotionPlan | None  # as played: for the upper body where the photo shows no more
    motion: Motion  # as planned, on the default rig
    person: Person
    job: RenderJob
    rendered: Rendered
    notices: tuple[Notice, ...]
    timings_s: dict[str, float]
    planner: str  # whose plan it is; "none" where a motion was given
    detector: str  # who found the person
    performance: Performance | None = None  # the motion with what is told of it; None where a motion was given


def animate(request: Request, folder: Path, progress: Progress = silent) -> Animation:
    """Text (or a motion) and one photo -> a video in `folder`; raises `FleximoError` at the first stage that cannot."""
    timings: dict[str, float] = {}
    engine = catalog.engine(request.engine)
    engine.check(request.settings, request.size)
    fps = request.fps or engine.default_fps

    plan, planned_by, performance, motion = None, "none", None, request.motion
    if motion is None:
        with _timed(timings, "plan"):
            plan, planned_by = _planned(request, progress)
    detector = detect.detector_used(request.detector, request.points)
    with _timed(timings, "detect"):
        person = detect.detect(
            request.photo,
            points=request.points,
            detector=detector,
            choose=request.choose,
            stature_m=request.stature_m,
            lens_degrees=request.lens_degrees,
        )
        detect.release()
        progress(0.07, "found the person")
    if plan is not None:
        with _timed(timings, "motion"):
            plan = plan_for(plan, person)
            performance = catalog.motion_model(request.motion_model).perform(plan, _part(progress, 0.07, 0.12))
            motion = performance.motion
    with _timed(timings, "rescale"):
        shot = Take.begin(
            motion,
            person,
            request.photo,
            fps=fps,
            size=request.size,
            rescale=request.rescale,
            plan=plan,
            engine=request.engine,
            settings=request.settings,
            seed=request.seed,
            camera_height_m=request.camera_height_m,
            camera_pitch_degrees=request.camera_pitch_degrees,
        )
        job = replace(shot.job(), retime=request.retime)
    with _timed(timings, "render"):
        rendered = render_job(job, folder, _part(progress, 0.12, 1.0), master=request.master)
    told = (
        *(plan.notices if plan else ()),
        *(performance.notices if performance else ()),
        *person.notices,
        *shot.notices(),
        *rendered.notices,
    )
    notices = tuple({notice.code: notice for notice in reversed(told)}.values())[::-1]  # the first of each code
    return Animation(request, plan, motion, person, job, rendered, notices, timings, planned_by, detector, performance)


def _planned(request: Request, progress: Progress) -> tuple[MotionPlan, str]:
    """The plan of the text, and the name of the planner who made it in the end."""
    planner = catalog.planner(request.planner)
    progress(0.0, f"planning: {planner.name}")
    model = catalog.motion_model(request.motion_model)
    plan = catalog.plan_for_model(request.text, planner, model).with_seed(request.seed)
    fell_back = any(notice.code == "planner_fallback" for notice in plan.notices)
    planned_by = "rules" if fell_back else planner.name
    del planner
    local.release()  # the frames need a language model's memory
    return plan, planned_by


def render_job(
    job: RenderJob,
    folder: Path,
    progress: Progress = silent,
    *,
    previous: Path | None = None,
    master: bool = True,
) -> Rendered:
    """Renders `job` into `folder` as `master.mkv` (unless `master` is False) and `video.mp4`, window by window.

    Finished windows are kept in `folder/windows`, so that the same call after a kill or a cancel goes on where it
    stopped. If the job has a window and `previous` is the folder of the finished render that it changes, all other
    frames are copied from there and the result is whole again.
    """
    started = time.monotonic()
    model = catalog.video_model(job.engine)
    parts, master_file, video = folder / "windows", folder / "master.mkv", folder / "video.mp4"
    place = Workplace(folder / "engine", None if previous is None else previous / "engine")
    windows = _windows(job, model)
    _claim(parts, place, job)
    patched = previous is not None and job.window is not None
    kinds = ("ffv1",) if patched else ("ffv1", "h264") if master else ("h264",)
    rendered = _render_windows(job, model, windows, parts, place, progress, kinds)
    pieces = {kind: [Piece(_part_file(parts, window, kind)) for window in windows] for kind in kinds}
    if previous is not None and job.window is not None:
        _splice(job, job.window, pieces["ffv1"], previous, folder)
    else:
        concatenate(pieces["h264"], video)
        if master:
            concatenate(pieces["ffv1"], master_file)
    shutil.rmtree(parts, ignore_errors=True)
    progress(1.0, "done")
    start, stop = (0, len(job.signal.track)) if patched else job.frames
    return Rendered(
        master=master_file if "ffv1" in kinds else None,
        video=video,
        frames=stop - start,
        fps=job.fps,
        size=job.size,
        notices=model.notices(job),
        seconds=time.monotonic() - started,
        native_fps=model.fps,
        frames_rendered=rendered,
    )


def _splice(job: RenderJob, window: tuple[int, int], pieces: list[Piece], previous: Path, folder: Path) -> None:
    """Puts new frames into a copy of a finished render: packets of the rest are copied, in mp4 by whole groups."""
    start, stop = window
    old, master = previous / "master.mkv", folder / "master.mkv"
    concatenate([Piece(old, 0, start), *pieces, Piece(old, stop)], master)
    first, last = start - start % GOP, min(len(job.signal.track), stop + -stop % GOP)
    changed = folder / "windows" / "changed.h264.mkv"
    with VideoWriter(changed, job.size, job.fps) as writer:
        for frame in read_frames(master, first, last):
            writer.write(frame[None])
    old = previous / "video.mp4"
    concatenate([Piece(old, 0, first), Piece(changed), Piece(old, last)], folder / "video.mp4")


def _windows(job: RenderJob, model: VideoModel) -> list[tuple[int, int]]:
    """The engine's calls: whole groups of pictures, at most the engine's window long, covering the job's frames."""
    start, stop = job.frames
    longest = longest_window(model, job)
    if longest is None:
        return [(start, stop)]
    length = max(GOP, longest // GOP * GOP)
    return [(first, min(first + length, stop)) for first in range(start, stop, length)]


def _part_file(parts: Path, window: tuple[int, int], kind: str) -> Path:
    return parts / f"{window[0]:06d}-{window[1]:06d}.{kind}.mkv"


def _claim(parts: Path, place: Workplace, job: RenderJob) -> None:
    """Makes `parts` and the engine's place this job's; what another job left there is thrown away."""
    mark = parts / "job"
    digest = job.digest.encode()
    if not (mark.is_file() and mark.read_bytes() == digest):
        shutil.rmtree(parts, ignore_errors=True)
        shutil.rmtree(place.folder, ignore_errors=True)
        write_atomic(mark, digest)


def _render_windows(
    job: RenderJob,
    model: VideoModel,
    windows: list[tuple[int, int]],
    parts: Path,
    place: Workplace,
    progress: Progress,
    kinds: tuple[str, ...],
) -> int:
    """Renders the windows that `parts` lacks, encoding each while the next is rendered. Returns frames rendered."""
    total = sum(stop - start for start, stop in windows)
    done = rendered = 0
    waiting: list[Future[None]] = []
    with ThreadPoolExecutor(max_workers=2) as encoders:
        try:
            for start, stop in windows:
                count = stop - start
                files = [_part_file(parts, (start, stop), kind) for kind in kinds]
                if not all(file.is_file() for file in files):
                    share = _part(progress, done / total, (done + count) / total)
                    video = render_delivered(model, job.with_window(start, stop), share, place)
                    if len(video) != count:
                        raise FleximoError(f"The engine {job.engine} gave {len(video)} frames; {count} were asked for.")
                    for previous in waiting:
                        previous.result()  # at most one window waits: memory stays bounded
                    waiting = [encoders.submit(_encode, video, file, job) for file in files]
                    rendered += count
                done += count
        finally:
            for previous in waiting:
                previous.result()
    return rendered


def _encode(video: Video, file: Path, job: RenderJob) -> None:
    with VideoWriter(file, job.size, job.fps, lossless=file.name.endswith(".ffv1.mkv")) as writer:
        writer.write(video.frames)


def _part(progress: Progress, start: float, stop: float) -> Progress:
    """The progress of one stage as its share of the whole."""

    def report(fraction: float, message: str = "", /) -> None:
        progress(start + (stop - start) * fraction, message)

    return report


@contextlib.contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    timings[stage] = round(time.monotonic() - started, 4)
