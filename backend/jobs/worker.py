"""The worker process: takes tasks as JSON lines on stdin, tells what happens as JSON lines on stdout.

It ends when its parent's pipe closes, whatever it is doing, and never touches the database. Started by the local
engine as `python -m backend.jobs.worker DATA_FOLDER`.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from backend.jobs.records import FAILED, Task
from backend.jobs.tasks import run
from fleximo.errors import Cancelled, FleximoError
from fleximo.system import FileLock

__all__ = ["main"]

BEAT_EVERY_S = 2.0
LOCK_WAIT_S = 8.0


def main(data: Path) -> int:
    """Serves tasks until stdin closes; 3 if another worker still holds the data folder."""
    speak = _Speaker()
    lock = FileLock(data / "worker.lock")
    if not lock.acquire(LOCK_WAIT_S):
        print(f"process {lock.holder()} still works in {data}", file=sys.stderr)
        return 3
    inbox = _Inbox()
    threading.Thread(target=inbox.read, daemon=True, name="inbox").start()
    threading.Thread(target=_beat, args=(speak,), daemon=True, name="beat").start()
    speak({"event": "ready", "pid": os.getpid()})
    while True:
        order = inbox.tasks.get()
        if _work(order, inbox, speak) == "out_of_memory":
            return 4  # a process that ran out of memory is replaced, never used again


class _Speaker:
    """Writes JSON lines to what was stdout; prints of libraries go to stderr instead of between the lines."""

    def __init__(self) -> None:
        self._lines = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def __call__(self, event: dict[str, Any]) -> None:
        with self._lock:
            try:
                self._lines.write(json.dumps(event) + "\n")
            except OSError:
                os._exit(0)  # the parent is gone


class _Inbox:
    """Reads the orders of the parent; a closed pipe ends the process at once."""

    def __init__(self) -> None:
        self.tasks: queue.Queue[dict[str, Any]] = queue.Queue()
        self.canceled: set[tuple[str, int]] = set()

    def read(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if order["order"] == "cancel":
                self.canceled.add((order["job"], order["attempt"]))
            else:
                self.tasks.put(order)
        os._exit(0)


def _beat(speak: _Speaker) -> None:
    pause = threading.Event()
    while True:
        speak({"event": "beat"})
        pause.wait(BEAT_EVERY_S)


def _work(order: dict[str, Any], inbox: _Inbox, speak: _Speaker) -> str | None:
    """Runs one task; every line it tells carries the job and the attempt. Returns the code of its error."""
    key = (str(order["job"]), int(order["attempt"]))

    def tell(event: dict[str, Any]) -> None:
        speak({"job": key[0], "attempt": key[1], **event})

    tell({"event": "started"})
    task = Task.load(Path(order["task"]))
    handler = _log_to(task.log)
    try:
        outcome = run(task, tell, lambda: key in inbox.canceled)
        return outcome.error["code"] if outcome.state == FAILED and outcome.error else None
    except Cancelled:
        return None
    except (FleximoError, OSError) as error:  # not even the outcome could be written
        logging.getLogger(__name__).error("The outcome of %s is not on the disk", task.id, exc_info=error)
        tell({"event": "failed"})
        return None
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
        inbox.canceled.discard(key)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"at": round(record.created, 3), "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _log_to(path: Path) -> logging.Handler:
    """Sends what the stages log to the log of the job."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_JsonLines())
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    return handler


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
