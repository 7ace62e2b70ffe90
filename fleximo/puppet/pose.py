"""Where each bone carries the puppet in each frame: maps for sampling and for boxes, and the blends at the joints.

Reads one row of the track per frame, so that equal rows give equal frames. Knows no pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.easing import smoothstep
from fleximo.puppet.bones import (
    BONES,
    LINKS,
    affine_map,
    angle,
    bone_index,
    carry,
    link_index,
    rotation,
    stretch_map,
    wrap,
)
from fleximo.puppet.head import face_shift, head_turn
from fleximo.puppet.rest import ARMS, HAND_START, LEGS, SIDES, RestPose, unit
from fleximo.puppet.target import Target

__all__ = ["TURN_LIMIT_DEGREES", "Poses", "poses"]

TURN_LIMIT_DEGREES = 35.0
_NARROWEST = float(np.cos(np.radians(TURN_LIMIT_DEGREES)))
_JOINT_RADII = {"shoulder": 0.14, "elbow": 0.11, "wrist": 0.09, "hip": 0.18, "knee": 0.15, "ankle": 0.11}  # torsos


@dataclass(frozen=True, eq=False)
class Poses:
    """Every bone and link in every frame."""

    inverse: FloatArray  # (T,B,15) canvas -> photo on the canvas, see `bones.carry`
    forward: FloatArray  # (T,B,15)
    # (T,L,7) the blend's slope x, y and offset; its strength; the joint x, y and one over its radius: the blend ends
    # 1.8 radii away (0: it does not end)
    links: FloatArray
    face_shift: FloatArray  # (T,5) canvas px of the photo: bulge centre x, y, shift x, y, radius


def poses(rest: RestPose, target: Target) -> Poses:
    """The bones and links of all frames."""
    frames = len(target.points)
    inverse = np.zeros((frames, len(BONES), 15))
    forward = np.zeros((frames, len(BONES), 15))
    chest = _chest(rest, target)
    _set_affine(inverse, forward, "chest", chest, rest.neck, target.points[:, 1])
    pelvis = _pelvis(rest, target, chest)
    hips = (target.points[:, 8] + target.points[:, 11]) / 2.0
    _set_affine(inverse, forward, "pelvis", pelvis, rest.mid_hip, hips)
    head, head_rest, head_target = head_turn(rest, target)
    face, moved = face_shift(rest, target, head, head_rest, head_target)
    _set_affine(inverse, forward, "head", head, head_rest, head_target + moved)
    for side in SIDES:
        _limb(inverse, forward, rest, target, side, ARMS[side], ("upper_arm", "forearm", "hand"))
        _limb(inverse, forward, rest, target, side, LEGS[side], ("thigh", "shin", "foot"))
        _hand(inverse, forward, rest, target, side)
        _foot(inverse, forward, rest, target, side)
    links = _links(rest, target, forward)
    return Poses(inverse, forward, links, face)


def _set_affine(
    inverse: FloatArray, forward: FloatArray, name: str, matrix: FloatArray, rest: FloatArray, place: FloatArray
) -> None:
    """`matrix` (T,2,2) turns photo offsets from `rest` (2,) into offsets from `place` (T,2)."""
    origin = np.broadcast_to(rest, place.shape)
    forward[:, bone_index(name)] = affine_map(matrix, origin, place)
    inverse[:, bone_index(name)] = affine_map(np.linalg.inv(matrix), place, origin)


def _keep_sign(values: FloatArray, least: FloatArray | float) -> FloatArray:
    """`values` pushed away from zero to at least `least`."""
    return np.where(values < 0, np.minimum(values, -np.asarray(least)), np.maximum(values, least))


def _columns(across: FloatArray, down: FloatArray) -> FloatArray:
    return np.stack([across, down], axis=-1)


def _turned(vectors: FloatArray) -> FloatArray:
    """A quarter turn that takes the spine's direction to the picture's right: down (0,1) -> (1,0)."""
    return np.stack([vectors[..., 1], -vectors[..., 0]], axis=-1)


def _chest(rest: RestPose, target: Target) -> FloatArray:
    """(T,2,2) shoulders and spine of the photo onto those of the frame, never narrower than the turn limit allows."""
    shoulders = rest.points[5] - rest.points[2]
    facing = 1.0 if shoulders @ rest.across >= 0 else -1.0
    width = max(abs(float(shoulders @ rest.across)), 0.3 * rest.torso_px)
    tilt = float(shoulders @ rest.down) * facing
    now = (target.points[:, 5] - target.points[:, 2]) * facing
    spine = (target.points[:, 8] + target.points[:, 11]) / 2.0 - target.points[:, 1]
    growth = target.growth[:, [1, 2, 5, 8, 11]].mean(axis=1)
    straight = spine / (rest.torso_px * growth[:, None])
    level = np.stack([-now[:, 1], now[:, 0]], axis=-1) / (width * growth[:, None])
    shortage = np.maximum(1.0 - np.linalg.norm(straight, axis=-1, keepdims=True), 0.0)
    down = unit(straight + 0.1 * shortage * level)
    across = _turned(down)
    rise = _keep_sign((spine * down).sum(axis=-1) / rest.torso_px, 0.18 * growth)
    span = (now * across).sum(axis=-1)
    least = _NARROWEST * width * growth
    wide = np.clip(np.abs(span), least, 1.15 * width * growth)
    slant = (now * down).sum(axis=-1) * np.clip(span / (0.4 * width * growth), -1.0, 1.0)
    slant = np.clip(slant, -0.5 * width * growth, 0.5 * width * growth)
    frame = np.zeros((len(now), 2, 2))  # in the bases (across, down)
    frame[:, 0, 0] = wide / width
    frame[:, 1, 0] = (slant - tilt * rise) / width
    frame[:, 1, 1] = rise
    return _columns(across, down) @ frame @ _columns(rest.across, rest.down).T


def _pelvis(rest: RestPose, target: Target, chest: FloatArray) -> FloatArray:
    """(T,2,2) half-way between the hips' and the spine's turn; hardly foreshortened when the trunk bows."""
    hips = rest.points[11] - rest.points[8]
    now = target.points[:, 11] - target.points[:, 8]
    growth = target.growth[:, [8, 11]].mean(axis=1)
    reach = max(float(np.linalg.norm(hips)), 0.2 * rest.torso_px)
    ratio = np.linalg.norm(now, axis=-1) / (reach * growth)
    sure = np.clip(ratio, 0.0, 1.0) ** 2
    hip_turn = wrap(angle(now) - angle(hips), np.pi)
    spine = chest @ rest.down
    spine_turn = wrap(angle(spine) - angle(rest.down))
    flipped = np.abs(spine_turn) > np.pi * 0.6
    spine_sure = np.where(flipped, 0.0, np.clip(np.linalg.norm(spine, axis=-1) / growth, 0.0, 1.0) ** 2)
    turn = (sure * hip_turn + spine_sure * spine_turn) / (sure + spine_sure + 1e-3)
    width = np.clip(ratio, _NARROWEST, 1.15) * growth
    # Thighs that come forward lift the seat out of sight.
    thighs = [
        np.linalg.norm(target.points[:, knee] - target.points[:, hip], axis=-1)
        / max(float(np.linalg.norm(rest.points[knee] - rest.points[hip])), 1.0)
        for hip, knee, _ in LEGS.values()
    ]
    height = np.clip(np.mean(thighs, axis=0) + 0.05 * growth, 0.45 * growth, growth)
    size = np.zeros((len(now), 2, 2))
    size[:, 0, 0], size[:, 1, 1] = width, height
    basis = _columns(rest.across, rest.down)
    return rotation(turn) @ basis @ size @ basis.T


def _limb(
    inverse: FloatArray,
    forward: FloatArray,
    rest: RestPose,
    target: Target,
    side: str,
    chain: tuple[int, ...],
    parts: tuple[str, ...],
) -> None:
    parent = np.broadcast_to(rest.down, target.points[:, 0].shape)
    for i in range(2):
        a, b = chain[i], chain[i + 1]
        bone = rest.points[b] - rest.points[a]
        length = max(float(np.linalg.norm(bone)), 1.0)
        growth = target.growth[:, [a, b]].mean(axis=1)
        vector = target.points[:, b] - target.points[:, a]
        share = vector / (length * growth[:, None])
        shortage = np.maximum(1.0 - np.linalg.norm(share, axis=-1, keepdims=True), 0.0)
        axis = unit(share + 0.06 * shortage * parent)  # a limb that points at the camera keeps a steady direction
        reach = np.maximum((vector * axis).sum(axis=-1), 0.02 * length)
        _set_stretch(
            inverse,
            forward,
            f"{side}_{parts[i]}",
            rest.points[a],
            unit(bone),
            length,
            target.points[:, a],
            axis,
            reach,
            growth,
        )
        parent = axis


def _set_stretch(
    inverse: FloatArray,
    forward: FloatArray,
    name: str,
    start: FloatArray,
    axis: FloatArray,
    length: float,
    place: FloatArray,
    place_axis: FloatArray,
    place_length: FloatArray,
    growth: FloatArray,
) -> None:
    lengths = np.full(len(place), length)
    forward[:, bone_index(name)] = stretch_map(start, axis, lengths, place, place_axis, place_length, growth)
    inverse[:, bone_index(name)] = stretch_map(place, place_axis, place_length, start, axis, lengths, 1.0 / growth)


def _hand(inverse: FloatArray, forward: FloatArray, rest: RestPose, target: Target, side: str) -> None:
    """The hand follows wrist -> middle knuckle; without hand points it continues the forearm."""
    elbow, wrist = ARMS[side][1:]
    start = HAND_START[side]
    forearm = rest.points[wrist] - rest.points[elbow]
    known = rest.has(start, start + 9)
    own = rest.points[start + 9] - rest.points[start] if known else forearm * 0.3
    own = own if np.linalg.norm(own) > 1.0 else unit(forearm) * 4.0
    growth = target.growth[:, wrist]
    forearm_now = forward[:, bone_index(f"{side}_forearm"), 11:13]
    offset = wrap(angle(own) - angle(forearm))
    following = np.einsum("tij,tj->ti", rotation(np.full(len(growth), offset)), forearm_now)
    given = target.points[:, start + 9] - target.points[:, start]
    usable = target.hands[side] & known
    length = float(np.linalg.norm(own))
    share = np.where(usable[:, None], given / (length * growth[:, None]), following)
    axis = unit(share + 0.3 * np.maximum(1.0 - np.linalg.norm(share, axis=-1, keepdims=True), 0.0) * following)
    reach = length * growth * np.clip((share * axis).sum(axis=-1), 0.55, 1.25)
    name = f"{side}_hand"
    _set_stretch(
        inverse, forward, name, rest.points[wrist], unit(own), length, target.points[:, wrist], axis, reach, growth
    )


def _foot(inverse: FloatArray, forward: FloatArray, rest: RestPose, target: Target, side: str) -> None:
    """A planted foot stays upright as in the photo; a lifted one hangs from the shin."""
    knee, ankle = LEGS[side][1:]
    shin = rest.points[ankle] - rest.points[knee]
    shin_now = forward[:, bone_index(f"{side}_shin"), 11:13]
    swing = wrap(angle(shin_now) - angle(shin))
    lifted = smoothstep((target.lift_m[:, SIDES.index(side)] - 0.03) / 0.12)
    sure = 1.0 - smoothstep((np.abs(swing) - 1.6) / 0.6)  # a shin that points up gives no direction for a foot
    matrix = rotation(swing * lifted * sure) * target.growth[:, ankle, None, None]
    _set_affine(inverse, forward, f"{side}_foot", matrix, rest.points[ankle], target.points[:, ankle])


def _links(rest: RestPose, target: Target, forward: FloatArray) -> FloatArray:
    """(T,L,7) where the blend from the inner to the outer bone of each link lies."""
    links = np.zeros((len(target.points), len(LINKS), 7))
    hips = (target.points[:, 8] + target.points[:, 11]) / 2.0
    spine = hips - target.points[:, 1]
    _set_link(links, "waist", target.points[:, 1], spine, 0.45, 1.05)
    head = forward[:, bone_index("head")]
    centre = rest.head_centre
    crown = np.stack(
        [
            head[:, 9] + centre[0] * head[:, 11] + centre[1] * head[:, 13],
            head[:, 10] + centre[0] * head[:, 12] + centre[1] * head[:, 14],
        ],
        axis=-1,
    )
    rise = crown - target.points[:, 1]
    _set_link(links, "neck", target.points[:, 1], rise, 0.25, 0.62)
    size = float(np.linalg.norm(centre - rest.neck)) * target.growth[:, 1]
    upright = ((rise * -unit(spine)).sum(axis=-1)) / np.maximum(size, 1.0)
    links[:, link_index("neck"), 3] = smoothstep((upright - 0.35) / 0.35)
    for side in SIDES:
        for chain, names, parts, root in (
            (ARMS[side], ("shoulder", "elbow", "wrist"), ("upper_arm", "forearm", "hand"), target.points[:, 1]),
            (LEGS[side], ("hip", "knee", "ankle"), ("thigh", "shin", "foot"), hips - spine * 0.35),
        ):
            _limb_links(links, rest, target, forward, side, chain, names, parts, root)
    return links


def _set_link(links: FloatArray, name: str, start: FloatArray, vector: FloatArray, low: float, high: float) -> None:
    """A blend along `vector`, from 0 at `low` of it to 1 at `high`."""
    square = np.maximum((vector**2).sum(axis=-1), 4.0)
    normal = vector / square[:, None] / (high - low)
    links[:, link_index(name), :2] = normal
    links[:, link_index(name), 2] = -(normal * start).sum(axis=-1) - low / (high - low)
    links[:, link_index(name), 3] = 1.0


def _turn(maps: FloatArray) -> FloatArray:
    """(T,) rad by which maps (T,15) turn the picture."""
    return angle(maps[:, 11:13]) - angle(maps[:, 0:2])


def _foreshortening(maps: FloatArray) -> FloatArray:
    """(T,) the share of a bone's length that is seen, 1 for rigid parts."""
    return np.asarray(maps[:, 7] / np.maximum(maps[:, 8], 1e-6))


