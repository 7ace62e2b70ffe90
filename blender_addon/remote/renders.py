"""Videos of the server: asking for one, looking on while it grows, and saving it as the next version."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fleximo.client import Client, JobStatus
from fleximo.errors import Cancelled, FleximoError
from fleximo.files import write_atomic
from fleximo.job import RenderJob
from fleximo.pose_track import PoseTrack

from ..session import Report
from .waiting import asked, ended

__all__ = ["Order", "Rendered", "changing", "collect", "order", "render"]

_LOOK_EVERY_S = 1.0  # at the picture of a render
_DOWNLOAD_SHARE = 0.05  # of the progress bar, at its end


@dataclass(frozen=True)
class Rendered:
    """A finished render on this computer."""

    job: str  # the server's id
    master_digest: str  # by which a later render names this one
    frames: int
    video: Path
    master: Path
    track: Path  # what the engine saw, to find later what changed
    told: str  # what was rendered, for the user
    rendered: int  # frames that were rendered, not copied, of all passes together
    seconds: float  # how long the server took for them; 0: not known
    ranges: tuple[tuple[int, int], ...] = ()  # which frames [start, stop) were rendered; none: all
    refinement: str = ""  # what refining brought, in a sentence; empty where it was not asked for


@dataclass(frozen=True)
class Order:
    """A render that the server was asked for: all that is needed to fetch it, also after a new start of Blender."""

    job: str  # the server's id
    path: Path  # of its files, without their endings; the pose track lies there already

    @property
    def track(self) -> Path:
        return self.path.with_suffix(".pose_track.npz")


def changing(job: RenderJob, window: tuple[int, int], master_digest: str) -> RenderJob:
    """`job` as a change of the frames [start, stop) of the render with that master."""
    return replace(job, window=window, previous=master_digest)


def render(
    folder: Path, job: RenderJob, target: Path, stem: str, label: str, report: Report, *, or_whole: bool = True
) -> Generator[None, None, Rendered]:
    """Renders `job` and saves video, master and pose track as the next version of `stem` in `target`."""
    placed = yield from order(folder, job, target, stem, label, report, or_whole=or_whole)
    return (yield from collect(folder, placed, report))


def order(
    folder: Path,
    job: RenderJob,
    target: Path,
    stem: str,
    label: str,
    report: Report,
    *,
    or_whole: bool = True,
    refine: bool = False,
) -> Generator[None, None, Order]:
    """Asks the server for `job`, whose files shall be the next version of `stem` in `target`; saves its pose track.

    Where the server no longer has the render that `job` changes, the whole is asked for, unless `or_whole` is False.
    `refine` is for whole renders; a change is not refined.
    """
    report(0.0, "Sending the take")
    yield
    placed = Order(str(uuid.uuid4()), target / _next_version(target, stem))
    write_atomic(placed.track, job.signal.track.to_bytes())

    def submit(client: Client) -> None:
        try:
            client.submit_render(job, placed.job, label, refine=int(refine and job.window is None))
        except FleximoError as error:
            if job.previous is None or error.code != "unknown_previous" or not or_whole:
                raise
            whole = replace(job, window=None, previous=None)
            client.submit_render(whole, placed.job, label, refine=int(refine))

    try:
        yield from asked(folder, submit, report)
    except BaseException:
        placed.track.unlink()
        raise
    return placed


def _next_version(folder: Path, stem: str) -> str:
    """`stem` with the next free number: Take_1_003."""
    pattern = re.compile(re.escape(stem) + r"_(\d+)\.")
    found = [int(match[1]) for path in folder.glob("*") if (match := pattern.match(path.name))]
    return f"{stem}_{max(found, default=0) + 1:03d}"


def collect(folder: Path, placed: Order, report: Report) -> Generator[None, None, Rendered]:
    """Waits for a render that was asked for and saves its video and master beside its pose track."""
    onlooker = _Onlooker(report)
    try:
        done = yield from ended(folder, placed.job, report, 1.0 - _DOWNLOAD_SHARE, onlooker)
    except Cancelled:
        if not report.leaving:
            placed.track.unlink(missing_ok=True)
        raise
    report.tell(1.0 - _DOWNLOAD_SHARE, "Fetching the video")
    yield
    master, video = placed.path.with_suffix(".mkv"), placed.path.with_suffix(".mp4")

    def fetch(client: Client) -> dict[str, Any]:
        client.download(placed.job, master, "master")
        client.download(placed.job, video, "video")
        document: dict[str, Any] = json.loads(client.result(placed.job, "report"))
        return document

    document = yield from asked(folder, fetch, report)
    frames = len(PoseTrack.load(placed.track))
    ranges = tuple((start, stop) for start, stop in document.get("ranges", ()))
    count, told = _of_report(document, frames)
    refinement = _said(document, _REFINED)
    digest, seconds = done.files["master"], onlooker.seconds
    return Rendered(placed.job, digest, frames, video, master, placed.track, told, count, seconds, ranges, refinement)


class _Onlooker:
    """Sees a render grow: passes its pictures on, and notes how long it has been at work."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._began: float | None = None
        self._looked = -_LOOK_EVERY_S

    def __call__(self, client: Client, status: JobStatus) -> None:
        now = time.monotonic()
        if status.state != "running":
            return
        self._began = now if self._began is None else self._began
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            picture = client.preview(status.id)
            if picture is not None:
                self._report.picture(picture)

    @property
    def seconds(self) -> float:
        """Since the job was first seen running; 0 if it never was."""
        return 0.0 if self._began is None else time.monotonic() - self._began


_TOLD = ("rendered_whole", "drawn_wider", "border_shows", "rendered_alone")  # notices of what was rendered
_REFINED = ("refined", "not_refined", "refined_nobody")


def _of_report(document: Mapping[str, Any], frames: int) -> tuple[int, str]:
    """How many frames were rendered of a clip of `frames`, in all passes, and what is to be told of it."""
    count = sum(stop - start for start, stop in document.get("ranges", [])) or frames
    said = " ".join(each for each in (_said(document, _TOLD), _said(document, _REFINED)) if each)
    shown = f"{count} of {frames}" if count < frames else f"{frames}"
    renders = 1 + len(document.get("refinement", ()))
    return count * renders, f"{said} {shown} frames rendered:".strip()


def _said(document: Mapping[str, Any], codes: Collection[str]) -> str:
    """The sentences of a report's notices of these codes."""
    return " ".join(notice["message"] for notice in document.get("notices", ()) if notice["code"] in codes)
