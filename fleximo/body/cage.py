"""The mannequin's cage: few polygons around the default rig, from which subdivision makes a smooth body.

A neutral figure of our own (CC0). Only its left half is written down; the right one is its mirror image. Rings of
vertices around trunk, limbs and fingers, each with the joints that move it. Metres, the pelvis at the origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.rig import DEFAULT_RIG

__all__ = ["Cage", "mannequin_cage"]

Shares = Mapping[str, float]
Point = tuple[float, float, float]

# Subdivision draws a ring of n vertices in; cages are wider by as much.
_WIDER = {4: 1 / 0.73, 8: 1 / 0.925, 12: 1 / 0.966}
_JOINTS = {name: DEFAULT_RIG.rest_joints[joint] for joint, name in enumerate(DEFAULT_RIG.joint_names)}


class Cage:
    """Vertices with their joints' shares, and polygons that are seen from outside counter-clockwise."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.shares: list[Shares] = []
        self.faces: list[tuple[int, ...]] = []

    def add(self, point: Sequence[float] | FloatArray, shares: Shares) -> int:
        """A new vertex; returns its number."""
        self.points.append((float(point[0]), float(point[1]), float(point[2])))
        self.shares.append(shares)
        return len(self.points) - 1

    def ring(self, points: Sequence[Sequence[float]] | FloatArray, shares: Shares | Sequence[Shares]) -> list[int]:
        """New vertices, with the same shares or one entry each."""
        each = [shares] * len(points) if isinstance(shares, Mapping) else shares
        return [self.add(point, share) for point, share in zip(points, each)]

    def bridge(self, ring: list[int], onward: list[int], *, closed: bool = True) -> list[int]:
        """Quads from a ring to the next one, which lies to where the ring runs counter-clockwise; returns that one."""
        count = len(ring)
        for i in range(count if closed else count - 1):
            j = (i + 1) % count
            self.faces.append((ring[i], ring[j], onward[j], onward[i]))
        return onward

    def close(self, ring: list[int], point: Sequence[float], shares: Shares) -> None:
        """Closes an even ring with quads around one more vertex."""
        middle = self.add(point, shares)
        for i in range(0, len(ring), 2):
            self.faces.append((ring[i], ring[i + 1], ring[(i + 2) % len(ring)], middle))

    def mirrored(self) -> tuple[FloatArray, list[Shares], list[tuple[int, ...]]]:
        """This half and its mirror image, joined where x is 0."""
        points, shares, faces = list(self.points), list(self.shares), list(self.faces)
        twin = []
        for number, (x, y, z) in enumerate(self.points):
            twin.append(number if x == 0.0 else len(points))
            if x != 0.0:
                points.append((-x, y, z))
                shares.append({_other_side(name): share for name, share in self.shares[number].items()})
        faces += [tuple(twin[vertex] for vertex in reversed(face)) for face in self.faces]
        return np.array(points), shares, faces


def _other_side(name: str) -> str:
    return name.replace("left_", "right_") if name.startswith("left_") else name.replace("right_", "left_")


def mannequin_cage() -> tuple[FloatArray, FloatArray, list[tuple[int, ...]]]:
    """Vertices (N,3) m, weights (N,52) of the default rig's joints, and polygons."""
    half = Cage()
    hips, shoulder, neck = _trunk(half)
    _leg(half, hips)
    _hand(half, _arm(half, shoulder))
    _head(half, neck)
    points, shares, faces = half.mirrored()
    weights = np.zeros((len(points), len(DEFAULT_RIG.joint_names)))
    for row, share in zip(weights, shares):
        for name, part in share.items():
            row[DEFAULT_RIG.index(name)] = part
    return points, weights / weights.sum(axis=1, keepdims=True), faces


