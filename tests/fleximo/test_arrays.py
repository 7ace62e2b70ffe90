"""Arrays are checked once, copied and read-only."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo.arrays import freeze
from fleximo.errors import FleximoError


def test_frozen_arrays_are_copies_that_cannot_be_written():
    source = np.zeros((2, 3))
    frozen = freeze(source, (None, 3), name="root")
    source[0, 0] = 5.0
    assert frozen.dtype == np.float32
    assert frozen[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        frozen[0, 0] = 1.0


@pytest.mark.parametrize("shape", [(None, 4), (3, 3), (None,), (None, 3, 1)])
def test_a_wrong_shape_is_told_with_the_name(shape: tuple[int | None, ...]):
    with pytest.raises(FleximoError, match=r"root has the shape \(2, 3\)"):
        freeze(np.zeros((2, 3)), shape, name="root")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(value: float):
    array = np.zeros((2, 3))
    array[1] = value
    with pytest.raises(FleximoError, match="root holds 3 values"):
        freeze(array, (2, 3), name="root")


@pytest.mark.parametrize("values", [["a", "b"], [[1, 2], [3]], [None]])
def test_what_is_no_number_is_refused(values: list[object]):
    with pytest.raises(FleximoError, match="root"):
        freeze(values, (None,), name="root")
