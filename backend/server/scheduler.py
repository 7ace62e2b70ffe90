"""The life of jobs: taken in, queued, run by an engine, ended; and put right again after a crash of anything.

States: queued -> running -> done | failed, running -> canceling -> canceled, and running -> queued where a worker or
the server died. Knows the index, the files and the engine protocol; no HTTP.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backend.jobs.engines import Engine, Event
from backend.jobs.records import CANCELED, DONE, FAILED, LOG_FILE, TASK_FILE, Outcome, Task, discard
from backend.jobs.store import BlobStore, MissingBlobs, sweep_parts
from backend.server.db import CANCELING, QUEUED, RUNNING, JobRow, JobTable
from backend.server.settings import Settings
from fleximo.errors import FleximoError
from fleximo.files import canonical_json

__all__ = ["Scheduler"]

_LOG = logging.getLogger(__name__)
_PROGRESS_EVERY_S = 0.3
_DAY_S = 86_400.0
_MAX_LOG_LINE = 2000
_JUDGED_FROM = 0.02  # progress from which on the rest is estimated
_REAL_PROGRESS = 0.05  # less between two crashes is the same place


class Scheduler:
    """Owns the jobs of one data folder. Its own thread runs them; the other methods may be called from any thread.

    `ring` is called after every change, from any thread, for those who stream events.
    """

    def __init__(self, data: Path, engine: Engine, settings: Settings, ring: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.store = BlobStore(data / "store")
        self.ring = ring
        self._engine = engine
        self._jobs = data / "jobs"
        self._jobs.mkdir(parents=True, exist_ok=True)
        self.store.folder.mkdir(parents=True, exist_ok=True)
        self.table = JobTable(data / "jobs.db")
        self._lock = threading.RLock()  # one change of state at a time
        self._stopping = threading.Event()
        self._current: JobRow | None = None
        self._told_at = self._begun_at = 0.0  # monotonic, for clocks jump
        self._resumed_from = 0.0
        self._thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)

    # --- start and stop

    def start(self) -> None:
        """Puts the index right after whatever happened, then runs jobs."""
        sweep_parts(self._jobs)
        sweep_parts(self.store.folder)
        self._reconcile()
        self.store.collect(self._used_blobs(), older_than_s=self.settings.blob_days * _DAY_S)
        self._thread.start()

    def stop(self) -> None:
        """Takes no new job, ends the worker and leaves the running job queued, for the next start."""
        self._stopping.set()
        self._engine.wake()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._engine.close()
        with self._lock:
            self._take_orphans()
        self.table.close()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def worker_starts(self) -> int:
        return self._engine.starts

    def _reconcile(self) -> None:
        """Makes the index say what the files say: an outcome is the end of a job, without one it is queued."""
        seen = set()
        tasks = []
        for folder in sorted(self._jobs.iterdir()):
            if folder.name.startswith(".") or not (folder / TASK_FILE).is_file():
                discard(folder)  # removed, or never acknowledged
                continue
            try:
                tasks.append(Task.load(folder / TASK_FILE))
            except FleximoError as error:
                _LOG.warning("left out: %s", error)
        for task in sorted(tasks, key=lambda task: task.number):
            seen.add(task.id)
            row = self.table.get(task.id)
            if row is None:
                self._insert(task)
                row = self.table.get(task.id)
            outcome = Outcome.load(task.folder)
            state = row.state if row else QUEUED
            if outcome is not None and outcome.state != state:
                self._end(task.id, outcome)
            elif outcome is None and state == DONE:
                remedy = "Try it again to make them anew."
                self._end(task.id, self._failed("result_lost", "The files of the result are gone.", remedy))
            elif outcome is None and state in (FAILED, CANCELED):  # killed within a retry
                self.table.set_state(task.id, QUEUED, error=None, finished=None)
        for row in self.table.jobs(limit=-1):
            if row.id not in seen:
                self.table.delete(row.id)

    def _take_orphans(self) -> None:
        """Jobs that were running when the server or an earlier step died; this never counts as a crash of theirs."""
        for row in self.table.jobs(state=CANCELING, limit=-1):
            self._end(row.id, Outcome(CANCELED, finished=time.time()))
        for row in self.table.jobs(state=RUNNING, limit=-1):
            self.table.set_state(row.id, QUEUED)

    def _used_blobs(self) -> set[str]:
        return {blob for row in self.table.jobs(limit=-1) for blob in self._task(row.id).blobs}

    # --- what clients ask for

    def folder(self, job: str) -> Path:
        return self._jobs / job

    def _task(self, job: str) -> Task:
        return Task.load(self.folder(job) / TASK_FILE)

    def row(self, job: str) -> JobRow:
        """Raises `FleximoError` (`unknown_job`)."""
        row = self.table.get(job)
        if row is None:
            raise FleximoError(f"There is no job {job}.", code="unknown_job")
        return row

    def submit(self, job: str, kind: str, label: str, request: dict[str, Any], blobs: tuple[str, ...]) -> bool:
        """Takes a job in; True if it is new, False if the same was taken in before.

        Raises `FleximoError`: `other_request` (the id is taken), `missing_blobs`, `queue_full`, `no_space`,
        `unknown_previous`.
        """
        digest = hashlib.sha256(canonical_json([kind, label, request])).hexdigest()
        with self._lock:
            known = self.table.get(job)
            if known is not None:
                if known.digest != digest:
                    raise FleximoError(
                        f"The job {job} exists with another request.", code="other_request", remedy="Use a new id."
                    )
                return False
            self._check_blobs(blobs)
            if self.table.count(QUEUED) >= self.settings.queued_jobs:
                raise FleximoError(
                    f"{self.settings.queued_jobs} jobs wait already.", code="queue_full", remedy="Try again later."
                )
            previous = self._previous(request) if kind == "render" else None
            if kind == "check":
                self._check_render(request["job"])
            self.check_space(self._estimated_bytes(request) if kind == "render" else 0)
            number = self.table.next_number()
            task = Task(
                job, kind, request, self.folder(job), self.store.folder, number, time.time(), label, blobs, previous
            )
            task.folder.mkdir(exist_ok=True)
            task.save()
            self._insert(task)
        self._changed()
        return True

    def _insert(self, task: Task) -> None:
        digest = hashlib.sha256(canonical_json([task.kind, task.label, dict(task.request)])).hexdigest()
        number = max(task.number, self.table.next_number())
        self.table.insert(
            task.id, number=number, kind=task.kind, label=task.label, digest=digest, submitted=task.submitted
        )
        self.log(task.id, "taken in")

    def _check_blobs(self, blobs: tuple[str, ...]) -> None:
        missing = [digest for digest in blobs if self.store.size(digest) is None]
        if missing:
            raise MissingBlobs(missing)

    def _previous(self, request: dict[str, Any]) -> str | None:
        """The job whose master the render changes."""
        wanted = request["job"]["previous"]
        if wanted is None or request["job"]["window"] is None:
            return None
        for row in self.table.jobs(state=DONE, limit=-1):
            if row.files.get("master", {}).get("sha256") == wanted:
                return row.id
        raise FleximoError(
            "The render that this job changes is not on this server.",
            code="unknown_previous",
            remedy="Render the whole take again.",
        )

    def _check_render(self, job: str) -> None:
        """Raises `FleximoError` (`unknown_render`) unless `job` is a finished render."""
        row = self.table.get(job)
        if row is None or row.kind != "render" or row.state != DONE:
            raise FleximoError(
                f"There is no finished render {job} on this server.",
                code="unknown_render",
                remedy="Render the take first, or again.",
            )

    def _estimated_bytes(self, request: dict[str, Any]) -> int:
        """Most that a render takes on disk; raises `FleximoError` (`too_much_work`) above the limits.

        A pose track holds 128 points of 16 bytes a frame, unpacked.
        """
        document, limits = request["job"], self.settings
        width, height = document["framing"]["canvas_size"]
        if document["window"] is not None:
            frames = max(0, document["window"][1] - document["window"][0])
        else:
            frames = (self.store.size(document["blobs"]["pose_track"]) or 0) // 2048 + 1
        if frames > limits.frames or frames * width * height > limits.pixel_frames:
            raise FleximoError(
                f"{frames} frames of {width}x{height} are more than this server renders in one job: at most "
                f"{limits.frames} frames and {limits.pixel_frames / 1e9:g} gigapixels in all.",
                code="too_much_work",
                remedy="Render it in parts, or smaller.",
            )
        renders = 1 + request.get("refine", 0)
        return 3 * renders * int(frames * width * height)  # pieces and master, each at most half of the raw frames

    def check_space(self, wanted: int) -> None:
        """Raises `FleximoError` (`no_space`) if the disk would have less than the reserve left."""
        free = shutil.disk_usage(self._jobs).free
        if free - wanted < self.settings.reserve_bytes:
            raise FleximoError(
                f"The disk of {self._jobs.parent} has {free / 1e6:.0f} MB free; this needs {wanted / 1e6:.0f} MB and "
                f"{self.settings.reserve_bytes / 1e6:.0f} MB must stay free.",
                code="no_space",
                remedy="Make room, or delete jobs.",
            )

    def cancel(self, job: str) -> JobRow:
        """Stops a job; one that has ended stays as it is."""
        with self._lock:
            row = self.row(job)
            if row.state == QUEUED:
                self._end(job, Outcome(CANCELED, finished=time.time()))
            elif row.state == RUNNING:
                self.table.set_state(job, CANCELING)
                self._engine.cancel(job, row.attempt)
        self._changed()
        return self.row(job)

    def retry(self, job: str) -> JobRow:
        """Queues a failed or canceled job again; what it has finished is used.

        Raises `FleximoError`: `wrong_state`, `missing_blobs`.
        """
        with self._lock:
            row = self.row(job)
            if row.state not in (FAILED, CANCELED):
                raise FleximoError(
                    f"The job is {row.state}; only a failed or canceled one can be tried again.", code="wrong_state"
                )
            self._check_blobs(self._task(job).blobs)
            Outcome.forget(self.folder(job))
            values = {"crashes": 0, "crashed_at": -1.0, "fraction": 0.0, "message": "", "error": None, "finished": None}
            self.table.set_state(job, QUEUED, **values)
            self.log(job, "queued again")
        self._changed()
        return self.row(job)

    def delete(self, job: str) -> None:
        """Removes an ended or queued job and its files; raises `wrong_state` for a running one."""
        with self._lock:
            row = self.row(job)
            if row.state in (RUNNING, CANCELING):
                raise FleximoError(f"The job is {row.state}.", code="wrong_state", remedy="Cancel it first.")
            discard(self.folder(job))
            self.table.delete(job)
        self._changed()

    def log(self, job: str, message: str) -> None:
        """Adds a line to the log of the job."""
        line = {"at": round(time.time(), 3), "level": "info", "message": message[:_MAX_LOG_LINE]}
        with (self.folder(job) / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    # --- the thread that runs jobs

    def _changed(self) -> None:
        self._engine.wake()
        self.ring()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception:  # a full disk or a locked file must not end the queue
                _LOG.exception("The scheduler goes on after an error")
                self._stopping.wait(1.0)

    def _step(self) -> None:
        with self._lock:
            if self._current is None and not self._stopping.is_set():
                self._claim()
        event = self._engine.next_event(1.0)
        if event is None:
            return
        with self._lock:
            current = self._current
            if current is None or (current.id, current.attempt) != (event.job, event.attempt):
                return  # the words of an attempt that counts no more
            if event.kind in (DONE, FAILED, CANCELED, "lost"):
                self._current = None
            self._take(self.row(event.job), event)
        self.ring()

    def _claim(self) -> None:
        """Starts the oldest queued job, if any and if the disk has room to work on."""
        self._take_orphans()
        if not self.table.count(QUEUED) or shutil.disk_usage(self._jobs).free < self.settings.reserve_bytes // 4:
            return
        row = self.table.claim()
        if row is None:
            return
        self._told_at, self._begun_at, self._resumed_from = 0.0, time.monotonic(), row.fraction
        try:
            self.log(row.id, f"attempt {row.attempt} begins")
            self._engine.start(self._task(row.id), row.attempt)
            self._current = row
        except (FleximoError, OSError) as error:
            self._end(row.id, self._failed("worker_lost", f"The worker cannot be started: {error}"))
        self.ring()

    def _take(self, row: JobRow, event: Event) -> None:
        """One event of the running attempt."""
        if event.kind == "progress":
            self._take_progress(row, float(event.detail["fraction"]), str(event.detail["message"]))
        elif event.kind == "canceled" or (event.kind == "lost" and row.state == CANCELING):
            self._end(row.id, Outcome(CANCELED, finished=time.time()))
        elif event.kind in (DONE, FAILED):
            outcome = Outcome.load(self.folder(row.id))
            self._end(row.id, outcome or self._failed("internal_error", "The result of the job is not on the disk."))
        elif event.kind == "lost":
            self._take_loss(row, event)

    def _take_progress(self, row: JobRow, fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - self._told_at < _PROGRESS_EVERY_S and fraction < 1.0:
            return
        self._told_at = now
        gained = fraction - self._resumed_from
        eta_s = round((now - self._begun_at) * (1.0 - fraction) / gained, 1) if gained > _JUDGED_FROM else None
        self.table.set_progress(row.id, max(fraction, row.fraction), message, eta_s)

    def _take_loss(self, row: JobRow, event: Event) -> None:
        """The worker died: again from the last finished window, unless it always dies at the same place."""
        crashes = 1 if row.fraction >= row.crashed_at + _REAL_PROGRESS else row.crashes + 1
        where = f"at {100 * row.fraction:.0f} %" if event.begun else "before it began"
        self.log(row.id, f"the worker died {where} ({event.detail['cause']}), crash {crashes}")
        if crashes < self.settings.crash_limit:
            self.table.set_state(row.id, QUEUED, crashes=crashes, crashed_at=row.fraction)
            return
        self._end(
            row.id,
            self._failed(
                "worker_lost",
                f"The worker died {crashes} times {where} ({event.detail['cause']}; {row.message or 'no message'}).",
                "See worker.log in the data folder; a smaller size needs less memory.",
            ),
        )

    @staticmethod
    def _failed(code: str, message: str, remedy: str = "") -> Outcome:
        return Outcome(FAILED, {}, {"code": code, "message": message, "remedy": remedy}, time.time())

    def _end(self, job: str, outcome: Outcome) -> None:
        """Files first, then the index: a crash in between is put right at the next start."""
        folder = self.folder(job)
        if Outcome.load(folder) != outcome:
            with contextlib.suppress(FleximoError):  # on a full disk the index alone knows it
                outcome.save(folder)
        values: dict[str, Any] = {"error": outcome.error, "finished": outcome.finished, "eta_s": None}
        if outcome.state == DONE:
            values["fraction"] = 1.0
        files = {role: asdict(file) for role, file in outcome.files.items()}
        self.table.set_state(job, outcome.state, files=files, **values)
        self.log(job, outcome.state)
