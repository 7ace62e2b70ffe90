"""The session: work off the main thread, landing on it, cancel, errors as sentences."""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleximo import Cancelled, FleximoError

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

ADDON = Path(__file__).resolve().parents[2] / "blender_addon"


def run(session: Any, started: Any, watch: Any = None) -> str:
    session.begin(started)
    told: str = session.finish(started, 10.0, watch)
    return told


@pytest.fixture
def session(addon: Any) -> Iterator[Any]:
    made = addon("session").Session()
    yield made
    made.close()


def task(addon: Any, work: Any, land: Any = str, kind: str = "test") -> Any:
    return addon("session").Task(kind, "Testing", work, land)


def test_work_runs_elsewhere_and_lands_here(addon: Any, session: Any) -> None:
    seen: list[tuple[str, int]] = []

    def work(report: Any) -> Any:
        seen.append(("work", threading.get_ident()))
        report(0.5, "half")
        yield
        return 41

    def land(result: int) -> str:
        seen.append(("land", threading.get_ident()))
        return f"{result + 1} frames"

    progress: list[tuple[float, str]] = []
    told = run(session, task(addon, work, land), lambda t: progress.append((t.fraction, t.text)))
    assert told == "42 frames"
    assert seen[0][1] != threading.get_ident() == seen[1][1]
    assert (0.5, "half") in progress
    assert session.tasks == {}


def test_equal_parts_share_the_progress(addon: Any, session: Any) -> None:
    def work(report: Any) -> Any:
        for number in range(2):
            part = report.part(number, 2, f"{number + 1} of 2: ")
            part(0.5, "half")
            part.part(1, 2, "last ").tell(1.0, "done")
            yield

    progress: list[tuple[float, str]] = []
    run(session, task(addon, work), lambda t: progress.append((t.fraction, t.text)))
    told = [each for each in progress if each[1]]
    assert told[-1] == (1.0, "2 of 2: last done")
    assert all(text.startswith("1 of 2") == (fraction <= 0.5) for fraction, text in told)


def test_a_waiting_task_does_not_hold_up_another(addon: Any, session: Any) -> None:
    release = threading.Event()

    def waiting(report: Any) -> Any:
        while not release.is_set():
            report(0.1, "waiting")
            yield
        return "late"

    def quick(report: Any) -> Any:
        yield
        return "soon"

    slow = task(addon, waiting, kind="render")
    session.begin(slow)
    assert run(session, task(addon, quick, kind="detect")) == "soon"
    assert not slow.ended
    with pytest.raises(FleximoError, match="Testing has not ended yet"):
        session.begin(task(addon, quick, kind="render"))
    release.set()
    while not slow.ended:
        session.pump()
    assert slow.message == "late"


def test_cancel_stops_the_work_and_says_so(addon: Any, session: Any) -> None:
    def endless(report: Any) -> Any:
        while True:
            report(0.2, "on and on")
            yield

    running = task(addon, endless)
    session.begin(running)
    time.sleep(0.2)
    assert session.cancel("other") == 0 and session.cancel("test") == 1
    assert running.text == "Stopping..."
    deadline = time.monotonic() + 5.0
    while not running.ended and time.monotonic() < deadline:
        session.pump()
    assert isinstance(running.error, Cancelled)


def test_errors_come_back_as_sentences(addon: Any, session: Any) -> None:
    def ours(report: Any) -> Any:
        yield
        raise FleximoError("The photo has nobody in it.", code="no_person", remedy="Choose another.")

    def others(report: Any) -> Any:
        yield
        return 1 / 0

    with pytest.raises(FleximoError, match=r"nobody in it\. Choose another\."):
        run(session, task(addon, ours))
    failed = task(addon, others)
    with pytest.raises(FleximoError, match="unexpected went wrong: ZeroDivisionError"):
        run(session, failed)
    assert "Traceback" in failed.detail
    landing = task(addon, lambda report: iter(()), lambda result: {}["missing"])
    with pytest.raises(FleximoError, match="KeyError"):
        run(session, landing)


def test_closing_ends_the_thread(addon: Any) -> None:
    session = addon("session").Session()

    def endless(report: Any) -> Any:
        while True:
            report(0.0)
            yield

    session.begin(task(addon, endless))
    thread = session._thread
    session.close()
    assert thread is not None and not thread.is_alive()


ROOMS = [f"remote/{name}" for name in ("__init__", "renders", "serving", "stages", "waiting")]


@pytest.mark.parametrize("name", [*ROOMS, "session", "server_process", "axes"])
def test_what_runs_off_the_main_thread_knows_no_bpy(name: str) -> None:
    tree = ast.parse((ADDON / f"{name}.py").read_text("utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {entry for entry in imported if entry.split(".")[0] in ("bpy", "mathutils")}
    relative = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level for a in n.names}
    assert relative <= {"server_process", "Report", "asked", "connect", "ended"}


def test_blender_is_read_and_written_in_steps(addon: Any, session: Any) -> None:
    """Each pump goes on for a tick at most; the work begins when all is read."""
    read: list[float] = []
    written: list[int] = []

    def gather() -> Any:
        for n in range(10):
            time.sleep(0.02)
            read.append(n / 10)
            yield n / 10

        def work(report: Any) -> Any:
            report(0.5, "working")
            yield
            return sum(read)

        return work

    def land(result: float) -> Any:
        for n in range(10):
            time.sleep(0.02)
            written.append(n)
            yield n / 10
        return f"{result:.1f}"

    started = addon("session").Task("test", "Testing", None, land, gather)
    session.begin(started)
    assert read == [], "the click returns at once"
    waits = []
    fractions = []
    while not started.ended:
        before = time.perf_counter()
        session.pump()
        waits.append(time.perf_counter() - before)
        fractions.append(started.fraction)
        time.sleep(0.001)
    assert started.message == "4.5" and written == list(range(10))
    assert max(waits) < 0.12, "a tick is short"
    assert fractions == sorted(fractions)


@pytest.mark.parametrize("when", ["reading", "writing"])
def test_steps_that_are_stopped_undo_what_they_began(addon: Any, session: Any, when: str) -> None:
    undone: list[str] = []

    def steps(result: Any = None) -> Any:
        try:
            for n in range(1000):
                time.sleep(0.06)
                yield n / 1000
        finally:
            undone.append("undone")

    def work(report: Any) -> Any:
        yield

    kind = addon("session").Task
    started = kind("test", "T", None, str, steps) if when == "reading" else kind("test", "T", work, steps)
    session.begin(started)
    while started.steps is None or not session.pump():
        session.pump()
    session.cancel()
    with pytest.raises(Cancelled):
        session.finish(started, 10.0)
    assert undone == ["undone"] and session.tasks == {}
