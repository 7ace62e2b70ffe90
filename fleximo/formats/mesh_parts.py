"""The rigid parts of a moving body's surface: hands, forearms, ..., trunk, each with its motion.

Owns where limbs are cut: along each limb, at the places for which stiff pieces explain the motion best. Knows neither
sides nor joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo.arrays import BoolArray, FloatArray, IntArray
from fleximo.formats.mesh_surface import Surface

__all__ = ["ARMS", "HEAD", "LEGS", "Parts", "Turning", "cut_parts"]

HEAD, ARMS, LEGS = 0, (1, 2), (3, 4)  # the limbs, by their end's number in `Surface`
# Where the default rig's joints lie along its surface, in m from the end: head and neck, wrist to shoulder, ankle to
# hip; and the two lengths by which a body's size is told.
_JOINTS_ALONG = {
    HEAD: (0.26, 0.36),
    **dict.fromkeys(ARMS, (0.183, 0.438, 0.718)),
    **dict.fromkeys(LEGS, (0.22, 0.62, 1.02)),
}
_HANDS_APART, _HEAD_TO_FEET = 1.776, 1.93
_BIN_M = 0.03
_REACH_M = 0.12  # by which a cut may lie off the place of the default rig, scaled
_PULL = 0.2  # m2 of residual, summed over samples, for a cut 1 m off that place
_BEYOND_M = 0.15  # of the trunk, which belongs to the last piece of a limb while it is cut
_RIM_M = 0.03  # left out at both ends of a piece, where the skin is soft
_TRUNK_LOW, _TRUNK_HIGH = 0.25, 0.70  # of the way from legs to arms: below it is pelvis, above it chest
_SOFT_M = 0.004  # from which on a sample that moves twice as freely as most of its part is left out
_FEWEST = 4  # samples of a part


@dataclass(frozen=True, eq=False)
class Turning:
    """The motion of a rigid part: where a point of the reference frame is in each frame."""

    matrices: FloatArray  # (T,3,3)
    shifts: FloatArray  # (T,3) m

    def carry(self, point: FloatArray) -> FloatArray:
        """(T,3) m, the path of `point` (3,)."""
        return np.asarray(self.matrices @ point + self.shifts)

    def back(self, path: FloatArray) -> FloatArray:
        """(T,3) m, where the points of `path` (T,3) were in the reference frame."""
        return np.asarray(np.einsum("tji,tj->ti", self.matrices, path - self.shifts))


@dataclass(frozen=True, eq=False)
class Parts:
    """The cut body."""

    cuts: dict[int, FloatArray]  # limb -> m along the surface from its end to its joints, outermost first
    limb: IntArray  # (S,) the limb that each sample is nearest to
    in_limb: BoolArray  # (S,) False for the trunk
    pieces: dict[tuple[int, int], Turning]  # (limb, number from its end)
    pelvis: Turning
    chest: Turning
    reference: FloatArray  # (S,3) m, the samples in the reference frame, that with the limbs stretched out most


def cut_parts(vertices: FloatArray, surface: Surface) -> Parts:
    """Cuts the body of the mesh clip (T,N,3) m into its limbs' pieces, pelvis and chest."""
    ends = surface.places[:, surface.ends]
    stretched = np.linalg.norm(ends[:, :, None] - ends[:, None], axis=-1).sum(axis=(1, 2)).argmax()
    reference = surface.places[stretched]
    away = surface.away
    hands, feet = away[ARMS[0], surface.ends[ARMS[1]]], away[HEAD, surface.ends[list(LEGS)]].mean()
    scale = float(0.5 * (hands / _HANDS_APART + feet / _HEAD_TO_FEET))
    expected = {limb: scale * np.array(along) for limb, along in _JOINTS_ALONG.items()}
    limb = _beyond(away, expected).argmin(axis=0)
    cuts = {}
    for number, along in expected.items():
        own = np.flatnonzero((limb == number) & (away[number] < along[-1] + _BEYOND_M))
        cuts[number] = _cuts(away[number, own], surface.places[:, own], reference[own], along)
    beyond = _beyond(away, cuts)
    limb, in_limb = beyond.argmin(axis=0), beyond.min(axis=0) < 0.0
    paths = vertices[:, surface.samples].astype(np.float64)

    def turning(members: BoolArray, nearest: FloatArray) -> Turning:
        own = np.flatnonzero(members)
        if own.size < _FEWEST:
            own = np.argsort(nearest, kind="stable")[:_FEWEST]
        return _robust_turning(reference[own], paths[:, own])

    pieces = {}
    for number, along in cuts.items():
        for piece, (start, stop) in enumerate(zip((0.0, *along), along)):
            if piece == 2:  # near the trunk neighbours of the limb may be taken for it
                stop = start + 0.75 * (stop - start)
            rim = min(_RIM_M, (stop - start) / 4.0)
            first = start + rim if piece else 0.0
            inside = (limb == number) & (away[number] >= first) & (away[number] < stop - rim)
            pieces[number, piece] = turning(inside, np.abs(away[number] - (first + stop - rim) / 2.0))
    legs, above = beyond[list(LEGS)].min(axis=0), beyond[[HEAD, *ARMS]].min(axis=0)
    height = np.where(in_limb, np.nan, legs / np.maximum(legs + above, 1e-9))  # 0 at the legs, 1 at arms and head
    pelvis, chest = turning(height < _TRUNK_LOW, height), turning(height > _TRUNK_HIGH, -height)
    return Parts(cuts, limb, in_limb, pieces, pelvis, chest, reference)


