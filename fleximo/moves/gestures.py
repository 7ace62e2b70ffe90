"""Moves of arms, head and trunk over a standing body. Each is one pure function from `Cue` to `Tracks`.

The length of a cue says all about pace here: its `speed` is already in it.
"""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.moves.base import SIDES, Cue, Tracks, axes
from fleximo.moves.easing import bump, ease, envelope
from fleximo.moves.posing import HANGING, ArmPose, arm_keys, pose_arm, standing

__all__ = [
    "bow",
    "clap",
    "cross_arms",
    "drink",
    "idle",
    "nod",
    "point",
    "raise_arms",
    "salute",
    "shake_head",
    "shrug",
    "stretch",
    "wave",
]

_LONGEST_WAY_S = 1.3  # into a pose
_MOUTH = (0.0, 0.005, 0.110)  # m on the head joint, own side outward
_BROW = (0.052, 0.095, 0.085)


def _lead(cue: Cue, wanted: float, share: float = 0.3) -> float:
    """Seconds to get into (or out of) a pose: `wanted`, less in a clip that is too short for it."""
    return min(wanted, share * cue.end)


def _ample(period: float, easy: float) -> float:
    """How wide a swing of `period` seconds can be made: all of it down to `easy` seconds, less below."""
    return min(1.0, period / easy)


def _lean(cue: Cue) -> float:
    """+1 where the left side acts, -1 for the right, 0 for both."""
    return 0.0 if cue.side == "both" else cue.body.sign(cue.side)


def _struck(cue: Cue, into: float, hold: float) -> list[tuple[float, float]]:
    """Keys 0 -> 1 -> 0 once per repeat: shares of a repeat for getting in and for holding.

    In a long clip the pose is held longer; getting into it and out of it does not drag on.
    """
    period = cue.end / cue.repeats
    out = min((1.0 - into - hold) * period, _LONGEST_WAY_S) / period if period else 0.0
    into = min(into * period, _LONGEST_WAY_S) / period if period else 0.0
    hold = 1.0 - into - out
    keys = [(0.0, 0.0)]
    for k in range(cue.repeats):
        start = k * period
        keys += [(start + into * period, 1.0), (start + (into + hold) * period, 1.0), (start + period, 0.0)]
    return keys


def _arm_path(tracks: Tracks, cue: Cue, side: str, arm: FloatArray, weight: FloatArray) -> None:
    """Lays the solved `arm` (T,4,4) over what the arm does already, by `weight` (T,)."""
    names = [tracks.joint(f"{side}_{name}") for name in ("collar", "shoulder", "elbow", "wrist")]
    tracks.set_arm(side, rot.slerp(tracks.local[:, names], arm, weight[:, None]))


def idle(cue: Cue) -> Tracks:
    """Stands at ease. Side, repeats, direction and speed mean nothing here."""
    return standing(cue)


def wave(cue: Cue) -> Tracks:
    """Raises the hand beside the head and swings it from the elbow, `repeats` times side to side."""
    tracks = standing(cue)
    up, end = _lead(cue, 0.55), cue.end
    begin = 0.75 * up
    phase = np.clip((cue.t - begin) / max(end - up - begin, 1e-6), 0.0, 1.0) * cue.repeats
    on = envelope(cue.t, 0.4 * up, up, end - up, end - 0.4 * up)
    for side in cue.sides():
        width = cue.vary(f"width {side}", 0.1) * _ample((end - up - begin) / cue.repeats, 0.4)
        swing = -np.cos(2.0 * np.pi * phase) * width
        late = -np.cos(2.0 * np.pi * phase - 0.7) * width
        held = ArmPose((0.41, 0.33, 0.12), (0.7, -0.7, -0.1), (0.0, 1.0, 0.06), (0.0, 0.1, 1.0))
        tracks.set_arm(side, arm_keys(cue, side, [(0.0, HANGING), (up, held), (end - up, held), (end, HANGING)]))
        still = np.full(cue.frames, 1.0)
        middle = pose_arm(
            cue.body,
            side,
            np.stack((0.41 + 0.115 * swing, 0.335 - 0.035 * swing**2, 0.12 * still), axis=1),
            (0.7, -0.7, -0.1),
            np.stack((0.62 * late, still, 0.06 * still), axis=1),
            (0.0, 0.1, 1.0),
        )
        _arm_path(tracks, cue, side, middle, on)
        tracks.set_fingers(side, cue.t, [(0.0, "relaxed"), (up, "open"), (end - up, "open"), (end, "relaxed")])
    lean = _lean(cue)
    tracks.pelvis[:, 0] -= 0.02 * lean * on * cue.body.scale
    tracks.bend_spine(tilt=-4.0 * lean * on, turn=-3.0 * lean * on)
    tracks.turn_head(tilt=6.0 * lean * on, turn=2.0 * lean * on, pitch=-4.0 * on)
    return tracks


