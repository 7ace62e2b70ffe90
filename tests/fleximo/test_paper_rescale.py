"""The paper's rescale: parity with the released geometry, and on whole tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fleximo import FleximoError, PoseTrack
from fleximo.layouts import FACE, LEFT_HAND, RIGHT_HAND
from fleximo.paper_rescale import ClipFit, anchor_at_neck, clip_fit, fit_points, paper_rescale
from tests.parity import __main__ as parity
from tests.parity import rescale
from tests.parity.cases import Case, compare

DATA = Path(__file__).parents[1] / "data" / "rescale"


@pytest.mark.parametrize("case", list(rescale.cases(DATA)), ids=lambda case: case.name)
def test_parity(case: Case) -> None:
    passed, line = case.verdict()
    assert passed and not line.startswith("skipped"), line


def test_the_parity_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity.main(["rescale", str(DATA)]) == 0
    assert capsys.readouterr().out.count("ok ") == 4
    assert parity.main(["rescale", str(tmp_path)]) == 2
    (tmp_path / "other.txt").write_text("no data")
    assert parity.main(["rescale", str(tmp_path)]) == 2
    with np.load(DATA / rescale.FILE) as archive:
        arrays = dict(archive)
    arrays["A_out_px"] = arrays["A_out_px"] + 1e-5
    arrays["C_out_px"] = np.where(np.arange(18)[:, None] == 4, np.nan, arrays["C_out_px"])
    np.savez(tmp_path / rescale.FILE, **arrays, unknown=np.zeros(3))
    capsys.readouterr()
    assert parity.main(["rescale", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["FAIL", "ok", "ok", "ok"]


def test_parity_compares_numbers_only_and_wants_ours_finite() -> None:
    given = np.array([1.0, np.nan])
    assert compare(np.array([1.5, 7.0]), given, 0.1) == (0.5, 0.1)
    assert compare(np.array([1.0, np.nan]), given, 0.1)[0] == np.inf
    assert compare(np.zeros(3), given, 0.1)[0] == np.inf


def figure() -> np.ndarray:
    generator = np.random.default_rng(3)
    return np.asarray(generator.uniform((100.0, 100.0), (480.0, 900.0), (18, 2)))


def test_a_matching_figure_is_left_alone() -> None:
    reference = figure()
    moved, shifts = anchor_at_neck(reference, reference[None])
    assert np.allclose(moved, reference, atol=1e-9) and np.abs(shifts).max() < 1e-9


def test_missing_and_coinciding_points_never_give_nan() -> None:
    reference = figure()
    body = np.repeat(reference[None], 3, axis=0)
    body[0, 2] = body[0, 1]
    body[1, 5] = np.nan
    body[2] = 0.0
    reference[0] = np.nan
    moved, _ = anchor_at_neck(reference, body)
    assert np.isfinite(moved).all()
    assert np.array_equal(moved[0, 2:5], body[0, 2:5])


def test_fit_points_need_a_score_above_three_tenths() -> None:
    score = np.full(18, 0.9)
    score[[1, 8]] = 0.3
    assert fit_points(score) == (0, 2, 5, 11, 14, 15, 16, 17)
    with pytest.raises(FleximoError, match="2 are needed"):
        clip_fit(figure(), np.zeros(18), figure()[None], (10, 10), (10, 10))
    with pytest.raises(FleximoError, match="heights"):
        clip_fit(figure(), np.ones(18), np.full((1, 18, 2), 0.5), (10, 10), (10, 10))


def track(points: np.ndarray, confidence: np.ndarray) -> PoseTrack:
    whole = np.tile(points[:, :1], (1, 128, 1))
    whole[:, :18] = points
    return PoseTrack(whole, confidence, (576, 1024), 30)


def test_on_a_track_hands_follow_wrists_and_missing_limbs_stay() -> None:
    reference = figure()
    body = np.repeat(figure()[None] * 0.8 + 20.0, 2, axis=0)
    confidence = np.ones((2, 128))
    confidence[1, 5] = 0.0
    score = np.ones(18)
    source = track(body, confidence)
    done = paper_rescale(source, reference, score, ClipFit((1.0, 1.0), (0.0, 0.0)))
    moved = done.points_px - source.points_px
    assert np.allclose(moved[:, RIGHT_HAND], moved[:, 4:5]) and np.abs(moved[:, 4]).max() > 1.0
    assert np.allclose(moved[:, LEFT_HAND], moved[:, 7:8])
    assert np.allclose(moved[:, FACE], moved[:, :1])
    assert np.abs(moved[0, 5:8]).max() > 1.0 and not moved[1, 5:8].any()
    assert np.array_equal(done.confidence, source.confidence)
    score[2] = 0.0
    assert not (
        paper_rescale(source, reference, score, ClipFit((1.0, 1.0), (0.0, 0.0))).points_px[:, 2:5]
        - source.points_px[:, 2:5]
    ).any()
