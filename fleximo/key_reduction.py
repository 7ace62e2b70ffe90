"""Few keys for a dense motion: cubic curves through some of its frames that stay near to all of them.

Owns where keys are needed and how steep the curve is in them. Knows no Blender; a cubic between two keys is the Bezier
whose handles lie a third of the way along the slopes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo import kinematics
from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.motion import Motion

__all__ = ["Keys", "ReducedKeys", "reduce_keys"]

IntArray = npt.NDArray[np.integer[Any]]
_MOST_ROUNDS = 12  # of tightening where joints that hang on each other add up their errors
_TIGHTER = 0.6
_MARGIN = 0.97  # of what is allowed: what reads the keys has 32 bits
_ROOT_SHARE = 0.5  # of the positions' tolerance that the root alone may take


@dataclass(frozen=True)
class Keys:
    """Keys of one joint or of the root, the same frames for all its N components."""

    frames: IntArray  # (K,) from 0 on, rising
    values: FloatArray  # (K,N)
    slopes: FloatArray  # (K,N) per frame

    def sample(self, count: int) -> FloatArray:
        """The curve at the frames 0..count-1, (count,N)."""
        return _sample(self.frames, self.values, self.slopes, count)


@dataclass(frozen=True)
class ReducedKeys:
    """A motion by few keys."""

    joints: tuple[Keys, ...]  # (J,) local rotations wxyz; to be normalised after interpolation
    root: Keys  # m
    frames: int
    angle_error_rad: float  # the largest, over all joints and frames
    position_error_m: float

    @property
    def count(self) -> int:
        """How many keys there are, a rotation or a place counted as one."""
        return sum(len(keys.frames) for keys in (*self.joints, self.root))


def reduce_keys(
    motion: Motion,
    *,
    angle_rad: float = float(np.radians(1.0)),
    distance_m: float = 0.005,
    progress: Callable[[float, str], None] | None = None,
) -> ReducedKeys:
    """Keys whose curves stay within `angle_rad` of every joint's own rotation and `distance_m` of every joint's place.

    Raises `FleximoError` for tolerances that are not above 0.

    >>> from fleximo.moves import generate
    >>> from fleximo.plan import MotionPlan, Segment
    >>> wave = generate(MotionPlan((Segment("wave", 2.0),)))
    >>> reduced = reduce_keys(wave)
    >>> reduced.count < 0.2 * 53 * len(wave), reduced.position_error_m < 0.005
    (True, True)
    """
    if not (angle_rad > 0.0 and distance_m > 0.0):
        raise FleximoError(f"Tolerances above 0 were expected; {angle_rad:g} rad and {distance_m:g} m were given.")
    rig, count = motion.rig, len(motion)
    rotations = rot.continuous(motion.rotations.astype(np.float64))
    root, places = motion.root.astype(np.float64), motion.joints()
    joints = len(rig.joint_names)
    allowed = np.full(joints, _MARGIN * angle_rad)
    allowed_root = _ROOT_SHARE * distance_m
    fitted: list[Keys | None] = [None] * joints
    root_keys: Keys | None = None
    for attempt in range(_MOST_ROUNDS):
        for joint in range(joints):
            if fitted[joint] is None:
                fitted[joint] = _fit(rotations[:, joint], allowed[joint], _angles)
            if progress is not None:
                progress((attempt + joint / joints) / _MOST_ROUNDS, "Fitting keys")
        if root_keys is None:
            root_keys = _fit(root, allowed_root, _distances)
        keys = [each for each in fitted if each is not None]
        turned = np.stack([rot.normalise(each.sample(count)) for each in keys], axis=1)
        found = kinematics.forward(rig, turned, root_keys.sample(count))[1]
        off = np.linalg.norm(found - places, axis=-1)
        far = np.flatnonzero(off.max(axis=0) > _MARGIN * distance_m)
        if not len(far):
            angle = float(rot.angle_between(turned, rotations).max())
            return ReducedKeys(tuple(keys), root_keys, count, angle, float(off.max()))
        for joint in _above(rig.parents, far.tolist()):
            allowed[joint] *= _TIGHTER
            fitted[joint] = None
        if far[0] == 0:
            allowed_root, root_keys = _TIGHTER * allowed_root, None
    dense = tuple(_every_frame(rotations[:, joint]) for joint in range(joints))
    return ReducedKeys(dense, _every_frame(root), count, 0.0, 0.0)


def _above(parents: IntArray, joints: list[int]) -> list[int]:
    """The joints whose rotations move one of `joints`."""
    found = set()
    for joint in joints:
        while (joint := int(parents[joint])) >= 0:
            found.add(joint)
    return sorted(found)


def _angles(a: FloatArray, b: FloatArray) -> FloatArray:
    return rot.angle_between(rot.normalise(a), b)


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(a - b, axis=-1))


def _every_frame(values: FloatArray) -> Keys:
    slopes = np.gradient(values, axis=0) if len(values) > 1 else np.zeros_like(values)
    return Keys(np.arange(len(values)), values, slopes)


def _fit(values: FloatArray, allowed: float, error: Callable[[FloatArray, FloatArray], FloatArray]) -> Keys:
    """Keys through `values` (T,N): a key is added where each piece is furthest off, until none is off by more."""
    count = len(values)
    frames = np.array(sorted({0, count - 1}))
    while True:
        slopes = _slopes(frames, values)
        off = error(_sample(frames, values[frames], slopes, count), values)
        off[frames] = 0.0  # keys lie on their frames
        if off.max() <= allowed:
            return Keys(frames, values[frames], slopes)
        piece = np.searchsorted(frames, np.arange(count), side="right") - 1
        order = np.lexsort((off, piece))
        last = np.flatnonzero(np.diff(piece[order], append=len(frames)))  # the worst frame of each piece
        worst = order[last]
        frames = np.union1d(frames, worst[off[worst] > allowed])


def _basis(frames: IntArray, count: int) -> tuple[IntArray, FloatArray]:
    """For each frame the piece it is in, and the four cubic Hermite weights (T,4): two values, two slopes."""
    if len(frames) == 1:
        return np.zeros(count, dtype=np.int64), np.tile([1.0, 0.0, 0.0, 0.0], (count, 1))
    piece = np.clip(np.searchsorted(frames, np.arange(count), side="right") - 1, 0, len(frames) - 2)
    length = np.diff(frames)[piece].astype(np.float64)
    t = (np.arange(count) - frames[piece]) / length
    weights = (
        (1.0 + 2.0 * t) * (1.0 - t) ** 2,
        t * t * (3.0 - 2.0 * t),
        length * t * (1.0 - t) ** 2,
        length * t * t * (t - 1.0),
    )
    return piece, np.stack(weights, axis=1)


def _sample(frames: IntArray, values: FloatArray, slopes: FloatArray, count: int) -> FloatArray:
    piece, weights = _basis(frames, count)
    after = np.minimum(piece + 1, len(frames) - 1)
    parts = (values[piece], values[after], slopes[piece], slopes[after])
    return np.asarray(sum(weights[:, n, None] * part for n, part in enumerate(parts)))


def _slopes(frames: IntArray, values: FloatArray) -> FloatArray:
    """The slopes (K,N) in the keys with which the curve is nearest to `values` (T,N): least squares, tridiagonal."""
    number, count = len(frames), len(values)
    if number == 1:
        return np.zeros((1, values.shape[1]))
    piece, weights = _basis(frames, count)
    rest: FloatArray = values - weights[:, :1] * values[frames[piece]] - weights[:, 1:2] * values[frames[piece + 1]]
    left, right = weights[:, 2], weights[:, 3]
    main = np.asarray(np.bincount(piece, left * left, number), dtype=np.float64)
    main = main + np.bincount(piece + 1, right * right, number)
    beside = np.bincount(piece, left * right, number)
    wanted: FloatArray = np.stack(
        [
            np.bincount(piece, left * column, number) + np.bincount(piece + 1, right * column, number)
            for column in rest.T
        ],
        axis=1,
    )
    # Pieces of one frame tell no slope: it is drawn towards the one seen from frame to frame.
    seen, pull = np.gradient(values, axis=0)[frames], 1e-3
    main, wanted = main + pull, wanted + pull * seen
    for k in range(1, number):  # Thomas' elimination
        factor = beside[k - 1] / main[k - 1]
        main[k] -= factor * beside[k - 1]
        wanted[k] -= factor * wanted[k - 1]
    slopes: FloatArray = np.empty_like(wanted)
    slopes[-1] = wanted[-1] / main[-1]
    for k in range(number - 2, -1, -1):
        slopes[k] = (wanted[k] - beside[k] * slopes[k + 1]) / main[k]
    return slopes
