"""A rendered video in memory: frames and their rate. Files are `backend.media`'s."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo.errors import FleximoError
from fleximo.timing import as_fps

__all__ = ["Video"]


@dataclass(frozen=True, eq=False)
class Video:
    """`T` frames; not copied, for they are large: whoever makes a Video hands its array over."""

    frames: npt.NDArray[np.uint8]  # (T,H,W,3) RGB
    fps: Fraction

    def __post_init__(self) -> None:
        frames: npt.NDArray[Any] = self.frames
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            raise FleximoError(f"Video.frames is {frames.dtype} {frames.shape}; uint8 (T,H,W,3) was expected.")
        frames.setflags(write=False)
        object.__setattr__(self, "fps", as_fps(self.fps))

    def __len__(self) -> int:
        return int(self.frames.shape[0])

    def __getitem__(self, frames: slice) -> Video:
        return replace(self, frames=self.frames[frames])

    def splice(self, start: int, other: Video) -> Video:
        """This video with the frames from `start` on replaced by `other`'s, all other frames untouched."""
        stop = start + len(other)
        if not 0 <= start <= stop <= len(self) or other.frames.shape[1:] != self.frames.shape[1:]:
            raise FleximoError(
                f"{len(other)} frames of {other.frames.shape[1:3]} cannot replace frames {start} to {stop} of a video "
                f"of {len(self)} frames of {self.frames.shape[1:3]}."
            )
        frames = self.frames.copy()
        frames[start:stop] = other.frames
        return replace(self, frames=frames)
