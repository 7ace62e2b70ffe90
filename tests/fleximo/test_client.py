"""The client against a scripted HTTP server: what it sends, what it makes of answers, breaks and foreign servers."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fleximo import Cancelled, FleximoError
from fleximo.client import Client, JobStatus
from fleximo.data_folder import ServerAddress, make_token

JOB: dict[str, Any] = {
    "id": "j1",
    "kind": "plan",
    "label": "",
    "state": "done",
    "attempt": 1,
    "fraction": 1.0,
    "message": "",
    "files": {"plan": {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}},
    "sequence": 3,
}


class ScriptedServer(ThreadingHTTPServer):
    """Answers (method, path) with the next of the scripted answers, the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[tuple[str, str], list[tuple[int, bytes, dict[str, str]]]] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.info(name="fleximo", api="1.0", pid=os.getpid())
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def info(self, **document: Any) -> None:
        self.answers["GET", "/v1/info"] = [(200, json.dumps(document).encode(), {})]

    def script(self, method: str, path: str, *answers: Any, status: int = 200, **headers: str) -> None:
        bodies = [answer if isinstance(answer, bytes) else json.dumps(answer).encode() for answer in answers]
        self.answers[method, path] = [(status, body, headers) for body in bodies]

    def paths(self, method: str) -> list[str]:
        return [path for asked, path, _, _ in self.asked if asked == method]


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        scripted = self.server.answers.get((self.command, self.path))
        status, content, headers = (
            scripted.pop(0) if scripted and len(scripted) > 1 else (scripted or [(404, b"", {})])[0]
        )
        if content == b"hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server
        server.shutdown()


@pytest.fixture
def folder(server: ScriptedServer, tmp_path: Path) -> Path:
    make_token(tmp_path)
    ServerAddress("127.0.0.1", server.server_port, os.getpid(), "0.1", "python").write(tmp_path)
    return tmp_path


@pytest.fixture
def client(server: ScriptedServer, folder: Path) -> Client:
    return Client.from_data_folder(folder)


def event(number: int, state: str, fraction: float = 0.0, message: str = "") -> bytes:
    body = json.dumps({"state": state, "fraction": fraction, "message": message})
    return f"id: {number}\nevent: state\ndata: {body}\n\n".encode()


def test_it_finds_the_server_of_the_folder(client: Client, server: ScriptedServer, folder: Path) -> None:
    assert client.check()["name"] == "fleximo"
    _, _, headers, _ = server.asked[0]
    assert headers["Authorization"] == f"Bearer {(folder / 'token').read_text()}"
    assert headers["Host"] == f"127.0.0.1:{server.server_port}"
    assert "Origin" not in headers


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"name": "other program"}, "server_not_running"),
        ({"name": "fleximo", "api": "1.0", "pid": 1}, "server_not_running"),
        ({"name": "fleximo", "api": "1.0"}, "server_not_running"),
        ({}, "server_not_running"),
        ({"name": "fleximo", "api": "2.0", "pid": os.getpid()}, "other_api"),
        ({"name": "fleximo", "api": "1.9", "pid": os.getpid()}, None),
    ],
)
def test_who_answers_is_checked(
    server: ScriptedServer, folder: Path, document: dict[str, Any], code: str | None
) -> None:
    server.info(**document)
    if code is None:
        assert Client.from_data_folder(folder).check() == document
        return
    with pytest.raises(FleximoError) as raised:
        Client.from_data_folder(folder)
    assert raised.value.code == code


def test_an_answer_that_is_no_json_is_another_program(server: ScriptedServer, folder: Path) -> None:
    server.script("GET", "/v1/info", b"<html>")
    with pytest.raises(FleximoError, match="No render server answers"):
        Client.from_data_folder(folder)


def test_a_wrong_token_is_said(server: ScriptedServer, folder: Path) -> None:
    server.script("GET", "/v1/info", {"error": {"code": "bad_token", "message": "Wrong."}}, status=401)
    with pytest.raises(FleximoError) as raised:
        Client.from_data_folder(folder)
    assert raised.value.code == "bad_token"


