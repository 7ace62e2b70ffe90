"""The bundles on this machine: where they lie, whether they are whole, and how far each file is known.

Every bundle has a folder with a record of what was put there. Knows no network and no file format.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.weights.lock import LockedBundle, LockedFile, locked
from fleximo.data_folder import data_folder
from fleximo.errors import FleximoError
from fleximo.files import read_json, write_json

__all__ = [
    "RECORD", "Bundle", "available", "bundle", "clear_stand_ins", "examine", "file_sha256", "is_stand_in",
    "is_verified", "models_folder", "recorded", "stand_ins_aside", "standing", "state_of",
    "write_record",
]  # fmt: skip

RECORD = "fleximo-bundle.json"
_VERSION = 1
_FIELDS = ("size", "mtime_ns", "sha256", "source_sha256", "published_sha256")
_UNKNOWN: dict[str, Any] = dict.fromkeys(_FIELDS)
_lock = threading.Lock()


@dataclass(frozen=True)
class Bundle:
    """Weights that lie ready. `state` is the least of its files':

    "verified": every file with numbers in it is, by sha256, what its giver published; "unverified": for at least one
    no sum is published, or another file lies there; "stand_in": made by the test script, with shapes that are right
    and values that are not.
    """

    name: str
    folder: Path
    state: str
    sha256: Mapping[str, str]  # by relative file name, with slashes

    def file(self, relative: str) -> Path:
        """The path of a file of the bundle; raises `FleximoError` (`weights_missing`) where it lacks it."""
        if relative not in self.sha256:
            raise _missing(self.name, f"lack {relative}")
        return self.folder / relative


def models_folder() -> Path:
    """Where the bundles lie: `$FLEXIMO_MODELS`, else `models` in the data folder."""
    chosen = os.environ.get("FLEXIMO_MODELS")
    return Path(chosen).expanduser().absolute() if chosen else data_folder() / "models"


def bundle(name: str) -> Bundle:
    """The weights called `name`, whole.

    A file is read through only when its size or date differ from the record: then its sum is taken anew. Raises
    `FleximoError`: `unknown_bundle`, or `weights_missing` with the command that gets them.
    """
    known = locked(name)
    folder = models_folder() / name
    present = _present(known, folder)
    lacking = known.missing(set(present))
    if not present:
        raise _missing(name, f"are not in {folder}")
    if lacking:
        raise _missing(name, f"in {folder} lack {', '.join(lacking)}")
    entries = examine(known, folder)
    sums = {relative: entry["sha256"] for relative, entry in entries.items()}
    return Bundle(name, folder, state_of(known, folder, entries), sums)


def examine(known: LockedBundle, folder: Path) -> dict[str, dict[str, Any]]:
    """What is known of each file of the bundle that lies in `folder`; the record is brought up to date."""
    with _lock:
        record = _read_record(folder)
        entries = {
            relative: _entry(folder / relative, record["files"].get(relative)) for relative in _present(known, folder)
        }
        if entries != record["files"]:
            _try_to_write(folder, record | {"files": entries})
    return entries


def available(name: str) -> bool:
    """Whether every required file of the bundle is there; reads none of them."""
    known = locked(name)
    present = _present(known, models_folder() / name)
    return bool(present) and not known.missing(set(present))


def standing(name: str) -> tuple[str, list[str]]:
    """How the bundle stands, told from the record without reading a file, and the required files that it lacks.

    "absent", "incomplete", or as in `Bundle`; what the record does not know counts as "unverified".
    """
    known = locked(name)
    folder = models_folder() / name
    present = _present(known, folder)
    missing = known.missing(set(present))
    if not present or missing:
        return ("incomplete" if present else "absent"), missing
    record = _read_record(folder)["files"]
    entries = {
        relative: record[relative] if _is_recorded(folder / relative, record.get(relative)) else _UNKNOWN
        for relative in present
    }
    return state_of(known, folder, entries), []


def write_record(
    folder: Path, origin: str, made_from: Mapping[str, str] | None = None, published: Mapping[str, str] | None = None
) -> None:
    """Writes down what lies in a bundle's `folder` and where it came from: "pulled", "imported" or "stand_in".

    `made_from` holds, for files made from a checkpoint or an archive, the sha256 of that; `published` the sums that a
    host told with what it gave. What an earlier record says of the other files stays, unless those were stand-ins.
    """
    known = locked(folder.name)
    before = _read_record(folder)
    earlier = before["files"] if before["origin"] != "stand_in" and origin != "stand_in" else {}
    files = {relative: _entry(folder / relative, earlier.get(relative)) for relative in _present(known, folder)}
    for relative, digest in (made_from or {}).items():
        files[relative] = files[relative] | {"source_sha256": digest}
    for relative, digest in (published or {}).items():
        files[relative] = files[relative] | {"published_sha256": digest}
    write_json(folder / RECORD, {"format_version": _VERSION, "origin": origin, "files": files})


def is_stand_in(folder: Path) -> bool:
    """Whether the files in a bundle's folder were made by the test script."""
    return bool(_read_record(folder)["origin"] == "stand_in")