def _limb_links(
    links: FloatArray,
    rest: RestPose,
    target: Target,
    forward: FloatArray,
    side: str,
    chain: tuple[int, ...],
    names: tuple[str, ...],
    parts: tuple[str, ...],
    root: FloatArray,
) -> None:
    inner = unit(target.points[:, chain[0]] - root)
    inner_map = forward[:, bone_index("chest" if parts[0] == "upper_arm" else "pelvis")]
    for i, name in enumerate(names):
        outer_map = forward[:, bone_index(f"{side}_{parts[i]}")]
        outer = outer_map[:, 11:13] if parts[i] != "foot" else inner
        bones = [np.linalg.norm(rest.points[chain[j + 1]] - rest.points[chain[j]]) for j in range(2)]
        growth = target.growth[:, chain[i]]
        half = (0.22 if i == 0 else 0.15) * float(min(bones)) * growth
        normal = unit(inner + outer)
        joint = target.points[:, chain[i]]
        slope = normal / (2.0 * half[:, None])
        row = links[:, link_index(f"{side}_{name}")]
        row[:, :2] = slope
        row[:, 2] = 0.5 - (slope * joint).sum(axis=-1)
        # Half-way between two maps that are turned far apart lies nothing sensible: the pieces go stiff.
        bend = np.degrees(np.abs(wrap(_turn(outer_map) - _turn(inner_map))))
        shown = np.minimum(_foreshortening(outer_map), _foreshortening(inner_map))
        row[:, 3] = (1.0 - smoothstep((bend - 50.0) / 60.0)) * smoothstep((shown - 0.3) / 0.4)
        # Where the trunk may not follow a turn, its shoulder is not the arm's: nothing to blend.
        apart = np.linalg.norm(carry(inner_map, rest.points[chain[i]]) - joint, axis=-1)
        radius = _JOINT_RADII[name] * rest.torso_px * growth
        row[:, 3] *= 1.0 - smoothstep((apart / radius - 0.4) / 0.6)
        row[:, 4:6] = joint
        row[:, 6] = 1.0 / radius
        inner, inner_map = outer, outer_map