def clap(cue: Cue) -> Tracks:
    """Claps in front of the chest, `repeats` times; the sides have no meaning."""
    tracks = standing(cue)
    up, end = _lead(cue, 0.32), cue.end
    phase = np.clip((cue.t - up) / max(end - 2.0 * up, 1e-6), 0.0, 1.0) * cue.repeats
    # The hands meet at half of each repeat; the root makes them fly together faster than they part.
    apart = np.abs(np.cos(np.pi * phase)) ** 1.25
    on = envelope(cue.t, 0.0, up, end - up, end)
    lift = cue.vary("height", 0.08)
    apart = apart * _ample((end - 2.0 * up) / cue.repeats, 0.28)
    for side in SIDES:
        wrist = np.stack((0.030 + 0.150 * apart, (0.075 + 0.02 * apart) * lift, 0.335 - 0.035 * apart), axis=1)
        fingers = np.stack((-0.05 + 0.35 * apart, 0.75 - 0.1 * apart, np.full(cue.frames, 0.62)), axis=1)
        arm = pose_arm(cue.body, side, wrist, (0.8, -0.75, -0.2), fingers, (-1.0, 0.0, 0.0))
        _arm_path(tracks, cue, side, arm, on)
        tracks.set_fingers(side, cue.t, [(0.0, "relaxed"), (up, "flat"), (end - up, "flat"), (end, "relaxed")])
    beat = on * (1.0 - apart)
    tracks.bend_spine(pitch=2.0 * on + 2.0 * beat)
    tracks.turn_head(pitch=-2.0 * on + 5.0 * beat)
    return tracks


def bow(cue: Cue) -> Tracks:
    """Folds from the hips, looks down, waits, comes up; `repeats` times."""
    tracks = standing(cue)
    keys = _struck(cue, 0.38, 0.20)
    deep, early = ease(cue.t, keys), ease(cue.t + 0.05, keys)
    tracks.turn_pelvis(pitch=30.0 * deep)
    tracks.pelvis += deep[:, None] * np.array([0.0, -0.02, -0.14]) * cue.body.scale
    tracks.bend_spine(pitch=18.0 * early)
    tracks.turn_head(pitch=8.0 * early)
    low = ArmPose((0.19, -0.31, 0.24), (0.5, 0.0, -1.0), (0.0, -1.0, 0.25), (-0.9, 0.0, -0.5))
    for side in SIDES:
        tracks.set_arm(side, arm_keys(cue, side, [(time, low if value else HANGING) for time, value in keys]))
    return tracks


