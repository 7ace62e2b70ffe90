"""What a finished render shows against what it was asked to show: an error per frame, and the seconds worth a repair.

Knows errors and frames. The pose is found again by `backend.self_check`; where colours and markers are drawn is the
interface's affair.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.layouts import OPENPOSE_18
from fleximo.score import PoseTarget
from fleximo.timing import as_fps, frame_count

__all__ = ["CLOSE", "FAR", "MOST_PEAKS", "OFF", "Look", "SelfCheck", "frames_to_look_at", "look_at", "usual_stride"]

# Errors of a frame, in torso lengths. The draft's renders stay below 0.07 where it can do what is asked, and lie above
# 0.3 where it cannot (docs/performance.md).
CLOSE, OFF, FAR = 0.07, 0.15, 0.30
MOST_PEAKS = 5
_LOOKS_PER_SECOND = 8
_MOST = 1.0  # what one point counts at most, and a frame in which nobody was found
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Look:
    """What was found in one frame."""

    frame: int
    error: float  # torso lengths, 0..1: root of the points' mean square, so that one wrong arm shows
    found: bool  # whether anybody was
    worst: str  # the point furthest from where it was asked for; empty where nobody was found or nothing was asked for


@dataclass(frozen=True)
class SelfCheck:
    """The looks at a render of `frames` frames, in the order of their frames."""

    frames: int
    fps: Fraction
    every: int  # every n-th frame was to be looked at
    detector: str
    looks: tuple[Look, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "fps", as_fps(self.fps))
        looks = tuple(sorted(self.looks, key=lambda look: look.frame))
        numbers = [look.frame for look in looks]
        if len(set(numbers)) != len(numbers) or not all(0 <= number < self.frames for number in numbers):
            raise FleximoError(f"The self-check of {self.frames} frames has looks at other frames, or two at one.")
        object.__setattr__(self, "looks", looks)

    @property
    def found(self) -> int:
        """In how many of the frames looked at somebody was found."""
        return sum(look.found for look in self.looks)

    @property
    def mean_error(self) -> float:
        """Of the frames looked at; 0 if none was."""
        return sum(look.error for look in self.looks) / len(self.looks) if self.looks else 0.0

    def errors(self) -> FloatArray:
        """(T,) torso lengths: of frames that were not looked at between those of their neighbours.

        NaN where the neighbours lie further apart than `every`, so that nothing is known.
        """
        if not self.looks:
            return np.full(self.frames, np.nan)
        frames, looked_at = np.arange(self.frames), np.array([look.frame for look in self.looks])
        errors = np.interp(frames, looked_at, [look.error for look in self.looks])
        before = looked_at[np.searchsorted(looked_at, frames, side="right").clip(1) - 1]
        after = looked_at[np.searchsorted(looked_at, frames).clip(max=len(looked_at) - 1)]
        known = (before <= frames) & (frames <= after) & (after - before <= self.every)
        return np.where(known, errors, np.nan)

    def peaks(self, threshold: float = OFF, most: int = MOST_PEAKS) -> list[Look]:
        """The worst frames, the worst first, each at least a second from the others and off by `threshold` or more."""
        apart, chosen = self._second, list[Look]()
        for look in sorted(self.looks, key=lambda look: (-look.error, look.frame)):
            if look.error < threshold or len(chosen) == most:
                break
            if all(abs(look.frame - other.frame) >= apart for other in chosen):
                chosen.append(look)
        return chosen

    def second_around(self, frame: int) -> tuple[int, int]:
        """The frames [start, stop) of the second with `frame` in its middle, or of the clip's first or last one."""
        length = min(self._second, self.frames)
        start = min(max(0, frame - length // 2), self.frames - length)
        return start, start + length

    @property
    def _second(self) -> int:
        return frame_count(1.0, self.fps)

    def without(self, ranges: Iterable[tuple[int, int]]) -> SelfCheck:
        """The check after the frames of `ranges` [start, stop) have been rendered anew: what was seen there is gone."""
        gone = {frame for start, stop in ranges for frame in range(start, stop)}
        return replace(self, looks=tuple(look for look in self.looks if look.frame not in gone))

    def to_json(self) -> dict[str, Any]:
        rows = [
            {"frame": look.frame, "error": round(look.error, 4), "found": look.found, "worst": look.worst}
            for look in self.looks
        ]
        return {
            "format_version": FORMAT_VERSION,
            "frames": self.frames,
            "fps": str(self.fps),
            "every": self.every,
            "detector": self.detector,
            "mean_error": round(self.mean_error, 4),
            "looks": rows,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SelfCheck:
        """Raises `FleximoError` for another document."""
        try:
            if int(document["format_version"]) > FORMAT_VERSION:
                raise FleximoError(
                    "The self-check comes from a newer version.", code="newer_format", remedy="Update Fleximo."
                )
            looks = [
                Look(int(row["frame"]), float(row["error"]), bool(row["found"]), str(row["worst"]))
                for row in document["looks"]
            ]
            if not all(0.0 <= look.error <= _MOST for look in looks):  # NaN is none of these either
                raise ValueError("an error lies outside 0..1")
            every = max(1, int(document["every"]))
            fps = as_fps(str(document["fps"]))
            return cls(int(document["frames"]), fps, every, str(document["detector"]), tuple(looks))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise FleximoError("The self-check cannot be read.", remedy="Check the render again.") from None


def usual_stride(fps: Fraction) -> int:
    """Every how many frames to look where nothing else is asked for: about eight times a second.

    >>> usual_stride(Fraction(30)), usual_stride(Fraction(15)), usual_stride(Fraction(6))
    (4, 2, 1)
    """
    return max(1, math.floor(fps / _LOOKS_PER_SECOND + Fraction(1, 2)))


def frames_to_look_at(frames: int, every: int, known: Collection[int] = ()) -> list[int]:
    """Every `every`-th frame and the last one, without those already `known`.

    >>> frames_to_look_at(10, 4, known={4})
    [0, 8, 9]
    """
    wanted = [*range(0, frames, every), *([frames - 1] if (frames - 1) % every else [])]
    return [frame for frame in wanted if frame not in known]


def look_at(target: PoseTarget, frame: int, found_px: FloatArray | None) -> Look:
    """What the points (18,2) found in `frame`, in canvas px, are worth against those asked for; None: nobody found.

    A point counts at most one torso length. A frame in which nothing is asked for is as asked.
    """
    errors = target.errors(frame, found_px)
    asked = ~np.isnan(errors)
    if not asked.any():
        return Look(frame, 0.0, found_px is not None, "")
    counted = np.minimum(errors[asked], _MOST)
    worst = "" if found_px is None else OPENPOSE_18.names[int(np.where(asked, errors, -1.0).argmax())]
    return Look(frame, float(np.sqrt((counted**2).mean())), found_px is not None, worst)
