"""Refinement: what is taken from the video, what is filled, and that only a gain is kept."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import catalog, refine
from backend.media import read_video
from backend.models.detect.frames import Found
from backend.refine import REFINED_TRACK, cost, render_refined
from backend.refit import error_of, judged, refitted
from backend.rendering import render_job
from backend.stages import Progress, Workplace, silent
from fleximo import FleximoError, Notice, RenderJob, Video
from fleximo.camera_fit import frame_photo
from fleximo.files import write_atomic, write_json
from fleximo.layouts import BODY, FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from fleximo.pose_track import PoseSignal, PoseTrack
from tests.backend.draft_truth import SIZE, make_job, true_track
from tests.backend.same_pictures import same_pictures

COUNT = 24
SURE, INVENTED = 0.9, 0.6
GOOD, BAD = 200, 60  # grey levels
LEFT_BEHIND = ["master.mkv", "refined.json", REFINED_TRACK, "video.mp4"]


class Poser:
    """An engine that does the pose well (bright frames) if it is told it just as surely as a detector tells it."""

    name, fps, window, reach = "poser", None, None, 0

    def __init__(self) -> None:
        self.calls = 0

    def render(self, job: RenderJob, progress: Progress = silent, place: Workplace | None = None) -> Video:
        self.calls += 1
        progress(0.5, "posing")
        sure = (np.abs(job.signal.track.confidence[:, 2] - SURE) < 0.01)[slice(*job.frames)]
        level = np.where(sure, GOOD, BAD)[:, None, None, None]
        return Video(np.broadcast_to(level, (len(sure), *job.size[::-1], 3)).astype(np.uint8), job.fps)

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        return ()


def small_job(engine: str = "poser", **changes: Any) -> RenderJob:
    track = replace(true_track("wave")[0][:COUNT], fps=Fraction(15))
    track = replace(track, confidence=np.where(track.confidence > 0, INVENTED, 0.0))
    made = make_job("anna", track, frame_photo(SIZE, (72, 128), mode="centre"))
    return replace(made, engine=engine, **changes)


@pytest.fixture
def poser(monkeypatch: pytest.MonkeyPatch) -> Poser:
    engine = Poser()
    monkeypatch.setitem(
        catalog.VIDEO_MODELS, "poser", catalog.Engine(lambda: engine, "draft", Fraction(15), seeded=False)
    )
    monkeypatch.setattr(catalog, "_loaded", {})
    return engine


def looking(track: PoseTrack, good: float, bad: float, unseen: tuple[int, ...] = ()) -> Callable[[Any], Found | None]:
    """A detector that is off by `good` or `bad` px, to and fro, by how bright the frame is."""
    number = 0

    def find(frame: Any) -> Found | None:
        nonlocal number
        at, number = number % len(track), number + 1
        if at in unseen:
            return None
        off = (good if frame.mean() > 130 else bad) * (1 if at % 2 else -1)
        return track.points_px[at] + np.array([off, 0.0]), np.where(track.confidence[at] > 0, SURE, 0.0)

    return find


def test_a_pass_with_a_gain_takes_the_place_of_the_first_video(poser: Poser, tmp_path: Path) -> None:
    job = small_job()
    done = render_refined(job, tmp_path, 1, find=looking(job.signal.track, 1.0, 6.0, unseen=(3, 4)))
    [only] = done.passes
    assert only.kept and only.gain > 0 and only.error_before > only.error_after
    assert (only.frames_found, only.frames_filled) == (COUNT - 2, 2)
    frames = read_video(tmp_path / "master.mkv").frames
    bright = frames.mean(axis=(1, 2, 3)) > 130
    assert bright.tolist() == [number not in (3, 4) for number in range(COUNT)], "unseen: the first skeleton's"
    assert done.rendered.video == tmp_path / "video.mp4" and done.rendered.master == tmp_path / "master.mkv"
    for values in ("points_px", "confidence", "depths_m"):
        assert np.array_equal(getattr(done.track, values)[[3, 4]], getattr(job.signal.track, values)[[3, 4]])
    assert not np.array_equal(done.track.points_px[[2, 5]], job.signal.track.points_px[[2, 5]])
    assert [notice.code for notice in done.notices] == ["refined"]
    assert sorted(path.name for path in tmp_path.iterdir()) == LEFT_BEHIND
    assert (done.kept, len(PoseTrack.load(tmp_path / REFINED_TRACK))) == (True, COUNT)
    assert only.to_json()["gain"] == pytest.approx(only.gain, abs=1e-5)


def test_a_pass_without_a_gain_leaves_everything_and_is_the_last(poser: Poser, tmp_path: Path) -> None:
    job = small_job()
    render_job(job, tmp_path / "plain")
    done = render_refined(job, tmp_path / "refined", 3, find=looking(job.signal.track, 8.0, 2.0))
    assert [each.kept for each in done.passes] == [False] and done.passes[0].gain < 0 and not done.kept
    plain, refined = (tmp_path / name / "master.mkv" for name in ("plain", "refined"))
    assert refined.read_bytes() == plain.read_bytes()
    assert done.track is job.signal.track and poser.calls == 3
    assert sorted(path.name for path in (tmp_path / "refined").iterdir()) == [
        name for name in LEFT_BEHIND if name != REFINED_TRACK
    ]
    assert [notice.code for notice in done.notices] == ["not_refined"]


def test_the_next_pass_sees_the_video_of_the_one_before(poser: Poser, tmp_path: Path) -> None:
    job = small_job()
    done = render_refined(job, tmp_path, 2, find=looking(job.signal.track, 1.0, 6.0))
    assert [each.kept for each in done.passes] == [True, False], "the second finds nothing more to gain"
    assert done.passes[1].error_before == done.passes[0].error_after


def test_nobody_in_the_video_is_said(poser: Poser, tmp_path: Path) -> None:
    job = small_job()
    done = render_refined(job, tmp_path, 1, find=lambda frame: None)
    assert done.passes == () and poser.calls == 1
    assert [notice.code for notice in done.notices] == ["refined_nobody"]


class Killed(Exception):
    """Stands for a kill: nothing in the code listens to it."""


@pytest.mark.parametrize("master", [True, False])
def test_wherever_it_is_killed_it_goes_on_and_renders_nothing_twice(
    poser: Poser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master: bool
) -> None:
    """Two passes, of which the first is kept; every run of it lives a few signs of life longer than the one before."""
    job = small_job()
    calm = render_refined(job, tmp_path / "calm", 2, find=looking(job.signal.track, 1.0, 6.0), master=master)
    renders, finished = poser.calls, []

    def noting(write: Callable[[Path, Any], None]) -> Callable[[Path, Any], None]:
        return lambda path, content: (finished.append(path.name), write(path, content))[1]

    monkeypatch.setattr(refine, "write_json", noting(write_json))
    monkeypatch.setattr(refine, "write_atomic", noting(write_atomic))
    for life in itertools.count(1):
        left = 5 * life

        def sign(fraction: float, message: str = "", /) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        find = looking(job.signal.track, 1.0, 6.0)
        with contextlib.suppress(Killed):
            done = render_refined(job, tmp_path / "stormy", 2, sign, find=find, master=master)
            break
    assert life > 4 and renders == 3 and finished == ["rendered.json", "seen.npz"] * 3 + ["refined.json"]
    assert same_pictures(done.rendered.video, calm.rendered.video)
    if master:
        assert (tmp_path / "stormy" / "master.mkv").read_bytes() == (tmp_path / "calm" / "master.mkv").read_bytes()
    assert [replace(each, seconds=0.0) for each in done.passes] == [replace(each, seconds=0.0) for each in calm.passes]
    assert np.array_equal(done.track.points_px, calm.track.points_px)
    assert sorted(path.name for path in (tmp_path / "stormy").iterdir()) == sorted(
        path.name for path in (tmp_path / "calm").iterdir()
    )


@pytest.mark.parametrize("moved", [0, 1])
def test_a_kill_while_the_best_files_are_moved(
    poser: Poser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    job = small_job()
    calm = render_refined(job, tmp_path / "calm", 1, find=looking(job.signal.track, 1.0, 6.0))
    calls, real = poser.calls, Path.replace
    count = 0

    def replaced(path: Path, target: Path) -> Path:
        nonlocal count
        if path.parent.parent.name == "passes" and path.name in ("master.mkv", "video.mp4"):
            count += 1
            if count > moved:
                raise Killed
        return real(path, target)

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Path, "replace", replaced)
        render_refined(job, tmp_path / "stormy", 1, find=looking(job.signal.track, 1.0, 6.0))
    done = render_refined(job, tmp_path / "stormy", 1, find=lambda frame: pytest.fail("looked at again"))
    again = render_refined(job, tmp_path / "stormy", 1)
    assert (again.passes, again.rendered) == (done.passes, done.rendered), "finished, and asked for once more"
    assert poser.calls == 2 * calls and not (tmp_path / "stormy" / "passes").exists()
    assert done.rendered.master.read_bytes() == calm.rendered.master.read_bytes()
    assert done.kept and same_pictures(done.rendered.video, calm.rendered.video)


def test_another_job_in_the_same_folder_takes_nothing_of_the_first(poser: Poser, tmp_path: Path) -> None:
    job = small_job()
    render_refined(job, tmp_path, 1, find=looking(job.signal.track, 1.0, 6.0))
    other = replace(job, seed=job.seed + 1)
    done = render_refined(other, tmp_path, 1, find=looking(job.signal.track, 8.0, 2.0))
    assert poser.calls == 4 and not done.kept and not (tmp_path / REFINED_TRACK).exists()
    (tmp_path / "video.mp4").unlink()
    assert render_refined(other, tmp_path, 1, find=looking(job.signal.track, 1.0, 6.0)).kept, "its file was gone"


def test_without_a_master_there_is_none_afterwards(poser: Poser, tmp_path: Path) -> None:
    job = small_job()
    done = render_refined(job, tmp_path, 1, find=looking(job.signal.track, 1.0, 6.0), master=False)
    assert done.passes[0].kept and done.rendered.master is None
    assert not (tmp_path / "master.mkv").exists() and len(read_video(tmp_path / "video.mp4")) == COUNT


def test_a_figure_seen_smaller_and_aside_is_laid_on_the_photos() -> None:
    track = small_job().signal.track
    seen = [(points * 0.9 + [5.0, -3.0], np.where(sure > 0, SURE, 0.0)) for points, sure in zip(*_rows(track))]
    fitted = refitted(track, seen)
    known = track.confidence[0] > 0
    np.testing.assert_allclose(fitted.points_px[:, known], track.points_px[:, known], atol=0.01)
    assert (fitted.confidence[:, known] == np.float32(SURE)).all()


def test_unseen_points_are_the_first_ones_and_hands_follow_their_wrists() -> None:
    track = small_job().signal.track
    wrist, ankle = OPENPOSE_18.index("left_wrist"), OPENPOSE_18.index("left_ankle")
    seen = []
    for points, sure in zip(*_rows(track)):
        points, sure = points.copy(), np.zeros(128)
        sure[BODY] = SURE
        points[wrist] += [7.0, 0.0]
        sure[ankle] = 0.1
        points[ankle] = 0.0
        seen.append((points, sure))
    fitted = refitted(track, seen)
    np.testing.assert_allclose(fitted.points_px[:, ankle], track.points_px[:, ankle], atol=0.01)
    shift = fitted.points_px - track.points_px
    np.testing.assert_allclose(shift[:, LEFT_HAND], np.broadcast_to([7.0, 0.0], (COUNT, 21, 2)), atol=0.01)
    np.testing.assert_allclose(shift[:, RIGHT_HAND], 0.0, atol=0.01)
    assert (fitted.confidence[:, FACE] == track.confidence[:, FACE]).all()


def _rows(track: PoseTrack) -> tuple[Any, Any]:
    return np.array(track.points_px, dtype=float), np.array(track.confidence)


@pytest.mark.parametrize("passes", [-1, 5])
def test_a_number_of_passes_that_is_not_possible(passes: int) -> None:
    with pytest.raises(FleximoError, match="1 to 4"):
        cost(passes)


def test_a_miss_counts_as_far_off() -> None:
    track = small_job().signal.track
    assert error_of(judged([None] * COUNT, track)) == 1.0
    assert error_of(judged(list(zip(*_rows(track))), track)) == 0.0


def test_mimicmotion_is_refined_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    from tests.fixtures.tiny_models import tiny_models

    monkeypatch.setenv("FLEXIMO_MODELS", str(tiny_models()))
    monkeypatch.setattr(catalog, "_loaded", {})
    settings = {"steps": 1, "guidance": 1.0, "decode_chunk": 4, "decode_overlap": 1}
    made = make_job("anna", replace(true_track("wave")[0][:6], fps=Fraction(15)), frame_photo(SIZE, (64, 64)))
    job = replace(made, engine="mimicmotion", settings=settings)
    offs = iter([9.0] * 6 + [2.0] * 6)

    def find(frame: Any) -> Found:
        assert frame.shape == (64, 64, 3)
        off = next(offs)
        return job.signal.track.points_px[0] + np.array([off, 0.0]), np.full(128, SURE)

    done = render_refined(job, tmp_path, 1, find=find)
    assert done.passes[0].kept
    refined = replace(job, signal=PoseSignal(done.track))
    assert render_job(refined, tmp_path / "again").master.read_bytes() == done.rendered.master.read_bytes()
    assert (tmp_path / "engine").is_dir(), "a later change starts from the refined one"


def test_the_report_tells_every_pass(tmp_path: Path) -> None:
    """The draft on a real photo, looked at by the detector that comes with the project."""
    from backend import pipeline, reports

    photo = (Path(__file__).parents[1] / "data" / "people" / "anna.jpg").read_bytes()
    request = pipeline.Request(photo=photo, text="she nods", size=(288, 512), fps=Fraction(6), refine=1)
    seen: list[float] = []
    done = pipeline.animate(request, tmp_path, lambda fraction, message="": seen.append(fraction))
    document = reports.report(done)
    [only] = document["refinement"]
    assert only["frames_found"] == document["frames"] and only["error_before"] < 0.1
    assert document["stages"]["refine"]["implementation"] == ("re-detected pose" if only["kept"] else "off")
    assert {"refined", "not_refined"} & set(document["warnings"]) and "refine" in document["timings_s"]
    assert seen == sorted(seen) and seen[-1] == 1.0
