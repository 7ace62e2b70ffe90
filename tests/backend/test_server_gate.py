"""The gate of the real server: every route and method, generated from the router, refused for every wrong asker."""

from __future__ import annotations

import asyncio
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.server.app import create_app, router
from backend.server.security import OPEN_PATHS, Gate, check_address
from fleximo import FleximoError
from tests.backend.render_server import Answer, RenderServer

UUID = "00000000-0000-4000-8000-000000000000"
ROUTES = sorted({(method, route.path) for route in router.routes for method in route.methods})
OTHER_METHODS = [(method, "/v1/jobs") for method in ("OPTIONS", "PATCH", "TRACE", "CONNECT", "FROBNICATE")]
OTHER_METHODS += [("POST", "/healthz"), ("DELETE", "/v1/info"), ("OPTIONS", "/healthz")]
LOST_PATHS = [("GET", "/"), ("GET", "/docs"), ("GET", "/openapi.json"), ("POST", "/v1/jobs/../../healthz")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RenderServer]:
    with RenderServer(tmp_path_factory.mktemp("gate") / "data") as server:
        yield server


def filled(path: str) -> str:
    return path.replace("{job}", UUID).replace("{digest}", "ab" * 32)


def wrong_askers(port: int, token: str) -> dict[str, tuple[int, dict[str, str | None]]]:
    return {
        "no host": (403, {"Host": None}),
        "other host": (403, {"Host": "example.com"}),
        "rebound host": (403, {"Host": f"attacker.example:{port}"}),
        "host without port": (403, {"Host": "127.0.0.1"}),
        "other port": (403, {"Host": f"127.0.0.1:{port + 1}"}),
        "lan address": (403, {"Host": f"192.168.1.7:{port}"}),
        "host with user": (403, {"Host": f"user@127.0.0.1:{port}"}),
        "host list": (403, {"Host": f"127.0.0.1:{port},evil"}),
        "own origin": (403, {"Origin": f"http://127.0.0.1:{port}"}),
        "foreign origin": (403, {"Origin": "https://example.com"}),
        "null origin": (403, {"Origin": "null"}),
        "empty origin": (403, {"Origin": ""}),
        "cross site": (403, {"Sec-Fetch-Site": "cross-site"}),
        "same site": (403, {"Sec-Fetch-Site": "same-site"}),
        "no token": (401, {"Authorization": None}),
        "empty token": (401, {"Authorization": "Bearer "}),
        "wrong token": (401, {"Authorization": f"Bearer {token[:-1]}"}),
        "longer token": (401, {"Authorization": f"Bearer {token}x"}),
        "basic token": (401, {"Authorization": f"Basic {token}"}),
        "bare token": (401, {"Authorization": token}),
        "token with odd letters": (401, {"Authorization": "Bearer \xe9\xff"}),
        "cookie": (401, {"Authorization": None, "Cookie": f"token={token}"}),
    }


@pytest.mark.parametrize(("method", "path"), ROUTES + OTHER_METHODS + LOST_PATHS)
def test_every_wrong_asker_is_refused_on_every_route(server: RenderServer, method: str, path: str) -> None:
    is_open = path in OPEN_PATHS and method == "GET"
    for name, (status, headers) in wrong_askers(server.address.port, server.token).items():
        answer = server.ask(method, filled(path), headers=headers)
        # A request without any Host is no HTTP/1.1: the parser may refuse it before the gate.
        accepted = {status, 400} if name == "no host" else {200} if is_open and status == 401 else {status}
        assert answer.status in accepted, (name, method, path, answer.status)
        assert not [header for header in answer.headers if header.lower().startswith("access-control")]
    in_query = server.ask(method, f"{filled(path)}?token={server.token}", headers={"Authorization": None})
    assert in_query.status == (200 if is_open else 401)


@pytest.mark.parametrize(("method", "path"), [pair for pair in ROUTES if pair[0] not in ("GET", "HEAD")])
def test_content_types_of_simple_requests_are_refused(server: RenderServer, method: str, path: str) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", None):
        assert server.ask(method, filled(path), b"{}", headers={"Content-Type": content_type}).status == 415


def test_two_hosts_are_refused(server: RenderServer) -> None:
    answer = server.ask("GET", "/v1/jobs", headers={"host": "example.com"})
    assert answer.status in (400, 403)


