"""How people stand and hold their arms: the neutral stance, arm poses, and easing from one to the next.

Arm poses are written once, as a left arm sees them (+x outward on the arm's own side), in the frame of the chest:
origin at joint spine3, metres of the default rig. Landmarks there: shoulder (.17, .14, 0), neck (0, .20, 0),
mouth (0, .30, .12), eyes (.03, .36, .10), hip joints (.09, -.37, 0), reach of an arm .53.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.easing import minimum_jerk
from fleximo.limbs import arm_rotations
from fleximo.moves.base import SIDES, Body, Cue, Tracks, axes
from fleximo.moves.easing import segment_of, sway

__all__ = ["HANGING", "ArmPose", "arm_keys", "pose_arm", "standing"]

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class ArmPose:
    """Where the wrist is, where the elbow points, and how the hand is held (None: straight on from the forearm)."""

    wrist: Vector
    elbow: Vector = (0.5, -0.6, -0.6)
    fingers: Vector | None = None
    palm: Vector | None = None
    shrug: float = 0.0  # degrees the shoulder is pulled up


HANGING = ArmPose((0.265, -0.365, 0.055), (0.35, 0.0, -1.0), (0.02, -1.0, 0.14), (-1.0, 0.0, -0.25))
"""The arm at rest beside the thigh."""


def pose_arm(
    body: Body,
    side: str,
    wrist: FloatArray,
    elbow: FloatArray | Vector = (0.5, -0.6, -0.6),
    fingers: FloatArray | Vector | None = None,
    palm: FloatArray | Vector | None = None,
    shrug: FloatArray | float = 0.0,
) -> FloatArray:
    """Arm rotations (T,4,4) for a path of the wrist (T,3) in the chest's frame; directions (3,) or (T,3)."""

    def spread(v: FloatArray | Vector | None) -> FloatArray | None:
        return None if v is None else np.broadcast_to(np.asarray(v, dtype=np.float64), wrist.shape)

    pole = np.broadcast_to(np.asarray(elbow, dtype=np.float64), wrist.shape)
    return arm_rotations(body.rig, side, wrist * body.scale, pole, spread(fingers), spread(palm), np.radians(shrug))


def _solve(body: Body, side: str, poses: Sequence[ArmPose]) -> FloatArray:
    """Rotations (K,4,4) of key poses; free and held hands may mix."""
    if any(pose.fingers is None or pose.palm is None for pose in poses) and len(poses) > 1:
        return np.concatenate([_solve(body, side, [pose]) for pose in poses])
    first = poses[0]
    fingers = None if first.fingers is None else np.array([pose.fingers for pose in poses], dtype=np.float64)
    palm = None if first.palm is None else np.array([pose.palm for pose in poses], dtype=np.float64)
    wrist, elbow = (np.array([getattr(pose, name) for pose in poses]) for name in ("wrist", "elbow"))
    return pose_arm(body, side, wrist, elbow, fingers, palm, np.array([pose.shrug for pose in poses]))


def arm_keys(
    cue: Cue, side: str, keys: Sequence[tuple[float, ArmPose]], *, drag: float = 0.035, through: bool = False
) -> FloatArray:
    """Arm rotations (T,4,4) eased through (time, pose) keys in joint space, so that the hand moves on arcs.

    Elbow and wrist trail the shoulder by `drag` seconds each. `through` passes the inner keys without stopping.
    """
    solved = rot.continuous(_solve(cue.body, side, [pose for _, pose in keys]))
    times = np.maximum.accumulate(np.array([time for time, _ in keys], dtype=np.float64))
    out = np.empty((cue.frames, 4, 4))
    for joint, lag in enumerate((-0.02, 0.0, drag, 2.0 * drag)):
        # The drag is caught up by the end, so that a clip closes on its last pose.
        late = np.clip((times[-1] - cue.t) / max(4.0 * drag, 1e-6), 0.0, 1.0)
        low, x = segment_of(np.clip(cue.t - lag * late, times[0], times[-1]), times)
        high = np.minimum(low + 1, len(times) - 1)
        if through:
            out[:, joint] = _spline(solved[:, joint], times, low, x)
        else:
            out[:, joint] = rot.slerp(solved[low, joint], solved[high, joint], minimum_jerk(x))
    return out


