"""Feet first: footholds over time -> toe joints, foot rotations and contacts that cannot slide.

A foot rolls over its heel when it lands and over its toe joint before it leaves; a planted toe joint stays where
it is to the bit. Knows nothing of the upper body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.easing import minimum_jerk
from fleximo.moves.base import SIDES, Body, Place, Tracks, axes
from fleximo.moves.easing import flow

__all__ = ["Step", "foothold", "play_steps"]


@dataclass(frozen=True)
class Step:
    """One foot leaves the floor at `off` and lands at `on` (seconds)."""

    side: str
    off: float
    on: float
    place: Place  # neutral stance whose foot of this side it steps into
    height: float = 0.07  # m the toe joint is lifted
    push: float = 40.0  # degrees the heel is up when the toe leaves; 0 = a flat step
    strike: float = 14.0  # degrees the toes are up when the heel lands
    roll: float = 0.22  # seconds the heel comes up before `off`
    flat: float = 0.07  # seconds from landing until the foot is flat
    forward: float = 0.0  # m the toe joint is ahead of its way in the middle of the swing: a raised knee
    late: float = 0.0  # 0 the foot comes to rest before it lands, 1 it lands at full speed, as at a run
    tuck: float = 0.0  # degrees of heel-up in the middle of the swing, for kicks of the heel in a run


def foothold(body: Body, side: str, place: Place) -> tuple[FloatArray, FloatArray]:
    """Toe joint (3,) and foot rotation (4,) of a flat foot of the neutral stance at `place`."""
    heading = rot.from_axis_angle([0.0, 1.0, 0.0], place.yaw_rad)
    ball = rot.rotate(heading, body.neutral_ball(side)) + np.array([place.x, 0.0, place.z])
    return ball, rot.multiply(heading, body.neutral_foot(side))


_ORIGIN = Place()


def play_steps(tracks: Tracks, t: FloatArray, steps: Sequence[Step], start: Place = _ORIGIN) -> None:
    """Writes balls, feet, toe bend, knees and contacts of both feet for `steps` (in time order) from stance `start`."""
    for i, side in enumerate(SIDES):
        own = [step for step in steps if step.side == side]
        _play_foot(tracks, t, i, side, own, start)


def _pitch_keys(steps: Sequence[Step]) -> list[tuple[float, float]]:
    """Heel-up (+) and toe-up (-) angles over time; smooth through toe-off, for a corner there would jerk the knee."""
    keys: list[tuple[float, float]] = [(-1e3, 0.0), (0.0, 0.0)]
    for step in steps:
        swing = step.on - step.off
        keys += [(max(step.off - step.roll, keys[-1][0] + 1e-3), 0.0), (step.off, step.push)]
        if step.tuck:
            keys.append((step.off + 0.45 * swing, step.tuck))
        else:
            keys.append((step.off + 0.15 * swing, step.push * 1.02))
        keys += [(step.on - 0.12 * swing, -step.strike), (step.on, -step.strike), (step.on + step.flat, 0.0)]
    keys.append((keys[-1][0] + 1e3, 0.0))
    return keys


def _play_foot(tracks: Tracks, t: FloatArray, i: int, side: str, steps: Sequence[Step], start: Place) -> None:
    body = tracks.body
    to_ball = body.offset(f"{side}_foot")
    to_heel = body.offset(f"{side}_heel")
    ball, heading = foothold(body, side, start)
    balls, headings = np.broadcast_to(ball, (len(t), 3)).copy(), np.broadcast_to(heading, (len(t), 4)).copy()
    planted: BoolArray = np.ones(len(t), dtype=np.bool_)
    lift = np.zeros(len(t))
    for step in steps:
        next_ball, next_heading = foothold(body, side, step.place)
        x = (t - step.off) / max(step.on - step.off, 1e-6)
        after, swinging = x >= 1.0, (x > 0.0) & (x < 1.0)
        way = np.clip(x, 0.0, 1.0)
        s = ((1.0 - step.late) * minimum_jerk(way) + step.late * way * way * (2.0 - way))[:, None]
        balls = np.where(after[:, None], next_ball, np.where(swinging[:, None], ball + s * (next_ball - ball), balls))
        turned = rot.slerp(heading, next_heading, s[:, 0])
        headings = np.where((after | swinging)[:, None], turned, headings)
        # Quick off the floor and quick onto it, for a toe that skims would neither stand nor swing; a high knee
        # is on its way up long enough as it is.
        sharp = float(np.clip(4.0 - (step.height - 0.08) / 0.06, 2.0, 4.0))
        arch = np.clip(1.0 - np.abs(2.0 * np.clip(x, 0.0, 1.0) - 1.0) ** sharp, 0.0, 1.0) ** 1.4
        ahead = 16.0 * np.clip(x * (1.0 - x), 0.0, None) ** 2 * step.forward * body.scale
        balls = balls + rot.rotate(turned, np.array([0.0, 0.0, 1.0])) * np.where(swinging, ahead, 0.0)[:, None]
        lift = np.where(swinging, step.height * body.scale * arch, lift)
        planted = np.where(swinging, False, planted)
        ball, heading = next_ball, next_heading
    pitch = flow(t, _pitch_keys(steps)) if steps else np.zeros(len(t))
    feet = rot.multiply(headings, axes(pitch=pitch))
    # With the toes up the foot hangs on its heel: the toe joint is where the heel's place puts it.
    heel_arm = to_ball - to_heel
    swung = rot.rotate(feet, heel_arm) - rot.rotate(headings, heel_arm)
    balls = balls + np.where((pitch < 0.0)[:, None], swung, 0.0)
    balls[:, 1] += lift
    tracks.balls[:, i], tracks.feet[:, i] = balls, feet
    tracks.toe_bend[:, i] = np.where(
        planted, np.clip(pitch, 0.0, 55.0), np.clip(pitch, 0.0, 55.0) / (1.0 + (lift / 0.05) ** 2)
    )
    tracks.knees[:, i] = rot.rotate(headings, np.array([0.0, 0.0, 1.0]))
    tracks.contacts[:, i] = planted & (balls[:, 1] < body.ball_height + 0.008)