def nod(cue: Cue) -> Tracks:
    """Nods `repeats` times; the first nod is the deepest."""
    tracks = standing(cue)
    phase = cue.t / max(cue.end, 1e-6) * cue.repeats
    # Down fast, up slower, and a little back over the middle: a nod of agreement.
    wave_down = 0.5 - 0.5 * np.cos(2.0 * np.pi * phase)
    sharp = wave_down**1.2 - 0.22 * bump(phase % 1.0, 0.72, 1.0)
    fade = 1.0 - 0.18 * np.minimum(np.floor(phase), 2.0) if cue.liveliness else 1.0
    depth = 27.0 * cue.vary("depth", 0.1) * _ample(cue.end / cue.repeats, 0.3) * fade * sharp
    late = np.interp(cue.t - 0.05, cue.t, depth)
    tracks.turn_head(pitch=depth)
    tracks.bend_spine(pitch=0.16 * late)
    return tracks


def shake_head(cue: Cue) -> Tracks:
    """Shakes the head `repeats` times, left first."""
    tracks = standing(cue)
    phase = cue.t / max(cue.end, 1e-6) * cue.repeats
    edge = min(0.3, 0.25 * cue.end)
    on = envelope(cue.t, 0.0, edge, cue.end - edge, cue.end)
    turn = 36.0 * cue.vary("width", 0.08) * _ample(cue.end / cue.repeats, 0.4) * on * np.sin(2.0 * np.pi * phase)
    late = np.interp(cue.t - 0.06, cue.t, turn)
    tracks.turn_head(turn=turn, pitch=6.0 * on, tilt=-0.10 * late)
    tracks.bend_spine(turn=-0.10 * late)
    return tracks


def cross_arms(cue: Cue) -> Tracks:
    """Folds the forearms over the chest and stays so; the right arm, or the left for side "left", lies in front."""
    tracks = standing(cue)
    into, end = _lead(cue, 0.9), cue.end
    front = "left" if cue.side == "left" else "right"
    outer = ArmPose((-0.045, 0.035, 0.245), (0.8, -1.0, 0.1), (-1.0, 0.12, -0.22), (0.0, -0.1, -1.0))
    inner = ArmPose((-0.055, -0.020, 0.175), (0.8, -1.0, 0.1), (-1.0, 0.35, -0.10), (0.0, 0.0, -1.0))
    gather = ArmPose((0.20, -0.08, 0.33), (0.8, -0.6, -0.2), (-0.7, 0.2, 0.6), (-0.3, -0.4, -0.8))
    for side in SIDES:
        pose = outer if side == front else inner
        lag = 0.08 * into if side == front else 0.0
        keys = [(0.0, HANGING), (0.5 * into + lag, gather), (into, pose), (end - into, pose)]
        keys += [(end - 0.5 * into - lag, gather), (end, HANGING)]
        tracks.set_arm(side, arm_keys(cue, side, keys, drag=0.02, through=True))
        shape = "flat" if side == front else "relaxed"
        tracks.set_fingers(side, cue.t, [(0.0, "relaxed"), (into, shape), (end - into, shape), (end, "relaxed")])
    on = envelope(cue.t, 0.2 * into, into, end - into, end)
    lean = cue.body.sign(front)
    tracks.pelvis[:, 0] += 0.02 * lean * on * cue.body.scale
    tracks.turn_pelvis(tilt=-2.5 * lean * on)
    tracks.bend_spine(pitch=-4.0 * on, tilt=3.0 * lean * on)
    tracks.turn_head(pitch=3.0 * on, tilt=-3.0 * lean * on)
    return tracks


