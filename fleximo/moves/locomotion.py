"""Moves that travel: walk, run, march, turn. Feet are planned along the path of the body, then the body follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.moves.base import SIDES, Cue, Place, Tracks
from fleximo.moves.easing import ease, envelope
from fleximo.moves.footwork import Step, play_steps
from fleximo.moves.lexicon import LEXICON
from fleximo.moves.posing import pose_arm, standing

__all__ = ["march", "run", "turn", "walk"]

_HEADINGS = {"backward": np.pi, "left": np.pi / 2, "right": -np.pi / 2}
_QUICKEST_S = 0.27  # no step is quicker: sprinters make some 4 a second
_SETTLE_S = 0.15  # stands before the first foot leaves and after the last one lands


@dataclass(frozen=True)
class _Gait:
    """What tells one gait from another; lengths in m of the default rig, angles in degrees."""

    step_m: float
    duty: float  # share of a stride that a foot stands; below a half there is flight
    push: float
    strike: float
    height: float
    roll: float  # steps of time in which the heel comes up before the toe leaves
    flat_s: float = 0.07  # seconds from landing until the foot is flat
    tuck: float = 0.0
    narrow: float = 0.03  # each foot steps this much towards the middle
    late: float = 0.0
    forward: float = 0.0  # m the toe joint is ahead of its way in the middle of the swing
    ahead: float = 0.0  # and lands this much in front of where the body is in mid-stance


_WALK = _Gait(0.65, 0.63, push=38.0, strike=14.0, height=0.055, roll=0.68, ahead=0.015)
# Backwards the toe lands first.
_BACK = _Gait(0.40, 0.65, push=10.0, strike=-20.0, height=0.055, roll=0.3, flat_s=0.2)
_SIDE = _Gait(0.22, 0.66, push=14.0, strike=0.0, height=0.055, roll=0.22, narrow=0.0)
_MARCH = _Gait(0.42, 0.60, push=22.0, strike=0.0, height=0.37, roll=0.28, narrow=0.02, forward=0.20)
_RUN = _Gait(0.98, 0.34, push=40.0, strike=4.0, height=0.13, roll=0.52, tuck=52.0, narrow=0.05, ahead=0.07, late=0.4)


@dataclass(frozen=True)
class _Course:
    """A gait laid out over a cue: its steps and the oscillators that the body moves by."""

    steps: list[Step]
    way: FloatArray  # (T,) m travelled
    pace: FloatArray  # (T,) speed against cruising speed, 0..1
    phase: FloatArray  # (T,) radians; pi per step, a multiple of pi where the foot is in the middle of its swing
    first: str  # the foot that steps first
    end: Place


def _progress(t: FloatArray, seconds: float, rise: float) -> FloatArray:
    """Distance at unit cruising speed: speed eases in and out over `rise` seconds, constant between."""
    rise = min(rise, 0.5 * seconds)

    def ramp(s: FloatArray) -> FloatArray:
        x = np.clip(s / max(rise, 1e-6), 0.0, 1.0)
        # Integral of the smoothstep speed 3x^2 - 2x^3.
        return np.asarray(rise * (x**3 - 0.5 * x**4) + np.maximum(s - rise, 0.0))

    t = np.clip(t, 0.0, seconds)
    return ramp(t) - ramp(t - (seconds - rise)) if seconds > 0 else np.zeros_like(t)


def _course(cue: Cue, gait: _Gait, step_s: float, travel_rad: float, sideways: bool = False) -> _Course:
    """Fits whole steps of about `step_s` into the cue and puts each foot where the body is in mid-stance."""
    begin = min(_SETTLE_S, 0.08 * cue.end)
    room = max(cue.end - 2.0 * begin, 1e-3)
    swing_share = 2.0 * (1.0 - gait.duty)
    count = max(2, round(room / step_s - swing_share) + 1)
    if sideways:
        count += count % 2  # the second foot closes up
    step_s = room / (count - 1 + swing_share)
    swing = step_s * swing_share
    cruise = gait.step_m * cue.body.scale / step_s
    first = "left" if cue.direction == "left" else "right"
    second = "left" if first == "right" else "right"
    # The body gets going while the first foot swings and comes to rest as the last one lands.
    rise = min(1.6 * step_s, 0.5 * room)

    def path(seconds: FloatArray | float) -> FloatArray:
        return cruise * _progress(np.asarray(seconds, dtype=np.float64) - begin, room, rise)

    def place(way: float, inward: float = 0.0) -> Place:
        return Place(way * float(np.sin(travel_rad)) + inward, way * float(np.cos(travel_rad)))

    total = float(path(cue.end))
    steps = []
    for k in range(count):
        side = first if k % 2 == 0 else second
        off = begin + k * step_s
        on = off + swing
        middle = on + gait.duty * step_s
        if sideways:
            pair = begin + (k - k % 2 + 2) * step_s
            middle = pair if k < count - 2 else cue.end
        last = k >= count - 2
        inward = 0.0 if last else -gait.narrow * cue.body.scale * cue.body.sign(side)
        goal = place(total if last else float(path(middle)) + gait.ahead * cue.body.scale, inward)
        # A knee has no time to come up high in a very quick step.
        height = gait.height * min(1.0, step_s / 0.42) if gait.height > 0.2 else gait.height
        angles = {
            "push": gait.push,
            "strike": gait.strike * (0.3 if k == count - 1 else 1.0),
            "tuck": gait.tuck,
            "late": gait.late,
        }
        times = {"roll": gait.roll * step_s, "flat": gait.flat_s}
        steps.append(Step(side, off, on, goal, height, forward=gait.forward, **angles, **times))
    way = path(cue.t)
    pace = _pace(cue.t - begin, room, rise)
    phase = np.pi * (cue.t - begin - 0.5 * swing) / step_s
    return _Course(steps, way, pace, phase, first, place(total))


def _pace(t: FloatArray, seconds: float, rise: float) -> FloatArray:
    return envelope(t, 0.0, rise, seconds - rise, seconds)


def _travel(tracks: Tracks, cue: Cue, course: _Course, travel_rad: float) -> None:
    play_steps(tracks, cue.t, course.steps)
    tracks.pelvis[:, 0] += course.way * np.sin(travel_rad)
    tracks.pelvis[:, 2] += course.way * np.cos(travel_rad)
    tracks.exit = course.end


def _swing_arms(
    tracks: Tracks, cue: Cue, course: _Course, path: Callable[[str, FloatArray], tuple[FloatArray, ...]], lag: float
) -> None:
    """Arms against the legs: `path` gives wrist, elbow, fingers and palm for a swing of -1 (back) to 1 (front)."""
    for side in SIDES:
        forward = -cue.body.sign(course.first) * cue.body.sign(side) * np.sin(course.phase - lag)
        arm = pose_arm(cue.body, side, *path(side, forward))
        names = [tracks.joint(f"{side}_{name}") for name in ("collar", "shoulder", "elbow", "wrist")]
        tracks.set_arm(side, rot.slerp(tracks.local[:, names], arm, course.pace[:, None]))


def _stack(*columns: FloatArray | float) -> FloatArray:
    return np.asarray(np.stack(np.broadcast_arrays(*columns), axis=-1), dtype=np.float64)


def walk(cue: Cue) -> Tracks:
    """Walks from standing to standing at `speed`; backward, left or right without turning. Repeats mean nothing."""
    tracks = standing(cue)
    sideways = cue.direction in SIDES
    gait = _SIDE if sideways else _BACK if cue.direction == "backward" else _WALK
    # Faster walkers lengthen and quicken their steps alike (Grieve & Gear 1966).
    longer = float(np.clip(np.sqrt(cue.speed), 0.6, 1.03))
    gait = _scaled(gait, longer)
    travel = _HEADINGS.get(cue.direction or "", 0.0)
    course = _course(cue, gait, max(_QUICKEST_S, LEXICON["walk"].period_s * longer / cue.speed), travel, sideways)
    _travel(tracks, cue, course, travel)
    tracks.pulls[:] = tracks.contacts
    sign, on, phase = cue.body.sign(course.first), course.pace, course.phase
    big = gait.step_m / 0.66
    tracks.pelvis[:, 0] -= 0.032 * sign * np.cos(phase) * on
    tracks.pelvis[:, 1] += (-0.020 + 0.028 * np.cos(2.0 * phase)) * on * big
    back = -1.0 if cue.direction == "backward" else 1.0
    tracks.turn_pelvis(
        pitch=2.5 * on * back,
        turn=-8.0 * sign * np.sin(phase) * on * big * back,
        tilt=-4.5 * sign * np.cos(phase) * on,
    )
    tracks.bend_spine(
        pitch=1.5 * on, turn=15.0 * sign * np.sin(phase) * on * big * back, tilt=5.5 * sign * np.cos(phase) * on
    )
    tracks.turn_head(turn=-7.0 * sign * np.sin(phase) * on * big * back, pitch=-2.0 * on)
    reach = 0.27 * big * back * (0.25 if sideways else 1.0)

    def arm(side: str, f: FloatArray) -> tuple[FloatArray, ...]:
        front = np.clip(f * np.sign(reach), 0.0, 1.0)
        wrist = _stack(0.26 - 0.06 * front, -0.365 + 0.10 * abs(reach) / 0.27 * front**2, 0.05 + reach * f)
        return (
            wrist,
            _stack(0.4 + 0.0 * f, -0.25, -1.0),
            _stack(0.0 * f, -1.0, 0.22 + 0.7 * front),
            _stack(-1.0, 0.0, -0.2 + 0 * f),
        )

    _swing_arms(tracks, cue, course, arm, 0.25)
    return tracks


def _scaled(gait: _Gait, factor: float) -> _Gait:
    return replace(gait, step_m=gait.step_m * factor, ahead=gait.ahead * factor)


def run(cue: Cue) -> Tracks:
    """Runs from standing to standing with a flight in each step; backward, left and right are a hurried walk that way.

    Repeats mean nothing.
    """
    if cue.direction in _HEADINGS:
        return walk(replace(cue, speed=1.5 * cue.speed))
    tracks = standing(cue)
    longer = float(np.clip(np.sqrt(cue.speed), 0.6, 1.2))
    course = _course(cue, _scaled(_RUN, longer), max(_QUICKEST_S, LEXICON["run"].period_s * longer / cue.speed), 0.0)
    _travel(tracks, cue, course, 0.0)
    sign, on, phase = cue.body.sign(course.first), course.pace, course.phase
    # Low over the standing foot, high in flight, half a step later.
    tracks.pelvis[:, 1] += (-0.035 - 0.026 * np.cos(2.0 * phase)) * on
    tracks.pelvis[:, 0] -= 0.015 * sign * np.cos(phase) * on
    tracks.pulls[:] = tracks.contacts
    tracks.turn_pelvis(pitch=13.0 * on, turn=-9.0 * sign * np.sin(phase) * on, tilt=-4.0 * sign * np.cos(phase) * on)
    tracks.bend_spine(pitch=10.0 * on, turn=20.0 * sign * np.sin(phase) * on, tilt=4.0 * sign * np.cos(phase) * on)
    tracks.turn_head(pitch=-18.0 * on, turn=-10.0 * sign * np.sin(phase) * on)

    def arm(side: str, f: FloatArray) -> tuple[FloatArray, ...]:
        front, back = np.clip(f, 0.0, 1.0), np.clip(-f, 0.0, 1.0)
        wrist = _stack(0.25 - 0.13 * front, -0.10 + 0.19 * front - 0.10 * back, 0.20 + 0.13 * front - 0.26 * back)
        fingers = _stack(-0.25 * front, 0.35 + 0.5 * front - 0.4 * back, 1.0 - 0.4 * front)
        return wrist, _stack(0.55 + 0 * f, -0.35 - 0.4 * front, -1.0), fingers, _stack(-1.0, 0.0, 0.0 * f)

    _swing_arms(tracks, cue, course, arm, 0.1)
    for side in SIDES:
        into = min(0.4, 0.3 * cue.end)
        keys = [(0.0, "relaxed"), (into, "fist"), (cue.end - into, "fist"), (cue.end, "relaxed")]
        tracks.set_fingers(side, cue.t, keys)
    return tracks


def march(cue: Cue) -> Tracks:
    """Marches with high knees and straight arms: on the spot, or forward for direction "forward". Ignores repeats."""
    tracks = standing(cue)
    gait = _MARCH if cue.direction == "forward" else _scaled(_MARCH, 0.0)
    course = _course(cue, gait, max(_QUICKEST_S, LEXICON["march"].period_s / cue.speed), 0.0)
    _travel(tracks, cue, course, 0.0)
    sign, on, phase = cue.body.sign(course.first), course.pace, course.phase
    tracks.pelvis[:, 0] -= 0.035 * sign * np.cos(phase) * on
    tracks.pelvis[:, 1] += -0.008 * on
    tracks.turn_pelvis(turn=-4.0 * sign * np.sin(phase) * on, tilt=-2.5 * sign * np.cos(phase) * on)
    tracks.bend_spine(pitch=-4.0 * on, turn=9.0 * sign * np.sin(phase) * on, tilt=3.0 * sign * np.cos(phase) * on)
    tracks.turn_head(pitch=-1.0 * on, turn=-4.0 * sign * np.sin(phase) * on)

    def arm(side: str, f: FloatArray) -> tuple[FloatArray, ...]:
        # On a circle about the shoulder, to the height of the chest in front.
        angle = np.radians(28.0 + 58.0 * f)
        down, forward = 0.52 * np.cos(angle), 0.52 * np.sin(angle)
        return (
            _stack(0.22 - 0.04 * np.clip(f, 0, 1), 0.14 - down, forward),
            _stack(0.4 + 0 * f, -0.3, -1.0),
            _stack(0.0 * f, -np.cos(angle), np.sin(angle)),
            _stack(-1.0, 0.0, -0.1 + 0 * f),
        )

    # The arm is foremost with the opposite knee, which is highest in the middle of its swing.
    _swing_arms(tracks, cue, course, arm, -np.pi / 2)
    for side in SIDES:
        into = min(0.3, 0.3 * cue.end)
        keys = [(0.0, "relaxed"), (into, "fist"), (cue.end - into, "fist"), (cue.end, "relaxed")]
        tracks.set_fingers(side, cue.t, keys)
    return tracks


def turn(cue: Cue) -> Tracks:
    """Turns on the spot with small steps: a quarter to the left (default) or right, half for direction "around".

    Each repeat turns once more. A side of right turns a half turn over the right shoulder.
    """
    tracks = standing(cue)
    to_left = cue.direction != "right" and not (cue.direction == "around" and cue.side == "right")
    degrees = (180.0 if cue.direction in ("around", "backward") else 90.0) * cue.repeats
    total = np.radians(degrees) * (1.0 if to_left else -1.0)
    begin, room = min(0.12, 0.1 * cue.end), 0.0
    room = max(cue.end - 2.2 * begin, 1e-3)
    # Small steps where there is time for them, 52 degrees at once where there is not.
    pairs = max(int(np.ceil(degrees / 52.0)), min(int(np.ceil(degrees / 45.0)), int(room / 0.55)))
    lead, follow = ("left", "right") if to_left else ("right", "left")
    step_s = room / (2 * pairs)
    steps = []
    for k in range(2 * pairs):
        yaw = float(total * (k // 2 + 1) / pairs)
        off = begin + k * step_s + 0.06 * step_s
        steps.append(
            Step(lead if k % 2 == 0 else follow, off, off + 0.82 * step_s, Place(yaw_rad=yaw), 0.055, 14.0, 0.0, 0.08)
        )
    play_steps(tracks, cue.t, steps)
    keys = [(begin, 0.0), (begin + room, float(total))]
    heading = ease(cue.t, keys) if pairs == 1 else _even_turn(cue.t, begin, room, float(total))
    ahead = _even_turn(cue.t + 0.16, begin, room, float(total)) if pairs > 1 else ease(cue.t + 0.16, keys)
    yaw_axis = np.array([0.0, 1.0, 0.0])
    turned = rot.from_axis_angle(yaw_axis, heading)
    tracks.pelvis = rot.rotate(turned, tracks.pelvis)
    tracks.pelvis_rotation = rot.multiply(turned, tracks.pelvis_rotation)
    # Knees between hip and foot share the turn of the leg.
    ahead_of_feet = rot.rotate(turned, np.array([0.0, 0.0, 1.0]))
    tracks.knees += 0.8 * ahead_of_feet[:, None, :]
    beat = np.cos(np.pi * (cue.t - begin - 0.5 * step_s) / step_s) * envelope(
        cue.t, begin, begin + step_s, begin + room - step_s, begin + room
    )
    away = rot.rotate(turned, np.array([-0.028 * cue.body.sign(lead), 0.0, 0.0]))
    tracks.pelvis += away * beat[:, None]
    tracks.pelvis[:, 1] -= 0.012 * envelope(cue.t, 0.0, begin + 0.2, begin + room - 0.2, cue.end)
    lead_deg = np.degrees(ahead - heading)
    tracks.bend_spine(turn=np.clip(0.45 * lead_deg, -18.0, 18.0))
    tracks.turn_head(turn=np.clip(0.9 * lead_deg, -35.0, 35.0), pitch=2.0 * np.abs(np.clip(lead_deg / 20.0, -1, 1)))
    tracks.exit = Place(yaw_rad=float(total))
    return tracks


def _even_turn(t: FloatArray, begin: float, room: float, total: float) -> FloatArray:
    """The heading over several pairs of steps: even in the middle, eased at both ends."""
    rise = 0.3 * room
    return np.asarray(total * _progress(t - begin, room, rise) / max(room - rise, 1e-6))
