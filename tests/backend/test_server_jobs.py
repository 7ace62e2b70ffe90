"""Jobs over HTTP on the real server with its real worker: submit, follow, cancel, fetch, and what is refused."""

from __future__ import annotations

import concurrent.futures
import hashlib
import http.client
import itertools
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.models.mimicmotion.settings import QUALITIES
from fleximo import Cancelled, FleximoError, Motion, MotionPlan
from fleximo.client import Client
from tests.backend.render_server import RenderServer

WAVE: dict[str, Any] = {"kind": "motion", "plan": {"segments": [{"move": "wave", "seconds": 1.0}]}, "fps": 30}
ENDED = ("done", "failed", "canceled")


def long_motion(seed: int = 0) -> dict[str, Any]:
    """Takes seconds: ten minutes of motion at the highest rate."""
    segments = [{"move": "walk", "seconds": 60.0}] * 10
    return {"kind": "motion", "plan": {"segments": segments, "seed": seed}, "fps": 240.0}


def new_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RenderServer]:
    folder = tmp_path_factory.mktemp("jobs")
    with RenderServer(folder / "data", heartbeat_s=0.3, blob_bytes=1_000_000, queued_jobs=40) as server:
        yield server


def put(server: RenderServer, document: Any, job: str | None = None) -> Any:
    return server.ask("PUT", f"/v1/jobs/{job or new_id()}", document)


def finished(server: RenderServer, document: dict[str, Any]) -> dict[str, Any]:
    return server.until(put(server, document).json["id"], *ENDED)


# --- submitting


def test_submitting_is_idempotent(server: RenderServer) -> None:
    job = new_id()
    answers = [put(server, WAVE, job) for _ in range(3)]
    assert [answer.status for answer in answers] == [201, 200, 200]
    other = put(server, {**WAVE, "fps": 24}, job)
    assert (other.status, other.code) == (409, "other_request")
    same_meaning = put(server, {**WAVE, "fps": 30.0, "label": "", "seed": None}, job)
    assert same_meaning.status == 200
    assert sum(row["id"] == job for row in server.ask("GET", "/v1/jobs?limit=1000").json["jobs"]) == 1
    assert server.until(job, *ENDED)["state"] == "done"


def test_many_at_once_make_one_job_each(server: RenderServer) -> None:
    ids = [new_id() for _ in range(5)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda job: put(server, WAVE, job).status, ids * 12))
    assert statuses.count(201) == 5
    assert statuses.count(200) == 55
    for job in ids:
        assert server.until(job, *ENDED)["state"] == "done"


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ({}, "kind"),
        ({"kind": "shell", "text": "rm"}, "kind"),
        ({"kind": "plan"}, "text"),
        ({"kind": "plan", "text": ""}, "text"),
        ({"kind": "plan", "text": "x" * 5000}, "text"),
        ({"kind": "plan", "text": "wave", "path": "/etc/passwd"}, "path"),
        ({"kind": "plan", "text": "wave", "seed": -1}, "seed"),
        ({"kind": "plan", "text": "wave", "seed": "1"}, "seed"),
        ({"kind": "motion"}, "text or plan"),
        ({**WAVE, "text": "both"}, "text or plan"),
        ({**WAVE, "fps": 1000}, "fps"),
        ({"kind": "motion", "plan": {"segments": []}}, "segments"),
        ({"kind": "motion", "plan": {"segments": [{"move": "fly", "seconds": 1}]}}, "fly"),
        ({"kind": "motion", "plan": {"segments": [{"move": "walk", "seconds": 60}] * 11}}, "600"),
        ({"kind": "detect", "photo": "../../etc/passwd"}, "photo"),
        ({"kind": "render", "job": {"engine": "draft"}}, "job"),
        ([], "valid"),
        ("wave", "valid"),
    ],
)
def test_wrong_requests_are_told_what_is_wrong(server: RenderServer, document: Any, word: str) -> None:
    answer = put(server, document)
    assert answer.status == 422
    assert word in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul",
        b"\xff\xfe{}",
        b'{"kind": NaN}',
        b'{"a":"\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_what_is_no_json_is_refused(server: RenderServer, body: bytes) -> None:
    answer = put(server, body)
    assert (answer.status, answer.code) == (422, "invalid_request")