# Height of the front and of the back, half width, how far the front and the back reach, of the trunk's rings from the
# hips up; then the joints that move them.
_TRUNK: tuple[tuple[tuple[float, float, float, float, float], Shares], ...] = (
    ((-0.070, -0.075, 0.158, 0.088, -0.118), {"pelvis": 0.62, "left_hip": 0.38}),
    ((-0.005, 0.005, 0.156, 0.094, -0.122), {"pelvis": 0.92, "left_hip": 0.08}),
    ((0.075, 0.085, 0.139, 0.090, -0.098), {"pelvis": 0.65, "spine1": 0.35}),
    ((0.150, 0.158, 0.122, 0.086, -0.078), {"pelvis": 0.1, "spine1": 0.7, "spine2": 0.2}),
    ((0.225, 0.230, 0.131, 0.097, -0.085), {"spine1": 0.4, "spine2": 0.6}),
    ((0.295, 0.300, 0.150, 0.113, -0.099), {"spine2": 0.5, "spine3": 0.5}),
    ((0.362, 0.370, 0.164, 0.121, -0.108), {"spine3": 1.0}),
    ((0.420, 0.432, 0.160, 0.110, -0.112), {"spine3": 1.0}),
    ((0.464, 0.492, 0.150, 0.066, -0.092), {"spine3": 1.0}),
)
_ARMPIT = 6  # the arm leaves between this ring and the second after it, in the columns 2 to 4
_BOXY = 0.82  # exponent of the trunk's section: 1 is an ellipse


def _section(front: float, back: float, width: float, ahead: float, behind: float, boxy: float) -> list[Point]:
    """The left half (7 points, front to back) of a level ring of 12."""
    angles = np.radians(30.0 * np.arange(7))
    across = np.sin(angles).round(12) ** boxy * width * _WIDER[12]
    along = np.sign(np.cos(angles).round(12)) * np.abs(np.cos(angles).round(12)) ** boxy
    middle, depth = (ahead + behind) / 2.0, (ahead - behind) / 2.0 * _WIDER[12]
    height = (front + back) / 2.0 + (front - back) / 2.0 * np.cos(angles)
    return list(zip(across.tolist(), height.tolist(), (middle + depth * along).tolist()))


def _trunk(cage: Cage) -> tuple[list[int], list[int], list[int]]:
    """The trunk; returns its lowest ring, the arm's hole and its highest ring."""
    rings: list[list[int]] = []
    for number, (shape, shares) in enumerate(_TRUNK):
        points = [list(point) for point in _section(*shape, boxy=_BOXY)]
        each = [dict(shares) for _ in points]
        _shape_trunk_ring(number, points, each)
        if number == _ARMPIT + 1:  # where the arm leaves there is no vertex
            ring = cage.ring(points[:3], each[:3]) + [-1] + cage.ring(points[4:], each[4:])
        else:
            ring = cage.ring(points, each)
        if rings:
            _bridge_trunk(cage, rings[-1], ring, hole=number in (_ARMPIT + 1, _ARMPIT + 2))
        rings.append(ring)
    low, middle, high = rings[_ARMPIT : _ARMPIT + 3]
    hole = [high[3], high[2], middle[2], low[2], low[3], low[4], middle[4], high[4]]
    return rings[0], hole, rings[-1]


def _bridge_trunk(cage: Cage, low: list[int], high: list[int], *, hole: bool) -> None:
    for i in range(6):
        if not (hole and i in (2, 3)):
            cage.faces.append((low[i], low[i + 1], high[i + 1], high[i]))


def _shape_trunk_ring(number: int, points: list[list[float]], shares: list[dict[str, float]]) -> None:
    """What departs from the plain sections: hips, chest, back and the shoulder's hole."""
    if number == 0:
        for column, lift in zip(range(7), (-0.018, -0.004, 0.014, 0.022, 0.010, -0.012, -0.030)):
            points[column][1] += lift
        points[5][2] -= 0.006
        shares[0] = {"pelvis": 0.8, "left_hip": 0.1, "right_hip": 0.1}
        shares[6] = {"pelvis": 0.8, "left_hip": 0.1, "right_hip": 0.1}
    if number == 1:
        points[5][2] -= 0.008
        points[6][2] += 0.008
        shares[0] = shares[6] = {"pelvis": 1.0}
    if number in (_ARMPIT, _ARMPIT - 1):
        points[0][2] -= 0.006  # breastbone
        points[1][2] += 0.004
        points[6][2] += 0.008  # spine between the shoulder blades
    if number == _ARMPIT:
        points[3] = [0.163, 0.362, -0.012]
        points[2][0], points[4][0] = 0.150, 0.152
        for column in (2, 3, 4):
            shares[column] = {"spine3": 0.68, "left_collar": 0.12, "left_shoulder": 0.2}
    if number == _ARMPIT + 1:
        points[6][2] += 0.008
        points[2], points[4] = [0.150, 0.426, 0.080], [0.152, 0.432, -0.090]
        shares[2] = shares[4] = {"spine3": 0.3, "left_collar": 0.42, "left_shoulder": 0.28}
        shares[1] = shares[5] = {"spine3": 0.82, "left_collar": 0.18}
    if number == _ARMPIT + 2:
        for column, point in enumerate(
            ([0.0, 0.470, 0.050], [0.072, 0.474, 0.048], [0.140, 0.492, 0.034], [0.150, 0.508, -0.012],
             [0.142, 0.500, -0.062], [0.078, 0.496, -0.090], [0.0, 0.498, -0.088])
        ):  # fmt: skip
            points[column] = point
        for column in (2, 3, 4):
            shares[column] = {"spine3": 0.24, "left_collar": 0.56, "left_shoulder": 0.2}
        shares[1] = shares[5] = {"spine3": 0.6, "left_collar": 0.4}
        shares[0] = shares[6] = {"spine3": 0.9, "neck": 0.1}