def test_nobody_at_the_port(tmp_path: Path) -> None:
    make_token(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ServerAddress("127.0.0.1", free.getsockname()[1], os.getpid(), "0.1", "python").write(tmp_path)
        with pytest.raises(FleximoError, match="fleximo serve"):
            Client.from_data_folder(tmp_path)


def test_no_proxy_is_asked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client.check()["name"] == "fleximo"


def test_a_known_blob_is_not_sent_again(client: Client, server: ScriptedServer) -> None:
    digest = hashlib.sha256(b"photo").hexdigest()
    server.script("PUT", f"/v1/blobs/{digest}", b"", status=201)
    assert client.upload(b"photo") == digest
    assert server.asked[-1][0] == "PUT"
    assert server.asked[-1][3] == b"photo"
    assert server.asked[-1][2]["Content-Type"] == "application/octet-stream"
    server.script("HEAD", f"/v1/blobs/{digest}", b"")
    client.upload(b"photo")
    assert len(server.paths("PUT")) == 1


def test_a_broken_submission_is_sent_once_more_under_the_same_id(client: Client, server: ScriptedServer) -> None:
    server.script("PUT", "/v1/jobs/j1", b"hang up", JOB)
    assert client.submit({"kind": "plan", "text": "wave"}, "j1").state == "done"
    assert server.paths("PUT") == ["/v1/jobs/j1"] * 2
    assert server.asked[-1][3] == b'{"kind":"plan","text":"wave"}'


def test_refusals_come_in_the_servers_words(client: Client, server: ScriptedServer) -> None:
    error = {"error": {"code": "other_request", "message": "The id is taken.", "remedy": "Use a new id."}}
    server.script("PUT", "/v1/jobs/j1", error, status=409)
    with pytest.raises(FleximoError, match=r"The id is taken\. Use a new id\.") as raised:
        client.submit({"kind": "plan"}, "j1")
    assert raised.value.code == "other_request"
    server.script("GET", "/v1/jobs/j1", b"<html>", status=502)
    with pytest.raises(FleximoError, match="502"):
        client.job("j1")


def test_events_are_parsed_as_the_standard_says(client: Client, server: ScriptedServer) -> None:
    stream = b': open\n\nid: 4\r\nevent: progress\r\ndata: {"fraction": 0.5}\r\n\r\nretry: 5\n\n'
    stream += b"data:{}\nid:5\n\nid: 6\ndata: {"
    server.script("GET", "/v1/jobs/j1/events", stream)
    assert list(client.events("j1", 3)) == [(4, "progress", {"fraction": 0.5}), (5, "message", {})]
    assert server.asked[-1][2]["Last-Event-ID"] == "3"


def test_waiting_goes_on_over_broken_streams(client: Client, server: ScriptedServer) -> None:
    server.script(
        "GET",
        "/v1/jobs/j1/events",
        event(1, "queued"),
        b"hang up",
        event(2, "running", 0.5, "half") + b"id: 3\nda",
        event(3, "done", 1.0, "whole"),
    )
    running = {**JOB, "state": "running", "files": {}}
    server.script("GET", "/v1/jobs/j1", running, running, JOB)
    told: list[tuple[float, str]] = []
    status = client.wait("j1", lambda fraction, message: told.append((fraction, message)))
    assert status.files == {"plan": JOB["files"]["plan"]["sha256"]}
    assert list(dict.fromkeys(told)) == [(0.0, ""), (0.5, "half"), (1.0, "whole")]
    last = [headers["Last-Event-ID"] for _, path, headers, _ in server.asked if path.endswith("/events")]
    assert last == ["0", "1", "1", "2"]


def test_waiting_gives_up_after_its_patience(client: Client, server: ScriptedServer) -> None:
    server.script("GET", "/v1/jobs/j1/events", b"hang up")
    with pytest.raises(FleximoError) as raised:
        client.wait("j1", patience_s=0.3)
    assert raised.value.code == "server_not_running"


def test_waiting_finds_a_server_that_came_back_elsewhere(client: Client, server: ScriptedServer, folder: Path) -> None:
    with ScriptedServer() as second:
        second.script("GET", "/v1/jobs/j1/events", event(3, "done", 1.0))
        second.script("GET", "/v1/jobs/j1", JOB)
        server.script("GET", "/v1/jobs/j1/events", b"hang up")
        ServerAddress("127.0.0.1", second.server_port, os.getpid(), "0.1", "python").write(folder)
        assert client.wait("j1").state == "done"
        second.shutdown()


def test_a_raised_cancel_reaches_the_server(client: Client, server: ScriptedServer) -> None:
    server.script("GET", "/v1/jobs/j1/events", event(1, "running", 0.1))
    server.script("POST", "/v1/jobs/j1/cancel", {**JOB, "state": "canceling"})

    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        client.wait("j1", stop)
    assert server.paths("POST") == ["/v1/jobs/j1/cancel"]


@pytest.mark.parametrize(
    ("state", "error", "raised"),
    [
        ("failed", {"code": "no_person", "message": "Nobody is in the photo.", "remedy": "Use --points."}, "no_person"),
        ("failed", None, "job_failed"),
        ("canceled", None, "cancelled"),
    ],
)
def test_the_end_of_a_job_is_raised(
    client: Client, server: ScriptedServer, state: str, error: dict[str, str] | None, raised: str
) -> None:
    server.script("GET", "/v1/jobs/j1/events", event(1, state))
    server.script("GET", "/v1/jobs/j1", {**JOB, "state": state, "error": error})
    with pytest.raises(FleximoError) as caught:
        client.wait("j1")
    assert caught.value.code == raised
    assert server.paths("POST") == []


def test_results_are_checked_and_written_whole(client: Client, server: ScriptedServer, tmp_path: Path) -> None:
    etag = f'"{hashlib.sha256(b"{}").hexdigest()}"'
    server.script("GET", "/v1/jobs/j1/result", b"{}", ETag=etag)
    server.script("GET", "/v1/jobs/j1/result?file=plan", b"{", ETag=etag)
    assert client.download("j1", tmp_path / "out" / "plan.json").read_bytes() == b"{}"
    with pytest.raises(FleximoError, match="damaged"):
        client.download("j1", tmp_path / "bad.json", "plan")
    assert not (tmp_path / "bad.json").exists()


def test_a_plan_from_start_to_end(client: Client, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps({"segments": [{"move": "wave", "seconds": 2.0}], "seed": 3}).encode()
    monkeypatch.setattr("uuid.uuid4", lambda: "j1")
    server.script("PUT", "/v1/jobs/j1", {**JOB, "state": "queued"})
    server.script("GET", "/v1/jobs/j1/events", event(1, "done", 1.0))
    server.script("GET", "/v1/jobs/j1", JOB)
    server.script("GET", "/v1/jobs/j1/result", content, ETag=f'"{hashlib.sha256(content).hexdigest()}"')
    assert client.plan("wave", seed=3).seed == 3


def test_no_preview_yet_is_no_error(client: Client, server: ScriptedServer) -> None:
    server.script("GET", "/v1/jobs/j1/preview", {"error": {"code": "no_preview", "message": "None."}}, status=404)
    assert client.preview("j1") is None
    server.script("GET", "/v1/jobs/j1/preview", b"jpeg")
    assert client.preview("j1") == b"jpeg"


def test_a_log_line_that_was_cut_off_is_left_out(client: Client, server: ScriptedServer) -> None:
    server.script("GET", "/v1/jobs/j1/log", b'essage": "x"}\n{"message": "begins"}\n{"mess')
    assert client.log("j1") == [{"message": "begins"}]


def test_an_unended_status() -> None:
    status = JobStatus.from_json({**JOB, "state": "canceling"})
    assert not status.ended
    assert JobStatus.from_json(JOB).ended
