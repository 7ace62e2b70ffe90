"""Kill -9 of the real server and the real worker at random moments: no job is lost, none is made twice or otherwise."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.models.detect import detect
from fleximo import FleximoError, MotionPlan, RenderJob, Segment
from fleximo.client import Client
from fleximo.moves import generate
from fleximo.system import kill_process
from fleximo.take import make_job
from tests.backend.render_server import RenderServer

if sys.platform == "win32":
    pytest.skip("kill -9 and flock are POSIX; Windows was not run", allow_module_level=True)

import fcntl

PHOTO = Path(__file__).parents[1] / "data" / "people" / "anna.jpg"
KILLS = 50
MOVES = ("walk", "wave", "squat", "bow")


Request = dict[str, Any] | RenderJob


def requests() -> list[Request]:
    """Small real jobs of several lengths: plans, motions and draft renders."""
    found: list[Request] = [{"kind": "plan", "text": "a man waves, then does three squats", "seed": 7}]
    for number in range(16):
        segments = [{"move": MOVES[(number + i) % 4], "seconds": 6.0 + 2 * i} for i in range(1 + number % 3)]
        found.append({"kind": "motion", "plan": {"segments": segments, "seed": number}, "fps": 60.0})
    photo = PHOTO.read_bytes()
    person = detect(photo)
    for number, move in enumerate(MOVES[:3]):
        motion = generate(MotionPlan((Segment(move, 0.4),), seed=number), fps=30)
        found.insert(3 + 4 * number, make_job(motion, person, photo, fps=30, size=(64, 112)))
    return found


def submit(client: Client, request: Request, job: str) -> None:
    if isinstance(request, RenderJob):
        client.submit_render(request, job)
    else:
        client.submit(request, job)


def worker_of(server: RenderServer) -> int | None:
    """The living worker: who holds the lock that each worker takes."""
    with (server.data / "worker.lock").open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return server.worker_pid()
    return None


def living_worker(server: RenderServer) -> int:
    """Waits for it."""
    deadline = time.monotonic() + 60
    while (pid := worker_of(server)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return pid


def digests(client: Client, jobs: Iterable[str]) -> list[dict[str, str]]:
    """The files of each job, without the reports, which tell how long it took."""
    ended = [client.wait(job) for job in jobs]
    return [{role: sha for role, sha in status.files.items() if role != "report"} for status in ended]


class Submitter(threading.Thread):
    """Hands in jobs while servers die, each again and again until it is acknowledged.

    Every request at least once, then from the start again until `enough` is set, so that there is always work to kill.
    """

    def __init__(self, data: Path, requests: list[Request], ids: random.Random, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.data, self.requests, self.ids, self.pause_s = data, requests, ids, pause_s
        self.enough = threading.Event()
        self.acknowledged: dict[str, int] = {}  # job -> number of its request

    def run(self) -> None:
        for number in itertools.count():
            if number >= len(self.requests) and self.enough.is_set():
                return
            job = str(uuid.UUID(int=self.ids.getrandbits(128), version=4))
            request = number % len(self.requests)
            while True:
                try:
                    submit(Client.from_data_folder(self.data), self.requests[request], job)
                    break
                except FleximoError:
                    time.sleep(0.05)
            self.acknowledged[job] = request
            time.sleep(self.pause_s)


def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    wanted = requests()
    with RenderServer(tmp_path / "calm") as calm:
        calm_jobs = {str(uuid.uuid4()): request for request in wanted}
        for job, request in calm_jobs.items():
            submit(calm.client, request, job)
        undisturbed = digests(calm.client, calm_jobs)

    chance = random.Random(20)
    data = tmp_path / "stormy"
    server = RenderServer(data, crash_limit=1000)
    submitter = Submitter(data, wanted, random.Random(21), pause_s=0.3)
    submitter.start()
    kills = {"server": 0, "worker": 0}
    in_mid_job = 0
    try:
        while sum(kills.values()) < KILLS:
            victim = "server" if chance.random() < 0.25 else "worker"
            pid = server.process.pid if victim == "server" else living_worker(server)
            time.sleep(chance.uniform(0.0, 0.4))
            busy = is_running(data)
            kill_process(pid)
            kills[victim] += 1
            in_mid_job += busy
            if victim == "server":
                server.kill()
                acknowledged = set(submitter.acknowledged)
                server = RenderServer(data, crash_limit=1000)
                assert acknowledged <= {job.id for job in server.client.jobs(1000)}
        submitter.enough.set()
        submitter.join(120)
        assert not submitter.is_alive()
        disturbed = digests(server.client, submitter.acknowledged)
        rows = server.client.jobs(1000)
    finally:
        server.kill()
    print(f"{kills}, {in_mid_job} of them while a job ran; attempts {sum(row.attempt for row in rows)}")
    assert disturbed == [undisturbed[request] for request in submitter.acknowledged.values()]
    assert sorted(row.id for row in rows) == sorted(submitter.acknowledged)
    assert in_mid_job >= 10
    with sqlite3.connect(data / "jobs.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def is_running(data: Path) -> bool:
    db = sqlite3.connect(f"file:{data / 'jobs.db'}?mode=ro", uri=True)
    try:
        return bool(db.execute("SELECT count(*) FROM jobs WHERE state = 'running'").fetchone()[0])
    except sqlite3.OperationalError:
        return False
    finally:
        db.close()


def long_motion() -> dict[str, Any]:
    return {"kind": "motion", "plan": {"segments": [{"move": "walk", "seconds": 60.0}] * 10}, "fps": 240.0}


def test_a_job_that_always_kills_its_worker_fails_in_the_end(tmp_path: Path) -> None:
    with RenderServer(tmp_path / "data") as server:
        job = server.client.submit(long_motion()).id
        killed: set[int] = set()
        deadline = time.monotonic() + 90
        while server.ask("GET", f"/v1/jobs/{job}").json["state"] != "failed":
            assert time.monotonic() < deadline
            pid = worker_of(server)
            status = server.ask("GET", f"/v1/jobs/{job}").json
            if pid is not None and pid not in killed and status["state"] == "running" and status["message"]:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        with pytest.raises(FleximoError, match="signal 9") as raised:
            server.client.wait(job)
        assert raised.value.code == "worker_lost"
        assert 3 <= len(killed) <= 6  # the count starts again after real progress
        assert server.client.motion(MotionPlan((Segment("wave", 1.0),)), fps=30).fps == 30  # the next job runs


def test_the_deaths_of_servers_are_no_crash_of_the_job(tmp_path: Path) -> None:
    data = tmp_path / "data"
    job = str(uuid.uuid4())
    for life in itertools.count():
        with RenderServer(data) as server:
            if life == 0:
                server.client.submit(long_motion(), job)
            server.until(job, "running")
            living_worker(server)
            server.kill()
            gone_by = time.monotonic() + 10
            while worker_of(server) is not None:
                assert time.monotonic() < gone_by, "the worker outlived its server"
                time.sleep(0.005)
        if life == 3:
            break
    with RenderServer(data) as server:
        status = server.until(job, "running")
        assert status["attempt"] >= 4
        server.ask("POST", f"/v1/jobs/{job}/cancel")
        assert server.until(job, "canceled", "failed", "done")["state"] == "canceled"


@contextlib.contextmanager
def deaf(pid: int) -> Iterator[None]:
    """The process no longer runs nor listens, but lives; gone afterwards in any case."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        kill_process(pid)


