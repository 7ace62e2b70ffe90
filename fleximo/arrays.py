"""Checked, read-only arrays: how every noun takes its arrays in.

Knows shapes and finiteness, nothing of meaning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo.errors import FleximoError

__all__ = ["BoolArray", "FloatArray", "IntArray", "freeze"]

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]


def freeze(
    values: npt.ArrayLike, shape: tuple[int | None, ...], *, name: str, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """Returns `values` as a read-only array of `dtype`, checked against `shape` (None = any length).

    Raises `FleximoError` that names the array if the shape differs or a float is not finite.

    >>> freeze([[0, 0, 1]], (None, 3), name="root").shape
    (1, 3)
    """
    try:
        array = np.array(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise FleximoError(f"{name} cannot be read as numbers of type {np.dtype(dtype)}: {error}.") from None
    if array.ndim != len(shape) or any(want is not None and have != want for have, want in zip(array.shape, shape)):
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise FleximoError(f"{name} has the shape {array.shape}; {wanted} was expected.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise FleximoError(f"{name} holds {int((~np.isfinite(array)).sum())} values that are not finite numbers.")
    array.setflags(write=False)
    return array