def clear_stand_ins(folder: Path) -> None:
    """Empties a bundle's folder that holds stand-ins, so that they never mix with the real files."""
    if is_stand_in(folder):
        shutil.rmtree(folder)


@contextlib.contextmanager
def stand_ins_aside(folder: Path) -> Iterator[None]:
    """Inside the block a folder of stand-ins is not there; they are gone if it ends well, back if it does not."""
    aside = folder.with_name(f".{folder.name}.stand-ins")
    moved = is_stand_in(folder)
    if moved:
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    try:
        yield
    except BaseException:
        if moved:
            shutil.rmtree(folder, ignore_errors=True)
            aside.rename(folder)
        raise
    if moved:
        shutil.rmtree(aside)


def recorded(folder: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """What the record of a bundle's folder says: where the files came from, and each file's entry."""
    record = _read_record(folder)
    return record["origin"], record["files"]


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FleximoError(f"{path} cannot be read: {error.strerror or error}.", code="unreadable_file") from None


def _present(known: LockedBundle, folder: Path) -> list[str]:
    return [file.name for file in known.files if (folder / file.name).is_file()]


def _entry(path: Path, before: dict[str, Any] | None) -> dict[str, Any]:
    """What is known of a file: `before` as long as the content is the same, read only if size or date are not."""
    if before is not None and _is_recorded(path, before):
        return before
    found = path.stat()
    stamp = {"size": found.st_size, "mtime_ns": found.st_mtime_ns}
    digest = file_sha256(path)
    if before is not None and digest == before["sha256"]:
        return before | stamp
    return stamp | {"sha256": digest, "source_sha256": None, "published_sha256": None}


def _is_recorded(path: Path, entry: Mapping[str, Any] | None) -> bool:
    """Whether a file still has the size and the date that are written down."""
    found = path.stat()
    return entry is not None and (entry["size"], entry["mtime_ns"]) == (found.st_size, found.st_mtime_ns)


def state_of(known: LockedBundle, folder: Path, entries: Mapping[str, dict[str, Any]]) -> str:
    """The least that is known of the bundle's files with numbers: see `Bundle`."""
    if is_stand_in(folder):
        return "stand_in"
    weights = [file for file in known.files if file.is_weights and file.name in entries]
    return "verified" if all(is_verified(file, entries[file.name]) for file in weights) else "unverified"


def is_verified(file: LockedFile, entry: Mapping[str, Any]) -> bool:
    """Whether the file, or what it was made from, has the sum that its giver published."""
    expected = file.sha256 or entry["published_sha256"]
    found = entry["sha256" if file.is_whole_download else "source_sha256"]
    return expected is not None and bool(expected == found)


def _read_record(folder: Path) -> dict[str, Any]:
    empty: dict[str, Any] = {"format_version": _VERSION, "origin": "placed by hand", "files": {}}
    if not (folder / RECORD).is_file():
        return empty
    try:
        record = read_json(folder / RECORD)
        for entry in record["files"].values():
            _ = [entry[key] for key in _FIELDS]
        return {"format_version": _VERSION, "origin": str(record["origin"]), "files": dict(record["files"])}
    except (FleximoError, KeyError, TypeError, AttributeError):
        return empty


def _try_to_write(folder: Path, record: dict[str, Any]) -> None:
    """The record saves time only: a folder that may not be written is no reason to stop."""
    try:
        write_json(folder / RECORD, record)
    except FleximoError:
        return


def _missing(name: str, what: str) -> FleximoError:
    return FleximoError(
        f"The weights of {name} {what}.",
        code="weights_missing",
        remedy=f"Get them with `fleximo models pull {name}`, or `fleximo models import {name} FILE` if you have them.",
    )
