"""A job is its document and blobs; its digest changes exactly when something in it does."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fleximo.camera import Camera, Framing
from fleximo.errors import FleximoError
from fleximo.job import RenderJob, blob_digest
from fleximo.pose_track import PoseSignal
from tests.fleximo.test_motion import make_motion
from tests.fleximo.test_person import make_person
from tests.fleximo.test_pose_track import make_track


def make_job() -> RenderJob:
    camera = Camera(np.array([[900.0, 0, 288], [0, 900, 512], [0, 0, 1]]), np.eye(4), (576, 1024))
    return RenderJob(
        photo=b"picture file",
        person=make_person(),
        framing=Framing((57, 101), (576, 1024), 10.0, (0.0, 0.0)),
        camera=camera,
        motion=make_motion(8),
        signal=PoseSignal(make_track(8)),
        settings={"shadow": True, "softness": 0.5},
        seed=7,
    )


def _reread(job: RenderJob) -> RenderJob:
    document, blobs = job.document()
    return RenderJob.from_document(json.loads(json.dumps(document)), blobs.__getitem__)


def test_the_document_gives_the_same_job_again():
    for job in (make_job(), make_job().with_window(2, 5), replace(make_job(), previous="ab" * 32)):
        again = _reread(job)
        assert again.digest == job.digest
        assert (again.frames, again.seed, dict(again.settings)) == (job.frames, 7, dict(job.settings))
        np.testing.assert_array_equal(again.motion.rotations, job.motion.rotations)


def test_blobs_are_named_by_their_content():
    document, blobs = make_job().document()
    assert set(document["blobs"].values()) == set(blobs)
    for digest, content in blobs.items():
        assert blob_digest(content) == digest
    assert blobs[document["blobs"]["photo"]] == b"picture file"


def test_drawn_frames_travel_along():
    job = make_job()
    drawn = replace(job, signal=PoseSignal(job.signal.track, b"drawn"))
    assert _reread(drawn).signal.drawn_frames == b"drawn"
    assert drawn.digest != job.digest


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"engine": "mimicmotion"},
        {"settings": {"shadow": False}},
        {"photo": b"other"},
        {"window": (0, 7)},
        {"motion": make_motion(8, seed=1)},
        {"previous": "00"},
    ],
)
def test_every_change_changes_the_digest(change: dict[str, object]):
    assert replace(make_job(), **change).digest != make_job().digest


def test_the_digest_is_the_same_in_every_process():
    assert make_job().digest == make_job().digest
    assert replace(make_job(), settings={"softness": 0.5, "shadow": True}).digest == make_job().digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"motion": make_motion(9)}, "pose track has 8 frames, the motion 9"),
        ({"motion": make_motion(8, fps=25)}, "runs at 30 fps, the motion at 25"),
        ({"framing": Framing((57, 101), (512, 512), 1.0, (0.0, 0.0))}, r"canvas \(512, 512\) differ"),
        ({"window": (3, 3)}, "frames 3 to 3 lie outside"),
        ({"window": (0, 9)}, "frames 0 to 9 lie outside the job's 0 to 8"),
        ({"window": (-1, 4)}, "lie outside"),
    ],
)
def test_parts_that_do_not_belong_together(change: dict[str, object], message: str):
    with pytest.raises(FleximoError, match=message):
        replace(make_job(), **change)


def test_rates_are_exact():
    job = make_job()
    ntsc = Fraction(30000, 1001)
    slow = replace(job, motion=replace(job.motion, fps=ntsc), signal=PoseSignal(replace(job.signal.track, fps=ntsc)))
    assert _reread(slow).fps == ntsc


@pytest.mark.parametrize(
    "change", [{"format_version": 2}, {"blobs": {}}, {"window": [1]}, {"framing": {}}, {"seed": "x"}]
)
def test_documents_that_are_no_job(change: dict[str, object]):
    document, blobs = make_job().document()
    with pytest.raises(FleximoError):
        RenderJob.from_document({**document, **change}, blobs.__getitem__)


def test_missing_blobs_are_told():
    document, _ = make_job().document()
    with pytest.raises(FleximoError, match="render job cannot be read"):
        RenderJob.from_document(document, {}.__getitem__)
