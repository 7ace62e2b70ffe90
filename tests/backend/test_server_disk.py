"""Disks that are full or failing: the n-th write fails, for every n; nothing is lost and nothing half-written stays."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import itertools
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.jobs import tasks
from backend.jobs.records import DONE, Outcome, Task
from backend.server.app import create_app
from backend.server.bell import Bell
from backend.server.scheduler import Scheduler
from backend.server.settings import Settings
from fleximo import FleximoError
from tests.backend.test_server_db import ScriptedEngine

PLAN = {"kind": "plan", "text": "a man waves"}


class FailingDisk:
    """`os.fsync` and `os.replace` fail at the n-th call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self._left = number
        for name in ("fsync", "replace"):
            monkeypatch.setattr(
                os, name, self._failing(getattr(os, name), errno.ENOSPC if name == "fsync" else errno.EIO)
            )

    def _failing(self, real: Any, code: int) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                raise OSError(code, os.strerror(code))
            return real(*arguments, **options)

        return call

    @property
    def has_failed(self) -> bool:
        return self._left <= 0


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    scheduler = Scheduler(tmp_path / "data", ScriptedEngine(), Settings(reserve_bytes=0))
    scheduler.start()
    yield scheduler
    scheduler.stop()


class Routes:
    """Asks the application in this process, where the disk can be made to fail."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._transport = httpx.ASGITransport(create_app(scheduler, Bell()), raise_app_exceptions=False)

    def ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **body)

        return asyncio.run(ask())


@pytest.fixture
def routes(scheduler: Scheduler) -> Routes:
    return Routes(scheduler)


def leftovers(scheduler: Scheduler) -> list[Path]:
    return list(scheduler.folder(".").rglob(".*.part*")) + list(scheduler.store.folder.rglob(".*.part*"))


def test_a_job_is_acknowledged_only_when_it_is_on_the_disk(routes: Routes, scheduler: Scheduler) -> None:
    for number in itertools.count(1):
        path = f"/v1/jobs/{uuid.uuid4()}"
        with pytest.MonkeyPatch.context() as patch:
            disk = FailingDisk(patch, number)
            answer = routes.ask("PUT", path, json=PLAN)
        assert answer.status_code == (507 if disk.has_failed else 201), answer.text
        assert not leftovers(scheduler)
        assert routes.ask("PUT", path, json=PLAN).status_code == (201 if disk.has_failed else 200)
        assert routes.ask("GET", path).status_code == 200
        if not disk.has_failed:
            break
    assert number >= 4
    assert len(routes.ask("GET", "/v1/jobs").json()["jobs"]) == number


def test_a_blob_is_whole_or_absent(routes: Routes, scheduler: Scheduler) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    for number in itertools.count(1):
        content = os.urandom(100_000)
        digest = hashlib.sha256(content).hexdigest()
        with pytest.MonkeyPatch.context() as patch:
            disk = FailingDisk(patch, number)
            answer = routes.ask("PUT", f"/v1/blobs/{digest}", content=content, headers=headers)
        if not disk.has_failed:
            assert answer.status_code == 201
            break
        assert answer.status_code == 507
        assert answer.json()["error"]["code"] == "unwritable_file"
        assert not leftovers(scheduler)
        assert scheduler.store.size(digest) in (None, len(content))
    assert number >= 3


def test_a_task_on_a_failing_disk_is_done_or_not(tmp_path: Path) -> None:
    digests = set()
    for number in itertools.count(1):
        folder = tmp_path / "jobs" / str(number)
        folder.mkdir(parents=True)
        plan = {"segments": [{"move": "wave", "seconds": 0.5}]}
        request = {"text": None, "plan": plan, "fps": 30.0, "seed": None}
        task = Task(str(number), "motion", request, folder, tmp_path / "store")
        task.save()
        with pytest.MonkeyPatch.context() as patch:
            disk = FailingDisk(patch, number)
            try:
                state = tasks.run(task, lambda event: None).state
            except (FleximoError, OSError):
                state = "not written"
        assert (state == DONE) != disk.has_failed
        assert not list(folder.rglob(".*.part*"))
        outcome = Outcome.load(folder)
        assert outcome is None or outcome.state in (state, DONE)
        if outcome is not None and outcome.state != DONE:
            Outcome.forget(folder)
        digests.add(tasks.run(task, lambda event: None).files["motion"].sha256)
        if not disk.has_failed:
            break
    assert number >= 5
    assert len(digests) == 1
