"""The index of the jobs and its scheduler with a scripted engine: states, events, fences, and rebuilding from files."""

from __future__ import annotations

import queue
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.jobs.engines import Event
from backend.jobs.records import DONE, Outcome, OutputFile, Task
from backend.server.db import SCHEMA_VERSION, JobTable
from backend.server.scheduler import Scheduler
from backend.server.settings import Settings
from fleximo import FleximoError

SETTINGS = Settings(reserve_bytes=1000)
REQUEST: dict[str, Any] = {"text": "wave", "seed": 0}


class ScriptedEngine:
    """An engine in this process: the test says what happens to what was started."""

    def __init__(self) -> None:
        self.starts = 0
        self.started: queue.Queue[tuple[Task, int]] = queue.Queue()
        self.canceled: list[tuple[str, int]] = []
        self._events: queue.Queue[Event | None] = queue.Queue()

    def start(self, task: Task, attempt: int) -> None:
        self.starts += 1
        self.started.put((task, attempt))

    def cancel(self, job: str, attempt: int) -> None:
        self.canceled.append((job, attempt))

    def next_event(self, timeout_s: float) -> Event | None:
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def wake(self) -> None:
        self._events.put(None)

    def close(self) -> None:
        pass

    def tell(self, kind: str, task: Task, attempt: int, **detail: Any) -> None:
        self._events.put(Event(kind, task.id, attempt, detail))

    def take(self) -> tuple[Task, int]:
        return self.started.get(timeout=5)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def scheduler(tmp_path: Path, engine: ScriptedEngine) -> Iterator[Scheduler]:
    scheduler = Scheduler(tmp_path, engine, SETTINGS)
    scheduler.start()
    yield scheduler
    scheduler.stop()


def submit(scheduler: Scheduler, **options: Any) -> str:
    job = str(uuid.uuid4())
    assert scheduler.submit(job, "plan", "", {**REQUEST, **options}, ())
    return job


def until(scheduler: Scheduler, job: str, state: str) -> None:
    deadline = time.monotonic() + 5
    while scheduler.row(job).state != state:
        assert time.monotonic() < deadline, scheduler.row(job)
        time.sleep(0.005)


def finish(task: Task) -> None:
    task.work.mkdir(exist_ok=True)
    (task.work / "plan.json").write_bytes(b"{}")
    Outcome(DONE, {"plan": OutputFile.of(task.folder, task.work / "plan.json")}, None, 9.0).save(task.folder)


def test_jobs_run_one_after_another_in_order(scheduler: Scheduler, engine: ScriptedEngine) -> None:
    jobs = [submit(scheduler, seed=seed) for seed in range(3)]
    assert [scheduler.table.position(scheduler.row(job)) for job in jobs[1:]] == [0, 1]
    for job in jobs:
        task, attempt = engine.take()
        assert (task.id, attempt) == (job, 1)
        assert engine.started.empty()
        finish(task)
        engine.tell("done", task, attempt)
        until(scheduler, job, "done")


def test_words_of_an_older_attempt_are_void(scheduler: Scheduler, engine: ScriptedEngine) -> None:
    job = submit(scheduler)
    task, first = engine.take()
    engine.tell("lost", task, first, cause="signal 9")
    task, second = engine.take()
    assert second == first + 1
    engine.tell("progress", task, first, fraction=0.9, message="stale")
    engine.tell("failed", task, first, error=None)
    engine.tell("canceled", task, first)
    engine.tell("lost", task, first, cause="signal 9")
    engine.tell("progress", task, second, fraction=0.5, message="fresh")
    deadline = time.monotonic() + 5
    while scheduler.row(job).message != "fresh":
        assert time.monotonic() < deadline
    assert scheduler.row(job).state == "running"
    finish(task)
    engine.tell("done", task, second)
    until(scheduler, job, "done")
    assert "stale" not in {body["message"] for _, _, body in scheduler.table.events(job, 0)}


