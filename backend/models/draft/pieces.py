"""The puppet's pieces: textures cut from the photo, each reaching under its neighbours so that no joint can gape.

Knows the labels and the soft edges of the photo; nothing of motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.models.draft.cut import BODY_LABEL, COVERED_LABEL, LABELS, Limb
from backend.models.draft.fill import pull_push
from fleximo.arrays import BoolArray, FloatArray, IntArray
from fleximo.easing import smoothstep
from fleximo.puppet.bones import bone_index, link_index
from fleximo.puppet.layers import Piece
from fleximo.puppet.rest import RestPose

__all__ = ["Cutting", "cut_limb", "cut_pieces"]

_PARTS = {"arm": ("upper_arm", "forearm", "hand"), "leg": ("thigh", "shin", "foot")}
_JOINTS = {"arm": ("shoulder", "elbow", "wrist"), "leg": ("hip", "knee", "ankle")}


@dataclass(frozen=True, eq=False)
class Cutting:
    """What the pieces are cut from, all (H,W) on the working canvas."""

    image: FloatArray  # (H,W,3) uint8
    alpha: FloatArray  # soft coverage of the person
    labels: IntArray
    rest: RestPose  # in px of the working canvas
    limbs: tuple[Limb, ...]
    pad: tuple[int, int]  # px by which the working canvas reaches beyond the canvas at left and top


@dataclass(frozen=True, eq=False)
class _Crop:
    """A rectangle of the working canvas with what the shapes are made of."""

    x0: int
    y0: int
    x: FloatArray  # (h,w) px centres
    y: FloatArray
    alpha: FloatArray
    labels: IntArray
    image: FloatArray

    def along(self, start: FloatArray, end: FloatArray) -> FloatArray:
        axis = end - start
        square = max(float(axis @ axis), 1e-6)
        return np.asarray(((self.x - start[0]) * axis[0] + (self.y - start[1]) * axis[1]) / square)

    def across(self, start: FloatArray, end: FloatArray) -> FloatArray:
        axis = (end - start) / max(float(np.linalg.norm(end - start)), 1e-3)
        return np.asarray((self.x - start[0]) * axis[1] - (self.y - start[1]) * axis[0])

    def disc(self, centre: FloatArray, radius: float, feather: float) -> FloatArray:
        distance = np.hypot(self.x - centre[0], self.y - centre[1])
        return smoothstep((radius - distance) / max(feather, 0.5))

    def is_label(self, *labels: int) -> BoolArray:
        return np.isin(self.labels, labels)


def _crop(cutting: Cutting, corners: FloatArray, margin: float) -> _Crop:
    height, width = cutting.alpha.shape
    low = np.floor(corners.min(axis=0) - margin).astype(int)
    high = np.ceil(corners.max(axis=0) + margin).astype(int)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), width), min(int(high[1]), height)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    rows, columns = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    window = np.s_[y0:y1, x0:x1]
    return _Crop(
        x0, y0, columns + 0.5, rows + 0.5, cutting.alpha[window], cutting.labels[window], cutting.image[window]
    )


def _ball(radius_px: float) -> FloatArray:
    size = 2 * max(1, round(radius_px)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def _soft(region: BoolArray) -> FloatArray:
    return cv2.GaussianBlur(region.astype(np.float32), (0, 0), 0.8)


def _piece(
    cutting: Cutting,
    crop: _Crop,
    bone: str,
    alpha: FloatArray,
    known: BoolArray,
    links: list[tuple[str, str, bool]],
    name: str = "",
) -> Piece | None:
    """Fills the colours from `known` pixels and packs the piece; nothing if it cannot be seen anywhere."""
    visible = alpha > 0.02
    if visible.sum() < 4 or not known.any():
        return None
    rows, columns = np.nonzero(visible)
    window = np.s_[max(rows.min() - 2, 0) : rows.max() + 3, max(columns.min() - 2, 0) : columns.max() + 3]
    solid = cv2.erode((known & (crop.alpha > 0.96)).astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
    colours = pull_push(crop.image[window].astype(np.float32), solid[window] if solid[window].any() else known[window])
    opacity = np.clip(alpha[window], 0.0, 1.0)[..., None]
    rgba = np.concatenate([np.clip(colours, 0, 255) * opacity, opacity * 255.0], axis=-1)
    texture = np.zeros((rgba.shape[0] + 2, rgba.shape[1] + 2, 4), np.uint8)  # a clear rim, for sampling at the edge
    texture[1:-1, 1:-1] = np.round(rgba).astype(np.uint8)
    origin = (
        crop.x0 + int(window[1].start) - 1 - cutting.pad[0],
        crop.y0 + int(window[0].start) - 1 - cutting.pad[1],
    )
    points = np.argwhere(texture[..., 3] > 4)[:, ::-1].astype(np.float32)
    hull = cv2.convexHull(points)
    hull = cv2.approxPolyDP(hull, 1.0, True)[:, 0].astype(np.float64) + np.array(origin) + 0.5
    packed = tuple((link_index(link), bone_index(other), outward) for link, other, outward in links)
    return Piece(name or bone, texture, origin, bone_index(bone), packed, hull)


def cut_limb(cutting: Cutting, limb: Limb) -> list[Piece]:
    """Upper piece, lower piece and, if the photo shows it, hand or foot."""
    parts, joint_names = _PARTS[limb.kind], _JOINTS[limb.kind]
    stations = [*limb.joints, limb.tip] if limb.with_tip else [*limb.joints]
    radii = [*limb.radii, limb.radii[-1] * 1.3]
    made = []
    for i in range(len(stations) - 1):
        inner = {"arm": "chest", "leg": "pelvis"}[limb.kind] if i == 0 else f"{limb.side}_{parts[i - 1]}"
        links = [(f"{limb.side}_{joint_names[i]}", inner, False)]
        last = i == len(limb.joints) - 1
        if i + 2 < len(stations):
            links.append((f"{limb.side}_{joint_names[i + 1]}", f"{limb.side}_{parts[i + 1]}", True))
        made.append(_limb_piece(cutting, limb, i, stations, radii, links, open_end=last))
    return [piece for piece in made if piece is not None]


def _limb_piece(
    cutting: Cutting,
    limb: Limb,
    i: int,
    stations: list[FloatArray],
    radii: list[float],
    links: list[tuple[str, str, bool]],
    open_end: bool,
) -> Piece | None:
    start, end = stations[i], stations[i + 1]
    length = max(float(np.linalg.norm(end - start)), 1.0)
    widest = max(radii[i], radii[i + 1])
    crop = _crop(cutting, np.array([start, end]), (2.6 if open_end else 2.0) * widest + 4)
    along, across = crop.along(start, end), np.abs(crop.across(start, end))
    own = crop.is_label(limb.label)
    thickness = radii[i] + (radii[i + 1] - radii[i]) * np.clip(along, 0, 1)
    reach = _limb_reach(crop, i, (start, end), radii, open_end)
    if limb.kind == "leg" and i == 0:  # the seat beside the thigh stays with the pelvis
        allowed = thickness * (1.15 + 8.0 * np.maximum(along - 0.22, 0.0))
        reach = reach * smoothstep(1.0 - (across - allowed) / (0.15 * radii[0]))
    other_arms = [label for (_, kind), label in LABELS.items() if kind == "arm" and label != limb.label]
    inward = 1.6 if limb.kind == "leg" and i == 0 else 0.95  # a hand may hide the trousers' inner side
    hidden = crop.is_label(COVERED_LABEL, *other_arms) & (across < inward * thickness) & (along > 0) & (along < 1)
    shown = np.maximum(crop.alpha * _soft(own), _soft(hidden))
    alpha = shown * reach
    if i == 0 and limb.kind == "arm":  # the shoulder's ball is cut from the trunk as well
        alpha = np.maximum(alpha, crop.disc(start, 0.8 * radii[0], 0.3 * radii[0]) * np.maximum(crop.alpha, shown))
    elif i == 0 or (i == 2 and limb.kind == "arm"):
        alpha = np.maximum(alpha, crop.disc(start, 0.85 * radii[i], 0.3 * radii[i]) * shown)
    if not open_end and i + 2 < len(stations):
        alpha = np.maximum(alpha, crop.disc(end, 0.92 * radii[i + 1], 0.2 * radii[i + 1]) * crop.alpha)
    known = own.copy()
    if i == 0:
        alpha = _without_spurs(whole := alpha, 0.4 * radii[0])
    if i == 0 and limb.kind == "arm":
        overlap = _over_shoulder(cutting, crop, limb)
        whole = np.maximum(whole, crop.alpha * _soft(overlap) * reach)
        alpha = np.maximum(alpha, whole * crop.disc(start, 1.6 * radii[0], 0.4 * radii[0]))
        known |= crop.is_label(BODY_LABEL) & (np.hypot(crop.x - start[0], crop.y - start[1]) < radii[0] * 1.05)
        known |= overlap
    known &= (along > -1.2 * radii[i] / length) & ((along < 1.0 + 1.2 * radii[i + 1] / length) | open_end)
    return _piece(cutting, crop, f"{limb.side}_{_PARTS[limb.kind][i]}", alpha, known, links)


def _over_shoulder(cutting: Cutting, crop: _Crop, limb: Limb) -> BoolArray:
    """(h,w) where an arm laps over the trunk at the shoulder's outer side: without it the two leave a notch there."""
    shoulder, radius = limb.joints[0], limb.radii[0]
    outward = shoulder - cutting.rest.neck
    outside = crop.along(shoulder, shoulder + outward) > 0.0
    grown = cv2.dilate(crop.is_label(limb.label).astype(np.uint8), _ball(0.2 * radius)) > 0
    return np.asarray(grown & outside & crop.is_label(limb.label, BODY_LABEL))