def test_deep_documents_are_refused_for_their_depth(server: RenderServer) -> None:
    for depth, word in ((31, "kind"), (33, "deeper")):
        answer = put(server, b'{"kind":' + b"[" * depth + b"]" * depth + b"}")
        assert word in answer.json["error"]["message"]


def test_blobs_have_to_be_there_first(server: RenderServer) -> None:
    digest = hashlib.sha256(b"not there").hexdigest()
    answer = put(server, {"kind": "detect", "photo": digest})
    assert (answer.status, answer.code) == (422, "missing_blobs")
    assert answer.json["error"]["missing"] == [digest]


def test_a_full_queue_and_a_full_disk_are_told(server: RenderServer, tmp_path: Path) -> None:
    with RenderServer(tmp_path / "small", queued_jobs=1) as small:
        running = put(small, long_motion()).json["id"]
        small.until(running, "running")
        assert put(small, long_motion()).status == 201
        answer = put(small, WAVE)
        assert (answer.status, answer.code) == (429, "queue_full")
    with RenderServer(tmp_path / "full", reserve_bytes=2**62) as full:
        answer = full.ask("PUT", f"/v1/blobs/{'ab' * 32}", b"x", headers={"Content-Type": "application/octet-stream"})
        assert (answer.status, answer.code) == (507, "no_space")
        assert put(full, WAVE).status == 507
        assert full.ask("GET", "/readyz").status == 507


# --- following


def test_a_job_is_told_from_start_to_end(server: RenderServer) -> None:
    done = finished(server, {**WAVE, "label": "Anna waves"})
    assert done["state"] == "done"
    assert done["label"] == "Anna waves"
    assert done["fraction"] == 1.0
    assert done["attempt"] == 1
    assert set(done["files"]) == {"motion", "plan"}
    lines = [json.loads(line) for line in server.ask("GET", f"/v1/jobs/{done['id']}/log").body.splitlines()]
    assert [line["message"] for line in lines] == ["taken in", "attempt 1 begins", "done"]


def test_events_can_be_replayed_from_any_point(server: RenderServer) -> None:
    client = server.client
    job = client.submit(WAVE).id
    live = list(client.events(job))
    assert live == list(client.events(job))
    numbers = [number for number, _, _ in live]
    assert numbers == list(range(1, len(live) + 1))
    assert [body["state"] for _, kind, body in live if kind == "state"] == ["queued", "running", "done"]
    for after in range(len(live) + 1):
        assert list(client.events(job, after)) == live[after:]
    fractions = [body["fraction"] for _, _, body in live]
    assert fractions == sorted(fractions)


def test_many_readers_cut_off_at_will_miss_nothing(server: RenderServer) -> None:
    job = put(server, long_motion(seed=3)).json["id"]

    def read(pieces: int) -> list[int]:
        client, seen = server.client, []
        while True:
            for number, _, body in itertools.islice(client.events(job, seen[-1] if seen else 0), pieces):
                seen.append(number)
                if body["state"] in ENDED:
                    return seen

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read, pieces) for pieces in (1, 1, 2, 3, 5, 7, 50, 50)]
        server.until(job, "running")
        server.ask("POST", f"/v1/jobs/{job}/cancel")
        seen = [reader.result(90) for reader in readers]
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in seen)
    assert len({len(numbers) for numbers in seen}) == 1


def test_an_idle_stream_keeps_beating(server: RenderServer) -> None:
    blocker = put(server, long_motion(seed=1)).json["id"]
    waiting = put(server, WAVE).json["id"]
    server.until(blocker, "running")
    connection = http.client.HTTPConnection("127.0.0.1", server.address.port, timeout=10)
    connection.request("GET", f"/v1/jobs/{waiting}/events", headers={"Authorization": f"Bearer {server.token}"})
    response = connection.getresponse()
    assert response.headers["Content-Type"].startswith("text/event-stream")
    text = b"".join(itertools.takewhile(lambda line: not line.startswith(b":"), iter(response.readline, b"")))
    connection.close()
    response.close()
    assert b"queued" in text
    position = server.ask("GET", f"/v1/jobs/{waiting}").json["position"]
    assert position == 0
    for job in (waiting, blocker):
        server.ask("POST", f"/v1/jobs/{job}/cancel")
        server.until(job, "canceled")


