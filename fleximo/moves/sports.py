"""Moves of training and play. Each is one pure function of a `Cue` that starts and ends in the neutral stance."""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.moves.base import SIDES, Cue, Place, Tracks, axes
from fleximo.moves.easing import bump, ease, envelope, flow
from fleximo.moves.flight import GRAVITY, Hop, hermite, lift_heel, play_hops
from fleximo.moves.footwork import Step, play_steps
from fleximo.moves.haste import fullness, restrained
from fleximo.moves.posing import HANGING, ArmPose, arm_keys, standing

__all__ = ["catch", "jump", "jumping_jacks", "kick", "punch", "throw"]

_WAYS = {"forward": (0.0, 1.0), "backward": (0.0, -1.0), "left": (1.0, 0.0), "right": (-1.0, 0.0)}


def _other(side: str) -> str:
    return "right" if side == "left" else "left"


def _side_of(cue: Cue, k: int) -> str:
    """The side of the k-th repeat: the cue's own, or left and right in turn for both."""
    return SIDES[k % 2] if cue.side == "both" else cue.side


def _hold_shape(cue: Cue, tracks: Tracks, side: str, shape: str, full: float, fade: float) -> None:
    """The hand takes `shape` by `full` seconds and keeps it until `fade`; relaxed again a little before the end."""
    fade = max(full, min(fade, cue.end - 0.30))
    tracks.set_fingers(side, cue.t, [(0.0, "relaxed"), (full, shape), (fade, shape), (max(cue.end, fade), "relaxed")])


def jump(cue: Cue) -> Tracks:
    """Crouches, jumps with both feet and lands softly, `repeats` times; a direction travels half a metre each time.

    The side means nothing.
    """
    tracks = standing(cue)
    scale, period = cue.body.scale, cue.end / cue.repeats
    flight = min(0.30 * period, 0.42)
    speed = GRAVITY * flight / 2.0
    way = np.array(_WAYS.get(cue.direction or "", (0.0, 0.0))) * 0.55 * scale
    knots, hops, arms = [(0.0, 0.0, 0.0)], [], [(0.0, HANGING)]
    crouch: list[tuple[float, float]] = [(0.0, 0.0)]
    back = ArmPose((0.33, -0.30, -0.26), (0.5, -0.2, -1.0), (0.0, -0.9, -0.5), (-1.0, 0.0, 0.3))
    high = ArmPose((0.24, 0.60, 0.16), (0.8, -0.2, 0.3), (0.05, 1.0, 0.1), (-0.6, 0.0, 1.0))
    soft = ArmPose((0.34, -0.12, 0.30), (0.8, -0.5, -0.4), (0.1, -0.3, 1.0), (-0.4, -1.0, 0.0))
    share = fullness(cue, 1.2, 1.05)
    for k in range(cue.repeats):
        start = k * period
        low, off = start + 0.24 * period, start + 0.44 * period
        on, absorbed = off + flight, off + flight + 0.10 * period
        knots += [(low, -0.23 * share, 0.0), (off, 0.07, speed), (on, 0.04, -speed), (absorbed, -0.20 * share, 0.0)]
        knots.append((start + period, 0.0, 0.0))
        crouch += [(low, 1.0), (off, 0.0), (on, 0.12), (absorbed, 0.75), (start + period, 0.0)]
        x, z = way * (k + 1)
        hops.append(Hop(off, on, GRAVITY * flight**2 / 8.0 + 0.07 * scale, x=x, z=z))
        arms += [(low, back), (off + 0.2 * flight, high), (on - 0.15 * flight, high), (absorbed, soft)]
        arms.append((start + period, HANGING))
    play_hops(tracks, cue.t, hops)
    travel = (tracks.balls - tracks.balls[:1]).mean(axis=1) * np.array([1.0, 0.0, 1.0])
    deep = share * flow(cue.t, crouch)
    # hermite in the air is a parabola only where the speeds fit the height: they do, by v = g T / 2
    tracks.pelvis += travel + _column(hermite(cue.t, knots) * scale, 1) + _column(-0.19 * deep * scale, 2)
    tracks.turn_pelvis(pitch=26.0 * deep)
    tracks.bend_spine(pitch=20.0 * deep)
    tracks.turn_head(pitch=-30.0 * deep)
    for side in SIDES:
        tracks.set_arm(side, restrained(cue, side, arm_keys(cue, side, arms, through=True), share))
    end_x, end_z = way * cue.repeats
    tracks.exit = Place(float(end_x), float(end_z), 0.0)
    return tracks


