"""Frames and seconds: the only frame-rate arithmetic of the project.

Frames are integers and ranges half-open `[start, stop)`; time is float seconds; a rate is an exact `Fraction`,
so that 23.976 stays 24000/1001.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError

__all__ = ["as_fps", "frame_count", "frame_times", "resample_positions"]

_NTSC = {Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)}


def as_fps(value: float | int | str | Fraction) -> Fraction:
    """The exact rate meant by `value`; rates near an NTSC rate become it.

    >>> as_fps(23.976), as_fps(30), as_fps("30000/1001")
    (Fraction(24000, 1001), Fraction(30, 1), Fraction(30000, 1001))

    Raises `FleximoError` for rates outside 1..240.
    """
    try:
        rate = Fraction(value) if isinstance(value, (str, int, Fraction)) else Fraction(float(value))
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        raise FleximoError(f"The frame rate {value!r} is not a number.", remedy="Give frames per second.") from None
    if not 1 <= rate <= 240:
        raise FleximoError(f"The frame rate {float(rate):g} is outside 1 to 240 frames per second.")
    for exact in (*_NTSC, Fraction(round(rate))):
        if abs(rate - exact) < Fraction(1, 500):
            return exact
    return rate.limit_denominator(1001)


def frame_count(seconds: float, fps: Fraction) -> int:
    """How many frames show `seconds` at `fps`: the nearest whole number, at least 1."""
    return max(1, math.floor(seconds * fps + Fraction(1, 2)))


def frame_times(count: int, fps: Fraction) -> FloatArray:
    """Seconds of each of `count` frames, (count,) float64, the first at 0."""
    return np.arange(count, dtype=np.float64) / float(fps)


def resample_positions(count: int, fps_from: Fraction, fps_to: Fraction) -> FloatArray:
    """Where the frames of a clip of `count` frames at `fps_from` lie when it is shown at `fps_to`.

    Returns fractional source frame numbers in 0..count-1; the clip's duration (count / fps) is kept within half
    a frame and the last position is clamped to the last source frame.
    """
    target = frame_count(float(count / fps_from), fps_to)
    positions = np.arange(target, dtype=np.float64) * float(fps_from / fps_to)
    return np.minimum(positions, count - 1)
