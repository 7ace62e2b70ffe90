"""Moves that travel: walk, run, march, turn. Feet are planned along the path of the body, then the body follows."""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.moves.base import Cue, Place, Tracks
from fleximo.moves.footwork import Step, play_steps
from fleximo.moves.lexicon import LEXICON
from fleximo.moves.posing import pose_arm, standing

__all__ = ["walk"]

_DUTY = 0.63  # share of a stride that a foot stands, from heel strike to toe-off
_HEADINGS = {"backward": np.pi, "left": np.pi / 2, "right": -np.pi / 2}


def _progress(t: FloatArray, seconds: float, rise: float) -> FloatArray:
    """Distance at unit cruising speed: speed eases in and out over `rise` seconds, constant between."""
    rise = min(rise, 0.5 * seconds)

    def ramp(s: FloatArray) -> FloatArray:
        x = np.clip(s / max(rise, 1e-6), 0.0, 1.0)
        # Integral of the smoothstep speed 3x^2 - 2x^3.
        return np.asarray(rise * (x**3 - 0.5 * x**4) + np.maximum(s - rise, 0.0))

    t = np.clip(t, 0.0, seconds)
    return ramp(t) - ramp(t - (seconds - rise)) if seconds > 0 else np.zeros_like(t)


def walk(cue: Cue) -> Tracks:
    """Walks from standing to standing at `speed`; direction backward, left or right moves that way without turning."""
    tracks = standing(cue)
    body, t, end = cue.body, cue.t, cue.end
    step_s = LEXICON["walk"].period_s / np.sqrt(cue.speed)
    count = max(2, round((end - 0.25) / step_s))
    step_s = (end - 0.1) / (count + 0.35)
    swing = 2.0 * step_s * (1.0 - _DUTY)
    length = {"backward": 0.46, "left": 0.34, "right": 0.34}.get(cue.direction or "", 0.68) * np.sqrt(cue.speed)
    cruise = length * body.scale / step_s
    travel = _HEADINGS.get(cue.direction or "", 0.0)

    def path(seconds: FloatArray | float) -> FloatArray:
        return cruise * _progress(np.asarray(seconds, dtype=np.float64), end - 0.1, 1.2 * step_s)

    first = "left" if cue.direction == "left" else "right"
    steps = []
    for k in range(count + 1):
        side = first if k % 2 == 0 else ("left" if first == "right" else "right")
        off = 0.1 + k * step_s
        on = off + swing
        middle = on + step_s * _DUTY
        goal = float(path(end if k >= count - 1 else middle))
        steps.append(Step(side, off, on, Place(goal * np.sin(travel), goal * np.cos(travel)), push=38.0, strike=15.0))
    play_steps(tracks, t, steps)
    where = path(t)
    tracks.pelvis[:, 0] += where * np.sin(travel)
    tracks.pelvis[:, 2] += where * np.cos(travel)
    pace = np.gradient(where, t) / cruise if cue.frames > 1 else np.zeros(cue.frames)
    phase = np.pi * (t - 0.1 - 0.5 * swing) / step_s
    sign = body.sign(first)
    tracks.pelvis[:, 0] -= 0.020 * sign * np.cos(phase) * pace
    tracks.pelvis[:, 1] += -0.022 * pace + 0.018 * np.cos(2.0 * phase) * pace
    tracks.turn_pelvis(
        pitch=3.0 * pace, turn=-7.0 * sign * np.sin(phase) * pace, tilt=-4.0 * sign * np.cos(phase) * pace
    )
    tracks.bend_spine(turn=13.0 * sign * np.sin(phase) * pace, tilt=5.0 * sign * np.cos(phase) * pace)
    tracks.turn_head(turn=-6.0 * sign * np.sin(phase) * pace)
    for side in ("left", "right"):
        swing_arm = -np.sin(phase - 0.25) * pace * sign * body.sign(side)
        wrist = np.stack((0.255 - 0.03 * swing_arm, -0.36 + 0.05 * np.abs(swing_arm), 0.07 + 0.24 * swing_arm), axis=1)
        arm = pose_arm(body, side, wrist, (0.3, -0.2, -1.0), (0.0, -1.0, 0.2), (-1.0, 0.0, -0.25))
        rest = tracks.local[:, [tracks.joint(f"{side}_{n}") for n in ("collar", "shoulder", "elbow", "wrist")]]
        tracks.set_arm(side, rot.slerp(rest, arm, np.clip(pace, 0.0, 1.0)[:, None]))
    goal = float(path(end))
    tracks.exit = Place(goal * np.sin(travel), goal * np.cos(travel))
    return tracks
