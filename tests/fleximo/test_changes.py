"""Which frames count as changed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleximo.changes import changed_frames, changed_ranges
from fleximo.pose_track import PoseTrack
from tests.fleximo.test_pose_track import make_track


def _with(track: PoseTrack, name: str, frame: int, point: int, amount: float) -> PoseTrack:
    values = np.array(getattr(track, name))
    values[frame, point] += amount
    return replace(track, **{name: values})


@pytest.fixture
def track() -> PoseTrack:
    confident = np.full((8, 128), 0.6)
    confident[:, 40] = 0.0
    return replace(make_track(), confidence=confident)


def test_the_same_track_has_no_changes(track: PoseTrack):
    assert not changed_frames(track, PoseTrack.from_bytes(track.to_bytes())).any()


@pytest.mark.parametrize(
    ("name", "point", "amount", "counts"),
    [
        ("points_px", 100, 0.06, True),
        ("points_px", 100, -0.04, False),
        ("points_px", 40, 50.0, False),  # absent before and after
        ("confidence", 20, 0.02, True),
        ("confidence", 20, 0.005, False),
        ("confidence", 40, 0.6, True),
        ("depths_m", 3, 5.0, True),
        ("depths_m", 100, 5.0, False),  # only the body's order is drawn
    ],
)
def test_what_counts(track: PoseTrack, name: str, point: int, amount: float, counts: bool):
    changed = changed_frames(track, _with(track, name, 5, point, amount))
    assert changed.tolist() == [counts and frame == 5 for frame in range(8)]


def test_moving_as_a_whole_in_depth_changes_no_order(track: PoseTrack):
    assert not changed_frames(track, replace(track, depths_m=track.depths_m + 1.0)).any()


@pytest.mark.parametrize("change", [{"fps": Fraction(25)}, {"size": (600, 1024)}])
def test_tracks_of_another_kind_share_no_frame(track: PoseTrack, change: dict[str, object]):
    assert changed_frames(track, replace(track, **change)).all()
    assert changed_frames(track, track[:5]).tolist() == [True] * 5


@given(st.lists(st.booleans(), max_size=60))
def test_ranges_cover_exactly_the_changed_frames(flags: list[bool]):
    changed = np.array(flags, dtype=bool)
    ranges = changed_ranges(changed)
    covered = np.zeros(len(flags), dtype=bool)
    for start, stop in ranges:
        assert start < stop
        covered[start:stop] = True
    np.testing.assert_array_equal(covered, changed)
    assert all(a[1] < b[0] for a, b in zip(ranges, ranges[1:]))
