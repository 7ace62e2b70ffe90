"""The judge of a render: the error of a frame, what lies between the looks, and which frames are the worst."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fleximo import FleximoError
from fleximo.score import PoseTarget
from fleximo.self_check import CLOSE, FAR, OFF, Look, SelfCheck, frames_to_look_at, look_at, usual_stride
from tests.fleximo.test_score import WRIST, track_of


def check_of(errors: dict[int, float], frames: int = 100, every: int = 4) -> SelfCheck:
    looks = tuple(Look(frame, error, True, "nose") for frame, error in errors.items())
    return SelfCheck(frames, Fraction(10), every, "mediapipe", looks)


def test_one_arm_in_the_wrong_place_is_seen_and_named() -> None:
    target = PoseTarget(track_of())
    found = target.points_px(0)
    assert look_at(target, 0, found).error == 0.0
    trembling = found + np.random.default_rng(0).normal(0, 0.02 * 60, found.shape)
    assert look_at(target, 0, trembling).error < CLOSE
    trembling[WRIST] += (0, 45)
    look = look_at(target, 0, trembling)
    assert look.worst == "right_wrist" and OFF < look.error < FAR
    assert np.mean(target.errors(0, trembling)) < CLOSE, "a plain mean would have hidden it"


def test_nobody_and_nothing_asked_for() -> None:
    target = PoseTarget(track_of())
    assert look_at(target, 1, None) == Look(1, 1.0, False, "")
    assert look_at(PoseTarget(track_of(confidence=0.0)), 1, None) == Look(1, 0.0, False, "")
    found = target.points_px(1) + 1e4
    assert look_at(target, 1, found).error == 1.0, "a point counts one torso length at most"


def test_the_frames_that_are_looked_at() -> None:
    assert usual_stride(Fraction(24000, 1001)) == 3 and usual_stride(Fraction(1)) == 1
    assert frames_to_look_at(9, 4) == [0, 4, 8]
    assert frames_to_look_at(1, 4) == [0]
    assert frames_to_look_at(4, 1, known=range(4)) == []


def test_between_two_looks_the_error_is_between_theirs_and_unknown_where_nothing_was_looked_at() -> None:
    errors = check_of({0: 0.0, 4: 0.4, 20: 0.1, 24: 0.1}, frames=25).errors()
    assert errors[:5].tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert np.isnan(errors[5:20]).all()
    assert errors[22] == pytest.approx(0.1)


def test_the_worst_frames_are_apart_and_above_the_threshold() -> None:
    bad = {0: 0.2, 4: 0.5, 8: 0.6, 12: 0.55, 20: 0.3, 30: OFF, 40: OFF - 0.01, 60: 0.6}
    assert [look.frame for look in check_of(bad).peaks()] == [8, 60, 20, 30]
    assert [look.frame for look in check_of(bad).peaks(most=2)] == [8, 60]
    assert check_of({0: 0.1, 4: 0.05}).peaks() == []
    plateau = check_of(dict.fromkeys(range(0, 100, 4), 1.0))
    assert [look.frame for look in plateau.peaks()] == [0, 12, 24, 36, 48]


@pytest.mark.parametrize(("frame", "second"), [(50, (45, 55)), (2, (0, 10)), (99, (90, 100))])
def test_the_second_around_a_frame_lies_in_the_clip(frame: int, second: tuple[int, int]) -> None:
    assert check_of({}).second_around(frame) == second
    assert replace(check_of({}), frames=6).second_around(min(frame, 5)) == (0, 6)


def test_what_was_rendered_anew_is_forgotten() -> None:
    check = check_of({0: 0.1, 4: 0.9, 8: 0.9, 12: 0.1}).without([(3, 9)])
    assert [look.frame for look in check.looks] == [0, 12]
    assert np.isnan(check.errors()[4])
    assert check.mean_error == pytest.approx(0.1) and check.found == 2
    assert check_of({}).mean_error == 0.0


def test_a_check_is_kept_as_json() -> None:
    check = replace(check_of({8: 0.25, 0: 0.5}), fps=Fraction(24000, 1001))
    document = json.loads(json.dumps(check.to_json(), allow_nan=False))
    assert SelfCheck.from_json(document) == check
    assert [look.frame for look in check.looks] == [0, 8], "in the order of their frames"


@pytest.mark.parametrize(
    "damage",
    [
        {"looks": [{"frame": 100, "error": 0.1, "found": True, "worst": ""}]},
        {"looks": [{"frame": 1, "error": 0.1, "found": True, "worst": ""}] * 2},
        {"looks": [{"frame": 1, "error": float("nan"), "found": True, "worst": ""}]},
        {"looks": [{"frame": 1}]},
        {"looks": 3},
        {"fps": "fast"},
        {"format_version": 2},
        {"frames": None},
    ],
)
def test_a_damaged_document_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(FleximoError):
        SelfCheck.from_json(check_of({0: 0.5}).to_json() | damage)
    with pytest.raises(FleximoError):
        SelfCheck.from_json([])  # type: ignore[arg-type]