def test_three_deaths_at_one_place_end_a_job(scheduler: Scheduler, engine: ScriptedEngine) -> None:
    job = submit(scheduler)
    for _ in range(3):
        task, attempt = engine.take()
        engine.tell("progress", task, attempt, fraction=0.4, message="window 2")
        engine.tell("lost", task, attempt, cause="signal 11")
    until(scheduler, job, "failed")
    error = scheduler.row(job).error
    assert error is not None
    assert error["code"] == "worker_lost"
    assert "signal 11" in error["message"]
    assert "window 2" in error["message"]
    assert engine.started.empty()


def test_deaths_with_progress_in_between_do_not(scheduler: Scheduler, engine: ScriptedEngine) -> None:
    job = submit(scheduler)
    for number in range(8):
        task, attempt = engine.take()
        engine.tell("progress", task, attempt, fraction=0.1 * (number + 1), message="on")
        time.sleep(0.02)
        engine.tell("lost", task, attempt, cause="signal 9")
    task, attempt = engine.take()
    assert attempt == 9
    finish(task)
    engine.tell("done", task, attempt)
    until(scheduler, job, "done")


def test_done_without_a_result_is_a_failure(scheduler: Scheduler, engine: ScriptedEngine) -> None:
    job = submit(scheduler)
    task, attempt = engine.take()
    engine.tell("done", task, attempt)
    until(scheduler, job, "failed")


