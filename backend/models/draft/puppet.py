"""Building the puppet from one photo: soft edges, limbs, pieces and the empty scene.

Knows the photo and the person in it; nothing of the motion.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from backend.models.draft.background import empty_scene, place_image, place_mask
from backend.models.draft.cut import cut_limbs, find_limbs
from backend.models.draft.folded import arm_is_folded, mark_folded, unfold_arms
from backend.models.draft.hands import skin_colour
from backend.models.draft.matte import soft_alpha
from backend.models.draft.pieces import Cutting, cut_pieces
from backend.models.draft.shadow import find_shadows, shadow_zone
from fleximo.arrays import BoolArray, FloatArray
from fleximo.camera import Framing
from fleximo.errors import FleximoError
from fleximo.person import Person
from fleximo.puppet.bones import LINKS
from fleximo.puppet.layers import Piece, Puppet
from fleximo.puppet.rest import ARMS, HAND_START, SIDES, RestPose, rest_pose

__all__ = ["build_puppet"]

_JOINT_OF = {"shoulder": 0, "elbow": 1, "wrist": 2, "hip": 0, "knee": 1, "ankle": 2}


def build_puppet(rgb: FloatArray, person: Person, framing: Framing) -> Puppet:
    """Cuts the person out of the photo (h,w,3) uint8 and into pieces; deterministic, about a second at 576x1024."""
    if (rgb.shape[1], rgb.shape[0]) != person.photo_size or person.photo_size != framing.photo_size:
        raise FleximoError(
            f"The photo has {rgb.shape[1]}x{rgb.shape[0]} pixels, the person was found in one of "
            f"{person.photo_size}, the framing is for {framing.photo_size}.",
            remedy="Detect the person and make the framing from this photo.",
        )
    rest = rest_pose(person, framing)
    pad = _padding(person, framing)
    image, covered = place_image(rgb, framing, pad)
    mask = place_mask(person.mask, framing, pad)
    offset = np.array([pad[0], pad[1]], dtype=np.float64)
    working = replace(rest, points=rest.points + offset)
    hard = mask > 0.5
    grow = max(2, round(0.012 * 3.5 * rest.torso_px))
    near = cv2.dilate(hard.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1,) * 2)) > 0
    limbs = tuple(find_limbs(working, hard))
    floor = shadow_zone(hard.shape, limbs, rest.down, rest.torso_px)
    scene = empty_scene(image, near | floor, covered)
    alpha = soft_alpha(image, mask, scene, max(1.5, 0.004 * 3.5 * rest.torso_px), floor)
    shadows = find_shadows(image, scene, alpha, limbs, rest.down, rest.torso_px, (pad[0], pad[1]))
    labels = cut_limbs(image, alpha, working, list(limbs))
    folded = tuple(side for side in SIDES if arm_is_folded(rest, side))
    if folded:
        labels = mark_folded(image, labels, working, limbs, folded)
    cutting = Cutting(image, alpha, labels, working, limbs, (pad[0], pad[1]))
    pieces, rest = unfold_arms(cut_pieces(cutting), rest, cutting, person)
    hands_seen = {side: rest.has(HAND_START[side], HAND_START[side] + 9) for side in SIDES}
    width, height = framing.canvas_size
    window = np.s_[pad[1] : pad[1] + height, pad[0] : pad[0] + width]
    return Puppet(
        np.ascontiguousarray(scene[window]),
        tuple(_with_reach(piece, rest) for piece in pieces),
        shadows,
        rest,
        hands_seen,
        folded,
        {side: _skin(image, working, side) for side in SIDES},
    )


def _skin(image: FloatArray, rest: RestPose, side: str) -> FloatArray:
    """(3,) RGB: the forearm's colour where it is bare, that is like the face, else the face's."""
    face = skin_colour(image, rest.points[[0]] - 0.03 * rest.torso_px * rest.down, 0.05 * rest.torso_px)
    _, elbow, wrist = ARMS[side]
    if not rest.has(elbow, wrist):
        return face
    places = np.array([rest.points[elbow] * (1 - t) + rest.points[wrist] * t for t in (0.8, 0.88, 0.96)])
    arm = skin_colour(image, places, 0.02 * rest.torso_px)
    tint = np.abs(arm / max(float(arm.sum()), 1.0) - face / max(float(face.sum()), 1.0)).sum()
    ratio = float(arm.sum()) / max(float(face.sum()), 1.0)
    return arm if tint < 0.12 and 0.55 < ratio < 1.7 else face


def _padding(person: Person, framing: Framing) -> tuple[int, int, int, int]:
    """How far the person reaches beyond the canvas (left, top, right, bottom px), at most one canvas."""
    rows, columns = np.nonzero(person.mask)
    if rows.size == 0:
        return (0, 0, 0, 0)
    low = framing.to_canvas(np.array([columns.min(), rows.min()])) - 8
    high = framing.to_canvas(np.array([columns.max() + 1, rows.max() + 1])) + 8
    width, height = framing.canvas_size
    return (
        int(np.clip(np.ceil(-low[0]), 0, width)),
        int(np.clip(np.ceil(-low[1]), 0, height)),
        int(np.clip(np.ceil(high[0] - width), 0, width)),
        int(np.clip(np.ceil(high[1] - height), 0, height)),
    )


def _with_reach(piece: Piece, rest: RestPose) -> Piece:
    """Marks the corners of the outline that a neighbouring bone may carry: those around the joint."""
    near: list[BoolArray] = []
    for link, _, _ in piece.links:
        near.append(np.linalg.norm(piece.outline - _joint(LINKS[link][0], rest), axis=1) < 0.45 * rest.torso_px)
    return replace(piece, near_link=tuple(near))


def _joint(link: str, rest: RestPose) -> FloatArray:
    if link == "waist":
        return rest.neck + 0.75 * (rest.mid_hip - rest.neck)
    if link == "neck":
        return rest.neck + 0.4 * (rest.head_centre - rest.neck)
    side, name = link.split("_")
    chains = {"right": ((2, 3, 4), (8, 9, 10)), "left": ((5, 6, 7), (11, 12, 13))}[side]
    chain = chains[0] if name in ("shoulder", "elbow", "wrist") else chains[1]
    return np.asarray(rest.points[chain[_JOINT_OF[name]]])
