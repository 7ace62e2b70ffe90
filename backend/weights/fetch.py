"""Fetches one file: resumes what an earlier try left, checks size and sum, and renames only what is whole and right.

The bytes gather in `NAME.part`, with a note beside it of which version of the file they belong to. Knows no bundles.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import fleximo
from backend.weights.refusals import Source, refusal, web_page
from backend.weights.transport import PUBLIC, ConnectionLost, Policy, Reply, opened
from fleximo.errors import FleximoError
from fleximo.files import read_json, write_json
from fleximo.system import replace_file, sync_folder

__all__ = ["PATIENT", "Fetched", "Patience", "Received", "check_space", "fetch"]

_CHUNK = 1 << 20
_SPARE_BYTES = 64 << 20  # left free on the disk
_PAGE_BYTES = 64 << 10  # as much of a web page is read to understand it
Received = Callable[[int, int | None], None]  # bytes so far, bytes in all


@dataclass(frozen=True)
class Patience:
    """How long a silent server is waited for, and how often in a row a fault may happen without any progress."""

    timeout_s: float = 30.0
    tries: int = 4
    wait_s: float = 1.0  # before the second try; doubled each time


@dataclass(frozen=True)
class Fetched:
    """What came: its sum, and the one that its host published with it (the lock file's or the hub's), if any."""

    sha256: str
    published: str | None


PATIENT = Patience()


class _StartOver(Exception):
    """What lies in the part cannot be continued."""


def fetch(
    source: Source,
    target: Path,
    *,
    token: str | None = None,
    policy: Policy = PUBLIC,
    patience: Patience = PATIENT,
    received: Received = lambda done, total: None,
) -> Fetched:
    """Fetches `source` to `target`; on return the file is whole and, where a sum is published, the right one.

    `received(bytes so far, bytes in all or None)` is called as they come and may raise to stop; what came stays in
    `target` + ".part" and the next call goes on from there. Only one call may work on a target at a time.
    Raises `FleximoError`: see `refusals`, and `connection_lost`, `wrong_sum`, `wrong_size`, `no_space`.
    """
    part = _Part(target)
    faults, started_over = 0, False
    while True:
        before = part.size()
        try:
            return _try_once(source, part, token, policy, patience, received)
        except _StartOver:
            part.discard()
            if started_over:
                raise _wrong_sum(source) from None
            started_over = True
        except ConnectionLost as error:
            faults = 1 if part.size() > before else faults + 1
            if faults >= patience.tries:
                raise FleximoError(
                    f"{source.name} did not come: {error}.",
                    code="connection_lost",
                    remedy="Run the same command again: it goes on where this one stopped.",
                ) from None
            time.sleep(patience.wait_s * 2 ** (faults - 1))


@dataclass(frozen=True)
class _Part:
    """The unfinished file, and the note of what it belongs to."""

    target: Path

    @property
    def path(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def note(self) -> Path:
        return self.target.with_name(self.target.name + ".part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def validator(self, source: Source) -> str | None:
        """The ETag that the bytes came with, if they came from the same URL."""
        try:
            note: Any = read_json(self.note)
            return str(note["etag"]) if note["url"] == source.url and note["etag"] else None
        except (FleximoError, KeyError, TypeError):
            return None

    def rename(self) -> None:
        replace_file(self.path, self.target)
        self.note.unlink(missing_ok=True)
        sync_folder(self.target.parent)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _try_once(
    source: Source,
    part: _Part,
    token: str | None,
    policy: Policy,
    patience: Patience,
    received: Received,
) -> Fetched:
    part.target.parent.mkdir(parents=True, exist_ok=True)
    validator = part.validator(source)
    if part.size() and validator is None and source.sha256 is None:
        part.discard()  # nothing would tell whether old and new bytes belong together
    offset = part.size()
    if source.sha256 is not None and source.size is not None and offset >= source.size:
        return _finish(source, part)
    headers = {"User-Agent": f"fleximo/{fleximo.__version__}", "Accept-Encoding": "identity", "Accept": "*/*"}
    if offset:
        headers |= {"Range": f"bytes={offset}-"} | ({"If-Range": validator} if validator else {})
    with opened(source.url, headers, token=token, policy=policy, timeout_s=patience.timeout_s) as reply:
        if reply.status == 416 and offset:
            raise _StartOver
        if reply.status >= 500:
            raise ConnectionLost(f"{reply.host} answered {reply.status}")
        if reply.status not in (200, 206):
            raise refusal(reply.status, reply.headers, source, token_sent=token is not None)
        published = _published_sum(reply, source)
        head = _head(reply, source) if reply.status == 200 else b""
        total, offset = _extent(reply, source, offset)
        check_space(part.target.parent, (total or 0) - offset, source.name)
        etag = reply.headers.get("ETag", "")
        write_json(part.note, {"url": source.url, "etag": "" if etag.startswith("W/") else etag})
        with open(part.path, "r+b" if offset else "wb") as file:
            digest = _digest_of(file, offset)
            size = _receive(reply, source, file, digest, head, offset, total, received)
    if total is not None and size < total:
        raise ConnectionLost(f"{reply.host} stopped at {size} of {total} bytes")
    expected = source.sha256 or published
    if expected is not None and digest.hexdigest() != expected:
        part.discard()
        if offset:
            raise _StartOver
        raise _wrong_sum(source)
    part.rename()
    return Fetched(digest.hexdigest(), expected)


def _finish(source: Source, part: _Part) -> Fetched:
    """Takes a part that already has the size of the whole, as a kill right before the renaming leaves it."""
    with open(part.path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != source.sha256:
        raise _StartOver
    part.rename()
    return Fetched(found, source.sha256)


def _published_sum(reply: Reply, source: Source) -> str | None:
    """The sha256 that the hub tells beside a large file; raises if it is another than the lock file's."""
    told = reply.first.get("X-Linked-Etag", "").strip('"')
    if not re.fullmatch("[0-9a-f]{64}", told):
        return None
    if source.sha256 is not None and told != source.sha256:
        raise FleximoError(
            f"{source.host} now publishes another {source.name} (sha256 {told[:12]}... instead of "
            f"{source.sha256[:12]}...), which Fleximo was not made for.",
            code="changed_at_source",
            remedy="Update Fleximo, or import the file that you trust.",
        )
    return told


