"""The pose of the photo in 3D: the person's own body, turned so that it lies on its key points in the picture.

Owns the fit of a pose to one picture. Knows no motion over time; camera and bone lengths come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.bones import SEEN, PhotoView, places_m, rig_bones
from fleximo.camera import Camera, Framing
from fleximo.kinematics import forward, landmark_positions
from fleximo.layouts import OPENPOSE_18
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.rig import BODY_JOINTS, Rig

__all__ = ["lift"]

_FREE = (
    "pelvis spine1 spine3 neck head left_collar right_collar left_shoulder right_shoulder left_elbow right_elbow "
    "left_hip right_hip left_knee right_knee"
).split()
_LIMB_BONES = {
    f"{side}_{start}": f"{side}_{end}"
    for side in ("left", "right")
    for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
}
# Standard deviations, in radians about x, y, z, of the turn that a joint makes away from the first guess. The trunk's
# heading shows in the picture only as a few pixels of width, and the head's pitch hardly at all.
_TRUNK = (0.1, 0.1, 0.1)
_STIFF: Mapping[str, tuple[float, float, float]] = {
    "pelvis": (0.3, 0.1, 0.3),
    "spine1": _TRUNK,
    "spine3": _TRUNK,
    "neck": _TRUNK,
    "head": (0.15, 0.5, 0.5),
    "left_collar": (0.15, 0.15, 0.15),
    "right_collar": (0.15, 0.15, 0.15),
}
_LOOSE = (0.8, 0.8, 0.8)
_PIXEL_TORSOS = 0.004  # standard deviation of a key point, in torso lengths: the picture rules over everything else
_FEATURES = ("left_eye", "right_eye", "left_ear", "right_ear")
_FEATURE_WEIGHT = 0.3  # faces differ from the rig's: bent to match exactly, the head would nod
_DEPTH_M = 0.10  # ... and of a measured depth
_STEPS = 12


def lift(person: Person, framing: Framing, camera: Camera, rig: Rig) -> Motion:
    """One frame on `rig` (fitted to the person) whose projection by `camera` lies on the photo's key points.

    Depths follow `person.body_m` and the bone lengths; what the photo does not show stays as at rest. A few
    Gauss-Newton steps from a closed-form first guess; the feet are flat and point where the person faces.
    """
    body = _body_rig(rig)
    seen = person.body_confidence >= SEEN
    world = _places_in_world(person, framing, camera, rig)
    rotations, root = _first_guess(body, world, seen, person)
    rotations, root = _refined(body, rotations, root, world, seen, framing.to_canvas(person.body_px), camera)
    whole = np.tile(rot.IDENTITY, (1, len(rig.joint_names), 1))
    for column, name in enumerate(BODY_JOINTS):
        whole[0, rig.index(name)] = rotations[column]
    planted = np.ones((1, 2), dtype=bool)
    return Motion(rot.normalise(whole), root[None], 30, planted, rig)  # type: ignore[arg-type]


def _body_rig(rig: Rig) -> Rig:
    """The 22 body joints and the face's landmarks alone, for speed."""
    indices = [rig.index(name) for name in BODY_JOINTS]
    parents = [-1 if joint == indices[0] else indices.index(int(rig.parents[joint])) for joint in indices]
    landmarks = {name: rig.landmarks[name] for name in OPENPOSE_18.names if name in rig.landmarks}
    return Rig(BODY_JOINTS, np.array(parents), rig.rest_offsets[indices], landmarks)


def _places_in_world(person: Person, framing: Framing, camera: Camera, rig: Rig) -> FloatArray:
    """(18,3) m where the key points seem to lie, by the camera's lens and the detector's depths."""
    view = PhotoView(float(camera.K[0, 0]) / framing.scale, framing.to_photo(camera.K[:2, 2]))
    places, _ = places_m(person.body_px, person.body_confidence, person.body_m, rig_bones(rig), view)
    rotation, shift = camera.world_to_camera[0, :3, :3], camera.world_to_camera[0, :3, 3]
    return np.asarray((places - shift) @ rotation)


def _unit(v: FloatArray) -> FloatArray:
    return np.asarray(v / max(float(np.linalg.norm(v)), 1e-9))


def _turned(across: FloatArray, up: FloatArray) -> FloatArray:
    """The rotation (4,) whose +X lies along `across` and whose +Y is the part of `up` square to it."""
    x = _unit(across)
    y = _unit(up - (up @ x) * x)
    return rot.from_matrix(np.stack((x, y, np.cross(x, y)), axis=-1))