def _column(values: FloatArray, axis: int) -> FloatArray:
    """(T,3) zeros with `values` (T,) along one axis."""
    out = np.zeros((len(values), 3))
    out[:, axis] = values
    return out


def jumping_jacks(cue: Cue) -> Tracks:
    """Hops apart with the arms overhead and together again, `repeats` times. Side and direction mean nothing."""
    tracks = standing(cue)
    scale, period = cue.body.scale, cue.end / cue.repeats
    hops, bounce = [], [(0.0, 0.0)]
    arms = [(0.0, HANGING)]
    out = ArmPose((0.66, 0.16, 0.05), (0.0, -1.0, -0.3), (1.0, 0.1, 0.0), (0.0, -0.3, 1.0))
    high = ArmPose((0.10, 0.66, 0.05), (1.0, 0.2, 0.0), (-0.25, 1.0, 0.0), (-0.6, 0.0, 1.0))
    for k in range(cue.repeats):
        start = k * period
        last = k == cue.repeats - 1
        hops.append(Hop(start + 0.16 * period, start + 0.42 * period, 0.07 * scale, spread=0.26 * scale, after=9.0))
        hops.append(
            Hop(start + 0.62 * period, start + 0.86 * period, 0.07 * scale, after=0.0 if last else 9.0, push=34.0)
        )
        bounce += [(start + 0.10 * period, -0.06), (start + 0.29 * period, 0.03), (start + 0.52 * period, -0.05)]
        bounce += [(start + 0.74 * period, 0.03), (start + 0.93 * period, -0.045), (start + period, -0.02)]
        arms += [(start + 0.25 * period, out), (start + 0.47 * period, high), (start + 0.55 * period, high)]
        arms += [(start + 0.78 * period, out), (start + period, HANGING)]
    bounce[-1] = (cue.end, 0.0)
    play_hops(tracks, cue.t, hops)
    tracks.pelvis += _column(flow(cue.t, bounce) * scale, 1)
    tracks.bend_spine(pitch=-120.0 * np.minimum(flow(cue.t, bounce), 0.0))
    for side in SIDES:
        arm = arm_keys(cue, side, arms, through=True, drag=0.02)
        tracks.set_arm(side, restrained(cue, side, arm, fullness(cue, 1.0, 1.35)))
        _hold_shape(cue, tracks, side, "open", 0.3 * period, cue.end - 0.5 * period)
    return tracks


_GUARD = ArmPose((0.14, 0.18, 0.34), (0.35, -1.0, 0.1), (-0.25, 0.9, 0.35), (-1.0, 0.0, -0.1))


# Angles in degrees of a kicking leg at its chamber, at full stretch and drawn back again: thigh raised in the plane of
# the kick, knee bent, toes pointed.
_KICKS = {
    "forward": ((86.0, 112.0, 25.0), (108.0, 12.0, 38.0), (74.0, 96.0, 20.0)),
    "backward": ((28.0, 84.0, 10.0), (-56.0, 14.0, 0.0), (0.0, 80.0, 10.0)),
    "aside": ((70.0, 108.0, 20.0), (84.0, 12.0, 30.0), (64.0, 92.0, 15.0)),
}


def kick(cue: Cue) -> Tracks:
    """Lifts the knee, snaps the foot out to hip height, draws it back and sets it down, `repeats` times.

    Kicks forward unless a direction says otherwise: backward, or left and right with the leg of that side.
    """
    tracks = standing(cue)
    period = cue.end / cue.repeats
    guard_in, guard_out = min(0.22, 0.2 * cue.end), cue.end - min(0.3, 0.25 * cue.end)
    for k in range(cue.repeats):
        _kick_once(cue, tracks, _kicking_side(cue, k), k * period, period)
    guard = ArmPose((0.18, 0.12, 0.28), (0.7, -0.9, -0.2), (-0.2, 0.8, 0.6), (-1.0, 0.0, 0.0))
    swung = ArmPose((0.38, -0.20, -0.04), (0.6, -0.2, -1.0), (0.3, -0.9, 0.2), (-1.0, 0.0, 0.2))
    for side in SIDES:
        keys = [(0.0, HANGING), (guard_in, guard)]
        for k in range(cue.repeats):
            if _kicking_side(cue, k) == side:  # the arm of the leg goes against it, as in a step
                keys += [((k + share) * period, pose) for share, pose in ((0.34, guard), (0.54, swung), (0.74, guard))]
        arm = arm_keys(cue, side, [*keys, (guard_out, guard), (cue.end, HANGING)])
        tracks.set_arm(side, restrained(cue, side, arm, fullness(cue, 1.2, 1.3)))
        _hold_shape(cue, tracks, side, "fist", guard_in, guard_out - 0.1)
    return tracks


