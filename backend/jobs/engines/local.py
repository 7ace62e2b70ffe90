"""One worker process on this machine: started at the first task, kept warm, killed where it does not obey.

Knows processes and JSON lines; the scheduler decides what runs and what happens after a loss.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import backend
from backend.jobs.engines import Event
from backend.jobs.records import TASK_FILE, Task
from fleximo.system import hidden_process_flags

__all__ = ["LocalEngine"]

_ENDINGS = ("done", "failed", "canceled")
_TICK_S = 0.25


class LocalEngine:
    """See `Engine`. `cancel_grace_s`: from asking to killing; `silence_s`: a worker that says nothing so long hangs."""

    def __init__(self, data: Path, *, cancel_grace_s: float = 5.0, silence_s: float = 30.0) -> None:
        self._data = data
        self._cancel_grace_s = cancel_grace_s
        self._silence_s = silence_s
        self._inbox: queue.Queue[tuple[_Worker, dict[str, Any] | None] | None] = queue.Queue()
        self._worker: _Worker | None = None
        self._lock = threading.Lock()
        self._running: tuple[str, int] | None = None
        self._begun = False
        self._kill_at = float("inf")
        self._heard_at = 0.0
        self.starts = 0  # worker processes started so far

    @property
    def worker_pid(self) -> int | None:
        worker = self._worker
        return worker.process.pid if worker else None

    def start(self, task: Task, attempt: int) -> None:
        with self._lock:
            self._running, self._begun, self._kill_at = (task.id, attempt), False, float("inf")
            self._heard_at = time.monotonic()
            if self._worker is None:
                self._worker = _Worker(self._data, self._inbox)
                self.starts += 1
            order = {"order": "run", "job": task.id, "attempt": attempt, "task": str(task.folder / TASK_FILE)}
            self._worker.send(order)

    def cancel(self, job: str, attempt: int) -> None:
        with self._lock:
            if self._running == (job, attempt) and self._worker is not None:
                self._worker.send({"order": "cancel", "job": job, "attempt": attempt})
                self._kill_at = min(self._kill_at, time.monotonic() + self._cancel_grace_s)

    def next_event(self, timeout_s: float) -> Event | None:
        """Waits for what the worker tells next; None after the time-out or a `wake`."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._kill_if_due()
            left = deadline - time.monotonic()
            try:
                told = self._inbox.get(timeout=max(0.0, min(left, _TICK_S)))
            except queue.Empty:
                if left <= 0:
                    return None
                continue
            if told is None:
                return None
            event = self._understand(*told)
            if event is not None:
                return event

    def wake(self) -> None:
        self._inbox.put(None)

    def close(self) -> None:
        with self._lock:
            worker, self._worker, self._running = self._worker, None, None
        if worker is not None:
            worker.end()

    def _kill_if_due(self) -> None:
        now = time.monotonic()
        with self._lock:
            silent = self._running is not None and now - self._heard_at > self._silence_s
            if self._worker is not None and (now > self._kill_at or silent):
                self._kill_at, self._heard_at = float("inf"), now
                self._worker.process.kill()

    def _understand(self, worker: _Worker, line: dict[str, Any] | None) -> Event | None:
        """A line of the worker as an event of the running attempt; lines of other attempts and processes are void."""
        with self._lock:
            if worker is not self._worker:
                return None
            self._heard_at = time.monotonic()
            if line is None:
                self._worker = None
                return self._lost(worker)
            if self._running is None or (line.get("job"), line.get("attempt")) != self._running:
                return None
            job, attempt = self._running
            if line["event"] == "started":
                self._begun = True
            if line["event"] in _ENDINGS:
                self._running = None
            return Event(line["event"], job, attempt, line)

    def _lost(self, worker: _Worker) -> Event | None:
        code = worker.end()
        if self._running is None:
            return None
        (job, attempt), self._running = self._running, None
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Event("lost", job, attempt, {"cause": cause}, begun=self._begun)


class _Worker:
    """The process and the thread that reads it; the end of its lines is told as None."""

    def __init__(self, data: Path, inbox: queue.Queue[tuple[_Worker, dict[str, Any] | None] | None]) -> None:
        environment = dict(os.environ)
        root = str(Path(backend.__file__).parents[1])  # so that a checkout works from any folder
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
        with (data / "worker.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "backend.jobs.worker", str(data)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
                encoding="utf-8",
                creationflags=hidden_process_flags(),
            )
        self._inbox = inbox
        self._reader = threading.Thread(target=self._read, daemon=True, name="worker-lines")
        self._reader.start()

    def send(self, order: dict[str, Any]) -> None:
        """Writes an order; a worker that is gone shows by the end of its lines."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()

    def end(self) -> int:
        """Kills the process if it lives, waits for it, and returns its exit code."""
        self.process.kill()
        code = self.process.wait()
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        if threading.current_thread() is not self._reader:
            self._reader.join(5.0)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict) and "event" in event:
                    self._inbox.put((self, event))
        self._inbox.put((self, None))
