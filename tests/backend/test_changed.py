"""Only what changed: ranges, how wide they are drawn, what is said, and what it costs MimicMotion's real network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import catalog, changed
from backend.changed import render_changed, render_over, widened
from backend.media import GOP, read_video
from backend.rendering import render_job
from backend.seams import borders
from backend.stages import Progress, Workplace, silent
from fleximo import Cancelled, FleximoError, Notice, RenderJob, Video
from fleximo.camera_fit import frame_photo
from fleximo.pose_track import PoseSignal
from tests.backend.draft_truth import SIZE, make_job, true_track

CANVAS = (72, 128)
COUNT = 120


class Painter:
    """An engine whose frames show the number of the frame; frames of a part are `off` levels too bright."""

    name, fps, window, reach = "painter", None, None, 2
    off: tuple[int, ...] = ()  # for each call in turn

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def render(self, job: RenderJob, progress: Progress = silent, place: Workplace | None = None) -> Video:
        progress(0.5, "painting")
        start, stop = job.frames
        off = self.off[len(self.calls)] if len(self.calls) < len(self.off) else 0
        self.calls.append((start, stop))
        width, height = job.size
        ramp = np.arange(start, stop)[:, None, None, None] + np.arange(width)[:, None]
        noise = np.random.default_rng(job.seed).integers(0, 2, (1, height, width, 3))
        return Video((40 + ramp % 90 + noise + off).astype(np.uint8), job.fps)

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        return ()


@pytest.fixture
def painter(monkeypatch: pytest.MonkeyPatch) -> Painter:
    engine = Painter()
    entry = catalog.Engine(lambda: engine, "draft", Fraction(30), seeded=True)
    monkeypatch.setitem(catalog.VIDEO_MODELS, "painter", entry)
    monkeypatch.setattr(catalog, "_loaded", {})
    return engine


def painted(engine: str = "painter", *, fps: int = 30, canvas: tuple[int, int] = CANVAS) -> RenderJob:
    """A job of 120 frames: a wave to and fro."""
    track = true_track("wave")[0]
    frames = np.abs((np.arange(COUNT) % (2 * len(track) - 2)) - (len(track) - 1))
    track = replace(
        track,
        points_px=track.points_px[frames],
        confidence=track.confidence[frames],
        depths_m=track.depths_m[frames],
        fps=Fraction(fps),
    )
    return replace(make_job("anna", track, frame_photo(SIZE, canvas, mode="centre")), engine=engine)


def moved(job: RenderJob, *ranges: tuple[int, int]) -> RenderJob:
    points = job.signal.track.points_px.copy()
    for start, stop in ranges:
        points[start:stop] += np.float32([5.0, -3.0])
    return replace(job, signal=PoseSignal(replace(job.signal.track, points_px=points)))


def codes(done: Any) -> list[str]:
    return [notice.code for notice in done.notices]


def frames_of(folder: Path, name: str = "master.mkv") -> np.ndarray:
    return read_video(folder / name).frames


def test_ranges_are_widened_and_joined_where_they_come_near() -> None:
    assert widened([(10, 12), (40, 50)], 4, 60) == [(6, 16), (36, 54)]
    assert widened([(10, 12), (20, 24)], 4, 60) == [(6, 28)]
    assert widened([(0, 2), (58, 60)], 4, 60) == [(0, 6), (54, 60)]
    assert widened([(3, 5), (6, 7)], 0, 60) == [(3, 5), (6, 7)], "a puppet's frames stand each for itself"


def test_two_changes_far_apart_are_two_ranges_and_the_rest_stays(painter: Painter, tmp_path: Path) -> None:
    before = painted()
    render_job(before, tmp_path / "a")
    after = moved(before, (20, 24), (90, 94))
    done = render_changed(after, before, tmp_path / "a", tmp_path / "b")
    assert painter.calls[1:] == [(18, 26), (88, 96)] == list(done.ranges)
    assert done.frames == COUNT and done.frames_rendered == 16 and codes(done) == []
    assert len(frames_of(tmp_path / "b")) == len(frames_of(tmp_path / "b", "video.mp4")) == COUNT
    assert [border.frame for border in done.borders] == [18, 26, 88, 96]
    assert not any(border.visible for border in done.borders)


def test_of_a_window_only_the_changes_inside_are_rendered(painter: Painter, tmp_path: Path) -> None:
    before = painted()
    render_job(before, tmp_path / "a")
    after = replace(moved(before, (20, 24), (90, 94)), window=(60, 110))
    done = render_over(after, before, tmp_path / "a", tmp_path / "b")
    assert list(done.ranges) == [(88, 96)] == painter.calls[1:]


def test_untouched_frames_and_groups_are_the_same_bytes(tmp_path: Path) -> None:
    before = painted("draft")
    render_job(before, tmp_path / "a")
    done = render_changed(moved(before, (29, 33), (80, 81)), before, tmp_path / "a", tmp_path / "b")
    assert done.ranges == ((29, 33), (80, 81)) and done.frames_rendered == 5, "each frame of a puppet for itself"
    old, new = frames_of(tmp_path / "a"), frames_of(tmp_path / "b")
    same = (old == new).all(axis=(1, 2, 3))
    assert np.flatnonzero(~same).tolist() == [29, 30, 31, 32, 80]
    old, new = frames_of(tmp_path / "a", "video.mp4"), frames_of(tmp_path / "b", "video.mp4")
    touched = {29 // GOP, 32 // GOP, 80 // GOP}
    outside = [n for n in range(COUNT) if n // GOP not in touched]
    assert outside and np.array_equal(old[outside], new[outside])


def test_nothing_changed_renders_nothing(painter: Painter, tmp_path: Path) -> None:
    before = painted()
    with pytest.raises(FleximoError, match="Nothing") as told:
        render_changed(painted(), before, tmp_path, tmp_path / "b")
    assert told.value.code == "nothing_changed" and painter.calls == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seed": 3}, "the seed has changed"),
        ({"settings": {"steps": 3}, "engine": "draft"}, "the engine and the engine's settings have changed"),
        ({"photo": b"another"}, "the photo has changed"),
    ],
)
def test_why_the_whole_is_rendered_is_said(
    painter: Painter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    monkeypatch.setitem(catalog.VIDEO_MODELS, "draft", catalog.VIDEO_MODELS["painter"])
    before = painted()
    render_job(before, tmp_path / "a")
    done = render_changed(replace(moved(before, (20, 24)), **change), before, tmp_path / "a", tmp_path / "b")
    assert painter.calls[1:] == [(0, COUNT)] and done.frames_rendered == COUNT
    assert codes(done) == ["rendered_whole"] and why in done.notices[0].message


def test_another_length_is_a_whole_render(painter: Painter, tmp_path: Path) -> None:
    before = painted()
    shorter = replace(before, signal=PoseSignal(before.signal.track[:90]), motion=before.motion[:90])
    done = render_changed(shorter, before, tmp_path, tmp_path / "b")
    assert painter.calls == [(0, 90)] and "the number of frames" in done.notices[0].message


def test_a_cut_is_drawn_wider_once_and_said(painter: Painter, tmp_path: Path) -> None:
    before = painted()
    render_job(before, tmp_path / "a")
    painter.off = (0, 30)
    done = render_changed(moved(before, (50, 56)), before, tmp_path / "a", tmp_path / "b")
    assert painter.calls[1:] == [(48, 58), (44, 62)] and list(done.ranges) == [(44, 62)]
    assert codes(done) == ["drawn_wider"] and "44 to 61" in done.notices[0].message
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["master.mkv", "video.mp4"]


def test_a_cut_that_stays_makes_it_the_whole_shot(painter: Painter, tmp_path: Path) -> None:
    before = painted()
    render_job(before, tmp_path / "a")
    painter.off = (0, 30, 30)
    done = render_changed(moved(before, (50, 56)), before, tmp_path / "a", tmp_path / "b")
    assert painter.calls[1:] == [(48, 58), (44, 62), (0, COUNT)]
    assert codes(done) == ["rendered_whole"] and "cut" in done.notices[0].message
    assert np.array_equal(frames_of(tmp_path / "b"), frames_of(tmp_path / "a"))


def test_a_stopped_render_goes_on_as_wide_as_it_was(painter: Painter, tmp_path: Path) -> None:
    before = painted()
    render_job(before, tmp_path / "a")
    painter.off = (0, 30)
    stopped = []

    def stop_in_the_second(fraction: float, message: str = "", /) -> None:
        if message.startswith("a cut showed") and not stopped:
            stopped.append(fraction)
            raise Cancelled

    after = moved(before, (50, 56))
    with pytest.raises(Cancelled):
        render_changed(after, before, tmp_path / "a", tmp_path / "b", stop_in_the_second)
    done = render_changed(after, before, tmp_path / "a", tmp_path / "b", stop_in_the_second)
    assert painter.calls[1:] == [(48, 58), (44, 62)], "the first width is not tried again"
    assert list(done.ranges) == [(44, 62)]


def test_a_chosen_range_is_kept_to_and_a_cut_is_told(painter: Painter, tmp_path: Path) -> None:
    before = painted()
    render_job(before, tmp_path / "a")
    painter.off = (0, 0, 30)
    chosen = replace(before, seed=4, window=(30, 40))
    calm = render_over(chosen, before, tmp_path / "a", tmp_path / "b")
    loud = render_over(chosen, before, tmp_path / "a", tmp_path / "c")
    assert painter.calls[1:] == [(30, 40)] * 2
    assert codes(calm) == [] and codes(loud) == ["border_shows"]
    assert "frame 30 and 40" in loud.notices[0].message
    outside = [*range(30), *range(40, COUNT)]
    assert np.array_equal(frames_of(tmp_path / "c")[outside], frames_of(tmp_path / "a")[outside])


def test_what_moves_fast_at_the_border_is_no_cut() -> None:
    rng = np.random.default_rng(0)
    still = np.full((40, 32, 32, 3), 100, np.uint8)
    fast = still.copy()
    fast[15:25] = rng.integers(60, 140, (10, 32, 32, 3))
    [edge] = [border for border in borders(fast, [(20, 40)]) if border.frame == 20]
    assert edge.ratio > 100 and not edge.visible
    jump = still.copy()
    jump[20:] += 8
    assert [border.visible for border in borders(jump, [(20, 40)])] == [True]
    assert borders(still, [(20, 40)])[0].visible is False
    assert borders(still, [(0, 40)]) == ()


def test_a_jump_of_fine_detail_alone_is_a_cut_too() -> None:
    """Every other column 8 levels lighter, then the others: colours at a glance stay, pixels do not."""
    columns = np.where(np.arange(512) % 2, 108, 92).astype(np.uint8)
    still = np.broadcast_to(columns[:, None], (40, 16, 512, 3)).copy()
    still[20:] = 200 - still[20:]
    [edge] = borders(still, [(20, 40)])
    assert edge.visible and edge.lab < 0.1


# --- MimicMotion's own networks made small ---

TINY = {"steps": 2, "guidance": 1.0, "decode_chunk": 8, "decode_overlap": 1}


@pytest.fixture(scope="module")
def mimic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RenderJob, Path, list[int], float]]:
    """A finished render of 120 frames, and the frames of each call of the network."""
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    from tests.fixtures.tiny_models import tiny_models

    folder = tmp_path_factory.mktemp("mimic")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEXIMO_MODELS", str(tiny_models()))
        patch.setattr(catalog, "_loaded", {})
        calls = count_calls(patch)
        job = replace(painted("mimicmotion", fps=15, canvas=(64, 64)), settings=TINY, seed=5)
        done = render_job(job, folder)
        yield job, folder, calls, done.seconds


def count_calls(patch: pytest.MonkeyPatch) -> list[int]:
    from backend.models.svd.unet import PoseUNet

    real, calls = PoseUNet.forward, []

    def forward(self: Any, given: Any, *rest: Any, **named: Any) -> Any:
        calls.append(int(given.shape[0] * given.shape[1]))
        return real(self, given, *rest, **named)

    patch.setattr(PoseUNet, "forward", forward)
    return calls


def test_a_fifth_of_the_frames_costs_less_than_two_fifths(
    mimic: tuple[RenderJob, Path, list[int], float], tmp_path: Path, record_property: Any
) -> None:
    before, folder, calls, seconds = mimic
    full = sum(calls)
    calls.clear()
    done = render_changed(moved(before, (48, 72)), before, folder, tmp_path)
    share = sum(calls) / full
    record_property("cost", share)
    record_property("seconds", done.seconds / seconds)
    record_property("borders", [border.ratio for border in done.borders])
    assert share <= 0.4
    assert list(done.ranges) == [(44, 76)] and codes(done) == []
    old, new = frames_of(folder), frames_of(tmp_path)
    outside = [*range(44), *range(76, COUNT)]
    assert np.array_equal(old[outside], new[outside])
    assert not (old[44:76] == new[44:76]).all(axis=(1, 2, 3)).any()
    groups = [n for n in range(COUNT) if not 44 // GOP <= n // GOP <= 75 // GOP]
    assert np.array_equal(frames_of(folder, "video.mp4")[groups], frames_of(tmp_path, "video.mp4")[groups])
    assert all(border.ratio <= 1.5 for border in done.borders)


def test_a_change_of_a_change_goes_on_from_it(mimic: tuple[RenderJob, Path, list[int], float], tmp_path: Path) -> None:
    """Two ranges in one render, then one over it: the latents of all of them are kept for the next."""
    from backend.diffusion.checkpoint import read_sealed
    from backend.models.mimicmotion.rendering import LATENTS

    before, folder, _, _ = mimic
    first = moved(before, (10, 12), (100, 102))
    done = render_changed(first, before, folder, tmp_path / "a")
    assert len(done.ranges) == 2
    old = read_sealed(folder / "engine" / LATENTS)[0]["latents"]
    new = read_sealed(tmp_path / "a" / "engine" / LATENTS)[0]["latents"]
    differs = (old != new).flatten(1).any(1).numpy()[1:]  # without the reference
    assert [tuple(each) for each in changed.changed_ranges(differs)] == list(done.ranges)
    again = render_changed(moved(first, (60, 61)), first, tmp_path / "a", tmp_path / "b")
    assert codes(again) == [] and len(again.ranges) == 1


def test_frames_of_another_engine_keep_what_mimicmotion_needs_later(
    mimic: tuple[RenderJob, Path, list[int], float], tmp_path: Path
) -> None:
    from backend.models.mimicmotion.rendering import LATENTS

    before, folder, _, _ = mimic
    drafted = replace(before, engine="draft", settings={}, window=(20, 30))
    render_over(drafted, before, folder, tmp_path / "a")
    assert (tmp_path / "a" / "engine" / LATENTS).read_bytes() == (folder / "engine" / LATENTS).read_bytes()
    assert "rendered_alone" not in codes(
        render_changed(moved(before, (60, 61)), before, tmp_path / "a", tmp_path / "b")
    )