def _limb_reach(
    crop: _Crop, i: int, bone: tuple[FloatArray, FloatArray], radii: list[float], open_end: bool
) -> FloatArray:
    """(h,w) 0..1 how far a limb's piece reaches beyond its bone: round, for corners stick out of bent joints."""
    start, end = bone
    length = max(float(np.linalg.norm(end - start)), 1.0)
    along, across = crop.along(start, end), np.abs(crop.across(start, end))
    if i == 1:  # the knee's or elbow's cap, half an ellipse that begins a little below the joint
        radius, below = radii[1], 0.45 * radii[1]
        rise = np.clip((below - along * length) / (1.4 * radius), 0.0, 1.0)
        width = 1.2 * radius * np.sqrt(1.0 - rise**2)
        reach = np.where(along * length < below, smoothstep((width - across) / (0.2 * radius) + 0.5), 1.0)
        reach = reach * (rise < 1.0)
    else:
        feather = (0.7 if i == 0 else 0.25) * radii[i] / length
        reach = smoothstep((along + feather) / (0.25 * radii[i] / length))
        reach = reach * np.where(along < 0.0, crop.disc(start, 1.2 * radii[i], 0.2 * radii[i]), 1.0)
    if open_end:
        return np.asarray(reach)
    beyond = (0.6 if i == 0 else 0.15) * radii[i + 1] / length
    reach = reach * smoothstep((1.0 + beyond - along) / beyond * 2.0)
    return np.asarray(reach * np.where(along > 1.0, crop.disc(end, 1.2 * radii[i + 1], 0.2 * radii[i + 1]), 1.0))


