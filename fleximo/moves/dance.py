"""Dancing: seeded figures on the beat, and a pirouette. Each is one pure function from `Cue` to `Tracks`."""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.easing import minimum_jerk
from fleximo.moves.base import SIDES, Cue, Place, Tracks, axes
from fleximo.moves.easing import ease, envelope, flow
from fleximo.moves.flight import lift_heel
from fleximo.moves.footwork import Step, play_steps
from fleximo.moves.haste import fullness, restrained
from fleximo.moves.posing import HANGING, ArmPose, arm_keys, standing

__all__ = ["dance", "spin_dance"]

_BEAT_S = 0.5  # 120 beats a minute, what most dance music has
_LOW = ArmPose((0.24, -0.02, 0.24), (0.8, -0.7, -0.5), (-0.2, 0.2, 1.0), (-0.6, -0.8, 0.0))
_PUMP = ArmPose((0.26, 0.46, 0.18), (1.0, -0.3, 0.1), (0.0, 1.0, 0.1), (-0.2, 0.0, 1.0))
_ROOF = ArmPose((0.20, 0.58, 0.10), (1.0, 0.0, 0.1), (0.1, 0.8, 0.2), (0.0, 0.8, 0.5))
_DIP = ArmPose((0.32, 0.36, 0.14), (1.0, -0.5, 0.0), (0.2, 0.8, 0.3), (0.0, 0.7, 0.7))
_STAR = ArmPose((0.46, 0.52, 0.10), (1.0, -0.2, 0.0), (0.5, 0.8, 0.1), (0.0, 0.0, 1.0))
_ACROSS = ArmPose((-0.06, -0.26, 0.30), (0.8, -0.2, 0.2), (-0.6, -0.8, 0.2), (-0.3, 0.0, -1.0))
_HIP = ArmPose((0.235, -0.24, 0.03), (1.0, -0.1, -0.45), (-0.75, -0.55, 0.5), (-0.8, 0.3, -0.5))
_OUT = ArmPose((0.62, 0.16, 0.12), (0.3, -1.0, -0.3), (1.0, 0.05, 0.1), (0.0, -1.0, 0.2))
_IN = ArmPose((0.06, 0.10, 0.28), (1.0, -0.1, 0.0), (-0.9, 0.1, 0.4), (0.0, -1.0, 0.1))

# (arm of the leading side, other arm) on the four beats, and the hands' shape; odd figures step, even ones sway.
_FIGURES: tuple[tuple[str, tuple[tuple[ArmPose, ArmPose], ...], str], ...] = (
    ("step", ((_PUMP, _LOW), (_LOW, _LOW), (_LOW, _PUMP), (_LOW, _LOW)), "fist"),
    ("sway", ((_STAR, _HIP), (_ACROSS, _HIP), (_STAR, _HIP), (_ACROSS, _HIP)), "point"),
    ("step", ((_OUT, _IN), (_IN, _IN), (_IN, _OUT), (_IN, _IN)), "flat"),
    ("sway", ((_ROOF, _ROOF), (_DIP, _DIP), (_ROOF, _ROOF), (_DIP, _DIP)), "open"),
)


