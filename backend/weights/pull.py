"""Fetches a bundle: every file that is not here yet, converted and unpacked where needed, then written down.

Only names of the lock file are fetched, only when a person asks; one pull works on a bundle at a time. Knows what a
bundle needs; nothing of HTTP.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from backend.stages import Progress, silent
from backend.weights.archive import find_member, open_archive, unpack
from backend.weights.convert import convert
from backend.weights.fetch import PATIENT, Fetched, Patience, Received, check_space, fetch
from backend.weights.lock import LockedBundle, LockedFile, locked
from backend.weights.refusals import Source
from backend.weights.store import (
    Bundle,
    bundle,
    clear_stand_ins,
    examine,
    file_sha256,
    is_stand_in,
    is_verified,
    models_folder,
    write_record,
)  # fmt: skip
from backend.weights.transport import PUBLIC, Policy, host_of
from fleximo.errors import FleximoError
from fleximo.system import FileLock, replace_file

__all__ = ["claimed", "make", "pull", "source_of", "space_needed", "to_fetch"]

_GUESS_BYTES = 1_000_000  # the share in the progress of a file whose size nobody tells
_WAIT_S = 0.5


def pull(
    name: str,
    *,
    tokens: Mapping[str, str],
    policy: Policy = PUBLIC,
    patience: Patience = PATIENT,
    progress: Progress = silent,
) -> Bundle:
    """Makes the bundle `name` complete and returns it. `tokens` are sent to the hosts that they name, no others.

    What is there with the published sum is not fetched again; another pull of the same bundle is waited for. When
    stopped or broken off, what came stays and the next call goes on. Raises `FleximoError`: `not_published`, and those
    of `fetch`, `unpack` and the converters.
    """
    known = locked(name)
    if not any(file.url for file in known.files):
        raise FleximoError(f"No weights of {name} can be fetched.", code="not_published", remedy=known.by_hand)
    with claimed(name, progress) as folder:
        clear_stand_ins(folder)
        wanted = to_fetch(known, folder)
        check_space(folder, space_needed(wanted), name)
        tally = _Tally(wanted, progress)
        for url, files in wanted.items():
            source = source_of(known, files[0])
            path = folder / files[0].name if files[0].is_whole_download else folder / ".source" / source.name
            got = None if files[0].is_whole_download else _kept(source, path)
            if got is None:
                token, received = tokens.get(host_of(url)), tally.of(url, source.name)
                got = fetch(source, path, token=token, policy=policy, patience=patience, received=received)
            _take(files, path, got, folder, progress)
        shutil.rmtree(folder / ".source", ignore_errors=True)
    return bundle(name)


@contextlib.contextmanager
def claimed(name: str, progress: Progress = silent) -> Iterator[Path]:
    """The folder of the bundle, for one process at a time; waits for another that works on it."""
    folder = models_folder() / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{name}.lock")
        while not lock.acquire(_WAIT_S):
            progress(0.0, "waiting for another pull")
    except OSError as error:
        raise FleximoError(
            f"{folder.parent} cannot be written: {error.strerror or error}.",
            code="unwritable_file",
            remedy="Set FLEXIMO_MODELS to a folder that you may write to.",
        ) from None
    try:
        folder.mkdir(exist_ok=True)
        yield folder
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # only if it stayed empty
        lock.release()


def to_fetch(known: LockedBundle, folder: Path) -> dict[str, list[LockedFile]]:
    """The files that are missing or not the published ones, by the URL that gives them; stand-ins count as missing."""
    there = {} if is_stand_in(folder) else examine(known, folder)
    wanted: dict[str, list[LockedFile]] = {}
    for file in known.files:
        entry = there.get(file.name)
        if entry is None:
            right = file.is_weights and known.is_replaced(file, set(there))
        else:
            right = file.sha256 is None or is_verified(file, entry)
        if file.url is not None and not right:
            wanted.setdefault(file.url, []).append(file)
    return wanted


def space_needed(wanted: Mapping[str, list[LockedFile]]) -> int:
    """Bytes on disk while fetching: a checkpoint lies beside what is made of it for a moment."""
    sizes = [(files[0].size or 0) * (1 if files[0].is_whole_download else 2) for files in wanted.values()]
    return sum(sizes)


def source_of(known: LockedBundle, file: LockedFile) -> Source:
    """What fetching `file` needs to know; raises where it has no URL."""
    if file.url is None:
        raise FleximoError(f"{file.name} cannot be fetched.", code="not_published", remedy=known.by_hand)
    return Source(
        url=file.url,
        name=file.archive or file.source_name,
        size=file.size,
        sha256=file.sha256,
        page=known.page,
        bundle=known.name,
        by_hand=known.by_hand,
    )


def _kept(source: Source, path: Path) -> Fetched | None:
    """The checkpoint or archive that an earlier pull fetched and then could not unpack or convert."""
    if not path.is_file():
        return None
    digest = file_sha256(path)
    return Fetched(digest, source.sha256) if source.sha256 in (None, digest) else None


def _take(files: list[LockedFile], path: Path, got: Fetched, folder: Path, progress: Progress) -> None:
    """Makes the bundle's `files` of what was fetched to `path`, and writes them down."""
    if not files[0].is_whole_download:
        for file in files:
            progress(0.0, f"making {file.name}")
            make(file, path, folder)
        path.unlink()
    published = {file.name: got.published for file in files if got.published}
    made_from = {file.name: got.sha256 for file in files if not file.is_whole_download}
    write_record(folder, "pulled", made_from, published)


def make(file: LockedFile, source: Path, folder: Path) -> None:
    """Makes one file of the bundle of the archive or checkpoint `source`."""
    target = folder / file.name
    taken = source
    if file.member is not None:
        archive = open_archive(source)
        with archive:
            member = find_member(archive, file.member_tail)
            if member is None:
                raise FleximoError(f"{source} does not hold {file.member}.", code="bad_archive")
            taken = folder / ".source" / f"{file.name}.member"
            unpack(archive, member, taken)
    try:
        if file.convert is not None:
            convert(file.convert, taken, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(taken, target)
    finally:
        if taken != source:
            taken.unlink(missing_ok=True)


class _Tally:
    """The share of everything that has come, told to the `Progress`."""

    def __init__(self, wanted: Mapping[str, list[LockedFile]], progress: Progress) -> None:
        self._sizes = {url: files[0].size or _GUESS_BYTES for url, files in wanted.items()}
        self._done = dict.fromkeys(wanted, 0)
        self._progress = progress

    def of(self, url: str, name: str) -> Received:
        """What one download tells its bytes to."""

        def received(done: int, total: int | None) -> None:
            self._done[url] = done
            self._sizes[url] = max(total or self._sizes[url], done)
            share = sum(self._done.values()) / sum(self._sizes.values())
            self._progress(min(share, 0.999), f"{name} {done / 1e6:.0f}/{self._sizes[url] / 1e6:.0f} MB")

        return received
