"""Measures of a motion that do not trust the generator: everything is read off joints, landmarks and rotations."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import numpy as np

from fleximo import rotations as rot
from fleximo.motion import Motion
from fleximo.moves import generate, play
from fleximo.moves.lexicon import LEXICON
from fleximo.plan import MotionPlan, Segment

SIDES = ("left", "right")
_X, _Y, _Z = np.eye(3)


@lru_cache(maxsize=512)
def example(
    name: str,
    *,
    side: str | None = None,
    fps: float = 30,
    seed: int = 0,
    repeats: int | None = None,
    direction: str | None = None,
    seconds: float | None = None,
    speed: float = 1.0,
) -> Motion:
    """One move as the planner asks for it, or with what the test sets."""
    segment = example_segment(name, side, repeats, direction, seconds, speed)
    return generate(MotionPlan((segment,), seed), fps=fps)


def example_segment(
    name: str,
    side: str | None = None,
    repeats: int | None = None,
    direction: str | None = None,
    seconds: float | None = None,
    speed: float = 1.0,
) -> Segment:
    entry = LEXICON[name]
    count = entry.default_repeats if repeats is None else repeats
    length = entry.seconds(count, speed) if seconds is None else seconds
    return Segment(name, length, side=side, repeats=count, direction=direction, speed=speed)


@lru_cache(maxsize=64)
def noiseless(name: str, repeats: int, seconds: float, fps: int = 60) -> Motion:
    """One move without breathing and variation: what cycles exactly."""
    segment = Segment(name, seconds, repeats=repeats)
    return play(segment, fps=Fraction(fps), liveliness=0.0)[0]


def toes(motion: Motion) -> np.ndarray:
    """(T,2,3) toe joints."""
    return motion.positions("left_foot", "right_foot")


def stance_by_height(motion: Motion) -> np.ndarray:
    """(T,2) toe joint below 3 cm."""
    return toes(motion)[..., 1] < 0.03


def stance_speeds(motion: Motion) -> np.ndarray:
    """Horizontal speeds in cm/s of toes that are planted in two frames running."""
    steps = np.diff(toes(motion)[..., [0, 2]].astype(np.float64), axis=0)
    both = motion.contacts[1:] & motion.contacts[:-1]
    speeds = np.linalg.norm(steps, axis=-1)[both] * float(motion.fps) * 100.0
    return speeds if speeds.size else np.zeros(1)


def lowest_point(motion: Motion) -> float:
    """The lowest height in m of any joint, heel, toe or fingertip."""
    names = tuple(motion.rig.joint_names) + tuple(motion.rig.landmarks)
    return float(motion.positions(*names)[..., 1].min())


def local(motion: Motion, joint: str) -> np.ndarray:
    return motion.rotations[:, motion.rig.index(joint)].astype(np.float64)


def degrees_of(q: np.ndarray) -> np.ndarray:
    """Rotation vectors in degrees."""
    return np.degrees(rot.to_rotation_vector(q))


def hinge(motion: Motion, joint: str) -> np.ndarray:
    """(T,) degrees a knee or elbow is bent, from the angle of its bones."""
    upper, lower = {"knee": ("hip", "ankle"), "elbow": ("shoulder", "wrist")}[joint.split("_")[1]]
    side = joint.split("_")[0]
    a, b, c = np.moveaxis(motion.positions(f"{side}_{upper}", joint, f"{side}_{lower}").astype(np.float64), 1, 0)
    u, v = b - a, c - b
    cosine = (u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def joint_angles(motion: Motion) -> dict[str, tuple[np.ndarray, float, float]]:
    """Every clinical angle in degrees with its limits: name -> (values (T,), least, most)."""
    angles: dict[str, tuple[np.ndarray, float, float]] = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        angles |= _leg_angles(motion, side, sign)
        angles |= _arm_angles(motion, side, sign)
    spine = rot.IDENTITY
    for name in ("spine1", "spine2", "spine3"):
        spine = rot.multiply(spine, local(motion, name))
    head = rot.multiply(local(motion, "neck"), local(motion, "head"))
    for i, axis in enumerate(("pitch", "turn", "tilt")):
        angles[f"spine {axis}"] = degrees_of(spine)[:, i], -40.0, 40.0
        most = (50.0, 60.0, 40.0)[i]
        angles[f"head {axis}"] = degrees_of(head)[:, i], -most, most
    return angles


def _leg_angles(motion: Motion, side: str, sign: float) -> dict[str, tuple[np.ndarray, float, float]]:
    thigh = rot.rotate(local(motion, f"{side}_hip"), -_Y)
    swing = rot.from_two_vectors(np.broadcast_to(-_Y, thigh.shape), thigh)
    axial = degrees_of(rot.multiply(rot.conjugate(swing), local(motion, f"{side}_hip")))[:, 1]
    knee = degrees_of(local(motion, f"{side}_knee"))
    ankle = degrees_of(local(motion, f"{side}_ankle"))
    toe = degrees_of(local(motion, f"{side}_foot"))
    return {
        f"{side} hip flexion": (np.degrees(np.arctan2(thigh[:, 2], -thigh[:, 1])), -20.0, 125.0),
        f"{side} hip abduction": (np.degrees(np.arcsin(np.clip(sign * thigh[:, 0], -1, 1))), -30.0, 50.0),
        f"{side} hip axial": (axial, -50.0, 50.0),
        f"{side} knee flexion": (knee[:, 0], 0.0, 150.0),
        f"{side} knee off its hinge": (np.abs(knee[:, 1:]).max(axis=1), 0.0, 3.0),
        f"{side} ankle, down positive": (ankle[:, 0], -35.0, 50.0),
        f"{side} ankle aside": (np.abs(ankle[:, 1:]).max(axis=1), 0.0, 35.0),
        f"{side} toes, down positive": (toe[:, 0], -65.0, 15.0),
    }


def _arm_angles(motion: Motion, side: str, sign: float) -> dict[str, tuple[np.ndarray, float, float]]:
    elbow = local(motion, f"{side}_elbow")
    forearm = rot.rotate(elbow, sign * _X) * np.array([sign, 1.0, 1.0])
    twist = np.degrees(rot.to_rotation_vector(rot.twist_about(elbow, _X))[:, 0])
    upper = rot.rotate(rot.multiply(local(motion, f"{side}_collar"), local(motion, f"{side}_shoulder")), sign * _X)
    outward, forward = upper[:, 0] * sign, upper[:, 2]
    shoulder = local(motion, f"{side}_shoulder")
    swing = rot.from_two_vectors(np.broadcast_to(sign * _X, upper.shape), rot.rotate(shoulder, sign * _X))
    axial = degrees_of(rot.multiply(rot.conjugate(swing), shoulder))[:, 0]
    wrist = degrees_of(local(motion, f"{side}_wrist"))
    return {
        f"{side} elbow flexion": (np.degrees(np.arctan2(forearm[:, 2], forearm[:, 0])), -1.0, 150.0),
        f"{side} elbow off its hinge": (np.degrees(np.arcsin(np.abs(forearm[:, 1]))), 0.0, 3.0),
        f"{side} forearm twist": (twist, -90.0, 90.0),
        f"{side} arm behind the back": (np.degrees(np.arcsin(np.clip(-forward, -1, 1))), -90.0, 62.0),
        f"{side} arm across the chest": (np.degrees(np.arcsin(np.clip(-outward, -1, 1))), -90.0, 52.0),
        f"{side} shoulder axial": (axial, -115.0, 115.0),
        f"{side} collar": (np.degrees(rot.angle_between(local(motion, f"{side}_collar"), rot.IDENTITY)), 0.0, 48.0),
        f"{side} wrist bend": (wrist[:, 2], -78.0, 78.0),
        f"{side} wrist aside": (wrist[:, 1], -32.0, 32.0),
    }


def joint_speeds(motion: Motion) -> np.ndarray:
    """(J,) fastest turn of each joint in degrees per second."""
    q = motion.rotations.astype(np.float64)
    if len(motion) < 2:
        return np.zeros(q.shape[1])
    return np.degrees(rot.angle_between(q[:-1], q[1:])).max(axis=0) * float(motion.fps)


def seam(motion: Motion, period_s: float) -> tuple[float, float, float]:
    """How well the middle of a cyclic motion repeats: (degrees, metres, degrees travelled within a period) of the best
    period near `period_s` or twice it (a stride has two steps). Metres compare the root's height and its sway."""
    fps = float(motion.fps)
    q, root = motion.rotations.astype(np.float64), motion.root.astype(np.float64)
    start = len(motion) // 3
    spans = [(int(0.7 * f * period_s * fps), int(1.3 * f * period_s * fps)) for f in (1.0, 2.0)]
    lags = sorted({lag for low, high in spans for lag in range(max(low, 2), high)})
    lags = np.array([lag for lag in lags if start + lag + 2 < 0.8 * len(motion)])
    coarse = rot.angle_between(q[start], q[start + lags]).max(axis=1)
    best = (np.inf, np.inf, 0.0)
    for lag in lags[np.argsort(coarse)[:3]]:
        # A period need not be whole frames: the pose a period later is looked for between two frames.
        for share in np.linspace(-1.0, 1.0, 21):
            frame, rest = int(np.floor(start + lag + share)), share - np.floor(share)
            later = rot.slerp(q[frame], q[frame + 1], np.full(q.shape[1], rest))
            degrees = float(np.degrees(rot.angle_between(q[start], later)).max())
            if degrees < best[0]:
                there = root[frame] * (1 - rest) + root[frame + 1] * rest
                travelled = np.degrees(rot.angle_between(q[start], q[start : start + lag])).max()
                best = (degrees, float(np.abs(there - root[start])[:2].max()), float(travelled))
    return best


