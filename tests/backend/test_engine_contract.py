"""What every engine of the catalogue keeps: shapes, rates, seeds, progress, stops, resuming, ranges, and its folder.

A new engine joins with its entry in `SMALL`.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import catalog, pipeline
from backend.media import read_video
from backend.retime import render_delivered
from backend.stages import Progress, VideoModel, Workplace, silent
from fleximo import Cancelled, Notice, RenderJob
from fleximo.camera_fit import frame_photo
from fleximo.pose_track import PoseSignal
from tests.backend.draft_truth import SIZE, make_job, true_track
from tests.fixtures.make_standin_weights import make_standins


@dataclass(frozen=True)
class Small:
    """A render of an engine that takes a second or two."""

    frames: int
    size: tuple[int, int]
    settings: dict[str, Any] = field(default_factory=dict)
    stop_at: float = 0.9  # share of the progress at which a stopped render has something to go on from
    packages: tuple[str, ...] = ()  # without which it is skipped


SMALL = {
    "draft": Small(frames=48, size=(72, 128), stop_at=0.9),
    "mimicmotion": Small(
        frames=8,
        size=(64, 64),
        settings={"steps": 2, "window": 6, "overlap": 2, "decode_chunk": 4, "decode_overlap": 1},
        stop_at=0.7,
        packages=("torch", "diffusers", "transformers", "safetensors"),
    ),
    "wan-vace": Small(
        frames=8,
        size=(64, 64),
        settings={"steps": 2, "window": 5, "overlap": 1, "prompt": "a room"},
        stop_at=0.9,
        packages=("torch", "diffusers", "transformers", "safetensors"),
    ),
}
_watched: list[list[tuple[str, str]]] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Notes what is written and whom is spoken to while somebody watches; hooks cannot be taken away again."""
    if not _watched:
        return
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        mode, flags = str(arguments[1] or ""), int(arguments[2] or 0)
        if set(mode) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _watched[-1].append(("write", os.fsdecode(arguments[0])))
    elif event in ("os.mkdir", "os.rename", "os.truncate", "os.link", "os.symlink"):
        _watched[-1] += [("write", os.fsdecode(path)) for path in arguments[:2] if isinstance(path, str | bytes)]
    elif event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        _watched[-1].append(("connect", str(arguments[-1] if event == "socket.connect" else arguments[0])))
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        _watched[-1].append(("program", str(arguments[0])))


sys.addaudithook(_audit)


@contextmanager
def watched() -> Iterator[list[tuple[str, str]]]:
    """What is done to the outside meanwhile."""
    _watched.append([])
    try:
        yield _watched[-1]
    finally:
        _watched.pop()


@dataclass
class Bench:
    """An engine loaded for these tests, its job, the finished render of it, and what that did to the outside."""

    name: str
    model: VideoModel
    job: RenderJob
    whole: np.ndarray
    told: list[tuple[float, str]]
    folder: Path
    done: pipeline.Rendered
    outside: list[tuple[str, str]]
    homes: tuple[Path, ...]


def _job(name: str, fps: Fraction | None = None) -> RenderJob:
    small = SMALL[name]
    track = true_track("wave")[0]
    count = np.arange(small.frames) % (2 * len(track) - 2)
    there_and_back = np.where(count < len(track), count, 2 * len(track) - 2 - count)
    track = replace(
        track,
        points_px=track.points_px[there_and_back],
        confidence=track.confidence[there_and_back],
        depths_m=track.depths_m[there_and_back],
        fps=fps or catalog.engine(name).default_fps,
    )
    made = make_job("anna", track, frame_photo(SIZE, small.size, mode="centre"))
    return replace(made, engine=name, settings=small.settings, seed=5)


@pytest.fixture(scope="module", params=sorted(catalog.VIDEO_MODELS))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    name: str = request.param
    for package in SMALL[name].packages:
        pytest.importorskip(package)
    models, root = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp(name)
    make_standins(catalog.engine(name).bundles, models, tiny=True)
    homes = tuple(root / part for part in ("here", "home", "temporary", "cache", "data"))
    for home in homes:
        home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(homes[0])
        for variable, home in zip(("HOME", "TMPDIR", "XDG_CACHE_HOME", "FLEXIMO_DATA"), homes[1:]):
            patch.setenv(variable, str(home))
        patch.setattr(tempfile, "tempdir", None)
        patch.setenv("FLEXIMO_MODELS", str(models))
        patch.delitem(catalog._loaded, name, raising=False)
        told: list[tuple[float, str]] = []
        with watched() as outside:
            model = catalog.video_model(name)
            job = _job(name)
            whole = model.render(job, lambda fraction, message="": told.append((fraction, message))).frames
            assert not [path for kind, path in outside if kind == "write"], "without a place nothing is written"
            done = pipeline.render_job(job, root / "whole")
        yield Bench(name, model, job, whole, told, root / "whole", done, list(outside), homes)
        catalog._loaded.pop(name, None)


def test_every_engine_has_its_entry() -> None:
    assert set(SMALL) == set(catalog.VIDEO_MODELS)


def test_one_picture_for_each_frame_of_the_track(bench: Bench) -> None:
    width, height = bench.job.size
    assert bench.whole.shape == (len(bench.job.signal.track), height, width, 3) and bench.whole.dtype == np.uint8
    assert bench.done.fps == bench.job.fps == read_video(bench.done.video).fps
    assert bench.model.name == bench.name
    assert bench.model.window is None or bench.model.window > 0
    assert isinstance(bench.model.reach, int) and bench.model.reach >= 0
    assert bench.model.fps in (None, catalog.engine(bench.name).default_fps)
    assert all(isinstance(notice, Notice) and notice.message for notice in bench.model.notices(bench.job))
    assert len(np.unique(bench.whole)) > 20 and bench.whole.std(axis=0).max() > 1.0, "a moving picture"


