"""Takes what the user already has: a file, the zip of a file host, or a folder full of models.

Files are known by their tensors, their size and sum, or their names, and nothing of unknown name is unpacked. Files of
a folder stay where they are and are linked. Knows no network.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from backend.stages import Progress, silent
from backend.weights.archive import find_member, open_archive
from backend.weights.convert import convert
from backend.weights.headers import is_onnx, shapes_of
from backend.weights.lock import LockedBundle, LockedFile, locked
from backend.weights.manifest import Shapes, matches
from backend.weights.pull import claimed, make
from backend.weights.store import available, file_sha256, stand_ins_aside, write_record
from fleximo.errors import FleximoError
from fleximo.system import replace_file

__all__ = ["Imported", "import_weights"]

_KINDS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".onnx", ".npy")
_MAX_FILES = 100_000
_CHECKPOINTS = (".pth", ".pt", ".bin", ".ckpt")


@dataclass
class Imported:
    """What was taken for which file of the bundle, and what the bundle still lacks."""

    name: str
    taken: dict[str, Path] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def import_weights(name: str, path: Path, *, as_file: str | None = None, progress: Progress = silent) -> Imported:
    """Takes into the bundle `name` what is known at `path`; `as_file` says which file of the bundle a file is.

    A single file is linked hard or else copied, so that `path` may go; a folder's files are linked and stay needed.
    Checkpoints are converted, zips unpacked. Raises `FleximoError`: `unknown_bundle`, `nothing_found`, `ambiguous`,
    `wrong_tensors`, `bad_archive`, and those of the converters.
    """
    known = locked(name)
    path = path.expanduser().absolute()
    if not path.exists():
        raise FleximoError(f"There is no {path}.", code="unreadable_file")
    if as_file is not None and known.file(as_file) is None:
        names = ", ".join(file.name for file in known.files)
        raise FleximoError(f"{name} has no file {as_file}.", code="unknown_file", remedy=f"It has: {names}.")
    with claimed(name, progress) as folder, stand_ins_aside(folder):
        folder.mkdir(exist_ok=True)
        if path.is_dir():
            result = _from_folder(known, path, folder, progress)
        elif as_file is None and _is_archive(path):
            result = _from_archive(known, path, folder, progress)
        else:
            result = _from_file(known, path, folder, as_file)
        present = {file.name for file in known.files if (folder / file.name).is_file()}
        result.missing = [] if available(name) else known.missing(present)
    return result


def _from_archive(known: LockedBundle, path: Path, folder: Path, progress: Progress) -> Imported:
    """The known members of a zip, wherever in it they lie."""
    with open_archive(path) as archive:
        found = [file for file in known.files if find_member(archive, file.member_tail) is not None]
    if not found:
        wanted = ", ".join(file.member_tail for file in known.files)
        raise _nothing(known, path, f"It was searched for: {wanted}.")
    result, digest = Imported(known.name), file_sha256(path)
    for file in found:
        progress(0.0, f"making {file.name}")
        make(file if file.member else _as_member(file), path, folder)
        _check_content(file, folder / file.name)
        result.taken[file.name] = path
    shutil.rmtree(folder / ".source", ignore_errors=True)
    write_record(folder, "imported", {file.name: digest for file in found if not file.is_whole_download})
    return result


def _as_member(file: LockedFile) -> LockedFile:
    """The file, taken out of an archive although it also comes alone."""
    return LockedFile(**{**vars(file), "member": file.member_tail})


def _from_file(known: LockedBundle, path: Path, folder: Path, as_file: str | None) -> Imported:
    """One file, told by its tensors, its sum or its name."""
    file = known.file(as_file) if as_file is not None else _recognised(known, path)
    if file is None:
        raise _nothing(known, path, f"Say which one it is with --as, of: {', '.join(f.name for f in known.files)}.")
    _check_tensors(file, path)
    return _take(known, {file.name: path}, folder, keep=True)


def _from_folder(known: LockedBundle, path: Path, folder: Path, progress: Progress) -> Imported:
    """Every file of the bundle that can be told for certain below `path`."""
    there = list(_walk(path, folder, progress))
    shapes = functools.cache(shapes_of)
    chosen: dict[str, Path] = {}
    for file in known.files:
        if file.is_weights:
            progress(0.0, f"looking for {file.name}")
            found = _best(file, [candidate for candidate in there if _fits(file, candidate, shapes)])
            chosen |= {file.name: found} if found else {}
    for file in known.files:  # settings belong to the tensors that they lie beside
        if not file.is_weights and (beside := _beside(file.name, chosen)):
            chosen[file.name] = beside
    if not chosen:
        raise _nothing(known, path, "No file in it has the tensors, sums or names that the lock file knows.")
    spare = {file.name for file in known.files if file.is_weights and any(name in chosen for name in file.replaces)}
    return _take(known, {name: source for name, source in chosen.items() if name not in spare}, folder, keep=False)


def _take(known: LockedBundle, chosen: dict[str, Path], folder: Path, *, keep: bool) -> Imported:
    """Links, copies or converts each chosen file to its place, and writes them down."""
    result, made_from = Imported(known.name), {}
    for name, source in chosen.items():
        file, target = known.file(name), folder / name
        if file is None:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_weights and source.suffix.lower() in _CHECKPOINTS and target.suffix == ".safetensors":
            if file.convert is None:
                raise FleximoError(f"{source} is a checkpoint; {name} is taken as safetensors only.")
            convert(file.convert, source, target)
            made_from[name] = file_sha256(source)
        else:
            _check_content(file, source)
            _place(source, target, keep=keep)
        result.taken[name] = source
    write_record(folder, "imported", made_from)
    return result


def _place(source: Path, target: Path, *, keep: bool) -> None:
    """`source` under the name `target` without copying, as far as the disk can: hard link first if it must outlive
    `source`, symbolic link first otherwise; a copy as the last resort of the first.
    """
    source = source.resolve()
    if target.exists() and target.samefile(source):
        return
    made = target.with_name(f".{target.name}.part")
    made.unlink(missing_ok=True)
    ways = (os.link, shutil.copyfile) if keep else (os.symlink, os.link)
    for way in ways:
        try:
            way(source, made)
            break
        except OSError as error:
            made.unlink(missing_ok=True)
            reason = error
    else:
        raise FleximoError(
            f"{source} can neither be linked nor copied to {target.parent}: {reason.strerror or reason}.",
            code="unwritable_file",
            remedy="Import the files one by one, which copies them.",
        )
    replace_file(made, target)


def _walk(path: Path, own: Path, progress: Progress) -> Iterator[Path]:
    """The files below `path` that may hold weights, in a fixed order; our own folder is left out."""
    seen = 0
    for here, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if Path(here, name) != own)
        seen += len(names)
        if seen > _MAX_FILES:
            raise FleximoError(f"{path} holds more than {_MAX_FILES} files.", remedy="Name a folder further down.")
        progress(0.0, f"{seen} files seen")
        yield from (Path(here, name) for name in sorted(names) if name.lower().endswith(_KINDS))


def _fits(file: LockedFile, path: Path, shapes: Callable[[Path], Shapes | None]) -> bool:
    """Whether a file found in a folder may be this one: the right tensors, or the right size and name or sum."""
    if file.hint and file.hint not in path.as_posix().lower():
        return False
    if file.manifest is not None:
        right_kind = path.suffix == ".safetensors" or (file.convert and path.suffix in _CHECKPOINTS)
        found = shapes(path) if right_kind else None
        return found is not None and matches(found, file.manifest)
    if not path.is_file() or (file.size is not None and path.stat().st_size != file.size):
        return False
    if file.sha256 is not None:
        return path.suffix == PurePosixPath(file.name).suffix and file_sha256(path) == file.sha256
    return path.as_posix().endswith("/" + file.name)


def _best(file: LockedFile, found: list[Path]) -> Path | None:
    """The one of several candidates that is the published file; raises if none is and they differ."""
    exact = [path for path in found if path.stat().st_size == file.size and file_sha256(path) == file.sha256]
    named = [path for path in found if path.name in (file.source_name, PurePosixPath(file.name).name)]
    for group in (exact, named, found):
        if len(group) == 1 or (group and len({path.resolve() for path in group}) == 1) or (group and group is exact):
            return group[0]
    if found:
        listed = "; ".join(str(path) for path in found[:6])
        raise FleximoError(
            f"Several files may be {file.name}: {listed}.",
            code="ambiguous",
            remedy=f"Import the one you mean: fleximo models import NAME FILE --as {file.name}",
        )
    return None


def _beside(name: str, chosen: dict[str, Path]) -> Path | None:
    """The settings file `name` in the folder from which tensors were taken, if they lie there as in the bundle."""
    for taken, source in chosen.items():
        folder = source.parent
        for part in reversed(PurePosixPath(taken).parent.parts):
            if folder.name != part:
                break
            folder = folder.parent
        else:
            if (folder / name).is_file():
                return folder / name
    return None


def _recognised(known: LockedBundle, path: Path) -> LockedFile | None:
    shapes = shapes_of(path)
    for file in known.files:
        if file.manifest is not None and shapes is not None and matches(shapes, file.manifest):
            return file
    size = path.stat().st_size
    for file in known.files:
        if file.sha256 is not None and file.size == size and file_sha256(path) == file.sha256:
            return file
    named = [file for file in known.files if path.name in (file.source_name, PurePosixPath(file.name).name)]
    return named[0] if len(named) == 1 else None


def _check_tensors(file: LockedFile, path: Path) -> None:
    """Raises unless the file has the tensors of the model that it is said to be."""
    if file.manifest is None:
        return
    shapes = shapes_of(path)
    if shapes is None or not matches(shapes, file.manifest):
        told = "cannot be read" if shapes is None else f"holds {len(shapes)} tensors"
        raise FleximoError(
            f"{path} {told}; {file.name} has {file.manifest.tensors} tensors of other names or shapes.",
            code="wrong_tensors",
            remedy=f"It should be: {file.purpose}.",
        )


def _check_content(file: LockedFile, path: Path) -> None:
    """Raises where a small file is plainly not what its name says, a saved web page for example."""
    with open(path, "rb") as content:
        start = content.read(512)
    good = not start.lstrip().lower().startswith((b"<!doctype", b"<html"))
    if file.name.endswith(".npy"):
        good = good and _is_statistics(path)
    elif file.name.endswith(".onnx"):
        good = good and is_onnx(path)
    elif file.name.endswith(".json"):
        try:
            json.loads(path.read_bytes())
        except ValueError:
            good = False
    if not good:
        raise FleximoError(f"{path} is no {file.name} ({file.purpose}).", code="wrong_content")


def _is_statistics(path: Path) -> bool:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return values.shape == (263,) and values.dtype.kind == "f" and bool(np.isfinite(values).all())


def _is_archive(path: Path) -> bool:
    """Whether a file is a zip, and not one of PyTorch's, which are zips too."""
    if not zipfile.is_zipfile(path):
        return False
    with open_archive(path) as archive:
        return not any(name.endswith("/data.pkl") or name == "data.pkl" for name in archive.namelist())


def _nothing(known: LockedBundle, path: Path, detail: str) -> FleximoError:
    return FleximoError(f"{path} holds nothing that {known.name} needs.", code="nothing_found", remedy=detail)
