"""How the head follows its points: turn, size and place, and how far the face moves within its outline.

Knows the photo's skeleton and the track; no pictures.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.puppet.bones import angle, rotation, wrap
from fleximo.puppet.rest import RestPose
from fleximo.puppet.target import Target

__all__ = ["face_shift", "head_turn"]


def head_turn(rest: RestPose, target: Target) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(T,2,2) turn and size of the head, and its centre in the photo (2,) and in the frames (T,2)."""
    face = [i for i in (0, 14, 15, 16, 17) if rest.seen[i]] or [0, 14, 15, 16, 17]
    face = [16, 17] if rest.has(16, 17) else face  # the ears turn with the skull, the features move before it
    centre, now = rest.points[face].mean(axis=0), target.points[:, face].mean(axis=1)
    growth = target.growth[:, [16, 17] if rest.has(16, 17) else [1]].mean(axis=1)  # ears: neither chin up nor nose out
    right = [i for i in (14, 16) if rest.seen[i]] or [14, 16]
    left = [i for i in (15, 17) if rest.seen[i]] or [15, 17]
    line = rest.points[left].mean(axis=0) - rest.points[right].mean(axis=0)
    line_now = target.points[:, left].mean(axis=1) - target.points[:, right].mean(axis=1)
    sure = np.clip(np.linalg.norm(line_now, axis=-1) / (np.linalg.norm(line) * growth + 1e-6), 0.0, 1.0) ** 2
    roll = wrap(angle(line_now) - angle(line), np.pi)
    stalk, stalk_now = centre - rest.neck, now - target.points[:, 1]
    lean = wrap(angle(stalk_now) - angle(stalk))
    lean_sure = np.clip(np.linalg.norm(stalk_now, axis=-1) / (np.linalg.norm(stalk) * growth + 1e-6), 0.0, 1.0) ** 2
    lean_sure = np.where(np.abs(lean) > np.pi * 0.5, 0.0, 0.3 * lean_sure)
    turn = (sure * roll + lean_sure * lean) / (sure + lean_sure + 1e-3)
    return rotation(turn) * (growth * _face_size(rest, target, growth))[:, None, None], centre, now


def _face_size(rest: RestPose, target: Target, growth: FloatArray) -> FloatArray:
    """(T,) how much larger the face's points lie than depth says; little, since a turned face only looks narrow."""
    face = [i for i in (0, 14, 15, 16, 17) if rest.seen[i]]
    if len(face) < 3:
        return np.ones(len(growth))
    own = rest.points[face] - rest.points[face].mean(axis=0)
    now = target.points[:, face] - target.points[:, face].mean(axis=1, keepdims=True)
    spread = np.sqrt((now**2).sum(axis=(1, 2)) / max(float((own**2).sum()), 1e-6))
    return np.asarray(np.clip(spread / growth, 0.95, 1.06))


def face_shift(
    rest: RestPose, target: Target, head: FloatArray, centre: FloatArray, now: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The bulge (T,5) by which the face moves against the head's outline when it turns or nods, and the rest of it.

    What a bulge cannot show without tearing the face is returned as a move of the whole head (T,2).
    """
    face = [i for i in (0, 14, 15, 16, 17) if rest.seen[i]] or [0, 14, 15, 16, 17]
    middle = rest.points[face].mean(axis=0)
    radius = max(float(np.linalg.norm(centre - rest.neck)) * 0.55, 2.0)
    if not rest.has(16, 17):
        return np.tile([*middle, 0.0, 0.0, radius], (len(now), 1)), np.zeros((len(now), 2))
    radius = max(radius, 1.6 * float(np.linalg.norm(rest.points[17] - rest.points[16])) / 2.0)
    seen = np.einsum("tij,tj->ti", np.linalg.inv(head), target.points[:, face].mean(axis=1) - now)
    wanted = seen - (middle - centre)
    length = np.linalg.norm(wanted, axis=-1, keepdims=True)
    shift = wanted * np.minimum(1.0, 0.15 * radius / np.maximum(length, 1e-6))
    bulge = np.concatenate([middle + shift, shift, np.full((len(now), 1), radius)], axis=-1)
    return bulge, np.einsum("tij,tj->ti", head, wanted - shift)
