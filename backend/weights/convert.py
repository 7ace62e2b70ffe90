"""Checkpoints to safetensors, once, in a process of its own.

The converters belong to the models (`convert` in the lock file); a checkpoint comes from strangers, so it is read in a
child process that has no token in its environment and takes only itself down. Knows no format.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fleximo.errors import FleximoError
from fleximo.system import hidden_process_flags, replace_file

__all__ = ["convert", "main"]

_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def convert(converter: str, source: Path, target: Path) -> None:
    """Makes `target` of the checkpoint `source` by the function `converter` ("module:function"), all or nothing.

    Raises `FleximoError`: the converter's own, or `bad_checkpoint` if its process broke down.
    """
    work = target.with_name(f".{target.name}.converting")
    made = work / target.name  # the name tells the converter which part is asked for
    work.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, converter, str(source), str(made)],
            env={name: value for name, value in os.environ.items() if name not in _SECRETS},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            creationflags=hidden_process_flags(),
            check=False,
        )
        if done.returncode or not made.is_file():
            raise _told(done, source)
        replace_file(made, target)
    finally:
        made.unlink(missing_ok=True)
        for rest in work.iterdir():
            rest.unlink()
        work.rmdir()


def _told(done: subprocess.CompletedProcess[bytes], source: Path) -> FleximoError:
    """The error of the child, which it prints as JSON; where it could not, the last line that it printed."""
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        return FleximoError(told["message"], code=told["code"], remedy=told["remedy"])
    except (IndexError, ValueError, KeyError, TypeError):
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it gave no reason"])[-1][:300]
        return FleximoError(
            f"{source} could not be converted (exit code {done.returncode}): {last}", code="bad_checkpoint"
        )


def main(arguments: Sequence[str]) -> int:
    """The child: `CONVERTER SOURCE TARGET`."""
    converter, source, target = arguments
    module, _, function = converter.partition(":")
    try:
        try:
            made = getattr(importlib.import_module(module), function)
        except ModuleNotFoundError as error:
            raise FleximoError(
                f"The Python package {error.name} is missing; converting a checkpoint needs it.",
                code="missing_package",
                remedy="Run: pip install 'fleximo[models]'",
            ) from None
        made(Path(source), Path(target))
    except FleximoError as error:
        print(json.dumps({"message": error.message, "code": error.code, "remedy": error.remedy}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
