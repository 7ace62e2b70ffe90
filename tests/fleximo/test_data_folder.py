"""The data folder: its place, the address of the server and the token."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from fleximo import FleximoError
from fleximo.data_folder import ServerAddress, data_folder, make_token, read_token, token_path

ADDRESS = ServerAddress("127.0.0.1", 4711, os.getpid(), "0.1.0", sys.executable)


def test_the_place_is_given_or_set_or_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXIMO_DATA", str(tmp_path / "set"))
    assert data_folder(tmp_path / "given") == tmp_path / "given"
    assert data_folder() == tmp_path / "set"
    monkeypatch.delenv("FLEXIMO_DATA")
    if sys.platform.startswith("linux"):
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert data_folder() == tmp_path / "fleximo"
        monkeypatch.delenv("XDG_DATA_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert data_folder() == tmp_path / ".local" / "share" / "fleximo"
    assert data_folder().is_absolute()
    assert data_folder("relative").is_absolute()


def test_an_address_is_read_as_written(tmp_path: Path) -> None:
    ADDRESS.write(tmp_path)
    assert ServerAddress.read(tmp_path) == ADDRESS
    assert ADDRESS.url == "http://127.0.0.1:4711"
    assert ServerAddress("::1", 80, 1, "", "").url == "http://[::1]:80"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"host": "127.0.0.1", "port": "x"}', "null"])
def test_an_unreadable_address_is_no_server(tmp_path: Path, text: str) -> None:
    ServerAddress.path(tmp_path).write_text(text)
    with pytest.raises(FleximoError, match="fleximo serve") as raised:
        ServerAddress.read(tmp_path)
    assert raised.value.code == "server_not_running"


def test_no_address_and_a_dead_process_are_no_server(tmp_path: Path) -> None:
    with pytest.raises(FleximoError, match="No render server"):
        ServerAddress.read(tmp_path)
    ServerAddress("127.0.0.1", 4711, 2**22 + 1, "0.1.0", "python").write(tmp_path)
    with pytest.raises(FleximoError, match="has ended"):
        ServerAddress.read(tmp_path)


def test_the_token_stays_until_it_is_renewed(tmp_path: Path) -> None:
    token = make_token(tmp_path / "new")
    assert len(token) >= 43
    assert make_token(tmp_path / "new") == token == read_token(tmp_path / "new")
    assert make_token(tmp_path / "new", renew=True) != token
    assert make_token(tmp_path / "other") != token
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["token"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has access lists instead of modes")
def test_the_token_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_token(tmp_path)
        assert stat.S_IMODE(token_path(tmp_path).stat().st_mode) == 0o600
        token_path(tmp_path).chmod(0o644)
        make_token(tmp_path)
        assert stat.S_IMODE(token_path(tmp_path).stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_missing_or_damaged_token_is_told(tmp_path: Path) -> None:
    for content in (None, b"", b"\xff\xff"):
        if content is not None:
            token_path(tmp_path).write_bytes(content)
        with pytest.raises(FleximoError) as raised:
            read_token(tmp_path)
        assert raised.value.code == "no_token"
    assert len(make_token(tmp_path)) >= 43