# Height, middle x and z, half width, half depth of the leg's rings, and what moves them.
_LEG: tuple[tuple[tuple[float, float, float, float, float], Shares], ...] = (
    ((-0.165, 0.092, -0.006, 0.080, 0.090), {"pelvis": 0.12, "left_hip": 0.88}),
    ((-0.270, 0.093, -0.002, 0.072, 0.081), {"left_hip": 1.0}),
    ((-0.375, 0.091, 0.002, 0.058, 0.066), {"left_hip": 1.0}),
    ((-0.435, 0.090, 0.004, 0.052, 0.057), {"left_hip": 0.86, "left_knee": 0.14}),
    ((-0.475, 0.090, 0.004, 0.049, 0.055), {"left_hip": 0.5, "left_knee": 0.5}),
    ((-0.515, 0.090, -0.002, 0.048, 0.053), {"left_hip": 0.14, "left_knee": 0.86}),
    ((-0.600, 0.091, -0.014, 0.053, 0.059), {"left_knee": 1.0}),
    ((-0.720, 0.090, -0.012, 0.042, 0.047), {"left_knee": 1.0}),
    ((-0.820, 0.090, -0.006, 0.032, 0.037), {"left_knee": 0.9, "left_ankle": 0.1}),
)
# Height and z of the instep, of the heel or sole, and half width, of the foot's rings from the ankle to the toes.
_FOOT: tuple[tuple[tuple[float, float, float, float, float], Shares], ...] = (
    ((-0.876, 0.036, -0.872, -0.046, 0.034), {"left_knee": 0.5, "left_ankle": 0.5}),
    ((-0.900, 0.054, -0.920, -0.064, 0.036), {"left_knee": 0.1, "left_ankle": 0.9}),
    ((-0.912, 0.074, -0.970, -0.058, 0.036), {"left_ankle": 1.0}),
    ((-0.922, 0.092, -0.968, 0.016, 0.038), {"left_ankle": 1.0}),
    ((-0.932, 0.118, -0.968, 0.106, 0.047), {"left_ankle": 0.5, "left_foot": 0.5}),
    ((-0.940, 0.160, -0.968, 0.160, 0.045), {"left_foot": 1.0}),
    ((-0.947, 0.192, -0.966, 0.192, 0.033), {"left_foot": 1.0}),
)


def _leg(cage: Cage, hips: list[int]) -> None:
    crotch = cage.add((0.0, -0.122, -0.012), {"pelvis": 0.7, "left_hip": 0.15, "right_hip": 0.15})
    front = hips[:4]
    ring = [*front[::-1], crotch, hips[6], hips[5], hips[4]]  # outer side, front, inner side, back
    angles = np.radians(45.0 * np.arange(8))
    outward, ahead = np.cos(angles) * _WIDER[8], np.sin(angles) * _WIDER[8]
    for (y, x, z, width, depth), shares in _LEG:
        level = np.full(8, y)
        ring = cage.bridge(ring, cage.ring(np.stack((x + width * outward, level, z + depth * ahead), 1), shares))
    x = _JOINTS["left_ankle"][0] + 0.002
    for (top, top_z, sole, sole_z, width), shares in _FOOT:
        middle, half = np.array([(top + sole) / 2, (top_z + sole_z) / 2]), np.array([top - sole, top_z - sole_z]) / 2
        section = middle + ahead[:, None] * half
        ring = cage.bridge(ring, cage.ring(np.column_stack((x + width * outward, section)), shares))
    cage.close(ring, (x, -0.957, 0.200), {"left_foot": 1.0})


