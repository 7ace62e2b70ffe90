"""Feet that rise: onto the ball, or both off the floor to fly and land together; paths with given speeds.

Knows nothing of arms and trunk; single steps are `footwork`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.easing import minimum_jerk
from fleximo.moves.base import SIDES, Tracks, axes
from fleximo.moves.easing import flow, segment_of

__all__ = ["GRAVITY", "Hop", "hermite", "lift_heel", "play_hops"]

GRAVITY = 9.81  # m/s2
_STANDS_BELOW_M = 0.006  # a foot that has risen by less still stands, and has not moved yet


def hermite(t: FloatArray, knots: Sequence[tuple[float, float, float]]) -> FloatArray:
    """A curve (T,) through (time, value, speed) knots: cubic between them, still outside.

    >>> hermite(np.array([0.0, 0.5, 1.0]), [(0, 0, 0), (1, 1, 0)]).tolist()
    [0.0, 0.5, 1.0]
    """
    times, values, speeds = np.array(knots, dtype=np.float64).T
    times = np.maximum.accumulate(times)
    low, x = segment_of(t, times)
    high = np.minimum(low + 1, len(times) - 1)
    gap = times[high] - times[low]
    return np.asarray(
        values[low] * (1 + 2 * x) * (1 - x) ** 2
        + speeds[low] * gap * x * (1 - x) ** 2
        + values[high] * x * x * (3 - 2 * x)
        + speeds[high] * gap * x * x * (x - 1)
    )


@dataclass(frozen=True)
class Hop:
    """Both feet leave the floor at `off` and land at `on` (seconds), moved by `to` (dx outward, dx, dz) m from rest."""

    off: float
    on: float
    height: float  # m the toe joints rise
    spread: float = 0.0  # m each foot stands further out after landing than in the neutral stance
    x: float = 0.0  # m both feet stand from the start after landing
    z: float = 0.0
    push: float = 42.0  # degrees the heels are up at take-off
    strike: float = 18.0  # degrees the heels are up on landing: the ball takes the weight first
    roll: float = 0.16  # seconds the heels come up before take-off
    flat: float = 0.10  # seconds from landing until the feet are flat
    after: float = 0.0  # degrees the heels stay up after landing


def play_hops(tracks: Tracks, t: FloatArray, hops: Sequence[Hop]) -> None:
    """Writes balls, feet, toe bend and contacts of both feet for `hops` in time order; the last leaves them there."""
    lift, planted = np.zeros(len(t)), np.ones(len(t), dtype=np.bool_)
    spread, x, z = np.zeros(len(t)), np.zeros(len(t)), np.zeros(len(t))
    keys: list[tuple[float, float]] = [(-1e3, 0.0)]
    before = Hop(-1.0, -1.0, 0.0)
    for hop in hops:
        way = (t - hop.off) / max(hop.on - hop.off, 1e-6)
        flying = (way > 0.0) & (way < 1.0)
        lift = np.where(flying, 4.0 * way * (1.0 - way) * hop.height, lift)
        planted &= ~(flying & (lift > _STANDS_BELOW_M))
        share = minimum_jerk(way)
        spread = spread + share * (hop.spread - before.spread)
        x, z = x + share * (hop.x - before.x), z + share * (hop.z - before.z)
        flight = hop.on - hop.off
        start = max(hop.off - hop.roll, keys[-1][0] + 1e-3)
        keys += [(start, before.after), (hop.off, hop.push), (hop.off + 0.5 * flight, 0.6 * hop.push)]
        keys += [(hop.on, max(hop.strike, hop.after)), (hop.on + hop.flat, hop.after)]
        before = hop
    pitch = flow(t, [*keys, (keys[-1][0] + 1e3, keys[-1][1])])
    toes = np.where(planted, np.clip(pitch, 0.0, 55.0), np.clip(pitch, 0.0, 55.0) * np.exp(-lift / 0.10))
    for i, side in enumerate(SIDES):
        outward = tracks.body.sign(side) * spread
        tracks.balls[:, i] += np.stack((outward + x, lift, z), axis=1)
        tracks.feet[:, i] = rot.multiply(tracks.feet[:, i], axes(pitch=pitch))
        tracks.toe_bend[:, i] = toes
        tracks.contacts[:, i] = planted
        tracks.pulls[:, i] = planted


_MOST_TOE_BEND = 60.0  # degrees


def lift_heel(tracks: Tracks, side: str, degrees: FloatArray, in_air: FloatArray | None = None) -> None:
    """Turns a foot up by `degrees` (T,) on its ball; the toes stay flat as long as they can bend.

    `in_air` (T,) m: how high the foot is over the floor; the toes straighten there.
    """
    i = SIDES.index(side)
    tracks.feet[:, i] = rot.multiply(tracks.feet[:, i], axes(pitch=degrees))
    bend = np.clip(tracks.toe_bend[:, i] + degrees, 0.0, _MOST_TOE_BEND)
    # Beyond that the tips press down, and the ball comes up by what they need.
    tracks.balls[:, i, 1] += 0.0005 * tracks.body.scale * np.maximum(degrees - _MOST_TOE_BEND, 0.0)
    tracks.toe_bend[:, i] = bend if in_air is None else bend * np.exp(-in_air / 0.10)
