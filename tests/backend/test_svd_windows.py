"""Windows, chunks, noise levels and estimates: what the sampling loop is cut into."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.diffusion.pace import Pace
from backend.models.svd.schedule import SVD_SCHEDULER, align_your_steps, make_scheduler
from backend.models.svd.windows import balanced_windows, chunks, fade, triangle, upstream_windows
from fleximo import FleximoError

clips = st.tuples(st.integers(2, 300), st.integers(2, 80), st.integers(1, 20)).filter(lambda clip: clip[2] < clip[1])


@given(clips)
@settings(max_examples=300, deadline=None)
def test_balanced_windows_cover_the_clip_overlap_and_are_no_longer_than_need_be(clip: tuple[int, int, int]) -> None:
    frames, length, overlap = clip
    windows = balanced_windows(frames, length, overlap)
    assert {frame for window in windows for frame in window.frames} == set(range(frames))
    assert len({len(window) for window in windows}) == 1 and len(windows[0]) <= max(length, 2)
    for one, next_one in zip(windows, windows[1:]):
        assert one.start < next_one.start
        assert one.stop - next_one.start >= overlap - 1
    shorter = len(windows[0]) - 2  # one frame fewer in each, beside the reference, would not do
    assert len(windows) * shorter - (len(windows) - 1) * overlap - 1 < frames - 1


@given(clips)
@settings(max_examples=200, deadline=None)
def test_balanced_windows_never_cost_more_than_the_reference_program(clip: tuple[int, int, int]) -> None:
    frames, length, overlap = clip
    if frames >= length:
        ours, theirs = balanced_windows(frames, length, overlap), upstream_windows(frames, length, overlap)
        assert sum(map(len, ours)) <= sum(map(len, theirs))


def test_72_poses_do_not_cost_two_full_windows() -> None:
    assert sum(map(len, upstream_windows(73, 72, 6))) == 144
    assert sum(map(len, balanced_windows(73, 72, 6))) == 80


def test_a_clip_shorter_than_a_window_is_one_window() -> None:
    assert [window.frames for window in balanced_windows(5, 72, 6)] == [[0, 1, 2, 3, 4]]
    with pytest.raises(FleximoError, match="fewer than one window"):
        upstream_windows(5, 72, 6)


def test_windows_of_a_span_cover_that_span_only() -> None:
    windows = balanced_windows(121, 72, 6, span=(40, 88))
    assert [(window.start, window.stop) for window in windows] == [(40, 88)]
    for span in ((0, 5), (5, 5), (100, 122)):
        with pytest.raises(FleximoError):
            balanced_windows(121, 72, 6, span=span)


@pytest.mark.parametrize(("length", "overlap"), [(1, 1), (8, 8), (8, 0)])
def test_windows_that_cannot_be_are_refused(length: int, overlap: int) -> None:
    with pytest.raises(FleximoError, match="not possible"):
        balanced_windows(20, length, overlap)


def test_the_middle_of_a_window_weighs_most_and_its_ends_one_over_its_length() -> None:
    weights = triangle(7)
    np.testing.assert_allclose(weights[[0, 3, 6]], [1 / 7, 1.0, 1 / 7], rtol=1e-6)
    np.testing.assert_allclose(weights, weights[::-1], rtol=1e-6)


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 11))
@settings(max_examples=200, deadline=None)
def test_chunks_cover_every_frame_and_share_what_was_asked(count: int, length: int, overlap: int) -> None:
    if overlap >= length:
        with pytest.raises(FleximoError):
            chunks(count, length, overlap)
        return
    ranges = chunks(count, length, overlap)
    assert ranges[0][0] == 0 and ranges[-1][1] == count
    assert all(one[1] - other[0] == overlap and one[0] < other[0] for one, other in zip(ranges, ranges[1:]))
    assert all(0 < stop - start <= length for start, stop in ranges)


def test_a_fade_rises_from_the_old_chunk_to_the_new() -> None:
    np.testing.assert_allclose(fade(3), [0.25, 0.5, 0.75])


def test_ten_aligned_steps_are_the_published_ones_and_end_clean() -> None:
    levels = align_your_steps(10)
    assert levels[:3] == [700.0, 54.5, 15.886] and levels[-2:] == [0.034, 0.0] and len(levels) == 11
    scheduler = make_scheduler(10, "align-your-steps")
    np.testing.assert_allclose(scheduler.sigmas, levels, rtol=1e-6)
    np.testing.assert_allclose(scheduler.timesteps, 0.25 * np.log(levels[:-1]), rtol=1e-5)


@given(st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_aligned_steps_of_any_count_fall(steps: int) -> None:
    levels = np.array(align_your_steps(steps))
    assert len(levels) == steps + 1 and levels[0] == 700.0 and levels[-1] == 0.0
    assert (np.diff(levels) < 0).all()


@pytest.mark.parametrize(("steps", "schedule"), [(0, "karras"), (1001, "karras"), (5, "linear")])
def test_schedules_that_cannot_be_are_refused(steps: int, schedule: str) -> None:
    with pytest.raises(FleximoError) as refused:
        make_scheduler(steps, schedule)
    assert refused.value.code == "invalid_setting"


def test_a_scheduler_from_its_file_has_the_released_range() -> None:
    scheduler = make_scheduler(25, config={"_class_name": "EulerDiscreteScheduler", **SVD_SCHEDULER})
    assert scheduler.sigmas[0] == pytest.approx(700.0) and scheduler.sigmas[-2] == pytest.approx(0.002, rel=1e-3)


def test_the_estimate_counts_only_what_this_run_did() -> None:
    now = [0.0]
    told: list[tuple[float, str]] = []
    pace = Pace(lambda fraction, message="": told.append((fraction, message)), 100, clock=lambda: now[0])
    pace.next("start")
    pace.skip(50)
    now[0] = 30.0  # spent on reading weights
    pace.next("resumed")
    now[0] = 40.0
    pace.did(10)
    pace.next("on")
    assert told == [(0.0, "start"), (0.5, "resumed"), (0.6, "on, 40 s left")]