def raise_arms(cue: Cue) -> Tracks:
    """Lifts one or both arms over the head (direction forward: to the front, left or right: out to the sides)."""
    tracks = standing(cue)
    keys = _struck(cue, 0.36, 0.26)
    period = cue.end / cue.repeats
    high = {
        "forward": ArmPose((0.17, 0.16, 0.52), (0.6, -0.8, 0.0), (0.0, 0.05, 1.0), (0.0, -1.0, 0.0)),
        "left": ArmPose((0.69, 0.17, 0.06), (0.0, -0.6, -0.8), (1.0, 0.05, 0.05), (0.0, -1.0, 0.1)),
    }
    high["right"] = high["left"]
    up = ArmPose((0.36, 0.70, 0.03), (0.9, 0.0, -0.3), (0.33, 1.0, 0.0), (-0.4, 0.1, 0.9))
    top = high.get(cue.direction or "up", up)
    side_on = ArmPose((0.64, 0.12, 0.13), (0.0, -0.7, -0.7), (1.0, 0.1, 0.1), (0.0, -0.4, 0.9))
    for side in cue.sides():
        path = [(0.0, HANGING)]
        for (a, low), (b, value) in zip(keys, keys[1:]):
            if value != low and top is up:
                path.append((a + 0.5 * (b - a), side_on))
            path.append((b, top if value else HANGING))
        tracks.set_arm(side, arm_keys(cue, side, path, through=top is up))
        shapes = [(time, "open" if value else "relaxed") for time, value in keys]
        tracks.set_fingers(side, cue.t, shapes)
    on, early = ease(cue.t, keys), ease(cue.t + 0.04 * period, keys)
    lean = _lean(cue)
    tracks.bend_spine(pitch=-7.0 * on if top is up else -2.0 * on, tilt=-6.0 * lean * on)
    tracks.turn_head(pitch=-12.0 * early if top is up else 0.0, tilt=3.0 * lean * on)
    tracks.pelvis[:, 1] += 0.01 * on
    return tracks


def stretch(cue: Cue) -> Tracks:
    """Reaches up with joined hands onto the toes, then bends to both sides; left first, or right if so directed."""
    tracks = standing(cue)
    body, t, end = cue.body, cue.t, cue.end
    period = end / cue.repeats
    up, side_keys, toes = [(0.0, 0.0)], [(0.0, 0.0)], [(0.0, 0.0)]
    first = -1.0 if cue.direction == "right" else 1.0
    for k in range(cue.repeats):
        a = k * period
        up += [(a + 0.22 * period, 1.0), (a + 0.80 * period, 1.0), (a + period, 0.0)]
        toes += [(a + 0.10 * period, 0.0), (a + 0.24 * period, 1.0), (a + 0.38 * period, 0.0), (a + period, 0.0)]
        side_keys += [(a + 0.30 * period, 0.0), (a + 0.46 * period, first), (a + 0.54 * period, first)]
        side_keys += [(a + 0.68 * period, -first), (a + 0.76 * period, -first), (a + 0.92 * period, 0.0)]
    on, bent, lifted = ease(t, up), ease(t, side_keys), ease(t, toes)
    high = ArmPose((0.055, 0.72, 0.03), (1.0, 0.0, 0.25), (-0.16, 1.0, 0.0), (-1.0, -0.15, 0.15))
    out = ArmPose((0.60, 0.20, 0.12), (0.0, -0.7, -0.7), (1.0, 0.2, 0.1), (0.0, -0.4, 0.9))
    for side in SIDES:
        path = [(0.0, HANGING)]
        for (a, low), (b, value) in zip(up, up[1:]):
            if value != low:
                path.append((a + 0.5 * (b - a), out))
            path.append((b, high if value else HANGING))
        tracks.set_arm(side, arm_keys(cue, side, path, through=True, drag=0.02))
        tracks.set_fingers(side, t, [(time, "flat" if value else "relaxed") for time, value in up])
    tracks.pelvis[:, 0] -= 0.075 * bent * body.scale
    tracks.turn_pelvis(tilt=7.0 * bent)
    tracks.bend_spine(tilt=29.0 * bent, pitch=-5.0 * on)
    tracks.turn_head(tilt=8.0 * bent, pitch=-9.0 * lifted)
    heel = 20.0 * lifted
    tracks.pelvis[:, 1] += body.scale * 0.045 * lifted
    # On the toes the weight must come forward over them.
    tracks.pelvis[:, 2] += body.scale * 0.092 * lifted
    for i in range(2):
        tracks.feet[:, i] = rot.multiply(tracks.feet[:, i], axes(pitch=heel))
        tracks.toe_bend[:, i] = heel
    return tracks


