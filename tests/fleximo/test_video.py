"""Splicing replaces the frames it names and no others."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from fleximo.errors import FleximoError
from fleximo.video import Video


def _video(frames: int, seed: int = 0, size: tuple[int, int] = (6, 4)) -> Video:
    return Video(np.random.default_rng(seed).integers(0, 256, (frames, *size, 3), dtype=np.uint8), Fraction(30))


@pytest.mark.parametrize(("start", "count"), [(0, 10), (0, 3), (4, 3), (9, 1), (10, 0)])
def test_splice_leaves_the_other_frames_alone(start: int, count: int):
    video, other = _video(10), _video(count, 1)
    before = video.frames.copy()
    spliced = video.splice(start, other)
    np.testing.assert_array_equal(spliced.frames[start : start + count], other.frames)
    rest = np.r_[0:start, start + count : 10]
    np.testing.assert_array_equal(spliced.frames[rest], before[rest])
    np.testing.assert_array_equal(video.frames, before)


def test_splicing_an_unchanged_window_changes_nothing():
    video = _video(10)
    np.testing.assert_array_equal(video.splice(3, video[3:7]).frames, video.frames)


@pytest.mark.parametrize(("start", "other"), [(8, _video(3)), (-1, _video(2)), (0, _video(2, size=(4, 6)))])
def test_what_does_not_fit_is_refused(start: int, other: Video):
    with pytest.raises(FleximoError, match="cannot replace frames"):
        _video(10).splice(start, other)


@pytest.mark.parametrize(
    "frames", [np.zeros((2, 4, 4, 3)), np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 4), np.uint8)]
)
def test_only_rgb_bytes_are_frames(frames: np.ndarray):
    with pytest.raises(FleximoError, match=r"uint8 \(T,H,W,3\) was expected"):
        Video(frames, Fraction(30))


def test_frames_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        _video(2).frames[0, 0, 0, 0] = 1
