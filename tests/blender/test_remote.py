"""What the worker thread asks the server for, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


class Place:
    """A client of the server as it was at one port."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def submit(self, _request: Any, _job: str) -> None: ...

    def result(self, _job: str) -> bytes:
        return self.content


def test_a_result_is_read_where_the_server_is_now(addon: Any, monkeypatch: Any, tmp_path: Path) -> None:
    """It may have been started again, at another port, while the job was waited for."""
    stages, places = addon("remote.stages"), iter([Place(b"gone"), Place(b"there")])

    def ended(*_: Any, **__: Any) -> Iterator[None]:
        yield

    monkeypatch.setattr(stages, "connect", lambda _folder: next(places))
    monkeypatch.setattr(stages, "ended", ended)
    steps = stages._made(tmp_path, lambda _client: {"kind": "check"}, None)
    next(steps)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value() == b"there"
