"""Where each bone carries the puppet in each frame: maps for sampling and for boxes, and the blends at the joints.

Reads one row of the track per frame, so that equal rows give equal frames. Knows no pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.models.draft.bones import BONES, LINKS, affine_map, bone_index, carry, link_index, smoothstep, stretch_map
from backend.models.draft.rest import ARMS, HAND_START, LEGS, SIDES, RestPose, complete_points, unit
from fleximo.arrays import FloatArray
from fleximo.camera import Camera
from fleximo.pose_track import PoseTrack

__all__ = ["TURN_LIMIT_DEGREES", "Poses", "Target", "poses", "read_target"]

TURN_LIMIT_DEGREES = 35.0
_NARROWEST = float(np.cos(np.radians(TURN_LIMIT_DEGREES)))
_JOINT_RADII = {"shoulder": 0.14, "elbow": 0.11, "wrist": 0.09, "hip": 0.18, "knee": 0.15, "ankle": 0.11}  # torsos
_ANKLE_HEIGHT = 0.05  # of the stature, ankle joint above the floor (Drillis and Contini 1964: 0.039; shoes added)


@dataclass(frozen=True, eq=False)
class Target:
    """The track made complete, in float64."""

    points: FloatArray  # (T,128,2) canvas px
    depths_m: FloatArray  # (T,128), 0 = unknown
    hands: dict[str, FloatArray]  # side -> (T,) bool: the hand's points are given
    growth: FloatArray  # (T,128) apparent size against the photo, from depth; 1 where unknown
    lift_m: FloatArray  # (T,2) right, left ankle above its place on the floor; 0 where unknown
    focal_px: float

    def footing(self, side: str, frame: int) -> tuple[FloatArray, float, float]:
        """The ankle if the foot stood on the floor below it, canvas px; its size; the strength of its shadow."""
        ankle = LEGS[side][2]
        lift, depth = float(self.lift_m[frame, SIDES.index(side)]), float(self.depths_m[frame, ankle])
        drop = lift * self.focal_px / depth if depth > 0.05 else 0.0
        strength = 1.0 - 0.85 * float(smoothstep(np.array((lift - 0.02) / 0.3)))
        return self.points[frame, ankle] + np.array([0.0, drop]), float(self.growth[frame, ankle]), strength


@dataclass(frozen=True, eq=False)
class Poses:
    """Every bone and link in every frame."""

    inverse: FloatArray  # (T,B,15) canvas -> photo on the canvas, see `bones.carry`
    forward: FloatArray  # (T,B,15)
    # (T,L,7) the blend's slope x, y and offset; its strength; the joint x, y and one over its radius: the blend ends
    # 1.8 radii away (0: it does not end)
    links: FloatArray
    face_shift: FloatArray  # (T,5) canvas px of the photo: bulge centre x, y, shift x, y, radius


def read_target(rest: RestPose, track: PoseTrack, camera: Camera, stature_m: float) -> Target:
    """Completes the track; depth gives the apparent size against a person who stands on the world's origin."""
    points = track.points_px.astype(np.float64).copy()
    depths = track.depths_m.astype(np.float64)
    present = (track.confidence > 0) | (np.abs(points).sum(axis=-1) > 0)
    rest_depths = _rest_depths(rest, camera)
    known = (depths > 0.05) & present
    ratio = np.where(known, depths, rest_depths) / np.maximum(rest_depths, 0.05)
    body = known[:, :18]
    middle = np.where(body, ratio[:, :18], 0.0).sum(axis=1) / np.maximum(body.sum(axis=1), 1)
    ratio = np.where(known, ratio, np.where(body.any(axis=1), middle, 1.0)[:, None])
    growth = np.clip(1.0 / np.maximum(ratio, 0.05), 0.3, 3.0)
    points[:, :18] = complete_points(points[:, :18], present[:, :18], rest.points[:18])
    hands = {side: present[:, [HAND_START[side], HAND_START[side] + 9]].all(axis=1) for side in SIDES}
    lifts = _lifts(points, depths, camera, stature_m)
    return Target(points, np.where(known, depths, 0.0), hands, growth, lifts, float(camera.K[1, 1]))


