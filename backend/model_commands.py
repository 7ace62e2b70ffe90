"""What each action of `fleximo models` does: arguments in, words out.

One function per action, ACTION_models; arguments as parsed by `backend.parser`. Knows no files of models.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from backend import weights
from backend.catalog import ADAPTERS
from backend.stages import Progress
from backend.terminal import ProgressLine
from backend.weights.convert import convert
from backend.weights.imports import import_weights
from backend.weights.lock import setups
from backend.weights.overview import bundle_rows, setup_page, verify
from backend.weights.pull import claimed, pull
from backend.weights.store import file_sha256, write_record
from backend.weights.tokens import hub_tokens, save_token
from fleximo import FleximoError

__all__ = [
    "convert_models", "import_models", "list_models", "pull_models", "setup_models", "token_models", "verify_models",
]  # fmt: skip

Result = dict[str, Any]


def list_models(arguments: argparse.Namespace) -> Result:
    bundled, bundles = weights.bundled_models(), bundle_rows()
    lines = [
        f"{row['name']:<44} {row['size'] / 1e6:8.1f} MB  {row['state']:<10}  {row['licence']}  {row['path']}"
        for row in bundled
    ]
    for row in bundles:
        lines.append(
            f"{row['name']:<44} {row['size'] / 1e6:8.1f} MB  {row['state']:<10}  {row['title']}  {row['path']}"
        )
        if row["missing"]:
            lines.append(f"  lacks {', '.join(row['missing'])}: fleximo models pull {row['name']}")
    adapters = [{"name": name, "state": found.state, "title": found.title} for name, found in ADAPTERS.items()]
    lines += ["", *(f"adapter {row['name']:<36} {row['state']:<14}  {row['title']}" for row in adapters)]
    lines += [
        "",
        f"Weights lie in {weights.models_folder()} (set FLEXIMO_MODELS to change). See: fleximo models setup paper",
    ]
    return {"models": bundled, "bundles": bundles, "adapters": adapters, "text_output": "\n".join(lines)}


def verify_models(arguments: argparse.Namespace) -> Result:
    """All that are here, the models inside the mediapipe package included, or the bundles named."""
    bundled = [] if arguments.names else weights.bundled_models()
    rows = [row for name in arguments.names or weights.locked_bundles() for row in verify(name)]
    lines = [f"{row['name']:<44} {row['state']:<10}  {row['path']}" for row in [*bundled, *rows]]
    absent = [name for name in arguments.names if not any(row["bundle"] == name for row in rows)]
    lines += [f"{name:<44} absent      fleximo models pull {name}" for name in absent]
    good = all(row["state"] == "there" for row in bundled) and not absent and (bundled or arguments.names)
    bad = not good or any(row["state"] in ("altered", "missing") for row in rows)
    return {"models": bundled, "files": rows, "text_output": "\n".join(lines), "exit_code": int(bad)}


def setup_models(arguments: argparse.Namespace) -> Result:
    """The page; with --yes everything that can be fetched afterwards."""
    page, verdict, rows = setup_page(arguments.name, tokens=hub_tokens())
    result = {"verdict": verdict.word, "sentence": verdict.sentence, "files": rows}
    if not arguments.yes:
        return result | {"text_output": page}
    if not arguments.json:
        print(page, flush=True)
    if verdict.word == "NEEDS YOU":
        return result | {"exit_code": 1}
    return result | _pulled(list(setups()[arguments.name].bundles))


def pull_models(arguments: argparse.Namespace) -> Result:
    for name in arguments.names:
        weights.locked(name)
    return _pulled(arguments.names)


def _pulled(names: list[str]) -> Result:
    done = []
    for name in names:
        line = ProgressLine()
        try:
            found = pull(name, tokens=hub_tokens(), progress=line)
        finally:
            line.close()
        done.append({"name": name, "state": found.state, "path": str(found.folder), "sha256": dict(found.sha256)})
    lines = [f"{row['name']}: {_TOLD[str(row['state'])]}, in {row['path']}" for row in done]
    return {"bundles": done, "text_output": "\n".join(lines)}


_TOLD = {
    "verified": "whole, and by its sums what was published",
    "unverified": "whole; unverified: `fleximo models verify` tells which file has no published sum or differs from it",
    "stand_in": "stand-ins made by the test script",
}


def import_models(arguments: argparse.Namespace) -> Result:
    line = ProgressLine()
    try:
        taken = import_weights(arguments.name, arguments.path, as_file=arguments.as_file, progress=line)
    finally:
        line.close()
    lines = [f"{name} <- {source}" for name, source in taken.taken.items()]
    if taken.missing:
        known = weights.locked(taken.name)
        fetched = any(file.url for file in known.files if file.name in taken.missing)
        how = f"fleximo models pull {taken.name}" if fetched else known.by_hand
        lines.append(f"Still missing: {', '.join(taken.missing)}. {how}")
    else:
        lines.append(f"{taken.name}: {_TOLD[weights.bundle(taken.name).state]}")
    return {
        "taken": {name: str(source) for name, source in taken.taken.items()},
        "missing": taken.missing,
        "text_output": "\n".join(lines),
    }


def convert_models(arguments: argparse.Namespace) -> Result:
    """Checkpoints that lie in the bundle's folder under the names that they were published with."""
    known, made = weights.locked(arguments.name), {}
    progress: Progress = ProgressLine()
    with claimed(arguments.name, progress) as folder:
        for file in known.files:
            source = folder / file.source_name
            if file.convert is not None and source.suffix != ".safetensors" and source.is_file():
                convert(file.convert, source, folder / file.name)
                made[file.name] = file_sha256(source)
        if made:
            write_record(folder, "imported", made)
    if not made:
        wanted = ", ".join(file.source_name for file in known.files if file.convert is not None) or "none"
        raise FleximoError(
            f"{folder} holds no checkpoint of {arguments.name} (looked for: {wanted}).",
            code="nothing_found",
            remedy=f"fleximo models import {arguments.name} FILE takes one from anywhere.",
        )
    return {"made": list(made), "text_output": "\n".join(f"made {folder / name}" for name in made)}


def token_models(arguments: argparse.Namespace) -> Result:
    """Asked for without echo on a terminal, else read from standard input; never an argument, never shown."""
    told = (
        getpass.getpass("Token of the model hub (empty to forget it): ") if sys.stdin.isatty() else sys.stdin.readline()
    )
    if not told and not sys.stdin.isatty():
        raise FleximoError("Nothing came from standard input.", remedy="Send the token, or an empty line to forget it.")
    path = save_token(told)
    return {"token_file": str(path), "text_output": f"kept in {path}" if told.strip() else "forgotten"}
