"""A job as files: `task.json` says what to do, `outcome.json` how it ended. They are the truth; the database an index.

Knows the layout of a job's folder; nothing of what the kinds of jobs do.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.jobs.store import file_digest
from fleximo.errors import FleximoError
from fleximo.files import read_json, write_json
from fleximo.system import sync_folder

__all__ = [
    "CANCELED",
    "DONE",
    "FAILED",
    "LOG_FILE",
    "PREVIEW_FILE",
    "TASK_FILE",
    "Outcome",
    "OutputFile",
    "Task",
    "discard",
    "finished_job",
]

FORMAT_VERSION = 1
DONE, FAILED, CANCELED = "done", "failed", "canceled"
TASK_FILE, LOG_FILE, PREVIEW_FILE = "task.json", "log.jsonl", "preview.jpg"
_OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Task:
    """One job, all that any machine with its folder and its store needs to run it."""

    id: str  # UUID, lower case
    kind: str  # plan, motion, detect, puppet, render or check
    request: Mapping[str, Any]  # what the kind takes, checked by the server
    folder: Path  # of the job; `work` in it holds what is made
    store: Path  # folder of the blobs
    number: int = 0  # order of submission
    submitted: float = 0.0  # seconds since 1970
    label: str = ""
    blobs: tuple[str, ...] = ()  # digests that the request names
    previous: str | None = None  # id of the job whose result this one changes

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def log(self) -> Path:
        return self.folder / LOG_FILE

    @property
    def preview(self) -> Path:
        return self.folder / PREVIEW_FILE

    def save(self) -> None:
        """Writes `task.json`; after it the job exists. Paths are relative, so that the data folder can move."""
        document = {
            "format_version": FORMAT_VERSION,
            "id": self.id,
            "kind": self.kind,
            "request": dict(self.request),
            "store": os.path.relpath(self.store, self.folder).replace(os.sep, "/"),
            "number": self.number,
            "submitted": self.submitted,
            "label": self.label,
            "blobs": list(self.blobs),
            "previous": self.previous,
        }
        write_json(self.folder / TASK_FILE, document)
        sync_folder(self.folder)
        sync_folder(self.folder.parent)

    @classmethod
    def load(cls, path: Path) -> Task:
        """Reads a `task.json`; raises `FleximoError` that names the file."""
        document = read_json(path)
        folder = path.absolute().parent
        try:
            if int(document["format_version"]) > FORMAT_VERSION:
                raise FleximoError(f"{path} comes from a newer version.", code="newer_format", remedy="Update Fleximo.")
            return cls(
                id=str(document["id"]),
                kind=str(document["kind"]),
                request=dict(document["request"]),
                folder=folder,
                store=(folder / str(document["store"])).resolve(),
                number=int(document["number"]),
                submitted=float(document["submitted"]),
                label=str(document["label"]),
                blobs=tuple(str(digest) for digest in document["blobs"]),
                previous=None if document["previous"] is None else str(document["previous"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FleximoError(f"{path} is no task: {error!r}.", code="unreadable_file") from None


@dataclass(frozen=True)
class OutputFile:
    """One file of a finished job."""

    path: str  # relative to the job's folder
    bytes: int
    sha256: str

    @classmethod
    def of(cls, folder: Path, path: Path) -> OutputFile:
        return cls(path.relative_to(folder).as_posix(), path.stat().st_size, file_digest(path))

    def to_json(self) -> dict[str, Any]:
        return {"path": self.path, "bytes": self.bytes, "sha256": self.sha256}


@dataclass(frozen=True)
class Outcome:
    """How a job ended. `files` by role (`video`, `master`, `report`, `motion`, ...), the first one is the result."""

    state: str  # done, failed or canceled
    files: Mapping[str, OutputFile] = field(default_factory=dict)
    error: Mapping[str, str] | None = None  # code, message, remedy
    finished: float = 0.0  # seconds since 1970

    def save(self, folder: Path) -> None:
        document = {
            "format_version": FORMAT_VERSION,
            "state": self.state,
            "files": {role: file.to_json() for role, file in self.files.items()},
            "error": None if self.error is None else dict(self.error),
            "finished": self.finished,
        }
        write_json(folder / _OUTCOME, document)
        sync_folder(folder)

    @classmethod
    def load(cls, folder: Path) -> Outcome | None:
        """The outcome of the job in `folder`; None if it has not ended or its files are not all there."""
        path = folder / _OUTCOME
        if not path.is_file():
            return None
        try:
            document = read_json(path)
            files = {
                str(role): OutputFile(str(file["path"]), int(file["bytes"]), str(file["sha256"]))
                for role, file in document["files"].items()
            }
            outcome = cls(str(document["state"]), files, document["error"], float(document["finished"]))
        except (FleximoError, KeyError, TypeError, ValueError, AttributeError):
            return None
        if outcome.state not in (DONE, FAILED, CANCELED):
            return None
        for file in files.values():
            made = folder / file.path
            if not made.is_file() or made.stat().st_size != file.bytes:
                return None
        return outcome

    @staticmethod
    def forget(folder: Path) -> None:
        """Opens an ended job again; what it has made so far stays."""
        (folder / _OUTCOME).unlink(missing_ok=True)
        sync_folder(folder)


def finished_job(jobs: Path, job: str) -> tuple[Task, Outcome] | None:
    """The job of that id in the folder `jobs` and how it ended, if it is done and its files are there."""
    outcome = Outcome.load(jobs / job)
    return None if outcome is None or outcome.state != DONE else (Task.load(jobs / job / TASK_FILE), outcome)


def discard(folder: Path) -> None:
    """Removes a job's folder so that a kill in between leaves no half of it: renamed first, then removed."""
    rubbish = folder.with_name(f".{folder.name}.removed")
    if folder.exists():
        shutil.rmtree(rubbish, ignore_errors=True)
        folder.rename(rubbish)
        sync_folder(folder.parent)
    shutil.rmtree(rubbish, ignore_errors=True)
