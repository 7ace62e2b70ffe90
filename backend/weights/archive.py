"""Known files out of a zip that nobody vouches for.

Only names that were asked for are read, each to a path of ours: no name inside the archive ever becomes a path, and
nothing unpacks to more than it declares. Knows no bundles.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from backend.weights.fetch import check_space
from fleximo.errors import FleximoError

__all__ = ["find_member", "open_archive", "unpack"]

_CHUNK = 1 << 20
_MAX_MEMBER_BYTES = 16 << 30
_MAX_MEMBERS = 100_000
_MAX_RATIO = 100  # learnt numbers hardly pack at all; what unpacks to so much more is a bomb
_SMALL_BYTES = 16 << 20  # not worth a bomb: settings and statistics may pack well


def open_archive(path: Path) -> zipfile.ZipFile:
    """The zip at `path`; raises `FleximoError` (`bad_archive`)."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _bad(path, f"cannot be read as a zip: {error}") from None
    if len(archive.infolist()) > _MAX_MEMBERS:
        raise _bad(path, "holds too many files")
    return archive


def find_member(archive: zipfile.ZipFile, wanted: str) -> zipfile.ZipInfo | None:
    """The one member whose path ends in `wanted`, whatever folders it was packed below; None if there is none."""
    found = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and ("/" + entry.filename.replace("\\", "/")).endswith("/" + wanted)
    ]
    if len(found) > 1:
        raise _bad(Path(archive.filename or "the zip"), f"holds {wanted} more than once")
    return found[0] if found else None


def unpack(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, written: Callable[[int], None] = lambda size: None
) -> None:
    """Writes one member to `target`. Raises `FleximoError`: `bad_archive`, `no_space`."""
    path = Path(archive.filename or "the zip")
    suspicious = member.file_size > max(_SMALL_BYTES, _MAX_RATIO * member.compress_size)
    if suspicious or member.file_size > _MAX_MEMBER_BYTES:
        raise _bad(path, f"declares an absurd size for {member.filename!r}")
    if member.flag_bits & 1:
        raise _bad(path, "is locked with a password")
    target.parent.mkdir(parents=True, exist_ok=True)
    check_space(target.parent, member.file_size, path.name)
    size = 0
    try:
        with archive.open(member) as packed, open(target, "wb") as file:
            while content := packed.read(_CHUNK):
                size += len(content)
                if size > member.file_size:
                    raise _bad(path, f"holds more of {member.filename!r} than it declares")
                file.write(content)
                written(size)
            file.flush()
            os.fsync(file.fileno())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        target.unlink(missing_ok=True)
        raise _bad(path, f"is damaged: {error}") from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    if size != member.file_size:
        target.unlink(missing_ok=True)
        raise _bad(path, f"holds less of {member.filename!r} than it declares")


def _bad(path: Path, why: str) -> FleximoError:
    return FleximoError(f"{path} {why}.", code="bad_archive", remedy="Download it again.")