def dance(cue: Cue) -> Tracks:
    """Grooves at 120 beats a minute times the speed: side steps and hip sways with arms on the beat, in seeded order.

    Side, repeats and direction mean nothing.
    """
    tracks = standing(cue)
    t, scale = cue.t, cue.body.scale
    figures = max(1, round(cue.end * cue.speed / (4.0 * _BEAT_S)))
    beat = cue.end / (4 * figures)
    rng = cue.rng("figures")
    order = list(rng.permutation(len(_FIGURES)))
    lead = str(rng.choice(SIDES))
    steps: list[Step] = []
    arms = {side: [(0.0, HANGING)] for side in SIDES}
    fingers = [(0.0, "relaxed")]
    across, sway = [(0.0, 0.0)], [(0.0, 0.0)]
    for k in range(figures):
        kind, poses, hand = _FIGURES[order[k % len(order)]]
        side = lead if k % 2 == 0 else _other(lead)
        start, last = 4 * k * beat, k == figures - 1
        for n, (own, other) in enumerate(poses):
            hit = start + (n + 0.55) * beat
            if last and n == 3:
                break
            arms[side] += [(hit, own), (hit + 0.30 * beat, own)]
            arms[_other(side)] += [(hit, other), (hit + 0.30 * beat, other)]
        fingers += [(start + 0.5 * beat, hand), (start + (2.6 if last else 3.5) * beat, hand)]
        sign = cue.body.sign(side)
        if kind == "step":
            _side_step(steps, side, sign * 0.30, start, beat)
            across += [(start, 0.0), (start + beat, sign * 0.30), (start + 2 * beat, sign * 0.30)]
            across += [(start + 3 * beat, 0.02 * sign), (start + 4 * beat, 0.0)]
            sway += [(start + 1.5 * beat, sign * 0.6), (start + 3.5 * beat, -sign * 0.6), (start + 4 * beat, 0.0)]
        else:
            sway += [(start + (n + 0.55) * beat, sign * (1.0 if n % 2 == 0 else -1.0)) for n in range(4)]
            sway.append((start + 4 * beat, 0.0))
    across.append((cue.end, 0.0))
    sway.append((cue.end, 0.0))
    play_steps(tracks, t, steps)
    on = envelope(t, 0.0, 0.8 * beat, cue.end - 0.9 * beat, cue.end)
    phase = 2.0 * np.pi * t / beat
    dip = 0.5 - 0.5 * np.cos(phase)
    hip = ease(t, sway)
    shift = np.stack((flow(t, across) + 0.06 * hip, -(0.032 + 0.046 * dip) * on, 0.0 * t), axis=1)
    tracks.pelvis += shift * scale
    tracks.turn_pelvis(tilt=-8.0 * hip, turn=-10.0 * hip, pitch=3.0 * on)
    tracks.bend_spine(tilt=11.0 * hip, turn=16.0 * hip, pitch=5.0 * dip * on)
    tracks.turn_head(tilt=-3.0 * hip, turn=-5.0 * hip, pitch=7.0 * dip * on - 3.0 * on)
    for i, side in enumerate(SIDES):
        own = np.clip(-cue.body.sign(side) * hip, 0.0, 1.0)
        lift_heel(tracks, side, 26.0 * own * tracks.contacts[:, i])
        arm = arm_keys(cue, side, [*arms[side], (cue.end, HANGING)], drag=0.03)
        tracks.set_arm(side, restrained(cue, side, arm, min(1.0, 1.2 * beat / _BEAT_S)))
        tracks.set_fingers(side, t, [*fingers, (max(cue.end - 0.18, fingers[-1][0]), "relaxed")])
    return tracks


def _other(side: str) -> str:
    return "right" if side == "left" else "left"


def _side_step(steps: list[Step], side: str, x: float, start: float, beat: float) -> None:
    """Out with the one foot, the other after it, and back again: four beats."""
    for n, (foot, place) in enumerate(
        ((side, Place(x)), (_other(side), Place(x)), (_other(side), Place()), (side, Place()))
    ):
        off = start + (n + 0.08) * beat
        steps.append(Step(foot, off, off + 0.66 * beat, place, 0.06, 22.0, 0.0, 0.2 * beat, 0.08))