def _kicking_side(cue: Cue, k: int) -> str:
    return cue.direction if cue.direction in SIDES else _side_of(cue, k)


def _kick_once(cue: Cue, tracks: Tracks, side: str, start: float, period: float) -> None:
    """One kick between `start` and `start + period`."""
    t, sign, scale = cue.t, cue.body.sign(side), cue.body.scale
    way = cue.direction if cue.direction == "backward" else "aside" if cue.direction in SIDES else "forward"
    off, chamber, out, drawn, on = (start + share * period for share in (0.16, 0.35, 0.52, 0.68, 0.90))
    # The weight goes over the standing foot before the other leaves the floor, and stays until it is down again.
    shift = envelope(t, start, off + 0.05 * period, drawn, start + period)
    raised = flow(t, [(off, 0.0), (chamber, 0.55), (out, 1.0), (drawn, 0.5), (on, 0.0)])
    tracks.pelvis += shift[:, None] * np.array([-0.085 * sign, -0.03, 0.0]) * scale
    if way == "aside":
        tracks.turn_pelvis(tilt=-20.0 * sign * raised, turn=32.0 * sign * raised, pitch=-8.0 * raised)
        tracks.bend_spine(tilt=-8.0 * sign * raised)
        tracks.turn_head(tilt=12.0 * sign * raised, turn=14.0 * sign * raised)
    elif way == "backward":
        tracks.turn_pelvis(pitch=40.0 * raised)
        tracks.bend_spine(pitch=12.0 * raised)
        tracks.turn_head(pitch=-32.0 * raised)
    else:
        tracks.turn_pelvis(pitch=-15.0 * raised, turn=-10.0 * sign * raised)
        tracks.bend_spine(pitch=8.0 * raised, turn=8.0 * sign * raised)
        tracks.turn_head(pitch=6.0 * raised)
    first, full, last = (np.array(angles) for angles in _KICKS[way])
    spare = 1.0 - fullness(cue, 1.2, 1.2)
    first, last = first - spare * np.array([0.0, 60.0, 0.0]), last - spare * np.array([0.0, 60.0, 0.0])
    stand, lifted = (20.0, 44.0, 8.0), (32.0, 74.0, 8.0)  # what it would do off the floor: so it leaves it at once
    leg = flow(t, [(off, lifted), (chamber, first), (out, full), (drawn, last), (on, stand)])
    _swing_leg(
        cue,
        tracks,
        side,
        leg,
        (off, chamber, drawn, on),
        62.0 * sign if way == "aside" else 0.0 if way == "backward" else 24.0 * sign,
    )


def _swing_leg(
    cue: Cue, tracks: Tracks, side: str, leg: FloatArray, times: tuple[float, float, float, float], yaw: float
) -> None:
    """Takes one foot off the floor: `leg` (T,3) degrees of thigh, knee and toes in the upright plane turned by `yaw`.

    `times`: the foot leaves the floor, the leg is all its own, it begins to come down, it stands.
    """
    t, body, i = cue.t, tracks.body, SIDES.index(side)
    off, free, back, on = times
    weight = envelope(t, off, free, back, on)
    flying = (t > off) & (t < on)
    thigh, shin = np.radians(leg[:, 0]), np.radians(leg[:, 0] - leg[:, 1])
    plane = axes(turn=yaw)
    hinge = rot.rotate(plane, np.array([1.0, 0.0, 0.0]))

    def down(angle: FloatArray) -> FloatArray:
        return rot.rotate(plane, np.stack((np.zeros(len(t)), -np.cos(angle), np.sin(angle)), axis=1))

    upper, lower = (float(np.linalg.norm(body.offset(f"{side}_{joint}"))) for joint in ("knee", "ankle"))
    hip = tracks.pelvis + rot.rotate(tracks.pelvis_rotation, body.offset(f"{side}_hip"))
    ankle = hip + upper * down(thigh) + lower * down(shin)
    heel_up = flow(t, [(off - 0.14, 0.0), (off, 30.0), (free, 0.0), (back, 0.0), (on - 0.04, 10.0), (on + 0.06, 0.0)])
    heading = rot.multiply(axes(turn=yaw * weight), tracks.feet[:, i])
    swung = rot.multiply(rot.from_axis_angle(hinge, -weight * shin), heading)
    pointed = weight * leg[:, 2] + (1.0 - weight) * heel_up
    foot = rot.multiply(swung, axes(pitch=pointed))
    ball = ankle + rot.rotate(foot, body.offset(f"{side}_foot"))
    floor = tracks.balls[:, i, 1].copy()
    tracks.balls[:, i] += np.where(flying, weight, 0.0)[:, None] * (ball - tracks.balls[:, i])
    way = np.clip((t - off) / max(on - off, 1e-6), 0.0, 1.0)
    tracks.balls[:, i, 1] += 0.04 * body.scale * (1.0 - (2.0 * way - 1.0) ** 8)  # off the floor and onto it at once
    tracks.feet[:, i] = foot
    down_deg = np.clip(pointed - weight * np.degrees(shin), 0.0, 55.0)
    tracks.toe_bend[:, i] += down_deg * np.exp(-np.maximum(tracks.balls[:, i, 1] - floor, 0.0) / 0.10)
    along = ankle - hip
    bent = np.cross(along, hinge)
    tracks.knees[:, i] += weight[:, None] * (bent / np.linalg.norm(bent, axis=1, keepdims=True) - tracks.knees[:, i])
    tracks.contacts[:, i] &= ~flying
    tracks.pulls[:, i] &= ~flying


