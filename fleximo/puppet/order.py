"""Which piece lies in front of which, frame by frame: by depth, with hysteresis over the whole track.

Knows depths, no pictures.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.puppet.rest import ARMS, LEGS, SIDES
from fleximo.puppet.target import Target

__all__ = ["drawing_order", "latched"]


def latched(values: FloatArray, margin: float, start: bool = False) -> BoolArray:
    """(T,) True once `values` rise above `margin`, False once they fall below -`margin`, unchanged between.

    >>> latched(np.array([0.0, 2.0, 0.5, -0.5, -2.0, 0.5]), 1.0)
    array([False,  True,  True,  True, False, False])
    """
    state, states = start, np.zeros(len(values), dtype=bool)
    for i, value in enumerate(values):
        state = bool(value > margin) or (state and bool(value >= -margin))
        states[i] = state
    return states


def drawing_order(target: Target, uprightness: FloatArray) -> list[tuple[str, ...]]:
    """Per frame the pieces' names from back to front; `uprightness` (T,) 0..1 tells lifted from hanging heads."""
    depth = target.depths_m
    keys: dict[str, FloatArray] = {}
    frames = len(depth)
    keys["pelvis"] = np.full(frames, 10.0)
    keys["chest"] = np.full(frames, 30.0)
    upright = latched(uprightness - 0.5, 0.03, start=True)
    keys["head"] = np.where(upright, 40.0, np.inf)
    keys["hanging_head"] = np.where(upright, np.inf, 40.0)
    _legs(keys, target)
    _arms(keys, target)
    names = sorted(keys)
    table = np.stack([keys[name] for name in names], axis=1)
    return [tuple(names[i] for i in np.argsort(row, kind="stable") if np.isfinite(row[i])) for row in table]


def _difference(target: Target, far: tuple[int, ...], near: tuple[int, ...]) -> FloatArray:
    """(T,) m by which the points `near` are nearer to the camera than `far`; 0 where a depth is unknown."""
    depth = target.depths_m
    known = (depth[:, list(far + near)] > 0).all(axis=1)
    return np.where(known, depth[:, list(far)].mean(axis=1) - depth[:, list(near)].mean(axis=1), 0.0)


def _legs(keys: dict[str, FloatArray], target: Target) -> None:
    left_nearer = latched(_difference(target, LEGS["right"][1:], LEGS["left"][1:]), 0.03)
    for side in SIDES:
        hip, knee, ankle = LEGS[side]
        nearer = left_nearer if side == "left" else ~left_nearer
        height = target.points[:, knee, 1] - target.points[:, hip, 1]
        thigh = np.linalg.norm(target.points[:, 1] - (target.points[:, 8] + target.points[:, 11]) / 2, axis=-1)
        raised = 0.35 - height / np.maximum(thigh, 1.0)
        front = latched(np.minimum(_difference(target, (hip,), (knee,)) - 0.2, raised), 0.03)
        shin_behind = latched(_difference(target, (ankle,), (knee,)) - 0.15, 0.04)
        base = np.where(front, 34.0, 20.0) + np.where(nearer, 2.0, 0.0)
        keys[f"{side}_thigh"] = base + np.where(shin_behind, 0.5, 0.0)
        keys[f"{side}_foot"] = base + np.where(shin_behind, 0.1, 0.6)
        keys[f"{side}_shin"] = base + np.where(shin_behind, 0.2, 0.7)


def _arms(keys: dict[str, FloatArray], target: Target) -> None:
    left_nearer = latched(_difference(target, ARMS["right"][1:], ARMS["left"][1:]), 0.03)
    for side in SIDES:
        shoulder, elbow, wrist = ARMS[side]
        nearer = left_nearer if side == "left" else ~left_nearer
        behind = latched(-_difference(target, (1, 8, 11), (elbow, wrist)) - 0.16, 0.03)
        past_head = latched(-_difference(target, (0,), (elbow, wrist)) - 0.2, 0.03)
        folded_back = latched(-_difference(target, (shoulder,), (wrist,)) - 0.1, 0.04)
        towards = latched(_difference(target, (elbow,), (wrist,)) - 0.14, 0.03)
        base = np.where(behind, 0.0, np.where(past_head, 37.0, 50.0)) + np.where(nearer, 2.0, 0.0)
        keys[f"{side}_upper_arm"] = base + np.where(folded_back, 0.5, 0.0)
        keys[f"{side}_forearm"] = base + np.where(folded_back, 0.3, 0.6)
        keys[f"{side}_hand"] = keys[f"{side}_forearm"] + np.where(towards, 0.05, -0.05)
