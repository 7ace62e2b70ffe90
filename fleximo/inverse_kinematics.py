"""Joint positions -> local rotations of a rig, closed form and for all frames at once.

Owns how a bone's turn about itself is found where positions alone do not tell it. Knows nothing of motions, frame
rates, contacts or file formats.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fleximo import rotations as rot
from fleximo.arrays import FloatArray, IntArray, freeze
from fleximo.errors import FleximoError
from fleximo.rig import BODY_JOINTS, FINGERS, Rig

__all__ = ["positions_to_rotations", "rig_from_positions"]

# (upper joint, hinge, end, axis of flexion in the T-pose): flexion turns the lower bone about +axis.
_LIMBS: tuple[tuple[str, str, str, tuple[float, float, float]], ...] = (
    ("left_shoulder", "left_elbow", "left_wrist", (0.0, -1.0, 0.0)),
    ("right_shoulder", "right_elbow", "right_wrist", (0.0, 1.0, 0.0)),
    ("left_hip", "left_knee", "left_ankle", (1.0, 0.0, 0.0)),
    ("right_hip", "right_knee", "right_ankle", (1.0, 0.0, 0.0)),
)
_BRANCHES = {
    "pelvis": ("left_hip", "right_hip", "spine1"),
    "spine3": ("neck", "left_collar", "right_collar"),
    "left_wrist": tuple(f"left_{finger}1" for finger in FINGERS),
    "right_wrist": tuple(f"right_{finger}1" for finger in FINGERS),
}
_BENT = 0.17  # sine of the bend (10 degrees) from which on the bend's plane tells the twist
_WELL_BENT = 0.60  # ... and from which on (37 degrees) it is trusted alone; between them the neighbours have a say
_PASSAGE_FRAMES = 8  # the longest passage through straight in which the side of the bend is compared
_SMOOTH_FRAMES = 3.0  # standard deviation of how far that say reaches


class _Skeleton:
    """The given positions by joint name, beside the rig's rest offsets."""

    def __init__(self, rig: Rig, positions: npt.ArrayLike) -> None:
        given = freeze(positions, (None, None, 3), name="positions", dtype=np.float64)
        names = {len(rig.joint_names): rig.joint_names, len(BODY_JOINTS): BODY_JOINTS}.get(given.shape[1])
        if names is None or given.shape[0] == 0:
            raise FleximoError(
                f"positions has the shape {given.shape}; (T, {len(BODY_JOINTS)}, 3) for the body's joints or "
                f"(T, {len(rig.joint_names)}, 3) for all joints of the rig was expected."
            )
        self.rig = rig
        self.frames = given.shape[0]
        self.joints: dict[str, FloatArray] = {name: given[:, column] for column, name in enumerate(names)}
        for name in BODY_JOINTS:
            rig.index(name)

    def offset(self, child: str) -> FloatArray:
        """(3,) m, rest offset of `child` from its parent."""
        return np.asarray(self.rig.rest_offsets[self.rig.index(child)], dtype=np.float64)

    def bone(self, child: str) -> FloatArray:
        """(T,3) m, from the parent of `child` to `child` as given."""
        parent = self.rig.joint_names[self.rig.parents[self.rig.index(child)]]
        return self.joints[child] - self.joints[parent]

    def aim(self, guess: FloatArray, child: str) -> FloatArray:
        """The world rotations nearest to `guess` (T,4) that point the bone to `child` where it was seen."""
        return rot.multiply(rot.from_two_vectors(rot.rotate(guess, self.offset(child)), self.bone(child)), guess)

    def branch(self, name: str) -> FloatArray:
        """World rotations (T,4) of a joint whose several children stand fast on it."""
        children = _BRANCHES[name]
        rest = np.stack([self.offset(child) for child in children])
        return _kabsch(rest, np.stack([self.bone(child) for child in children], axis=1))


