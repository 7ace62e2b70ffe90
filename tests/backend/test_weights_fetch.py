"""Downloads from a server that misbehaves: the right file, or no file and a sentence."""

from __future__ import annotations

import hashlib
import ipaddress
import random
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.weights import fetch as fetching
from backend.weights import transport
from backend.weights.fetch import Patience, fetch
from backend.weights.refusals import Source
from backend.weights.transport import PUBLIC, Policy
from fleximo import Cancelled, FleximoError
from tests.backend import bad_server
from tests.backend.bad_server import FAULTS, BadServer, Fault, answering, page, redirecting, running

CONTENT = np.random.default_rng(3).bytes(200_000)
SUM = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(timeout_s=0.25, tries=4, wait_s=0.0)
TOKEN = "hf_secretsecretsecret"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {})


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(CONTENT) as found:
        yield found


def source(server: BadServer, **changes: Any) -> Source:
    given = {
        "url": server.url, "name": "file.bin", "size": len(CONTENT), "sha256": SUM, "page": "https://hub/page",
        "bundle": "thing",
    }  # fmt: skip
    return Source(**(given | changes))


def get(server: BadServer, target: Path, *, token: str | None = None, **changes: Any) -> fetching.Fetched:
    return fetch(source(server, **changes), target, token=token, policy=server.policy, patience=QUICK)


def first(*faults: Fault | None) -> Any:
    """These faults for the first requests, honest answers after them."""
    return lambda number: faults[number] if number < len(faults) else None


def always(fault: Fault) -> Any:
    return lambda number: fault


def test_a_file_comes_whole(server: BadServer, tmp_path: Path) -> None:
    got = get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert got == fetching.Fetched(SUM, SUM)
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("fault", [bad_server.cut, bad_server.stall])
def test_it_goes_on_where_the_connection_broke(server: BadServer, tmp_path: Path, fault: Fault) -> None:
    server.script = first(fault)
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.seen[1]["Range"].startswith("bytes=")
    assert server.seen[1]["If-Range"] == server.etag