# x, middle height and z, half height, half depth of the arm's rings, and what moves them.
_ARM: tuple[tuple[tuple[float, float, float, float, float], Shares], ...] = (
    ((0.194, 0.439, -0.008, 0.067, 0.064), {"left_collar": 0.3, "left_shoulder": 0.7}),
    ((0.242, 0.439, -0.008, 0.056, 0.056), {"left_shoulder": 1.0}),
    ((0.320, 0.441, -0.006, 0.046, 0.048), {"left_shoulder": 1.0}),
    ((0.412, 0.444, -0.008, 0.037, 0.040), {"left_shoulder": 0.86, "left_elbow": 0.14}),
    ((0.450, 0.445, -0.011, 0.036, 0.039), {"left_shoulder": 0.5, "left_elbow": 0.5}),
    ((0.488, 0.445, -0.010, 0.037, 0.040), {"left_shoulder": 0.14, "left_elbow": 0.86}),
    ((0.545, 0.444, -0.008, 0.037, 0.042), {"left_elbow": 1.0}),
    ((0.630, 0.445, -0.010, 0.028, 0.034), {"left_elbow": 1.0}),
    ((0.690, 0.445, -0.010, 0.022, 0.029), {"left_elbow": 0.7, "left_wrist": 0.3}),
)


def _arm(cage: Cage, ring: list[int]) -> list[int]:
    """The arm from the hole in the trunk on; returns the wrist's ring, from the top on towards the front."""
    angles = np.radians(45.0 * np.arange(8))
    up, ahead = np.cos(angles) * _WIDER[8], np.sin(angles) * _WIDER[8]
    for (x, y, z, height, depth), shares in _ARM:
        points = np.stack((np.full(8, x), y + height * up, z + depth * ahead), axis=1)
        ring = cage.bridge(ring, cage.ring(points, shares))
    return ring


_FINGERS = ("index", "middle", "ring", "pinky")  # as they lie, from the thumb on
_FINGER_M = {"index": 0.0092, "middle": 0.0094, "ring": 0.0090, "pinky": 0.0078, "thumb": 0.0108}
# z of the five seams between and beside the fingers, and half the hand's thickness, at three places of the palm.
_PALM: tuple[tuple[float, tuple[float, ...], float], ...] = (
    (0.722, (0.020, 0.008, -0.009, -0.025, -0.040), 0.0170),
    (0.764, (0.029, 0.009, -0.012, -0.031, -0.050), 0.0155),
    (0.790, (0.0285, 0.005, -0.0165, -0.0365, -0.0560), 0.0120),
)


def _hand(cage: Cage, wrist: list[int]) -> None:
    rings: list[list[int]] = []
    for x, seams, thick in _PALM[:2]:
        height = 0.446 - 0.001 * (x > 0.75)
        top = [(x, height + thick * bulge, z) for z, bulge in zip(seams[::-1], (0.7, 1.0, 1.1, 1.1, 0.8))]
        sole = [(x, height - thick * bulge, z) for z, bulge in zip(seams, (1.0, 1.05, 0.95, 1.05, 0.8))]
        near: dict[str, float] = {"left_elbow": 0.12, "left_wrist": 0.88} if not rings else {"left_wrist": 1.0}
        shares: list[Shares] = [near] * 10
        shares[4] = shares[5] = {"left_wrist": 0.6, "left_thumb1": 0.4}
        rings.append(cage.ring([*top, *sole], shares))
    first, second = rings
    _start_palm(cage, wrist, first)
    knuckles = _knuckles(cage)
    for ring, onward in ((first, second), (second, knuckles)):
        for i in range(10):
            if not (ring is first and i == 4):  # there the thumb leaves
                j = (i + 1) % 10
                cage.faces.append((ring[i], ring[j], onward[j], onward[i]))
    for number, finger in enumerate(_FINGERS):
        base = [knuckles[3 - number], knuckles[4 - number], knuckles[5 + number], knuckles[6 + number]]
        _finger(cage, finger, base)
    _finger(cage, "thumb", [first[4], first[5], second[5], second[4]])


def _start_palm(cage: Cage, wrist: list[int], palm: list[int]) -> None:
    """From the wrist's ring of 8 to the palm's of 10: back of the hand, then its inner side, each pinky to thumb."""
    w = wrist
    back, inner = palm[:5], palm[5:]
    cage.faces += [
        (w[7], w[0], back[2], back[1], back[0]),
        (w[0], w[1], back[4], back[3], back[2]),
        (w[1], w[2], w[3], inner[0], back[4]),
        (w[3], w[4], inner[2], inner[1], inner[0]),
        (w[4], w[5], inner[4], inner[3], inner[2]),
        (w[5], w[6], w[7], back[0], inner[4]),
    ]