def _rest_depths(rest: RestPose, camera: Camera) -> FloatArray:
    """(128,) m: how far the photo's points are from the camera if she stands upright on the world's origin.

    Where the ray through the point meets the upright plane through the origin that faces the camera.
    """
    matrix = camera.world_to_camera[0]
    rotation, shift = matrix[:3, :3], matrix[:3, 3]
    eye = -rotation.T @ shift
    rays = np.concatenate([rest.points - camera.K[:2, 2], np.ones((len(rest.points), 1))], axis=1)
    rays[:, :2] /= [camera.K[0, 0], camera.K[1, 1]]
    towards = np.array([eye[0], 0.0, eye[2]])
    distance = float(np.linalg.norm(towards))
    across = (rays @ rotation) @ (-towards / max(distance, 1e-6))  # how fast each ray nears the plane
    return np.where(across > 0.1, distance / np.maximum(across, 0.1), max(float(shift[2]), 0.1))


def _lifts(points: FloatArray, depths: FloatArray, camera: Camera, stature_m: float) -> FloatArray:
    """(T,2) how far each ankle is above its height when standing, m."""
    ankles = [10, 13]
    place, depth = points[:, ankles], depths[:, ankles]
    focal = np.array([camera.K[0, 0], camera.K[1, 1]])
    seen = np.concatenate([(place - camera.K[:2, 2]) / focal * depth[..., None], depth[..., None]], axis=-1)
    matrices = np.broadcast_to(camera.world_to_camera, (len(points), 4, 4))
    world = np.einsum("tji,tkj->tki", matrices[:, :3, :3], seen - matrices[:, None, :3, 3])
    return np.where(depth > 0.05, np.maximum(world[..., 1] - _ANKLE_HEIGHT * stature_m, 0.0), 0.0)


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
    head, head_rest, head_target = _head(rest, target)
    face, moved = _face_shift(rest, target, head, head_rest, head_target)
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


def _angle(vectors: FloatArray) -> FloatArray:
    return np.arctan2(vectors[..., 1], vectors[..., 0])


def _wrap(angles_rad: FloatArray, period: float = 2 * np.pi) -> FloatArray:
    return (angles_rad + period / 2) % period - period / 2


def _rotation(angles_rad: FloatArray) -> FloatArray:
    c, s = np.cos(angles_rad), np.sin(angles_rad)
    return np.stack([np.stack([c, -s], axis=-1), np.stack([s, c], axis=-1)], axis=-2)


def _pelvis(rest: RestPose, target: Target, chest: FloatArray) -> FloatArray:
    """(T,2,2) half-way between the hips' and the spine's turn; hardly foreshortened when the trunk bows."""
    hips = rest.points[11] - rest.points[8]
    now = target.points[:, 11] - target.points[:, 8]
    growth = target.growth[:, [8, 11]].mean(axis=1)
    reach = max(float(np.linalg.norm(hips)), 0.2 * rest.torso_px)
    ratio = np.linalg.norm(now, axis=-1) / (reach * growth)
    sure = np.clip(ratio, 0.0, 1.0) ** 2
    hip_turn = _wrap(_angle(now) - _angle(hips), np.pi)
    spine = chest @ rest.down
    spine_turn = _wrap(_angle(spine) - _angle(rest.down))
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
    return _rotation(turn) @ basis @ size @ basis.T


