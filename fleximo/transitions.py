"""Joins motions end to end: place and heading carried on, the jump in pose inertialised, planted feet held.

Works on any motion whose rig has the default leg names; knows no moves and no plans.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.limbs import leg_rotations, on_elbow_hinge
from fleximo.motion import Motion

__all__ = ["Heading", "inertialise", "join", "moved", "relock_feet"]

Heading = tuple[float, float, float]  # x, z in m and yaw in radians of a stance on the floor

_LEG = ("hip", "knee", "ankle")


def moved(motion: Motion, to: Heading) -> Motion:
    """The motion with its origin carried to the place and heading `to`."""
    x, z, yaw = to
    turn = rot.from_axis_angle([0.0, 1.0, 0.0], yaw)
    rotations = motion.rotations.astype(np.float64)
    rotations[:, 0] = rot.multiply(turn, rotations[:, 0])
    root = rot.rotate(turn, motion.root.astype(np.float64)) + np.array([x, 0.0, z])
    return Motion(rotations, root, motion.fps, motion.contacts, motion.rig)


def chained(first: Heading, then: Heading) -> Heading:
    """The place reached by going to `first` and from there on by `then`."""
    step = rot.rotate(rot.from_axis_angle([0.0, 1.0, 0.0], first[2]), np.array([then[0], 0.0, then[1]]))
    return first[0] + float(step[0]), first[1] + float(step[2]), first[2] + then[2]


def _decay(x0: FloatArray, v0: FloatArray, count: int, seconds: float, fps: float) -> FloatArray:
    """An offset `x0` (...,3) with speed `v0` that dies out within `seconds`: the quintic of inertialisation
    (Bollo, GDC 2018), with rest at the end; (count,...,3)."""
    t = np.minimum(np.arange(1, count + 1) / fps / seconds, 1.0).reshape(-1, *([1] * x0.ndim))
    v = v0 * seconds
    # Speed that leads away from rest is dropped: it would throw the pose further out before it settles.
    v = np.where((x0 * v).sum(axis=-1, keepdims=True) > 0.0, 0.0, v)
    return np.asarray(
        x0 * (1.0 - t**3 * (10.0 - 15.0 * t + 6.0 * t * t)) + v * (t - 6.0 * t**3 + 8.0 * t**4 - 3.0 * t**5)
    )


def inertialise(before: Motion, after: Motion, seconds: float = 0.35) -> Motion:
    """`after` with its first `seconds` bent so that it continues `before` in pose and speed; feet may slide.

    Both must share rig and rate; `after` must already stand where it shall go on.
    """
    fps = float(after.fps)
    count = min(len(after), max(1, round(seconds * fps)))
    last = before.rotations[-1].astype(np.float64)
    previous = before.rotations[-2].astype(np.float64) if len(before) > 1 else last
    q = after.rotations.astype(np.float64)
    second = q[min(1, len(after) - 1)]
    offset = rot.to_rotation_vector(rot.multiply(rot.conjugate(q[0]), last))
    speed_before = rot.to_rotation_vector(rot.multiply(rot.conjugate(previous), last)) * fps
    speed_after = rot.to_rotation_vector(rot.multiply(rot.conjugate(q[0]), second)) * fps
    q[:count] = rot.multiply(
        q[:count], rot.from_rotation_vector(_decay(offset, speed_before - speed_after, count, seconds, fps))
    )
    for side in ("left", "right"):
        elbow = after.rig.index(f"{side}_elbow")
        q[:count, elbow] = on_elbow_hinge(q[:count, elbow], side)
    root = after.root.astype(np.float64)
    gap = before.root[-1] - root[0]
    drift = (before.root[-1] - before.root[-2] if len(before) > 1 else 0.0) - (root[min(1, len(after) - 1)] - root[0])
    root[:count] += _decay(gap, np.asarray(drift) * fps, count, seconds, fps)
    return Motion(rot.continuous(rot.normalise(q)), root, after.fps, after.contacts, after.rig)


def relock_feet(before: Motion, after: Motion, blended: Motion, seconds: float = 0.35) -> Motion:
    """`blended` with its legs solved again so that the feet go where `after` plants them.

    A foot that `before` leaves planted less than 1 cm from where `after` wants it keeps its old place until it is
    lifted; one further off makes a small step during the blend.
    """
    rig, fps = after.rig, float(after.fps)
    count = min(len(after), max(1, round(seconds * fps)))
    q = blended.rotations.astype(np.float64)
    root = blended.root.astype(np.float64)
    contacts = after.contacts.copy()
    joints, world = after.joints(), after.world_rotations()
    last_joints, last_world = before.joints()[-1], before.world_rotations()[-1]
    t = np.clip(np.arange(1, len(after) + 1) / fps / seconds, 0.0, 1.0)
    fade = 1.0 - t**3 * (10.0 - 15.0 * t + 6.0 * t * t)
    for i, side in enumerate(("left", "right")):
        hip, knee, ankle, ball = (rig.index(f"{side}_{name}") for name in (*_LEG, "foot"))
        offset = last_joints[ball] - joints[0, ball]
        turn = rot.to_rotation_vector(rot.multiply(last_world[ankle], rot.conjugate(world[0, ankle])))
        held = fade.copy()
        lift = np.zeros(len(after))
        planted = bool(before.contacts[-1, i] and after.contacts[0, i])
        if planted and np.hypot(offset[0], offset[2]) < 0.01 and np.linalg.norm(turn) < np.radians(4.0):
            stance = int(np.argmin(after.contacts[:, i])) if not after.contacts[:, i].all() else len(after)
            late = np.concatenate((np.ones(stance), fade))[: len(after)]
            held = np.maximum(fade, late)
        elif planted:
            # Left and right take turns, so that one foot carries the body while the other steps.
            begin, stop = (0.0, 0.55) if i == 0 else (0.45, 1.0)
            x = np.clip((t - begin) / (stop - begin), 0.0, 1.0)
            held = 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x * x)
            lift = 0.045 * np.clip(1.0 - (2.0 * x - 1.0) ** 4, 0.0, 1.0)
            contacts[:count, i] &= ~((x > 0.0) & (x < 1.0))[:count]
        foot = rot.multiply(rot.from_rotation_vector(turn * held[:, None]), world[:, ankle])
        target = joints[:, ball] + offset * held[:, None]
        target[:, 1] += lift
        ankles = target - rot.rotate(foot, rig.rest_offsets[ball].astype(np.float64))
        knees = joints[:, knee] - 0.5 * (joints[:, hip] + joints[:, ankle])
        solved = leg_rotations(rig, side, q[:, 0], root, ankles, foot, knees)
        changed = held > 0.0
        for k, joint in enumerate((hip, knee, ankle)):
            q[changed, joint] = solved[changed, k]
    return Motion(rot.continuous(rot.normalise(q)), root, after.fps, contacts, rig)


def join(parts: Sequence[Motion], exits: Sequence[Heading] | None = None, *, seconds: float = 0.35) -> Motion:
    """One motion out of `parts`, each put where the one before it ended.

    `exits`: for each part the place and heading it ends at, in its own frame; None = the pelvis's at its last frame.
    The length is the sum of the lengths. Raises `FleximoError` if there are no parts or rigs or rates differ.
    """
    if not parts:
        raise FleximoError("There is no motion to join; at least one was expected.")
    if any(part.fps != parts[0].fps or part.rig is not parts[0].rig for part in parts):
        raise FleximoError(
            "Motions with different rigs or frame rates cannot be joined.", remedy="Resample them first."
        )
    at: Heading = (0.0, 0.0, 0.0)
    pieces: list[Motion] = []
    for i, part in enumerate(parts):
        placed = moved(part, at)
        if pieces:
            blend = min(seconds, 0.7 * part.seconds)
            placed = relock_feet(pieces[-1], placed, inertialise(pieces[-1], placed, blend), blend)
        pieces.append(placed)
        if exits is not None:
            end = exits[i]
        else:
            x, _, z = (float(v) for v in part.root[-1])
            end = (x, z, float(rot.yaw(part.rotations[-1, 0].astype(np.float64))))
        at = chained(at, end)
    first = pieces[0]
    return Motion(
        rot.continuous(np.concatenate([piece.rotations for piece in pieces])),
        np.concatenate([piece.root for piece in pieces]),
        first.fps,
        np.concatenate([piece.contacts for piece in pieces]),
        first.rig,
    )