def _beyond(away: FloatArray, cuts: dict[int, FloatArray]) -> FloatArray:
    """(5,S) m by which each sample lies beyond the innermost joint of each limb."""
    return np.asarray(away - np.array([cuts[limb][-1] for limb in range(len(away))])[:, None])


def _cuts(along: FloatArray, places: FloatArray, reference: FloatArray, expected: FloatArray) -> FloatArray:
    """Where (m from the end) a limb is cut into stiff pieces, one more than `expected` has places.

    `along` (n,) m of its samples; `places` (F,n,3), `reference` (n,3) m. The sum of the pieces' residuals and of a
    pull to the expected places is least (dynamic programming).
    """
    count = int(along.max() / _BIN_M) + 1
    cost = _stiffness_costs(np.minimum((along / _BIN_M).astype(int), count - 1), count, places, reference)
    edges = np.arange(count + 1) * _BIN_M
    best, came_from = cost[0], []
    for place in expected:
        pull = np.where(np.abs(edges - place) < _REACH_M, _PULL * np.square(edges - place), np.inf)
        total = (best + pull)[:, None] + cost
        came_from.append(total.argmin(axis=0))
        best = total.min(axis=0)
    cuts, at = [], count
    for step in reversed(came_from):
        at = int(step[at])
        cuts.append(edges[at])
    cuts.reverse()
    return np.where(np.isfinite(best[count]), np.array(cuts), expected)


def _stiffness_costs(bins: IntArray, count: int, places: FloatArray, reference: FloatArray) -> FloatArray:
    """(count+1,count+1) m2: the residual of the samples in bins [i, j) about one rigid motion, the mean of the frames.

    Sums over samples are taken once per bin; a piece's are differences of running sums. Infinite for j <= i.
    """

    def running(values: FloatArray) -> FloatArray:
        sums = np.zeros((count + 1, *values.shape[1:]))
        np.add.at(sums, bins + 1, values)
        return np.asarray(sums.cumsum(axis=0))

    i, j = np.triu_indices(count + 1, 1)

    def inside(values: FloatArray) -> FloatArray:
        sums = running(values)
        return np.asarray(sums[j] - sums[i])

    moved = places.transpose(1, 0, 2)  # (n,F,3)
    number = np.maximum(inside(np.ones(len(bins))), 1.0)
    still, moving = inside(reference), inside(moved)
    products = inside(moved[..., :, None] * reference[:, None, None, :])
    products -= moving[..., :, None] * still[:, None, None, :] / number[:, None, None, None]
    spread = inside(np.square(reference).sum(axis=-1)) - np.square(still).sum(axis=-1) / number
    spread = spread[:, None] + inside(np.square(moved).sum(axis=-1)) - np.square(moving).sum(axis=-1) / number[:, None]
    stretch = np.linalg.svd(products, compute_uv=False)
    mirrored = np.linalg.det(products) < 0.0
    explained = stretch[..., 0] + stretch[..., 1] + np.where(mirrored, -stretch[..., 2], stretch[..., 2])
    cost = np.full((count + 1, count + 1), np.inf)
    cost[i, j] = np.maximum(spread - 2.0 * explained, 0.0).mean(axis=1)
    return cost


def _robust_turning(reference: FloatArray, paths: FloatArray) -> Turning:
    """The rigid motion of most of the points; those that move otherwise are left out."""
    turning = _turning(reference, paths)
    for _ in range(2):
        left = np.einsum("tij,nj->tni", turning.matrices, reference) + turning.shifts[:, None] - paths
        error = np.sqrt(np.square(left).sum(axis=-1).mean(axis=0))
        kept = error <= max(2.0 * float(np.median(error)), _SOFT_M)
        if kept.all():
            break
        reference, paths = reference[kept], paths[:, kept]
        turning = _turning(reference, paths)
    return turning


def _turning(reference: FloatArray, paths: FloatArray) -> Turning:
    """The best rigid motion (Kabsch 1976) from `reference` (n,3) to `paths` (T,n,3) m."""
    centre, places = reference.mean(axis=0), paths.mean(axis=1)
    u, _, vt = np.linalg.svd(np.einsum("tni,nj->tij", paths - places[:, None], reference - centre))
    vt[:, 2] *= np.where(np.linalg.det(u @ vt) < 0.0, -1.0, 1.0)[:, None]
    matrices = u @ vt
    return Turning(matrices, places - matrices @ centre)
