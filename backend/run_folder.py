"""Where a run on the command line works: a hidden folder beside its files, found again by the same command.

Knows folders and locks; not what a run does there.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from fleximo.errors import FleximoError
from fleximo.job import blob_digest
from fleximo.system import FileLock

__all__ = ["run_folder"]


@contextlib.contextmanager
def run_folder(output: Path, parent: Path) -> Iterator[Path]:
    """A folder in `parent` for the run that makes `output`, removed at the end unless the run was interrupted.

    What an interrupted or killed run of the same output has finished lies there again. Raises `FleximoError` if it
    cannot be written to, or if another run makes the same output just now.
    """
    folder = parent / f".fleximo-{blob_digest(str(output.resolve()).encode())[:12]}"
    lock = FileLock(folder / "lock")
    try:
        for needed in (parent, output.parent, folder):
            needed.mkdir(parents=True, exist_ok=True)
        free = lock.acquire()
    except OSError as error:
        raise FleximoError(f"{parent} cannot be written to: {error.strerror}.", code="unwritable_file") from None
    if not free:
        raise FleximoError(
            f"The process {lock.holder()} is making {output} just now.",
            code="output_busy",
            remedy="Wait for it, or give another name.",
        )
    useful = False
    try:
        yield folder
    except KeyboardInterrupt:
        useful = any(each != lock.path for each in folder.iterdir())
        raise
    finally:
        lock.release()
        if useful:
            print(f"fleximo: the same command goes on from what is finished in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
