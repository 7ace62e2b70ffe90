"""Joint positions -> local rotations of a rig, closed form and for all frames at once.

Owns which joints tell which rotation. Knows nothing of motions, frame rates, contacts or file formats; how a limb is
turned about itself is `twist`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fleximo import rotations as rot
from fleximo.arrays import FloatArray, freeze
from fleximo.errors import FleximoError
from fleximo.rig import BODY_JOINTS, FINGERS, SIDES, Rig
from fleximo.steadying import jitter_m
from fleximo.twist import bend_twist

__all__ = ["positions_to_rotations", "rig_from_positions"]

_UPPERS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_HINGES = ("left_elbow", "right_elbow", "left_knee", "right_knee")
_ENDS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
# Axis of flexion in the T-pose: flexion turns the lower bone about +axis.
_FLEXION: FloatArray = np.array([(0.0, -1.0, 0.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (1.0, 0.0, 0.0)])
_BRANCHES = {
    "pelvis": ("left_hip", "right_hip", "spine1"),
    "spine3": ("neck", "left_collar", "right_collar"),
    "left_wrist": tuple(f"left_{finger}1" for finger in FINGERS),
    "right_wrist": tuple(f"right_{finger}1" for finger in FINGERS),
}


class _Pose:
    """Positions as given, and the world rotations found for them so far."""

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
        self.names = names
        self._given = given
        self._columns = {name: column for column, name in enumerate(names)}
        self.world: dict[str, FloatArray] = {}  # joint -> (T,4)
        for name in BODY_JOINTS:
            rig.index(name)

    def place(self, name: str) -> FloatArray:
        """(T,3) m, where the joint was seen."""
        return self._given[:, self._columns[name]]

    def parent(self, name: str) -> str:
        """The joint that `name` hangs on."""
        return self.rig.joint_names[int(self.rig.parents[self.rig.index(name)])]

    def offsets(self, children: Sequence[str]) -> FloatArray:
        """(N,3) m, rest offsets of `children` from their parents."""
        return np.asarray(self.rig.rest_offsets[[self.rig.index(child) for child in children]], dtype=np.float64)

    def bones(self, children: Sequence[str]) -> FloatArray:
        """(T,N,3) m, from their parents to `children` as given."""
        ends = [self._columns[child] for child in children]
        starts = [self._columns[self.parent(child)] for child in children]
        return np.asarray(self._given[:, ends] - self._given[:, starts])

    def aim(self, guess: FloatArray, *children: str) -> FloatArray:
        """The world rotations nearest to `guess` (T,N,4) that point the bones to `children` where they were seen."""
        return rot.multiply(
            rot.from_two_vectors(rot.rotate(guess, self.offsets(children)), self.bones(children)), guess
        )

    def aim_one(self, guess: FloatArray, child: str) -> FloatArray:
        """`aim` of a single joint: (T,4) -> (T,4)."""
        return self.aim(guess[:, None], child)[:, 0]

    def branch(self, name: str) -> FloatArray:
        """World rotations (T,4) of a joint whose several children stand fast on it."""
        children = _BRANCHES[name]
        return _kabsch(self.offsets(children), self.bones(children))


def positions_to_rotations(
    rig: Rig,
    positions: npt.ArrayLike,
    *,
    face_points: Mapping[str, FloatArray] | None = None,
    jitter: float | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Local rotations (T,J,4) and root (T,3) m whose forward kinematics give `positions`.

    `positions`: (T,22,3) m of `BODY_JOINTS` or (T,J,3) of all joints of `rig`. `face_points`: landmarks of the rig's
    head (nose, left_eye, ...) -> (T,3) m; without them the head goes with the neck. `jitter`: standard deviation in m
    of the positions' errors, None = told from the bones. Every bone keeps the length and every branching joint the
    shape of `rig`, so the joints match exactly where `rig` has the person's proportions (`rig_from_positions`). Pelvis,
    chest and hands are turned by the best rigid fit (Kabsch 1976); limbs by the shortest arc and the plane of their
    bend, which is carried on through frames where the limb is straight. What positions do not tell (toes, hands
    without fingers) stays as in the rest pose.

    >>> from fleximo.rig import DEFAULT_RIG
    >>> rotations, root = positions_to_rotations(DEFAULT_RIG, DEFAULT_RIG.rest_joints[None])
    >>> rotations.shape, bool(np.allclose(rotations, rot.IDENTITY, atol=1e-6))
    ((1, 52, 4), True)
    """
    pose = _Pose(rig, positions)
    places = np.stack([pose.place(name) for name in BODY_JOINTS], axis=1)
    _turn_trunk(pose)
    _turn_head(pose, face_points or {})
    _turn_limbs(pose, jitter_m(places) if jitter is None else jitter)
    for side in SIDES:
        if f"{side}_index1" in pose.names:
            _turn_hand(pose, side)
    return _to_local(pose), places[:, 0].copy()


