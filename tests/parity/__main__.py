"""`python -m tests.parity NAME DIR`: checks the code against a folder of parity data, one line per case."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

NAMES = ("rescale", "t2m_gpt", "mimicmotion")


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if every case of the folder passes, 1 if one fails, 2 if the folder or the name is no good."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("folder", type=Path, metavar="DIR", help="parity data, laid out like the fixtures")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    if not folder.is_dir() or not any(folder.iterdir()):
        print(f"{folder} is no folder with parity data in it.", file=sys.stderr)
        return 2
    try:
        module = importlib.import_module(f"tests.parity.{options.name}")
    except ModuleNotFoundError as error:
        if error.name != f"tests.parity.{options.name}":
            raise
        print(f"There is nothing to check for {options.name} in this version.", file=sys.stderr)
        return 2
    verdicts = [case.verdict() for case in module.cases(folder)]
    for _, line in verdicts:
        print(line)
    if not any(not line.startswith("skipped") for _, line in verdicts):
        print(f"No case of {options.name} was found in {folder}.", file=sys.stderr)
        return 2
    return 0 if all(passed for passed, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
