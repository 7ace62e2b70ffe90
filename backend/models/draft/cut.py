"""Which pixel belongs to which limb: a watershed with a forbidden band around each limb's bones.

Knows the skeleton and the photo; makes no layers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from fleximo.arrays import BoolArray, FloatArray, IntArray
from fleximo.puppet.rest import ARMS, HAND_START, LEGS, SIDES, RestPose, unit

__all__ = ["BODY_LABEL", "COVERED_LABEL", "LABELS", "Limb", "cut_limbs", "find_limbs", "segment_coordinates"]

BODY_LABEL = 1
LABELS = {("right", "arm"): 2, ("left", "arm"): 3, ("right", "leg"): 4, ("left", "leg"): 5}
_OUTSIDE = 6
COVERED_LABEL = 7  # of the person, but what it shows belongs to no piece
# Half-widths at the joints and half-way, in torso lengths, of a clothed adult; what the mask shows wins within limits.
_WIDTHS = {"arm": (0.145, 0.105, 0.085), "leg": (0.19, 0.14, 0.11)}


@dataclass(frozen=True, eq=False)
class Limb:
    """An arm or a leg as the photo shows it: its joints from the root outward, and how thick it is at each."""

    side: str
    kind: str  # "arm" or "leg"
    joints: FloatArray  # (N,2) px, N = 2 or 3
    radii: FloatArray  # (N,) px
    tip: FloatArray  # (2,) px: middle of the finger tips or of the toes
    with_tip: bool = True  # False where the photo hides the hand: the arm ends at the wrist

    @property
    def label(self) -> int:
        return LABELS[self.side, self.kind]


def segment_coordinates(shape: tuple[int, int], start: FloatArray, end: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Per pixel centre: the place along start->end (0..1 between them) and the distance across in px."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    length = max(float(np.linalg.norm(end - start)), 1e-3)
    axis = (end - start) / length
    x, y = columns + 0.5 - start[0], rows + 0.5 - start[1]
    return (x * axis[0] + y * axis[1]) / length, x * axis[1] - y * axis[0]


def find_limbs(rest: RestPose, mask: BoolArray) -> list[Limb]:
    """The limbs of which at least the upper bone is in the photo."""
    limbs = []
    for kind, chains in (("arm", ARMS), ("leg", LEGS)):
        for side in SIDES:
            chain = chains[side]
            if not rest.has(*chain[:2]):
                continue
            joints = rest.points[list(chain[: 3 if rest.has(chain[2]) else 2])]
            if min(np.linalg.norm(np.diff(joints, axis=0), axis=1)) < 0.04 * rest.torso_px:
                continue  # pointing at the camera: no length to cut along
            radii = np.array([_half_width(mask, joints, i, kind, rest.torso_px) for i in range(len(joints))])
            shown = kind == "leg" or rest.has(HAND_START[side], HAND_START[side] + 9)
            limbs.append(Limb(side, kind, joints, radii, _tip(rest, side, kind, joints), shown and len(joints) == 3))
    return [replace(limb, radii=_shared_radii(limb, limbs)) for limb in limbs]


def _shared_radii(limb: Limb, limbs: list[Limb]) -> FloatArray:
    """People are as thick on the left as on the right; what differs is what else lies there."""
    pair = [other.radii for other in limbs if other.kind == limb.kind]
    shared = np.array([np.mean([radii[i] for radii in pair if len(radii) > i]) for i in range(len(limb.radii))])
    return np.minimum(shared, 1.2 * limb.radii)


def _tip(rest: RestPose, side: str, kind: str, joints: FloatArray) -> FloatArray:
    if kind == "leg":
        return np.asarray(joints[-1] + rest.down * 0.25 * rest.torso_px)
    start = HAND_START[side]
    fingers = [start + i for i in (4, 8, 12, 16, 20)]
    if rest.has(*fingers):
        return np.asarray(rest.points[fingers].mean(axis=0))
    return np.asarray(joints[-1] + unit(joints[-1] - joints[-2]) * 0.36 * rest.torso_px)


def _half_width(mask: BoolArray, joints: FloatArray, index: int, kind: str, torso_px: float) -> float:
    """Half the limb's thickness at a joint, px: the narrower side of the mask around the bone, within usual limits."""
    usual = _WIDTHS[kind][index] * torso_px
    bone = max(index - 1, 0)
    axis = unit(joints[bone + 1] - joints[bone])
    across = np.array([axis[1], -axis[0]])
    # At the root the limb is not free on the inner side, so it is measured a little further down.
    length = float(np.linalg.norm(joints[bone + 1] - joints[bone]))
    places = (0.25, 0.35, 0.45) if index == 0 else (-0.1, 0.0)
    found = []
    for place in places:
        centre = (joints[0] if index == 0 else joints[index]) + axis * place * length
        for sign in (1.0, -1.0):
            reach = np.arange(0.5, 2.5 * usual, 0.5)
            ray = centre + sign * across * reach[:, None]
            columns, rows = np.floor(ray).astype(int).T
            ok = (columns >= 0) & (rows >= 0) & (columns < mask.shape[1]) & (rows < mask.shape[0])
            hit = np.zeros(len(reach), dtype=bool)
            hit[ok] = mask[rows[ok], columns[ok]]
            found.append(reach[-1] if hit.all() else reach[np.argmin(hit)])
    return float(np.clip(np.quantile(found, 0.35), 0.6 * usual, 1.5 * usual))