def rig_from_positions(rig: Rig, positions: npt.ArrayLike) -> Rig:
    """`rig` with the bone lengths seen in `positions`, (T,22,3) or (T,J,3) m: the median over the frames.

    Where several bones stand fast on one joint (pelvis, chest, palm) their directions are taken over too; all other
    bones keep the rest direction of `rig`. Landmarks and joints that were not given stay as they are.
    """
    pose = _Pose(rig, positions)
    offsets = rig.rest_offsets.astype(np.float64)
    children = pose.names[1:]
    joints = [rig.index(name) for name in children]
    rest = np.linalg.norm(offsets[joints], axis=-1)
    seen = np.median(np.linalg.norm(pose.bones(children), axis=-1), axis=0)
    offsets[joints] *= np.where(rest > 0.0, seen / np.maximum(rest, 1e-9), 1.0)[:, None]
    for branch, held in _BRANCHES.items():
        if held[0] in pose.names:
            turned_back = rot.conjugate(pose.branch(branch))[:, None]
            offsets[[rig.index(child) for child in held]] = np.median(rot.rotate(turned_back, pose.bones(held)), axis=0)
    return rig.with_offsets(offsets)


def _kabsch(rest: FloatArray, seen: FloatArray) -> FloatArray:
    """The rotations (T,4) that bring the vectors `rest` (N,3) nearest to `seen` (T,N,3) (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(np.einsum("ni,tnj->tij", rest, seen))
    matrices = np.swapaxes(vt, 1, 2) @ np.swapaxes(u, 1, 2)
    mirrored = np.linalg.det(matrices) < 0.0
    if mirrored.any():
        vt[mirrored, 2] *= -1.0
        matrices = np.swapaxes(vt, 1, 2) @ np.swapaxes(u, 1, 2)
    return rot.from_matrix(matrices)


def _turn_trunk(pose: _Pose) -> None:
    """Pelvis, spine and chest; the turn between pelvis and chest is shared by the spine."""
    pelvis, chest = pose.branch("pelvis"), pose.branch("spine3")
    between = rot.slerp(pelvis[:, None], chest[:, None], np.array([1.0 / 3.0, 2.0 / 3.0]))
    spine = pose.aim(between, "spine2", "spine3")
    pose.world |= {"pelvis": pelvis, "spine1": spine[:, 0], "spine2": spine[:, 1], "spine3": chest}


def _turn_head(pose: _Pose, face_points: Mapping[str, FloatArray]) -> None:
    """Neck from chest and head joint; the head from the face, or with the neck."""
    chest, rig = pose.world["spine3"], pose.rig
    wrong = [name for name in face_points if rig.landmarks.get(name, ("", ()))[0] != "head"]
    if wrong:
        raise FleximoError(
            f"The face points {', '.join(wrong)} are no landmarks of the rig's head; these are: "
            f"{', '.join(name for name, (joint, _) in rig.landmarks.items() if joint == 'head')}."
        )
    if not face_points:
        pose.world["neck"] = pose.world["head"] = pose.aim_one(chest, "head")
        return
    shape = (pose.frames, 3)
    seen = [freeze(points, shape, name=name, dtype=np.float64) for name, points in face_points.items()]
    rest = np.array([rig.landmarks[name][1] for name in face_points])
    if len(seen) == 1:
        pose.world["head"] = _look(pose.aim_one(chest, "head"), rest[0], seen[0] - pose.place("head"))
    else:
        pose.world["head"] = _kabsch(rest, np.stack(seen, axis=1) - pose.place("head")[:, None])
    pose.world["neck"] = pose.aim_one(rot.slerp(chest, pose.world["head"], 0.5), "head")


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


def _turn_limbs(pose: _Pose, jitter: float) -> None:
    """Collars, arms and legs: the upper joint's twist from the bend, hinges and ankles nearest to what is above."""
    chest, pelvis = pose.world["spine3"], pose.world["pelvis"]
    collars = pose.aim(np.stack((chest, chest), axis=1), "left_shoulder", "right_shoulder")
    above = np.concatenate((collars, np.stack((pelvis, pelvis), axis=1)), axis=1)
    swing = pose.aim(above, *_HINGES)
    along, lower = rot.unit(pose.bones(_HINGES)), pose.bones(_ENDS)
    twist = bend_twist(along, lower, rot.rotate(swing, _FLEXION), jitter)
    uppers = rot.multiply(rot.from_axis_angle(along, twist), swing)
    hinges = pose.aim(uppers, *_ENDS)
    ankles = pose.aim(hinges[:, 2:], "left_foot", "right_foot")
    names = ("left_collar", "right_collar", *_UPPERS, *_HINGES, "left_ankle", "right_ankle")
    turned = np.concatenate((collars, uppers, hinges, ankles), axis=1)
    pose.world |= {name: turned[:, column] for column, name in enumerate(names)}