def _spline(q: FloatArray, times: FloatArray, low: np.typing.NDArray[np.intp], x: FloatArray) -> FloatArray:
    """Hermite interpolation of hemisphere-continuous quaternions (K,4) with central tangents, at rest at both ends."""
    tangents = np.zeros_like(q)
    tangents[1:-1] = (q[2:] - q[:-2]) / np.maximum(times[2:] - times[:-2], 1e-6)[:, None]
    # A pose that is held is reached and left at rest, or the path would swing out beyond it.
    still = np.linalg.norm(np.diff(q, axis=0), axis=1) < 1e-6
    tangents[1:-1][still[1:] | still[:-1]] = 0.0
    high = np.minimum(low + 1, len(times) - 1)
    gap = (times[high] - times[low])[:, None]
    x = x[:, None]
    a, b, m, n = q[low], q[high], tangents[low] * gap, tangents[high] * gap
    return rot.normalise(
        a * (1 + 2 * x) * (1 - x) ** 2 + m * x * (1 - x) ** 2 + b * x * x * (3 - 2 * x) + n * x * x * (x - 1)
    )


def standing(cue: Cue) -> Tracks:
    """The neutral stance over the whole cue, breathing and swaying: what every gesture starts from and ends in."""
    body, t = cue.body, cue.t
    count = cue.frames
    joints = len(body.rig.joint_names)
    balls = np.stack([body.neutral_ball(side) for side in SIDES])
    feet = np.stack([body.neutral_foot(side) for side in SIDES])
    knees = rot.rotate(feet, np.array([0.0, 0.0, 1.0]))
    pelvis = np.broadcast_to([0.0, body.stand_height, 0.0], (count, 3)).copy()
    tracks = Tracks(
        body,
        pelvis,
        np.broadcast_to(rot.IDENTITY, (count, 4)).copy(),
        np.broadcast_to(rot.IDENTITY, (count, joints, 4)).copy(),
        np.broadcast_to(balls, (count, 2, 3)).copy(),
        np.broadcast_to(feet, (count, 2, 4)).copy(),
        np.zeros((count, 2)),
        np.broadcast_to(knees, (count, 2, 3)).copy(),
        np.ones((count, 2), dtype=np.bool_),
        np.ones((count, 2), dtype=np.bool_),
    )
    hang = _solve(body, "left", [HANGING]), _solve(body, "right", [HANGING])
    for side, arm in zip(SIDES, hang):
        tracks.set_arm(side, np.broadcast_to(arm[0], (count, 4, 4)))
        tracks.set_fingers(side, t, [(0.0, "relaxed")])
    live = cue.liveliness
    if live:
        _breathe(cue, tracks)
    return tracks


def _breathe(cue: Cue, tracks: Tracks) -> None:
    """Weight that wanders over the feet, a chest that breathes, a head that is never quite still."""
    live, t, rng = cue.liveliness, cue.t, cue.rng("breath")
    breath = np.sin(2.0 * np.pi * (t / rng.uniform(3.4, 4.4) + rng.uniform()))
    shift = sway(rng, t, 4.5)
    tracks.pelvis[:, 0] += live * 0.010 * shift
    tracks.pelvis[:, 2] += live * 0.004 * sway(rng, t, 3.1)
    tracks.turn_pelvis(turn=live * 1.0 * sway(rng, t, 5.0), tilt=live * 0.8 * shift)
    tracks.bend_spine(pitch=live * 0.7 * breath, tilt=-live * 0.8 * shift, turn=live * 0.6 * sway(rng, t, 3.7))
    tracks.turn_head(
        pitch=live * 1.0 * sway(rng, t, 3.9), turn=live * 1.8 * sway(rng, t, 4.7), tilt=live * 0.7 * sway(rng, t, 5.3)
    )
    for side in SIDES:
        swing = axes(pitch=live * 1.2 * sway(rng, t, 2.9), tilt=live * 0.7 * breath)
        tracks.turn_joint(f"{side}_collar", axes(tilt=-live * cue.body.sign(side) * 0.6 * breath))
        tracks.turn_joint(f"{side}_shoulder", swing)