def reversals(values: np.ndarray, least: float) -> int:
    """How often `values` turn round after moving by at least `least` (a zigzag count that ignores small noise)."""
    turns, extreme, way = 0, float(values[0]), 0
    for value in values[1:]:
        if way == 0 and abs(value - extreme) >= least:
            way = 1 if value > extreme else -1
            extreme = value
        elif way and (value - extreme) * way > 0:
            extreme = value
        elif way and (extreme - value) * way >= least:
            turns, way, extreme = turns + 1, -way, value
    return turns


def visits(near: np.ndarray) -> int:
    """How many separate runs of True there are."""
    padded = np.concatenate(([False], near.astype(bool)))
    return int((padded[1:] & ~padded[:-1]).sum())


_MASSES = (  # fraction of body mass, from, to, place of the centre between them (Winter 2009, table 4.1)
    (0.081, "head", "head_top", 0.5),
    (0.497, "pelvis", "neck", 0.5),
    *((m, f"{s}_{a}", f"{s}_{b}", r) for s in SIDES for m, a, b, r in (
        (0.028, "shoulder", "elbow", 0.436), (0.022, "elbow", "wrist", 0.68),
        (0.100, "hip", "knee", 0.433), (0.0465, "knee", "ankle", 0.433), (0.0145, "heel", "toe_tip", 0.5),
    )),
)  # fmt: skip


