"""Frames and seconds: the only frame-rate arithmetic of the project.

Frames are integers and ranges half-open `[start, stop)`; time is float seconds; a rate is an exact `Fraction`,
so that 23.976 stays 24000/1001.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError

__all__ = ["as_fps", "frame_count", "frame_times", "native_positions", "resample_positions"]

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


def native_positions(count: int, fps: Fraction, native_fps: Fraction, events: Iterable[int] = ()) -> FloatArray:
    """Which moments an engine of `native_fps` renders so that `count` frames at `fps` can be made of them.

    In delivered frame numbers, rising from 0 to `count - 1`, evenly spaced but for the last step, which is cut short,
    and for `events`: a moment nearest to one of these frame numbers is moved onto it, so that it is rendered itself.

    >>> native_positions(8, Fraction(30), Fraction(15), events=[3]).tolist()
    [0.0, 3.0, 4.0, 6.0, 7.0]
    """
    step = fps / native_fps
    number = 1 + math.ceil((count - 1) / step)
    positions = np.minimum(np.arange(number) * float(step), count - 1)
    moved: set[int] = set()
    for event in sorted(set(events)):
        nearest = np.argsort(np.abs(positions - event), kind="stable")[:2].tolist()
        for n in nearest:
            inner = 0 < n < number - 1 and n not in moved
            if inner and positions[n - 1] < event < positions[n + 1]:
                positions[n] = event
                moved.add(n)
                break
    return positions
