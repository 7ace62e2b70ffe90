"""Motions that would walk out of the picture take shorter steps, and say so."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from fleximo import Motion, MotionPlan, Notice, Segment
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.moves import generate
from fleximo.rescale import apply_fit, measure_fit
from fleximo.staging import leaves_frame, stride_in_frame
from fleximo.take import Take
from tests.fleximo.truth import scene


def walking(direction: str = "forward", seconds: float = 4.0) -> Motion:
    return generate(MotionPlan((Segment("walk", seconds, direction=direction),)))


def framing_notices(take: Take) -> list[Notice]:
    return [notice for notice in take.notices() if notice.code == "motion_leaves_frame"]


@pytest.mark.parametrize("name", ["anna", "kenji"])
def test_a_long_walk_stays_in_the_picture_on_planted_feet(name: str) -> None:
    motion = walking()
    take = Take.begin(motion, scene(name).person(), b"photo")
    track = take.track()
    body = track.points_px[:, :18]
    inside = ((body >= 0) & (body <= track.size)).all(axis=-1)
    assert inside[:, [0, 1, 8, 9, 10, 11, 12, 13]].all()
    fitted = take.fitted()
    assert fitted.root[-1, 2] - fitted.root[0, 2] > 0.1, "the walk still comes nearer"
    for side, planted in zip(("left", "right"), motion.contacts.T):
        toe = fitted.positions(f"{side}_toe_tip")[:, 0]
        edges = np.flatnonzero(np.diff(np.concatenate(([0], planted.astype(int), [0]))))
        for start, stop in zip(edges[::2], edges[1::2]):
            assert np.ptp(toe[start:stop, [0, 2]], axis=0).max() <= 0.01
    (notice,) = framing_notices(take)
    assert notice.code == "motion_leaves_frame" and "%" in notice.message and notice.remedy


def test_who_turns_and_walks_to_the_edge_keeps_his_shoulders_in_the_picture() -> None:
    plan = MotionPlan((Segment("turn", 2.0, direction="left"), Segment("walk", 8.0, direction="backward")))
    track = Take.begin(generate(plan), scene("anna").person(), b"photo", size=(1024, 576)).track()
    half = abs(track.column("left_shoulder")[0, 0] - track.column("right_shoulder")[0, 0]) / 2.0
    neck = track.column("neck")[:, 0]
    assert neck.min() < 0.4 * track.size[0], "the walk still goes to the side"
    assert neck.min() >= 0.95 * half


@pytest.mark.parametrize("name", ["anna", "david"])
def test_a_walk_backward_does_not_climb_the_wall(name: str) -> None:
    take = Take.begin(walking("backward", 12.0), scene(name).person(), b"photo")
    assert 0.0 < take.fit.stride[3] < 0.9
    body = take.track().points_px[:, :18]
    heights = np.ptp(body[:, [0, 10, 13], 1], axis=1)
    assert 0.6 * heights[0] < heights[-1] < 0.8 * heights[0]
    assert framing_notices(take)


def test_memory_grows_with_the_length_and_not_with_its_square() -> None:
    person = scene("anna").person()
    camera = fit_camera(person, frame_photo(person.photo_size))
    step = generate(MotionPlan((Segment("walk", 4.0),)), fps=30)
    long = Motion(
        np.tile(step.rotations, (25, 1, 1)), np.tile(step.root, (25, 1)), step.fps, np.tile(step.contacts, (25, 1))
    )
    peaks = []
    for motion in (step, long):
        tracemalloc.start()
        stride_in_frame(motion, camera, person)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 40 * peaks[0]


def test_a_motion_that_stays_is_left_alone() -> None:
    for move in ("squat", "wave"):
        take = Take.begin(generate(MotionPlan((Segment(move, 3.0),))), scene("anna").person(), b"photo")
        assert take.fit.stride == (1.0, 0.0, 0.0, 1.0)
        assert framing_notices(take) == []


def test_the_path_is_shortened_along_the_way_it_takes() -> None:
    person = scene("anna").person()
    framing = frame_photo(person.photo_size)
    camera = fit_camera(person, framing)
    for direction, shortened, kept in (("forward", 3, 0), ("left", 0, 3)):
        motion = walking(direction, 6.0)
        fit = measure_fit(motion, person)
        stride = stride_in_frame(apply_fit(motion, fit), camera, person)
        assert 0.0 <= stride[shortened] < 0.9
        assert stride[kept] == pytest.approx(1.0, abs=0.02)


def test_a_camera_of_ones_own_is_not_second_guessed_but_told() -> None:
    person = scene("anna").person()
    framing = frame_photo(person.photo_size)
    take = Take.begin(walking(), person, b"photo", framing=framing, camera=fit_camera(person, framing))
    assert take.fit.stride == (1.0, 0.0, 0.0, 1.0)
    (notice,) = framing_notices(take)
    assert notice.code == "motion_leaves_frame" and "outside" in notice.message
    assert leaves_frame(take.track()[:1]) == ()