@pytest.mark.parametrize("last", ["-1", "x", "9" * 30, "1.5"])
def test_odd_event_ids_are_refused(server: RenderServer, last: str) -> None:
    job = put(server, WAVE).json["id"]
    assert server.ask("GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": last}).status == 422


# --- cancel, retry, delete


def test_a_running_job_stops_when_cancelled(server: RenderServer) -> None:
    job = put(server, long_motion(seed=4)).json["id"]
    server.until(job, "running")
    answer = server.ask("POST", f"/v1/jobs/{job}/cancel")
    assert answer.json["state"] in ("canceling", "canceled")
    assert server.until(job, *ENDED)["state"] == "canceled"
    assert server.ask("POST", f"/v1/jobs/{job}/cancel").json["state"] == "canceled"
    assert finished(server, WAVE)["state"] == "done"


def test_a_waiting_job_is_cancelled_at_once_and_can_be_tried_again(server: RenderServer) -> None:
    blocker = put(server, long_motion(seed=5)).json["id"]
    waiting = put(server, WAVE).json["id"]
    assert server.ask("POST", f"/v1/jobs/{waiting}/cancel").json["state"] == "canceled"
    assert server.ask("POST", f"/v1/jobs/{waiting}/retry").json["state"] == "queued"
    assert server.ask("POST", f"/v1/jobs/{waiting}/retry").code == "wrong_state"
    assert server.ask("DELETE", f"/v1/jobs/{blocker}").code == "wrong_state"
    server.ask("POST", f"/v1/jobs/{blocker}/cancel")
    assert server.until(waiting, *ENDED)["state"] == "done"
    server.until(blocker, "canceled")


def test_cancelling_from_the_progress_callback(server: RenderServer) -> None:
    client = server.client
    job = client.submit(long_motion(seed=6)).id

    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        client.wait(job, stop)
    assert server.until(job, *ENDED)["state"] == "canceled"


def test_a_deleted_job_is_gone_with_its_files(server: RenderServer) -> None:
    job = finished(server, WAVE)["id"]
    assert (server.data / "jobs" / job).is_dir()
    assert server.ask("DELETE", f"/v1/jobs/{job}").status == 204
    assert not (server.data / "jobs" / job).exists()
    for method, path in [("GET", ""), ("GET", "/events"), ("GET", "/result"), ("GET", "/log"), ("DELETE", "")]:
        answer = server.ask(method, f"/v1/jobs/{job}{path}")
        assert (answer.status, answer.code) == (404, "unknown_job")


# --- results


def test_results_are_what_the_kind_makes(server: RenderServer) -> None:
    client = server.client
    plan = MotionPlan.from_json(WAVE["plan"])
    motion = client.motion(plan, fps=24)
    assert isinstance(motion, Motion)
    assert len(motion) == 24
    assert motion.fps == 24


