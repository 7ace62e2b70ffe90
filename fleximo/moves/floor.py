"""Moves that go down to the floor. Each is one pure function from `Cue` to `Tracks`."""

from __future__ import annotations

import numpy as np

from fleximo.moves.base import SIDES, Cue, Tracks
from fleximo.moves.easing import ease
from fleximo.moves.posing import HANGING, ArmPose, arm_keys, standing

__all__ = ["squat"]


def squat(cue: Cue) -> Tracks:
    """Sits down into the knees with the arms held out in front, `repeats` times. Side and direction mean nothing."""
    tracks = standing(cue)
    period = cue.end / cue.repeats
    keys = [(0.0, 0.0)]
    for k in range(cue.repeats):
        start = k * period
        keys += [(start + 0.44 * period, 1.0), (start + 0.54 * period, 1.0), (start + period, 0.0)]
    down = ease(cue.t, keys)
    tracks.pelvis += down[:, None] * np.array([0.0, -0.40, -0.16]) * cue.body.scale
    tracks.turn_pelvis(pitch=24.0 * down)
    tracks.bend_spine(pitch=14.0 * down)
    tracks.turn_head(pitch=-26.0 * down)
    front = ArmPose((0.17, 0.30, 0.42), (0.7, -0.7, 0.0), (-0.05, 0.1, 1.0), (0.0, -1.0, 0.1))
    for i, side in enumerate(SIDES):
        tracks.set_arm(side, arm_keys(cue, side, [(time, front if value else HANGING) for time, value in keys]))
        tracks.knees[:, i] += down[:, None] * np.array([0.45 * cue.body.sign(side), 0.0, 0.0])
    return tracks