def cut_limbs(image: FloatArray, alpha: FloatArray, rest: RestPose, limbs: list[Limb]) -> IntArray:
    """(H,W) int32: `BODY_LABEL`, a limb's label, or 0 where the coverage `alpha` (H,W) is nothing.

    A limb's marker lies within 0.35 of its half-width of the bone, the body's beyond 1.25 of it, and only the band
    between is free: the watershed cannot run into a pocket or up a sleeve.
    """
    shape = (alpha.shape[0], alpha.shape[1])
    mask, solid = alpha > 0.03, alpha > 0.35
    markers = np.zeros(shape, np.int32)
    free = solid.copy()
    nearness = {limb.label: _nearness(shape, limb) for limb in limbs}
    for limb in limbs:
        near = nearness[limb.label]
        markers[(near < 0.35) & solid & (markers == 0)] = limb.label
        free &= near > (1.25 if limb.kind == "arm" else 1.6)
    core = _trunk_core(solid, rest)
    legs = any(limb.kind == "leg" for limb in limbs)
    if legs:  # below the hips everything is one leg or the other
        free &= segment_coordinates(shape, rest.neck, rest.mid_hip)[0] < 0.97
    _, parts = cv2.connectedComponents((free | core).astype(np.uint8))
    trunk = np.isin(parts, np.unique(parts[core]))  # a wide sleeve beyond the band is no island of the body
    arms = np.isin(markers, [limb.label for limb in limbs if limb.kind == "arm"])
    markers[free & trunk & (markers == 0)] = BODY_LABEL
    markers[core & ~arms] = BODY_LABEL
    markers[~solid] = _OUTSIDE
    smooth = cv2.bilateralFilter(np.ascontiguousarray(image), 5, 30, 3)
    labels = _close_seams(cv2.watershed(smooth, markers.copy()), mask)
    labels = _leave_hems(image, labels, limbs)
    if legs:
        _part_legs(labels, rest, nearness)
    labels = _smooth_borders(labels, mask, 0.03 * rest.torso_px)
    return _largest_components(labels, limbs)


def _nearness(shape: tuple[int, int], limb: Limb) -> FloatArray:
    """(H,W) distance to the limb's bones in units of its half-width there; the root end is open towards the body."""
    best = np.full(shape, np.inf, np.float32)
    stations = [*limb.joints, limb.tip] if limb.with_tip else list(limb.joints)
    radii = [*limb.radii, limb.radii[-1] * (1.3 if limb.kind == "arm" else 1.5)]
    for i in range(len(stations) - 1):
        along, across = segment_coordinates(shape, stations[i], stations[i + 1])
        length = float(np.linalg.norm(stations[i + 1] - stations[i]))
        low = 0.12 if i == 0 else 0.0
        held = np.clip(along, low, 1.0)
        distance = np.hypot((along - held) * length, across)
        radius = radii[i] + (radii[i + 1] - radii[i]) * held
        best = np.minimum(best, distance / np.maximum(radius, 1.0))
    return best


def _trunk_core(mask: BoolArray, rest: RestPose) -> BoolArray:
    """The middle of the trunk, which is never a limb's."""
    core = np.zeros(mask.shape, np.uint8)
    inset = 0.225
    corners = []
    for index, other in ((2, 5), (5, 2)):
        corners.append(rest.points[index] + inset * (rest.points[other] - rest.points[index]))
    for index, other in ((11, 8), (8, 11)):
        hip = rest.points[index] + inset * (rest.points[other] - rest.points[index])
        corners.append(hip - rest.down * 0.08 * rest.torso_px)
    cv2.fillConvexPoly(core, np.round(np.array(corners) * 16).astype(np.int32), 1, shift=4)
    return (core > 0) & mask


