"""Refinement as a job: asked for, killed in the middle, refused where it means nothing, and changed afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend import refine
from backend.jobs import preview, tasks
from backend.jobs.records import DONE, Task
from backend.jobs.store import BlobStore
from backend.media import read_video
from fleximo import FleximoError, MotionPlan, RenderJob, Segment
from fleximo.pose_track import PoseSignal, PoseTrack
from fleximo.take import make_job
from tests.backend.render_server import RenderServer
from tests.backend.same_pictures import same_pictures
from tests.backend.test_refine import COUNT, Poser, looking, poser, small_job

__all__ = ["poser"]  # the fixture
PHOTO = Path(__file__).parents[1] / "data" / "people" / "anna.jpg"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RenderServer]:
    with RenderServer(tmp_path_factory.mktemp("refine") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def job(server: RenderServer) -> RenderJob:
    client = server.client
    person = client.detect(PHOTO.read_bytes())
    motion = client.motion(MotionPlan((Segment("nod", 1.0),)), fps=8)
    return make_job(motion, person, PHOTO.read_bytes(), fps=8, size=(288, 512))


def test_a_refined_render_survives_a_kill_and_tells_its_gain(
    server: RenderServer, job: RenderJob, tmp_path: Path
) -> None:
    client = server.client
    calm = client.render(job, tmp_path / "calm", refine=1)
    stormy = client.submit_render(job, refine=1).id
    passes = server.data / "jobs" / stormy / "work" / "passes"
    deadline = time.monotonic() + 90
    while not list(passes.glob("*/seen.npz")):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    first = next(passes.glob("*/rendered.json"))
    made_at = first.stat().st_mtime_ns
    worker = server.worker_pid()
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    while len(list(passes.glob("*/rendered.json"))) < 2 and not client.job(stormy).ended:
        assert not first.is_file() or first.stat().st_mtime_ns == made_at, "the first video is not rendered again"
        time.sleep(0.002)
    done = client.wait(stormy)
    assert done.attempt == 2 and done.files["master"] == calm.files["master"]
    client.download(stormy, tmp_path / "stormy.mp4", "video")
    assert same_pictures(tmp_path / "stormy.mp4", tmp_path / "calm" / "video.mp4")
    told, undisturbed = (json.loads(client.result(each.id, "report")) for each in (done, calm))
    [only], [other] = told["refinement"], undisturbed["refinement"]
    assert {**only, "seconds": 0} == {**other, "seconds": 0} and only["frames_found"] == len(job.signal.track)
    assert {"refined", "not_refined"} & set(told["warnings"]) and "refine" in told["stages"]
    assert not passes.exists() and client.preview(stormy) is not None


def test_what_refining_does_not_go_with_is_refused(server: RenderServer, job: RenderJob) -> None:
    with pytest.raises(FleximoError) as told:
        server.client.submit_render(job.with_window(2, 4), refine=1)
    assert told.value.code == "refines_whole"
    with pytest.raises(FleximoError) as told:
        server.client.submit_render(job, refine=5)
    assert "refine" in told.value.message


def test_the_engines_say_whether_seeds_matter(server: RenderServer) -> None:
    told = {row["name"]: row.get("seeded") for row in server.client.models() if row["stage"] == "video"}
    assert told == {"draft": False, "mimicmotion": True, "wan-vace": True}


def test_the_picture_is_of_the_pass_at_work(tmp_path: Path) -> None:
    first, second = (tmp_path / "passes" / name for name in ("f", "a"))
    for number, file in enumerate((first / "master.mkv", second / "windows" / "000000-000012.ffv1.mkv")):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
        os.utime((first, second)[number], (number, number))
        assert preview._newest(tmp_path) == file
    (tmp_path / "master.mkv").write_bytes(b"")
    shutil.rmtree(tmp_path / "passes")
    assert preview._newest(tmp_path) == tmp_path / "master.mkv"


# --- what comes after it, in this process with an engine that gains


def run(root: Path, name: str, job: RenderJob, **more: object) -> Path:
    """Runs a render job in the folder `name`; returns where its files are."""
    store = BlobStore(root / "store")
    document, blobs = job.document()
    for content in blobs.values():
        store.write(content)
    previous = more.pop("previous", None)
    task = Task(name, "render", {"job": document, **more}, root / "jobs" / name, store.folder, previous=previous)
    task.folder.mkdir(parents=True)
    task.save()
    outcome = tasks.run(task, lambda event: None)
    assert outcome.state == DONE, outcome.error
    return task.work


def moved(job: RenderJob, frames: slice) -> RenderJob:
    points = job.signal.track.points_px.copy()
    points[frames] += np.float32([4.0, 0.0])
    return replace(job, signal=PoseSignal(replace(job.signal.track, points_px=points)))


def test_a_change_of_a_refined_render_goes_on_from_the_refined_skeleton(
    poser: Poser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = small_job()
    find = looking(job.signal.track, 1.0, 6.0)
    monkeypatch.setattr(refine, "find_whole_body", lambda frame, detector: find(frame))
    first = run(tmp_path, "first", job, refine=1)
    refined = PoseTrack.load(first / refine.REFINED_TRACK)
    assert (read_video(first / "master.mkv").frames.mean(axis=(1, 2, 3)) > 130).all(), "every frame was refined"

    edited = moved(job, slice(4, 6)).with_window(0, COUNT)
    second = run(tmp_path, "second", replace(edited, previous="0" * 64), previous="first")
    report = json.loads((second / "report.json").read_text())
    assert report["ranges"] == [[4, 6]] and report["frames_rendered"] == 2
    track = PoseTrack.load(second / refine.REFINED_TRACK)
    way = track.points_px - refined.points_px
    np.testing.assert_allclose(way[4:6], np.broadcast_to([4.0, 0.0], way[4:6].shape), atol=1e-3)
    np.testing.assert_allclose(np.delete(way, [4, 5], axis=0), 0.0, atol=1e-3)
    assert np.array_equal(track.confidence, refined.confidence)
    new, old = (read_video(folder / "master.mkv").frames for folder in (second, first))
    assert np.array_equal(new, old), "the edited frames are told as surely as the refined ones"

    third = run(tmp_path, "third", replace(job.with_window(0, COUNT), previous="0" * 64), previous="second")
    assert json.loads((third / "report.json").read_text())["ranges"] == [[4, 6]], "a change of a change"
    np.testing.assert_allclose(PoseTrack.load(third / refine.REFINED_TRACK).points_px, refined.points_px, atol=1e-3)

    chosen = replace(job.with_window(2, 5), seed=9, previous="0" * 64)
    again = run(tmp_path, "again", chosen, previous="first")
    assert json.loads((again / "report.json").read_text())["ranges"] == [[2, 5]]
    assert np.array_equal(read_video(again / "master.mkv").frames, old), "a range is rendered from what was refined"

    other = replace(edited, photo=b"another photo", previous="0" * 64)
    whole = run(tmp_path, "whole", other, previous="first")
    assert not (whole / refine.REFINED_TRACK).exists(), "refined for another person"
