"""What a terminal is told: progress, as one line that redraws itself with the time that is left, and notices."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from fleximo.errors import Notice

__all__ = ["ProgressLine", "sentence"]

_WIDTH = 28
_MESSAGE_WIDTH = 40
_AT_ONCE_S = 0.5  # what is reported done sooner than this was done by an earlier run


class ProgressLine:
    """A `Progress` that draws `[####----] 42%  12 s left  rendering`; silent where stderr is no terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._started = time.monotonic()
        self._begun_at: float | None = None  # the fraction that was done before, as when a download goes on
        self._drawn = 0.0

    def __call__(self, fraction: float, message: str = "", /) -> None:
        now = time.monotonic()
        elapsed = now - self._started
        if self._begun_at is None:
            self._begun_at = fraction if elapsed < _AT_ONCE_S else 0.0
        if not self._shown or (fraction < 1.0 and now - self._drawn < 0.1):
            return
        self._drawn = now
        fraction = min(1.0, max(0.0, fraction))
        bar = "#" * round(fraction * _WIDTH)
        done = fraction - self._begun_at
        left = f"{elapsed / done * (1 - fraction):.0f} s left" if done > 0.02 and elapsed > 0.5 else ""
        self._draw(f"[{bar:-<{_WIDTH}}] {fraction:4.0%}  {left:>10}  {message[:_MESSAGE_WIDTH]:<{_MESSAGE_WIDTH}}")

    def close(self) -> None:
        """Clears the line, so that what follows starts on a clean one."""
        if self._shown:
            self._draw(" " * (_WIDTH + _MESSAGE_WIDTH + 24))
            self._stream.write("\r")
            self._stream.flush()

    def _draw(self, line: str) -> None:
        """Over the line before; cut to the terminal's width, for a line that wraps cannot be drawn over."""
        columns = shutil.get_terminal_size().columns
        self._stream.write("\r" + line[: max(1, columns - 1)])
        self._stream.flush()


def sentence(notice: Notice) -> str:
    """A notice as a line below what a command prints."""
    return f"  {notice.code}: {notice.message} {notice.remedy}".rstrip()