def _turn_hand(pose: _Pose, side: str) -> None:
    """Hand and fingers; half of the hand's turn about the forearm goes to the forearm, as in the body."""
    elbow, wrist = pose.world[f"{side}_elbow"], pose.branch(f"{side}_wrist")
    offset = pose.offsets([f"{side}_wrist"])[0]
    turn = rot.twist_about(rot.multiply(rot.conjugate(elbow), wrist), offset / max(float(np.linalg.norm(offset)), 1e-9))
    pose.world[f"{side}_elbow"] = rot.multiply(elbow, rot.slerp(np.broadcast_to(rot.IDENTITY, turn.shape), turn, 0.5))
    pose.world[f"{side}_wrist"] = wrist
    for finger in FINGERS:
        first, second, third = (f"{side}_{finger}{segment}" for segment in (1, 2, 3))
        pose.world[first] = pose.aim_one(wrist, second)
        pose.world[second] = pose.aim_one(pose.world[first], third)


def _to_local(pose: _Pose) -> FloatArray:
    """(T,J,4) local rotations; a joint without a world rotation stays at rest on its parent."""
    rig = pose.rig
    rotations = np.broadcast_to(rot.IDENTITY, (pose.frames, len(rig.joint_names), 4)).copy()
    turned = [name for name in rig.joint_names if name in pose.world]
    joints = [rig.index(name) for name in turned]
    rotations[:, joints] = np.stack([pose.world[name] for name in turned], axis=1)
    hung = [name for name in turned if rig.parents[rig.index(name)] >= 0]
    above = np.stack([pose.world[pose.parent(name)] for name in hung], axis=1)
    own = np.stack([pose.world[name] for name in hung], axis=1)
    rotations[:, [rig.index(name) for name in hung]] = rot.multiply(rot.conjugate(above), own)
    return rot.continuous(rot.normalise(rotations))
