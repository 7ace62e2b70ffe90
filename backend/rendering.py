"""One render job to files: the engine called window by window, encoded, and put between the frames that stay.

What is finished is kept, so that the same call after a kill or a cancel goes on where it stopped. Knows files and
windows; which frames a change concerns is told by `changed`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from backend import catalog
from backend.media import GOP, Piece, VideoWriter, concatenate, read_frames
from backend.retime import longest_window, render_delivered
from backend.seams import Border
from backend.stages import Progress, VideoModel, Workplace, silent
from fleximo.errors import FleximoError, Notice
from fleximo.files import canonical_json, write_atomic
from fleximo.job import RenderJob
from fleximo.video import Video

__all__ = ["Range", "Rendered", "render_job", "share_of"]

Range = tuple[int, int]  # frames [start, stop)


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
    ranges: tuple[Range, ...] = ()  # of a changed render: what was rendered again
    borders: tuple[Border, ...] = ()  # how their edges lie against the frames that stayed


def render_job(
    job: RenderJob,
    folder: Path,
    progress: Progress = silent,
    *,
    previous: Path | None = None,
    ranges: Sequence[Range] | None = None,
    master: bool = True,
) -> Rendered:
    """Renders `job` into `folder` as `master.mkv` (unless `master` is False) and `video.mp4`, window by window.

    If the job has a window and `previous` is the folder of the finished render that it changes, all other frames are
    copied from there and the result is whole again; `ranges`, sorted and apart, are rendered instead of the window.
    """
    started = time.monotonic()
    model = catalog.video_model(job.engine)
    parts, master_file, video = folder / "windows", folder / "master.mkv", folder / "video.mp4"
    patched = previous is not None and job.window is not None
    wanted = tuple(ranges) if ranges is not None and patched else (job.frames,)
    _claim(folder, job, wanted)
    kinds = ("ffv1",) if patched else ("ffv1", "h264") if master else ("h264",)
    windows = [window for each in wanted for window in _windows(each, model, job)]
    places = _places(folder, previous, wanted)
    rendered = _render_windows(job, model, windows, parts, places, progress, kinds)
    pieces = {kind: [Piece(_part_file(parts, window, kind)) for window in windows] for kind in kinds}
    if previous is not None and patched:
        _splice(job, wanted, list(zip(windows, pieces["ffv1"])), previous, folder)
        _keep_for_later(previous / "engine", folder / "engine")
    else:
        concatenate(pieces["h264"], video)
        if master:
            concatenate(pieces["ffv1"], master_file)
    progress(1.0, "done")  # may raise, and then the parts are needed once more
    shutil.rmtree(parts, ignore_errors=True)
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
        ranges=wanted if patched else (),
    )


def _places(folder: Path, previous: Path | None, ranges: Sequence[Range]) -> dict[Range, Workplace]:
    """Where the engine works on each range: each goes on from what the one before it has made of the clip."""
    places: dict[Range, Workplace] = {}
    before = None if previous is None else previous / "engine"
    for each in ranges:
        here = folder / "engine" if each == ranges[-1] else folder / "windows" / f"engine-{each[0]:06d}"
        places[each] = Workplace(here, before)
        before = here
    return places


def _keep_for_later(old: Path, new: Path) -> None:
    """What the former render's engine kept and this one did not make anew: another engine's, for the next change."""
    if not old.is_dir():
        return
    for file in old.rglob("*"):
        copy = new / file.relative_to(old)
        if file.is_file() and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


def _splice(
    job: RenderJob, ranges: Sequence[Range], pieces: Sequence[tuple[Range, Piece]], previous: Path, folder: Path
) -> None:
    """Puts new frames into a copy of a finished render: packets of the rest are copied, in mp4 by whole groups."""
    old, master, count = previous / "master.mkv", folder / "master.mkv", len(job.signal.track)
    joined, reached = [], 0
    for (start, stop), piece in pieces:
        joined += [Piece(old, reached, start), piece]
        reached = stop
    concatenate([*joined, Piece(old, reached)], master)
    old, joined, reached = previous / "video.mp4", [], 0
    for number, (first, last) in enumerate(_whole_groups(ranges, count)):
        changed = folder / "windows" / f"changed-{number}.h264.mkv"
        with VideoWriter(changed, job.size, job.fps) as writer:
            for frame in read_frames(master, first, last):
                writer.write(frame[None])
        joined += [Piece(old, reached, first), Piece(changed)]
        reached = last
    concatenate([*joined, Piece(old, reached)], folder / "video.mp4")


def _whole_groups(ranges: Sequence[Range], count: int) -> list[Range]:
    """The groups of pictures that the ranges touch, neighbours as one."""
    groups: list[Range] = []
    for start, stop in ranges:
        first, last = start - start % GOP, min(count, stop + -stop % GOP)
        if groups and first <= groups[-1][1]:
            groups[-1] = (groups[-1][0], last)
        else:
            groups.append((first, last))
    return groups


def _windows(frames: Range, model: VideoModel, job: RenderJob) -> list[Range]:
    """The engine's calls: whole groups of pictures, at most the engine's window long, covering the frames."""
    start, stop = frames
    longest = longest_window(model, job)
    if longest is None:
        return [(start, stop)]
    length = max(GOP, longest // GOP * GOP)
    return [(first, min(first + length, stop)) for first in range(start, stop, length)]


def _part_file(parts: Path, window: Range, kind: str) -> Path:
    return parts / f"{window[0]:06d}-{window[1]:06d}.{kind}.mkv"


def _claim(folder: Path, job: RenderJob, ranges: Sequence[Range]) -> None:
    """Makes the folder's parts and the engine's place this job's; what another job left there is thrown away."""
    mark = folder / "windows" / "job"
    digest = canonical_json({"job": job.digest, "ranges": [list(each) for each in ranges]})
    if not (mark.is_file() and mark.read_bytes() == digest):
        shutil.rmtree(folder / "windows", ignore_errors=True)
        shutil.rmtree(folder / "engine", ignore_errors=True)
        write_atomic(mark, digest)


def _render_windows(
    job: RenderJob,
    model: VideoModel,
    windows: Sequence[Range],
    parts: Path,
    places: dict[Range, Workplace],
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
                    share = share_of(progress, done / total, (done + count) / total)
                    place = next(place for (low, high), place in places.items() if low <= start < high)
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


def share_of(progress: Progress, start: float, stop: float) -> Progress:
    """The progress of one stage as its share of the whole."""

    def report(fraction: float, message: str = "", /) -> None:
        progress(start + (stop - start) * fraction, message)

    return report