def positions_to_rotations(
    rig: Rig, positions: npt.ArrayLike, *, face_points: Mapping[str, FloatArray] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Local rotations (T,J,4) and root (T,3) m whose forward kinematics give `positions`.

    `positions`: (T,22,3) m of `BODY_JOINTS` or (T,J,3) of all joints of `rig`. `face_points`: landmarks of the rig's
    head (nose, left_eye, ...) -> (T,3) m; without them the head goes with the neck. Every bone keeps the length and
    every branching joint the shape of `rig`, so the joints match exactly where `rig` has the person's proportions
    (`rig_from_positions`). Pelvis, chest and hands are turned by the best rigid fit (Kabsch 1976); limbs by the
    shortest arc and the plane of their bend, which is carried on through frames where the limb is straight. What
    positions do not tell (toes, hands without fingers) stays as in the rest pose.

    >>> from fleximo.rig import DEFAULT_RIG
    >>> rotations, root = positions_to_rotations(DEFAULT_RIG, DEFAULT_RIG.rest_joints[None])
    >>> rotations.shape, bool(np.allclose(rotations, rot.IDENTITY, atol=1e-6))
    ((1, 52, 4), True)
    """
    skeleton = _Skeleton(rig, positions)
    world = _trunk(skeleton)
    _add_head(skeleton, world, face_points or {})
    for side in ("left", "right"):
        world[f"{side}_collar"] = skeleton.aim(world["spine3"], f"{side}_shoulder")
    for limb in _LIMBS:
        _add_limb(skeleton, world, *limb)
    for side in ("left", "right"):
        world[f"{side}_ankle"] = skeleton.aim(world[f"{side}_knee"], f"{side}_foot")
        if f"{side}_index1" in skeleton.joints:
            _add_hand(skeleton, world, side)
    return _to_local(rig, world, skeleton.frames), skeleton.joints["pelvis"].copy()


def rig_from_positions(rig: Rig, positions: npt.ArrayLike) -> Rig:
    """`rig` with the bone lengths seen in `positions`, (T,22,3) or (T,J,3) m: the median over the frames.

    Where several bones stand fast on one joint (pelvis, chest, palm) their directions are taken over too; all other
    bones keep the rest direction of `rig`. Landmarks and joints that were not given stay as they are.
    """
    skeleton = _Skeleton(rig, positions)
    offsets = rig.rest_offsets.astype(np.float64)
    for name in skeleton.joints:
        joint = rig.index(name)
        length = np.linalg.norm(offsets[joint])
        if joint and length > 0.0:
            offsets[joint] *= np.median(np.linalg.norm(skeleton.bone(name), axis=-1)) / length
    for branch, children in _BRANCHES.items():
        if children[0] in skeleton.joints:
            turned_back = rot.conjugate(skeleton.branch(branch))
            for child in children:
                offsets[rig.index(child)] = np.median(rot.rotate(turned_back, skeleton.bone(child)), axis=0)
    return rig.with_offsets(offsets)


def _kabsch(rest: FloatArray, seen: FloatArray) -> FloatArray:
    """The rotations (T,4) that bring the vectors `rest` (N,3) nearest to `seen` (T,N,3) (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(np.einsum("ni,tnj->tij", rest, seen))
    matrices = np.swapaxes(vt, 1, 2) @ np.swapaxes(u, 1, 2)
    mirrored = np.linalg.det(matrices) < 0.0
    vt[mirrored, 2] *= -1.0
    return rot.from_matrix(np.swapaxes(vt, 1, 2) @ np.swapaxes(u, 1, 2))


def _trunk(skeleton: _Skeleton) -> dict[str, FloatArray]:
    """World rotations of pelvis, spine and chest; the turn between pelvis and chest is shared by the spine."""
    pelvis, chest = skeleton.branch("pelvis"), skeleton.branch("spine3")
    return {
        "pelvis": pelvis,
        "spine1": skeleton.aim(rot.slerp(pelvis, chest, 1.0 / 3.0), "spine2"),
        "spine2": skeleton.aim(rot.slerp(pelvis, chest, 2.0 / 3.0), "spine3"),
        "spine3": chest,
    }


def _add_head(skeleton: _Skeleton, world: dict[str, FloatArray], face_points: Mapping[str, FloatArray]) -> None:
    """Neck from chest and head joint; the head from the face, or with the neck."""
    chest = world["spine3"]
    rig = skeleton.rig
    wrong = [name for name in face_points if rig.landmarks.get(name, ("", ()))[0] != "head"]
    if wrong:
        raise FleximoError(
            f"The face points {', '.join(wrong)} are no landmarks of the rig's head; these are: "
            f"{', '.join(name for name, (joint, _) in rig.landmarks.items() if joint == 'head')}."
        )
    if not face_points:
        world["neck"] = world["head"] = skeleton.aim(chest, "head")
        return
    shape = (skeleton.frames, 3)
    seen = [freeze(points, shape, name=name, dtype=np.float64) for name, points in face_points.items()]
    rest = np.array([rig.landmarks[name][1] for name in face_points])
    head_joint = skeleton.joints["head"]
    if len(seen) == 1:
        world["head"] = _look(skeleton.aim(chest, "head"), rest[0], seen[0] - head_joint)
    else:
        world["head"] = _kabsch(rest, np.stack(seen, axis=1) - head_joint[:, None])
    world["neck"] = skeleton.aim(rot.slerp(chest, world["head"], 0.5), "head")


def _look(neck: FloatArray, rest: FloatArray, seen: FloatArray) -> FloatArray:
    """`neck` (T,4) turned about its own Y, then tilted, so that `rest` (3,) comes to lie along `seen` (T,3).

    One point cannot tell the roll; this way round it stays the neck's.
    """
    up = rot.rotate(neck, np.array([0.0, 1.0, 0.0]))
    ahead = rot.rotate(neck, rest)
    level, wanted = (v - (v * up).sum(axis=-1, keepdims=True) * up for v in (ahead, seen))
    turned = rot.from_axis_angle(
        up, np.arctan2((np.cross(level, wanted) * up).sum(axis=-1), (level * wanted).sum(axis=-1))
    )
    tilted = rot.from_two_vectors(rot.rotate(turned, ahead), seen)
    return rot.multiply(tilted, rot.multiply(turned, neck))


def _add_limb(
    skeleton: _Skeleton,
    world: dict[str, FloatArray],
    upper: str,
    hinge: str,
    end: str,
    axis: tuple[float, float, float],
) -> None:
    """World rotations of the upper joint (twist from the bend) and of the hinge (nearest to the upper)."""
    parent = skeleton.rig.joint_names[skeleton.rig.parents[skeleton.rig.index(upper)]]
    swing = skeleton.aim(world[parent], hinge)
    along = rot.unit(skeleton.bone(hinge))
    twist = _bend_twist(along, skeleton.bone(end), rot.rotate(swing, np.asarray(axis)))
    world[upper] = rot.multiply(rot.from_axis_angle(along, twist), swing)
    world[hinge] = skeleton.aim(world[upper], end)


def _bend_twist(along: FloatArray, lower: FloatArray, hinge_axis: FloatArray) -> FloatArray:
    """Angles in radians (T,) about `along` (T,3) that bring `hinge_axis` (T,3) onto the normal of the bend's plane.

    Frames in which the limb is straight take the angle between those of their bent neighbours, in which case the
    twist does not jump; a limb that is never bent keeps 0.
    """
    normal = np.cross(along, rot.unit(lower))
    bend = np.linalg.norm(normal, axis=-1)
    bent = np.flatnonzero(bend > _BENT)
    if bent.size == 0:
        return np.zeros(len(along))
    sine = (np.cross(hinge_axis, normal) * along).sum(axis=-1)[bent]
    cosine = ((hinge_axis - (hinge_axis * along).sum(axis=-1, keepdims=True) * along) * normal).sum(axis=-1)[bent]
    angles = np.arctan2(sine, cosine)
    angles = _one_sided(angles, bend[bent], bent)
    return _steadied(np.interp(np.arange(len(along)), bent, angles), bend)


def _one_sided(angles: FloatArray, bend: FloatArray, frames: IntArray) -> FloatArray:
    """`angles` (N,) of the bent `frames`, unwrapped, with those of an overstretched limb turned by pi.

    A limb that passes through straight and comes out on the other side was overstretched; it cannot have turned by
    half in that time. Of the sides of one such passage, the longer and stronger bend is the natural one.
    """
    gap = np.diff(frames)
    step = np.abs(np.angle(np.exp(1j * np.diff(angles))))
    passed = (gap > 1) & (gap <= _PASSAGE_FRAMES) & (step > np.pi / 2.0)
    side = np.cumprod(np.concatenate(([1.0], np.where(passed, -1.0, 1.0))))
    group = np.cumsum(np.concatenate(([0], gap > _PASSAGE_FRAMES)))
    natural = np.where(np.bincount(group, weights=side * bend) < 0.0, -1.0, 1.0)[group]
    return np.unwrap(np.where(side * natural < 0.0, angles + np.pi, angles))


def _steadied(angles: FloatArray, bend: FloatArray) -> FloatArray:
    """`angles` (T,), drawn to those of the better bent frames around where the limb is nearly straight.

    There the plane of the bend turns fast without the limb turning, and the error of the positions is all it shows.
    """
    reach = int(3 * _SMOOTH_FRAMES)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTH_FRAMES) ** 2)
    weight = np.square(bend) + 0.05
    padded, padded_weight = np.pad(angles * weight, reach, mode="edge"), np.pad(weight, reach, mode="edge")
    around = np.convolve(padded, kernel, mode="valid") / np.convolve(padded_weight, kernel, mode="valid")
    trust = np.clip((bend - _BENT) / (_WELL_BENT - _BENT), 0.0, 1.0)
    trust = trust * trust * (3.0 - 2.0 * trust)
    return np.asarray(around + trust * (angles - around))


