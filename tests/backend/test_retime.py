"""From an engine's own rate to that of delivery: the moments it renders, and the pictures between them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend import catalog, pipeline
from backend.changed import render_changed
from backend.drawing import FLEXIMO_THICK, Pen
from backend.evaluate.metrics import psnr
from backend.media import read_video
from backend.rendering import render_job
from backend.reports import render_report
from backend.retime import _between, between, contact_events, longest_window, native_rate, render_delivered, retime
from backend.stages import Progress, Workplace
from fleximo import (
    Camera,
    Cancelled,
    FleximoError,
    Framing,
    MotionPlan,
    Notice,
    Person,
    RenderJob,
    Segment,
    moves,
)
from fleximo.pose_track import PoseSignal
from fleximo.projection import project
from fleximo.timing import as_fps, native_positions
from fleximo.video import Video

PEOPLE = Path(__file__).parents[1] / "data" / "people"
RATES = ("24", "25", "30", "24000/1001")
SIZE = (72, 128)


class Walker:
    """An engine of 15 frames a second that draws the skeleton it is given, and remembers what it was asked for."""

    name, fps, reach = "walker", Fraction(15), 0

    def __init__(self, window: int | None = None) -> None:
        self.window = window
        self.calls: list[RenderJob] = []

    def render(self, job: RenderJob, progress: Progress, place: Workplace | None = None) -> Video:
        self.calls.append(job)
        track, pen = job.signal.track, Pen(job.size, FLEXIMO_THICK)
        frames = []
        for n in range(*job.frames):
            frames.append(pen.draw(track.points_px[n], track.confidence[n]))
            progress((n + 1 - job.frames[0]) / (job.frames[1] - job.frames[0]), "drawn")
        return Video(np.stack(frames), job.fps)

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        return ()


def walk_job(fps: str = "24", seconds: float = 2.0, move: str = "walk") -> RenderJob:
    motion = moves.generate(MotionPlan((Segment(move, seconds),), seed=1), fps=as_fps(fps))
    view = np.diag([1.0, -1.0, -1.0, 1.0])
    view[:3, 3] = 0.0, 1.0, 5.0
    camera = Camera(np.array([[200.0, 0.0, 36.0], [0.0, 200.0, 64.0], [0.0, 0.0, 1.0]]), view[None], SIZE)
    person = Person(np.zeros((128, 2)), np.zeros(128), SIZE, np.zeros(SIZE[::-1], dtype=bool))
    framing = Framing(SIZE, SIZE, 1.0, (0.0, 0.0))
    return RenderJob(b"photo", person, framing, camera, motion, PoseSignal(project(motion, camera)), engine="walker")


@pytest.fixture(scope="module", params=RATES)
def job(request: pytest.FixtureRequest) -> RenderJob:
    return walk_job(request.param)


@pytest.mark.parametrize("move", ["walk", "run", "march", "jumping_jacks", "dance", "lunge"])
@pytest.mark.parametrize("fps", RATES)
def test_contact_events_are_rendered_themselves(move: str, fps: str) -> None:
    motion = moves.generate(MotionPlan((Segment(move, 4.0),), seed=1), fps=as_fps(fps))
    events = contact_events(motion.contacts)
    positions = native_positions(len(motion), motion.fps, Fraction(15), events)
    assert events and max(np.abs(positions - event).min() for event in events) <= 0.5
    even = native_positions(len(motion), motion.fps, Fraction(15))
    assert max(np.abs(even - event).min() for event in events) > 0.5, "without care they would not be"
    assert len(positions) == len(even) and positions[0] == 0 and positions[-1] == len(motion) - 1
    assert (np.diff(positions) > 0).all() and np.diff(positions).max() <= 2 * float(motion.fps / 15) + 1e-9


def test_events_are_the_borders_of_planted_times() -> None:
    left = [1, 1, 0, 0, 1, 1, 1, 0]
    contacts = np.array([left, [1] * 8], dtype=bool).T
    assert contact_events(contacts) == [1, 4, 6]
    assert contact_events(contacts[:1]) == []


def test_one_frame_is_delivered_for_each_of_the_scene(job: RenderJob) -> None:
    engine = Walker()
    video = render_delivered(engine, job)
    assert len(video) == len(job.signal.track) and video.fps == job.fps
    [native] = engine.calls
    assert native.fps == 15 and len(native.motion) == pytest.approx(len(video) * 15 / float(job.fps), abs=2)
    dense = Walker().render(job, lambda fraction, message="": None).frames
    for event in contact_events(job.motion.contacts):
        assert np.array_equal(video.frames[event], dense[event]), "a frame with a contact event is the engine's own"
    assert psnr(video.frames, dense) > psnr(render_delivered(Walker(), replace(job, retime="none")).frames, dense)


def test_the_engines_frames_between_follow_the_motion() -> None:
    """The skeleton given to the engine at its own moments lies where the motion itself is then."""
    job, engine = walk_job("30"), Walker()
    render_delivered(engine, job)
    native = engine.calls[0]
    again = project(native.motion, native.camera)
    seen = (again.confidence > 0) & (native.signal.track.confidence > 0)
    apart = np.linalg.norm(again.points_px - native.signal.track.points_px, axis=-1)[seen]
    assert np.percentile(apart, 99) < 0.5
    assert set(np.unique(native.signal.track.confidence)) <= set(np.unique(job.signal.track.confidence)) | set(
        np.unique((job.signal.track.confidence[:-1] + job.signal.track.confidence[1:]) / 2)
    )


def test_a_range_is_that_part_of_the_whole(job: RenderJob) -> None:
    whole = render_delivered(Walker(), job).frames
    for start, stop in ((0, 5), (7, 8), (11, 30), (len(whole) - 3, len(whole))):
        engine = Walker()
        part = render_delivered(engine, job.with_window(start, stop))
        assert np.array_equal(part.frames, whole[start:stop])
        first, last = engine.calls[0].frames
        assert last - first <= (stop - start) * 15 / float(job.fps) + 3, "no more is rendered than is needed"


def test_progress_ends_at_one_and_a_cancel_is_heard() -> None:
    seen: list[float] = []
    render_delivered(Walker(), walk_job("25", 1.0), lambda fraction, message="": seen.append(fraction))
    assert seen == sorted(seen) and seen[-1] == 1.0

    def stop(fraction: float, message: str = "") -> None:
        if fraction > 0.98:
            raise Cancelled

    with pytest.raises(Cancelled):
        render_delivered(Walker(), walk_job("25", 1.0), stop)


def test_engines_of_the_same_rate_dense_ones_and_those_of_any_rate_are_left_alone() -> None:
    job = walk_job("24", 1.0)
    for engine, asked in (
        (Walker(), walk_job("15", 1.0)),
        (Walker(), replace(job, retime="dense")),
        (catalog.video_model("draft"), job),
    ):
        assert native_rate(engine, asked) is None and longest_window(engine, asked) == engine.window
    dense = Walker()
    assert len(render_delivered(dense, replace(job, retime="dense"))) == len(dense.calls[0].motion) == len(job.motion)
    with pytest.raises(FleximoError, match="flow, dense, none"):
        replace(job, retime="slow")
    drawn = replace(job, signal=PoseSignal(job.signal.track, b"drawn"))
    with pytest.raises(FleximoError, match="--retime dense"):
        render_delivered(Walker(), drawn)


def test_the_pipeline_delivers_and_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Walker(window=20)
    monkeypatch.setitem(
        catalog.VIDEO_MODELS, "walker", catalog.Engine(lambda: engine, "draft", Fraction(15), seeded=False)
    )
    job = walk_job("30", 3.0)
    done = pipeline.render_job(job, tmp_path / "whole")
    assert len(read_video(done.master)) == done.frames == len(job.signal.track)
    assert len(engine.calls) > 1 and all(call.frames[1] - call.frames[0] <= 20 for call in engine.calls)
    told = render_report(job, done, ())
    assert (told["fps"], told["native_fps"], told["retime"]) == (30.0, 15.0, "flow")
    even = pipeline.render_job(walk_job("15", 1.0), tmp_path / "even")
    assert render_report(walk_job("15", 1.0), even, ())["retime"] == "not needed"
    part = pipeline.render_job(job.with_window(10, 20), tmp_path / "part", previous=tmp_path / "whole")
    assert np.array_equal(read_video(part.master).frames, read_video(done.master).frames)


@pytest.mark.parametrize("fps", ["24", "30", "24000/1001"])
def test_frames_between_a_changed_and_an_unchanged_one_are_made_anew(
    fps: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two edits in one render: each frame that sees one of them in either of its two sources, and no other."""
    engine = Walker()
    monkeypatch.setitem(
        catalog.VIDEO_MODELS, "walker", catalog.Engine(lambda: engine, "draft", Fraction(15), seeded=False)
    )
    monkeypatch.setattr(catalog, "_loaded", {})
    before = walk_job(fps, 2.0)
    points = before.signal.track.points_px.copy()
    for edited in (10, 11, 32):
        points[edited] += np.float32([9.0, 0.0])
    after = replace(before, signal=PoseSignal(replace(before.signal.track, points_px=points)))
    old, whole = render_job(before, tmp_path / "old"), render_job(after, tmp_path / "whole")
    engine.calls.clear()
    done = render_changed(after, before, tmp_path / "old", tmp_path / "new")
    was, full, now = (read_video(each.master).frames for each in (old, whole, done))
    other = np.flatnonzero((was != full).any(axis=(1, 2, 3)))
    assert {10, 11} < set(other) and len(other) > 4, "the edit reaches further than the edited frames"
    assert np.array_equal(now, full), "the same as if all were rendered"
    inside = np.concatenate([np.arange(*each) for each in done.ranges])
    assert len(done.ranges) == 2 and len(inside) <= len(other) + 2
    assert np.array_equal(np.delete(now, inside, axis=0), np.delete(was, inside, axis=0))
    assert sum(call.frames[1] - call.frames[0] for call in engine.calls) <= 9


