"""Keeps the chatter of native libraries off the terminal. Knows nothing of what they compute."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["native_logs_silenced"]

_CHATTER = re.compile(rb"^(?:[IW]\d{4} |INFO: |WARNING: All log messages before absl)")
_lock = threading.RLock()
_depth = 0


@contextmanager
def native_logs_silenced() -> Iterator[None]:
    """Holds back what is written to file descriptor 2 inside the block, then passes on all but log chatter.

    MediaPipe's C++ side writes its information and warnings straight to the descriptor and honours no setting; errors
    and whatever other threads write meanwhile still arrive, a moment later.
    """
    global _depth
    with _lock:
        _depth += 1
        try:
            if _depth > 1:
                yield
            else:
                yield from _redirected()
        finally:
            _depth -= 1


def _redirected() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # a windowed program may have no standard error at all
        yield
        return
    with tempfile.TemporaryFile() as sink:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, 2)
            sink.seek(0)
            said = b"".join(line for line in sink.read().splitlines(keepends=True) if not _CHATTER.match(line))
            if said:
                os.write(kept, said)
            os.close(kept)
