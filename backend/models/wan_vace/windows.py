"""Which frames go into each call: windows of 4k + 1 frames that share some with the one before.

The video autoencoder makes one latent of the first frame and one of each four that follow. Knows frame numbers only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleximo.errors import FleximoError

__all__ = ["STRIDE", "Window", "padded", "windows_over"]

STRIDE = 4  # frames in a latent after the first


@dataclass(frozen=True)
class Window:
    """The frames [start, stop) of the clip, 4k + 1 of them; those beyond the clip's end are padding."""

    start: int  # a multiple of 4
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def latents(self) -> int:
        return 1 + (len(self) - 1) // STRIDE

    def rows(self, frames: int) -> list[int]:
        """The frame of a clip of `frames` that stands at each position: the last one stands for the padding."""
        return [min(frame, frames - 1) for frame in range(self.start, self.stop)]


def padded(frames: int) -> int:
    """The next number of the form 4k + 1.

    >>> [padded(n) for n in (1, 2, 5, 80)]
    [1, 5, 5, 81]
    """
    return 1 + math.ceil((frames - 1) / STRIDE) * STRIDE


def windows_over(span: tuple[int, int], length: int, overlap: int) -> list[Window]:
    """The fewest windows of at most `length` frames that cover `span`, all as long and as short as can be.

    Neighbours share `overlap` frames. Starts are multiples of 4 from `span`'s, which must be one, so that a latent
    holds the same frames in whichever window it lies.

    >>> [(window.start, window.stop) for window in windows_over((0, 120), 81, 13)]
    [(0, 69), (56, 125)]
    """
    start, stop = span
    if not (0 <= start < stop and start % STRIDE == 0 and length % STRIDE == overlap % STRIDE == 1 <= overlap < length):
        raise FleximoError(f"Windows of {length} frames with {overlap} shared over {start} to {stop} are not possible.")
    count = stop - start
    calls = 1 if count <= length else math.ceil((count - overlap) / (length - overlap))
    each = padded(math.ceil((count + (calls - 1) * overlap) / calls))
    starts = [start + number * (each - overlap) for number in range(calls)]
    return [Window(first, first + each) for first in starts]
