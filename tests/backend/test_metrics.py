"""The judges themselves: they must tell good from bad."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from backend.evaluate.metrics import path_correlation, plot, psnr, score_video, ssim
from fleximo import OPENPOSE_18, FleximoError, PoseTrack


def track_of(points: np.ndarray) -> PoseTrack:
    return PoseTrack(points, np.ones(points.shape[:2]), (100, 200), Fraction(30), OPENPOSE_18)


def waving(count: int = 13) -> np.ndarray:
    rng = np.random.default_rng(5)
    points = np.repeat(rng.uniform(20, 80, (1, 18, 2)), count, axis=0)
    points[:, OPENPOSE_18.index("neck")] = (50, 40)
    points[:, [OPENPOSE_18.index("left_hip"), OPENPOSE_18.index("right_hip")]] = [(60, 100), (40, 100)]
    points[:, OPENPOSE_18.index("right_wrist"), 0] = 30 + 25 * np.sin(np.arange(count))
    return points


def frames(count: int) -> list[np.ndarray]:
    return [np.full((200, 100, 3), number, dtype=np.uint8) for number in range(count)]


def test_a_perfect_detector_scores_perfectly_and_a_still_one_does_not() -> None:
    points = waving()
    perfect = score_video(frames(13), track_of(points), every=1, find=lambda rgb: (points[rgb[0, 0, 0]], np.ones(18)))
    assert perfect.pck == 1.0 and perfect.mean_error < 1e-6 and perfect.travelling_correlation() == 1.0
    assert perfect.travelling() == [OPENPOSE_18.index("right_wrist")]
    still = score_video(frames(13), track_of(points), every=1, find=lambda rgb: (points[0], np.ones(18)))
    assert still.travelling_correlation() == 0.0
    assert still.travelling_pck() < 0.9


def test_a_missed_person_misses_all_points() -> None:
    points = waving()
    half = score_video(
        frames(13),
        track_of(points),
        every=2,
        find=lambda rgb: None if rgb[0, 0, 0] == 4 else (points[rgb[0, 0, 0]], points[0, :, 0]),
    )
    assert half.frames == (0, 2, 4, 6, 8, 10, 12)
    assert half.found.tolist() == [True, True, False, True, True, True, True]
    assert half.pck == pytest.approx(6 / 7)
    assert half.to_json()["frames"][2]["mean_error"] is None
    assert "not found" in half.table()


def test_a_video_without_anybody_scores_as_such() -> None:
    score = score_video(frames(13), track_of(waving()), every=1, find=lambda rgb: None)
    assert score.travelling() and score.travelling_correlation() == 0.0 == score.pck
    assert "inf" not in score.table()
    document = json.loads(json.dumps(score.to_json(), allow_nan=False))
    assert document["mean_error_torso"] is None and document["found"] == 0.0


def test_points_outside_the_picture_are_not_judged(tmp_path) -> None:
    points = waving()
    points[:, 4] = (-50, 20)
    score = score_video(frames(13), track_of(points), every=1, find=lambda rgb: (points[0] * 0, np.ones(18)))
    assert np.isnan(score.errors[:, 4]).all()
    plot(score, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_a_shorter_video_is_refused() -> None:
    with pytest.raises(FleximoError, match="12 frames"):
        score_video(frames(12), track_of(waving(13)), every=1, find=lambda rgb: None)


def test_picture_measures() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)
    assert psnr(a, a) == float("inf") and ssim(a, a) == pytest.approx(1.0)
    b = np.clip(a.astype(int) + 10, 0, 255).astype(np.uint8)
    noise = rng.integers(0, 256, a.shape, dtype=np.uint8)
    assert psnr(a, b) == pytest.approx(20 * np.log10(255 / 10), abs=0.5)
    assert ssim(a, b) > 0.9 > 0.2 > ssim(a, noise)
    mask = np.zeros((64, 48), dtype=bool)
    mask[:8] = True
    c = a.copy()
    c[8:] = noise[8:]
    assert psnr(a, c, mask) == float("inf")
    assert path_correlation(np.zeros((4, 2)), rng.normal(size=(4, 2))) == 0.0
