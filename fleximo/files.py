"""Reading and writing files so that nothing half-written ever stands under a final name.

Knows bytes, npz archives and JSON; nothing of what they mean.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo.errors import FleximoError
from fleximo.system import replace_file

__all__ = ["canonical_json", "read_bytes", "read_json", "read_npz", "reading", "write_atomic", "write_json"]

_MAX_NPZ_BYTES = 256_000_000


def read_bytes(path: Path) -> bytes:
    """The content of `path`; raises `FleximoError` that says why it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FleximoError(f"{path} cannot be read: {error.strerror or error}.", code="unreadable_file") from None


def write_atomic(path: Path, content: bytes, *, private: bool = False) -> None:
    """Writes `content` to `path` all or nothing: a temporary file beside it, synced, then renamed.

    A `private` one is never readable by other users, where modes exist; the others have the user's usual mode.
    """
    mode = 0o600 if private else 0o666
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, path)
    except OSError as error:
        raise FleximoError(
            f"{path} cannot be written: {error.strerror or error}.",
            code="unwritable_file",
            remedy="Choose a folder that you may write to, with enough free space.",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def canonical_json(document: Any) -> bytes:
    """The one byte string of a JSON document: sorted keys, no spaces; what digests are taken of."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def write_json(path: Path, document: Any) -> None:
    """Writes a readable JSON file, all or nothing."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """Reads a JSON file; raises `FleximoError` that names the file and the place."""
    try:
        return json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise FleximoError(f"{path} is not JSON: {error}.", code="unreadable_file") from None


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Tells values of another kind or shape than expected, met inside the block, as a `FleximoError`."""
    try:
        yield
    except (LookupError, TypeError, ValueError) as error:
        raise FleximoError(f"The {what} file cannot be read: {error}.", code="unreadable_file") from None


def read_npz(content: bytes, *, required: tuple[str, ...], what: str, newest: int) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an npz archive, never unpickled, at most 256 MB unpacked.

    Raises `FleximoError` if it is no npz, lacks one of `required`, or its `format_version` is above `newest`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_NPZ_BYTES:
            raise FleximoError(
                f"The {what} file unpacks to {size / 1e6:.0f} MB; at most {_MAX_NPZ_BYTES / 1e6:.0f} MB are read.",
                code="unreadable_file",
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise FleximoError(f"This is no readable {what} file (npz): {error}.", code="unreadable_file") from None
    missing = [name for name in required if name not in arrays]
    if missing:
        raise FleximoError(f"The {what} file lacks {', '.join(missing)}.", code="unreadable_file")
    with reading(what):
        version = int(arrays.get("format_version", np.int32(1)))
    if version > newest:
        raise FleximoError(
            f"The {what} file has format version {version}; this program reads up to {newest}.",
            code="newer_format",
            remedy="Update Fleximo.",
        )
    return arrays
