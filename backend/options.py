"""What the options of a command mean: their values, checked before any work is done. Knows no stage."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from fleximo.errors import FleximoError
from fleximo.files import read_json
from fleximo.formats import Imported, import_motion
from fleximo.named_values import named_values

__all__ = [
    "check_target", "motion_in", "motion_settings_of", "parse_range", "parse_size", "points_of", "settings_of",
]  # fmt: skip


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The engine's settings from --set, --quality and --steps; a value that is JSON is read as such."""
    settings = _pairs(arguments.settings, "--set", "guidance=2.5")
    named = {"quality": arguments.quality, "steps": arguments.steps}
    return settings | {name: value for name, value in named.items() if value is not None}


def motion_settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The motion model's settings from --motion-set, read in the same way."""
    return _pairs(arguments.motion_settings, "--motion-set", "greedy=true")


def _pairs(given: list[str], option: str, example: str) -> dict[str, Any]:
    """The values of an option that is given as NAME=VALUE."""
    return named_values(given, f"Write it like {option} {example}.")


def check_target(target: Path | None, *inputs: Path | None) -> None:
    """Raises before any work is done if `target` cannot be written, or is a file that the command reads."""
    if target is None:
        return
    try:
        is_folder = target.is_dir()
        folder = next(parent for parent in target.absolute().parents if parent.exists())
    except OSError as error:  # a name that is too long, say
        raise FleximoError(f"{target} cannot be written: {error.strerror}.", code="unwritable_file") from None
    if is_folder:
        raise FleximoError(f"{target} is a folder; a file name was expected.", code="unwritable_file")
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise FleximoError(
            f"{target} cannot be written: {folder} is no folder that you may write to.",
            code="unwritable_file",
            remedy="Choose another.",
        )
    for given in inputs:
        if given is not None and given.resolve() == target.resolve():
            raise FleximoError(f"{target} would be overwritten while it is read.", remedy="Give another name.")


def points_of(path: Path | None) -> Any:
    """The key points placed by hand, if a file is given."""
    if path is None:
        return None
    points = read_json(path)
    if points is None:
        raise FleximoError(f"{path} holds nothing.", code="invalid_points", remedy="See docs/photos.md.")
    return points


def motion_in(path: Path, **asked: Any) -> Imported:
    """The motion in any file or folder that is read; an error names it."""
    try:
        return import_motion(path, **asked)
    except FleximoError as error:
        told = error.message if str(path) in error.message else f"{path}: {error.message}"
        raise FleximoError(told, code=error.code, remedy=error.remedy) from None


def parse_size(text: str) -> tuple[int, int]:
    """`576x1024` -> (576, 1024); both even, 64 to 4096.

    >>> parse_size("576x1024")
    (576, 1024)
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise FleximoError(f"The size {text!r} is not WxH.", remedy="Write it like 576x1024.")
    size = (int(width), int(height))
    if any(n % 2 or not 64 <= n <= 4096 for n in size):
        raise FleximoError(f"The size {text} needs even numbers from 64 to 4096.")
    return size


def parse_range(text: str, frames: int) -> tuple[int, int]:
    """`24:48` -> (24, 48), inside a clip of `frames` frames; either end may be left out.

    >>> parse_range("24:", 100)
    (24, 100)
    """
    start, colon, stop = text.partition(":")
    try:
        result = (int(start or 0), int(stop or frames))
    except ValueError:
        result = (0, 0)
    if not colon or not 0 <= result[0] < result[1] <= frames:
        raise FleximoError(f"The range {text!r} is not A:B inside 0:{frames}.", remedy="Write it like 24:48.")
    return result
