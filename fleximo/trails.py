"""Which frames beside the current one are shown, how faintly, and the lines and dots of the paths between them.

The mathematics of motion trails and ghosts. Knows no window and no skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo.arrays import FloatArray, IntArray

__all__ = ["TRAILED", "Lines", "discs", "ghost_frames", "trail_fades", "trail_frames", "trail_lines"]

# The joints whose paths are shown, and the side that tells their colour.
TRAILED: dict[str, str] = {
    "pelvis": "",
    "head": "",
    "left_wrist": "left",
    "right_wrist": "right",
    "left_ankle": "left",
    "right_ankle": "right",
}
_FAINTEST, _FAINTEST_GHOST, _STRONGEST_GHOST = 0.12, 0.06, 0.18
_CORNERS = 10


@dataclass(frozen=True, eq=False)
class Lines:
    """Segments: each two rows are the ends of one."""

    places: FloatArray  # (2N,3) m
    colours: FloatArray  # (2N,4) RGBA, 0..1


def trail_frames(current: int, start: int, stop: int, reach: int) -> range:
    """The frames within `reach` of the current one that are in [start, stop)."""
    return range(max(start, current - reach), min(stop, current + reach + 1))


def ghost_frames(current: int, start: int, stop: int, count: int, step: int) -> dict[int, float]:
    """Up to `count` frames before and as many after the current one, `step` apart, in [start, stop) -> how opaque.

    Nearer ones are more opaque, and later in the order, so that they are drawn over those farther away.
    """
    frames = {}
    for number in range(count, 0, -1):
        near = 1.0 - (number - 1) / count
        for frame in (current - number * step, current + number * step):
            if start <= frame < stop:
                frames[frame] = _FAINTEST_GHOST + near * (_STRONGEST_GHOST - _FAINTEST_GHOST)
    return frames


def trail_fades(frames: range, current: int, reach: int) -> FloatArray:
    """(T,) how opaque a path is at these frames: fully at the current one, hardly at the ends of its reach."""
    away = np.abs(np.arange(frames.start, frames.stop) - current) / max(reach, 1)
    return np.asarray(_FAINTEST + (1.0 - _FAINTEST) * (1.0 - np.minimum(away, 1.0)) ** 1.5)


def trail_lines(paths: FloatArray, colours: FloatArray, fades: FloatArray) -> Lines:
    """The segments of `paths` (K,T,3) with a colour (K,3) each, as opaque as `fades` (T,)."""
    count = paths.shape[1]
    ends = np.stack((np.arange(count - 1), np.arange(1, count)), axis=1).ravel() if count > 1 else np.zeros(0, int)
    rgba = np.concatenate((np.repeat(colours[:, None], count, axis=1), np.tile(fades, (len(paths), 1))[..., None]), -1)
    return Lines(paths[:, ends].reshape(-1, 3), rgba[:, ends].reshape(-1, 4))


def discs(centres: FloatArray, radii: FloatArray, across: FloatArray, up: FloatArray) -> tuple[FloatArray, IntArray]:
    """Discs that face a viewer who sees `across` (3,) to the right and `up` (3,): (N,C,3) m, and (M,3)."""
    angles = 2.0 * np.pi * np.arange(_CORNERS) / _CORNERS
    ring = np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * up
    corners = centres[:, None] + radii[:, None, None] * ring
    fan = np.stack((np.zeros(_CORNERS - 2, int), np.arange(1, _CORNERS - 1), np.arange(2, _CORNERS)), axis=-1)
    return corners, (_CORNERS * np.arange(len(centres))[:, None, None] + fan).reshape(-1, 3)