_POINTING = {
    "forward": (0.02, 0.02, 1.0),
    "up": (0.28, 0.95, 0.35),
    "down": (0.35, -0.62, 0.75),
    "backward": (0.85, 0.12, -0.45),
    "around": (0.75, 0.10, 0.65),
}


def point(cue: Cue) -> Tracks:
    """Points with a straight arm and index finger (forward and outward; or to `direction`) and looks there."""
    tracks = standing(cue)
    keys = _struck(cue, 0.30, 0.42)
    on = ease(cue.t, keys)
    turned = 0.0
    for side in cue.sides():
        if cue.direction in SIDES:
            aim = (0.96, 0.08, 0.22) if cue.direction == side else (-0.72, 0.06, 0.72)
        else:
            aim = _POINTING.get(cue.direction or "around", _POINTING["around"])
        way = np.array(aim) / np.linalg.norm(aim)
        shoulder = np.array([0.17, 0.15, 0.02])
        palm = (-0.9, -0.2, 0.0) if abs(way[0]) < 0.5 else (0.0, -1.0, 0.25)
        pole = (0.4, -1.0, -0.3)
        there = ArmPose(tuple(shoulder + 0.545 * way), pole, tuple(way), palm)
        drawn = ArmPose(
            tuple(shoulder + np.array([0.05, -0.07, 0.10]) + 0.20 * way), (0.8, -0.6, -0.4), tuple(way), palm
        )
        path = [(0.0, HANGING)]
        for (a, low), (b, value) in zip(keys, keys[1:]):
            if value > low:
                path.append((a + 0.48 * (b - a), drawn))
            path.append((b, there if value else HANGING))
        tracks.set_arm(side, arm_keys(cue, side, path, drag=0.02))
        shapes = [(max(0.0, time - (0.12 if value else 0.0)), "point" if value else "relaxed") for time, value in keys]
        tracks.set_fingers(side, cue.t, shapes)
        turned += cue.body.sign(side) * float(np.degrees(np.arctan2(way[0], max(way[2], 0.15)))) / len(cue.sides())
        pitch = -float(np.degrees(np.arcsin(way[1])))
    early = ease(cue.t + 0.08, keys)
    look = float(np.clip(turned, -60.0, 60.0))
    tracks.turn_pelvis(turn=0.10 * look * on)
    tracks.bend_spine(turn=0.22 * look * on, tilt=-3.0 * _lean(cue) * on)
    tracks.turn_head(turn=0.60 * look * early, pitch=0.45 * float(np.clip(pitch, -50.0, 40.0)) * early)
    return tracks


def shrug(cue: Cue) -> Tracks:
    """Pulls the shoulders up, turns the palms up and tilts the head, `repeats` times."""
    tracks = standing(cue)
    keys = _struck(cue, 0.34, 0.26)
    on = ease(cue.t, keys)
    up = ArmPose((0.40, -0.035, 0.20), (0.0, -1.0, -0.5), (0.9, 0.12, 0.35), (0.0, 1.0, 0.25), 27.0)
    for side in SIDES:
        tracks.set_arm(side, arm_keys(cue, side, [(time, up if value else HANGING) for time, value in keys]))
        tracks.set_fingers(side, cue.t, [(time, "open" if value else "relaxed") for time, value in keys])
    tilt = 9.0 if cue.rng("tilt").uniform() < 0.5 or not cue.liveliness else -9.0
    tracks.bend_spine(pitch=-3.0 * on)
    tracks.turn_head(tilt=tilt * on, pitch=-3.0 * on)
    return tracks


