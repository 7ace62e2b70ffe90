"""A mesh clip -> a motion: by the user's body model, by joints that lie beside it, or estimated from the mesh alone.

Owns the choice between the three and what is said about each. The mathematics is in `smpl_fit` and `mesh_joints`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError, Notice
from fleximo.fingers import shape_rotations
from fleximo.formats.clips import Ask, JointClip, MeshClip, grounded
from fleximo.formats.containers import read_limited
from fleximo.formats.joint_arrays import found_in_array
from fleximo.formats.mesh_joints import MeshJoints, estimate_joints
from fleximo.formats.numpy_file import load_npy
from fleximo.formats.smpl import rig_from_rest_joints
from fleximo.formats.smpl_fit import fit_model
from fleximo.formats.smpl_model import SMPL_VERTICES, load_model
from fleximo.motion import Motion
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG
from fleximo.solve import motion_from_joints

__all__ = ["joints_beside", "motion_from_mesh"]

_BODY = len(BODY_JOINTS)
_BODY_M = (0.5, 3.0)  # the largest extent of a person's mesh
_MOST_FRAMES = 1200  # a minute at 20 fps, 99 MB of vertices
_NOT_THIS_MODEL_M = 0.02  # root mean square distance that no body model and its own mesh have
_OUTSIDE_M = 0.15  # by which a joint may lie outside of the mesh's box
_FLOOR_NEAR_M = 0.02


def motion_from_mesh(clip: MeshClip, model: str | Path | None = None) -> tuple[Motion, tuple[Notice, ...], MeshClip]:
    """The motion of the person whose surface `clip` is, how it was found, and the mesh where that motion is.

    With `model`, the user's own SMPL model file: its pose in every frame, exact. Else by the joints file that T2M-GPT
    writes beside its meshes, if it is there. Else estimated. Mesh and motion stand on the floor. Raises `FleximoError`:
    `wrong_mesh`, `not_a_body_model`, `not_a_body`, `file_too_large` and what reading the model may raise.
    """
    clip = replace(clip, vertices=_checked(clip.vertices))
    if model is None and (beside := joints_beside(clip)) is not None:
        name, joints = beside
        message = f"The joints of the mesh were read from {name}, which lies beside it."
        standing = _standing(joints)
        shift = _apart(standing, clip.vertices).astype(np.float32)
        motion = motion_from_joints(standing, clip.fps)
        return motion, (Notice("mesh_joints_beside", message),), replace(clip, vertices=clip.vertices + shift)
    clip = replace(clip, vertices=_standing(clip.vertices))
    motion, notice = _estimated(clip) if model is None else _exact(clip, model)
    return motion, (notice,), clip


def joints_beside(clip: MeshClip) -> tuple[str, FloatArray] | None:
    """The joints file of a mesh file and its joints (T,22,3) m: `NAME.npy` of the same clip beside `NAME.pt`.

    None if there is none, or if its joints do not lie in the mesh frame by frame (another clip).
    """
    if clip.beside is None:
        return None
    path = clip.beside.with_name((clip.beside.name if clip.beside.is_dir() else clip.beside.stem) + ".npy")
    if path == clip.beside or not path.is_file():
        return None
    try:
        found = found_in_array(load_npy(read_limited(path)), Ask(fps=clip.fps)).clip
    except FleximoError:
        return None
    if not isinstance(found, JointClip) or found.joints.shape != (len(clip.vertices), _BODY, 3):
        return None
    # Some writers place the mesh relative to its first frame: a constant shift tells nothing.
    box = np.stack((clip.vertices.min(axis=1), clip.vertices.max(axis=1)))
    moved = found.joints + _apart(clip.vertices, found.joints)
    inside = (moved > box[0][:, None] - _OUTSIDE_M) & (moved < box[1][:, None] + _OUTSIDE_M)
    return (path.name, found.joints) if inside.all() else None


def _checked(vertices: FloatArray) -> FloatArray:
    """`vertices` as float32 (T,6890,3) m of a person's size; raises `FleximoError` (`wrong_mesh`)."""
    shape = np.shape(vertices)
    if len(shape) != 3 or shape[1:] != (SMPL_VERTICES, 3) or shape[0] == 0:
        raise FleximoError(
            f"The mesh clip has the shape {shape}; (frames, {SMPL_VERTICES}, 3) was expected.",
            code="wrong_mesh",
            remedy="Only meshes of SMPL's 6890 vertices are read.",
        )
    if shape[0] > _MOST_FRAMES:
        raise FleximoError(
            f"The mesh clip has {shape[0]} frames; at most {_MOST_FRAMES} are read.",
            code="file_too_large",
            remedy="Cut it into shorter clips, or use the joints or rotations it was made from.",
        )
    vertices = np.asarray(vertices, dtype=np.float32)
    # The largest extents first: neither NaN nor infinity passes, and no copy is made of a large clip.
    extent = float((vertices.max(axis=1) - vertices.min(axis=1)).max())
    if not np.isfinite(extent):
        raise FleximoError("Some of the mesh's places are not finite numbers.", code="wrong_mesh")
    if not _BODY_M[0] <= extent <= _BODY_M[1]:
        raise FleximoError(
            f"The mesh is {extent:.3g} across; a person's in metres is {_BODY_M[0]:g} to {_BODY_M[1]:g}.",
            code="wrong_mesh",
            remedy="Scale it to metres.",
        )
    return vertices


