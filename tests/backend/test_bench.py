"""The bench's document: what it writes can be written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from backend.evaluate import bench


@pytest.mark.parametrize(("value", "higher", "met"), [(4.0, False, True), (6.0, False, False), (6.0, True, True)])
def test_figures_of_numpy_are_written_as_json(value: float, higher: bool, met: bool) -> None:
    row = bench._row(np.float64(value), "ms", 5.0, higher=higher)
    assert json.loads(json.dumps(row)) == {"value": value, "unit": "ms", "bar": 5.0, "met": met}