@pytest.mark.parametrize("clip", ["anna_wave", "anna_squat"])
def test_flow_comes_nearer_to_the_true_frames_than_mixing(clip: str) -> None:
    frames = read_video(PEOPLE / f"{clip}.mp4").frames
    flow, plain = [], []
    for n in range(0, len(frames) - 2, 4):  # every second frame is left out
        first, true, second = frames[n : n + 3]
        flow.append(psnr(between(first, second, 0.5), true))
        plain.append(psnr(np.rint((first.astype(float) + second) / 2), true))
    assert np.mean(flow) > np.mean(plain) + 0.8


def test_what_is_covered_and_uncovered_is_taken_from_the_frame_that_shows_it() -> None:
    rng = np.random.default_rng(0)

    def cloth(height: int, width: int, low: int, high: int) -> np.ndarray:
        soft = cv2.GaussianBlur(rng.uniform(size=(height, width, 3)), (0, 0), 4.0)
        return (low + (high - low) * (soft - soft.min()) / np.ptp(soft)).astype(np.uint8)

    wall, block = cloth(200, 240, 90, 200), cloth(72, 60, 0, 110)

    def at(x: int) -> np.ndarray:
        picture = wall.copy()
        picture[60:132, x : x + 60] = block
        return picture

    made, true = between(at(60), at(68), 0.5), at(64)
    mixed = np.rint((at(60).astype(float) + at(68)) / 2)
    assert psnr(made, true) > psnr(mixed, true) + 12.0
    forward, backward = np.zeros((2, 200, 240, 2), np.float32)
    forward[60:132, 60:120, 0], backward[60:132, 84:144, 0] = 24.0, -24.0  # the true flows
    made, true = _between(at(60), at(84), 0.5, forward, backward), at(72)
    for strip in (np.s_[62:130, 62:70], np.s_[62:130, 134:142]):  # wall that one of the two frames alone shows
        assert psnr(made[strip], true[strip]) > 40.0


