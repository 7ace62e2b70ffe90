"""The pipeline on small pictures: stages in order, resuming after a stop, changed frames spliced."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from backend import catalog, pipeline
from backend.media import read_video
from backend.models import detect
from fleximo import Cancelled, FleximoError, Motion, MotionPlan, Person, RenderJob, Segment, moves, take
from fleximo.changes import changed_frames, changed_ranges

PHOTO = (Path(__file__).parents[1] / "data" / "people" / "anna.jpg").read_bytes()
SIZE = (144, 256)


@pytest.fixture(scope="module")
def person() -> Person:
    return detect.detect(PHOTO)


@pytest.fixture(scope="module")
def motion() -> Motion:
    return moves.generate(MotionPlan((Segment("wave", 6.0, side="right"),), seed=2), fps=12)


@pytest.fixture(scope="module")
def job(person: Person, motion: Motion) -> RenderJob:
    return take.make_job(motion, person, PHOTO, fps=Fraction(12), size=SIZE)


@pytest.fixture(scope="module")
def whole(job: RenderJob, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Rendered:
    return pipeline.render_job(job, tmp_path_factory.mktemp("whole"))


def test_text_and_photo_become_a_video_with_every_intermediate(tmp_path: Path) -> None:
    seen: list[float] = []
    request = pipeline.Request(photo=PHOTO, text="a woman waves and bows", size=SIZE, fps=Fraction(10), seed=4)
    done = pipeline.animate(request, tmp_path, lambda fraction, message="": seen.append(fraction))
    assert [segment.move for segment in done.plan.segments] == ["wave", "bow"]
    assert done.motion.fps == 10 and [seam.frame for seam in done.performance.seams] == [done.plan.frame_counts(10)[0]]
    assert done.plan.seed == 4
    assert seen == sorted(seen) and seen[-1] == 1.0
    video = read_video(done.rendered.video)
    assert len(video) == done.rendered.frames == len(done.job.signal.track) == round(done.plan.seconds * 10)
    assert video.fps == 10 and video.frames.shape[1:3] == SIZE[::-1]
    assert list(done.timings_s) == ["plan", "detect", "motion", "rescale", "adapter", "render"]
    assert {path.name for path in tmp_path.iterdir()} == {"master.mkv", "video.mp4"}


def test_the_same_job_gives_the_same_master(job: RenderJob, whole: pipeline.Rendered, tmp_path: Path) -> None:
    again = pipeline.render_job(job, tmp_path)
    assert again.master.read_bytes() == whole.master.read_bytes()
    assert again.video.read_bytes() == whole.video.read_bytes()


def test_a_cancelled_render_goes_on_where_it_stopped(job: RenderJob, whole: pipeline.Rendered, tmp_path: Path) -> None:
    def stop_after_the_first_window(fraction: float, message: str = "") -> None:
        if fraction > 0.9:
            raise Cancelled

    with pytest.raises(Cancelled):
        pipeline.render_job(job, tmp_path, stop_after_the_first_window)
    kept = len(list((tmp_path / "windows").glob("*.ffv1.mkv")))
    assert kept >= 1 and not (tmp_path / "master.mkv").exists()
    done = pipeline.render_job(job, tmp_path)
    assert done.frames_rendered < done.frames
    assert done.master.read_bytes() == whole.master.read_bytes()
    assert done.video.read_bytes() == whole.video.read_bytes()


def test_without_a_master_the_video_is_the_same(job: RenderJob, whole: pipeline.Rendered, tmp_path: Path) -> None:
    done = pipeline.render_job(job, tmp_path, master=False)
    assert done.master is None and not (tmp_path / "master.mkv").exists()
    assert done.video.read_bytes() == whole.video.read_bytes()


def test_windows_of_another_job_are_not_used(job: RenderJob, tmp_path: Path) -> None:
    (tmp_path / "windows").mkdir()
    (tmp_path / "windows" / "job").write_text("another")
    (tmp_path / "windows" / "000000-000060.ffv1.mkv").write_text("not ours")
    done = pipeline.render_job(job.with_window(0, 12), tmp_path)
    assert len(read_video(done.master)) == 12


def bent(motion: Motion, start: int, stop: int) -> Motion:
    """The motion with the left elbow turned in the frames [start, stop)."""
    rotations = motion.rotations.copy()
    rotations[start:stop, motion.rig.index("left_elbow")] = (np.cos(0.4), 0, np.sin(0.4), 0)
    return replace(motion, rotations=rotations)


def test_only_changed_frames_are_rendered_again(
    job: RenderJob, whole: pipeline.Rendered, person: Person, motion: Motion, tmp_path: Path
) -> None:
    edited = take.make_job(
        bent(motion, 29, 38), person, PHOTO, fps=Fraction(12), size=SIZE, framing=job.framing, camera=job.camera
    )
    changed = changed_frames(job.signal.track, edited.signal.track)
    [(start, stop)] = changed_ranges(changed)
    assert (start, stop) == (29, 38)
    done = pipeline.render_job(edited.with_window(start, stop), tmp_path, previous=whole.master.parent)
    assert done.frames_rendered == stop - start
    before, after = read_video(whole.master).frames, read_video(done.master).frames
    assert len(after) == len(before)
    same = (before == after).all(axis=(1, 2, 3))
    assert same[~changed].all() and not same[changed].any()
    sound, patched = read_video(whole.video).frames, read_video(done.video).frames
    assert np.array_equal(patched[:24], sound[:24]) and np.array_equal(patched[48:], sound[48:])


def test_unknown_engines_and_models_are_named() -> None:
    with pytest.raises(FleximoError, match="draft"):
        catalog.video_model("nonesuch")
    with pytest.raises(FleximoError, match="moves"):
        catalog.motion_model("nonesuch")