def test_an_engine_that_cannot_start_fails_the_job(
    scheduler: Scheduler, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(task: Task, attempt: int) -> None:
        raise OSError("no such interpreter")

    monkeypatch.setattr(engine, "start", broken)
    job = submit(scheduler)
    until(scheduler, job, "failed")
    monkeypatch.undo()
    submit(scheduler)
    engine.take()


def test_cancelling_asks_the_engine_and_a_loss_ends_it(scheduler: Scheduler, engine: ScriptedEngine) -> None:
    job = submit(scheduler)
    task, attempt = engine.take()
    assert scheduler.cancel(job).state == "canceling"
    assert scheduler.cancel(job).state == "canceling"
    assert engine.canceled == [(job, attempt)]
    engine.tell("lost", task, attempt, cause="signal 9")
    until(scheduler, job, "canceled")


def test_a_job_that_ends_while_it_is_cancelled_stays_done(scheduler: Scheduler, engine: ScriptedEngine) -> None:
    job = submit(scheduler)
    task, attempt = engine.take()
    finish(task)
    scheduler.cancel(job)
    engine.tell("done", task, attempt)
    until(scheduler, job, "done")


def test_old_progress_is_dropped_and_numbers_stay_in_order(tmp_path: Path) -> None:
    table = JobTable(tmp_path / "jobs.db")
    table.insert("a", number=1, kind="plan", label="", digest="d", submitted=0.0)
    for number in range(1200):
        table.set_progress("a", number / 1200, "on", None)
    events = table.events("a", 0, limit=5000)
    numbers = [number for number, _, _ in events]
    assert numbers == sorted(numbers)
    assert numbers[0] == 1
    assert numbers[-1] == 1201
    assert len(numbers) == 1001
    assert len(table.events("a", 0)) == 1000
    table.delete("a")
    assert table.events("a", 0) == []
    table.close()


# --- after a crash


def restart(tmp_path: Path) -> Scheduler:
    """The next server on the folder, with an engine that runs nothing."""
    scheduler = Scheduler(tmp_path, ScriptedEngine(), SETTINGS)
    scheduler.start()
    return scheduler


def prepared(tmp_path: Path) -> dict[str, str]:
    """A folder with a done, a failed, a canceled and two queued jobs, left in order."""
    engine = ScriptedEngine()
    scheduler = Scheduler(tmp_path, engine, SETTINGS)
    scheduler.start()
    jobs = {name: submit(scheduler, seed=number) for number, name in enumerate(("done", "failed", "canceled", "next"))}
    task, attempt = engine.take()
    finish(task)
    engine.tell("done", task, attempt)
    task, attempt = engine.take()
    engine.tell("done", task, attempt)
    until(scheduler, jobs["failed"], "failed")
    task, attempt = engine.take()
    scheduler.cancel(jobs["canceled"])
    engine.tell("canceled", task, attempt)
    until(scheduler, jobs["canceled"], "canceled")
    engine.take()
    scheduler.stop()
    return jobs


def states(scheduler: Scheduler) -> dict[str, str]:
    return {row.id: row.state for row in scheduler.table.jobs()}


@pytest.mark.parametrize("damage", ["nothing", "index removed", "index overwritten", "index cut"])
def test_the_index_is_put_right_from_the_files(tmp_path: Path, damage: str) -> None:
    jobs = prepared(tmp_path)
    index = tmp_path / "jobs.db"
    if damage != "nothing":
        for path in tmp_path.glob("jobs.db-*"):
            path.unlink()
    if damage == "index removed":
        index.unlink()
    elif damage == "index overwritten":
        index.write_bytes(b"no database" * 1000)
    elif damage == "index cut":
        index.write_bytes(index.read_bytes()[:5000])
    scheduler = restart(tmp_path)
    try:
        until(scheduler, jobs["next"], "running")
        assert states(scheduler) == {jobs[name]: "running" if name == "next" else name for name in jobs}
        assert scheduler.row(jobs["done"]).files["plan"]["bytes"] == 2
        assert [row.id for row in scheduler.table.jobs()] == list(jobs.values())[::-1]
        assert not scheduler.submit(jobs["done"], "plan", "", {**REQUEST, "seed": 0}, ())
        with pytest.raises(FleximoError, match="another request"):
            scheduler.submit(jobs["done"], "plan", "", {**REQUEST, "seed": 99}, ())
    finally:
        scheduler.stop()


def test_an_end_that_the_index_missed_is_found(tmp_path: Path) -> None:
    jobs = prepared(tmp_path)
    finish(Task.load(tmp_path / "jobs" / jobs["next"] / "task.json"))
    scheduler = restart(tmp_path)
    try:
        assert scheduler.row(jobs["next"]).state == "done"
    finally:
        scheduler.stop()


def test_lost_results_and_half_made_jobs(tmp_path: Path) -> None:
    jobs = prepared(tmp_path)
    (tmp_path / "jobs" / jobs["done"] / "work" / "plan.json").unlink()
    (tmp_path / "jobs" / "never-acknowledged").mkdir()
    (tmp_path / "jobs" / f".{uuid.uuid4()}.removed").mkdir()
    (tmp_path / "jobs" / jobs["next"] / "work").mkdir()
    (tmp_path / "jobs" / jobs["next"] / "work" / ".video.part.mp4").write_bytes(b"half")
    scheduler = restart(tmp_path)
    try:
        error = scheduler.row(jobs["done"]).error
        assert error is not None
        assert error["code"] == "result_lost"
        assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == sorted(jobs.values())
        assert not list(tmp_path.rglob("*.part*"))
        assert scheduler.retry(jobs["done"]).state == "queued"
    finally:
        scheduler.stop()


def test_a_job_whose_folder_is_gone_is_gone(tmp_path: Path) -> None:
    jobs = prepared(tmp_path)
    (tmp_path / "jobs" / jobs["failed"]).rename(tmp_path / "elsewhere")
    scheduler = restart(tmp_path)
    try:
        assert set(states(scheduler)) == set(jobs.values()) - {jobs["failed"]}
    finally:
        scheduler.stop()


def test_an_index_of_a_newer_version_is_refused_in_words(tmp_path: Path) -> None:
    JobTable(tmp_path / "jobs.db").close()
    db = sqlite3.connect(tmp_path / "jobs.db")
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(FleximoError, match="newer version"):
        JobTable(tmp_path / "jobs.db")
