"""A finished render looked at again: by a made-up detector frame by frame, and by the server with the real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.media import read_chosen, write_video
from backend.self_check import CHECK_FILE, check_render, inherited, kept_check
from fleximo import Cancelled, FleximoError, PoseTrack, RenderJob, Video
from fleximo.client import Client
from fleximo.score import PoseTarget
from fleximo.take import make_job
from tests.backend.render_server import RenderServer
from tests.fleximo.test_score import track_of

PHOTO = Path(__file__).parents[1] / "data" / "people" / "anna.jpg"
COUNT, SUM = 21, "ab" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A render of 21 frames whose pixels tell their number."""
    frames = np.repeat(np.arange(COUNT, dtype=np.uint8), 200 * 100 * 3).reshape(COUNT, 200, 100, 3)
    write_video(tmp_path / "master.mkv", Video(frames, Fraction(30)), lossless=True)
    return tmp_path


def asked() -> PoseTrack:
    two = track_of()
    points, confidence = np.repeat(two.points_px[:1], COUNT, axis=0), np.ones((COUNT, 18))
    return PoseTrack(points, confidence, two.size, two.fps, two.layout)


def finder(shift_px: dict[int, float]) -> tuple[Callable[[Any], Any], list[int]]:
    """A detector that finds the pose asked for, shifted in some frames (None: nobody there), and its diary."""
    points, diary = PoseTarget(asked()).points_px(0), []

    def find(rgb: Any) -> Any:
        frame = int(rgb[0, 0, 0])
        diary.append(frame)
        whole = np.zeros((128, 2))
        whole[:18] = points + (shift_px.get(frame, 0.0), 0.0)
        return None if np.isnan(shift_px.get(frame, 0.0)) else (whole, np.ones(128))

    return find, diary


def test_chosen_frames_of_a_master_are_read_alone(folder: Path) -> None:
    assert [int(frame[0, 0, 0]) for frame in read_chosen(folder / "master.mkv", [3, 7, 20])] == [3, 7, 20]
    with pytest.raises(FleximoError, match="lacks 1 of the frames"):
        list(read_chosen(folder / "master.mkv", [20, 21]))
    write_video(folder / "video.mp4", Video(np.zeros((2, 64, 64, 3), np.uint8), Fraction(30)))
    with pytest.raises(FleximoError, match="no lossless master"):
        list(read_chosen(folder / "video.mp4", [0]))


def test_what_was_looked_at_is_kept_and_not_looked_at_again(folder: Path) -> None:
    find, diary = finder({8: 30.0, 12: np.nan})
    check = check_render(folder, SUM, asked(), find=find)
    assert diary == [0, 4, 8, 12, 16, 20] and check.every == 4
    assert [look.error for look in check.looks] == pytest.approx([0, 0, 0.5, 1, 0, 0])
    assert [look.found for look in check.looks] == [True, True, True, False, True, True]
    assert check_render(folder, SUM, asked(), find=find) == check and len(diary) == 6, "asking twice costs nothing"
    closer = check_render(folder, SUM, asked(), 1, find=find)
    assert sorted(diary) == list(range(COUNT)) and closer.every == 1
    assert check_render(folder, SUM, asked(), find=find) == closer, "what is known is told"
    check_render(folder, "cd" * 32, asked(), find=find)
    assert len(diary) == COUNT + 6, "another master"
    (folder / CHECK_FILE).write_text("{")
    check_render(folder, SUM, asked(), find=find)
    assert len(diary) == COUNT + 12


def test_a_cancelled_check_goes_on_where_it_stopped(folder: Path) -> None:
    find, diary = finder({})

    def stop(fraction: float, message: str = "", /) -> None:
        if fraction >= 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        check_render(folder, SUM, asked(), None, stop, find=find)
    assert diary == [0, 4, 8]
    assert len(check_render(folder, SUM, asked(), find=find).looks) == 6
    assert diary == [0, 4, 8, 12, 16, 20]


def test_frames_that_a_later_render_took_over_are_known(folder: Path) -> None:
    find, diary = finder({8: 30.0})
    former = check_render(folder, SUM, asked(), find=find)
    points = asked().points_px.copy()
    points[16] += 5.0  # asked for anew, but not rendered anew
    now = replace(asked(), points_px=points)
    known = inherited(former, asked(), now, [(7, 10)])
    assert [look.frame for look in known.looks] == [0, 4, 12, 20]
    (folder / CHECK_FILE).unlink()
    diary.clear()
    check_render(folder, "cd" * 32, now, find=find, start_from=known)
    assert diary == [8, 16]
    again = kept_check(folder, "cd" * 32)
    assert again is not None and len(again.looks) == 6


# --- with the server


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with RenderServer(tmp_path_factory.mktemp("check") / "data") as server:
        yield server.client


@pytest.fixture(scope="module")
def job(client: Client) -> RenderJob:
    person = client.detect(PHOTO.read_bytes())
    motion = client.motion("a person turns around", fps=30)
    return make_job(motion, person, PHOTO.read_bytes(), fps=30, size=(288, 512))


@pytest.mark.timeout(120)
def test_the_server_tells_where_the_draft_could_not_do_what_was_asked(
    client: Client, job: RenderJob, tmp_path: Path
) -> None:
    render = client.render(job, tmp_path)
    told: list[str] = []
    check = client.self_check(render.id, progress=lambda _fraction, message: told.append(message))
    assert any(message.startswith("looking at frame") for message in told)
    assert (check.frames, check.every, check.detector) == (len(job.motion), 4, "mediapipe")
    assert check.looks[0].error < 0.07, "the first frame is the photo's own pose"
    assert check.peaks(), "a flat puppet cannot turn"
    assert check.looks[0].frame not in [look.frame for look in check.peaks()]
    told.clear()
    assert client.self_check(render.id, progress=lambda _fraction, message: told.append(message)) == check
    assert not any(message.startswith("looking at") for message in told)

    document, blobs = job.with_window(10, 18).document()
    for content in blobs.values():
        client.upload(content)
    again = client.wait(client.submit({"kind": "render", "job": {**document, "previous": render.files["master"]}}).id)
    told.clear()
    repaired = client.self_check(again.id, progress=lambda _fraction, message: told.append(message))
    looked = {message for message in told if message.startswith("looking at")}
    assert {f"looking at frame {frame} of {check.frames}" for frame in (12, 16)} >= looked
    assert repaired.looks == check.looks, "the draft gives the same picture again"
    assert json.loads(client.result(client.jobs(1)[0].id))["job"] == again.id


def test_what_is_no_finished_render_is_not_checked(client: Client, job: RenderJob) -> None:
    other = client.wait(client.submit({"kind": "plan", "text": "a man waves"}).id)
    for wrong in (other.id, "0" * 8 + "-0000-0000-0000-" + "0" * 12):
        with pytest.raises(FleximoError) as raised:
            client.self_check(wrong)
        assert raised.value.code == "unknown_render"
    with pytest.raises(FleximoError, match="every"):
        client.self_check(other.id, every=0)