def punch(cue: Cue) -> Tracks:
    """Takes the guard and strikes `repeats` straight punches out of the hips; both = left and right in turn.

    Directions aim it: up (an uppercut), down, left, right.
    """
    tracks = standing(cue)
    t = cue.t
    lead = min(0.26, 0.245 * cue.end)
    period = (cue.end - 2.0 * lead) / cue.repeats
    aim = {"up": (0.10, 0.36, 0.34), "down": (0.07, -0.20, 0.40), "left": (0.0, 0.19, 0.48), "right": (0.0, 0.19, 0.48)}
    target = aim.get(cue.direction or "", (0.05, 0.20, 0.52))
    rising = cue.direction == "up"
    struck = ArmPose(
        target,
        (0.3, -1.0, 0.2) if rising else (0.8, -0.7, 0.0),
        (0.0, 1.0, 0.3) if rising else (-0.05, 0.0, 1.0),
        (0.0, 0.2, -1.0) if rising else (0.0, -1.0, 0.0),
    )
    keys = {side: [(0.0, HANGING), (lead, _GUARD)] for side in SIDES}
    drive = np.zeros(len(t))
    for k in range(cue.repeats):
        side, start = _side_of(cue, k), lead + k * period
        hit = start + 0.52 * period
        swing = min(0.24, 0.50 * period)  # seconds from guard to target: an elbow does not open faster
        keys[side] += [(hit - swing, _GUARD), (hit, struck), (hit + 0.02 * period, struck)]
        keys[side].append((start + period, _GUARD))
        turned = [(start, 0.0), (hit - swing, -0.30), (hit, 1.0), (hit + 0.04 * period, 1.0), (start + period, 0.0)]
        once = ease(t, turned)
        drive = drive + cue.body.sign(side) * once
        lift_heel(tracks, side, 34.0 * np.clip(once, 0.0, 1.0))
    for side in SIDES:
        keys[side] += [(cue.end - lead, _GUARD), (cue.end, HANGING)]
        arm = arm_keys(cue, side, keys[side], drag=0.01)
        tracks.set_arm(side, restrained(cue, side, arm, fullness(cue, 0.8, 1.05)))
        _hold_shape(cue, tracks, side, "fist", max(lead, min(0.2, 0.4 * cue.end)), cue.end - lead)
    ready = envelope(t, 0.0, lead, cue.end - lead, cue.end)
    yaw = {"left": 30.0, "right": -30.0}.get(cue.direction or "", 0.0) * ready
    # A left punch brings the left shoulder forward, which is a turn to the right.
    tracks.turn_pelvis(turn=-20.0 * drive + 0.5 * yaw, pitch=4.0 * ready)
    tracks.bend_spine(turn=-22.0 * drive + 0.5 * yaw, pitch=8.0 * ready)
    tracks.turn_head(turn=38.0 * drive, pitch=2.0 * ready)
    tracks.pelvis += np.stack((-0.03 * drive, -0.07 * ready, 0.05 * np.abs(drive)), axis=1) * cue.body.scale
    return tracks


