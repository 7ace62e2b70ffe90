"""Which frames go into each call of the U-Net and of the decoder, and how the overlapping results are weighted.

Frame 0 is the reference picture and belongs to every window. Knows frame numbers only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fleximo.errors import FleximoError

__all__ = ["Window", "balanced_windows", "chunks", "fade", "triangle", "upstream_windows"]


@dataclass(frozen=True)
class Window:
    """Frame 0 and the consecutive frames [start, stop), start >= 1."""

    start: int
    stop: int

    def __len__(self) -> int:
        return 1 + self.stop - self.start

    @property
    def frames(self) -> list[int]:
        """The frame of each position in the call."""
        return [0, *range(self.start, self.stop)]


def upstream_windows(frames: int, length: int, overlap: int) -> list[Window]:
    """The windows of MimicMotion: all of the full `length`, the last pushed back to end with the clip.

    `frames` counts the reference; neighbours share `overlap` - 1 frames beside it, the last two often more. Raises
    `FleximoError` when the clip is shorter than one window, which that rule cannot serve.

    >>> [(window.start, window.stop) for window in upstream_windows(73, 72, 6)]
    [(1, 72), (2, 73)]
    """
    _check(length, overlap)
    if frames < length:
        raise FleximoError(
            f"{frames} frames are fewer than one window of {length}.",
            remedy="Leave parity mode, or shorten the window.",
        )
    windows = [Window(i + 1, i + length) for i in range(0, frames - length + 1, length - overlap)]
    if windows[-1].stop < frames:
        windows.append(Window(frames - length + 1, frames))
    return windows


def balanced_windows(frames: int, length: int, overlap: int, span: tuple[int, int] | None = None) -> list[Window]:
    """The fewest windows of at most `length` that cover the clip, all of one length that is as short as can be.

    Neighbours share at least `overlap` - 1 frames beside the reference, as in `upstream_windows`. `span`: cover the
    frames [start, stop) only.

    >>> [(window.start, window.stop) for window in balanced_windows(73, 72, 6)]
    [(1, 40), (34, 73)]
    """
    _check(length, overlap)
    start, stop = (1, frames) if span is None else span
    if not 1 <= start < stop <= frames:
        raise FleximoError(f"Windows over the frames {start} to {stop} of {frames} are not possible.")
    count, most, shared = stop - start, length - 1, overlap - 1
    calls = 1 if count <= most else math.ceil((count - shared) / (most - shared))
    each = math.ceil((count + (calls - 1) * shared) / calls)
    room = count - each
    starts = [start + round(i * room / max(calls - 1, 1)) for i in range(calls)]
    return [Window(first, first + each) for first in starts]


def triangle(length: int) -> npt.NDArray[np.float32]:
    """(length,) the weight of each position in the fusion: 1/length at the ends, largest in the middle."""
    rise = 2.0 * (np.arange(length) + 0.5) / length
    return np.minimum(rise, 2.0 - rise).astype(np.float32)


def chunks(count: int, length: int, overlap: int = 0) -> list[tuple[int, int]]:
    """Half-open ranges of at most `length` that cover [0, count), neighbours sharing `overlap` or, at the end, fewer.

    >>> chunks(11, 4, 1)
    [(0, 4), (3, 7), (6, 10), (9, 11)]
    """
    if not 0 <= overlap < length:
        raise FleximoError(f"Chunks of {length} frames cannot overlap by {overlap}.")
    ranges = [(0, min(length, count))]
    while ranges[-1][1] < count:
        start = ranges[-1][1] - overlap
        ranges.append((start, min(start + length, count)))
    return ranges


def fade(count: int) -> npt.NDArray[np.float32]:
    """(count,) how much of the later chunk is shown in each of the frames that two chunks share."""
    return (np.arange(1, count + 1) / (count + 1)).astype(np.float32)


def _check(length: int, overlap: int) -> None:
    if not (length >= 2 and 1 <= overlap < length):
        raise FleximoError(
            f"A window of {length} frames with an overlap of {overlap} is not possible.",
            remedy="The window needs at least 2 frames; the overlap, which counts the photo, 1 to one less.",
        )