def _add_hand(skeleton: _Skeleton, world: dict[str, FloatArray], side: str) -> None:
    """Hand and fingers; half of the hand's turn about the forearm goes to the forearm, as in the body."""
    elbow, wrist = world[f"{side}_elbow"], skeleton.branch(f"{side}_wrist")
    offset = skeleton.offset(f"{side}_wrist")
    turn = rot.twist_about(rot.multiply(rot.conjugate(elbow), wrist), offset / max(float(np.linalg.norm(offset)), 1e-9))
    world[f"{side}_elbow"] = rot.multiply(elbow, rot.slerp(np.broadcast_to(rot.IDENTITY, turn.shape), turn, 0.5))
    world[f"{side}_wrist"] = wrist
    for finger in FINGERS:
        first, second, third = (f"{side}_{finger}{segment}" for segment in (1, 2, 3))
        world[first] = skeleton.aim(wrist, second)
        world[second] = skeleton.aim(world[first], third)


def _to_local(rig: Rig, world: dict[str, FloatArray], frames: int) -> FloatArray:
    """(T,J,4) local rotations; a joint without a world rotation stays at rest on its parent."""
    rotations = np.broadcast_to(rot.IDENTITY, (frames, len(rig.joint_names), 4)).copy()
    for joint, name in enumerate(rig.joint_names):
        if name in world:
            parent = int(rig.parents[joint])
            local = world[name]
            if parent >= 0:
                local = rot.multiply(rot.conjugate(world[rig.joint_names[parent]]), local)
            rotations[:, joint] = local
    return rot.continuous(rot.normalise(rotations))
