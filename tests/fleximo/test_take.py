"""A take computes once what an edit must not move: unedited means unchanged, an edit means its own frames."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fleximo import FleximoError, Motion, MotionPlan, RenderJob, Segment
from fleximo import rotations as rot
from fleximo.changes import changed_frames, changed_ranges
from fleximo.moves import generate
from fleximo.take import Take, make_job
from tests.fleximo.truth import scene

PHOTO = b"a picture file"


@pytest.fixture(scope="module")
def motion() -> Motion:
    return generate(MotionPlan((Segment("wave", 2.0), Segment("squat", 1.0))))


def edited(motion: Motion, joint: str, start: int, stop: int) -> Motion:
    rotations = motion.rotations.copy()
    column = motion.rig.index(joint)
    rotations[start:stop, column] = rot.multiply(rotations[start:stop, column], rot.from_axis_angle([0, 0, 1], 0.5))
    return replace(motion, rotations=rotations)


@pytest.mark.parametrize("mode", ["bones", "paper", "off"])
def test_sampling_an_unedited_motion_again_changes_nothing(motion: Motion, mode: str) -> None:
    take = Take.begin(motion, scene("anna").person(), PHOTO, rescale=mode)
    again = take.with_motion(Motion.from_bytes(motion.to_bytes()))
    assert not changed_frames(take.track(), again.track()).any()
    assert (
        take.job().digest == again.job().digest == make_job(motion, scene("anna").person(), PHOTO, rescale=mode).digest
    )


@pytest.mark.parametrize("mode", ["bones", "paper", "off"])
@pytest.mark.parametrize("joint", ["left_elbow", "right_hip", "spine2", "head"])
def test_a_hand_edit_changes_exactly_its_frames(motion: Motion, joint: str, mode: str) -> None:
    take = Take.begin(motion, scene("kenji").person(), PHOTO, rescale=mode)
    changed = changed_frames(take.track(), take.with_motion(edited(motion, joint, 40, 51)).track())
    assert changed_ranges(changed) == [(40, 51)]


def test_even_an_edit_of_the_first_frame_moves_no_other(motion: Motion) -> None:
    take = Take.begin(motion, scene("anna").person(), PHOTO)
    root = motion.root.copy()
    root[0] += 0.2
    changed = changed_frames(take.track(), take.with_motion(replace(motion, root=root)).track())
    assert changed_ranges(changed) == [(0, 1)]


def test_a_job_has_one_clock_and_one_canvas(motion: Motion) -> None:
    job = make_job(
        motion, scene("anna").person(), PHOTO, fps=24, size=(288, 512), engine="draft", settings={"a": 1}, seed=9
    )
    assert job.fps == Fraction(24) == job.motion.fps
    assert job.size == job.camera.size == job.framing.canvas_size == (288, 512)
    assert len(job.motion) == len(job.signal.track) == round(len(motion) * 24 / 30)
    assert (job.engine, dict(job.settings), job.seed, job.photo) == ("draft", {"a": 1}, 9, PHOTO)
    document, blobs = job.document()
    assert RenderJob.from_document(document, blobs.__getitem__).digest == job.digest


def test_the_delivered_rate_is_the_sampling_not_the_speed(motion: Motion) -> None:
    fast, slow = (make_job(motion, scene("anna").person(), PHOTO, fps=fps).signal.track for fps in (30, 15))
    assert np.abs(fast.points_px[::2][:40] - slow.points_px[:40])[:, :18].max() < 0.5


def test_a_take_renders_its_range(motion: Motion) -> None:
    take = Take.begin(motion, scene("anna").person(), PHOTO)
    assert take.job().frames == (0, len(motion))
    assert replace(take, frames=(10, 20)).job().frames == (10, 20)


def test_paper_mode_fits_the_picture_and_keeps_the_motions_body(motion: Motion) -> None:
    person = scene("david").person()
    take = Take.begin(motion, person, PHOTO, rescale="paper")
    job, plain = take.job(), Take.begin(motion, person, PHOTO, rescale="off").job()
    assert np.array_equal(job.motion.rig.rest_offsets, motion.rig.rest_offsets)
    reference = take.framing.to_canvas(person.body_px)
    track = job.signal.track
    for child in (0, 2, 5):
        length = np.linalg.norm(track.points_px[:, child] - track.points_px[:, 1], axis=1)
        assert np.allclose(length, np.linalg.norm(reference[child] - reference[1]), atol=0.05)
    assert np.abs(track.points_px - plain.signal.track.points_px).max() > 5.0
    assert np.array_equal(track.confidence, plain.signal.track.confidence)
    assert np.array_equal(track.depths_m, plain.signal.track.depths_m)


def test_a_paper_fit_belongs_to_the_paper_mode(motion: Motion) -> None:
    take = Take.begin(motion, scene("anna").person(), PHOTO, rescale="paper")
    with pytest.raises(FleximoError, match="paper"):
        replace(take, rescale="bones")
    with pytest.raises(FleximoError, match="paper"):
        replace(take, paper_fit=None)