def throw(cue: Cue) -> Tracks:
    """Winds up over the shoulder, steps in and throws overhand, `repeats` times; both = right and left in turn.

    Directions aim it: up, down, left, right; backward means nothing.
    """
    tracks = standing(cue)
    t, period = cue.t, cue.end / cue.repeats
    rise = {"up": 0.14, "down": -0.18}.get(cue.direction or "", 0.0)
    cocked = ArmPose((0.43, 0.34, -0.12), (1.0, -0.15, -0.1), (0.1, 0.8, -0.7), (-0.1, 0.7, 0.7))
    whip = ArmPose((0.30, 0.56, 0.14), (1.0, 0.1, 0.1), (-0.1, 0.9, 0.5), (-0.2, -0.3, 1.0))
    release = ArmPose((0.08, 0.28 + rise, 0.50), (0.9, -0.4, 0.0), (-0.1, 0.2, 1.0), (-0.2, -1.0, 0.3))
    through = ArmPose((-0.16, -0.22, 0.34), (0.7, -0.2, 0.6), (-0.5, -0.8, 0.4), (-0.3, -0.3, -1.0))
    sight = ArmPose((0.16, 0.22 + 0.5 * rise, 0.48), (0.9, -0.6, 0.0), (0.0, 0.1, 1.0), (-0.2, -1.0, 0.0))
    tucked = ArmPose((0.20, 0.02, 0.16), (0.7, -0.6, -0.7), (-0.3, 0.2, 1.0), (-1.0, -0.2, 0.0))
    arms = {side: [(0.0, HANGING)] for side in SIDES}
    fingers = {side: [(0.0, "relaxed")] for side in SIDES}
    steps: list[Step] = []
    coil, weight, ready = np.zeros(len(t)), np.zeros(len(t)), np.zeros(len(t))
    heels = {side: np.zeros(len(t)) for side in SIDES}
    for k in range(cue.repeats):
        side = ("right", "left")[k % 2] if cue.side == "both" else cue.side
        other = _other(side)
        at = (k + np.array([0.0, 0.14, 0.40, 0.50, 0.56, 0.68, 0.80, 1.0])) * period
        arms[side] += [(at[2], cocked), (at[3], whip), (at[4], release), (at[5], through), (at[6], through)]
        arms[other] += [(at[2], sight), (at[4], tucked), (at[6], tucked)]
        for arm in SIDES:
            arms[arm].append((at[7], HANGING))
        fingers[side] += [(at[1], "grip"), (at[4] - 0.10, "grip"), (at[4] + 0.06, "open"), (at[7] - 0.2, "relaxed")]
        steps.append(Step(other, at[1], at[2] + 0.02 * period, Place(0.0, 0.34), height=0.12, push=25.0, strike=6.0))
        steps.append(Step(other, at[6] - 0.06 * period, at[7] - 0.04 * period, Place(), push=25.0, strike=6.0))
        sign = cue.body.sign(side)
        coil += sign * flow(t, [(at[0], 0.0), (at[2], 1.0), (at[4], -0.75), (at[5], -1.0), (at[6], -0.9), (at[7], 0.0)])
        weight += flow(t, [(at[0], 0.0), (at[1], -0.07), (at[2], 0.05), (at[4], 0.17), (at[6], 0.15), (at[7], 0.0)])
        ready += bump(t, at[0], at[7])
        heels[side] += flow(t, [(at[2], 0.0), (at[4], 38.0), (at[5], 46.0), (at[6], 36.0), (at[7] - 0.05, 0.0)])
    play_steps(tracks, t, steps)
    for side in SIDES:
        swing = arm_keys(cue, side, arms[side], through=True, drag=0.015)
        tracks.set_arm(side, restrained(cue, side, swing, fullness(cue, 1.6, 1.2)))
        tracks.set_fingers(side, t, fingers[side])
        lift_heel(tracks, side, heels[side])
    yaw = {"left": 18.0, "right": -18.0}.get(cue.direction or "", 0.0) * ready
    forward = np.clip(weight / 0.17, -0.4, 1.0)
    tracks.pelvis += np.stack((0.03 * coil * (forward < 0), -0.07 * ready, weight), axis=1) * cue.body.scale
    tracks.turn_pelvis(turn=30.0 * coil + 0.6 * yaw, pitch=8.0 * forward)
    tracks.bend_spine(turn=30.0 * coil + 0.4 * yaw, pitch=20.0 * forward - 60.0 * rise * ready)
    tracks.turn_head(turn=-52.0 * coil, pitch=-18.0 * forward - 60.0 * rise * ready)
    return tracks


