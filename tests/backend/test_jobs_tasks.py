"""One task without a server: what `fleximo run-task` and every engine run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.jobs import tasks
from backend.jobs.records import DONE, FAILED, Outcome, Task
from backend.jobs.store import BlobStore
from fleximo import Cancelled, FleximoError, Motion, MotionPlan

ROOT = Path(__file__).parents[2]
WAVE = {"plan": {"segments": [{"move": "wave", "seconds": 1.0}]}, "text": None, "fps": 30.0, "seed": None}


def make_task(data: Path, kind: str, request: dict[str, Any], name: str = "job") -> Task:
    folder = data / "jobs" / name
    folder.mkdir(parents=True)
    task = Task(name, kind, request, folder, data / "store")
    task.save()
    return task


def test_a_motion_task_makes_the_motion(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    outcome = tasks.run(make_task(tmp_path, "motion", WAVE), told.append)
    assert outcome.state == DONE
    assert len(Motion.load(tmp_path / "jobs" / "job" / outcome.files["motion"].path)) == 30
    assert told[-1]["event"] == "done"
    assert [event["fraction"] for event in told[:-1]] == sorted(event["fraction"] for event in told[:-1])


def test_the_seed_of_the_request_counts(tmp_path: Path) -> None:
    digests = []
    for number, seed in enumerate((1, 1, 2)):
        task = make_task(tmp_path, "motion", {**WAVE, "seed": seed}, f"job{number}")
        digests.append(tasks.run(task, lambda event: None).files["motion"].sha256)
    assert digests[0] == digests[1] != digests[2]


def test_a_finished_task_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(tmp_path, "motion", WAVE)
    first = tasks.run(task, lambda event: None)
    monkeypatch.setattr(tasks, "KINDS", {})
    assert tasks.run(task, lambda event: None) == first


def test_a_plan_task_makes_the_plan(tmp_path: Path) -> None:
    task = make_task(tmp_path, "plan", {"text": "a man waves", "seed": 5})
    outcome = tasks.run(task, lambda event: None)
    plan = MotionPlan.from_json(json.loads((task.folder / outcome.files["plan"].path).read_text()))
    assert [segment.move for segment in plan.segments] == ["wave"]
    assert plan.seed == 5


def test_cancelling_raises_and_leaves_no_outcome(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    task = make_task(tmp_path, "motion", WAVE)
    with pytest.raises(Cancelled):
        tasks.run(task, told.append, lambda: True)
    assert told == [{"event": "canceled"}]
    assert Outcome.load(task.folder) is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FleximoError("no good", code="no_person", remedy="do this"), "no_person"),
        (MemoryError(), "out_of_memory"),
        (ZeroDivisionError("secret"), "internal_error"),
    ],
)
def test_errors_are_told_without_their_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def broken(task: Task, progress: Any) -> Any:
        raise error

    monkeypatch.setattr(tasks, "KINDS", {"plan": broken})
    task = make_task(tmp_path, "plan", {})
    told: list[dict[str, Any]] = []
    outcome = tasks.run(task, told.append)
    assert outcome.state == FAILED
    assert outcome.error is not None
    assert outcome.error["code"] == code == told[-1]["error"]["code"]
    assert "secret" not in json.dumps(told)
    assert Outcome.load(task.folder) == outcome


def test_damaged_and_missing_blobs_are_told(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    digest = store.write(b"photo")
    store.path(digest).write_bytes(b"other")
    request = {"photo": digest, "points": None, "choose": None, "stature_m": 1.7}
    for name, code in (("first", "damaged_blob"), ("second", "missing_blob")):
        outcome = tasks.run(make_task(tmp_path, "detect", request, name), lambda event: None)
        assert outcome.error is not None
        assert outcome.error["code"] == code


def test_an_unknown_kind_is_told(tmp_path: Path) -> None:
    outcome = tasks.run(make_task(tmp_path, "shell", {}), lambda event: None)
    assert outcome.error is not None
    assert "shell" in outcome.error["message"]


def test_run_task_is_a_program_for_any_farm(tmp_path: Path) -> None:
    """Another process with the same folder: JSON lines on stdout, 0 or 1 as exit code."""
    program = "import sys; from backend.jobs.tasks import run_task; sys.exit(run_task(sys.argv[1]))"
    for name, request, expected in (("good", WAVE, 0), ("bad", {**WAVE, "fps": 0.0}, 1)):
        task = make_task(tmp_path, "motion", request, name)
        command = [sys.executable, "-c", program, str(task.folder / "task.json")]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
        assert ended.returncode == expected, ended.stderr
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
        assert lines[-1]["event"] == ("failed" if expected else "done")
        assert lines[0] == {"event": "progress", "fraction": 0.0, "message": "started"}
