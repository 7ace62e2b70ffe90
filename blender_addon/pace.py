"""How long a render takes, told from the last ones on this computer's server.

Seconds per frame and megapixel, by engine and quality, in a file of the extension's own.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from fleximo.errors import FleximoError
from fleximo.files import write_json

from .preferences import user_folder

__all__ = ["estimate_s", "forget", "remember", "sentence"]

_known: dict[str, float] | None = None


def _path() -> Any:
    return user_folder("server") / "pace.json"


def _read() -> dict[str, float]:
    global _known
    if _known is None:
        try:
            document = json.loads(_path().read_text("utf-8"))
            _known = {str(name): float(seconds) for name, seconds in document.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            _known = {}
    return _known


def forget() -> None:
    """Reads the file anew the next time."""
    global _known
    _known = None


def remember(engine: str, quality: str, size: tuple[int, int], frames: int, seconds: float) -> None:
    """Takes in how long a render of `frames` frames took."""
    if frames <= 0 or seconds <= 0.0:
        return
    _read()[f"{engine} {quality}"] = seconds / frames / _megapixels(size)
    with contextlib.suppress(FleximoError):  # an estimate less; the render itself is well
        write_json(_path(), _read())


def estimate_s(engine: str, quality: str, size: tuple[int, int], frames: int) -> float | None:
    """Seconds that `frames` frames will take; None where no render with these has been seen yet."""
    seconds = _read().get(f"{engine} {quality}")
    return None if seconds is None else seconds * frames * _megapixels(size)


def sentence(engine: str, quality: str, size: tuple[int, int], frames: int, *, refine: bool = False) -> str:
    """What the panel says before the start; `refine`: everything is rendered twice."""
    seconds = estimate_s(engine, quality, size, frames * 2 if refine else frames)
    shown = f"{frames} frames{', rendered twice' if refine else ''}"
    if seconds is None:
        return f"{shown}; how long they take is known after the first render."
    return f"{shown}, about {_told(seconds)} as the last render went."


def _told(seconds: float) -> str:
    if seconds < 90.0:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400.0:
        return f"{round(seconds / 60.0)} min"
    return f"{seconds / 3600.0:.1f} h"


def _megapixels(size: tuple[int, int]) -> float:
    return max(size[0] * size[1], 1) / 1e6