_CATCHES: dict[str, tuple[float, float, float]] = {
    "up": (0.10, 0.60, 0.16), "down": (0.11, -0.20, 0.44), "left": (0.10, 0.26, 0.46), "right": (0.10, 0.26, 0.46),
}  # fmt: skip


def catch(cue: Cue) -> Tracks:
    """Reaches out with open hands, closes them and draws the catch to the chest, `repeats` times.

    Directions say where it comes from: up, down, left, right; otherwise before the chest, with one hand before the
    face. Both hands unless one side is asked for.
    """
    tracks = standing(cue)
    t, period = cue.t, cue.end / cue.repeats
    # Two hands before the face look like a volleyball player's pass; one hand there looks like a catch.
    usual = (0.12, 0.14, 0.47) if cue.side == "both" else (0.13, 0.42, 0.39)
    place = np.array(_CATCHES.get(cue.direction or "", usual))
    low = cue.direction == "down"
    up = (0.1, -0.2 if low else 1.0, 1.0 if low else 0.35)
    ready = ArmPose((0.17, 0.02, 0.30), (0.9, -0.8, -0.3), (-0.1, 0.6, 1.0), (-0.5, 0.2, 0.7))
    reach = ArmPose((place[0], place[1], place[2]), (1.0, -0.5, 0.0), up, (-0.5, 0.5 if low else -0.1, 1.0))
    held = ArmPose((0.10, 0.00, 0.22), (1.0, -0.7, -0.3), (-0.7, 0.3, 0.7), (-0.6, 0.1, -0.8))
    arms = {side: [(0.0, HANGING)] for side in cue.sides()}
    fingers = [(0.0, "relaxed")]
    out, give, stance = np.zeros(len(t)), np.zeros(len(t)), np.zeros(len(t))
    for k in range(cue.repeats):
        at = (k + np.array([0.0, 0.16, 0.38, 0.45, 0.60, 0.76, 1.0])) * period
        for side in cue.sides():
            arms[side] += [
                (at[1], ready),
                (at[2], reach),
                (at[3], reach),
                (at[4], held),
                (at[5], held),
                (at[6], HANGING),
            ]
        fingers += [
            (at[1], "open"),
            (at[3] - 0.06, "open"),
            (at[3] + 0.22, "grip"),
            (at[5], "grip"),
            (at[6], "relaxed"),
        ]
        out += flow(t, [(at[0], 0.0), (at[1], 0.2), (at[2], 1.0), (at[3], 1.0), (at[4], 0.15), (at[6], 0.0)])
        give += flow(
            t, [(at[0], 0.0), (at[1], 0.7), (at[2], 0.0), (at[3], 0.1), (at[4], 1.0), (at[5], 0.8), (at[6], 0.0)]
        )
        stance += bump(t, at[0], at[6])
    for side in cue.sides():
        tracks.set_arm(side, arm_keys(cue, side, arms[side], drag=0.02))
        tracks.set_fingers(side, t, fingers)
    aside = {"left": 1.0, "right": -1.0}.get(cue.direction or "", 0.0)
    if cue.side != "both" and not aside:
        aside = 0.35 * cue.body.sign(cue.side)
    deep = 0.10 if low else 0.0
    rise = {"up": -26.0, "down": 30.0}.get(cue.direction or "", -6.0)
    drop = -0.09 * give - deep * out - 0.02 * out
    tracks.pelvis += (
        np.stack((0.05 * aside * out, drop, -0.06 * give + (-0.08 if low else 0.03) * out), axis=1) * cue.body.scale
    )
    heel = 22.0 * out if cue.direction == "up" else np.zeros(len(t))
    for side in SIDES:
        lift_heel(tracks, side, heel)
    tracks.pelvis[:, 1] += 0.045 * np.clip(heel / 22.0, 0.0, 1.0) * cue.body.scale
    tracks.turn_pelvis(turn=14.0 * aside * out, pitch=8.0 * give + (14.0 * out if low else 0.0))
    tracks.bend_spine(turn=22.0 * aside * out, tilt=6.0 * aside * out, pitch=10.0 * give + 0.3 * rise * out)
    tracks.turn_head(pitch=rise * out + 8.0 * give, turn=10.0 * aside * out)
    return tracks