def test_it_goes_on_where_an_earlier_call_was_stopped(server: BadServer, tmp_path: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        if done > 60_000:
            raise Cancelled

    server.script = first(bad_server.stall)
    with pytest.raises(Cancelled):
        fetch(source(server), tmp_path / "file.bin", policy=server.policy, patience=QUICK, received=stop)
    assert not (tmp_path / "file.bin").exists()
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert kept > 0
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.seen[-1]["Range"] == f"bytes={kept}-"


def test_a_part_of_another_version_is_not_continued(server: BadServer, tmp_path: Path) -> None:
    """Without a published sum only the ETag tells: what was begun with another one is begun again."""
    server.script = always(bad_server.cut)
    with pytest.raises(FleximoError, match="goes on where this one stopped"):
        get(server, tmp_path / "file.bin", sha256=None)
    server.content, server.etag, server.script = CONTENT[::-1], '"newer"', first()
    get(server, tmp_path / "file.bin", sha256=None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT[::-1]


def test_another_range_than_asked_for_is_not_appended(server: BadServer, tmp_path: Path) -> None:
    server.script = first(bad_server.cut, bad_server.other_range)
    get(server, tmp_path / "file.bin", sha256=None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_without_note_or_sum_is_begun_again(server: BadServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"what is this?")
    get(server, tmp_path / "file.bin", sha256=None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert "Range" not in server.seen[0]


def test_a_part_with_damage_is_begun_again(server: BadServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert [request.get("Range") for request in server.seen] == ["bytes=1000-", None]


def test_a_whole_part_needs_no_request(server: BadServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    get(server, tmp_path / "file.bin")
    assert server.seen == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (bad_server.cut, "connection_lost"),
        (bad_server.stall, "connection_lost"),
        (bad_server.wrong_bytes, "wrong_sum"),
        (bad_server.too_short, "wrong_size"),
        (bad_server.too_long, "wrong_size"),
        (bad_server.length_that_lies, "wrong_size"),
        (bad_server.server_error, "connection_lost"),
        (bad_server.gibberish, "connection_lost"),
        (bad_server.packed, "packed"),
        (bad_server.chunked_and_cut, "connection_lost"),
    ],
)
def test_a_server_that_never_gives_it_right(server: BadServer, tmp_path: Path, fault: Fault, code: str) -> None:
    server.script = always(fault)
    with pytest.raises(FleximoError) as caught:
        fetch(source(server), tmp_path / "file.bin", policy=server.policy, patience=Patience(0.1, 2, 0.0))
    assert caught.value.code == code
    assert not (tmp_path / "file.bin").exists()


def test_a_length_is_needed_where_nothing_else_would_show_a_cut(server: BadServer, tmp_path: Path) -> None:
    def unsized(handler: bad_server.Handler) -> None:
        handler.head(200)
        handler.send(CONTENT[:9000])

    server.script = always(unsized)
    with pytest.raises(FleximoError) as caught:
        get(server, tmp_path / "file.bin", sha256=None, size=None)
    assert caught.value.code == "unknown_size"
    server.script = always(bad_server.chunked)
    assert get(server, tmp_path / "file.bin", sha256=None, size=None).published is None
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_the_hubs_own_sum_is_compared(server: BadServer, tmp_path: Path) -> None:
    server.extra = {"X_Linked_Etag": f'"{SUM}"'}
    assert get(server, tmp_path / "file.bin", sha256=None).published == SUM
    server.extra = {"X_Linked_Etag": f'"{"0" * 64}"'}
    with pytest.raises(FleximoError) as caught:
        get(server, tmp_path / "other.bin", sha256=None)
    assert caught.value.code == "wrong_sum"
    with pytest.raises(FleximoError, match="publishes another"):
        get(server, tmp_path / "other.bin")
    assert not (tmp_path / "other.bin").exists()


def test_the_sum_of_a_redirected_host_is_not_believed(server: BadServer, tmp_path: Path) -> None:
    with running(CONTENT) as other:
        other.extra = {"X_Linked_Etag": f'"{SUM}"'}
        server.script = always(redirecting(other.url))
        got = fetch(
            source(server, sha256=None),
            tmp_path / "file.bin",
            policy=Policy(server.policy.trusted | other.policy.trusted),
            patience=QUICK,
        )
    assert got.published is None


def test_the_token_stays_with_its_host(server: BadServer, tmp_path: Path) -> None:
    with running(CONTENT) as other:
        server.script = always(redirecting(other.url + "?X-Signature=abc"))
        policy = Policy(server.policy.trusted | other.policy.trusted)
        fetch(source(server), tmp_path / "file.bin", token=TOKEN, policy=policy, patience=QUICK)
        assert server.seen[0]["Authorization"] == f"Bearer {TOKEN}"
        assert all("Authorization" not in request for request in other.seen) and other.seen


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_into_a_private_network_is_refused(server: BadServer, tmp_path: Path, status: int) -> None:
    with running(CONTENT) as other:
        server.script = always(redirecting(other.url, status))
        with pytest.raises(FleximoError) as caught:
            get(server, tmp_path / "file.bin")
        assert caught.value.code == "refused_address"
        assert other.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/x", "https://192.168.1.1/x", "https://172.16.0.9/x", "https://127.0.0.1/x", "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data", "https://[::ffff:10.0.0.1]/x", "https://[64:ff9b::a00:1]/x",
        "https://[fe80::1]/x", "https://[fd00::1]/x", "https://0.0.0.0/x", "https://100.64.0.1/x", "https://224.0.0.1/x",
        "https://[2002:0a00:0001::1]/x", "https://2130706433/x", "https://localhost/x",
        "http://93.184.216.34/x", "ftp://93.184.216.34/x", "file:///etc/passwd", "https://user:pass@93.184.216.34/x",
        "https://", "//10.0.0.1/x", "https://93.184.216.34:99999/x",
    ],
)  # fmt: skip
def test_no_redirect_leads_astray(server: BadServer, tmp_path: Path, url: str) -> None:
    server.script = always(redirecting(url))
    with pytest.raises(FleximoError) as caught:
        get(server, tmp_path / "file.bin", token=TOKEN)
    assert caught.value.code == "refused_address"
    assert TOKEN not in str(caught.value)
    assert not (tmp_path / "file.bin").exists()


@pytest.mark.parametrize("host", ["93.184.216.34", "::ffff:93.184.216.34", "64:ff9b::5db8:d822", "2606:2800:220:1::1"])
def test_public_addresses_are_allowed(host: str) -> None:
    assert PUBLIC.addresses(("https", host, 443))


def test_a_name_that_resolves_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when only one of its addresses is private: the next look-up could give that one."""

    def resolve(host: str, port: int, **kind: Any) -> list[Any]:
        return [(socket.AF_INET, kind, 6, "", (address, port)) for address in ("93.184.216.34", "10.1.2.3")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(FleximoError, match="private network"):
        PUBLIC.addresses(("https", "models.example", 443))


def test_the_address_that_was_checked_is_the_one_that_is_used(
    server: BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **kind: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if host == "models.example" else host, *rest, **kind)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    policy = Policy(frozenset({("http", "models.example", server.port)}))
    url = f"http://models.example:{server.port}/file"
    with transport.opened(url, {}, token=None, policy=policy, timeout_s=1.0) as reply:
        assert reply.status == 200
    assert asked.count("models.example") == 1
    assert all(ipaddress.ip_address(host) for host in asked if host != "models.example")


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/x", "https://2130706433/x", "https://[::1]/x", "https://a.internal/x"]
)
def test_a_proxy_is_not_asked_for_private_hosts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "http://127.0.0.1:9"})
    with (
        pytest.raises(FleximoError) as caught,
        transport.opened(url, {}, token=None, policy=PUBLIC, timeout_s=1.0),
    ):
        pass
    assert caught.value.code == "refused_address"


def test_a_proxy_gets_its_own_login_and_never_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def answer() -> None:
            connection, _ = proxy.accept()
            with connection:
                heard.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

        listener = threading.Thread(target=answer)
        listener.start()
        login = f"http://someone:password@127.0.0.1:{proxy.getsockname()[1]}"
        monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": login})
        with (
            pytest.raises(transport.ConnectionLost) as caught,
            transport.opened("https://models.example/x", {}, token=TOKEN, policy=PUBLIC, timeout_s=2.0),
        ):
            pass
        listener.join()
    assert heard[0].startswith(b"CONNECT models.example:443") and b"Proxy-Authorization: Basic " in heard[0]
    assert TOKEN.encode() not in heard[0]
    assert "password" not in str(caught.value)


def test_certificates_are_checked() -> None:
    settings = transport._tls()
    assert settings.verify_mode == ssl.CERT_REQUIRED and settings.check_hostname


def test_redirects_end(server: BadServer, tmp_path: Path) -> None:
    server.script = always(redirecting("/models/again"))
    with pytest.raises(FleximoError, match="redirected more than"):
        get(server, tmp_path / "file.bin")


SENTENCES: list[tuple[Fault, str | None, str, str]] = [
    (answering(401, X_Error_Code="GatedRepo"), None, "needs_token", "there is no token"),
    (answering(401), TOKEN, "bad_token", "does not accept the token"),
    (answering(403, X_Error_Code="GatedRepo"), TOKEN, "gated", "Open https://hub/page, accept the terms"),
    (answering(403), None, "refused", "refuses to give"),
    (answering(404), None, "moved", "no longer where it was"),
    (answering(429, Retry_After="60"), None, "quota", "in 60 seconds"),
    (answering(204), None, "unexpected_answer", "answered 204"),
    (page("<!DOCTYPE html><html>Too many users have viewed or <b>downloaded</b> this"), None, "quota", "24 hours"),
    (page("<html><title>Google Drive - Virus scan warning</title> Download anyway"), None, "confirmation_page",
     "asks for confirmation"),
    (page("<html>You need access. Sign in to continue"), None, "sign_in_page", "sign-in page"),
    (page(" \n<!doctype HTML><html>Hello", "application/octet-stream"), None, "web_page", "a web page"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "token", "code", "words"), SENTENCES, ids=[entry[2] for entry in SENTENCES])
def test_every_refusal_has_its_sentence(
    server: BadServer, tmp_path: Path, fault: Fault, token: str | None, code: str, words: str
) -> None:
    server.script = always(fault)
    with pytest.raises(FleximoError) as caught:
        get(server, tmp_path / "file.bin", token=token)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_sentences_differ() -> None:
    assert len({words for *_, words in SENTENCES}) == len(SENTENCES)


def test_a_full_disk_is_told_before_the_download(
    server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 100_000}))
    with pytest.raises(FleximoError) as caught:
        get(server, tmp_path / "file.bin")
    assert caught.value.code == "no_space"
    assert not list(tmp_path.iterdir())


def bad_day(dice: random.Random, target: Path) -> bool:
    """Random faults in random order met by calls that are stopped at random; whether the file came through it all."""
    faults = [dice.choice(FAULTS) if dice.random() < 0.6 else None for _ in range(40)]
    known = dice.random() < 0.7  # else the size and the sum come from the hub alone
    with running(CONTENT) as server:
        server.script = first(*faults)
        server.extra = {} if known else {"X_Linked_Etag": SUM}
        wanted = source(server) if known else source(server, size=None, sha256=None)
        for _ in range(4):
            stop_at = dice.randrange(400_000)

            def received(done: int, total: int | None, stop_at: int = stop_at) -> None:
                if done > stop_at:
                    raise Cancelled

            try:
                fetch(wanted, target, policy=server.policy, patience=Patience(0.1, 2, 0.0), received=received)
                break
            except FleximoError:
                assert not target.exists()
        came = target.exists()
        if not came:
            server.script = first()
            fetch(wanted, target, policy=server.policy, patience=QUICK)
    return came


def test_a_hundred_bad_days_end_with_the_right_file_or_none(tmp_path: Path) -> None:
    came = 0
    for day in range(100):
        target = tmp_path / str(day) / "file.bin"
        came += bad_day(random.Random(day), target)
        assert target.read_bytes() == CONTENT, f"day {day}"
        assert [path.name for path in target.parent.iterdir()] == ["file.bin"]
    assert 20 < came < 100  # most days the faults let it through in the end, on some they do not
