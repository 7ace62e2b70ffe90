"""DWPose: the released program's arithmetic, and the whole way from a photo to a `Person` on stand-in networks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.cli import main
from backend.models import detect
from backend.models.detect import dwpose, dwpose_models
from backend.models.detect.chosen import choose_person
from backend.models.detect.coco_wholebody import wholebody_128
from backend.models.detect.dwpose_boxes import Boxes, boxes_of, letterboxed
from backend.models.detect.dwpose_models import Seen
from backend.models.detect.dwpose_points import crop_boxes, crops, points_of
from fleximo.errors import FleximoError
from fleximo.layouts import BODY, FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND, WHOLEBODY_128
from tests.backend.test_detect import PEOPLE, body_of, encoded, mask_of, overlap, rgb_of
from tests.fixtures.make_standin_weights import make_standins
from tests.fixtures.standins.dwpose import BOX_SHARE
from tests.parity import mimicmotion_drawing

GOLDENS = Path(__file__).parents[1] / "data" / "mimicmotion"
PHOTO = (PEOPLE / "anna.jpg").read_bytes()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_standins(["dwpose"], folder, tiny=True)
    return folder


@pytest.fixture
def ready(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLEXIMO_MODELS", str(models))
    dwpose_models.release()
    return models


@pytest.mark.parametrize("case", [*mimicmotion_drawing.cases(GOLDENS)], ids=lambda case: case.name)
def test_the_numbers_are_the_released_programs(case: mimicmotion_drawing.Case) -> None:
    passed, line = case.verdict()
    assert passed and line.startswith("ok"), line


@pytest.mark.parametrize("size", [(1, 1), (640, 640), (3000, 17), (17, 3000), (576, 1024)])
def test_a_box_comes_back_through_the_letterbox(size: tuple[int, int]) -> None:
    rgb = np.full((size[1], size[0], 3), 30, np.uint8)
    fitted, ratio = letterboxed(rgb)
    assert fitted.shape == (3, 640, 640)
    inside = fitted[0] == 30
    assert inside[0, 0] and (max(size) < 640 or inside.any(axis=0).sum() == min(640, max(1, int(size[0] * ratio))))
    raw = np.zeros((8400, 85))
    raw[6400 + 41 * 1, [4, 5]] = 1.0  # the second grid has 40 cells a row: cell (1, 1), stride 16
    raw[6400 + 41 * 1, 2:4] = np.log(2.0)
    [corners] = boxes_of(raw, ratio).corners_px
    assert corners == pytest.approx(np.array([0.0, 0.0, 32.0, 32.0]) / ratio)


def test_doubles_and_the_unsure_are_left_out() -> None:
    raw = np.zeros((8400, 85))
    raw[:, 2:4] = np.log(10.0)
    for anchor, sure in ((0, 0.6), (1, 0.9), (4000, 0.29), (40, 0.5)):
        raw[anchor, [4, 5]] = sure, 1.0
    raw[200, [4, 6]] = 0.99, 1.0  # a bicycle
    found = boxes_of(raw, 1.0)
    assert found.scores.tolist() == [0.9, 0.5]
    raw[1, 2] = 900.0  # no number
    assert boxes_of(raw, 1.0).scores.tolist() == [0.6, 0.5]
    assert len(boxes_of(np.zeros((8400, 85)), 1.0).scores) == 0


def test_a_peak_in_the_crop_is_that_place_in_the_picture() -> None:
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 80, (300, 200, 3), dtype=np.uint8)
    spots = np.array([[60, 90], [120, 200], [31, 250]])
    for x, y in spots:
        rgb[y - 1 : y + 2, x - 1 : x + 2] = 255
    centres, sizes = crop_boxes(np.array([[20.0, 40.0, 150.0, 290.0], [0.0, 0.0, 200.0, 300.0]]))
    assert sizes[:, 0] / sizes[:, 1] == pytest.approx([0.75, 0.75])
    for cut, centre, size in zip(crops(rgb, centres, sizes), centres, sizes):
        for spot in spots:
            near = np.hypot(*(np.mgrid[:384, :288][::-1] - _in_crop(spot, centre, size)[:, None, None])) < 12
            y, x = np.unravel_index(np.argmax(np.where(near, cut.sum(axis=0), -99.0)), near.shape)
            simcc_x, simcc_y = np.zeros((1, 133, 576)), np.zeros((1, 133, 768))
            simcc_x[:, :, 2 * x] = simcc_y[:, :, 2 * y] = 0.8
            points, scores = points_of(simcc_x, simcc_y, centre[None], size[None])
            assert np.abs(points[0, 0] - spot).max() < 1.6 and scores[0, 0] == 0.8


def _in_crop(spot: np.ndarray, centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    return (spot - centre + size / 2) / size * (288, 384)


def test_every_point_finds_its_name() -> None:
    points = np.stack([np.arange(133.0), 1000 + np.arange(133.0)], axis=-1)[None]
    scores = np.linspace(0.0, 1.0, 133)[None]
    named, sure = wholebody_128(points, scores)
    assert named.shape == (1, 128, 2) and sure.shape == (1, 128)
    column = dict(zip(WHOLEBODY_128.names, named[0, :, 0].tolist()))
    assert [column[name] for name in ("nose", "left_eye", "right_ear", "left_shoulder", "right_ankle")] == [
        0,
        1,
        4,
        5,
        16,
    ]
    assert column["neck"] == 5.5 and sure[0, OPENPOSE_18.index("neck")] == 0.0  # shoulders below 0.3
    assert sure[0, OPENPOSE_18.index("right_ankle")] == scores[0, 16]
    assert [named[0, part][0, 0] for part in (FACE, LEFT_HAND, RIGHT_HAND)] == [23, 91, 112]
    assert wholebody_128(points, scores + 0.3)[1][0, 1] == 1.0


def test_a_photo_becomes_a_person(ready: Path) -> None:
    assert detect.detector_used("auto") == "dwpose"
    person = detect.detect(PHOTO)
    width, height = person.photo_size
    hips = (person.point("left_hip") + person.point("right_hip")) / 2
    assert hips[0] == pytest.approx(width / 2, abs=2.0)
    torso = person.torso_px
    assert 0.25 * BOX_SHARE[1] * height < torso < 0.35 * BOX_SHARE[1] * height
    assert person.point("left_wrist")[0] > hips[0] > person.point("right_wrist")[0]
    assert person.confidence == pytest.approx(np.where(np.arange(128) == 1, 1.0, 0.9))
    assert person.notices == ()
    assert overlap(person.mask, mask_of("anna")) > 0.95 and person.has_depth, "MediaPipe sees the same person"
    detect.release()
    assert dwpose_models._networks.bundle is None


def test_what_mediapipe_sees_elsewhere_is_not_taken(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second body of made-up points in an empty picture: no depth, cut out by colour, front or back by the sides."""
    rgb = np.full((600, 400, 3), 200, np.uint8)
    rgb[60:560, 130:270] = (30, 60, 120)
    person = detect.detect(encoded(rgb), detector="dwpose")
    assert not person.has_depth and person.yaw_degrees == 0.0
    assert person.mask[300, 200] and not person.mask[300, 20]
    real = dwpose.look

    def mirrored(picture: np.ndarray) -> Seen:
        seen = real(picture)
        return Seen(seen.points_px * [-1, 1] + [400, 0], seen.scores, seen.boxes)

    monkeypatch.setattr(dwpose, "look", mirrored)
    turned = detect.detect(encoded(rgb), detector="dwpose")
    assert turned.yaw_degrees == 180.0 and "back_view" in [notice.code for notice in turned.notices]