def _without_spurs(alpha: FloatArray, radius_px: float) -> FloatArray:
    """Takes away what is thinner than `radius_px`: slips of cloth that stay behind where two pieces were cut apart."""
    solid = (alpha > 0.5).astype(np.uint8)
    opened = cv2.morphologyEx(solid, cv2.MORPH_OPEN, _ball(radius_px))
    spurs = cv2.dilate(solid & ~cv2.dilate(opened, _ball(1)), _ball(2)) & ~opened
    return np.asarray(alpha * (1.0 - cv2.GaussianBlur(spurs.astype(np.float32), (0, 0), 0.7)))


def _armpit(cutting: Cutting, limb: Limb) -> FloatArray | None:
    """(2,) the lowest place where the arm's label meets the trunk's within an upper arm of the shoulder."""
    rest = cutting.rest
    reach = float(np.linalg.norm(limb.joints[1] - limb.joints[0]))
    crop = _crop(cutting, limb.joints[:1], reach)
    touching = crop.is_label(limb.label) & (cv2.dilate(crop.is_label(BODY_LABEL).astype(np.uint8), _ball(2)) > 0)
    near = touching & (np.hypot(crop.x - limb.joints[0][0], crop.y - limb.joints[0][1]) < 0.8 * reach)
    if not near.any():
        return None
    depth = np.where(near, crop.x * rest.down[0] + crop.y * rest.down[1], -np.inf)
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return np.array([crop.x[row, column], crop.y[row, column]], dtype=np.float64)


