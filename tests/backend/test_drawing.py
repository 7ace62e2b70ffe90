"""The skeleton as networks see it: equal to the released program's pictures, and to drawing without shortcuts."""

from __future__ import annotations

import statistics
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.drawing import FLEXIMO_SLIM, FLEXIMO_THICK, MIMICMOTION, STYLES, Pen, Style, draw_track, style_named
from backend.evaluate.plain_drawing import draw_plainly
from backend.models.detect.coco_wholebody import wholebody_128
from fleximo.errors import FleximoError
from fleximo.layouts import FACE, LEFT_HAND, OPENPOSE_18, RAINBOW, WHOLEBODY_128
from fleximo.pose_track import PoseTrack

GOLDENS = Path(__file__).parents[1] / "data" / "mimicmotion"
SIZE = (576, 1024)


def people(seed: int, count: int, size: tuple[int, int], spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Random people (N,128,2), partly outside the picture, and confidences, some 0, some above 1."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.2, 0.8, (count, 1, 2)) * size
    points = centres + rng.normal(0.0, 0.25 * spread, (count, 128, 2)) * size
    for part in (FACE, LEFT_HAND):
        points[:, part] = points[:, part].mean(axis=1, keepdims=True) + rng.normal(0, 0.04, (1, 2)) * size * rng.normal(
            0.0, 1.0, (count, points[:, part].shape[1], 2)
        )
    confidence = rng.uniform(0.0, 1.05, (count, 128))
    confidence[rng.uniform(size=confidence.shape) < 0.15] = 0.0
    return points.astype(np.float32), confidence.astype(np.float32)


def differing(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape and a.dtype == b.dtype == np.uint8
    return int((a != b).any(axis=-1).sum())


@pytest.mark.parametrize("name", ["draw0", "draw1", "draw2"])
def test_no_pixel_differs_from_the_released_program(name: str) -> None:
    with np.load(GOLDENS / f"{name}.npz") as golden:
        size = (int(golden["W"]), int(golden["H"]))
        drawn = Pen(size).draw(*wholebody_128(golden["keypoints133"], golden["scores133"]))
        assert differing(drawn, golden["image"].transpose(1, 2, 0)) == 0


# 9:16 and others whose scale is an exact binary number, one that is not, one larger than the canvas, one equal to it
SIZES = [SIZE, (128, 192), (256, 192), (832, 480), (448, 500), (2400, 2176), (2160, 2176)]
CASES = [(size, MIMICMOTION) for size in SIZES] + [((256, 192), style) for style in (FLEXIMO_THICK, FLEXIMO_SLIM)]


@pytest.mark.parametrize("size, style", CASES, ids=lambda given: getattr(given, "name", str(given)))
def test_no_pixel_differs_from_drawing_without_shortcuts(size: tuple[int, int], style: Style) -> None:
    pen = Pen(size, style)
    shots = ((0, slice(0, 128)), (1, slice(0, 128)), (2, slice(0, 18)))
    for seed, kept in shots[: 1 if size[0] > 2000 else 3]:
        points, confidence = people(seed, 1 + seed, size)  # one pen for all: nothing is left on its canvas
        given = points[:, kept], confidence[:, kept]
        plain = draw_plainly(*given, size, style)
        assert plain.any()
        assert differing(pen.draw(*given), plain) == 0


def test_frames_are_drawn_as_if_alone() -> None:
    given = [people(seed, 2, (96, 128)) for seed in range(40)]
    points, confidence = (np.stack(arrays) for arrays in zip(*given))
    pen = Pen((96, 128))
    for frame, drawn in enumerate(pen.draw_frames(points, confidence)):
        if frame not in (0, 1, 2, 30, 31, 32, 33, 39):  # the strokes of 32 are worked out together
            continue
        assert differing(drawn, draw_plainly(points[frame], confidence[frame], (96, 128), MIMICMOTION)) == 0
    assert frame == 39


def standing() -> tuple[np.ndarray, np.ndarray]:
    """A frontal person (128,2) px on 576x1024, everything visible."""
    body = {
        "nose": (288, 200), "neck": (288, 290), "right_shoulder": (220, 290), "right_elbow": (190, 400),
        "right_wrist": (170, 500), "left_shoulder": (356, 290), "left_elbow": (386, 400), "left_wrist": (406, 500),
        "right_hip": (250, 540), "right_knee": (250, 700), "right_ankle": (250, 860), "left_hip": (326, 540),
        "left_knee": (326, 700), "left_ankle": (326, 860), "right_eye": (270, 180), "left_eye": (306, 180),
        "right_ear": (250, 190), "left_ear": (326, 190),
    }  # fmt: skip
    points = np.full((128, 2), 100.0, dtype=np.float32)
    points[:18] = [body[name] for name in OPENPOSE_18.names]
    confidence = np.zeros(128, dtype=np.float32)
    confidence[:18] = 1.0
    return points, confidence


def test_red_and_blue_are_exchanged_and_brightness_is_confidence() -> None:
    points, confidence = standing()
    middle = (points[1] + points[2]) / 2  # neck to her right shoulder: the first limb, red in the table
    x, y = middle.astype(int)
    full = Pen(SIZE).draw(points, confidence)
    assert full[y, x, 2] > 100 and not full[y, x, :2].any()
    confidence[2] = 0.5
    assert full[y, x, 2] * 0.45 < Pen(SIZE).draw(points, confidence)[y, x, 2] < full[y, x, 2] * 0.55
    confidence[2] = 0.3  # what the projection gives a hidden point
    assert not Pen(SIZE).draw(points, confidence)[y, x].any()


def test_the_styles_differ_as_they_are_said_to() -> None:
    points, confidence = standing()
    confidence[:18] = 0.6
    confidence[[FACE.start, LEFT_HAND.start]] = 0.9
    pictures = {name: Pen(SIZE, style).draw(points, confidence) for name, style in STYLES.items()}
    area = {name: int(picture.any(axis=-1).sum()) for name, picture in pictures.items()}
    assert area["fleximo_thick"] > 2 * area["mimicmotion"] > 1.5 * area["fleximo_slim"]
    assert pictures["mimicmotion"].max() < pictures["fleximo_slim"].max() == 255
    ear = points[OPENPOSE_18.index("right_ear")].astype(int)
    around = np.s_[ear[1] - 3 : ear[1] + 4, ear[0] - 3 : ear[0] + 4]
    assert not pictures["fleximo_thick"][around].any() and pictures["mimicmotion"][around].any()
    assert pictures["fleximo_slim"][100, 100].max() == 0 < pictures["mimicmotion"][98:103, 98:103].max()
    assert style_named("fleximo_thick") is FLEXIMO_THICK
    with pytest.raises(FleximoError, match="fleximo_slim"):
        style_named("openpose")


def test_the_colours_of_a_dot_are_the_layouts() -> None:
    """What the add-on takes from `fleximo.layouts` is what the video model gets, red and blue exchanged."""
    points, confidence = standing()
    drawn = Pen(SIZE, FLEXIMO_THICK).draw(points, confidence)
    for joint in range(16):
        x, y = points[joint].astype(int)
        assert tuple(drawn[y, x][::-1]) == RAINBOW[joint], OPENPOSE_18.names[joint]


def test_absent_points_leave_no_trace() -> None:
    points, _ = standing()
    for style in STYLES.values():
        assert not Pen(SIZE, style).draw(points, np.zeros(128)).any()


def test_points_far_outside_do_not_break_the_drawing() -> None:
    points, confidence = standing()
    points[4], confidence[:] = (1e9, -3e20), 1.0
    points[7] = (-40000.0, 90000.0)
    points[LEFT_HAND] = 1e30
    for style in STYLES.values():
        assert Pen(SIZE, style).draw(points, confidence).any()


def test_a_track_is_drawn_frame_by_frame() -> None:
    points, confidence = standing()
    track = PoseTrack(np.stack([points, points + 5]), np.stack([confidence] * 2), SIZE, Fraction(24), WHOLEBODY_128)
    frames = list(draw_track(track))
    assert len(frames) == 2
    assert differing(frames[1], Pen(SIZE).draw(points + 5, confidence)) == 0
    assert differing(frames[1], frames[0]) > 0
    assert differing(next(draw_track(track, FLEXIMO_THICK)), frames[0]) > 0
    assert list(draw_track(track[0:0])) == []


@pytest.mark.parametrize("points, confidence", [((17, 2), (17,)), ((18, 3), (18,)), ((18, 2), (17,)), ((128,), (128,))])
def test_other_shapes_are_refused(points: tuple[int, ...], confidence: tuple[int, ...]) -> None:
    with pytest.raises(FleximoError, match="cannot be drawn"):
        Pen(SIZE).draw(np.zeros(points), np.zeros(confidence))


def test_it_is_much_faster_than_without_shortcuts() -> None:
    """Ten times here, for noisy machines; what it really is, `fleximo bench` measures (bar: 40 times)."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    points, confidence = standing()
    pen, frames = Pen(SIZE), (np.repeat(points[None, None], 32, axis=0), np.repeat(confidence[None, None], 32, axis=0))

    def seconds(call: object) -> float:
        started = time.process_time()
        call()
        return time.process_time() - started

    fast = statistics.median(seconds(lambda: list(pen.draw_frames(*frames))) / 32 for _ in range(3))
    slow = statistics.median(
        seconds(lambda: draw_plainly(points[None], confidence[None], SIZE, MIMICMOTION)) for _ in range(3)
    )
    cv2.setNumThreads(threads)
    assert slow > 10 * fast
