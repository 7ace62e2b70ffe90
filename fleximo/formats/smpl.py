"""SMPL's rotations -> a motion: its 24 joints, SMPL-H's 52 and SMPL-X's 55, laid on the rig of 52.

Knows the orders of the joints and where SMPL puts its pelvis. Ships nothing of the body model; bone lengths come from
the user's own model file where one is given (`smpl_model`).
"""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.fingers import shape_rotations
from fleximo.formats.clips import SmplClip, check_frames, grounded
from fleximo.formats.smpl_model import SmplModel
from fleximo.motion import Motion
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG, Rig

__all__ = ["from_rotation_vectors", "from_six", "motion_from_smpl", "rig_from_rest_joints"]

_BODY = len(BODY_JOINTS)
_HANDS = slice(22, 52)
# SMPL-X has jaw and eyes between body and hands; SMPL has one joint for each whole hand, which stays as it is.
_COLUMNS = {
    24: np.arange(_BODY),
    52: np.arange(52),
    55: np.concatenate((np.arange(_BODY), np.arange(25, 55))),
}
_CHUNK_FRAMES = 4096  # bounds the memory of long clips
# (x, y, z) -> (-x, z, y), as HumanML3D turns AMASS: half a turn about the axis between Y and Z.
_Z_UP_TO_Y_UP = np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])
_PELVIS_FROM_ORIGIN = np.array([0.0, -0.22, 0.0])  # m; SMPL's origin lies about that far above its pelvis


def from_rotation_vectors(vectors: FloatArray) -> FloatArray:
    """(T,J,4) float32 quaternions of axis-angle poses (T,3J) or (T,J,3)."""
    count = len(vectors)
    result = np.empty((count, vectors[0].size // 3 if count else 0, 4), dtype=np.float32)
    for start in range(0, count, _CHUNK_FRAMES):
        part = np.asarray(vectors[start : start + _CHUNK_FRAMES], dtype=np.float64)
        result[start : start + _CHUNK_FRAMES] = rot.from_rotation_vector(part.reshape(len(part), -1, 3))
    return result


def from_six(rows: FloatArray) -> FloatArray:
    """Quaternions (...,4) of MDM's 6D rotations (...,6): the first two **rows** of the matrix, one after the other.

    (HumanML3D's features hold the first two columns instead.)
    """
    first = rot.unit(rows[..., :3])
    second = rows[..., 3:] - (first * rows[..., 3:]).sum(axis=-1, keepdims=True) * first
    if (np.linalg.norm(rows[..., :3], axis=-1).min(initial=1.0) < 1e-6) or (
        np.linalg.norm(second, axis=-1).min(initial=1.0) < 1e-6
    ):
        raise FleximoError("Some rotations in this file have no direction: their 6 numbers are 0.")
    second = rot.unit(second)
    return rot.from_matrix(np.stack((first, second, np.cross(first, second)), axis=-2))


def rig_from_rest_joints(rest_joints: FloatArray) -> Rig:
    """The default rig with the body of `rest_joints` (22 or more, 3) m: SMPL's joints in its own rest pose."""
    offsets = DEFAULT_RIG.rest_offsets.astype(np.float64)
    joints = np.arange(1, _BODY)
    offsets[joints] = rest_joints[joints] - rest_joints[DEFAULT_RIG.parents[joints]]
    return DEFAULT_RIG.with_offsets(offsets)


def motion_from_smpl(clip: SmplClip, model: SmplModel | None = None) -> Motion:
    """The motion of `clip`, its rotations unchanged but for the world's axes.

    With a `model` the skeleton is the person's own (its shape from the clip's betas) and the pelvis exact; without one
    it is the default rig, put on the floor by a constant.
    """
    frames, given = clip.rotations.shape[:2]
    check_frames(frames)
    if given not in _COLUMNS:
        raise FleximoError(f"The file poses {given} joints; SMPL's 24, SMPL-H's 52 or SMPL-X's 55 were expected.")
    rotations = np.empty((frames, len(DEFAULT_RIG.joint_names), 4), dtype=np.float32)
    rotations[:, : len(_COLUMNS[given])] = clip.rotations[:, _COLUMNS[given]]
    if given == 24:
        rotations[:, _HANDS] = np.concatenate([shape_rotations("relaxed", side) for side in ("left", "right")])
    rig, pelvis_rest = DEFAULT_RIG, _PELVIS_FROM_ORIGIN
    if model is not None:
        rest = _rest_joints(model, clip.betas)
        rig, pelvis_rest = rig_from_rest_joints(rest), rest[0]
    root = np.asarray(clip.places, dtype=np.float64)
    if clip.places_are == "translation":
        root = root + pelvis_rest
    if clip.up == "z":
        rotations[:, 0] = rot.multiply(_Z_UP_TO_Y_UP, rotations[:, 0].astype(np.float64))
        root = rot.rotate(_Z_UP_TO_Y_UP, root)
    motion = Motion(rotations, root, clip.fps, np.zeros((frames, 2), dtype=np.bool_), rig)
    return grounded(motion, shift=model is None)


def _rest_joints(model: SmplModel, betas: FloatArray | None) -> FloatArray:
    """(24,3) m of the model in the shape `betas`; those beyond what the model keeps are left out."""
    surface = model.v_template.astype(np.float64)
    if betas is not None:
        count = min(len(betas), model.shapedirs.shape[-1])
        surface = surface + model.shapedirs[..., :count] @ betas[:count]
    return np.asarray(model.j_regressor @ surface)
