"""Wakes those who stream events whenever a job has changed, from any thread.

Knows the event loop and nothing of jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

__all__ = ["Bell"]


class Bell:
    """Rung by the scheduler's thread, heard by coroutines of the loop that it was hung in."""

    def __init__(self) -> None:
        self.stopping = False  # streams end, so that a stop need not wait for their readers
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[asyncio.Event] = set()

    def hang(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def ring(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake)

    def stop(self) -> None:
        self.stopping = True
        self.ring()

    @contextlib.contextmanager
    def listener(self) -> Iterator[asyncio.Event]:
        """An event that is set at each ring; clear it before looking what has changed."""
        rung = asyncio.Event()
        self._listeners.add(rung)
        try:
            yield rung
        finally:
            self._listeners.discard(rung)

    def _wake(self) -> None:
        for rung in self._listeners:
            rung.set()