@pytest.mark.parametrize(
    "hosts", [[], [b"127.0.0.1:80", b"127.0.0.1:80"], [b"[::1]"], [b":80"], [b"\xff:80"], [b"127.0.0.1:"]]
)
def test_the_gate_itself_wants_one_whole_host(hosts: list[bytes]) -> None:
    """Whatever the HTTP parser in front of it lets through."""
    sent: list[dict[str, Any]] = []

    async def app(*_: Any) -> None:
        raise AssertionError("reached the routes")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [*((b"host", host) for host in hosts), (b"authorization", b"Bearer secret")]
    scope = {"type": "http", "method": "GET", "path": "/v1/jobs", "headers": headers}
    asyncio.run(Gate(app, token="secret", port=80)(scope, app, send))
    assert sent[0]["status"] == 403


def test_web_sockets_are_dropped() -> None:
    async def nothing(*_: Any) -> None:
        raise AssertionError("reached")

    asyncio.run(Gate(nothing, token="secret", port=80)({"type": "websocket", "headers": []}, nothing, nothing))


def test_an_open_network_takes_addresses_but_no_names() -> None:
    async def ask(host: bytes) -> int:
        sent: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", host), (b"authorization", b"Bearer secret")]
        scope = {"type": "http", "method": "GET", "path": "/v1/jobs", "headers": headers}
        await Gate(app, token="secret", port=80, open_lan=True)(scope, app, send)
        return int(sent[0]["status"])

    assert [asyncio.run(ask(host)) for host in (b"192.168.1.7:80", b"[fe80::1]:80", b"localhost:80")] == [200] * 3
    assert [asyncio.run(ask(host)) for host in (b"rebound.example:80", b"192.168.1.7:81")] == [403] * 2


def test_right_askers_pass(server: RenderServer) -> None:
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert server.ask("GET", "/v1/jobs", headers={"Host": f"{name}:{server.address.port}"}).status == 200
    assert server.ask("GET", "/v1/jobs", headers={"Sec-Fetch-Site": "none"}).status == 200
    assert server.ask("GET", "/v1/jobs", headers={"Authorization": f"bearer {server.token}"}).status == 200


def test_the_open_paths_tell_no_more_than_a_name(server: RenderServer) -> None:
    bare = server.ask("GET", "/v1/info", headers={"Authorization": None})
    assert bare.json == {"name": "fleximo", "api": "1.0"}
    full = server.ask("GET", "/v1/info").json
    assert full["pid"] == server.process.pid
    assert full["limits"]["blob_bytes"] == 64_000_000


def test_every_answer_carries_the_defensive_headers(server: RenderServer) -> None:
    answers: list[Answer] = [
        server.ask("GET", "/healthz"),
        server.ask("GET", "/v1/nothing"),
        server.ask("GET", "/v1/jobs", headers={"Origin": "null"}),
        server.ask("GET", "/v1/models"),
    ]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Server"] is None


def test_the_start_is_quick_and_loads_no_model(server: RenderServer) -> None:
    assert server.start["heavy"] == []
    assert server.start["cpu_s"] < 2.0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has access lists instead of modes")
def test_the_token_is_private_and_in_no_log(server: RenderServer) -> None:
    assert stat.S_IMODE((server.data / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert len(server.token) >= 43
    for path in [server.log, *server.data.rglob("*")]:
        if path.is_file() and path.name != "token":
            assert server.token.encode() not in path.read_bytes(), path


def test_the_router_is_the_whole_application() -> None:
    """So that the matrix above meets every route."""
    paths = create_app().openapi()["paths"]
    own = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert own == set(ROUTES)
    assert len(ROUTES) >= 17


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "8.8.8.8"])
def test_other_machines_only_on_request(host: str) -> None:
    with pytest.raises(FleximoError, match="insecure-lan") as raised:
        check_address(host, insecure_lan=False)
    assert raised.value.code == "insecure_address"
    check_address(host, insecure_lan=True)


def test_loopback_needs_no_request() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.2"):
        check_address(host, insecure_lan=False)
    with pytest.raises(FleximoError, match="IP address"):
        check_address("example.com", insecure_lan=True)


def test_no_server_listens_on_a_lan_address_by_itself(tmp_path: Path) -> None:
    from backend.server.serve import serve

    with pytest.raises(FleximoError, match="insecure-lan"):
        serve("0.0.0.0", 0, tmp_path / "data")
    assert not (tmp_path / "data").exists()