def _first_guess(rig: Rig, places: FloatArray, seen: BoolArray, person: Person) -> tuple[FloatArray, FloatArray]:
    """Local rotations (22,4) and root (3,): trunk from hips and shoulders, each limb bone along its two points."""
    at = {name: places[column] for column, name in enumerate(OPENPOSE_18.names) if seen[column]}
    heading = rot.from_axis_angle([0.0, 1.0, 0.0], np.radians(person.yaw_degrees))
    hips = "left_hip" in at and "right_hip" in at
    shoulders = "left_shoulder" in at and "right_shoulder" in at
    up = np.array([0.0, 1.0, 0.0])
    if hips and shoulders:
        up = (at["left_shoulder"] + at["right_shoulder"] - at["left_hip"] - at["right_hip"]) / 2.0
    chest = _turned(at["left_shoulder"] - at["right_shoulder"], up) if shoulders else heading
    pelvis = _turned(at["left_hip"] - at["right_hip"], up) if hips else chest
    chest = chest if shoulders else pelvis
    world = {
        "pelvis": pelvis,
        "spine1": rot.slerp(pelvis, chest, 1.0 / 3.0),
        "spine2": rot.slerp(pelvis, chest, 2.0 / 3.0),
        "spine3": chest,
        "head": rot.from_axis_angle([0.0, 1.0, 0.0], rot.yaw(chest)),  # people hold their heads upright
        "left_ankle": heading,
        "right_ankle": heading,
    }
    local = np.empty((len(BODY_JOINTS), 4))
    for joint, name in enumerate(BODY_JOINTS):
        base = world[BODY_JOINTS[int(rig.parents[joint])]] if joint else rot.IDENTITY
        end = _LIMB_BONES.get(name)
        if name not in world:
            world[name] = base
            if end is not None and name in at and end in at:
                rest = rot.rotate(base, rig.rest_offsets[rig.index(end)].astype(np.float64))
                world[name] = rot.multiply(rot.from_two_vectors(rest, at[end] - at[name]), base)
        local[joint] = rot.multiply(rot.conjugate(base), world[name])
    return local, _root_guess(rig, local, at)


def _root_guess(rig: Rig, local: FloatArray, at: Mapping[str, FloatArray]) -> FloatArray:
    """The pelvis (3,) that brings the visible joints of the trunk to their places."""
    world, joints = forward(rig, local[None], np.zeros((1, 3)))
    names = tuple(name for name in ("left_hip", "right_hip") if name in at) or tuple(
        name for name in at if name in BODY_JOINTS
    )
    if not names:
        return np.array([0.0, rig.rest_height, 0.0])
    own = landmark_positions(rig, world, joints, names)[0]
    return np.asarray(np.mean([at[name] for name in names] - own, axis=0))


def _points(rig: Rig, rotations: FloatArray, root: FloatArray) -> FloatArray:
    """(N,18,3) m, the OpenPose-18 points of `rotations` (N,22,4) and `root` (N,3)."""
    world, joints = forward(rig, rotations, root)
    names = tuple("left_shoulder" if name == "neck" else name for name in OPENPOSE_18.names)
    points = landmark_positions(rig, world, joints, names)
    left, right = OPENPOSE_18.index("left_shoulder"), OPENPOSE_18.index("right_shoulder")
    points[:, OPENPOSE_18.index("neck")] = (points[:, left] + points[:, right]) / 2.0
    return points


def _refined(
    rig: Rig,
    rotations: FloatArray,
    root: FloatArray,
    places: FloatArray,
    seen: BoolArray,
    target_px: FloatArray,
    camera: Camera,
) -> tuple[FloatArray, FloatArray]:
    """Damped Gauss-Newton on turns of the free joints and the root; the Jacobian by differences, all at once."""
    free = [rig.index(name) for name in _FREE]
    spread = np.concatenate([_STIFF.get(name, _LOOSE) for name in _FREE])
    hips = [OPENPOSE_18.index("left_hip"), OPENPOSE_18.index("right_hip")]
    middle = target_px[seen]
    torso_px = max(float(np.ptp(middle, axis=0).max()) / 3.0, 1.0)
    weight = np.where(seen, 1.0, 0.0)
    weight[[OPENPOSE_18.index(name) for name in _FEATURES]] *= _FEATURE_WEIGHT
    aim_depth = camera.to_camera(places)[:, 2]
    aim_depth = aim_depth - aim_depth[hips].mean()

    def residuals(turns: FloatArray) -> FloatArray:
        """(N,R) of parameters (N,3+3F)."""
        moved = np.repeat(rotations[None], len(turns), axis=0)
        moved[:, free] = rot.multiply(moved[:, free], rot.from_rotation_vector(turns[:, 3:].reshape(len(turns), -1, 3)))
        pixels, depth = camera.project(_points(rig, moved, root + turns[:, :3]))
        off = (pixels - target_px) * weight[:, None] / (_PIXEL_TORSOS * torso_px)
        deep = (depth - depth[:, hips].mean(axis=1, keepdims=True) - aim_depth) * weight / _DEPTH_M
        return np.concatenate((off.reshape(len(turns), -1), deep, turns[:, 3:] / spread), axis=1)

    count = 3 + spread.size
    state, damping, step = np.zeros(count), 1e-3, 1e-5
    current = residuals(state[None])[0]
    for _ in range(_STEPS):
        jacobian = (residuals(state + step * np.eye(count)) - current).T / step
        normal = jacobian.T @ jacobian
        for _ in range(6):
            change = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-9), -jacobian.T @ current)
            trial = residuals((state + change)[None])[0]
            if trial @ trial < current @ current:
                break
            damping *= 10.0
        else:
            break
        done = current @ current - trial @ trial < 1e-4 * (current @ current)
        state, current, damping = state + change, trial, damping * 0.1
        if done:
            break
    moved = rotations.copy()
    moved[free] = rot.multiply(moved[free], rot.from_rotation_vector(state[3:].reshape(-1, 3)))
    return moved, root + state[:3]
