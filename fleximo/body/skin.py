"""A skinned body: a surface in the rig's rest pose and how much each joint moves each vertex; fitted to other rigs.

Owns the mannequin and the way a body takes on other bone lengths. Knows no file and no program that shows it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray, IntArray, freeze
from fleximo.body.cage import mannequin_cage
from fleximo.body.subdivision import subdivided
from fleximo.files import read_npz, reading
from fleximo.rig import DEFAULT_RIG, SIDES, Rig

__all__ = ["MOST_JOINTS", "SkinnedBody", "few_joints", "fitted_body", "mannequin", "posed_body", "skinned"]

MOST_JOINTS = 4  # that move one vertex, as graphics cards and game engines take them
_BRANCHES_M = 0.06  # over how far the children of one joint share its surface, when their distances change
_FIELDS = ("vertices", "faces", "weights", "joints", "tips")
_NAMES = DEFAULT_RIG.joint_names
# What a body's size is measured by: bones that every source of motion knows well.
_LENGTHS = tuple(
    f"{side}_{joint}" for side in SIDES for joint in ("knee", "ankle", "elbow", "wrist")
) + ("spine1", "spine2", "spine3", "neck")  # fmt: skip


@dataclass(frozen=True, eq=False)
class SkinnedBody:
    """A surface in T-pose, its pelvis at the origin, with the joints inside it."""

    vertices: FloatArray  # (N,3) m
    faces: IntArray  # (M,3) or (M,4), seen from outside counter-clockwise
    weights: FloatArray  # (N,52) of the default rig's joints; rows sum to 1
    joints: FloatArray  # (52,3) m where the default rig's joints are in this body
    tips: FloatArray  # (L,3) m the default rig's landmarks, which go beyond the last joints

    def __post_init__(self) -> None:
        for name, shape in (("vertices", (None, 3)), ("joints", (len(_NAMES), 3)), ("tips", (None, 3))):
            object.__setattr__(self, name, freeze(getattr(self, name), shape, name=f"SkinnedBody.{name}"))
        weights = freeze(self.weights, (len(self.vertices), len(_NAMES)), name="SkinnedBody.weights")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "faces", freeze(self.faces, (None, None), name="SkinnedBody.faces", dtype=np.int32))

    def to_bytes(self) -> bytes:
        """An npz of the fields."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{name: getattr(self, name) for name in _FIELDS}, format_version=1)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> SkinnedBody:
        """What `to_bytes` wrote; raises `FleximoError` for other content."""
        arrays = read_npz(content, required=_FIELDS, what="body", newest=1)
        with reading("body"):
            return cls(**{name: arrays[name] for name in _FIELDS})


@cache
def mannequin() -> SkinnedBody:
    """The neutral figure of our own (CC0) around the default rig: one closed, symmetric surface of quads."""
    points, weights, polygons = mannequin_cage()
    values, quads = subdivided(np.hstack((points, weights)), polygons)
    joints, (hung, offsets) = DEFAULT_RIG.rest_joints, _hung()
    return SkinnedBody(values[:, :3], quads, few_joints(values[:, 3:]), joints, joints[hung] + offsets)


def few_joints(weights: FloatArray) -> FloatArray:
    """`weights` (N,J) with the `MOST_JOINTS` largest of each row, which sum to 1."""
    least = np.sort(weights, axis=1)[:, -MOST_JOINTS, None]
    kept = np.where(weights >= least, weights, 0.0)
    # Of equal ones the first are kept, so that there are never more.
    kept[np.cumsum(kept > 0.0, axis=1) > MOST_JOINTS] = 0.0
    kept[kept < 1e-3] = 0.0
    return np.asarray(kept / kept.sum(axis=1, keepdims=True))


def _hung() -> tuple[list[int], FloatArray]:
    """The joints that the default rig's landmarks hang on, and (L,3) m how far from them."""
    hung = DEFAULT_RIG.landmarks.values()
    return [DEFAULT_RIG.index(joint) for joint, _ in hung], np.array([offset for _, offset in hung])


