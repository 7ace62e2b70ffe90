"""Curves over time: key values eased, flowing or swaying. Knows no joints.

`t` is always (T,) seconds; keys are (time, value) pairs in ascending time, values numbers or equal-length tuples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo.arrays import FloatArray
from fleximo.easing import minimum_jerk

__all__ = ["bump", "ease", "envelope", "flow", "segment_of", "sway"]

Keys = Sequence[tuple[float, Any]]


def segment_of(t: FloatArray, times: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Between which keys each moment lies: index of the earlier key and the way to the next in 0..1."""
    low = np.clip(np.searchsorted(times, t, side="right") - 1, 0, max(len(times) - 2, 0))
    high = np.minimum(low + 1, len(times) - 1)
    return low, np.clip((t - times[low]) / np.maximum(times[high] - times[low], 1e-6), 0.0, 1.0)


def _split(keys: Keys) -> tuple[FloatArray, FloatArray]:
    times = np.array([time for time, _ in keys], dtype=np.float64)
    # Keys that a short clip has pushed together keep their order.
    return np.maximum.accumulate(times), np.array([value for _, value in keys], dtype=np.float64)


def ease(t: FloatArray, keys: Keys) -> FloatArray:
    """Minimum-jerk moves from key to key, at rest on each: poses that are held or struck.

    >>> ease(np.array([0.0, 0.5, 1.0, 9.0]), [(0, 0), (1, 2)]).tolist()
    [0.0, 1.0, 2.0, 2.0]
    """
    times, values = _split(keys)
    low, x = segment_of(t, times)
    x = minimum_jerk(x)
    step = values[np.minimum(low + 1, len(values) - 1)] - values[low]
    return np.asarray(values[low] + (step * x if values.ndim == 1 else step * x[:, None]))


def flow(t: FloatArray, keys: Keys) -> FloatArray:
    """A smooth path through the keys without stopping and without overshoot (monotone cubic, Fritsch & Carlson 1980);
    at rest at both ends."""
    times, values = _split(keys)
    flat = values.reshape(len(values), -1)
    gaps = np.maximum(np.diff(times), 1e-6)[:, None]
    slopes = np.diff(flat, axis=0) / gaps
    tangents = np.zeros_like(flat)
    if len(times) > 2:
        before, after = slopes[:-1], slopes[1:]
        w1, w2 = 2.0 * gaps[1:] + gaps[:-1], gaps[1:] + 2.0 * gaps[:-1]
        same = before * after > 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (w1 + w2) / (w1 / before + w2 / after)
        tangents[1:-1] = np.where(same, mean, 0.0)
    low, x = segment_of(t, times)
    x = x[:, None]
    gap, a, b = gaps[low], flat[low], flat[low + 1]
    m, n = tangents[low] * gap, tangents[low + 1] * gap
    out = a * (1 + 2 * x) * (1 - x) ** 2 + m * x * (1 - x) ** 2 + b * x * x * (3 - 2 * x) + n * x * x * (x - 1)
    return np.asarray(out[:, 0] if values.ndim == 1 else out)


def envelope(t: FloatArray, start: float, full: float, fade: float, stop: float) -> FloatArray:
    """0 before `start`, 1 from `full` to `fade`, 0 after `stop`, eased between."""
    return minimum_jerk((t - start) / max(full - start, 1e-6)) * (
        1.0 - minimum_jerk((t - fade) / max(stop - fade, 1e-6))
    )


def bump(t: FloatArray, start: float, stop: float) -> FloatArray:
    """A smooth hill of height 1 between `start` and `stop`, 0 outside, speed 0 at both ends."""
    x = np.clip((t - start) / max(stop - start, 1e-6), 0.0, 1.0)
    return np.asarray(16.0 * x * x * (1.0 - x) ** 2)


def sway(rng: np.random.Generator, t: FloatArray, period_s: float) -> FloatArray:
    """Seeded smooth noise of amplitude about 1: three sines whose periods share no multiple."""
    phases = rng.uniform(0.0, 2.0 * np.pi, 3)
    rates = np.array([1.0, 1.618, 2.414]) / (period_s * rng.uniform(0.9, 1.1))
    weights = np.array([0.6, 0.3, 0.15])
    return np.asarray((np.sin(2.0 * np.pi * t[:, None] * rates + phases) * weights).sum(axis=1))
