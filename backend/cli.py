"""The command line: `fleximo COMMAND`. Parses by `backend.parser`, calls `backend.commands`, prints; knows no stage.

Exit code 0 = done, 1 = failed (one sentence on stderr), 2 = wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from backend.parser import build_parser
from fleximo import FleximoError

__all__ = ["main"]

Command = Callable[[argparse.Namespace], dict[str, Any]]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = build_parser().parse_args(argv)
    os.environ.setdefault("GLOG_minloglevel", "3")  # MediaPipe's chatter belongs to no one's terminal
    try:
        from backend import commands  # here, for it takes a second, and Ctrl-C shall end that quietly too

        run: Command = getattr(commands, arguments.command.replace("-", "_"))
        result = run(arguments)
    except KeyboardInterrupt:
        print("fleximo: stopped.", file=sys.stderr)
        return 1
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        _tell(_as_told(error), as_json=arguments.json)
        return 1
    text, exit_code = result.pop("text_output", ""), result.pop("exit_code", 0)
    try:
        if arguments.json and result:
            print(json.dumps(result, indent=2, ensure_ascii=False), flush=True)
        elif text:
            print(text, flush=True)
    except BrokenPipeError:  # who reads has seen enough (`fleximo ... | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(exit_code)


def _as_told(error: Exception) -> FleximoError:
    """What went wrong in the words of the project; an error that nobody foresaw is called one."""
    if isinstance(error, FleximoError):
        return error
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        return FleximoError(
            f"The Python package {error.name.partition('.')[0]} is missing in {sys.executable}.",
            code="missing_package",
            remedy="Install Fleximo again with the same Python: pip install .",
        )
    return FleximoError(
        f"Fleximo failed in a way that was not foreseen ({type(error).__name__}: {error}).",
        code="internal_error",
        remedy="Run the command again with --debug and report what it shows.",
    )


def _tell(error: FleximoError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": {"code": error.code, "message": str(error)}}))
    else:
        print(f"fleximo: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
