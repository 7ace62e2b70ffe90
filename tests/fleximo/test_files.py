"""Files are whole or not there at all, and what cannot be read is explained."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from fleximo.errors import FleximoError
from fleximo.files import canonical_json, read_bytes, read_json, read_npz, write_atomic, write_json


def test_writing_replaces_and_leaves_nothing_else(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "file.bin"
    write_atomic(path, b"first")
    write_atomic(path, b"second")
    assert read_bytes(path) == b"second"
    assert os.listdir(path.parent) == ["file.bin"]


def test_a_failed_write_keeps_the_old_file_and_no_scrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file.bin"
    write_atomic(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fleximo.files.os.fsync", full)
    with pytest.raises(FleximoError, match="No space left on device") as caught:
        write_atomic(path, b"new")
    assert caught.value.code == "unwritable_file"
    assert os.listdir(tmp_path) == ["file.bin"]
    assert path.read_bytes() == b"old"


def test_a_folder_that_is_a_file_is_told(tmp_path: Path):
    (tmp_path / "folder").write_bytes(b"")
    with pytest.raises(FleximoError, match="cannot be written"):
        write_atomic(tmp_path / "folder" / "file.bin", b"")


def test_missing_files_are_named(tmp_path: Path):
    with pytest.raises(FleximoError, match=r"absent.json cannot be read: No such file"):
        read_json(tmp_path / "absent.json")


def test_json_round_trip_and_errors(tmp_path: Path):
    document = {"b": [1, 2.5, None], "a": "Größe"}
    write_json(tmp_path / "a.json", document)
    assert read_json(tmp_path / "a.json") == document
    (tmp_path / "torn.json").write_text('{"a": ')
    with pytest.raises(FleximoError, match=r"torn.json is not JSON"):
        read_json(tmp_path / "torn.json")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(FleximoError, match=r"deep.json is not JSON"):
        read_json(tmp_path / "deep.json")


def test_canonical_json_does_not_depend_on_order():
    assert canonical_json({"b": 1, "a": {"d": 2, "c": 3}}) == canonical_json({"a": {"c": 3, "d": 2}, "b": 1})
    assert canonical_json({"a": "ü"}) == '{"a":"ü"}'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": float("nan")})


def test_archives_that_grow_too_big_are_not_unpacked(monkeypatch: pytest.MonkeyPatch):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, zeros=np.zeros(5_000_000, np.uint8))
    assert read_npz(buffer.getvalue(), required=("zeros",), what="motion", newest=1)["zeros"].size == 5_000_000
    monkeypatch.setattr("fleximo.files._MAX_NPZ_BYTES", 4_000_000)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(FleximoError, match="unpacks to 5 MB; at most 4 MB are read"):
        read_npz(buffer.getvalue(), required=(), what="motion", newest=1)


def test_archives_lacking_something_say_what():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    arrays = read_npz(buffer.getvalue(), required=("a",), what="motion", newest=1)
    np.testing.assert_array_equal(arrays["a"], np.zeros(3))
    with pytest.raises(FleximoError, match="motion file lacks b, c"):
        read_npz(buffer.getvalue(), required=("a", "b", "c"), what="motion", newest=1)


@pytest.mark.skipif(sys.platform == "win32", reason="file modes are POSIX")
def test_written_files_get_the_users_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_atomic(tmp_path / "ours", b"content")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode
    write_atomic(tmp_path / "ours", b"secret", private=True)
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == 0o600
