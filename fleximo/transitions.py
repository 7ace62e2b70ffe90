"""Joins motions end to end: place and heading carried on, the jump in pose inertialised, planted feet held.

Works on any motion whose rig has the default leg names; knows no moves and no plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.easing import minimum_jerk
from fleximo.errors import FleximoError
from fleximo.limbs import LEG, into_reach, leg_rotations, on_elbow_hinge
from fleximo.motion import Motion
from fleximo.rig import SIDES

__all__ = [
    "Heading", "chained", "continued", "inertialise", "inverse", "join", "moved", "pelvis_place", "relock_feet",
]  # fmt: skip

Heading = tuple[float, float, float]  # x, z in m and yaw in radians of a stance on the floor

_HAIR_M, _HAIR_RAD = 0.01, np.radians(4.0)  # less than this a planted foot does not correct
_STEP_M = 0.045
_ON_HINGE_RAD = np.radians(2.0)


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


def inertialise(before: Motion, after: Motion, seconds: float = 0.4) -> Motion:
    """`after` with its first `seconds` bent so that it continues `before` in pose and speed; feet may slide.

    Both must share rig and rate; `after` must already stand where it shall go on.
    """
    fps = float(after.fps)
    count = min(len(after), max(1, round(seconds * fps)))
    last = before.rotations[-1].astype(np.float64)
    previous = before.rotations[-2].astype(np.float64) if len(before) > 1 else last
    q = after.rotations.astype(np.float64)
    step_before = rot.multiply(rot.conjugate(previous), last)
    step_after = rot.multiply(rot.conjugate(q[0]), q[min(1, len(after) - 1)])
    # Where `after` would have been at the last frame of `before`, had it gone on like that.
    earlier = rot.multiply(q[0], rot.conjugate(step_after))
    offset = rot.multiply(rot.conjugate(earlier), last)
    speed_after = rot.rotate(rot.conjugate(offset), rot.to_rotation_vector(step_after)) * fps
    speed = rot.to_rotation_vector(step_before) * fps - speed_after
    bend = rot.from_rotation_vector(_decay(rot.to_rotation_vector(offset), speed, count, seconds, fps))
    q[:count] = rot.multiply(q[:count], bend)
    for side in SIDES:
        elbow = after.rig.index(f"{side}_elbow")
        given = np.concatenate((last[None, elbow], after.rotations[:count, elbow].astype(np.float64)))
        # Elbows that were off the hinge before (solved from positions that bend them backwards) would jump onto it.
        if rot.angle_between(given, on_elbow_hinge(given, side)).max() < _ON_HINGE_RAD:
            q[:count, elbow] = on_elbow_hinge(q[:count, elbow], side)
    root = after.root.astype(np.float64)
    step = root[min(1, len(after) - 1)] - root[0]
    gap = before.root[-1] - (root[0] - step)
    drift = (before.root[-1] - before.root[-2] if len(before) > 1 else 0.0) - step
    root[:count] += _decay(gap, np.asarray(drift) * fps, count, seconds, fps)
    return Motion(rot.continuous(rot.normalise(q)), root, after.fps, after.contacts, after.rig)


def _eased(x: FloatArray) -> FloatArray:
    """1 to 0 by minimum jerk as `x` goes from 0 to 1."""
    return np.asarray(1.0 - minimum_jerk(x))


def _steps(before: Motion, after: Motion, t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, BoolArray]:
    """Toe joints (T,2,3), foot rotations (T,2,4), how much of the old place is left (T,2), and contacts of both feet.

    `t` (T,) runs from 0 to 1 over the blend and stays there.
    """
    rig = after.rig
    contacts = after.contacts.copy()
    joints, world = after.joints(), after.world_rotations()
    balls, feet, held = (np.empty((len(after), 2, n)) for n in (3, 4, 1))
    for i, side in enumerate(SIDES):
        ankle, ball = rig.index(f"{side}_ankle"), rig.index(f"{side}_foot")
        offset = before.joints()[-1, ball] - joints[0, ball]
        turn = rot.to_rotation_vector(rot.multiply(before.world_rotations()[-1, ankle], rot.conjugate(world[0, ankle])))
        share, lift = _eased(t), np.zeros(len(after))
        planted = bool(before.contacts[-1, i] and after.contacts[0, i])
        if planted and np.hypot(offset[0], offset[2]) < _HAIR_M and np.linalg.norm(turn) < _HAIR_RAD:
            stance = len(after) if after.contacts[:, i].all() else int(np.argmin(after.contacts[:, i]))
            share = np.concatenate((np.ones(stance), share))[: len(after)]
        elif planted:
            # Left and right take turns, so that one foot carries the body while the other steps.
            begin, stop = ((0.0, 0.5), (0.5, 1.0))[i]
            x = (t - begin) / (stop - begin)
            share = _eased(x)
            up = np.clip(x, 0.0, 1.0)
            lift = _STEP_M * (4.0 * up * (1.0 - up)) ** 2  # at rest at both ends: a seam shall not jerk
            contacts[:, i] &= (x <= 0.0) | (x >= 1.0)
        balls[:, i] = joints[:, ball] + offset * share[:, None]
        balls[:, i, 1] += lift
        feet[:, i] = rot.multiply(rot.from_rotation_vector(turn * share[:, None]), world[:, ankle])
        held[:, i, 0] = share
    return balls, feet, held[..., 0], contacts


def relock_feet(before: Motion, after: Motion, blended: Motion, seconds: float = 0.4) -> Motion:
    """`blended` with its legs solved again so that the feet go where `after` plants them.

    A foot that `before` leaves planted less than 1 cm from where `after` wants it keeps its old place until it is
    lifted; one further off makes a small step during the blend, the left one first.
    """
    rig, fps = after.rig, float(after.fps)
    t = np.clip(np.arange(1, len(after) + 1) / fps / seconds, 0.0, 1.0)
    balls, feet, held, contacts = _steps(before, after, t)
    q = blended.rotations.astype(np.float64)
    offsets = np.stack([rig.rest_offsets[rig.index(f"{side}_foot")] for side in SIDES]).astype(np.float64)
    ankles = balls - rot.rotate(feet, offsets)
    root = into_reach(rig, q[:, 0], blended.root.astype(np.float64), ankles, contacts & (held > 0.0))
    changed = (held > 0.0).any(axis=1) | (root != blended.root).any(axis=1)
    joints = after.joints()
    for i, side in enumerate(SIDES):
        hip, knee, ankle = (rig.index(f"{side}_{name}") for name in LEG)
        bent, bent_before = (at[:, knee] - 0.5 * (at[:, hip] + at[:, ankle]) for at in (joints, before.joints()[-1:]))
        bent = bent + (bent_before - bent) * _eased(t)[:, None]  # the knee's way from where it pointed
        solved = leg_rotations(rig, side, q[:, 0], root, ankles[:, i], feet[:, i], bent)
        for k, joint in enumerate((hip, knee, ankle)):
            q[changed, joint] = solved[changed, k]
        toes = rig.index(f"{side}_foot")
        q[changed, toes] = after.rotations[changed, toes]  # flat on the floor where the foot is where it shall be
    return Motion(rot.continuous(rot.normalise(q)), root, after.fps, contacts, rig)


def continued(before: Motion, after: Motion, seconds: float = 0.4) -> Motion:
    """`after`, standing where it shall go on, with its beginning bent to continue `before`, its feet replanted.

    Its last two frames stay as they are, bit by bit (in parts of four frames and more): so what is joined to its end
    does not depend on what came before it.
    """
    blend = min(seconds, 0.7 * after.seconds)
    bent = relock_feet(before, after, inertialise(before, after, blend), blend)
    return _with_own_end(bent, after, round(blend * float(after.fps)))


def _with_own_end(bent: Motion, own: Motion, start: int) -> Motion:
    """`bent`, led back to `own` from frame `start` on where it does not end in it (a foot held in its old place)."""
    count, end = len(own), slice(-2, None)
    if count < 4:  # too short to be led anywhere: going on smoothly comes first
        return bent
    ends_alike = np.array_equal(bent.root[end], own.root[end]) and np.array_equal(bent.contacts[end], own.contacts[end])
    rotations, root, contacts = bent.rotations.astype(np.float64), bent.root.astype(np.float64), bent.contacts.copy()
    if not ends_alike or rot.angle_between(rotations[end], own.rotations[end]).max() > 0.0:
        rest = slice(min(start, count - 1), count)
        share = 1.0 - _eased(np.arange(1, count - rest.start + 1) / max(1, count - rest.start - 2))
        rotations[rest] = rot.slerp(rotations[rest], own.rotations[rest], share[:, None])
        root[rest] += (own.root[rest] - root[rest]) * share[:, None]
        contacts[rest] = own.contacts[rest]
    rotations[end], root[end], contacts[end] = own.rotations[end], own.root[end], own.contacts[end]
    return Motion(rotations, root, own.fps, contacts, own.rig)


def inverse(place: Heading) -> Heading:
    """The way back: `chained(place, inverse(place))` is the origin."""
    x, _, z = rot.rotate(rot.from_axis_angle([0.0, 1.0, 0.0], -place[2]), np.array([-place[0], 0.0, -place[1]]))
    return float(x), float(z), -place[2]


def _signed(rotations: FloatArray) -> FloatArray:
    """The rotations (T,J,4) of a part with neighbouring frames in one hemisphere and w >= 0 in its last frame."""
    q = rot.continuous(rotations)
    return np.asarray(q * np.where(q[-1, :, :1] < 0.0, -1.0, 1.0))


def join(
    parts: Sequence[Motion],
    exits: Sequence[Heading] | None = None,
    *,
    seconds: float = 0.4,
    continuing: Sequence[bool] | None = None,
) -> Motion:
    """One motion out of `parts`, each put where the one before it ended.

    `exits`: for each part the place and heading it ends at, in its own frame; None = the pelvis's at its last frame.
    `continuing`: for each seam whether its parts meet in pose already, so that the later one is only placed; None =
    nowhere. The length is the sum of the lengths. Raises `FleximoError` if there are no parts or rigs or rates differ.

    Each part is bent in its own frame of reference and from the last frames of the one before it only: a part that is
    exchanged changes no pose further on than in the next part, and no place if it ends where the old one did.
    """
    if not parts:
        raise FleximoError("There is no motion to join; at least one was expected.")
    first = parts[0]
    if any(part.fps != first.fps or part.rig is not first.rig for part in parts):
        raise FleximoError(
            "Motions with different rigs or frame rates cannot be joined.", remedy="Resample them first."
        )
    at: Heading = (0.0, 0.0, 0.0)
    rotations, roots, contacts = [], [], []
    before: Motion | None = None
    for i, part in enumerate(parts):
        piece = part
        if before is not None and not (continuing is not None and continuing[i - 1]):
            piece = continued(before, part, seconds)
        end = pelvis_place(part) if exits is None else exits[i]
        before = moved(piece[-2:], inverse(end))
        placed = moved(replace(piece, rotations=_signed(piece.rotations)), at)
        rotations.append(placed.rotations)
        roots.append(placed.root)
        contacts.append(placed.contacts)
        at = chained(at, end)
    turned = np.concatenate(rotations)
    turned[:, 0] = rot.continuous(turned[:, 0])
    return Motion(turned, np.concatenate(roots), first.fps, np.concatenate(contacts), first.rig)


def pelvis_place(part: Motion) -> Heading:
    """Where on the floor the pelvis is in the last frame, and its heading."""
    x, _, z = (float(value) for value in part.root[-1])
    return x, z, float(rot.yaw(part.rotations[-1, 0].astype(np.float64)))
