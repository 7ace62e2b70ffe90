"""The golf swing: one pure function from `Cue` to `Tracks`, written as a table of moments of the swing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.moves.base import SIDES, Cue, Place, Tracks, axes
from fleximo.moves.easing import flow
from fleximo.moves.footwork import Step, play_steps
from fleximo.moves.posing import HANGING, arm_keys, pose_arm, standing

__all__ = ["golf_swing"]

# Shares of one swing: start, stance taken, takeaway, half-way back, top, down from the top, half-way down, impact, arms
# out, finish, end of the finish, end.
_MOMENTS = np.array([0.0, 0.16, 0.26, 0.38, 0.455, 0.475, 0.555, 0.615, 0.67, 0.77, 0.82, 1.0])
Table = Sequence[tuple[int, float]]
_BEND: Table = ((0, 0.0), (1, 1.0), (4, 1.0), (7, 0.95), (9, 0.05), (10, 0.0), (11, 0.0))
_SPINE: Table = ((0, 0.0), (2, 0.0), (4, -38.0), (5, -38.0), (7, 8.0), (9, 36.0), (10, 36.0), (11, 0.0))
_HIPS: Table = ((0, 0.0), (2, 0.0), (4, -36.0), (5, -34.0), (7, 26.0), (9, 48.0), (10, 48.0), (11, 0.0))
_WEIGHT: Table = ((0, 0.0), (1, 0.0), (4, -0.05), (7, 0.05), (9, 0.11), (10, 0.11), (11, 0.0))
_HEEL: Table = ((0, 0.0), (6, 0.0), (7, 16.0), (9, 58.0), (10, 52.0), (11, 0.0))
_HOLD: Table = ((0, 0.0), (1, 1.0), (10, 1.0), (11, 0.0))
# Where the hands are, in the chest's frame with +x towards the target.
_GRIP = (
    (1, (0.02, -0.22, 0.34)), (2, (0.02, -0.22, 0.34)), (3, (-0.20, 0.02, 0.36)), (4, (-0.22, 0.30, 0.22)),
    (5, (-0.22, 0.30, 0.22)), (6, (-0.08, -0.12, 0.36)), (7, (0.06, -0.20, 0.34)), (8, (0.19, 0.04, 0.36)),
    (9, (0.17, 0.37, 0.10)), (10, (0.17, 0.37, 0.10)),
)  # fmt: skip


def golf_swing(cue: Cue) -> Tracks:
    """Addresses the ball, turns back, swings through and holds the finish, `repeats` times.

    The side is the trailing hand: right swings to the subject's left. Direction means nothing.
    """
    tracks = standing(cue)
    t, scale, period = cue.t, cue.body.scale, cue.end / cue.repeats
    trail = "left" if cue.side == "left" else "right"
    lead = "right" if trail == "left" else "left"
    sign, i = cue.body.sign(lead), SIDES.index(trail)  # the target lies to the lead side
    wide = Place(-0.17 * scale * sign)
    play_steps(
        tracks,
        t,
        [
            Step(trail, 0.03 * period, 0.13 * period, wide, 0.05, 12.0, 0.0, 0.1),
            Step(trail, cue.end - 0.10 * period, cue.end - 0.01 * period, Place(), 0.05, 12.0, 0.0, 0.1),
        ],
    )

    def over_time(table: Table) -> FloatArray:
        return flow(t, [(float(k + _MOMENTS[m]) * period, v) for k in range(cue.repeats) for m, v in table])

    bend, hips, spine, hold = over_time(_BEND), sign * over_time(_HIPS), sign * over_time(_SPINE), over_time(_HOLD)
    across = sign * (over_time(_WEIGHT) - 0.085 * hold)
    tracks.pelvis += np.stack((across, -0.07 * bend - 0.02 * hold, -0.09 * bend), axis=1) * scale
    tracks.turn_pelvis(turn=hips, pitch=22.0 * bend)
    tracks.bend_spine(pitch=16.0 * bend, turn=spine)
    # The eyes stay on the ball until it is gone; only the finish takes them along.
    tracks.turn_head(pitch=16.0 * bend, turn=-0.62 * sign * np.clip(sign * (hips + spine), -80.0, 50.0))
    _roll_foot(tracks, i, sign, over_time(_HEEL))
    _swing_arms(cue, tracks, lead, hold)
    return tracks


def _roll_foot(tracks: Tracks, i: int, sign: float, degrees: FloatArray) -> None:
    """Lets a planted foot come up and turn in on its ball."""
    tracks.feet[:, i] = rot.multiply(tracks.feet[:, i], axes(turn=sign * degrees, pitch=degrees))
    tracks.toe_bend[:, i] += np.minimum(degrees, 55.0)
    tracks.knees[:, i] = rot.rotate(axes(turn=sign * degrees), tracks.knees[:, i])


def _swing_arms(cue: Cue, tracks: Tracks, lead: str, hold: FloatArray) -> None:
    """Both hands on one grip that follows `_GRIP`; `hold` (T,) blends from and to the hanging arms."""
    period = cue.end / cue.repeats
    grip = flow(cue.t, [(float(k + _MOMENTS[m]) * period, p) for k in range(cue.repeats) for m, p in _GRIP])
    first, last = _MOMENTS[1] * period, max(cue.end - 0.18 * period, _MOMENTS[1] * period)
    for side in SIDES:
        own, lift = (1.0, np.array([0.0, 0.03, 0.0])) if side == lead else (-1.0, np.array([0.0, -0.03, 0.02]))
        wrist = grip * np.array([own, 1.0, 1.0]) + lift + np.array([0.035, 0.0, 0.0])
        hands = pose_arm(cue.body, side, wrist, (0.8, -0.8, -0.1), (-0.45, -0.6, 0.7), (-1.0, 0.0, -0.2))
        hang = arm_keys(cue, side, [(0.0, HANGING), (max(cue.end, 1e-3), HANGING)])
        tracks.set_arm(side, rot.slerp(hang, hands, hold[:, None]))
        tracks.set_fingers(side, cue.t, [(0.0, "relaxed"), (first, "grip"), (last, "grip"), (cue.end, "relaxed")])