def centre_of_mass(motion: Motion) -> np.ndarray:
    """(T,3) m by segment masses."""
    total = np.zeros((len(motion), 3))
    for mass, a, b, share in _MASSES:
        p = motion.positions(a, b).astype(np.float64)
        total += mass * (p[:, 0] * (1 - share) + p[:, 1] * share)
    return total / sum(mass for mass, *_ in _MASSES)


def outside_support(motion: Motion) -> np.ndarray:
    """(T,) m by which the centre of mass lies outside the polygon of the soles on the floor; below 0 inside."""
    centre = centre_of_mass(motion)[:, [0, 2]]
    names = tuple(f"{s}_{n}" for s in SIDES for n in ("heel", "toe_tip", "foot"))
    points = motion.positions(*names).astype(np.float64)
    down = points[..., 1] < 0.03
    flat = points[..., [0, 2]]
    # The width of a shoe: each point of the sole's middle line stands for four corners 3 cm around it.
    corners = np.array([[0.03, 0.03], [0.03, -0.03], [-0.03, 0.03], [-0.03, -0.03]])
    worst = np.full(len(motion), -np.inf)
    for angle in np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False):
        way = np.array([np.cos(angle), np.sin(angle)])
        reach = (flat[:, :, None, :] + corners) @ way
        edge = np.where(down[:, :, None], reach, -np.inf).max(axis=(1, 2))
        worst = np.maximum(worst, centre @ way - edge)
    return worst


def cpu_ms_per_second(name: str) -> float:
    """Thread time of the fastest of three runs, ms per second of motion."""
    segment = example_segment(name, seconds=4.0, repeats=2)
    best = np.inf
    for _ in range(3):
        start = time.thread_time()
        generate(MotionPlan((segment,)))
        best = min(best, time.thread_time() - start)
    return best * 1e3 / segment.seconds


def changed(motion: Motion, **arrays: np.ndarray) -> Motion:
    """The motion with other arrays."""
    return replace(motion, **arrays)
