"""A body model file that the user has: the template, its blend shapes, skinning weights and joint regressor.

Owns which arrays such a file must hold and their shapes. Ships none and knows no pose.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fleximo.arrays import FloatArray, IntArray, freeze
from fleximo.errors import FleximoError
from fleximo.formats.containers import check_size, guarded
from fleximo.formats.numpy_file import load_npz
from fleximo.formats.pickle_machine import Machine
from fleximo.formats.pickles import BODY_MODEL, as_array

__all__ = ["SMPL_VERTICES", "SmplModel", "load_model", "model_arrays"]

SMPL_VERTICES = 6890
_JOINTS = 24
_LIMIT_BYTES = 320 * 2**20  # the released neutral model with 300 shapes, written as text, has 236 MB
_WHAT = "body model"
_NEEDED = ("v_template", "J_regressor", "weights", "kintree_table")
_READ = frozenset((*_NEEDED, "shapedirs", "posedirs", "f"))
_MOST_SHAPES = 10  # components beyond these are finer than what tells in the joints, and cost memory
_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)


@dataclass(frozen=True, eq=False)
class SmplModel:
    """A linearly skinned body of 24 joints."""

    v_template: FloatArray  # (N,3) m
    shapedirs: FloatArray  # (N,3,B) m per unit of shape; B may be 0
    posedirs: FloatArray  # (N,3,207) m per element of the rotation matrices of joints 1.. less the identity; or (N,3,0)
    j_regressor: FloatArray  # (24,N)
    weights: FloatArray  # (N,24), rows sum to 1
    faces: IntArray  # (F,3); may be empty
    parents: IntArray  # (24,) -1 for the root

    @cached_property
    def hanging(self) -> FloatArray:
        """(N,24) each vertex' weight on a joint and all below it."""
        sums = self.weights.copy()
        for joint in range(len(self.parents) - 1, 0, -1):
            sums[:, self.parents[joint]] += sums[:, joint]
        return sums

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> SmplModel:
        """The model of a file's `arrays` by their published names; raises `FleximoError` that names what is amiss."""
        missing = [name for name in _NEEDED if name not in arrays]
        if missing:
            raise FleximoError(
                f"The body model lacks {', '.join(missing)}.",
                code="not_a_body_model",
                remedy="Pass SMPL's own model file, such as SMPL_NEUTRAL.pkl or an .npz of the same arrays.",
            )
        n = SMPL_VERTICES
        regressor = _checked(arrays["J_regressor"], (None, n), "J_regressor")
        if regressor.shape[0] != _JOINTS:
            raise FleximoError(
                f"The body model has {regressor.shape[0]} joints; SMPL's 24 were expected.",
                code="not_a_body_model",
                remedy="SMPL-H and SMPL-X models do not fit meshes of 6890 vertices posed by SMPL.",
            )
        weights = _checked(arrays["weights"], (n, _JOINTS), "weights")
        if np.abs(weights.sum(axis=1) - 1.0).max() > 1e-2 or np.abs(regressor.sum(axis=1) - 1.0).max() > 1e-2:
            raise FleximoError("The body model's weights or regressor do not sum to 1.", code="not_a_body_model")
        shapes, blends = (np.asarray(arrays.get(name, np.zeros((n, 3, 0)))) for name in ("shapedirs", "posedirs"))
        return cls(
            v_template=_checked(arrays["v_template"], (n, 3), "v_template"),
            shapedirs=_checked(shapes[..., :_MOST_SHAPES], (n, 3, None), "shapedirs"),
            posedirs=_blends(blends),
            j_regressor=regressor,
            weights=weights / weights.sum(axis=1, keepdims=True),
            faces=freeze(
                np.asarray(arrays.get("f", np.zeros((0, 3)))), (None, 3), name="The body model's f", dtype=np.int32
            ),
            parents=_parents(arrays["kintree_table"]),
        )


def load_model(path: str | Path) -> SmplModel:
    """The user's own body model: SMPL's `.pkl` as released, or an `.npz` with the same arrays.

    The pickle is read as data: nothing that it names is run. Raises `FleximoError` (`unreadable_file`,
    `unsafe_pickle`, `not_a_body_model`).
    """
    return SmplModel.from_arrays(model_arrays(path, _READ))


def model_arrays(path: str | Path, wanted: frozenset[str]) -> dict[str, Any]:
    """Those of the arrays `wanted` that a body model file has, by their published names; read as data, as above."""
    path = Path(path)
    with guarded(_WHAT):
        try:
            with path.open("rb") as file:
                check_size(path.stat().st_size, _WHAT, limit=_LIMIT_BYTES)
                # Mapped, so that the text of large arrays need not lie in memory beside their numbers.
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise FleximoError(f"{path} cannot be read: {error.strerror}.", code="unreadable_file") from None
        if content[:2] == b"PK":
            return dict(load_npz(content[:], wanted, what=_WHAT))
        fields = Machine(content, BODY_MODEL, what=_WHAT, limit=_LIMIT_BYTES).run()
        if not isinstance(fields, dict):
            raise FleximoError(f"{path.name} is a pickle, but of no body model.", code="not_a_body_model")
        return {name: as_array(fields[name], what=_WHAT) for name in wanted & fields.keys()}


def _checked(values: Any, shape: tuple[int | None, ...], name: str) -> FloatArray:
    return freeze(values, shape, name=f"The body model's {name}", dtype=np.float64)


def _blends(values: Any) -> FloatArray:
    blends = freeze(values, (SMPL_VERTICES, 3, None), name="The body model's posedirs")
    if blends.shape[2] not in (0, 9 * (_JOINTS - 1)):
        raise FleximoError(
            f"The body model's posedirs have {blends.shape[2]} components; 207 were expected.", code="not_a_body_model"
        )
    return blends


def _parents(table: Any) -> IntArray:
    """The parents of the kinematic tree, which must be SMPL's own: its joints are taken by their number."""
    tree = freeze(np.asarray(table), (2, _JOINTS), name="The body model's kintree_table", dtype=np.int64)
    parents = np.where((tree[0] < 0) | (tree[0] >= _JOINTS), -1, tree[0])
    if tuple(parents.tolist()) != _PARENTS:
        raise FleximoError("The body model's joints do not hang together as SMPL's do.", code="not_a_body_model")
    return parents
