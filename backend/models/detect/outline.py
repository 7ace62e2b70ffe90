"""Where a person's outline runs in a photo, given roughly where it is: colours on both sides, then edges.

Knows pixels and lengths in torsos (neck to mid-hip), no model and no skeleton beyond a hand's.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from fleximo.arrays import BoolArray, FloatArray
from fleximo.layouts import HAND_EDGES

__all__ = ["Plane", "Rgb", "box_around", "local_colour_log_ratio", "pixel", "refine_mask", "smooth_on_edges", "tidy"]

Rgb = npt.NDArray[np.uint8]  # (H,W,3)
Plane = npt.NDArray[np.float32]  # (H,W)

_BAND = 0.045  # torso; measured: wider bands follow the mortar of brick walls and the stripes of clothes
_REACH = 0.25  # torso; colours are learnt this far around every pixel
_MAX_TORSO_PX = 260.0  # the outline of a larger person is found on a smaller picture


def refine_mask(rgb: Rgb, segmentation: Plane, torso_px: float, hands_px: tuple[FloatArray, ...] = ()) -> BoolArray:
    """(H,W) the outline of a soft segmentation (H,W), moved onto the photo's edges within 0.045 torso of where it was.

    `hands_px`: detected hands (21,2); there the outline follows the fingers, which are too thin for a segmentation.
    All False where the segmentation is.
    """
    rows, columns = box_around(segmentation > 0.5, margin=round(0.3 * torso_px))
    mask = np.zeros(segmentation.shape, dtype=bool)
    if rows.stop <= rows.start:
        return mask
    part, soft = rgb[rows, columns], segmentation[rows, columns]
    hands = tuple(hand - [columns.start, rows.start] for hand in hands_px)
    scale = min(1.0, _MAX_TORSO_PX / torso_px)
    full = (part.shape[1], part.shape[0])
    size = (max(1, round(full[0] * scale)), max(1, round(full[1] * scale)))
    hands = tuple(hand * [size[0] / full[0], size[1] / full[1]] for hand in hands)
    part = np.ascontiguousarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA))
    found = _refined(part, cv2.resize(soft, size, interpolation=cv2.INTER_AREA), torso_px * scale, hands)
    mask[rows, columns] = cv2.resize(found, full, interpolation=cv2.INTER_CUBIC) > 0.5
    return tidy(mask, torso_px)


def _refined(part: Rgb, soft: Plane, torso_px: float, hands_px: tuple[FloatArray, ...]) -> Plane:
    """(H,W) how much of each pixel is the person: free to change in a band along the outline and at the hands."""
    prior = np.log(soft.clip(0.02, 0.98) / (1.0 - soft.clip(0.02, 0.98)))
    depth = _signed_distance(soft > 0.5)
    free = np.abs(depth) <= _BAND * torso_px
    sure = 0.02 * torso_px
    for hand in hands_px:
        _follow_fingers(hand, prior, free, depth, sure)
    ratio = local_colour_log_ratio(part, depth > sure, depth < -sure, reach=round(_REACH * torso_px))
    odds = (0.5 * ratio).clip(-4.0, 4.0) + prior
    decided = (depth > 0.0).astype(np.float32)
    return np.where(free, smooth_on_edges(part, np.where(free, _share(odds), decided), torso_px), decided)


def local_colour_log_ratio(part: Rgb, inside: BoolArray, outside: BoolArray, reach: int) -> Plane:
    """(H,W) log p(colour | inside) - log p(colour | outside): one Gaussian a side, of the pixels within `reach`."""
    colours = part.astype(np.float32)
    window = (2 * max(reach, 1) + 1,) * 2

    def gaussian(where: BoolArray) -> tuple[Plane, Plane]:
        weight = where.astype(np.float32)[..., None]
        count = cv2.boxFilter(weight, -1, window)[..., None] + 1e-4
        mean = cv2.boxFilter(colours * weight, -1, window) / count
        square = cv2.boxFilter(colours**2 * weight, -1, window) / count
        return mean, np.maximum(square - mean**2, 0.0) + 40.0  # sensor noise and JPEG keep a variance of some tens

    (mean_in, variance_in), (mean_out, variance_out) = gaussian(inside), gaussian(outside)
    apart = (colours - mean_out) ** 2 / variance_out - (colours - mean_in) ** 2 / variance_in
    return np.asarray((apart + np.log(variance_out / variance_in)).sum(axis=-1) / 2.0, dtype=np.float32)


def smooth_on_edges(part: Rgb, share: npt.NDArray[np.floating], torso_px: float) -> Plane:
    """(H,W) a soft mask smoothed along the photo's edges, not across them (guided filter, He et al. 2010)."""
    radius = max(2, round(0.04 * torso_px))
    return np.asarray(cv2.ximgproc.guidedFilter(part, share.astype(np.float32), radius, (0.01 * 255.0) ** 2))


