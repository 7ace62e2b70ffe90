"""How far a long computation is, and how long the rest will take, from what has been measured so far.

Knows units of work of any kind; the caller says how many there are and when some are done.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from backend.stages import Progress

__all__ = ["Pace", "spoken_seconds"]


class Pace:
    """Turns units of work done into a `Progress` with an estimate; `next` raises `Cancelled` when the user stops."""

    def __init__(self, progress: Progress, units: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._units = max(units, 1e-9)
        self._clock = clock
        self._started = clock()
        self._done = self._skipped = 0.0

    def skip(self, units: float) -> None:
        """Counts work that an earlier run did; it tells nothing about this machine's speed."""
        self._done += units
        self._skipped += units

    def did(self, units: float) -> None:
        self._done += units

    @property
    def fraction(self) -> float:
        return min(1.0, self._done / self._units)

    def seconds_left(self) -> float | None:
        """None until something was measured."""
        measured = self._done - self._skipped
        if measured <= 0.0:
            return None
        return max(0.0, self._units - self._done) * (self._clock() - self._started) / measured

    def next(self, message: str) -> None:
        """Tells what comes next and how long the rest will take; the place where a stop is noticed."""
        if self._done == self._skipped:
            self._started = self._clock()  # reading weights says nothing about the calls to come
        left = self.seconds_left()
        self._progress(self.fraction, message if left is None else f"{message}, {spoken_seconds(left)} left")


def spoken_seconds(seconds: float) -> str:
    """
    >>> spoken_seconds(42.4), spoken_seconds(170), spoken_seconds(7000)
    ('42 s', '3 min', '1 h 57 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