def _knuckles(cage: Cage) -> list[int]:
    """The ring at the fingers' roots; neighbours share its vertices."""
    x, seams, thick = _PALM[2]
    shares: list[Shares] = []
    for seam in range(5):
        beside = [_FINGERS[n] for n in (seam - 1, seam) if 0 <= n < 4]
        shares.append({"left_wrist": 0.55, **{f"left_{finger}1": 0.45 / len(beside) for finger in beside}})
    reach = (0.002, 0.006, 0.004, 0.0, -0.006)
    top = [(x + reach[n], 0.449 + thick * (1.0 if 0 < n < 4 else 0.75), seams[n]) for n in range(5)]
    inner = [(x + reach[n] + 0.006, 0.447 - thick * (1.0 if 0 < n < 4 else 0.85), seams[n]) for n in range(5)]
    return cage.ring([*top[::-1], *inner], [*shares[::-1], *shares])


def _finger(cage: Cage, finger: str, base: list[int]) -> None:
    """One finger from the quad at its root on: top, top, inner side, inner side, as they lie around the finger."""
    names = [f"left_{finger}{segment}" for segment in (1, 2, 3)]
    joints = np.array([_JOINTS[name] for name in names])
    last, offset = DEFAULT_RIG.landmarks[f"left_{finger}_tip"]
    places = np.concatenate((joints, [_JOINTS[last] + offset]))
    radius, ring = _FINGER_M[finger], base
    # Along which bone, how far, how thick, and which joints move it.
    for bone, way, thick, shares in (
        (0, 0.8 if finger == "thumb" else 0.45, 1.2 if finger == "thumb" else 1.05, {names[0]: 1.0}),
        (1, 0.0, 1.0, {names[0]: 0.5, names[1]: 0.5}),
        (1, 0.5, 0.94, {names[1]: 1.0}),
        (2, 0.0, 0.92, {names[1]: 0.5, names[2]: 0.5}),
        (2, 0.86, 0.80, {names[2]: 1.0}),
    ):
        along = places[bone + 1] - places[bone]
        along /= np.linalg.norm(along)
        if finger == "thumb":
            across = np.cross(along, np.cross((0.0, 1.0, 0.0), along))
            up = across / np.linalg.norm(across)
        else:
            up = np.array([0.0, 1.0, 0.0])
        aside = np.cross(along, up)  # towards the thumb's side
        middle = places[bone] + way * (places[bone + 1] - places[bone])
        half = 0.97 * radius * thick
        corners = [middle + half * (a * aside + b * up) for a, b in _corners(finger)]
        ring = cage.bridge(ring, cage.ring(corners, shares))
    cage.faces.append(tuple(ring))


def _corners(finger: str) -> tuple[tuple[float, float], ...]:
    """The corners of a finger's square section in the order of its root's quad: towards the thumb, and up."""
    if finger == "thumb":
        return ((1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0))
    return ((-1.0, 1.0), (1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))


_HEAD: tuple[tuple[tuple[float, float, float, float, float], Shares], ...] = (
    ((0.492, 0.530, 0.066, 0.036, -0.074), {"spine3": 0.5, "neck": 0.5}),
    ((0.530, 0.562, 0.055, 0.040, -0.062), {"neck": 0.85, "head": 0.15}),
    ((0.541, 0.590, 0.058, 0.080, -0.062), {"neck": 0.3, "head": 0.7}),
    ((0.556, 0.615, 0.066, 0.108, -0.076), {"head": 1.0}),
    ((0.605, 0.640, 0.073, 0.116, -0.090), {"head": 1.0}),
    ((0.655, 0.670, 0.078, 0.114, -0.098), {"head": 1.0}),
    ((0.710, 0.712, 0.076, 0.104, -0.092), {"head": 1.0}),
    ((0.755, 0.752, 0.054, 0.068, -0.062), {"head": 1.0}),
)


def _head(cage: Cage, ring: list[int]) -> None:
    for shape, shares in _HEAD:
        ring = cage.bridge(ring, cage.ring(_section(*shape, boxy=0.95), shares), closed=False)
    top = cage.ring([(0.0, 0.776, z) for z in (0.035, 0.003, -0.032)], {"head": 1.0})
    seam = [ring[0], *top, ring[6]]
    for i in range(4):
        cage.faces.append((seam[i], ring[i + 1], ring[i + 2], seam[i + 1]))
