"""What is here, what it is worth, and what a way of working still needs: the tables of `fleximo models`.

Reads the lock file and the folders; asks the hub only whether a gated file would be given. Writes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backend.weights.lock import Licence, LockedBundle, LockedFile, Setup, locked, locked_bundles, setups
from backend.weights.pull import source_of, space_needed, to_fetch
from backend.weights.refusals import refusal
from backend.weights.store import examine, file_sha256, is_stand_in, is_verified, models_folder, recorded, standing
from backend.weights.transport import PUBLIC, ConnectionLost, Policy, host_of, opened
from fleximo.errors import FleximoError

__all__ = ["Verdict", "bundle_rows", "judge", "setup_page", "verify"]

_PAID = {"yes": "paid work: yes", "conditions": "paid work: conditions", "no": "paid work: no"}
_ASK_TIMEOUT_S = 8.0


def bundle_rows() -> list[dict[str, Any]]:
    """One row per bundle of the lock file: name, title, state, size on disk, folder, terms, what is missing.

    State: "absent", "incomplete", "verified", "unverified" or "stand_in".
    """
    rows = []
    for name, known in locked_bundles().items():
        folder = models_folder() / name
        there = examine(known, folder)
        state, missing = standing(name)
        rows.append(
            {
                "name": name,
                "title": known.title,
                "state": state,
                "size": sum(entry["size"] for entry in there.values()),
                "path": str(folder),
                "licence": "; ".join(licence.text for licence in _licences(known)),
                "commercial": _least([file.licence for file in known.files]),
                "missing": missing if there else [],
            }
        )
    return rows


def verify(name: str) -> list[dict[str, Any]]:
    """Reads every file of a bundle again: its sum, and whether it is still what was put there.

    State of each: "verified", "unverified" (no sum is published for it), "differs" (from the published file, as another
    precision does), "altered" (no longer what was put there), "stand_in", or "missing".
    """
    known = locked(name)
    folder = models_folder() / name
    origin, entries = recorded(folder)
    rows = []
    for file in known.files:
        path = folder / file.name
        if path.is_file():
            digest = file_sha256(path)
            state = _judged(file, digest, entries.get(file.name), origin)
            rows.append({"bundle": name, "name": file.name, "state": state, "sha256": digest, "path": str(path)})
    present = {row["name"] for row in rows}
    for lacking in known.missing(present) if rows else []:
        rows.append({"bundle": name, "name": lacking, "state": "missing", "sha256": "", "path": str(folder / lacking)})
    return rows


def _judged(file: LockedFile, digest: str, entry: Mapping[str, Any] | None, origin: str) -> str:
    if entry is not None and entry["sha256"] != digest:
        return "altered"
    if origin == "stand_in":
        return "stand_in"
    known = entry or {"sha256": digest, "source_sha256": None, "published_sha256": None}
    if is_verified(file, known):
        return "verified"
    return "differs" if file.sha256 is not None and file.is_whole_download else "unverified"


@dataclass(frozen=True)
class Verdict:
    """How a way of working stands: READY, NEEDS YOU or NOT FOR PAID WORK, and the one thing to do or know."""

    word: str
    sentence: str


def setup_page(
    name: str, *, tokens: Mapping[str, str], policy: Policy = PUBLIC
) -> tuple[str, Verdict, list[dict[str, Any]]]:
    """The one page before anything is fetched, its verdict, and its rows for machines."""
    if name not in setups():
        raise FleximoError(
            f"There is no set-up called {name!r}.",
            code="unknown_setup",
            remedy=f"Choose one of: {', '.join(setups())}.",
        )
    setup = setups()[name]
    bundles = [locked(bundle) for bundle in setup.bundles]
    rows = [row for known in bundles for row in _file_rows(known)]
    verdict = judge(setup, tokens=tokens, policy=policy)
    lines = [f"{setup.title}  (fleximo models setup {name})"]
    for known in bundles:
        lines += ["", f"{known.title} ({known.name}), from {known.giver}"]
        lines += [_line(row) for row in rows if row["bundle"] == known.name]
    lines += ["", *(f"{bundle}: {why}" for bundle, why in setup.instead.items()), *_sums(bundles), "", "Terms"]
    lines += [f"  {text}" for text in _terms(bundles)]
    return "\n".join([*lines, "", f"{verdict.word}: {verdict.sentence}"]), verdict, rows


def judge(setup: Setup, *, tokens: Mapping[str, str], policy: Policy = PUBLIC) -> Verdict:
    """The verdict: first what only the user can do, then what forbids paid work, else ready."""
    bundles = [locked(bundle) for bundle in setup.bundles]
    wanted = {known.name: to_fetch(known, models_folder() / known.name) for known in bundles}
    for known in bundles:
        refused = _refused(known, wanted[known.name], tokens, policy) if known.gated and wanted[known.name] else None
        if refused is not None:
            return Verdict("NEEDS YOU", refused)
    needed = sum(space_needed(files) for files in wanted.values())
    if needed > _free_bytes():
        return Verdict("NEEDS YOU", f"{_gb(needed)} are needed and {_gb(_free_bytes())} are free; make room first.")
    forbidden = [known.name for known in bundles if _least([file.licence for file in known.files]) == "no"]
    how = f"fleximo models setup {setup.name} --yes fetches {_gb(needed)}" if any(wanted.values()) else "all is here"
    if forbidden:
        return Verdict("NOT FOR PAID WORK", f"{', '.join(forbidden)} may not be used commercially. Otherwise {how}.")
    return Verdict("READY", f"{how}.")


def _refused(
    known: LockedBundle, wanted: Mapping[str, list[LockedFile]], tokens: Mapping[str, str], policy: Policy
) -> str | None:
    """What stands between the user and a gated bundle; None if the hub would give it, or cannot be asked."""
    url, files = next(iter(wanted.items()))
    token = tokens.get(host_of(url))
    if token is None:
        return f"open {known.page}, accept the terms, then set HF_TOKEN or run `fleximo models token`."
    try:
        with opened(url, {"Range": "bytes=0-0"}, token=token, policy=policy, timeout_s=_ASK_TIMEOUT_S) as reply:
            if reply.status in (200, 206) or reply.status >= 500:
                return None
            return str(refusal(reply.status, reply.headers, source_of(known, files[0]), token_sent=True))
    except ConnectionLost as error:
        return f"{known.page} could not be asked ({error}); is there a network?"


def _file_rows(known: LockedBundle) -> Iterator[dict[str, Any]]:
    """One row per file that is needed or there."""
    folder = models_folder() / known.name
    there = {} if is_stand_in(folder) else examine(known, folder)
    satisfied = not known.missing(set(there))
    for file in known.files:
        if file.name in there or (file.url is not None and not (satisfied and file.is_weights)):
            entry = there.get(file.name)
            yield {
                "bundle": known.name,
                "name": file.name,
                "purpose": file.purpose,
                "size": entry["size"] if entry else file.size,
                "published_sum": file.sha256 is not None,
                "gated": known.gated,
                "commercial": file.licence.commercial,
                "state": "to fetch" if entry is None else "here",
            }


def _line(row: Mapping[str, Any]) -> str:
    size = "size unknown" if row["size"] is None else _mb(row["size"])
    total = "sum published" if row["published_sum"] else "unverified"
    paid = _PAID[row["commercial"]]
    door = "gated" if row["gated"] else "open"
    return f"  {row['name']:<44} {size:>12}  {total:<13}  {door:<5}  {paid:<22}  {row['state']}"


def _sums(bundles: list[LockedBundle]) -> list[str]:
    wanted = [files for known in bundles for files in to_fetch(known, models_folder() / known.name).values()]
    total = sum(files[0].size or 0 for files in wanted)
    unknown = sum(files[0].size is None for files in wanted)
    more = f" and {unknown} of unknown size" if unknown else ""
    return [f"To fetch: {len(wanted)} downloads, {_gb(total)}{more}. Free: {_gb(_free_bytes())} at {models_folder()}"]


def _terms(bundles: list[LockedBundle]) -> Iterator[str]:
    for known in bundles:
        for licence in _licences(known):
            yield f"{known.name}: {licence.text} ({licence.page})"


def _licences(known: LockedBundle) -> list[Licence]:
    return list(dict.fromkeys(file.licence for file in known.files))


def _least(licences: list[Licence]) -> str:
    """The strictest of several answers to whether paid work is allowed."""
    return min((licence.commercial for licence in licences), key=["no", "conditions", "yes"].index)


def _free_bytes() -> int:
    folder = models_folder()
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