def _trunk_polygon(cutting: Cutting, crop: _Crop) -> BoolArray:
    """Where the trunk must be although an arm hides it: between shoulders and hips."""
    rest = cutting.rest
    hips = rest.points[11] - rest.points[8]
    corners = [rest.points[2], rest.points[5], rest.points[11] + 0.35 * hips, rest.points[8] - 0.35 * hips]
    corners += [pit for limb in cutting.limbs if limb.kind == "arm" and (pit := _armpit(cutting, limb)) is not None]
    corners = cv2.convexHull(np.array(corners, dtype=np.float32))[:, 0] - np.array([crop.x0, crop.y0])
    canvas = np.zeros(crop.alpha.shape, np.uint8)
    cv2.fillConvexPoly(canvas, np.round(corners * 16).astype(np.int32), 1, shift=4)
    return canvas > 0


def _torso(cutting: Cutting) -> Piece | None:
    rest = cutting.rest
    neck, hip = rest.neck, rest.mid_hip
    crop = _crop(cutting, rest.points[[1, 2, 5, 8, 11]], 0.75 * rest.torso_px)
    spine, rise = crop.along(neck, hip), crop.along(neck, rest.head_centre)
    own = crop.is_label(BODY_LABEL)
    arms = crop.is_label(COVERED_LABEL, *[limb.label for limb in cutting.limbs if limb.kind == "arm"])
    trunk = _trunk_polygon(cutting, crop)
    near_shoulder = np.zeros(own.shape, dtype=bool)
    for limb in cutting.limbs:
        if limb.kind == "arm":
            near_shoulder |= crop.disc(limb.joints[0], 1.6 * limb.radii[0], 1.0) > 0
    own = own | (
        arms & trunk & near_shoulder & ~crop.is_label(COVERED_LABEL)
    )  # above the armpit the sleeve's inner side is the chest's as well
    arms = arms & ~own
    hidden = arms & trunk
    top = smoothstep((0.5 - rise) / 0.15)
    face = rest.face_px
    column = smoothstep((0.42 * face - np.abs(crop.across(neck, rest.head_centre))) / (0.08 * face) + 0.5)
    top = np.maximum(top, column * smoothstep((0.85 - rise) / 0.15))
    bottom = smoothstep((1.06 - spine) / 0.05)
    legs = crop.is_label(*[limb.label for limb in cutting.limbs if limb.kind == "leg"])
    under = cv2.dilate((own | legs).astype(np.uint8), _ball(0.012 * rest.torso_px)) > 0  # under the arm's soft edge
    alpha = np.maximum(crop.alpha * _soft(under), _soft(hidden)) * top * bottom
    known = (own | legs) & ~(cv2.dilate(arms.astype(np.uint8), _ball(1)) > 0)
    for limb in cutting.limbs:
        if limb.kind == "arm":  # the shoulder is the torso's too, round, so that the arm can leave it
            shoulder, radius = limb.joints[0], limb.radii[0]
            alpha = np.maximum(alpha, crop.alpha * crop.disc(shoulder, 0.85 * radius, 0.15 * radius))
            known |= crop.is_label(limb.label) & (crop.disc(shoulder, 1.3 * radius, 1.0) > 0)
    smooth = _without_spurs(alpha, 0.05 * rest.torso_px)
    for limb in cutting.limbs:
        if limb.kind == "arm":
            near = crop.disc(limb.joints[0], 0.5 * rest.torso_px, 0.1 * rest.torso_px) * (rise < 0.2)
            alpha = alpha * (1.0 - near) + smooth * near
    links = [("waist", "pelvis", True), ("neck", "head", True)]
    links += [(f"{limb.side}_shoulder", f"{limb.side}_upper_arm", True) for limb in cutting.limbs if limb.kind == "arm"]
    return _piece(cutting, crop, "chest", alpha, known, links)