def test_a_cancel_outlives_the_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RenderServer(data, cancel_grace_s=60) as server:
        job = server.client.submit(long_motion()).id
        server.until(job, "running")
        with deaf(living_worker(server)):
            assert server.client.cancel(job).state == "canceling"
            server.kill()
            with RenderServer(data) as after:  # which first ends the deaf worker
                assert after.until(job, "canceled", "queued", "running")["state"] == "canceled"
                assert worker_of(after) is None


def test_a_deaf_worker_is_killed_after_the_grace(tmp_path: Path) -> None:
    with RenderServer(tmp_path / "data", cancel_grace_s=0.5) as server:
        job = server.client.submit(long_motion()).id
        server.until(job, "running")
        pid = living_worker(server)
        with deaf(pid):
            server.client.cancel(job)
            assert server.until(job, "canceled")["state"] == "canceled"
            assert worker_of(server) != pid


def test_a_hanging_worker_is_replaced(tmp_path: Path) -> None:
    with RenderServer(tmp_path / "data", silence_s=4.0) as server:
        job = server.client.submit(long_motion()).id
        server.until(job, "running")
        with deaf(living_worker(server)):
            deadline = time.monotonic() + 90
            while server.until(job, "queued", "running")["attempt"] < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_a_stop_leaves_the_running_job_for_the_next_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RenderServer(data) as server:
        job = server.client.submit(long_motion()).id
        server.until(job, "running")
        stream = server.client.events(job)
        next(stream)  # a reader that stays must not hold the end up
        started = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - started < 10
        with pytest.raises((FleximoError, StopIteration)):
            while True:
                next(stream)
        assert not (data / "server.json").exists()
        assert worker_of(server) is None
    with RenderServer(data) as server:
        assert server.until(job, "queued", "running")["attempt"] >= 1


def test_two_servers_never_share_a_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RenderServer(data) as first:
        with pytest.raises(RuntimeError, match="served already"):
            RenderServer(data)
        assert first.ask("GET", "/healthz").status == 200


def test_a_stale_address_is_seen(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RenderServer(data) as server:
        server.kill()
        assert (data / "server.json").exists()
        with pytest.raises(FleximoError) as raised:
            Client.from_data_folder(data)
        assert raised.value.code == "server_not_running"
