"""Plain arrays of numbers -> joints, features or a mesh, told by their shape alone.

Knows the shapes that text-to-motion models write. What becomes of the joints is `solve`.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo.errors import FleximoError
from fleximo.formats import humanml
from fleximo.formats.clips import Ask, Found, JointClip, MeshClip, check_frames, choose, in_metres, numbers
from fleximo.rig import BODY_JOINTS

__all__ = ["found_in_array"]

_BODY = len(BODY_JOINTS)
_SMPL_FAMILY = (22, 24, 52, 55)  # joints of HumanML3D, SMPL, SMPL-H, SMPL-X: the first 22 are the same
_VERTICES = 6890
_FPS = Fraction(20)  # HumanML3D's, and so that of every model trained on it
_KIT = FleximoError(
    "This is a motion of KIT-ML (21 joints, 251 features, millimetres), another skeleton, which is not read.",
    code="kit_ml",
    remedy="Use the HumanML3D version of the model or data (22 joints, 263 features).",
)


def found_in_array(values: npt.NDArray[Any], ask: Ask, *, beside: Path | None = None) -> Found:
    """The motion in an array: joints (T,22,3), features (T,263), a mesh (T,6890,3), batches of them, or the forms
    with frames last, (N,22,3,T) and (N,6890,3,T).

    Raises `FleximoError`, with code `kit_ml` for KIT-ML's skeleton.
    """
    shape = values.shape
    if (21 in shape[-2:-1] and shape[-1] == 3) or shape[-1:] == (251,) or shape[-3:-1] in ((21, 3), (251, 1)):
        raise _KIT
    fps = ask.fps or _FPS
    if len(shape) in (2, 3) and shape[-1] == humanml.FEATURES:
        return _features(values, ask)
    frames_last = len(shape) >= 3 and shape[-2] == 3 and shape[-3] in (_BODY, _VERTICES)
    if frames_last and not (shape[-1] == 3 and len(shape) == 4):
        values = np.moveaxis(values, -1, -3)
        shape = values.shape
    if len(shape) not in (3, 4) or shape[-1] != 3 or shape[-2] not in (*_SMPL_FAMILY, _VERTICES):
        raise FleximoError(
            f"The file holds an array of the shape {shape}; no motion has that.",
            code="unreadable_file",
            remedy="Read are joints (T, 22, 3), HumanML3D features (T, 263), batches (N, 22, 3, T) and meshes "
            "(T, 6890, 3).",
        )
    items = shape[0] if len(shape) == 4 else 1
    clip = values[choose(ask.item, items)] if len(shape) == 4 else values
    check_frames(len(clip))
    if shape[-2] == _VERTICES:
        mesh = numbers(clip, (None, _VERTICES, 3), name="The mesh")
        return Found("mesh of 6890 vertices", MeshClip(mesh, fps, beside), items)
    joints, notices = in_metres(numbers(clip[:, :_BODY], (None, _BODY, 3), name="The array of joints"))
    return Found(f"joints, {shape[-2]}", JointClip(joints, fps), items, notices=notices)


def _features(values: npt.NDArray[Any], ask: Ask) -> Found:
    items = values.shape[0] if values.ndim == 3 else 1
    rows = values[choose(ask.item, items)] if values.ndim == 3 else values
    check_frames(len(rows))
    rows = numbers(rows, (None, humanml.FEATURES), name="The array of features")
    clip = humanml.decode_features(rows)
    odd = humanml.implausible_features(rows)
    notices = () if odd is None else (odd,)
    return Found("HumanML3D features", JointClip(clip.joints, clip.fps, clip.toe_contacts), items, notices=notices)