def spin_dance(cue: Cue) -> Tracks:
    """A pirouette on the ball of one foot, `repeats` times; direction left or right, to the left if none is given.

    The side means nothing.
    """
    tracks = standing(cue)
    t, scale, period = cue.t, cue.body.scale, cue.end / cue.repeats
    way = -1.0 if cue.direction == "right" else 1.0
    support = "right" if way > 0.0 else "left"
    free = _other(support)
    i, j, sign = SIDES.index(support), SIDES.index(free), cue.body.sign(free)
    bend = ArmPose((0.10, 0.02, 0.34), (1.0, -0.4, 0.0), (-0.8, -0.1, 0.6), (-0.4, 0.3, -1.0))
    crown = ArmPose((0.085, 0.60, 0.12), (1.0, 0.0, 0.2), (-0.5, 0.9, 0.0), (-0.5, -0.4, -0.4))
    vee = ArmPose((0.50, 0.44, 0.12), (0.6, -0.8, -0.2), (0.8, 0.7, 0.1), (0.0, -0.3, 1.0))
    arms = {side: [(0.0, HANGING)] for side in SIDES}
    yaw, up, plie, wind = (np.zeros(len(t)) for _ in range(4))
    spinning = np.zeros(len(t), dtype=np.bool_)
    for k in range(cue.repeats):
        at = (k + np.array([0.0, 0.13, 0.22, 0.34, 0.70, 0.80, 0.88, 1.0])) * period
        way_through = (t - at[2]) / max(at[5] - at[2], 1e-6)
        yaw = yaw + 2.0 * np.pi * way * minimum_jerk(way_through)
        spinning |= (way_through > 0.0) & (way_through < 1.0)
        up += flow(t, [(at[2] - 0.03 * period, 0.0), (at[3], 1.0), (at[4], 1.0), (at[5] + 0.01 * period, 0.0)])
        plie += flow(
            t, [(at[0], 0.0), (at[1] + 0.04 * period, 1.0), (at[3], 0.0), (at[4], 0.0), (at[5], 0.8), (at[7], 0.0)]
        )
        wind += flow(t, [(at[0], 0.0), (at[1], 1.0), (at[3], -0.6), (at[4], 0.0)])
        arms[free] += [(at[1], _OUT), (at[3], crown), (at[4], crown), (at[5], vee), (at[6], vee), (at[7], HANGING)]
        arms[support] += [(at[1], bend), (at[3], crown), (at[4], crown), (at[5], vee), (at[6], vee), (at[7], HANGING)]
    axis = tracks.balls[0, i] * np.array([1.0, 0.0, 1.0])
    over = np.clip(up + 0.5 * plie * (yaw != 0.0), 0.0, 1.0)
    tracks.pelvis += over[:, None] * ((axis - np.array([0.035 * -sign, 0.0, 0.035])) * np.array([1.0, 0.0, 0.6]))
    tracks.pelvis[:, 1] += (0.055 * up - 0.09 * plie) * scale
    _lift_free_foot(cue, tracks, j, sign, up, spinning)
    lift_heel(tracks, support, 34.0 * up)
    tracks.turn_pelvis(turn=-12.0 * way * wind)
    tracks.bend_spine(turn=-16.0 * way * wind, pitch=6.0 * plie - 3.0 * up)
    tracks.turn_head(turn=18.0 * way * wind, pitch=-5.0 * up)
    for side in SIDES:
        arm = arm_keys(cue, side, arms[side], through=True)
        tracks.set_arm(side, restrained(cue, side, arm, fullness(cue, 1.6, 1.12)))
        hands = [(0.0, "relaxed"), (0.15 * period, "flat"), (cue.end - 0.25 * period, "flat")]
        tracks.set_fingers(side, t, [*hands, (cue.end - 0.12 * period, "relaxed")])
    _turn_about(tracks, axis, yaw, i)
    return tracks


def _lift_free_foot(cue: Cue, tracks: Tracks, j: int, sign: float, up: FloatArray, spinning: BoolArray) -> None:
    """Draws the free foot up to the other knee while it spins."""
    scale = cue.body.scale
    target = np.array([-0.14 * sign, 0.40, -0.02]) * scale
    raised = np.where(spinning, up, 0.0)
    tracks.balls[:, j] += raised[:, None] * target
    tracks.knees[:, j] += raised[:, None] * np.array([1.0 * sign, 0.0, 0.0])
    tracks.contacts[:, j] &= ~spinning
    tracks.pulls[:, j] &= ~spinning
    side = SIDES[j]
    # The lower leg hangs across; the foot goes with it, or the ankle would be wrenched.
    hanging = rot.slerp(rot.IDENTITY, rot.from_axis_angle([0.0, 0.0, 1.0], -0.45 * sign), raised)
    tracks.feet[:, j] = rot.multiply(hanging, rot.multiply(axes(turn=24.0 * sign * raised), tracks.feet[:, j]))
    lift_heel(tracks, side, 44.0 * np.clip(2.0 * up, 0.0, 1.0) * (up > 0.0), in_air=tracks.balls[:, j, 1] * raised)


def _turn_about(tracks: Tracks, axis: FloatArray, yaw: FloatArray, support: int) -> None:
    """Turns the whole body by `yaw` (T,) radians about the upright `axis` (3,) through the ball of its `support`."""
    turn = rot.from_axis_angle([0.0, 1.0, 0.0], yaw)
    tracks.pelvis = axis + rot.rotate(turn, tracks.pelvis - axis)
    tracks.pelvis_rotation = rot.multiply(turn, tracks.pelvis_rotation)
    for i in range(2):
        if i != support:
            tracks.balls[:, i] = axis + rot.rotate(turn, tracks.balls[:, i] - axis)
        tracks.feet[:, i] = rot.multiply(turn, tracks.feet[:, i])
        tracks.knees[:, i] = rot.rotate(turn, tracks.knees[:, i])
