"""Work that has to end in time: done on a thread of its own, and given up when the time is over.

Knows nothing of what is done.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from fleximo.errors import FleximoError

__all__ = ["within"]

Result = TypeVar("Result")


def within(limit_s: float, work: Callable[[], Result], give_up: Callable[[], None] = lambda: None) -> Result:
    """What `work` returns or raises; after `limit_s` seconds calls `give_up` and raises `FleximoError` (code `late`).

    Work that ignores `give_up` goes on unheard, on a thread that does not keep the program from ending.
    """
    box: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            box.put((work(), None))
        except BaseException as error:
            box.put((None, error))

    threading.Thread(target=run, daemon=True, name="fleximo-deadline").start()
    try:
        result, error = box.get(timeout=limit_s)
    except queue.Empty:
        give_up()
        raise FleximoError(
            f"The language model did not answer within {limit_s:g} s.",
            code="late",
            remedy="Ask again (a server may have been loading the model), or choose a smaller model.",
        ) from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # one of both is always set