def _extent(reply: Reply, source: Source, offset: int) -> tuple[int | None, int]:
    """The size of the whole file (None: the server does not tell) and where this answer begins in it."""
    if reply.headers.get("Content-Encoding", "identity") != "identity":
        raise FleximoError(f"{reply.host} sent {source.name} packed although it was asked not to.", code="packed")
    length = reply.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    if reply.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", reply.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != offset:
            raise _StartOver
        total = int(match[2])
    else:
        offset = 0
    if source.size is not None and total is not None and total != source.size:
        raise _wrong_size(source, total)
    whole = total if total is not None else source.size
    if whole is None and source.sha256 is None and reply.headers.get("Transfer-Encoding", "") != "chunked":
        raise FleximoError(
            f"{reply.host} tells neither the size nor the sum of {source.name}: a cut could not be seen.",
            code="unknown_size",
            remedy=source.otherwise,
        )
    return whole, offset


def _head(reply: Reply, source: Source) -> bytes:
    """The first bytes of the file; raises where they are those of a web page."""
    content = reply.read(_PAGE_BYTES)
    kind = reply.headers.get("Content-Type", "").lower()
    if kind.startswith("text/html") or re.match(rb"\s*<(!doctype\s+html|html)", content[:200], re.IGNORECASE):
        with contextlib.suppress(ConnectionLost):
            while len(content) < _PAGE_BYTES and (more := reply.read(_PAGE_BYTES)):
                content += more
        raise web_page(content, source)
    return content


def _digest_of(file: BinaryIO, size: int) -> Any:
    """The running sum of the first `size` bytes, with the file left standing behind them."""
    digest = hashlib.sha256()
    left = size
    while left and (content := file.read(min(_CHUNK, left))):
        digest.update(content)
        left -= len(content)
    return digest


def _receive(
    reply: Reply,
    source: Source,
    file: BinaryIO,
    digest: Any,
    content: bytes,
    size: int,
    total: int | None,
    received: Received,
) -> int:
    """Writes `content` and what follows it to the part; returns how far the file then reaches."""
    try:
        while True:
            file.write(content)
            digest.update(content)
            size += len(content)
            if total is not None and size > total:
                raise _StartOver
            received(size, total)
            content = reply.read(_CHUNK)
            if not content:
                file.flush()
                os.fsync(file.fileno())
                return size
    except OSError as error:
        raise FleximoError(
            f"{source.name} cannot be written: {error.strerror or error}.", code="no_space", remedy="Make room first."
        ) from None


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raises `FleximoError` (`no_space`) unless the disk of `folder` takes `needed` bytes and a little more."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > 0 and free < needed + _SPARE_BYTES:
        raise FleximoError(
            f"{what} needs {needed / 1e9:.2f} GB; {free / 1e9:.2f} GB are free at {there}.",
            code="no_space",
            remedy="Make room, or set FLEXIMO_MODELS to a folder on another disk.",
        )


def _wrong_sum(source: Source) -> FleximoError:
    return FleximoError(
        f"What {source.host} sent is not the {source.name} that was published: the sha256 differs. It was thrown away.",
        code="wrong_sum",
        remedy="Try again; if it stays, do not use that copy.",
    )


def _wrong_size(source: Source, size: int) -> FleximoError:
    return FleximoError(
        f"{source.host} offers a {source.name} of {size} bytes; the published one has {source.size}.",
        code="wrong_size",
        remedy=source.otherwise,
    )
