"""Moves of arms, head and trunk over a standing body. Each is one pure function from `Cue` to `Tracks`."""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.moves.base import Cue, Tracks
from fleximo.moves.easing import ease, envelope
from fleximo.moves.posing import HANGING, ArmPose, arm_keys, pose_arm, standing

__all__ = ["bow", "idle", "wave"]


def _lead(cue: Cue, wanted: float, share: float = 0.3) -> float:
    """Seconds to get into (or out of) a pose: `wanted`, less in a clip that is too short for it."""
    return min(wanted, share * cue.end)


def idle(cue: Cue) -> Tracks:
    """Stands at ease. Side, repeats, direction and speed mean nothing here."""
    return standing(cue)


def wave(cue: Cue) -> Tracks:
    """Raises the hand beside the head and swings it from the elbow, `repeats` times side to side."""
    tracks = standing(cue)
    up = _lead(cue, 0.55)
    end = cue.end
    phase = np.clip((cue.t - 0.7 * up) / max(end - up - 0.7 * up, 1e-6), 0.0, 1.0) * cue.repeats
    on = envelope(cue.t, 0.5 * up, up, end - up, end - 0.5 * up)
    for side in cue.sides():
        width = cue.vary(f"width {side}", 0.1)
        swing = -np.cos(2.0 * np.pi * phase) * on * width
        held = ArmPose((0.36, 0.30, 0.16), (0.85, -0.5, -0.2), (0.0, 1.0, 0.06), (0.0, 0.1, 1.0))
        arm = arm_keys(cue, side, [(0.0, HANGING), (up, held), (end - up, held), (end, HANGING)])
        middle = pose_arm(
            cue.body,
            side,
            np.stack((0.36 + 0.10 * swing, 0.30 - 0.03 * swing**2, np.full(cue.frames, 0.16)), axis=1),
            (0.85, -0.5, -0.2),
            np.stack((0.55 * swing, np.ones(cue.frames), np.full(cue.frames, 0.06)), axis=1),
            (0.0, 0.1, 1.0),
        )
        tracks.set_arm(side, rot.slerp(arm, middle, on[:, None]))
        tracks.set_fingers(side, cue.t, [(0.0, "relaxed"), (up, "open"), (end - up, "open"), (end, "relaxed")])
    lean = 0.0 if cue.side == "both" else cue.body.sign(cue.side)
    tracks.bend_spine(tilt=-3.0 * lean * on, turn=-2.0 * lean * on)
    tracks.turn_head(tilt=5.0 * lean * on, turn=2.0 * lean * on, pitch=-3.0 * on)
    return tracks


def bow(cue: Cue) -> Tracks:
    """Folds from the hips, looks down, waits, comes up; `repeats` times."""
    tracks = standing(cue)
    period = cue.end / cue.repeats
    keys = [(0.0, 0.0)]
    for k in range(cue.repeats):
        start = k * period
        keys += [(start + 0.38 * period, 1.0), (start + 0.58 * period, 1.0), (start + period, 0.0)]
    deep = ease(cue.t, keys)
    early = ease(cue.t + 0.05, keys)
    tracks.turn_pelvis(pitch=34.0 * deep)
    tracks.pelvis += deep[:, None] * np.array([0.0, -0.02, -0.15]) * cue.body.scale
    tracks.bend_spine(pitch=30.0 * early)
    tracks.turn_head(pitch=14.0 * early)
    low = ArmPose((0.20, -0.34, 0.20), (0.5, 0.0, -1.0), (0.0, -1.0, 0.25), (-1.0, 0.0, -0.3))
    for side in ("left", "right"):
        tracks.set_arm(side, arm_keys(cue, side, [(time, low if value else HANGING) for time, value in keys]))
    return tracks
