"""Joint positions that tremble -> positions that move as smoothly as the body did, on bones that keep their length.

Owns how large the trembling is and what may be taken for it. Knows no rotations and no contacts. Positions without
trembling come out as they went in.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG, Rig

__all__ = ["jitter_m", "on_bones", "steadied"]

_LEAST_JITTER_M = 0.0005  # below it nobody sees any
# Weights of a parabola fitted to 7 frames, at its middle (Savitzky & Golay 1964).
_PARABOLA = np.array([-2.0, 3.0, 6.0, 7.0, 6.0, 3.0, -2.0]) / 21.0
_REACH = len(_PARABOLA) // 2
_ROUNDS = 6
_EXACT_M = 1e-4  # bones that are off by less are left alone


def jitter_m(places: FloatArray, parents: FloatArray | None = None) -> float:
    """The standard deviation in m of each coordinate's error that changes from frame to frame, of `places` (T,22,3).

    Bones do not change their length, so what their lengths do from frame to frame is error; the median bone counts.
    """
    if len(places) < 3:
        return 0.0
    above = DEFAULT_RIG.parents[1 : places.shape[1]]
    lengths = np.linalg.norm(places[:, 1:] - places[:, above], axis=-1)
    bend = lengths[2:] - 2.0 * lengths[1:-1] + lengths[:-2]
    # Two ends of equal error make a length's; the second difference has 6 times its variance.
    return float(np.median(np.sqrt(np.square(bend).mean(axis=0) / 12.0)))


def steadied(places: FloatArray, jitter: float) -> FloatArray:
    """`places` (T,22,3) m with errors of `jitter` m smoothed away where the motion itself is smoother than they are.

    Each joint is drawn to a parabola through the 7 frames around, as far as the distance from it can be `jitter`: the
    weight that leaves the least error where error and motion are independent (Wiener 1949).
    """
    if jitter < _LEAST_JITTER_M or len(places) < 2:
        return places
    smooth = _filtered(places, _PARABOLA)
    off = np.square(smooth - places).sum(axis=-1, keepdims=True)
    around = _filtered(off, np.full(len(_PARABOLA), 1.0 / len(_PARABOLA)))
    expected = 3.0 * jitter**2 * (1.0 - _PARABOLA[_REACH])
    return np.asarray(places + np.minimum(1.0, expected / np.maximum(around, 1e-12)) * (smooth - places))


def on_bones(places: FloatArray, rig: Rig) -> FloatArray:
    """`places` (T,22,3) m, moved as little as it takes to give every bone the length it has in `rig`.

    Joints that stand fast on one joint (hips on the pelvis, neck and collars on the chest) keep their distances too.
    """
    points = np.array(np.swapaxes(places, 0, 1), order="C")
    bars = _bars(rig)
    if max(np.abs(np.linalg.norm(points[b] - points[a], axis=-1) - length).max() for a, b, length in bars) < _EXACT_M:
        return places
    for _ in range(_ROUNDS):
        for a, b, length in bars:
            span = points[b] - points[a]
            share = 0.5 - 0.5 * length / np.maximum(np.sqrt(np.einsum("ti,ti->t", span, span)), 1e-9)
            span *= share[:, None]
            points[a] += span
            points[b] -= span
    return np.swapaxes(points, 0, 1)


def _bars(rig: Rig) -> list[tuple[int, int, float]]:
    """(joint, joint, m): the bones of the body, and what the joints that branch hold fast."""
    pairs = [(int(rig.parents[rig.index(name)]), rig.index(name)) for name in BODY_JOINTS[1:]]
    for held in (("left_hip", "right_hip", "spine1"), ("neck", "left_collar", "right_collar")):
        pairs += [(rig.index(a), rig.index(b)) for a, b in combinations(held, 2)]
    joints = rig.rest_joints
    return [(a, b, float(np.linalg.norm(joints[b] - joints[a]))) for a, b in pairs]


def _filtered(values: FloatArray, kernel: FloatArray) -> FloatArray:
    """`values` (T,...) folded with `kernel` over time, continued beyond both ends by their point reflection."""
    frames = len(values)
    padded = np.pad(values, [(_REACH, _REACH)] + [(0, 0)] * (values.ndim - 1), mode="reflect", reflect_type="odd")
    total = np.zeros(values.shape)
    for k, weight in enumerate(kernel):
        total += weight * padded[k : k + frames]
    return total
