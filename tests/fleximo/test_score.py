"""Distances from the skeleton that was asked for."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from fleximo import OPENPOSE_18, PoseTrack
from fleximo.score import PoseTarget

NECK, HIPS, WRIST = 1, [8, 11], 4


def track_of(confidence: float = 1.0) -> PoseTrack:
    """Two frames with a torso of 60 px; the right wrist lies beside the others."""
    points = np.full((2, 18, 2), 50.0)
    points[:, NECK], points[:, HIPS], points[:, WRIST] = (50, 40), (50, 100), (80, 60)
    return PoseTrack(points, np.full((2, 18), confidence), (100, 200), Fraction(30), OPENPOSE_18)


def test_errors_are_torso_lengths_of_what_was_asked_for_and_lies_in_the_picture() -> None:
    target = PoseTarget(track_of())
    found = target.points_px(1)
    assert not target.errors(1, found).any()
    found[WRIST] += (0, 30)
    assert target.errors(1, found)[WRIST] == 0.5
    assert np.isinf(target.errors(1, None)).all()
    assert np.isnan(PoseTarget(track_of(confidence=0.2)).errors(0, found)).all()
    outside = track_of().points_px.copy()
    outside[:, WRIST] = (100, 60)
    errors = PoseTarget(PoseTrack(outside, np.ones((2, 18)), (100, 200), Fraction(30), OPENPOSE_18)).errors(0, found)
    assert np.flatnonzero(np.isnan(errors)).tolist() == [WRIST]
