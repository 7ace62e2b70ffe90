"""The index of the jobs: SQLite, one connection, one writer. The files of the jobs are the truth.

Knows rows and states, no files and no engines. Each change of state is one transaction together with its event.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleximo.errors import FleximoError

__all__ = ["CANCELING", "QUEUED", "RUNNING", "JobRow", "JobTable"]

QUEUED, RUNNING, CANCELING = "queued", "running", "canceling"
SCHEMA_VERSION = 1
_PROGRESS_KEPT = 1000  # progress events of one job that can be replayed

_SCHEMA = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL,
    submitted REAL NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    crashed_at REAL NOT NULL DEFAULT -1,
    fraction REAL NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '',
    eta_s REAL,
    started REAL,
    finished REAL,
    error TEXT,
    files TEXT NOT NULL DEFAULT '{}',
    sequence INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE TABLE events (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True)
class JobRow:
    """One job as the index knows it."""

    id: str
    number: int
    kind: str
    label: str
    digest: str  # of the request: what makes a second PUT the same or another
    state: str
    submitted: float  # this and the other times: seconds since 1970
    attempt: int  # number of the latest run; events of older ones are void
    crashes: int  # of the worker, since the last progress
    crashed_at: float  # fraction at the last crash
    fraction: float
    message: str
    eta_s: float | None
    started: float | None
    finished: float | None
    error: Mapping[str, str] | None
    files: Mapping[str, Mapping[str, Any]]
    sequence: int  # number of the latest event; grows with every change

    @property
    def ended(self) -> bool:
        return self.state not in (QUEUED, RUNNING, CANCELING)


class JobTable:
    """Opens (or makes) the index; a damaged one is set aside, for the files can fill a new one."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self.rebuilt = False
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError:
            self.rebuilt = True
            for suffix in ("", "-wal", "-shm"):
                part = path.with_name(path.name + suffix)
                if part.exists():
                    part.replace(path.with_name(f"{path.name}{suffix}.damaged"))
            self._db = _open(path)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, condition: str, *values: Any) -> list[JobRow]:
        with self._lock:
            found = self._db.execute(f"SELECT * FROM jobs {condition}", values).fetchall()
        return [_row(row) for row in found]

    def get(self, job: str) -> JobRow | None:
        rows = self._rows("WHERE id = ?", job)
        return rows[0] if rows else None

    def jobs(self, *, state: str | None = None, limit: int = 1000) -> list[JobRow]:
        """The newest first."""
        if state is not None:
            return self._rows("WHERE state = ? ORDER BY number DESC LIMIT ?", state, limit)
        return self._rows("ORDER BY number DESC LIMIT ?", limit)

    def count(self, *states: str) -> int:
        marks = ",".join("?" * len(states))
        with self._lock:
            return int(self._db.execute(f"SELECT count(*) FROM jobs WHERE state IN ({marks})", states).fetchone()[0])

    def position(self, row: JobRow) -> int:
        """How many jobs wait before this one."""
        query = "SELECT count(*) FROM jobs WHERE state = ? AND number < ?"
        with self._lock:
            return int(self._db.execute(query, (QUEUED, row.number)).fetchone()[0])

    def next_number(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM jobs").fetchone()[0])

    def insert(self, job: str, *, number: int, kind: str, label: str, digest: str, submitted: float) -> None:
        with self._change() as db:
            db.execute(
                "INSERT INTO jobs (id, number, kind, label, digest, state, submitted) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (job, number, kind, label, digest, QUEUED, submitted),
            )
            _tell(db, job, "state")

    def set_state(self, job: str, state: str, **values: Any) -> None:
        """Puts the job into `state` with other columns beside it, and adds the event."""
        columns = {"state": state, **values}
        for name in ("error", "files"):
            if columns.get(name) is not None:
                columns[name] = json.dumps(columns[name])
        assignments = ", ".join(f"{name} = ?" for name in columns)
        with self._change() as db:
            db.execute(f"UPDATE jobs SET {assignments} WHERE id = ?", (*columns.values(), job))
            _tell(db, job, "state")

    def claim(self) -> JobRow | None:
        """The oldest queued job, now running with the next attempt's number; None if none waits."""
        with self._change() as db:
            found = db.execute(
                "UPDATE jobs SET state = ?, attempt = attempt + 1, started = ?, eta_s = NULL WHERE id = "
                "(SELECT id FROM jobs WHERE state = ? ORDER BY number LIMIT 1) RETURNING id",
                (RUNNING, time.time(), QUEUED),
            ).fetchall()
            if not found:
                return None
            _tell(db, found[0]["id"], "state")
            return self.get(found[0]["id"])

    def set_progress(self, job: str, fraction: float, message: str, eta_s: float | None) -> None:
        with self._change() as db:
            db.execute(
                "UPDATE jobs SET fraction = ?, message = ?, eta_s = ? WHERE id = ?", (fraction, message, eta_s, job)
            )
            number = _tell(db, job, "progress")
            db.execute(
                "DELETE FROM events WHERE job = ? AND kind = 'progress' AND number <= ?", (job, number - _PROGRESS_KEPT)
            )

    def events(self, job: str, after: int, *, limit: int = 1000) -> list[tuple[int, str, dict[str, Any]]]:
        """(number, kind, body) of the job's events after number `after`, in order."""
        query = "SELECT number, kind, body FROM events WHERE job = ? AND number > ? ORDER BY number LIMIT ?"
        with self._lock:
            found = self._db.execute(query, (job, after, limit)).fetchall()
        return [(row["number"], row["kind"], json.loads(row["body"])) for row in found]

    def delete(self, job: str) -> None:
        with self._change() as db:
            db.execute("DELETE FROM jobs WHERE id = ?", (job,))


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        db.row_factory = sqlite3.Row
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise FleximoError(
                f"{path} was written by a newer version of Fleximo.", code="newer_format", remedy="Update Fleximo."
            )
        if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError(f"{path} is damaged")
        if version == 0:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        db.close()
        raise
    return db


def _tell(db: sqlite3.Connection, job: str, kind: str) -> int:
    """Adds the event that shows the job as it is now; returns its number."""
    row = db.execute("UPDATE jobs SET sequence = sequence + 1 WHERE id = ? RETURNING *", (job,)).fetchall()[0]
    body = {
        "state": row["state"],
        "attempt": row["attempt"],
        "fraction": row["fraction"],
        "message": row["message"],
        "eta_s": row["eta_s"],
        "error": None if row["error"] is None else json.loads(row["error"]),
    }
    db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (job, row["sequence"], kind, json.dumps(body)))
    return int(row["sequence"])


def _row(row: sqlite3.Row) -> JobRow:
    values = dict(row)
    values["error"] = None if values["error"] is None else json.loads(values["error"])
    values["files"] = json.loads(values["files"])
    return JobRow(**values)
