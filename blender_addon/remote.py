"""What the worker thread does with the render server: detect, render, start and stop it. Never imports bpy.

Functions that take `report` are generators: they yield while they wait, so that other work gets its turn.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from fleximo.camera import Framing
from fleximo.client import Client, JobStatus
from fleximo.data_folder import ServerAddress
from fleximo.errors import Cancelled, FleximoError, Notice
from fleximo.files import write_atomic
from fleximo.job import RenderJob
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.pose_track import PoseTrack
from fleximo.self_check import SelfCheck

from . import server_process
from .session import Report

__all__ = [
    "Greeting",
    "Order",
    "Rendered",
    "changing",
    "collect",
    "cut_puppet",
    "detect",
    "greeting",
    "is_seeded",
    "motion",
    "order",
    "plan",
    "render",
    "self_check",
    "start_server",
    "stop_server",
]

_ASK_EVERY_S = 0.2
_ASK_QUEUED_S = 1.0  # while others are before it
_LOOK_EVERY_S = 1.0  # at the picture of a render
_PATIENCE_S = 120.0  # without an answer of the server, which a busy computer is slow to start again
_START_S = 60.0
_DOWNLOAD_SHARE = 0.05  # of the progress bar, at its end

Points = Mapping[str, tuple[float, float] | None]  # key point -> px of the photo, None: not in it
Waiting = Generator[None, None, JobStatus]
Answer = TypeVar("Answer")


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


@dataclass(frozen=True)
class Greeting:
    """Who serves the data folder, and with what."""

    version: str
    address: str  # host:port
    offer: Mapping[str, Any]  # the server's models and weights

    @property
    def told(self) -> str:
        return f"Fleximo {self.version} at {self.address}"


def greeting(folder: Path) -> Greeting:
    """Who serves the data folder; raises `FleximoError` where nobody does."""
    client = _connect(folder)
    version = str(client.check().get("version", "?"))
    return Greeting(version, f"{client.address.host}:{client.address.port}", client.offer())


def is_seeded(folder: Path, engine: str) -> bool:
    """Whether another seed gives another picture by that engine; True for one that the server does not tell of."""
    rows = _connect(folder).models()
    return all(row.get("seeded", True) for row in rows if row["stage"] == "video" and row["name"] == engine)


def _connect(folder: Path) -> Client:
    try:
        return Client.from_data_folder(folder)
    except FleximoError as error:
        if error.code != "server_not_running":
            raise
        raise FleximoError(error.message, code=error.code, remedy="Press Start in the panel Server.") from None


def _asked(folder: Path, ask: Callable[[Client], Answer], report: Report) -> Generator[None, None, Answer]:
    """The answer of `ask`, asked again where a server that has ended is being started again."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask(_connect(folder))
        except FleximoError as error:
            if error.code != "server_not_running" or time.monotonic() > deadline or not _has_address(folder):
                raise
        report(0.0, "Waiting for the server")
        yield


def _has_address(folder: Path) -> bool:
    """Whether a server is named there: one that ended by itself takes its name away."""
    try:
        ServerAddress.read(folder)
    except FleximoError:
        return False
    return True


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


def _ended(
    folder: Path,
    job: str,
    report: Report,
    share: float,
    onlooker: Callable[[Client, JobStatus], None] | None = None,
    begin: float = 0.0,
) -> Waiting:
    """Waits for a job, telling its progress as `begin` and up to `share` more; passes a cancel on to the server.

    Goes on if the server is started again meanwhile. Returns the job done; raises its error.
    """
    client: Client | None = None
    deadline = time.monotonic() + _PATIENCE_S
    ask_at = 0.0
    cancelled = False
    while True:
        try:
            if report.leaving:
                raise Cancelled
            if client is None:
                client = _connect(folder)
            if report.stopping and not cancelled:
                client.cancel(job)
                cancelled, ask_at = True, 0.0
            if time.monotonic() >= ask_at:
                status = client.job(job)
                ask_at = time.monotonic() + (_ASK_QUEUED_S if status.position else _ASK_EVERY_S)
                deadline = time.monotonic() + _PATIENCE_S
                if status.ended:
                    return _done(status)
                if not cancelled:
                    report.tell(begin + share * status.fraction, _told(status))
                    if onlooker is not None:
                        onlooker(client, status)
        except FleximoError as error:
            if error.code != "server_not_running" or time.monotonic() > deadline:
                raise
            client = None  # it may have been started again, at another port
        yield


def _told(status: JobStatus) -> str:
    if status.state == "queued":
        return f"Waiting behind {status.position} others" if status.position else "Waiting for the server"
    left = f", {status.eta_s:.0f} s left" if status.eta_s and status.eta_s >= 1 else ""
    return f"{status.fraction:.0%} {status.message}{left}"


def _done(status: JobStatus) -> JobStatus:
    if status.state == "canceled":
        raise Cancelled
    if status.state == "failed":
        raise status.error or FleximoError("The server's job failed without a reason.", code="job_failed")
    return status


def detect(
    folder: Path,
    photo: bytes,
    report: Report,
    *,
    points: Points | None = None,
    choose: int | None = None,
    stature_m: float | None = None,
    lens_degrees: float | None = None,
) -> Generator[None, None, Person]:
    """The person in the photo, found by the server; by `points` placed by hand, or the one of several chosen."""
    report(0.0, "Sending the photo")
    yield
    client = _connect(folder)
    job = str(uuid.uuid4())
    marks = None if points is None else {name: None if at is None else list(at) for name, at in points.items()}
    request = {"kind": "detect", "photo": client.upload(photo), "points": marks, "choose": choose}
    known = {"stature_m": stature_m, "lens_degrees": lens_degrees}
    client.submit(request | {name: value for name, value in known.items() if value is not None}, job)
    yield from _ended(folder, job, report, share=1.0)
    return Person.from_json(json.loads(client.result(job)))


