"""Painting a hole with the picture's own texture: each place is copied from where the surroundings fit best.

After He and Sun, Statistics of Patch Offsets for Image Completion (2012), with smooth costs in place of a graph cut.
Knows nothing of people.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.models.draft.fill import pull_push
from fleximo.arrays import BoolArray, FloatArray, IntArray

__all__ = ["paint_from_surroundings"]

_REDUCTION = 4  # offsets are judged at a quarter of the size
_PEAKS = 20  # most offsets taken from the picture's own repetition
_KEPT = 8  # most offsets used in the end
_BAD_COST = 600.0  # squared difference of colours, summed over RGB, above which a copy is not taken


def paint_from_surroundings(image: FloatArray, hole: BoolArray, guess: FloatArray) -> FloatArray:
    """(H,W,3) float32: `image` with `hole` painted; where nothing fits, `guess` (H,W,3) stays.

    Every offset that the picture repeats itself by is a candidate, and so are level moves, since floors and walls
    continue sideways. A candidate costs what it differs by around the hole and from `guess` in the large.
    """
    height, width = hole.shape
    small = (max(width // _REDUCTION, 8), max(height // _REDUCTION, 8))
    ratio = np.array([width / small[0], height / small[1]])
    colours = cv2.resize(image, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    rough = cv2.resize(guess, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    known = cv2.resize(hole.astype(np.float32), small, interpolation=cv2.INTER_AREA) == 0
    if known.all() or not known.any():
        return np.where(hole[..., None], guess, image).astype(np.float32)
    offsets = _candidates(colours, known)
    costs = _costs(colours, known, rough, offsets)
    kept = _fewest(costs, ~known)
    offsets, costs = offsets[kept], costs[kept]
    choice = np.where(_fits(costs), np.argmin(costs, axis=0), -1)
    painted = guess.astype(np.float32).copy()
    window = _bounds(hole, 8)
    total = np.zeros(hole[window].shape, np.float32)
    sum_colours = np.zeros((*total.shape, 3), np.float32)
    for index in range(len(offsets)):
        share, copied = _copy(image, hole, window, colours, known, offsets[index], ratio, choice == index)
        total += share
        sum_colours += share[..., None] * copied
    filled = sum_colours / np.maximum(total, 1e-3)[..., None]
    sure = np.clip(total * 4.0, 0.0, 1.0)[..., None]
    filled = filled * sure + painted[window] * (1.0 - sure)
    # Patches of slightly different brightness show on a plain wall: level them to the smooth guess.
    wide = max(4.0, 0.016 * height)
    drift = cv2.GaussianBlur(painted[window], (0, 0), wide) - cv2.GaussianBlur(filled, (0, 0), wide)
    painted[window] = filled + np.clip(drift, -7.0, 7.0)
    return painted


def _fits(costs: FloatArray) -> BoolArray:
    """(h,w) where copies fit well enough around: a smooth guess is less of an eyesore than floor tiles on a wall."""
    best = costs.min(axis=0)
    inside = np.isfinite(best)
    dear = np.where(inside, np.minimum(best, 8.0 * _BAD_COST), 0.0).astype(np.float32)
    reach = 0.02 * best.shape[0]
    near = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), reach)
    return np.asarray(inside & (cv2.GaussianBlur(dear, (0, 0), reach) < _BAD_COST * near))


def _bounds(region: BoolArray, margin: int) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )


def _candidates(colours: FloatArray, known: BoolArray) -> IntArray:
    """(N,2) offsets dx, dy in small px: peaks of the autocorrelation of what is known, and level moves."""
    height, width = known.shape
    grey = colours.mean(axis=-1)
    weight = known.astype(np.float32)
    mean = cv2.GaussianBlur(grey * weight, (0, 0), 4) / np.maximum(cv2.GaussianBlur(weight, (0, 0), 4), 1e-3)
    detail = (grey - mean) * weight
    size = (cv2.getOptimalDFTSize(2 * height), cv2.getOptimalDFTSize(2 * width))
    pairs = np.fft.irfft2(np.abs(np.fft.rfft2(weight, size)) ** 2, size)
    match = np.fft.irfft2(np.abs(np.fft.rfft2(detail, size)) ** 2, size)
    score = np.fft.fftshift(np.where(pairs > 0.1 * weight.sum(), match / np.maximum(pairs, 1.0), -np.inf))
    rows, columns = np.mgrid[: size[0], : size[1]]
    dy, dx = rows - size[0] // 2, columns - size[1] // 2
    far = np.hypot(dx, dy) >= max(5.0, 0.03 * height)
    local = cv2.dilate(np.where(np.isfinite(score), score, -1e9).astype(np.float32), np.ones((5, 5), np.uint8))
    peaks = np.flatnonzero((far & (score >= local) & np.isfinite(score)).ravel())
    best = peaks[np.argsort(-score.ravel()[peaks], kind="stable")[:_PEAKS]]
    found = [(int(dx.ravel()[i]), int(dy.ravel()[i])) for i in best]
    step = max(4, width // 16)
    found += [(2 * x, 2 * y) for x, y in found]
    found += [(sign * step * k, 0) for k in range(1, 9) for sign in (1, -1)]
    return np.array(sorted(set(found)), dtype=int)


def _shifted(values: FloatArray, offset: IntArray, outside: float = 0.0) -> FloatArray:
    """`values` at x + offset; `outside` beyond the edge."""
    matrix = np.array([[1.0, 0.0, -offset[0]], [0.0, 1.0, -offset[1]]])
    size = (values.shape[1], values.shape[0])
    return cv2.warpAffine(
        values, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=(outside,) * 4
    )


def _costs(colours: FloatArray, known: BoolArray, rough: FloatArray, offsets: IntArray) -> FloatArray:
    """(N,h,w) what each offset costs at each place of the hole; infinite elsewhere and where it copies the hole."""
    reach = max(2.0, 0.025 * known.shape[0])
    low = cv2.GaussianBlur(rough, (0, 0), 3.0)
    costs = np.full((len(offsets), *known.shape), np.inf, np.float32)
    for index, offset in enumerate(offsets):
        there = _shifted(known.astype(np.float32), offset) > 0.5
        both = (known & there).astype(np.float32)
        moved = _shifted(colours, offset)
        error = ((colours - moved) ** 2).sum(axis=-1) * both
        seen = cv2.GaussianBlur(both, (0, 0), reach)
        around = cv2.GaussianBlur(error, (0, 0), reach) / np.maximum(seen, 1e-4)
        large = ((low - _shifted(low, offset)) ** 2).sum(axis=-1)
        sure = np.clip(seen * 8.0, 0.0, 1.0)
        cost = cv2.GaussianBlur((around * sure + large * (1.2 - 0.6 * sure)).astype(np.float32), (0, 0), 2.0)
        costs[index] = np.where(there & ~known, cost, np.inf)
    return costs


def _fewest(costs: FloatArray, hole: BoolArray) -> IntArray:
    """Indices of a few offsets that together cost little: few copies make few seams."""
    dear = 4.0 * float(np.median(costs[np.isfinite(costs)])) if np.isfinite(costs).any() else 1.0
    open_costs = np.minimum(costs[:, hole], dear)
    best, kept = np.full(open_costs.shape[1], dear, np.float32), []
    for _ in range(_KEPT):
        totals = np.minimum(open_costs, best).sum(axis=1)
        index = int(np.argmin(totals))
        if best.sum() - totals[index] < 0.004 * dear * len(best):
            break
        kept.append(index)
        best = np.minimum(best, open_costs[index])
    return np.array(kept or [0], dtype=int)


def _copy(
    image: FloatArray,
    hole: BoolArray,
    window: tuple[slice, slice],
    colours: FloatArray,
    known: BoolArray,
    offset: IntArray,
    ratio: FloatArray,
    chosen: BoolArray,
) -> tuple[FloatArray, FloatArray]:
    """The share (h,w) and the colours (h,w,3) that one offset gives in `window`, its brightness fitted at the rim."""
    full = np.round(offset * ratio).astype(int)
    height, width = hole.shape
    size = (width, height)
    both = known & (_shifted(known.astype(np.float32), offset) > 0.5)
    difference = np.clip(colours - _shifted(colours, offset), -40.0, 40.0) * both[..., None]
    weight = cv2.GaussianBlur(both.astype(np.float32), (0, 0), 2.5)
    smooth = cv2.GaussianBlur(difference, (0, 0), 2.5) / np.maximum(weight, 1e-3)[..., None]
    membrane = np.clip(pull_push(smooth, both), -25.0, 25.0)
    share = cv2.GaussianBlur(cv2.resize(chosen.astype(np.float32), size, interpolation=cv2.INTER_LINEAR), (0, 0), 3.5)
    share = share * (_shifted((~hole).astype(np.float32), full) > 0.5)
    copied = _shifted(image, full)[window].astype(np.float32)
    return share[window], copied + cv2.resize(membrane, size, interpolation=cv2.INTER_LINEAR)[window]