def _leave_hems(image: FloatArray, labels: IntArray, limbs: list[Limb]) -> IntArray:
    """An arm that goes into a pocket gives back what has the trousers' colour rather than its own sleeve's."""
    shape = (labels.shape[0], labels.shape[1])
    legs = [limb for limb in limbs if limb.kind == "leg"]
    for arm in limbs:
        if arm.kind != "arm" or arm.with_tip or len(arm.joints) < 3 or not legs:
            continue
        own = labels == arm.label
        along, _ = segment_coordinates(shape, arm.joints[1], arm.joints[2])
        sleeve, end = own & (along > 0.1) & (along < 0.6), own & (along > 0.6)
        cloth = np.zeros(shape, dtype=bool)
        for leg in legs:
            place, across = segment_coordinates(shape, leg.joints[0], leg.joints[1])
            cloth |= (labels == leg.label) & (np.abs(across) < 0.6 * leg.radii[0]) & (place > 0.1) & (place < 0.6)
        if sleeve.sum() < 20 or cloth.sum() < 20 or not end.any():
            continue
        colours = cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.float32)
        nearer = []
        for sample in (colours[sleeve], colours[cloth]):
            spread = np.maximum(sample.std(axis=0), 8.0)
            nearer.append((((colours[end] - np.median(sample, axis=0)) / spread) ** 2).sum(axis=-1))
        given = np.zeros(shape, np.uint8)
        given[end] = nearer[1] < nearer[0]
        given = cv2.morphologyEx(given, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
        side = [leg for leg in legs if leg.side == arm.side] or legs
        labels = np.where(given & own, side[0].label, labels)
    return labels


def _part_legs(labels: IntArray, rest: RestPose, nearness: dict[int, FloatArray]) -> None:
    """Below the hips nothing is the trunk's: each leg takes what is nearer to it, in place."""
    shape = (labels.shape[0], labels.shape[1])
    below = segment_coordinates(shape, rest.neck, rest.mid_hip)[0] > 1.02
    legs = [label for (_, kind), label in LABELS.items() if kind == "leg" and label in nearness]
    for leg in legs:
        others = [nearness[label] for label in legs if label != leg]
        other = np.minimum.reduce(others) if others else np.full(shape, np.inf, np.float32)
        theirs = np.isin(labels, [label for label in legs if label != leg])
        nearest = nearness[leg] <= other
        clearly = nearness[leg] < 0.9 * other  # between the legs the watershed found the edge, far from it it strayed
        labels[below & (((labels == BODY_LABEL) & nearest) | (theirs & clearly))] = leg


def _close_seams(labels: IntArray, mask: BoolArray) -> IntArray:
    """Watershed leaves ridges of -1; they take the label of their surroundings."""
    closed = np.where((labels == _OUTSIDE) | (labels < 0), 0, labels).astype(np.uint8)
    for _ in range(8):
        grown = cv2.dilate(closed, np.ones((3, 3), np.uint8))
        closed = np.where((closed == 0) & mask, grown, closed)
    closed[(closed == 0) & mask] = BODY_LABEL
    return closed.astype(np.int32)


def _smooth_borders(labels: IntArray, mask: BoolArray, sigma_px: float) -> IntArray:
    """Rounds the cuts inside the person: on plain cloth the watershed follows noise."""
    best, smooth = np.full(labels.shape, 1e-6, np.float32), labels.copy()
    for label in (BODY_LABEL, *LABELS.values()):
        share = cv2.GaussianBlur((labels == label).astype(np.float32), (0, 0), max(sigma_px, 0.7))
        smooth = np.where(share > best, label, smooth)
        best = np.maximum(share, best)
    return np.where(mask, smooth, 0).astype(np.int32)


def _largest_components(labels: IntArray, limbs: list[Limb]) -> IntArray:
    """A limb keeps the components that touch its bones; the rest goes to the body."""
    for limb in limbs:
        count, parts = cv2.connectedComponents((labels == limb.label).astype(np.uint8))
        if count <= 2:
            continue
        sizes = np.bincount(parts.ravel())
        keep = 1 + int(np.argmax(sizes[1:]))
        labels[(parts > 0) & (parts != keep)] = BODY_LABEL
    return labels
