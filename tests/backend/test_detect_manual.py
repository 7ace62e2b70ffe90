"""Key points set by hand: what is read, what is refused by name, and the cut-out that needs no model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.models.detect import detect
from fleximo.errors import FleximoError
from fleximo.layouts import FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from tests.backend.test_detect import NAMES, PEOPLE, body_of, encoded, mask_of, overlap, rgb_of, torso


def photo_of(name: str) -> bytes:
    return (PEOPLE / f"{name}.jpg").read_bytes()


def points_of(name: str, *, without: tuple[str, ...] = (), noise_torso: float = 0.0) -> dict[str, list[float]]:
    body = body_of(name)
    body = body + np.random.default_rng(3).normal(0.0, noise_torso * torso(body), body.shape)
    return {point: place.tolist() for point, place in zip(OPENPOSE_18.names, body) if point not in without}


@pytest.mark.parametrize("name", NAMES)
def test_cut_out_from_points_alone(name: str) -> None:
    person = detect(photo_of(name), points=points_of(name))
    assert overlap(person.mask, mask_of(name)) >= 0.94
    assert np.allclose(person.body_px, body_of(name), atol=0.01)
    assert person.body_confidence.tolist() == [1.0] * 18
    for part in (FACE, LEFT_HAND, RIGHT_HAND):
        assert person.confidence[part].max() == 0.0
    assert not person.has_depth
    assert person.yaw_degrees == 0.0
    assert person.notices == ()
    assert 0.3 < person.bone_lengths_m["torso"] < 0.7


@pytest.mark.parametrize("name", NAMES)
def test_cut_out_from_points_set_by_an_unsteady_hand(name: str) -> None:
    points = points_of(name, without=("neck", "right_eye", "left_eye", "right_ear", "left_ear"), noise_torso=0.03)
    person = detect(photo_of(name), points=points, detector="manual")
    assert overlap(person.mask, mask_of(name)) >= 0.93
    assert np.allclose(person.point("neck"), (person.point("left_shoulder") + person.point("right_shoulder")) / 2)
    for point in ("left_eye", "right_ear"):
        assert person.confidence[OPENPOSE_18.index(point)] == 0.0


def test_the_cut_out_follows_the_colours_not_the_capsules() -> None:
    """On a plain grey photo there is nothing to see, so the cut-out is another one, and it stays near the bones."""
    grey = np.full((1024, 576, 3), 128, dtype=np.uint8)
    blind = detect(encoded(grey), points=points_of("anna"))
    seeing = detect(photo_of("anna"), points=points_of("anna"))
    assert overlap(blind.mask, mask_of("anna")) < 0.92 < overlap(seeing.mask, mask_of("anna"))


def test_legs_outside_the_photo() -> None:
    photo = encoded(rgb_of("kenji")[:600])
    outside = detect(photo, points=points_of("kenji"))
    null = detect(photo, points=points_of("kenji") | dict.fromkeys(("left_knee", "right_ankle"), None))
    for person in (outside, null):
        assert [notice.code for notice in person.notices] == ["limb_out_of_frame"]
        assert person.confidence[OPENPOSE_18.index("left_ankle")] == 0.0
    assert overlap(outside.mask, mask_of("kenji")[:600]) >= 0.93
    assert null.confidence[OPENPOSE_18.index("left_knee")] == 0.0


def test_a_back_view_is_told_by_the_sides() -> None:
    swapped = points_of("anna")
    for point in list(swapped):
        if point.startswith("left_"):
            other = point.replace("left_", "right_")
            swapped[point], swapped[other] = swapped[other], swapped[point]
    person = detect(photo_of("anna"), points=swapped)
    assert person.yaw_degrees == 180.0
    assert [notice.code for notice in person.notices] == ["back_view"]


def test_points_may_stand_under_a_key_and_stature_counts() -> None:
    person = detect(photo_of("anna"), points={"points": points_of("anna"), "comment": "set by hand"}, stature_m=1.5)
    taller = detect(photo_of("anna"), points=points_of("anna"), stature_m=2.0)
    assert person.stature_m == 1.5
    assert taller.bone_lengths_m["thigh"] / person.bone_lengths_m["thigh"] == pytest.approx(2.0 / 1.5, rel=1e-4)


def test_the_documented_example_works() -> None:
    text = (Path(__file__).parents[2] / "docs" / "photos.md").read_text()
    points = json.loads(text.split("```json")[1].split("```")[0])
    person = detect(photo_of("anna"), points=points)
    assert overlap(person.mask, mask_of("anna")) >= 0.95
    notices = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert {"several_people", "limb_out_of_frame", "small_person", "no_person", "invalid_points"} <= notices


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"left_wrist": [1, 2, 3]}, "left_wrist"),
        ({"left_wrist": "here"}, "left_wrist"),
        ({"left_wrist": [1, None]}, "left_wrist"),
        ({"left_wrist": [float("nan"), 3]}, "left_wrist"),
        ({"left_wrist": 7}, "left_wrist"),
        ({"left_wrist": {"x": 1, "y": 2}}, "left_wrist"),
        ({"left_wrist": [1e9, 3]}, "far outside the photo of 576x1024"),
        ({"right_shoulder": None}, "right_shoulder is null"),
        ({"left_hip": None}, "left_hip is null"),
        ({"left_thumb": [1, 2]}, "left_thumb"),
    ],
)
def test_wrong_points_are_named(change: dict, says: str) -> None:
    with pytest.raises(FleximoError, match=says) as caught:
        detect(photo_of("anna"), points=points_of("anna") | change)
    assert caught.value.code == "invalid_points"
    assert "docs/photos.md" in caught.value.remedy


def test_missing_points_and_other_documents() -> None:
    without = {point: place for point, place in points_of("anna").items() if point not in ("nose", "left_knee")}
    with pytest.raises(FleximoError, match="lack nose, left_knee"):
        detect(photo_of("anna"), points=without)
    for document in ([], [[1, 2]] * 18, "nose", 3):
        with pytest.raises(FleximoError, match="name: \\[x, y\\]"):
            detect(photo_of("anna"), points=document)
    heap = {point: [50.0, 50.0] for point in OPENPOSE_18.names}
    with pytest.raises(FleximoError, match="one spot"):
        detect(photo_of("anna"), points=heap)
    with pytest.raises(FleximoError, match="needs the key points"):
        detect(photo_of("anna"), detector="manual")
    with pytest.raises(FleximoError, match="auto, mediapipe, dwpose, manual"):
        detect(photo_of("anna"), detector="openpose")


def test_strange_but_legal_points_give_a_person_or_a_sentence() -> None:
    rng = np.random.default_rng(11)
    found = 0
    for _ in range(6):
        points = {point: rng.uniform([-200, -200], [700, 1200]).tolist() for point in OPENPOSE_18.names}
        try:
            found += detect(photo_of("david"), points=points).mask.shape == (1024, 576)
        except FleximoError as error:
            assert "bone" in str(error)
    assert found >= 3


def test_points_by_hand_load_no_model() -> None:
    program = (
        "import sys, json, pathlib\n"
        "from backend.models.detect import detect\n"
        "detect(pathlib.Path(sys.argv[1]).read_bytes(), points=json.loads(sys.argv[2]))\n"
        "print('mediapipe' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(PEOPLE / "anna.jpg"), json.dumps(points_of("anna"))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "False\n", "")