def _head(rest: RestPose, target: Target) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(T,2,2) turn and size of the head, and its centre in the photo (2,) and in the frames (T,2)."""
    face = [i for i in (0, 14, 15, 16, 17) if rest.seen[i]] or [0, 14, 15, 16, 17]
    face = [16, 17] if rest.has(16, 17) else face  # the ears turn with the skull, the features move before it
    centre, now = rest.points[face].mean(axis=0), target.points[:, face].mean(axis=1)
    growth = target.growth[:, [16, 17] if rest.has(16, 17) else [1]].mean(axis=1)  # ears: neither chin up nor nose out
    right = [i for i in (14, 16) if rest.seen[i]] or [14, 16]
    left = [i for i in (15, 17) if rest.seen[i]] or [15, 17]
    line = rest.points[left].mean(axis=0) - rest.points[right].mean(axis=0)
    line_now = target.points[:, left].mean(axis=1) - target.points[:, right].mean(axis=1)
    sure = np.clip(np.linalg.norm(line_now, axis=-1) / (np.linalg.norm(line) * growth + 1e-6), 0.0, 1.0) ** 2
    roll = _wrap(_angle(line_now) - _angle(line), np.pi)
    stalk, stalk_now = centre - rest.neck, now - target.points[:, 1]
    lean = _wrap(_angle(stalk_now) - _angle(stalk))
    lean_sure = np.clip(np.linalg.norm(stalk_now, axis=-1) / (np.linalg.norm(stalk) * growth + 1e-6), 0.0, 1.0) ** 2
    lean_sure = np.where(np.abs(lean) > np.pi * 0.5, 0.0, 0.3 * lean_sure)
    turn = (sure * roll + lean_sure * lean) / (sure + lean_sure + 1e-3)
    return _rotation(turn) * (growth * _face_size(rest, target, growth))[:, None, None], centre, now


def _face_size(rest: RestPose, target: Target, growth: FloatArray) -> FloatArray:
    """(T,) how much larger the face's points lie than depth says; little, since a turned face only looks narrow."""
    face = [i for i in (0, 14, 15, 16, 17) if rest.seen[i]]
    if len(face) < 3:
        return np.ones(len(growth))
    own = rest.points[face] - rest.points[face].mean(axis=0)
    now = target.points[:, face] - target.points[:, face].mean(axis=1, keepdims=True)
    spread = np.sqrt((now**2).sum(axis=(1, 2)) / max(float((own**2).sum()), 1e-6))
    return np.clip(spread / growth, 0.95, 1.06)


def _face_shift(
    rest: RestPose, target: Target, head: FloatArray, centre: FloatArray, now: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The bulge (T,5) by which the face moves against the head's outline when it turns or nods, and the rest of it.

    What a bulge cannot show without tearing the face is returned as a move of the whole head (T,2).
    """
    face = [i for i in (0, 14, 15, 16, 17) if rest.seen[i]] or [0, 14, 15, 16, 17]
    middle = rest.points[face].mean(axis=0)
    radius = max(float(np.linalg.norm(centre - rest.neck)) * 0.55, 2.0)
    if not rest.has(16, 17):
        return np.tile([*middle, 0.0, 0.0, radius], (len(now), 1)), np.zeros((len(now), 2))
    radius = max(radius, 1.6 * float(np.linalg.norm(rest.points[17] - rest.points[16])) / 2.0)
    seen = np.einsum("tij,tj->ti", np.linalg.inv(head), target.points[:, face].mean(axis=1) - now)
    wanted = seen - (middle - centre)
    length = np.linalg.norm(wanted, axis=-1, keepdims=True)
    shift = wanted * np.minimum(1.0, 0.15 * radius / np.maximum(length, 1e-6))
    bulge = np.concatenate([middle + shift, shift, np.full((len(now), 1), radius)], axis=-1)
    return bulge, np.einsum("tij,tj->ti", head, wanted - shift)


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
    offset = _wrap(_angle(own) - _angle(forearm))
    following = np.einsum("tij,tj->ti", _rotation(np.full(len(growth), offset)), forearm_now)
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
    swing = _wrap(_angle(shin_now) - _angle(shin))
    lifted = smoothstep((target.lift_m[:, SIDES.index(side)] - 0.03) / 0.12)
    sure = 1.0 - smoothstep((np.abs(swing) - 1.6) / 0.6)  # a shin that points up gives no direction for a foot
    matrix = _rotation(swing * lifted * sure) * target.growth[:, ankle, None, None]
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
    return _angle(maps[:, 11:13]) - _angle(maps[:, 0:2])


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
        bend = np.degrees(np.abs(_wrap(_turn(outer_map) - _turn(inner_map))))
        shown = np.minimum(_foreshortening(outer_map), _foreshortening(inner_map))
        row[:, 3] = (1.0 - smoothstep((bend - 50.0) / 60.0)) * smoothstep((shown - 0.3) / 0.4)
        # Where the trunk may not follow a turn, its shoulder is not the arm's: nothing to blend.
        apart = np.linalg.norm(carry(inner_map, rest.points[chain[i]]) - joint, axis=-1)
        radius = _JOINT_RADII[name] * rest.torso_px * growth
        row[:, 3] *= 1.0 - smoothstep((apart / radius - 0.4) / 0.6)
        row[:, 4:6] = joint
        row[:, 6] = 1.0 / radius
        inner, inner_map = outer, outer_map
