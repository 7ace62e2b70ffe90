"""Bytes of files that nobody vouches for: size limits, zip archives and compressed streams.

Everything is bounded before it is unpacked, so that a small file never becomes a large memory. Knows no motions.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleximo.errors import FleximoError

__all__ = ["LIMIT_BYTES", "Archive", "check_size", "damaged", "guarded", "read_limited", "unpacked"]

LIMIT_BYTES = 128 * 2**20  # of a file, and of what it unpacks to: ten minutes of AMASS at 120 fps are 96 MB
_MAX_MEMBERS = 4096
_XZ_MEMORY = 96 * 2**20  # what the strongest preset of xz asks for, and a little more
_PIECE = 8 * 2**20  # bytes that are unpacked at a time
_SIGNATURES = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x5d\x00\x00": "lzma"}


def damaged(what: str, why: object) -> FleximoError:
    """The error for a file whose bytes do not make sense."""
    told = " ".join(str(why).split())[:160] or type(why).__name__
    return FleximoError(
        f"The {what} cannot be read: {told}.", code="unreadable_file", remedy="Is the file complete? Save it again."
    )


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Tells whatever goes wrong while strange bytes are taken apart as one `FleximoError`."""
    try:
        yield
    except FleximoError:
        raise
    except MemoryError:
        raise damaged(what, "it asks for more memory than there is") from None
    except (
        ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RecursionError,
        RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise damaged(what, error) from None


def read_limited(path: Path, what: str = "file", *, limit: int = LIMIT_BYTES) -> bytes:
    """The content of a regular file of at most `limit` bytes."""
    try:
        if not path.is_file():
            raise FleximoError(f"{path} is no file.", code="unreadable_file", remedy="Is the name right?")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise FleximoError(f"{path} cannot be read: {error}.", code="unreadable_file") from None
    check_size(len(content), what, limit=limit)
    return content


def check_size(count: int, what: str, *, limit: int = LIMIT_BYTES) -> None:
    """Raises `FleximoError` if a file has more than `limit` bytes."""
    if count > limit:
        raise FleximoError(
            f"The {what} holds more than {limit >> 20} MB, more than any motion of ten minutes.",
            code="file_too_large",
            remedy="Cut it into shorter clips, or lower its frame rate.",
        )


class Archive:
    """A zip archive whose members together unpack to at most `LIMIT_BYTES`."""

    def __init__(self, content: bytes, what: str) -> None:
        self.what = what
        with guarded(what):
            # zipfile makes an object of every entry before one can count them.
            if content.count(b"PK\x01\x02") > _MAX_MEMBERS:
                raise ValueError(f"it has more than {_MAX_MEMBERS} parts")
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            self._members = {member.filename: member for member in self._zip.infolist()}
            check_size(sum(member.file_size for member in self._members.values()), what)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of one member, its checksum compared."""
        with guarded(self.what):
            member = self._members[name]
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("it is packed in a way that is not read (neither stored nor deflated)")
            return self._zip.read(member)


def unpacked(content: bytes, what: str) -> bytes | bytearray:
    """`content` without its zlib, gzip, bz2, xz or lzma packing; other bytes come back as they are."""
    packing = next((name for start, name in _SIGNATURES.items() if content.startswith(start)), "")
    if not packing and len(content) > 2 and content[0] == 0x78 and (content[0] << 8 | content[1]) % 31 == 0:
        packing = "zlib"
    if not packing:
        return content
    with guarded(what):
        result = bytearray()
        unpack = _unpacker(packing)
        piece, more = unpack(content, _PIECE)
        while piece or more:
            result += piece
            check_size(len(result), what)
            if not more:
                break
            piece, more = unpack(b"", _PIECE)
            if more and not piece:
                raise ValueError("its end is missing")
        return result


def _unpacker(packing: str) -> Callable[[bytes, int], tuple[bytes, bool]]:
    """(packed bytes, at most so many out) -> (bytes, whether there are more to come)."""
    if packing in ("zlib", "gzip"):
        stream = zlib.decompressobj(wbits=31 if packing == "gzip" else 15)

        def inflate(content: bytes, limit: int) -> tuple[bytes, bool]:
            return stream.decompress(content or stream.unconsumed_tail, limit), not stream.eof

        return inflate
    decompressor, failure = _seldom(packing)

    def unpack(content: bytes, limit: int) -> tuple[bytes, bool]:
        try:
            return decompressor.decompress(content, limit), not decompressor.eof
        except failure as error:
            raise ValueError(str(error)) from None

    return unpack


def _seldom(packing: str) -> tuple[Any, type[Exception]]:
    """What unpacks bz2, xz and lzma, and its error; some builds of Python have neither."""
    try:
        if packing == "bz2":
            import bz2

            return bz2.BZ2Decompressor(), OSError
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_XZ_MEMORY), lzma.LZMAError
    except ImportError:
        raise ValueError(f"it is packed with {packing}, which this Python cannot unpack") from None
