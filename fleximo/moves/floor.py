"""Moves that go down and come up again: squat, lunge, kneel, sit, pick up. Each is one pure function of a `Cue`.

Owns the held postures "seated" and "kneeling", which other moves can be laid over.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.moves.base import SIDES, Cue, Place, Tracks
from fleximo.moves.easing import bump, ease, flow
from fleximo.moves.flight import lift_heel
from fleximo.moves.footwork import Step, play_steps
from fleximo.moves.posing import HANGING, ArmPose, arm_keys, standing

__all__ = ["kneel", "kneeling", "lunge", "pick_up", "rise", "seated", "sit_down", "squat", "stand_up"]

_HIPS = ArmPose((0.235, -0.24, 0.03), (1.0, -0.1, -0.45), (-0.75, -0.55, 0.5), (-0.8, 0.3, -0.5))
_THIGH = ArmPose((0.13, -0.27, 0.27), (0.8, -0.1, -0.6), (-0.05, -0.25, 1.0), (0.0, -1.0, -0.2))
_KNEE = ArmPose((0.12, -0.24, 0.34), (0.8, -0.2, -0.5), (-0.05, -0.4, 1.0), (0.0, -1.0, -0.3))
_SPLIT = 0.78  # m between the feet of a kneel or lunge, of which 0.29 lie before the pelvis


def _other(side: str) -> str:
    return "right" if side == "left" else "left"


def squat(cue: Cue) -> Tracks:
    """Sits down into the knees with the arms held out in front, `repeats` times. Side and direction mean nothing."""
    tracks = standing(cue)
    period = cue.end / cue.repeats
    keys = [(0.0, 0.0)]
    for k in range(cue.repeats):
        start = k * period
        keys += [(start + 0.44 * period, 1.0), (start + 0.54 * period, 1.0), (start + period, 0.0)]
    down = ease(cue.t, keys)
    tracks.pelvis += down[:, None] * np.array([0.0, -0.40, -0.23]) * cue.body.scale
    tracks.turn_pelvis(pitch=28.0 * down)
    tracks.bend_spine(pitch=18.0 * down)
    tracks.turn_head(pitch=-32.0 * down)
    # The chest leans by 46 degrees: what is level in the world points up from it.
    front = ArmPose((0.18, 0.45, 0.38), (0.8, -0.6, 0.2), (-0.05, 0.7, 0.7), (0.0, -0.7, 0.7))
    for i, side in enumerate(SIDES):
        tracks.set_arm(side, arm_keys(cue, side, [(time, front if value else HANGING) for time, value in keys]))
        tracks.knees[:, i] += down[:, None] * np.array([0.28 * cue.body.sign(side), 0.0, 0.0])
    return tracks


def lunge(cue: Cue) -> Tracks:
    """Steps out, sinks until the rear knee nearly touches the floor, pushes back; `repeats` times, sides in turn.

    The side steps first. Directions: forward (the default), backward, left, right (a lunge to that side).
    """
    tracks = standing(cue)
    t, period, scale = cue.t, cue.end / cue.repeats, cue.body.scale
    first = "right" if cue.side == "both" else cue.side
    aside = cue.direction if cue.direction in SIDES else None
    z = 0.0 if aside else -_SPLIT if cue.direction == "backward" else _SPLIT
    x = 0.50 * cue.body.sign(aside) if aside else 0.0
    gone, down = np.zeros(len(t)), np.zeros(len(t))
    heels = {side: np.zeros(len(t)) for side in SIDES}
    steps: list[Step] = []
    for k in range(cue.repeats):
        side = str(aside) if aside else first if k % 2 == 0 else _other(first)
        at = (k + np.array([0.0, 0.06, 0.27, 0.46, 0.58, 0.72, 0.94, 1.0])) * period
        place = Place(x * scale, z * scale, 0.30 * np.sign(x))
        push, strike = (0.0, 0.0) if z < 0.0 else (18.0, 10.0)
        steps.append(Step(side, at[1], at[2], place, 0.10, push, strike, roll=0.1, flat=0.12))
        steps.append(Step(side, at[5], at[6], Place(), 0.10, push, 0.5 * strike, roll=0.14))
        gone += ease(t, [(at[0], 0.0), (at[3] if z >= 0.0 else at[2] + 0.05 * period, 1.0), (at[4], 1.0), (at[7], 0.0)])
        down += flow(t, [(at[0], 0.0), (at[2], 0.25), (at[3], 1.0), (at[4], 1.0), (at[5], 0.45), (at[7], 0.0)])
        raised = [(at[0], 0.0), (at[3], 66.0), (at[4], 66.0), (at[6], 0.0)]
        if not aside:
            heels[side if z < 0.0 else _other(side)] += flow(t, raised)
    play_steps(tracks, t, steps)
    for i, side in enumerate(SIDES):
        lift_heel(tracks, side, heels[side], in_air=np.maximum(tracks.balls[:, i, 1] - cue.body.ball_height, 0.0))
    way = np.array([0.62 * x, -(0.33 if aside else 0.40), 0.0 if aside else z - 0.31 if z > 0.0 else -0.31])
    tracks.pelvis += np.stack((way[0] * gone, way[1] * down, way[2] * gone), axis=1) * scale
    if aside:
        tracks.pelvis[:, 2] -= 0.14 * scale * down
        tracks.turn_pelvis(pitch=22.0 * down)
        tracks.bend_spine(pitch=12.0 * down, tilt=4.0 * np.sign(x) * down)
        tracks.turn_head(pitch=-24.0 * down)
    else:
        lean = (13.0 if z < 0.0 else 2.0) * bump(gone, 0.0, 1.0)
        tracks.turn_pelvis(pitch=6.0 * down + lean)
        tracks.bend_spine(pitch=-4.0 * down)
    _hands_on_hips(cue, tracks, min(0.22 * period, 0.4))
    return tracks


def _hands_on_hips(cue: Cue, tracks: Tracks, lead: float) -> None:
    for side in SIDES:
        keys = [(0.0, HANGING), (lead, _HIPS), (cue.end - lead, _HIPS), (cue.end, HANGING)]
        tracks.set_arm(side, arm_keys(cue, side, keys))
        fade = max(lead, cue.end - lead - 0.1)
        tracks.set_fingers(side, cue.t, [(0.0, "relaxed"), (lead, "flat"), (fade, "flat"), (cue.end, "relaxed")])


def _sit(tracks: Tracks, share: FloatArray, lean: FloatArray) -> None:
    """Brings the hips down and back by `share` of the way to a seat at knee height, bent forward by `lean`."""
    body = tracks.body
    shin = float(np.linalg.norm(body.offset("left_ankle")))
    thigh = float(np.linalg.norm(body.offset("left_knee")))
    seat = body.ankle_height + shin - float(body.offset("left_hip")[1]) - body.stand_height
    tracks.pelvis += np.stack((np.zeros(len(share)), seat * share, -(thigh + 0.03) * share), axis=1)
    tracks.pelvis += np.stack((np.zeros(len(lean)), 0.0 * lean, 0.10 * lean * share), axis=1) * body.scale
    tracks.turn_pelvis(pitch=26.0 * lean)
    tracks.bend_spine(pitch=22.0 * lean)
    tracks.turn_head(pitch=-30.0 * lean)


def sit_down(cue: Cue) -> Tracks:
    """Sits down on a seat at knee height and stays; with more `repeats` gets up in between. Side means nothing."""
    tracks = standing(cue)
    t, period = cue.t, cue.end / cue.repeats
    share, lean, arms = [(0.0, 0.0)], [(0.0, 0.0)], [(0.0, HANGING)]
    for k in range(cue.repeats):
        last = k == cue.repeats - 1
        at = (k + np.array([0.0, 0.10, 0.38, 0.66, 0.84] if last else [0.0, 0.06, 0.24, 0.42, 0.50])) * period
        share += [(at[1], 0.02), (at[2], 0.52), (at[3], 1.0)]
        lean += [(at[1], 0.10), (at[2], 1.0), (at[3], 0.45), (at[4], 0.0)]
        arms += [(at[2], _reaching()), (at[3], _THIGH)]
        if not last:
            _get_up(share, lean, arms, at[4], (k + 1) * period)
    for keys in (share, lean):
        keys.append((cue.end, keys[-1][1]))
    arms.append((cue.end, _THIGH))
    _sit(tracks, flow(t, share), flow(t, lean))
    _seated_arms(cue, tracks, arms)
    return tracks


def _reaching() -> ArmPose:
    """Arms a little forward, for balance on the way down or up."""
    return ArmPose((0.20, -0.12, 0.36), (0.8, -0.6, -0.4), (0.0, -0.2, 1.0), (-0.3, -1.0, 0.0))


def _get_up(
    share: list[tuple[float, float]],
    lean: list[tuple[float, float]],
    arms: list[tuple[float, ArmPose]],
    a: float,
    b: float,
) -> None:
    """Keys from seated at `a` to standing at `b`: first the nose over the toes, then the knees."""
    d = b - a
    share += [(a, 1.0), (a + 0.24 * d, 0.97), (a + 0.50 * d, 0.50), (a + 0.84 * d, 0.0)]
    lean += [(a, 0.0), (a + 0.30 * d, 1.05), (a + 0.52 * d, 0.85), (a + 0.88 * d, 0.0)]
    arms += [(a, _THIGH), (a + 0.22 * d, _KNEE), (a + 0.50 * d, _reaching()), (a + 0.90 * d, HANGING)]


def _seated_arms(cue: Cue, tracks: Tracks, keys: list[tuple[float, ArmPose]]) -> None:
    for side in SIDES:
        tracks.set_arm(side, arm_keys(cue, side, keys, through=True))


def stand_up(cue: Cue) -> Tracks:
    """Gets up from the seat; with more `repeats` sits down again in between. Side and direction mean nothing."""
    tracks = standing(cue)
    period = cue.end / cue.repeats
    share, lean = [(0.0, 1.0)], [(0.0, 0.0)]
    arms = [(0.0, _THIGH)]
    for k in range(cue.repeats):
        start = k * period
        if k:
            share += [(start, 0.0), (start + 0.22 * period, 0.55), (start + 0.42 * period, 1.0)]
            lean += [(start, 0.0), (start + 0.22 * period, 1.0), (start + 0.46 * period, 0.0)]
            arms += [(start, HANGING), (start + 0.2 * period, _reaching()), (start + 0.42 * period, _THIGH)]
        _get_up(share, lean, arms, start + (0.48 if k else 0.08) * period, start + period)
    for keys in (share, lean):
        keys.append((cue.end, 0.0))
    arms.append((cue.end, HANGING))
    _sit(tracks, flow(cue.t, share), flow(cue.t, lean))
    _seated_arms(cue, tracks, arms)
    return tracks


def seated(cue: Cue) -> Tracks:
    """The posture that `sit_down` ends in, held and breathing over the whole cue."""
    tracks = standing(cue)
    _sit(tracks, np.ones(cue.frames), np.zeros(cue.frames))
    for side in SIDES:
        tracks.set_arm(side, arm_keys(cue, side, [(0.0, _THIGH), (max(cue.end, 1e-3), _THIGH)]))
    return tracks


def _kneel(
    cue: Cue, tracks: Tracks, side: str, back: FloatArray, lift: FloatArray, sink: FloatArray, pitch: FloatArray
) -> None:
    """Puts the `side` foot back by `back` of the split, its heel up by `pitch` degrees, and the hips down by `sink`.

    Where `lift` (m) is above 0 the foot is in the air.
    """
    body, i = tracks.body, SIDES.index(side)
    flying = lift > 0.0
    # A little outward too: in one line behind the other foot it would neither balance nor be seen from the front.
    tracks.balls[:, i] += np.stack((0.07 * body.sign(side) * back, lift, -_SPLIT * back), axis=1) * body.scale
    tracks.contacts[:, i] = ~flying
    lift_heel(tracks, side, pitch, in_air=lift)
    tracks.pelvis += np.stack((0.0 * sink, -0.44 * sink, -0.31 * np.maximum(0.95 * back, sink)), axis=1) * body.scale
    tracks.turn_pelvis(pitch=4.0 * sink + 16.0 * bump(back, 0.0, 1.6))


def kneel(cue: Cue) -> Tracks:
    """Steps back and goes down on the knee of its side, and stays; with more `repeats` gets up in between."""
    tracks = standing(cue)
    period = cue.end / cue.repeats
    keys: list[tuple[float, str]] = []
    for k in range(cue.repeats):
        last = k == cue.repeats - 1
        start = k * period
        keys.append((start + 0.04 * period, "down"))
        keys.append((start + (0.80 if last else 0.48) * period, "kneeling"))
        if not last:
            keys.append((start + 0.56 * period, "up"))
            keys.append((start + 0.98 * period, "standing"))
    _play_kneel(cue, tracks, keys)
    return tracks


def rise(cue: Cue) -> Tracks:
    """Gets up from the kneel of the same side into the neutral stance."""
    tracks = standing(cue)
    _play_kneel(cue, tracks, [(-1.0, "kneeling"), (0.05 * cue.end, "up"), (0.95 * cue.end, "standing")])
    return tracks


def kneeling(cue: Cue) -> Tracks:
    """The posture that `kneel` ends in, held and breathing over the whole cue."""
    tracks = standing(cue)
    _play_kneel(cue, tracks, [(-1.0, "kneeling")])
    return tracks


def _play_kneel(cue: Cue, tracks: Tracks, keys: list[tuple[float, str]]) -> None:
    """Plays (time, phase) pairs: each "down" runs until its "kneeling", each "up" until its "standing"."""
    t, side = cue.t, "right" if cue.side == "both" else cue.side
    front = _other(side)
    start = 1.0 if keys[0][1] == "kneeling" else 0.0
    back, sink = [(-2.0, start)], [(-2.0, start)]
    pitch = [(-2.0, 76.0 * start)]
    arms = {arm: [(-2.0, _KNEE if start and arm == front else HANGING)] for arm in SIDES}
    lift = np.zeros(len(t))
    for (a, phase), (b, _) in zip(keys, keys[1:]):
        d = b - a
        if phase == "down":
            off, on = a + 0.10 * d, a + 0.42 * d
            back += [(off, 0.0), (on, 1.0)]
            sink += [(a + 0.2 * d, 0.0), (on, 0.24), (b - 0.05 * d, 1.0)]
            pitch += [(a, 0.0), (off, 22.0), (on, 46.0), (b - 0.05 * d, 76.0)]
            arms[front] += [(a + 0.3 * d, HANGING), (b, _KNEE)]
        elif phase == "up":
            off, on = a + 0.56 * d, a + 0.88 * d
            back += [(off, 1.0), (on, 0.0)]
            sink += [(a + 0.04 * d, 1.0), (off, 0.26), (on, 0.0)]
            pitch += [(a + 0.05 * d, 76.0), (off, 50.0), (on - 0.08 * d, 8.0), (b, 0.0)]
            arms[front] += [(a + 0.1 * d, _KNEE), (off + 0.1 * d, _KNEE), (b, HANGING)]
        else:
            continue
        way = np.clip((t - off) / max(on - off, 1e-6), 0.0, 1.0)
        lift = np.maximum(lift, 0.09 * np.clip(1.0 - (2.0 * way - 1.0) ** 4, 0.0, 1.0) ** 1.4)
    _kneel(
        cue, tracks, side, ease(t, _closed(back, cue)), lift, flow(t, _closed(sink, cue)), flow(t, _closed(pitch, cue))
    )
    down = flow(t, _closed(sink, cue))
    tracks.bend_spine(pitch=16.0 * bump(down, 0.0, 1.0) + 6.0 * down)
    tracks.turn_head(pitch=-4.0 * down)
    for arm in SIDES:
        tracks.set_arm(arm, arm_keys(cue, arm, [*arms[arm], (max(cue.end, arms[arm][-1][0] + 1e-3), arms[arm][-1][1])]))


def _closed(keys: list[tuple[float, float]], cue: Cue) -> list[tuple[float, float]]:
    return [*keys, (max(cue.end, keys[-1][0]) + 1.0, keys[-1][1])]


def pick_up(cue: Cue) -> Tracks:
    """Bends knees and hips, grasps something before the feet, brings it up to the chest, lets the arm down; `repeats`
    times. Both takes it with both hands; direction means nothing."""
    tracks = standing(cue)
    t, period, scale = cue.t, cue.end / cue.repeats, cue.body.scale
    down, high = np.zeros(len(t)), np.zeros(len(t))
    moments: list[FloatArray] = []
    fingers = [(0.0, "relaxed")]
    for k in range(cue.repeats):
        at = (k + np.array([0.0, 0.05, 0.36, 0.46, 0.70, 0.82, 1.0])) * period
        moments.append(at)
        down += ease(t, [(at[1], 0.0), (at[2], 1.0), (at[3], 1.0), (at[4] + 0.04 * period, 0.0)])
        high += ease(t, [(at[3], 0.0), (at[4], 1.0), (at[5], 1.0), (at[6], 0.0)])
        fingers += [(at[1], "relaxed"), (at[2] - 0.1, "open"), (at[2], "open"), (at[3] + 0.05, "grip"), (at[5], "grip")]
        fingers.append((at[6] - 0.18, "relaxed"))
    lean = 0.0 if cue.side == "both" else cue.body.sign(cue.side)
    tracks.pelvis += down[:, None] * np.array([0.04 * lean, -0.41, -0.22]) * scale
    tracks.turn_pelvis(pitch=41.0 * down)
    tracks.bend_spine(pitch=36.0 * down, turn=-8.0 * lean * down)
    tracks.turn_head(pitch=-22.0 * down + 14.0 * high)
    for i, side in enumerate(SIDES):
        tracks.knees[:, i] += down[:, None] * np.array([0.18 * cue.body.sign(side), 0.0, 0.0])
    # At the bottom the chest looks at the floor, so that what lies before the feet is above the face.
    low = ArmPose((0.15, 0.06, 0.51), (0.9, -0.5, -0.2), (0.0, 0.1, 1.0), (-0.6, -0.8, 0.0))
    chest = ArmPose((0.10, 0.02, 0.29), (0.8, -0.6, -0.4), (-0.6, 0.3, 0.8), (-0.5, 0.3, -0.8))
    brace = ArmPose((0.26, -0.18, 0.27), (0.9, 0.0, -0.6), (0.0, -0.2, 1.0), (-0.4, -1.0, 0.0))
    for side in SIDES:
        taking = side in cue.sides()
        keys = [(0.0, HANGING)]
        for at in moments:
            if taking:
                keys += [(at[1], HANGING), (at[2], low), (at[3], low), (at[4], chest), (at[5], chest), (at[6], HANGING)]
            else:
                keys += [(at[1], HANGING), (at[2], brace), (at[3], brace), (at[4], HANGING), (at[6], HANGING)]
        tracks.set_arm(side, arm_keys(cue, side, keys))
        if taking:
            tracks.set_fingers(side, t, fingers)
    return tracks
