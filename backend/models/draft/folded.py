"""Arms that lie before the trunk in the photo cannot be cut out whole: their mirrored other, or a made one, stands in.

Knows pieces and labels; nothing of motion.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from backend.models.draft.cut import BODY_LABEL, COVERED_LABEL, LABELS, Limb, segment_coordinates
from backend.models.draft.pieces import Cutting, cut_limb
from fleximo.arrays import FloatArray, IntArray
from fleximo.person import Person
from fleximo.puppet.bones import BONES, LINKS, bone_index, link_index
from fleximo.puppet.layers import Piece
from fleximo.puppet.rest import ARMS, HAND_START, SIDES, RestPose

__all__ = ["arm_is_folded", "mark_folded", "unfold_arms"]

_UPPER, _LOWER = 0.58, 0.47  # torso lengths, where the detector gives none (Drillis and Contini 1964)
_RADII = (0.125, 0.1, 0.075)  # half-widths of a made arm at shoulder, elbow and wrist, torso lengths
_ASIDE = np.radians(18.0)  # how far a made arm hangs away from the trunk


def arm_is_folded(rest: RestPose, side: str) -> bool:
    """Whether the outer half of the forearm lies between the shoulder and the hip lines."""
    _, elbow, wrist = ARMS[side]
    if not rest.has(elbow, wrist):
        return False
    inside = [_in_trunk(rest, rest.points[elbow] * (1 - t) + rest.points[wrist] * t) for t in (0.5, 0.75, 1.0)]
    return sum(inside) >= 2


def _in_trunk(rest: RestPose, point: FloatArray) -> bool:
    along = float((point - rest.neck) @ rest.down) / rest.torso_px
    if not 0.0 < along < 1.0:
        return False
    right = rest.points[2] * (1 - along) + rest.points[8] * along
    left = rest.points[5] * (1 - along) + rest.points[11] * along
    places = sorted((float(right @ rest.across), float(left @ rest.across)))
    return places[0] < float(point @ rest.across) < places[1]


def mark_folded(
    image: FloatArray, labels: IntArray, rest: RestPose, limbs: tuple[Limb, ...], sides: tuple[str, ...]
) -> IntArray:
    """`labels` with everything near the folded forearms and hands called `COVERED_LABEL`: nobody's, to be filled in.

    Near means within 1.3 half-widths, or five where the colour is rather the forearm's than the trunk's.
    """
    shape = (labels.shape[0], labels.shape[1])
    spine, aside = segment_coordinates(shape, rest.neck, rest.mid_hip)
    beside_neck = (spine > -0.1) & (np.abs(aside) > 0.22 * rest.torso_px)
    within = ((spine > 0.06) | beside_neck) & (spine < 0.95)
    trunk = (labels == BODY_LABEL) & within
    covered = np.zeros(shape, dtype=bool)
    for limb in limbs:
        if limb.kind != "arm" or limb.side not in sides or len(limb.joints) < 3:
            continue
        tip = limb.joints[2] + 0.8 * (limb.joints[2] - limb.joints[1]) if not limb.with_tip else limb.tip
        distance = np.full(shape, np.inf, np.float32)
        for start, end in ((limb.joints[1], limb.joints[2]), (limb.joints[2], tip)):
            along, across = segment_coordinates(shape, start, end)
            beyond = (along - np.clip(along, 0.0, 1.0)) * float(np.linalg.norm(end - start))
            distance = np.minimum(distance, np.hypot(beyond, across))
        radius = 1.3 * float(limb.radii[2])
        core = (distance < 0.5 * radius) & (labels > 0)
        rest_of = trunk & (distance > 4.0 * radius)
        covered |= (distance < 1.3 * radius) & (labels > 0)
        if core.sum() > 20 and rest_of.sum() > 20:
            own, other = (np.median(image[part].astype(np.float32), axis=0) for part in (core, rest_of))
            colours = image.astype(np.float32)
            like = ((colours - own) ** 2).sum(axis=-1) < ((colours - other) ** 2).sum(axis=-1)
            covered |= like & (distance < 5.0 * radius) & (labels > 0)
    spread = (cv2.dilate(covered.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & (labels > 0)
    between = np.zeros(shape, np.uint8)  # the chest behind the arms is there even where the mask has lost it
    cv2.fillConvexPoly(between, np.round(rest.points[[2, 5, 11, 8]] * 16).astype(np.int32), 1, shift=4)
    hidden = spread | ((between > 0) & (labels != BODY_LABEL))
    return np.where(hidden & within, COVERED_LABEL, labels)


def unfold_arms(pieces: list[Piece], rest: RestPose, cutting: Cutting, person: Person) -> tuple[list[Piece], RestPose]:
    """The pieces with folded arms replaced, and the rest pose with those arms where the replacements hang."""
    folded = [side for side in SIDES if arm_is_folded(rest, side)]
    for side in folded:
        other = "left" if side == "right" else "right"
        pieces = [piece for piece in pieces if piece.name not in {f"{side}_{part}" for part in _PARTS}]
        if other not in folded and f"{other}_forearm" in {piece.name for piece in pieces}:
            mirrored, rest = _mirror(pieces, rest, side, other)
        else:
            mirrored, rest = _make(rest, cutting, person, side)
        pieces = [*pieces, *mirrored]
    return pieces, rest


_PARTS = ("upper_arm", "forearm", "hand")


def _mirror(pieces: list[Piece], rest: RestPose, side: str, other: str) -> tuple[list[Piece], RestPose]:
    """The `other` arm turned left to right and hung at this shoulder."""
    shoulder, given = rest.points[ARMS[side][0]], rest.points[ARMS[other][0]]
    places = [*ARMS[side], *range(HAND_START[side], HAND_START[side] + 21)]
    sources = [*ARMS[other], *range(HAND_START[other], HAND_START[other] + 21)]

    def flipped(points: FloatArray) -> FloatArray:
        return (points - given) * [-1.0, 1.0] + shoulder

    whole, seen = rest.points.copy(), rest.seen.copy()
    whole[places], seen[places] = flipped(rest.points[sources]), rest.seen[sources]
    made = []
    for piece in pieces:
        if piece.name not in {f"{other}_{part}" for part in _PARTS}:
            continue
        width = piece.texture.shape[1]
        edge = flipped(np.array([piece.origin[0] + width, piece.origin[1]], dtype=np.float64))
        origin = (round(float(edge[0])), round(float(edge[1])))
        links = tuple((_swapped_link(link), _swapped_bone(bone), outward) for link, bone, outward in piece.links)
        made.append(
            replace(
                piece,
                name=f"{side}_{piece.name.partition('_')[2]}",
                texture=np.ascontiguousarray(piece.texture[:, ::-1]),
                origin=origin,
                bone=_swapped_bone(piece.bone),
                links=links,
                outline=flipped(piece.outline),
            )
        )
    return made, replace(rest, points=whole, seen=seen)


def _swap(name: str) -> str:
    return name.replace("left", "#").replace("right", "left").replace("#", "right")


def _swapped_bone(index: int) -> int:
    return bone_index(_swap(BONES[index]))


def _swapped_link(index: int) -> int:
    return link_index(_swap(LINKS[index][0]))


def _make(rest: RestPose, cutting: Cutting, person: Person, side: str) -> tuple[list[Piece], RestPose]:
    """A plain arm in the colours that the photo shows of it, hanging at the side; its hand will be drawn."""
    shoulder, elbow, wrist = ARMS[side]
    start = rest.points[shoulder]
    outward = np.sign((start - rest.neck) @ rest.across) or 1.0
    axis = np.cos(_ASIDE) * rest.down + outward * np.sin(_ASIDE) * rest.across
    upper, lower = _lengths(person, (shoulder, elbow, wrist))
    joints = np.array([start, start + axis * upper * rest.torso_px, start + axis * (upper + lower) * rest.torso_px])
    shape = (cutting.alpha.shape[0], cutting.alpha.shape[1])
    radii = np.array(_RADII) * rest.torso_px
    pad = np.array(cutting.pad, dtype=np.float64)
    limb = Limb(side, "arm", joints + pad, radii, joints[2] + pad, with_tip=False)
    image, alpha = cutting.image.copy(), np.zeros(shape, np.float32)
    label = LABELS[side, "arm"]
    for i in (0, 1):
        colour = _sleeve(cutting, radii[0]) if i == 0 else _colour(cutting, rest.points[[elbow, wrist]] + pad, radii[1])
        along, across = segment_coordinates(shape, limb.joints[i], limb.joints[i + 1])
        thick = radii[i] + (radii[i + 1] - radii[i]) * np.clip(along, 0.0, 1.0)
        inside = (np.abs(across) < thick) & (along > (-0.3 if i == 0 else 0.0)) & (along <= 1.0)
        round_off = 0.72 + 0.28 * np.sqrt(np.clip(1.0 - (across / thick) ** 2, 0.0, 1.0))
        image[inside] = np.clip(colour * round_off[inside][:, None], 0, 255).astype(np.uint8)
        alpha[inside] = 1.0
    alpha = cv2.GaussianBlur(alpha, (0, 0), 0.8)
    labels = np.where(alpha > 0.03, label, 0).astype(np.int32)
    whole, seen = rest.points.copy(), rest.seen.copy()
    whole[[shoulder, elbow, wrist]] = joints
    seen[HAND_START[side] : HAND_START[side] + 21] = False
    made = cut_limb(replace(cutting, image=image, alpha=alpha, labels=labels), limb)
    return made, replace(rest, points=whole, seen=seen)


def _lengths(person: Person, chain: tuple[int, int, int]) -> tuple[float, float]:
    """Upper arm and forearm in torso lengths: the detector's 3D ones where it gives them and they are sane."""
    body = person.body_m.astype(np.float64)
    torso = float(np.linalg.norm(body[1] - (body[8] + body[11]) / 2.0))
    if torso < 1e-3:
        return _UPPER, _LOWER
    found = [float(np.linalg.norm(body[chain[i + 1]] - body[chain[i]])) / torso for i in (0, 1)]
    return float(np.clip(found[0], 0.45, 0.7)), float(np.clip(found[1], 0.37, 0.58))


def _sleeve(cutting: Cutting, radius: float) -> FloatArray:
    """(3,) the colour of the upper arms: where a hand lies on one of them, the other tells."""
    rest = cutting.rest
    found = [_colour(cutting, rest.points[list(chain[:2])], radius) for chain in ARMS.values() if rest.has(*chain[:2])]
    low = rest.neck + 0.6 * (rest.mid_hip - rest.neck)  # below where folded arms lie
    cloth = _colour(cutting, np.array([low, rest.mid_hip]), 2.0 * radius)
    return min(found, key=lambda colour: float(((colour - cloth) ** 2).sum()))


def _colour(cutting: Cutting, bone: FloatArray, radius: float) -> FloatArray:
    """(3,) the median colour along the inner half of one of the arm's bones in the photo."""
    shape = (cutting.alpha.shape[0], cutting.alpha.shape[1])
    along, across = segment_coordinates(shape, bone[0], bone[1])
    near = (np.abs(across) < 0.6 * radius) & (along > 0.1) & (along < 0.5)
    return np.median(cutting.image[near], axis=0) if near.any() else np.array([128.0, 128.0, 128.0])