def test_a_video_at_another_rate() -> None:
    frames = np.zeros((16, 64, 80, 3), np.uint8)
    for n in range(16):
        frames[n, 20:44, 4 * n : 4 * n + 16] = 250
    video = Video(frames, Fraction(15))
    for target in (24, 25, 30, 23.976, 12):
        shown = retime(video, 15, target)
        assert shown.fps == as_fps(target) and len(shown) == round(16 / 15 * float(as_fps(target)))
    twice = retime(video, 15, 30)
    assert np.array_equal(twice.frames[::2], frames)
    assert np.array_equal(retime(video, 15, 30, mode="none").frames, np.repeat(frames, 2, axis=0))
    assert np.array_equal(twice.frames[-1], frames[-1])
    middle = np.flatnonzero(twice.frames[9, 32, :, 0] > 128)
    assert abs(middle.mean() - (4 * 4.5 + 7.5)) < 1.0
    assert np.array_equal(retime(video, 15, 15).frames, frames)
    contacts = np.zeros((31, 2), dtype=bool)
    contacts[7:, 0] = True  # lands in a frame between two of the even ones
    assert np.array_equal(retime(video, 15, 30, contacts).frames[7], frames[3])


@pytest.mark.parametrize(
    "mode, count, match", [("fast", 31, "flow"), ("dense", 31, "engines"), ("flow", 40, "40 at 30")]
)
def test_what_cannot_be_retimed_is_told(mode: str, count: int, match: str) -> None:
    video = Video(np.zeros((16, 64, 80, 3), np.uint8), Fraction(15))
    with pytest.raises(FleximoError, match=match):
        retime(video, 15, 30, np.ones((count, 2), dtype=bool), mode=mode)


def test_pictures_of_all_shapes_can_be_mixed() -> None:
    rng = np.random.default_rng(1)
    for shape in ((64, 64, 3), (64, 4096, 3), (130, 64, 3)):
        first, second = rng.integers(0, 255, (2, *shape), dtype=np.uint8)
        assert between(first, second, 0.3).shape == shape
        assert psnr(between(first, first, 0.6), first) > 50.0


def test_frames_without_anything_in_common_are_mixed_by_their_nearness() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    made = between(first, second, 0.25).astype(np.float64)
    to_first, to_second = (np.abs(made - given).mean() for given in (first, second))
    assert to_first < 0.6 * to_second
