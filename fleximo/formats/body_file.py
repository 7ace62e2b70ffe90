"""The user's own body model (SMPL, SMPL-H or SMPL-X) as a body for the rig: its template, weights and joints.

Owns which of such a model's joints are the rig's. Blend shapes are left out: the body is for looking at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fleximo.arrays import FloatArray, freeze
from fleximo.body import SkinnedBody, few_joints
from fleximo.errors import FleximoError
from fleximo.formats.smpl_model import model_arrays
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG

__all__ = ["read_body"]

_NEEDED = frozenset(("v_template", "f", "weights", "J_regressor", "kintree_table"))
_BODY, _RIG = len(BODY_JOINTS), len(DEFAULT_RIG.joint_names)
_WRISTS, _HEAD = tuple(DEFAULT_RIG.index(f"{side}_wrist") for side in ("left", "right")), DEFAULT_RIG.index("head")
# By how many joints the model has: the rig's joint of each. SMPL has one joint per whole hand, SMPL-X a jaw and eyes.
_JOINTS = {
    24: (*range(_BODY), *_WRISTS),
    52: tuple(range(_RIG)),
    55: (*range(_BODY), _HEAD, _HEAD, _HEAD, *range(_BODY, _RIG)),
}
_MOST_VERTICES = 50_000
_STATURE_M = (0.3, 3.0)


def read_body(path: str | Path) -> SkinnedBody:
    """The body in a model file of the user's: `.pkl` as released, read as data, or an `.npz` of the same arrays.

    Raises `FleximoError` (`unreadable_file`, `unsafe_pickle`, `not_a_body_model`).
    """
    arrays = model_arrays(path, _NEEDED)
    missing = sorted(_NEEDED - arrays.keys())
    if missing:
        raise _not_a_body(f"lacks {', '.join(missing)}")
    vertices = freeze(arrays["v_template"], (None, 3), name="The body model's v_template", dtype=np.float64)
    weights = freeze(arrays["weights"], (len(vertices), None), name="The body model's weights", dtype=np.float64)
    count = weights.shape[1]
    if count not in _JOINTS:
        raise _not_a_body(f"has {count} joints; SMPL's 24, SMPL-H's 52 or SMPL-X's 55 were expected")
    regressor = freeze(arrays["J_regressor"], (count, len(vertices)), name="The body model's J_regressor")
    _check_surface(vertices, weights, arrays["f"])
    _check_tree(arrays["kintree_table"], count)
    joints = regressor @ vertices
    gathered = np.zeros((len(vertices), _RIG))
    np.add.at(gathered.T, list(_JOINTS[count]), weights.T)
    places, tips = _rig_places(joints)
    return SkinnedBody(vertices - joints[0], np.asarray(arrays["f"]), few_joints(gathered), places, tips)


def _check_surface(vertices: FloatArray, weights: FloatArray, faces: Any) -> None:
    if not 100 <= len(vertices) <= _MOST_VERTICES:
        raise _not_a_body(f"has {len(vertices)} vertices; 100 to {_MOST_VERTICES} were expected")
    stature = float(np.ptp(vertices[:, 1]))
    if not _STATURE_M[0] <= stature <= _STATURE_M[1]:
        raise _not_a_body(f"is {stature:.3g} m tall; {_STATURE_M[0]:g} to {_STATURE_M[1]:g} m were expected")
    if weights.min() < -1e-6 or np.abs(weights.sum(axis=1) - 1.0).max() > 1e-2:
        raise _not_a_body("has weights that do not sum to 1")
    faces = np.asarray(faces)
    if faces.ndim != 2 or faces.shape[1] not in (3, 4) or faces.dtype.kind not in "iu":
        raise _not_a_body(f"has faces of the shape {faces.shape}; triangles were expected")
    if faces.size == 0 or int(faces.min()) < 0 or int(faces.max()) >= len(vertices):
        raise _not_a_body("has faces between vertices that it does not have")


def _check_tree(table: Any, count: int) -> None:
    """Joints are taken by their number, so the tree must be SMPL's own."""
    tree = freeze(np.asarray(table), (2, count), name="The body model's kintree_table", dtype=np.int64)
    if (tree[0, 1:_BODY] != DEFAULT_RIG.parents[1:_BODY]).any():
        raise _not_a_body("has joints that do not hang together as SMPL's do")


def _rig_places(joints: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The rig's joints (52,3) and landmarks (L,3) in the model, its pelvis at 0; what it has not is as on the rig."""
    size = float(np.ptp(joints[:_BODY, 1]) / np.ptp(DEFAULT_RIG.rest_joints[:_BODY, 1]))
    offsets = size * DEFAULT_RIG.rest_offsets
    rows = {joint: row for row, joint in reversed(list(enumerate(_JOINTS[len(joints)])))}
    places = np.zeros((_RIG, 3))
    for joint in range(1, _RIG):
        known = joint in rows
        parent = DEFAULT_RIG.parents[joint]
        places[joint] = joints[rows[joint]] - joints[0] if known else places[parent] + offsets[joint]
    hung = [(DEFAULT_RIG.index(name), np.array(offset)) for name, offset in DEFAULT_RIG.landmarks.values()]
    return places, np.array([places[joint] + size * offset for joint, offset in hung])


def _not_a_body(what: str) -> FleximoError:
    return FleximoError(
        f"The body model {what}.",
        code="not_a_body_model",
        remedy="Choose SMPL's, SMPL-H's or SMPL-X's own model file, such as SMPL_NEUTRAL.pkl or SMPLX_NEUTRAL.npz.",
    )
