"""Renders through the real server: photo to person to video, a kill in the middle, and a changed window."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.media import read_video
from fleximo import Cancelled, FleximoError, Motion, MotionPlan, RenderJob, Segment
from fleximo.camera_fit import frame_photo
from fleximo.client import Client, JobStatus
from fleximo.take import make_job
from tests.backend.render_server import RenderServer
from tests.backend.same_pictures import same_pictures

PHOTO = Path(__file__).parents[1] / "data" / "people" / "anna.jpg"
SIZE = (64, 112)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RenderServer]:
    with RenderServer(tmp_path_factory.mktemp("render") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: RenderServer) -> Client:
    return server.client


@pytest.fixture(scope="module")
def long_job(client: Client) -> RenderJob:
    """Three windows of the engine."""
    person = client.detect(PHOTO.read_bytes())
    motion = client.motion(MotionPlan((Segment("wave", 5.0, side="right"),)), fps=30)
    return make_job(motion, person, PHOTO.read_bytes(), fps=30, size=SIZE)


@pytest.fixture(scope="module")
def rendered(client: Client, long_job: RenderJob, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, JobStatus]:
    folder = tmp_path_factory.mktemp("out")
    return folder, client.render(long_job, folder)


def test_a_photo_and_a_motion_become_a_video(rendered: tuple[Path, JobStatus], long_job: RenderJob) -> None:
    folder, _ = rendered
    report = json.loads((folder / "report.json").read_text())
    assert report["job"] == long_job.digest
    assert report["fidelity"] == "draft"
    assert report["frames"] == report["frames_rendered"] == 150
    for name in ("master.mkv", "video.mp4"):
        video = read_video(folder / name)
        assert video.frames.shape == (150, SIZE[1], SIZE[0], 3)
        assert np.abs(np.diff(video.frames.astype(int), axis=0)).max() > 30  # somebody moves


def test_the_same_job_again_is_the_same_render(
    rendered: tuple[Path, JobStatus], client: Client, long_job: RenderJob, tmp_path: Path
) -> None:
    again = client.wait(client.submit_render(long_job).id)
    folder, first = rendered
    assert again.id != first.id
    assert again.files["master"] == first.files["master"]
    client.download(again.id, tmp_path / "again.mp4", "video")
    assert same_pictures(tmp_path / "again.mp4", folder / "video.mp4")


def test_a_preview_can_be_seen(rendered: tuple[Path, JobStatus], client: Client) -> None:
    content = client.preview(rendered[1].id)
    assert content is not None
    assert Image.open(io.BytesIO(content)).size == SIZE


def test_a_killed_render_goes_on_from_its_last_window(
    server: RenderServer, client: Client, long_job: RenderJob, rendered: tuple[Path, JobStatus], tmp_path: Path
) -> None:
    job = client.submit_render(long_job).id
    windows = server.data / "jobs" / job / "work" / "windows"
    deadline = time.monotonic() + 90
    while len(list(windows.glob("[0-9]*.mkv"))) < 2:  # master and video of the first window
        assert time.monotonic() < deadline
        time.sleep(0.001)
    worker = server.worker_pid()
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    done = client.wait(job)
    report = json.loads(client.result(job, "report"))
    assert done.attempt == 2
    assert report["frames"] == 150
    assert report["frames_rendered"] < 150
    assert done.files["master"] == rendered[1].files["master"]
    client.download(job, tmp_path / "resumed.mp4", "video")
    assert same_pictures(tmp_path / "resumed.mp4", rendered[0] / "video.mp4")


def test_a_cancelled_render_can_go_on(client: Client, long_job: RenderJob, rendered: tuple[Path, JobStatus]) -> None:
    def stop(fraction: float, message: str) -> None:
        if fraction > 0.4:
            raise Cancelled

    job = client.submit_render(long_job).id
    with pytest.raises(Cancelled):
        client.wait(job, stop)
    with pytest.raises(Cancelled):
        client.wait(job)
    client.retry(job)
    assert client.wait(job).files["master"] == rendered[1].files["master"]
    assert json.loads(client.result(job, "report"))["frames_rendered"] < 150


def test_a_changed_window_leaves_all_other_frames(
    client: Client, long_job: RenderJob, rendered: tuple[Path, JobStatus], tmp_path: Path
) -> None:
    folder, first = rendered
    person = long_job.person
    lowered = _lowered_arms(client)
    edited = make_job(
        lowered,
        person,
        long_job.photo,
        fps=30,
        size=SIZE,
        framing=long_job.framing,
        camera=long_job.camera,
    ).with_window(60, 80)
    document, blobs = edited.document()
    for content in blobs.values():
        client.upload(content)
    request = {"kind": "render", "job": {**document, "previous": first.files["master"]}}
    done = client.wait(client.submit(request).id)
    client.download(done.id, tmp_path / "master.mkv", "master")
    before, after = read_video(folder / "master.mkv").frames, read_video(tmp_path / "master.mkv").frames
    changed = np.abs(before.astype(int) - after.astype(int)).max(axis=(1, 2, 3)) > 0
    assert changed[60:80].mean() > 0.9
    assert not changed[:60].any()
    assert not changed[80:].any()
    assert json.loads(client.result(done.id, "report"))["frames_rendered"] == 20


def _lowered_arms(client: Client) -> Motion:
    return client.motion(MotionPlan((Segment("wave", 5.0, side="left"),)), fps=30)


def test_a_render_that_changes_an_unknown_one_is_refused(client: Client, long_job: RenderJob) -> None:
    document, blobs = long_job.with_window(0, 12).document()
    for content in blobs.values():
        client.upload(content)
    with pytest.raises(FleximoError) as raised:
        client.submit({"kind": "render", "job": {**document, "previous": "ab" * 32}})
    assert raised.value.code == "unknown_previous"


def test_too_much_work_is_refused_with_the_numbers(client: Client, long_job: RenderJob) -> None:
    document, _ = long_job.document()
    with pytest.raises(FleximoError, match="30000 frames of 64x112") as raised:
        client.submit({"kind": "render", "job": {**document, "window": [0, 30_000]}})
    assert raised.value.code == "too_much_work"


def test_an_unknown_engine_is_refused_with_the_known(client: Client, long_job: RenderJob) -> None:
    document, _ = long_job.document()
    with pytest.raises(FleximoError, match="draft"):
        client.submit({"kind": "render", "job": {**document, "engine": "magic"}})


def test_a_puppet_is_cut_for_a_live_view(client: Client) -> None:
    photo = PHOTO.read_bytes()
    person = client.detect(photo)
    framing = frame_photo(person.photo_size, (144, 256), person)
    puppet = client.puppet(photo, person, framing)
    assert puppet.scene.shape == (256, 144, 3)
    assert {"chest", "head", "left_forearm", "right_shin"} <= {piece.name for piece in puppet.pieces}
