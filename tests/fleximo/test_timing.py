"""Rates are exact and resampling keeps the duration."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleximo.errors import FleximoError
from fleximo.timing import as_fps, frame_count, frame_times, resample_positions

RATES = st.sampled_from([Fraction(n) for n in (12, 15, 20, 24, 25, 30, 60)] + [Fraction(24000, 1001)])


@pytest.mark.parametrize(
    ("given_rate", "rate"),
    [
        (23.976, Fraction(24000, 1001)),
        (23.976023976, Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (25, Fraction(25)),
        (29.9999, Fraction(30)),
        ("30000/1001", Fraction(30000, 1001)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_rates_become_exact(given_rate: float | int | str, rate: Fraction):
    assert as_fps(given_rate) == rate
    assert as_fps(as_fps(given_rate)) == rate


@pytest.mark.parametrize("rate", [0, -30, 0.5, 241, float("nan"), float("inf"), "fast", "1/0", ""])
def test_rates_that_are_none_are_refused(rate: float | str):
    with pytest.raises(FleximoError, match="frame rate"):
        as_fps(rate)


@given(st.floats(0.0, 600.0), RATES)
def test_frame_count_is_nearest_and_never_nothing(seconds: float, fps: Fraction):
    count = frame_count(seconds, fps)
    assert count >= 1
    assert count == 1 or abs(count - seconds * float(fps)) <= 0.5 + 1e-9


def test_frame_times_do_not_drift():
    assert frame_times(24001, Fraction(24000, 1001))[-1] == pytest.approx(1001.0, abs=1e-9)


@given(st.integers(1, 2000), RATES, RATES)
def test_resampling_keeps_the_duration_and_stays_inside(count: int, old: Fraction, new: Fraction):
    positions = resample_positions(count, old, new)
    assert positions[0] == 0.0
    assert positions.max() <= count - 1
    assert (np.diff(positions) >= 0.0).all()
    assert abs(float(len(positions) / new) - float(count / old)) <= 0.5 / float(new) + 1e-9 or len(positions) == 1
