"""Blobs by content: every file is named by the sha256 of its bytes, checked at writing and at each reading.

Knows bytes and digests; nothing of jobs. No name in here ever comes from a client: a digest is 64 hex digits or
refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from pathlib import Path

from fleximo.errors import FleximoError
from fleximo.files import read_bytes
from fleximo.system import replace_file, sync_folder

__all__ = ["BlobStore", "BlobWriter", "MissingBlobs", "file_digest", "sweep_parts"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


class MissingBlobs(FleximoError):
    """A request names blobs that were not sent, or not intact; `digests` says which."""

    def __init__(self, digests: list[str]) -> None:
        super().__init__(
            f"{len(digests)} of the blobs that the job names are not in the store.",
            code="missing_blobs",
            remedy="Send them first.",
        )
        self.digests = digests


def file_digest(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sweep_parts(folder: Path) -> int:
    """Removes the unfinished files that a killed process left under `folder`; returns how many.

    Every writer of this project names them `.*.part*`.
    """
    count = 0
    for path in folder.rglob(".*.part*"):
        with contextlib.suppress(OSError):
            path.unlink()
            count += 1
    return count


class BlobStore:
    """A folder of blobs, `ab/cdef...`, one file per content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def path(self, digest: str) -> Path:
        """Where the blob of that digest lies or would lie; the only place where a path is made of a digest."""
        if not _DIGEST.fullmatch(digest):
            raise FleximoError("A blob's name is its sha256 in 64 lower-case hex digits.", code="bad_digest")
        path = (self.folder / digest[:2] / digest[2:]).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise FleximoError("This blob lies outside the store.", code="bad_digest")
        return path

    def size(self, digest: str) -> int | None:
        """Bytes of an intact blob; None if it is absent or damaged (then it is removed, so that it is sent again)."""
        path = self.path(digest)
        try:
            if file_digest(path) == digest:
                return path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise FleximoError(f"The blob {digest} cannot be read: {error.strerror}.", code="unreadable_file") from None
        return None

    def read(self, digest: str) -> bytes:
        """The bytes of a blob; raises `FleximoError` if it is absent (`missing_blob`) or damaged (`damaged_blob`)."""
        path = self.path(digest)
        if not path.is_file():
            raise FleximoError(f"The blob {digest} is not in the store.", code="missing_blob", remedy="Send it again.")
        content = read_bytes(path)
        if hashlib.sha256(content).hexdigest() != digest:
            path.unlink(missing_ok=True)
            raise FleximoError(f"The blob {digest} was damaged on disk.", code="damaged_blob", remedy="Send it again.")
        return content

    def writer(self, digest: str) -> BlobWriter:
        return BlobWriter(self.path(digest), digest)

    def write(self, content: bytes) -> str:
        """Stores `content`; returns its digest."""
        digest = hashlib.sha256(content).hexdigest()
        with self.writer(digest) as writer:
            writer.write(content)
            writer.commit()
        return digest

    def collect(self, used: set[str], *, older_than_s: float) -> int:
        """Removes blobs that nothing in `used` names and nobody sent for `older_than_s` seconds."""
        limit = time.time() - older_than_s
        count = 0
        for path in self.folder.glob("??/*"):
            digest = path.parent.name + path.name
            if _DIGEST.fullmatch(digest) and digest not in used and path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)
                count += 1
        return count


class BlobWriter:
    """Takes a blob in pieces and puts it in place only if its digest is the promised one.

    Used as a context manager; left without `commit`, nothing stays.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._expected = digest
        self._digest = hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._part = path.with_name(f".{secrets.token_hex(8)}.part")
        self._file = self._part.open("xb")

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._file.write(chunk)

    def commit(self) -> None:
        """Syncs and renames; raises `FleximoError` (`digest_mismatch`) if other bytes came than were promised."""
        if self._digest.hexdigest() != self._expected:
            raise FleximoError(
                f"The content has the sha256 {self._digest.hexdigest()}, not {self._expected}.",
                code="digest_mismatch",
                remedy="Send it again.",
            )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        replace_file(self._part, self._path)
        sync_folder(self._path.parent)