def tidy(mask: BoolArray, torso_px: float, seed: BoolArray | None = None) -> BoolArray:
    """Keeps the largest piece, or those that hold a pixel of `seed`, and fills holes too small to be gaps."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count <= 1:
        return mask
    if seed is None:
        kept = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    else:
        kept = mask & np.isin(labels, np.unique(labels[seed & mask]))
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    small = np.nonzero(stats[:, cv2.CC_STAT_AREA] < 0.002 * torso_px**2)[0]
    return np.asarray(kept | np.isin(labels, small[small > 0]))


def box_around(where: BoolArray, margin: int) -> tuple[slice, slice]:
    """The rows and columns of the box around the True pixels, grown by `margin`; empty where there are none."""
    rows, columns = np.nonzero(where.any(axis=1))[0], np.nonzero(where.any(axis=0))[0]
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return (
        slice(max(0, int(rows[0]) - margin), min(where.shape[0], int(rows[-1]) + margin + 1)),
        slice(max(0, int(columns[0]) - margin), min(where.shape[1], int(columns[-1]) + margin + 1)),
    )


def pixel(point_px: FloatArray) -> tuple[int, int]:
    """OpenCV's integer pixel of a point, held within what its drawing can take."""
    x, y = np.floor(np.asarray(point_px)).clip(-16000, 16000)
    return int(x), int(y)


def _follow_fingers(hand_px: FloatArray, prior: Plane, free: BoolArray, depth: Plane, sure: float) -> None:
    """Around a detected hand, lets the distance to its bones speak too and frees every pixel (all in place)."""
    length = float(np.linalg.norm(hand_px - hand_px[0], axis=1).max())
    drawn = np.ones(prior.shape, dtype=np.uint8)
    for a, b in HAND_EDGES:
        cv2.line(drawn, pixel(hand_px[a]), pixel(hand_px[b]), 0, 1)
    palm = hand_px[[0, 1, 5, 9, 13, 17]].round().clip(-16000, 16000).astype(np.int32)
    cv2.fillPoly(drawn, [palm], 0)
    distance = cv2.distanceTransform(drawn, cv2.DIST_L2, 3)
    near = distance < 0.3 * length
    # the wrist stays with the segmentation, or the cuff would be cut off
    cv2.circle(wrist := np.zeros(prior.shape, dtype=np.uint8), pixel(hand_px[0]), round(0.25 * length), 1, -1)
    near &= wrist == 0
    prior[near] *= 0.5
    prior[near] += ((0.09 * length - distance[near]) / (0.04 * length)).clip(-2.5, 2.5)
    free |= near
    depth[near] = np.where(distance[near] < 0.03 * length, 2.0 * sure, -2.0 * sure)


def _share(odds: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def _signed_distance(mask: BoolArray) -> Plane:
    """(H,W) px to the outline, positive inside."""
    inside = mask.astype(np.uint8)
    within = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    return np.asarray(within - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5), dtype=np.float32)