def test_any_rate_is_delivered_frame_by_frame(bench: Bench) -> None:
    job = _job(bench.name, Fraction(24000, 1001))
    video = render_delivered(bench.model, job)
    assert len(video) == len(job.signal.track) and video.fps == job.fps


def test_the_seed_decides_the_picture(bench: Bench) -> None:
    """The same seed gives the same picture, as the pipeline's own render of the job shows; another seed another."""
    assert np.array_equal(read_video(bench.done.master).frames, bench.whole)
    other = bench.model.render(replace(bench.job, seed=6), silent).frames
    assert np.array_equal(other, bench.whole) != catalog.engine(bench.name).seeded


def test_progress_rises_in_small_steps_to_one(bench: Bench) -> None:
    fractions = [fraction for fraction, _ in bench.told]
    assert fractions == sorted(fractions) and fractions[0] >= 0.0 and fractions[-1] == 1.0
    assert max(b - a for a, b in itertools.pairwise(fractions)) <= 0.35
    assert any(message for _, message in bench.told)


def stopping(when: Callable[[int, float], bool]) -> tuple[Progress, list[float]]:
    """A progress that cancels when `when` (number of the call, fraction) says so, and what it was told until then."""
    told: list[float] = []

    def progress(fraction: float, message: str = "", /) -> None:
        told.append(fraction)
        if when(len(told), fraction):
            raise Cancelled

    return progress, told


@pytest.mark.parametrize("call", [1, 3])
def test_a_cancel_is_heard_at_once_and_leaves_the_engine_whole(bench: Bench, call: int) -> None:
    progress, told = stopping(lambda number, fraction: number >= call)
    with pytest.raises(Cancelled):
        bench.model.render(bench.job, progress)
    assert len(told) == call
    assert len(bench.model.render(bench.job.with_window(0, 2), silent)) == 2


def test_a_stopped_render_goes_on_to_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    progress, told = stopping(lambda number, fraction: fraction >= SMALL[bench.name].stop_at)
    with pytest.raises(Cancelled):
        pipeline.render_job(bench.job, tmp_path, progress)
    assert not (tmp_path / "master.mkv").exists() and not (tmp_path / "video.mp4").exists()
    all_calls, more = stopping(lambda number, fraction: False)
    done = pipeline.render_job(bench.job, tmp_path, all_calls)
    assert len(more) < len(told), "what was done before is not done again"
    assert done.master.read_bytes() == bench.done.master.read_bytes()
    assert done.video.read_bytes() == bench.done.video.read_bytes()


def test_a_range_with_another_seed_leaves_the_rest_as_it_is(bench: Bench, tmp_path: Path) -> None:
    start, stop = 2, 5
    job = replace(bench.job, seed=11, window=(start, stop))
    done = pipeline.render_job(job, tmp_path, previous=bench.folder)
    frames = read_video(done.master).frames
    assert done.frames == len(frames) == len(bench.whole)
    assert np.array_equal(
        np.delete(frames, np.s_[start:stop], axis=0), np.delete(bench.whole, np.s_[start:stop], axis=0)
    )
    differs = (frames != bench.whole).any(axis=(1, 2, 3))[start:stop]
    assert differs.all() == catalog.engine(bench.name).seeded
    assert len(read_video(done.video)) == len(frames)


def test_changed_frames_change_and_no_others(bench: Bench, tmp_path: Path) -> None:
    start, stop = 3, 6
    track = bench.job.signal.track
    points = track.points_px.copy()
    points[start:stop] += np.float32([6.0, -4.0])
    changed = replace(bench.job, signal=PoseSignal(replace(track, points_px=points)), window=(start, stop))
    done = pipeline.render_job(changed, tmp_path, previous=bench.folder)
    same = (read_video(done.master).frames == bench.whole).all(axis=(1, 2, 3))
    assert same.tolist() == [not start <= n < stop for n in range(len(same))]
    assert done.frames_rendered < len(bench.whole)


def test_nothing_is_written_outside_the_folder_and_nobody_is_called(bench: Bench) -> None:
    """From loading the engine to the finished files; the models folder is read, and its record brought up to date."""
    assert [path for kind, path in bench.outside if kind == "connect"] == []
    assert [path for kind, path in bench.outside if kind == "program"] == []
    allowed = (str(bench.folder), os.environ["FLEXIMO_MODELS"], os.devnull)
    assert [path for kind, path in bench.outside if kind == "write" and not path.startswith(allowed)] == []
    for home in bench.homes:
        assert list(home.iterdir()) == [], "nor by code that is not Python"
    assert sorted(path.name for path in bench.folder.iterdir() if path.name != "engine") == ["master.mkv", "video.mp4"]


def test_a_place_is_kept_to(bench: Bench, tmp_path: Path) -> None:
    place = Workplace(tmp_path / "place")
    with watched() as outside:
        video = bench.model.render(bench.job, silent, place)
    assert np.array_equal(video.frames, bench.whole)
    assert all(
        path.startswith((str(place.folder), os.environ["FLEXIMO_MODELS"])) for kind, path in outside if kind == "write"
    )