def salute(cue: Cue) -> Tracks:
    """Snaps the flat hand to the brow, holds, snaps it down; upright and still."""
    tracks = standing(cue)
    side = "left" if cue.side == "left" else "right"
    keys = _struck(cue, 0.24, 0.52)
    on = ease(cue.t, keys)
    tracks.bend_spine(pitch=-4.0 * on)
    tracks.turn_head(pitch=-3.0 * on)
    fingers = np.array([-0.80, 0.52, -0.05])
    fingers /= np.linalg.norm(fingers)
    brow = tracks.head_point(_BROW, side) / cue.body.scale
    arm = pose_arm(cue.body, side, brow - 0.186 * fingers, (0.9, -0.25, -0.1), fingers, (-0.25, -0.55, 0.8))
    middle = ArmPose((0.40, 0.02, 0.22), (0.9, -0.4, -0.3), (0.2, 0.9, 0.3), (-0.8, 0.0, 0.4))
    path = [(0.0, HANGING)]
    for (a, low), (b, value) in zip(keys, keys[1:]):
        if value > low:
            path.append((a + 0.5 * (b - a), middle))
        path.append((b, middle if value else HANGING))
    tracks.set_arm(side, arm_keys(cue, side, path, drag=0.015, through=True))
    _arm_path(tracks, cue, side, arm, ease(cue.t, keys))
    tracks.set_fingers(side, cue.t, [(time, "flat" if value else "relaxed") for time, value in keys])
    return tracks


def drink(cue: Cue) -> Tracks:
    """Lifts a glass to the mouth, tips the head back with it, lowers it; `repeats` sips."""
    tracks = standing(cue)
    side = "left" if cue.side == "left" else "right"
    period = cue.end / cue.repeats
    near, sip = [(0.0, 0.0)], [(0.0, 0.0)]
    for k in range(cue.repeats):
        a = k * period
        near += [(a + 0.33 * period, 1.0), (a + 0.72 * period, 1.0), (a + period, 0.0)]
        sip += [(a + 0.32 * period, 0.0), (a + 0.47 * period, 1.0), (a + 0.62 * period, 1.0), (a + 0.76 * period, 0.0)]
    on, tipped = ease(cue.t, near), ease(cue.t, sip)
    sign = cue.body.sign(side)
    tracks.bend_spine(pitch=-5.0 * tipped)
    tracks.turn_head(pitch=4.0 * on - 22.0 * tipped, turn=3.0 * sign * on)
    mouth = tracks.head_point(_MOUTH, side) / cue.body.scale
    still = np.ones(cue.frames)
    fingers = np.stack((-0.72 * still, 0.30 + 0.25 * tipped, 0.60 - 0.2 * tipped), axis=1)
    fingers /= np.linalg.norm(fingers, axis=1, keepdims=True)
    # The glass stands in the fist, a hand's breadth past the wrist; its rim touches the lower lip.
    wrist = mouth + np.array([0.03, -0.045, 0.045]) - 0.085 * fingers
    palm = np.stack((-0.60 * still, -0.15 - 0.2 * tipped, -0.75 * still), axis=1)
    arm = pose_arm(
        cue.body, side, wrist, np.stack((0.75 * still, -0.75 + 0.45 * tipped, 0.05 * still), axis=1), fingers, palm
    )
    front = ArmPose((0.20, -0.06, 0.34), (0.6, -0.8, -0.3), (-0.25, 0.15, 1.0), (-1.0, 0.0, -0.1))
    path = [(0.0, HANGING)]
    for (a, low), (b, value) in zip(near, near[1:]):
        if value != low:
            path.append((a + 0.5 * (b - a), front))
        path.append((b, front if value else HANGING))
    tracks.set_arm(side, arm_keys(cue, side, path, through=True))
    _arm_path(tracks, cue, side, arm, np.asarray(on) ** 1.5)
    grip = [(0.0, "relaxed"), (0.18 * period, "grip"), (cue.end - 0.15 * period, "grip"), (cue.end, "relaxed")]
    tracks.set_fingers(side, cue.t, grip)
    return tracks