def test_a_result_can_be_fetched_in_parts(server: RenderServer) -> None:
    done = finished(server, WAVE)
    path = f"/v1/jobs/{done['id']}/result"
    whole = server.ask("GET", path)
    digest = hashlib.sha256(whole.body).hexdigest()
    assert whole.headers["ETag"] == f'"{digest}"' == f'"{done["files"]["motion"]["sha256"]}"'
    assert whole.headers["Content-Disposition"] == 'attachment; filename="motion.npz"'
    part = server.ask("GET", path, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert server.ask("GET", path, headers={"Range": "bytes=0-1,5-6"}).code == "bad_range"
    assert server.ask("GET", path, headers={"Range": f"bytes={10**9}-"}).status == 416
    plan = server.ask("GET", f"{path}?file=plan")
    assert plan.headers["Content-Type"] == "application/json"
    assert MotionPlan.from_json(plan.json).segments[0].move == "wave"
    assert server.ask("GET", f"{path}?file=master").code == "no_result"
    assert server.ask("GET", f"{path}?file=../task.json").status == 422
    assert server.ask("GET", f"/v1/jobs/{done['id']}/preview").code == "no_preview"


def test_a_job_that_fails_says_why(server: RenderServer) -> None:
    photo = server.client.upload(b"this is no picture")
    failed = finished(server, {"kind": "detect", "photo": photo})
    assert failed["state"] == "failed"
    assert failed["error"]["message"]
    assert failed["error"]["code"] != "internal_error"
    with pytest.raises(FleximoError) as raised:
        server.client.wait(failed["id"])
    assert raised.value.code == failed["error"]["code"]
    assert "Traceback" not in json.dumps(failed)


# --- blobs


def put_blob(server: RenderServer, digest: str, content: Any, **headers: str | None) -> Any:
    sent = {"Content-Type": "application/octet-stream", **{name.replace("_", "-"): v for name, v in headers.items()}}
    return server.ask("PUT", f"/v1/blobs/{digest}", content, headers=sent)


def test_a_blob_is_kept_under_its_digest_only(server: RenderServer) -> None:
    content = os.urandom(300_000)
    digest = hashlib.sha256(content).hexdigest()
    path = server.data / "store" / digest[:2] / digest[2:]
    assert server.ask("HEAD", f"/v1/blobs/{digest}").status == 404
    for wrong in (content[:-1], content + b"x", b"\0" + content[1:], b""):
        assert put_blob(server, digest, wrong).code == "digest_mismatch"
        assert not path.exists()
    assert put_blob(server, digest, iter([content[:1000], content[1000:]])).status == 201
    assert put_blob(server, digest, content).status == 200
    assert path.read_bytes() == content
    assert server.ask("HEAD", f"/v1/blobs/{digest}").status == 200
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(".")] == []


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: content[:4096], lambda content: b"x" + content[1:]]
)
def test_a_damaged_blob_is_noticed_and_sent_again(server: RenderServer, damage: Any) -> None:
    content = os.urandom(10_000)
    digest = server.client.upload(content)
    path = server.data / "store" / digest[:2] / digest[2:]
    path.write_bytes(damage(content))
    assert put(server, {"kind": "detect", "photo": digest}).code == "missing_blobs"
    assert server.ask("HEAD", f"/v1/blobs/{digest}").status == 404
    assert server.client.upload(content) == digest
    assert server.ask("HEAD", f"/v1/blobs/{digest}").status == 200


def test_bodies_above_the_limits_are_refused(server: RenderServer) -> None:
    assert put_blob(server, "ab" * 32, b"x", Content_Length="99999999999").code == "too_large"
    assert put_blob(server, "ab" * 32, b"x", Content_Length="9" * 30).status in (400, 413)

    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 65_536

    for path, content_type in (("blobs/" + "ab" * 32, "octet-stream"), (f"jobs/{new_id()}", "json")):
        try:
            answer = server.ask(
                "PUT", f"/v1/{path}", endless(), headers={"Content-Type": f"application/{content_type}"}
            )
            assert (answer.status, answer.code) == (413, "too_large")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server hung up in the middle of it
    assert server.ask("GET", "/healthz").status == 200
    assert not list((server.data / "store").rglob(".*.part"))


def test_a_cut_off_body_leaves_nothing(server: RenderServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.address.port, timeout=5)
    headers = {
        "Authorization": f"Bearer {server.token}",
        "Content-Type": "application/octet-stream",
        "Content-Length": "1000",
    }
    connection.request("PUT", f"/v1/blobs/{'cd' * 32}", b"x" * 10, headers)
    connection.close()
    assert finished(server, WAVE)["state"] == "done"
    assert not list((server.data / "store").rglob(".*.part"))


TRAVERSALS = [
    prefix + name + suffix
    for prefix in (
        "",
        "../",
        "..%2f",
        "%2e%2e/",
        "..%5c",
        "..%252f",
        "/",
        "//",
        "C:%5c",
        "%00",
        "....//",
        "~/",
        "file:",
    )
    for name in ("..", "etc/passwd", "token", "%2e%2e", "server.json", "CON", "a" * 300, "jobs.db")
    for suffix in ("", "%00", "/..", ".")
]