def plan(folder: Path, text: str, planner: str, motion_model: str, report: Report) -> Generator[None, None, MotionPlan]:
    """The plan that the server's `planner` makes of `text` for that motion model."""
    report(0.0, "Asking the language model")
    yield
    client = _connect(folder)
    job = str(uuid.uuid4())
    client.submit({"kind": "plan", "text": text, "planner": planner, "motion_model": motion_model}, job)
    yield from _ended(folder, job, report, share=1.0)
    return MotionPlan.from_json(json.loads(client.result(job)))


def motion(
    folder: Path,
    model: str,
    settings: Mapping[str, Any],
    plan: MotionPlan,
    fps: float,
    report: Report,
    part: tuple[float, float] = (0.0, 1.0),
) -> Generator[None, None, tuple[Motion, tuple[Notice, ...]]]:
    """What the server's motion model makes of `plan`, and what is told of it; `part` of the progress bar."""
    begin, share = part[0], part[1] - part[0]
    report(begin, f"Asking {model}")
    yield
    client = _connect(folder)
    job = str(uuid.uuid4())
    by = {"motion_model": model, "motion_settings": dict(settings)}
    document = replace(plan, notices=()).to_json()
    client.submit({"kind": "motion", "plan": document, "fps": fps, **by}, job)
    yield from _ended(folder, job, report, share, begin=begin)
    client = _connect(folder)
    played = MotionPlan.from_json(json.loads(client.result(job, "plan")))
    return Motion.from_bytes(client.result(job, "motion")), played.notices


def cut_puppet(
    folder: Path, photo: bytes, person: Person, framing: Framing, report: Report
) -> Generator[None, None, bytes]:
    """The npz of the person cut out of the photo, made by the server."""
    report(0.0, "Sending the photo")
    yield
    client = _connect(folder)
    job = str(uuid.uuid4())
    client.submit(client.puppet_request(photo, person, framing), job)
    yield from _ended(folder, job, report, share=1.0)
    return client.result(job)


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
    placed = Order(str(uuid.uuid4()), target / next_version(target, stem))
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
        yield from _asked(folder, submit, report)
    except BaseException:
        placed.track.unlink()
        raise
    return placed


def collect(folder: Path, placed: Order, report: Report) -> Generator[None, None, Rendered]:
    """Waits for a render that was asked for and saves its video and master beside its pose track."""
    onlooker = _Onlooker(report)
    try:
        done = yield from _ended(folder, placed.job, report, 1.0 - _DOWNLOAD_SHARE, onlooker)
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

    document = yield from _asked(folder, fetch, report)
    frames = len(PoseTrack.load(placed.track))
    ranges = tuple((start, stop) for start, stop in document.get("ranges", ()))
    count, told = _of_report(document, frames)
    refinement = _said(document, _REFINED)
    digest, seconds = done.files["master"], onlooker.seconds
    return Rendered(placed.job, digest, frames, video, master, placed.track, told, count, seconds, ranges, refinement)


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


def self_check(folder: Path, render: str, every: int, report: Report) -> Generator[None, None, SelfCheck]:
    """How far the frames of a finished render are from what was asked for; of every n-th one, 0: as is usual."""
    report(0.0, "Asking the server")
    yield
    client = _connect(folder)
    job = str(uuid.uuid4())
    client.submit({"kind": "check", "job": render, "every": every or None}, job)
    yield from _ended(folder, job, report, share=1.0)
    client = _connect(folder)
    return SelfCheck.from_json(json.loads(client.result(job)))


def next_version(folder: Path, stem: str) -> str:
    """`stem` with the next free number: Take_1_003."""
    pattern = re.compile(re.escape(stem) + r"_(\d+)\.")
    found = [int(match[1]) for path in folder.glob("*") if (match := pattern.match(path.name))]
    return f"{stem}_{max(found, default=0) + 1:03d}"


def start_server(
    given: str, folder: Path, log: Path, environment: Mapping[str, str], report: Report
) -> Generator[None, None, Greeting]:
    """Starts the server unless it runs, and waits until it answers; returns its greeting."""
    try:
        return greeting(folder)
    except FleximoError:
        report(0.0, "Starting the server")
        yield
    child = server_process.launch(server_process.find_command(given, folder), folder, log, environment)
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return greeting(folder)
        except FleximoError as error:
            said = server_process.log_tail(log)
            if child.poll() is not None:
                raise FleximoError(
                    f"The server ended at once (code {child.returncode}). It said: {said or 'nothing'}",
                    code="server_did_not_start",
                    remedy=f"Its whole log is {log}.",
                ) from None
            if time.monotonic() > deadline:
                raise FleximoError(
                    f"The server has not answered for {_START_S:.0f} s: {error.message}",
                    code="server_did_not_start",
                    remedy=f"Its log is {log}.",
                ) from None
        report(0.5, "Waiting for the server")
        yield


def stop_server(folder: Path) -> str:
    """Ends the server of the data folder, if one answers there."""
    client = _connect(folder)
    server_process.end(ServerAddress.read(folder).pid)
    return f"The server at {client.address.host}:{client.address.port} has ended."