def fitted_body(body: SkinnedBody, rig: Rig) -> SkinnedBody:
    """`body` around the joints of `rig`, a version of the default rig with other offsets.

    It is scaled as a whole, then each vertex goes along with the ends of the bones that move it: bones become longer,
    not thicker. What lies between several children (hips, chest, palm) follows the nearest.
    """
    joints = rig.rest_joints
    if np.abs(joints - body.joints).max() < 1e-6:
        return body
    scale = _size(joints) / _size(body.joints)
    hung, _ = _hung()
    # A rig's own landmarks are often the default rig's, whatever its size: what goes beyond the last joints is scaled.
    tips = joints[hung] + scale * (body.tips - body.joints[hung])
    ends = np.concatenate((body.joints, body.tips))
    moved = np.concatenate((joints, tips)) - scale * ends
    vertices = scale * body.vertices + _shares_of_ends(body) @ moved
    return SkinnedBody(vertices, body.faces, body.weights, joints, tips)


def _size(joints: FloatArray) -> float:
    parents = DEFAULT_RIG.parents
    return float(
        sum(np.linalg.norm(joints[j] - joints[parents[j]]) for j in (DEFAULT_RIG.index(name) for name in _LENGTHS))
    )


def _ends_of(joint: int) -> list[int]:
    """Where the bones of a joint end: its children, else its landmarks; rows of joints and tips."""
    if _NAMES[joint] == "head":
        return [len(_NAMES) + list(DEFAULT_RIG.landmarks).index("head_top")]
    children = np.flatnonzero(DEFAULT_RIG.parents == joint).tolist()
    tips = [
        len(_NAMES) + n
        for n, (name, (hung, _)) in enumerate(DEFAULT_RIG.landmarks.items())
        if hung == _NAMES[joint] and name.endswith("_tip")
    ]
    return children or tips


def _shares_of_ends(body: SkinnedBody) -> FloatArray:
    """(N,52+L) how far each vertex goes along with each joint and landmark; rows sum to 1."""
    ends = np.concatenate((body.joints, body.tips))
    shares = np.zeros((len(body.vertices), len(ends)))
    for joint in np.flatnonzero(body.weights.any(axis=0)).tolist():
        rows = np.flatnonzero(body.weights[:, joint])
        there, weight = body.vertices[rows], body.weights[rows, joint]
        out = _ends_of(joint)
        bones = ends[out] - ends[joint]
        length = np.maximum(np.square(bones).sum(axis=-1), 1e-12)
        way = np.einsum("nbi,bi->nb", there[:, None] - ends[joint], bones) / length
        way = np.clip(way, 0.0, 1.0)
        away = np.linalg.norm(there[:, None] - ends[joint] - way[..., None] * bones, axis=-1)
        near = np.exp(-np.square(away / _BRANCHES_M) + np.square(away.min(axis=1, keepdims=True) / _BRANCHES_M))
        near /= near.sum(axis=1, keepdims=True)
        shares[rows, joint] += weight * (near * (1.0 - way)).sum(axis=1)
        for column, end in enumerate(out):
            shares[rows, end] += weight * near[:, column] * way[:, column]
    return shares


def posed_body(body: SkinnedBody, rotations: FloatArray, root: FloatArray) -> FloatArray:
    """(...,N,3) m: the surface in poses of `rotations` (...,52,4), local, with the pelvis at `root` (...,3)."""
    parents = DEFAULT_RIG.parents
    turned, places = [rotations[..., 0, :]], [root]
    for joint in range(1, len(_NAMES)):
        parent = int(parents[joint])
        places.append(places[parent] + rot.rotate(turned[parent], body.joints[joint] - body.joints[parent]))
        turned.append(rot.multiply(turned[parent], rotations[..., joint, :]))
    return skinned(body, np.stack(turned, axis=-2), np.stack(places, axis=-2))


def skinned(body: SkinnedBody, turns: FloatArray, places: FloatArray) -> FloatArray:
    """(...,N,3) m: the surface where the joints are turned by `turns` (...,52,4) since rest and lie at `places`.

    Linear blending: each vertex is the weighted mean of where its joints would carry it.
    """
    matrices = rot.to_matrix(turns)
    shift = places - np.einsum("...jik,jk->...ji", matrices, body.joints)
    moves = np.concatenate((matrices, shift[..., None]), axis=-1)
    blended = body.weights @ moves.reshape(*moves.shape[:-2], 12)
    blended = blended.reshape(*blended.shape[:-1], 3, 4)
    return np.asarray(np.einsum("...nik,nk->...ni", blended[..., :3], body.vertices) + blended[..., 3])