def test_names_that_climb_lead_nowhere(server: RenderServer) -> None:
    before = sorted(server.data.parent.rglob("*.json"))
    for name in TRAVERSALS:
        for method, path in [
            ("GET", f"/v1/jobs/{name}"),
            ("GET", f"/v1/jobs/{name}/result"),
            ("HEAD", f"/v1/blobs/{name}"),
        ]:
            answer = server.ask(method, path)
            assert answer.status in (400, 404, 405, 422), (method, path, answer.status)
            assert server.token.encode() not in answer.body
    for name in TRAVERSALS[::7]:
        assert put_blob(server, name, b"x").status in (400, 404, 405, 422)
        assert put(server, WAVE, name).status in (400, 404, 405, 422)
        assert put(server, {"kind": "detect", "photo": name}).status == 422
        document = {"kind": "plan", "text": name, "label": name[:200]}
        assert server.until(put(server, document).json["id"], *ENDED)["state"] in ("done", "failed")
    assert sorted(path for path in server.data.parent.rglob("*.json") if "jobs" not in path.parts) == [
        path for path in before if "jobs" not in path.parts
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)
almost_right = st.fixed_dictionaries(
    {"kind": st.sampled_from(["plan", "motion", "detect", "render"])},
    optional={
        "text": st.text(max_size=20) | json_values,
        "seed": st.integers() | json_values,
        "fps": st.floats() | json_values,
        "plan": st.fixed_dictionaries({"segments": st.lists(json_values, max_size=3)}) | json_values,
        "photo": st.text("0123456789abcdef", min_size=64, max_size=64) | json_values,
        "points": st.dictionaries(st.text(max_size=8), json_values, max_size=3),
        "choose": json_values,
        "label": st.text(max_size=10) | json_values,
        "job": json_values,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(document=json_values | almost_right)
def test_no_body_breaks_the_server(server: RenderServer, document: Any) -> None:
    """Whatever is sent is taken in or refused in words; nothing is an error of the server."""
    answer = put(server, json.dumps(document, allow_nan=True).encode())
    assert answer.status in (201, 422, 429), answer.body
    if answer.status == 201:
        server.ask("POST", f"/v1/jobs/{answer.json['id']}/cancel")


def test_the_list_the_models_and_the_counts(server: RenderServer) -> None:
    finished(server, WAVE)
    jobs = server.ask("GET", "/v1/jobs?limit=3").json["jobs"]
    assert len(jobs) == 3
    assert [job["submitted"] for job in jobs] == sorted((job["submitted"] for job in jobs), reverse=True)
    assert server.ask("GET", "/v1/jobs?limit=0").status == 422
    answer = server.ask("GET", "/v1/models").json
    listed = {row["name"]: row for row in answer["models"] if row["stage"] == "video"}
    assert listed["draft"]["default_fps"] == 30.0 and listed["draft"]["qualities"] == listed["draft"]["weights"] == []
    assert listed["mimicmotion"]["qualities"] == list(QUALITIES) and "svd" in listed["mimicmotion"]["weights"]
    motion = {row["name"]: row for row in answer["models"] if row["stage"] == "motion"}
    assert motion["moves"]["weights"] == [] and not motion["moves"]["reads_text"]
    assert motion["t2m-gpt"]["weights"] == ["t2m_gpt", "clip_vit_b32"] and motion["t2m-gpt"]["reads_text"]
    assert {"t2m_gpt", "svd", "mimicmotion"} <= {row["name"] for row in answer["weights"]}
    assert all(row["missing"] for row in answer["weights"] if row["state"] == "absent")
    text = server.ask("GET", "/metrics").body.decode()
    assert 'fleximo_jobs{state="done"}' in text
    assert int(text.split("\nfleximo_worker_starts_total ")[1].split()[0]) >= 1
    assert server.ask("GET", "/readyz").json == {"ok": True}


def test_the_client_of_another_folder_finds_no_server(tmp_path: Path) -> None:
    with pytest.raises(FleximoError) as raised:
        Client.from_data_folder(tmp_path)
    assert raised.value.code == "server_not_running"