def _standing(places: FloatArray) -> FloatArray:
    """Vertices or joints (T,N,3) m on the floor at y = 0, where they stand higher or lower by a constant."""
    floor = float(np.percentile(places[..., 1].min(axis=1), 2.0))
    return places if abs(floor) <= _FLOOR_NEAR_M else places - np.array([0.0, floor, 0.0], dtype=places.dtype)


def _apart(these: FloatArray, those: FloatArray) -> FloatArray:
    """(3,) m from `those` points (T,M,3) to `these` (T,N,3): the median frame's shift of their centres."""
    return np.asarray(np.median(these.mean(axis=1) - those.mean(axis=1), axis=0))


def _exact(clip: MeshClip, path: str | Path) -> tuple[Motion, Notice]:
    """By the model: its rotations unchanged, its joints at rest as the rig."""
    fit = fit_model(load_model(path), clip.vertices)
    error = float(np.median(fit.error_m))
    if error > _NOT_THIS_MODEL_M:
        raise FleximoError(
            f"The body model misses the mesh by {1000 * error:.0f} mm on average; the mesh is not of this model.",
            code="wrong_mesh",
            remedy="Use the SMPL model of 6890 vertices, or leave the model out for an estimate.",
        )
    rotations = np.tile(rot.IDENTITY, (len(clip.vertices), len(DEFAULT_RIG.joint_names), 1))
    rotations[:, :_BODY] = fit.rotations[:, :_BODY]
    rotations[:, _BODY:] = np.concatenate([shape_rotations("relaxed", side) for side in ("left", "right")])
    planted = np.zeros((len(rotations), 2), dtype=np.bool_)
    motion = Motion(rotations, fit.pelvis, clip.fps, planted, rig_from_rest_joints(fit.rest_joints))
    message = (
        f"The mesh was posed by the body model {Path(path).name}; they differ by {1000 * error:.1f} mm on average."
    )
    return grounded(motion, shift=False), Notice("mesh_posed_by_model", message)


def _estimated(clip: MeshClip) -> tuple[Motion, Notice]:
    """From the mesh alone; head and hands turn as their part of the mesh does, which joints cannot tell."""
    found = estimate_joints(clip.vertices)
    motion = _with_turns(motion_from_joints(found.joints, clip.fps), found)
    order = np.argsort(found.errors_m)[::-1]
    least = ", ".join(BODY_JOINTS[joint] for joint in order[:3])
    message = (
        f"The skeleton was estimated from the mesh's own motion: its joints may be off by about "
        f"{1000 * float(found.errors_m.mean()):.0f} mm ({1000 * float(found.errors_m.max()):.0f} mm: {least})."
    )
    remedy = (
        "Give your SMPL model file (--model) for the exact pose, or put the joints beside the mesh (same name, .npy)."
    )
    return motion, Notice("mesh_estimated", message, remedy)


def _with_turns(motion: Motion, found: MeshJoints) -> Motion:
    """`motion` with head and hands turning as `found` saw them; on average they stay as they were.

    The surface tells how a part turns from frame to frame but not which way it faced at rest: that is what the motion
    has on average.
    """
    world = motion.world_rotations().astype(np.float64)
    rotations = motion.rotations.astype(np.float64)
    for name, turns in found.turns.items():
        joint = motion.rig.index(name)
        u, _, vt = np.linalg.svd((np.swapaxes(turns, 1, 2) @ rot.to_matrix(world[:, joint])).sum(axis=0))
        u[:, 2] *= np.sign(np.linalg.det(u @ vt))
        above = world[:, motion.rig.parents[joint]]
        rotations[:, joint] = rot.multiply(rot.conjugate(above), rot.from_matrix(turns @ (u @ vt)))
    return replace(motion, rotations=rot.continuous(rotations))
