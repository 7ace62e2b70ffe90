"""The lock file: which files make up each bundle of weights, where they come from and on what terms.

Reads `lock.json` once; knows nothing of what lies on this machine.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from backend.weights.manifest import Manifest
from fleximo.errors import FleximoError

__all__ = ["Licence", "LockedBundle", "LockedFile", "Setup", "locked", "locked_bundles", "setups"]


@dataclass(frozen=True)
class Licence:
    """Terms in one line."""

    text: str
    commercial: str  # "yes", "no", or "ask": only under terms agreed with the giver
    page: str  # where the text can be read


@dataclass(frozen=True)
class LockedFile:
    """One file of a bundle as it lies in the bundle's folder, and what it is made from.

    `size` and `sha256` are those of what `url` gives: of the file itself, or of the checkpoint or archive that it is
    made from. None means that no such figure was found published.
    """

    name: str  # relative to the bundle's folder, with slashes
    purpose: str
    url: str | None  # None: never fetched, only imported or made
    size: int | None
    sha256: str | None
    licence: Licence
    archive: str | None = None  # what the archive that `url` gives is called
    member: str | None = None  # the name inside that archive
    convert: str | None = None  # module:function that makes this file of the checkpoint
    manifest: Manifest | None = None  # tensor names and shapes, by which `import` knows the file
    hint: str = ""  # a word that its path holds, where another model has the same tensors
    also: str = ""  # the path that it has elsewhere
    replaces: tuple[str, ...] = ()  # required files in whose place this one may lie, with the others that name them
    required: bool = True

    @property
    def is_whole_download(self) -> bool:
        """Whether the file is the very bytes that its giver publishes, neither unpacked nor converted."""
        return self.member is None and self.convert is None

    @property
    def is_weights(self) -> bool:
        """Whether the file holds numbers that were learnt, not settings or a vocabulary."""
        return self.name.endswith((".safetensors", ".onnx", ".npy"))

    @property
    def member_tail(self) -> str:
        """The end of the path inside an archive, without the folders that a repacking adds or drops."""
        return "/".join(PurePosixPath(self.member or self.also or self.name).parts[-2:])

    @property
    def source_name(self) -> str:
        """What the file is called where it comes from."""
        if self.member is not None:
            return PurePosixPath(self.member).name
        return self.name if self.url is None else self.url.partition("?")[0].rpartition("/")[2]


@dataclass(frozen=True)
class LockedBundle:
    """Files that only make sense together."""

    name: str
    title: str
    giver: str
    page: str  # for people: what it is, and where terms are accepted
    gated: bool  # the giver asks for an account and the acceptance of terms
    by_hand: str  # how a person gets the files where they cannot be fetched, else empty
    files: tuple[LockedFile, ...]

    def file(self, name: str) -> LockedFile | None:
        return next((file for file in self.files if file.name == name), None)

    def is_replaced(self, file: LockedFile, present: set[str]) -> bool:
        """Whether all that may lie in the place of `file` is there."""
        others = {other.name for other in self.files if file.name in other.replaces}
        return bool(others) and others <= present

    def missing(self, present: set[str]) -> list[str]:
        """The required files that `present` lacks; where a part of their alternative is there, the rest of that."""
        lacking = []
        for file in self.files:
            if file.required and file.name not in present:
                others = [other.name for other in self.files if file.name in other.replaces]
                rest = [other for other in others if other not in present]
                lacking += [file.name] if rest == others else rest
        return list(dict.fromkeys(lacking))


@dataclass(frozen=True)
class Setup:
    """The bundles that one way of working needs, and what is done instead of those that nobody gives."""

    name: str
    title: str
    bundles: tuple[str, ...]
    instead: dict[str, str]


@functools.cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("backend.weights").joinpath("lock.json").read_text("utf-8"))
    return document


def setups() -> dict[str, Setup]:
    """Every way of working that the lock file knows."""
    return {
        name: Setup(name, entry["title"], tuple(entry["bundles"]), entry["instead"])
        for name, entry in _document()["setups"].items()
    }


@functools.cache
def locked_bundles() -> dict[str, LockedBundle]:
    """Every bundle of the lock file by name."""
    document = _document()
    licences = {name: Licence(**entry) for name, entry in document["licences"].items()}
    manifests = {
        name: Manifest(tuple(entry["tops"]), entry["tensors"], entry["sha256"])
        for name, entry in document["manifests"].items()
    }
    return {name: _bundle(name, entry, licences, manifests) for name, entry in document["bundles"].items()}


def locked(name: str) -> LockedBundle:
    """The bundle `name`; raises `FleximoError` (`unknown_bundle`) that lists the names there are."""
    bundles = locked_bundles()
    if name not in bundles:
        raise FleximoError(
            f"There are no weights called {name!r}.",
            code="unknown_bundle",
            remedy=f"Choose one of: {', '.join(bundles)}.",
        )
    return bundles[name]


def _bundle(
    name: str, entry: dict[str, Any], licences: dict[str, Licence], manifests: dict[str, Manifest]
) -> LockedBundle:
    base = entry.get("base_url", "")
    files = []
    for row in entry["files"]:
        read = {
            "url": row.get("url", base + row["name"]),
            "licence": licences[row["licence"]],
            "replaces": tuple(row.get("replaces", ())),
            "manifest": manifests[row["manifest"]] if "manifest" in row else None,
        }
        files.append(LockedFile(**(row | read)))
    return LockedBundle(
        name=name,
        title=entry["title"],
        giver=entry["giver"],
        page=entry["page"],
        gated=entry["gated"],
        by_hand=entry.get("by_hand", ""),
        files=tuple(files),
    )
