"""How far an arm or a leg is turned about itself, told from the plane in which it bends.

Owns what happens where a limb is too straight to tell. Knows limbs as directions over time, no joints by name.
"""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray, IntArray

__all__ = ["bend_twist"]

_BENT = 0.12  # sine of the bend (7 degrees) from which on its plane counts
_LEAST_JITTER_M = 0.001  # errors that bones of constant length do not show
_SURE_RAD = np.radians(6.0)  # a plane that is less sure than this is drawn to those of its neighbours
_STEP_RAD = np.radians(28.0)  # more than this in one frame is a jump to the eye
_FREE_RAD = np.radians(1.0)  # by which a jump is shortened where the plane is sure: 4 mm at a wrist
_ROUNDS = 30
_PASSAGE_FRAMES = 8  # the longest passage through straight in which the side of the bend is compared
_SMOOTH_FRAMES = 3.0  # standard deviation of how far neighbours reach


def bend_twist(along: FloatArray, lower: FloatArray, hinge_axis: FloatArray, jitter: float) -> FloatArray:
    """Angles in radians (T,N) about `along` (T,N,3) that bring `hinge_axis` (T,N,3) onto the normal of the bend.

    `along`: direction of the upper bone of N limbs; `hinge_axis`: unit, across it; `lower` (T,N,3) m: the lower bone;
    `jitter`: standard deviation in m of its ends. Frames in which a limb is straight take the turn between those of
    their bent neighbours, so that the twist does not jump; a limb that is never bent keeps 0.
    """
    length = np.linalg.norm(lower, axis=-1)
    normal = rot.cross(along, lower / np.maximum(length, 1e-9)[..., None])
    bend = np.linalg.norm(normal, axis=-1)
    sine = (rot.cross(hinge_axis, normal) * along).sum(axis=-1)
    cosine = (hinge_axis * normal).sum(axis=-1)  # the normal stands on `along` already
    seen = np.arctan2(sine, cosine)
    # How sure the plane of the bend is: its spread in radians against what needs no help from neighbours.
    spread = max(jitter, _LEAST_JITTER_M) / np.maximum(length * bend, 1e-6)
    sure = 1.0 / (1.0 + np.square(spread / _SURE_RAD))
    carried = _carried(along, hinge_axis)
    frames = np.arange(len(seen))
    angles = carried.copy()
    for limb in range(angles.shape[1]):
        bent = np.flatnonzero(bend[:, limb] > _BENT)
        if bent.size:
            known = _one_sided(seen[bent, limb] + carried[bent, limb], bend[bent, limb], bent)
            angles[:, limb] = np.interp(frames, bent, known)
            sure[:, limb] = np.interp(frames, bent, sure[bent, limb])
            angles[:, limb] = _steadied(angles[:, limb], sure[:, limb])
    return _without_jumps(angles, _FREE_RAD + 1.5 * spread) - carried


def _carried(along: FloatArray, hinge_axis: FloatArray) -> FloatArray:
    """(T,N) radians by which `hinge_axis` has turned about `along` since the first frame by itself.

    It turns fast where a limb points away from its rest direction. What is interpolated must be free of that.
    """
    moved = rot.rotate(rot.from_two_vectors(along[:-1], along[1:]), hinge_axis[:-1])
    sine = (rot.cross(moved, hinge_axis[1:]) * along[1:]).sum(axis=-1)
    step = np.arctan2(sine, (moved * hinge_axis[1:]).sum(axis=-1))
    return np.concatenate((np.zeros((1, along.shape[1])), np.cumsum(step, axis=0)))


def _one_sided(angles: FloatArray, bend: FloatArray, frames: IntArray) -> FloatArray:
    """`angles` (N,) of the bent `frames`, unwrapped, with those of an overstretched limb turned by pi.

    A limb that passes through straight and comes out on the other side was overstretched; it cannot have turned by
    half in that time. Of the sides of one such passage, the longer and stronger bend is the natural one.
    """
    gap = np.diff(frames)
    step = np.abs(np.angle(np.exp(1j * np.diff(angles))))
    passed = (gap > 1) & (gap <= _PASSAGE_FRAMES) & (step > np.pi / 2.0)
    side = np.cumprod(np.concatenate(([1.0], np.where(passed, -1.0, 1.0))))
    group = np.cumsum(np.concatenate(([0], gap > _PASSAGE_FRAMES)))
    natural = np.where(np.bincount(group, weights=side * bend) < 0.0, -1.0, 1.0)[group]
    return np.unwrap(np.where(side * natural < 0.0, angles + np.pi, angles))


def _steadied(angles: FloatArray, sure: FloatArray) -> FloatArray:
    """`angles` (T,), drawn to the surer ones around where they themselves are not `sure` (T,), 0..1."""
    reach = int(3 * _SMOOTH_FRAMES)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTH_FRAMES) ** 2)
    padded, weight = np.pad(angles * sure, reach, mode="edge"), np.pad(sure, reach, mode="edge")
    around = np.convolve(padded, kernel, mode="valid") / np.convolve(weight, kernel, mode="valid")
    return np.asarray(around + sure * (angles - around))


def _without_jumps(angles: FloatArray, room: FloatArray) -> FloatArray:
    """`angles` (T,N) whose steps are no longer than `_STEP_RAD` as far as moves by up to `room` (T,N) can do it."""
    least, most = angles - room, angles + room
    for _ in range(_ROUNDS):
        step = np.diff(angles, axis=0)
        excess = 0.5 * (step - np.clip(step, -_STEP_RAD, _STEP_RAD))
        if not excess.any():
            break
        angles = angles.copy()
        angles[:-1] += excess
        angles[1:] -= excess
        angles = np.clip(angles, least, most)
    return angles