def _pelvis(cutting: Cutting) -> Piece | None:
    rest = cutting.rest
    legs = [limb for limb in cutting.limbs if limb.kind == "leg"]
    corners = np.array([rest.neck + 0.6 * (rest.mid_hip - rest.neck), *rest.points[[8, 11]]])
    reach = 0.75 if legs else 6.0
    crop = _crop(cutting, corners, reach * rest.torso_px)
    spine = crop.along(rest.neck, rest.mid_hip)
    own = crop.is_label(BODY_LABEL, *[limb.label for limb in legs])
    arms = crop.is_label(COVERED_LABEL, *[limb.label for limb in cutting.limbs if limb.kind == "arm"])
    alpha = np.maximum(crop.alpha * _soft(own), _soft(arms & _trunk_polygon(cutting, crop)))
    alpha = alpha * smoothstep((spine - 0.72) / 0.06)
    facing = 1.0 if (rest.points[11] - rest.points[8]) @ rest.across >= 0 else -1.0
    for limb in legs:
        along, across = crop.along(limb.joints[0], limb.joints[1]), crop.across(limb.joints[0], limb.joints[1])
        inward = across * (-1.0 if limb.side == "left" else 1.0) * facing / limb.radii[0]
        lowest = 0.14 + 0.18 * smoothstep((inward - 0.3) / 0.6)  # far down between the thighs, hardly beside them
        other = crop.along(rest.mid_hip, rest.mid_hip + rest.down * rest.torso_px)
        alpha = alpha * smoothstep((lowest - np.minimum(along, other + 0.1)) / 0.06)
    known = own & (spine > 0.6)
    return _piece(cutting, crop, "pelvis", alpha, known, [("waist", "chest", False)])


def _heads(cutting: Cutting) -> list[Piece | None]:
    """The head with its neck, and the same cut along the chin for when it hangs before the chest."""
    rest = cutting.rest
    size = float(np.linalg.norm(rest.head_centre - rest.neck))
    crop = _crop(cutting, np.array([rest.neck, rest.head_centre]), 1.6 * max(size, 0.3 * rest.torso_px))
    rise = crop.along(rest.neck, rest.head_centre)
    own = crop.is_label(BODY_LABEL)
    shown = crop.alpha * _soft(own)
    known = own & (rise > 0.2)
    upright = shown * smoothstep((rise - 0.3) / 0.12)
    chin = (rest.chin - rest.neck) @ (rest.head_centre - rest.neck) / max(size, 1.0) ** 2
    sideways = np.abs(crop.across(rest.neck, rest.head_centre)) / max(rest.face_px / 2.0, 1.0)
    edge = chin - 0.04 + (0.3 - chin) * smoothstep((sideways - 0.8) / 0.3) + 0.12 * np.minimum(sideways, 0.9) ** 2
    hanging = _part_at(shown * smoothstep((rise - edge) / 0.06), rise, sideways)
    links = [("neck", "chest", False)]
    return [
        _piece(cutting, crop, "head", upright, known, links),
        _piece(cutting, crop, "head", hanging, known, [], name="hanging_head"),
    ]


def _part_at(alpha: FloatArray, rise: FloatArray, sideways: FloatArray) -> FloatArray:
    """`alpha` without what does not hang together with the head's middle: slips of the shoulders beside the neck."""
    solid = (alpha > 0.5).astype(np.uint8)
    _, parts = cv2.connectedComponents(cv2.morphologyEx(solid, cv2.MORPH_OPEN, _ball(2)))
    middle = parts[(np.abs(rise - 1.0) < 0.2) & (sideways < 0.5) & (parts > 0)]
    if middle.size == 0:
        return alpha
    kept = cv2.dilate((parts == np.bincount(middle).argmax()).astype(np.uint8), _ball(4))
    slips = cv2.dilate(solid & ~kept, _ball(6)) & ~kept
    return np.asarray(alpha * (1.0 - _soft(slips > 0)))


def cut_pieces(cutting: Cutting) -> list[Piece]:
    """All pieces that the photo gives."""
    made = [_pelvis(cutting), _torso(cutting), *_heads(cutting)]
    pieces = [piece for piece in made if piece is not None]
    for limb in cutting.limbs:
        pieces += cut_limb(cutting, limb)
    return pieces