def two_people(picture: np.ndarray, shares: tuple[float, float] = (0.5, 1.0)) -> Seen:
    """The true body twice, side by side, of different size; raw scores above 1."""
    body, points = body_of("anna"), np.zeros((2, 128, 2))
    corners = np.zeros((2, 4))
    for n, (share, left) in enumerate(zip(shares, (0, picture.shape[1] // 2))):
        points[n, BODY] = body * share * 0.5 + [left, 20]
        corners[n] = left, 20, left + 288 * share, 20 + 512 * share
    scores = np.zeros((2, 128))
    scores[:, BODY] = 1.04
    return Seen(points, scores, Boxes(corners, np.array([0.9, 0.8])))


def test_of_several_people_the_choice_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    small = encoded(rgb_of("anna"))
    monkeypatch.setattr(dwpose, "look", two_people)
    person = detect.detect(small, detector="dwpose")
    [notice] = [notice for notice in person.notices if notice.code == "several_people"]
    assert "number 1 from the left, counted from 0, is used: the largest" in notice.message
    assert person.point("nose")[0] > 288 and person.confidence.max() == 1.0
    other = detect.detect(small, detector="dwpose", choose=0)
    assert other.point("nose")[0] < 288 and "as chosen" in other.notices[0].message
    assert not (other.mask & person.mask).any()
    with pytest.raises(FleximoError, match="2 in the photo") as error:
        detect.detect(small, detector="dwpose", choose=2)
    assert error.value.code == "no_such_person"


def test_of_equally_large_people_the_most_central_is_meant() -> None:
    bodies = [np.array([[x, 50.0], [x + 10.0, 90.0]]) for x in (10.0, 105.0, 190.0)]
    assert choose_person(bodies, [90.0, 80.0, 100.0], (200, 100)) == (1, "the most central of the large ones")
    assert choose_person(bodies, [90.0, 20.0, 200.0], (200, 100)) == (2, "the largest")
    assert choose_person(bodies, [1.0, 1.0, 1.0], (200, 100), (12.0, 60.0)) == (0, "as chosen")
    for wrong in ((1.0,), ("a", "b"), (np.nan, 1.0)):
        with pytest.raises((FleximoError, ValueError)):
            choose_person(bodies, [1.0, 1.0, 1.0], (200, 100), wrong)


def test_nobody_and_a_head_alone_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(confident: list[int]) -> Seen:
        scores = np.zeros((1, 128))
        scores[0, confident] = 0.9
        points = np.zeros((1, 128, 2))
        points[0, BODY] = body_of("anna")
        return Seen(points, scores, Boxes(np.zeros((0, 4)), np.zeros(0)))

    for confident, code in (([], "no_person"), ([0, 14, 15, 16, 17], "no_body")):
        monkeypatch.setattr(dwpose, "look", lambda picture, confident=confident: seen(confident))
        with pytest.raises(FleximoError) as error:
            detect.detect(PHOTO, detector="dwpose")
        assert error.value.code == code


def test_networks_that_take_one_crop_at_a_time_are_given_one() -> None:
    calls = []

    class Session:
        def __init__(self, count: object) -> None:
            self.count = count

        def get_inputs(self) -> list[object]:
            return [type("Input", (), {"shape": [self.count, 3, 384, 288], "name": "input"})]

        def run(self, outputs: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            calls.append(len(given["input"]))
            mean = given["input"].mean(axis=(1, 2, 3))[:, None, None]
            return [np.tile(mean, (1, 133, 576)), np.tile(-mean, (1, 133, 768))]

    pictures = np.arange(5, dtype=np.float32)[:, None, None, None] * np.ones((1, 3, 384, 288), np.float32)
    results = [dwpose_models._peaks(Session(count), pictures) for count in (1, "batch", None)]
    assert calls == [1, 1, 1, 1, 1, 5, 5]
    for x, y in results:
        assert x[:, 0, 0].tolist() == [0, 1, 2, 3, 4] and y[:, 0, 0].tolist() == [0, -1, -2, -3, -4]


def test_missing_weights_package_and_broken_files_are_told(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "dwpose"
    make_standins(["dwpose"], tmp_path, tiny=True)
    (broken / "pose.onnx").write_bytes(b"not a network")
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path))
    with pytest.raises(FleximoError, match=r"pose\.onnx") as error:
        detect.detect(PHOTO, detector="dwpose")
    assert error.value.code == "unreadable_weights"
    monkeypatch.setenv("FLEXIMO_MODELS", str(ready))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(FleximoError, match="fleximo\\[models\\]"):
        detect.detect(PHOTO, detector="dwpose")
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path / "empty"))
    assert detect.detector_used("auto") == "mediapipe"
    with pytest.raises(FleximoError) as error:
        detect.detect(PHOTO, detector="dwpose")
    assert error.value.code == "weights_missing"


def test_which_detector_is_taken(ready: Path) -> None:
    points = {"nose": [1, 2]}
    assert [detect.detector_used(name, points) for name in detect.DETECTORS] == [
        "manual",
        "mediapipe",
        "dwpose",
        "manual",
    ]
    assert detect.bundles_of("dwpose")[0].state == "stand_in" and detect.bundles_of("mediapipe") == ()


def test_the_command_line_chooses_and_the_report_tells(
    ready: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, report = str(PEOPLE / "anna.jpg"), tmp_path / "report.json"
    person = ["detect", photo, "-o", str(tmp_path / "person.json"), "--json"]
    for asked, used in (("auto", "dwpose"), ("mediapipe", "mediapipe")):
        assert main([*person, "--detector", asked]) == 0
        assert json.loads(capsys.readouterr().out)["detector"] == used
    short = [
        "animate",
        "she nods",
        "--image",
        photo,
        "-o",
        str(tmp_path / "out.mp4"),
        "--size",
        "128x192",
        "--fps",
        "4",
    ]
    assert main([*short, "--report", str(report)]) == 0
    told = json.loads(report.read_text())
    assert told["stages"]["detect"]["implementation"] == "dwpose" and told["fidelity"] == "stand_in"
    assert set(told["stages"]["detect"]["weights_sha256"]) == {"dwpose/detector.onnx", "dwpose/pose.onnx"}
