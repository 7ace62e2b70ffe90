"""Key points, mask and notices of rendered people whose truth is known to the pixel."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from backend.models.detect import detect, release
from backend.models.detect.cutout import share_of
from backend.models.detect.mediapipe_models import loaded, look
from fleximo.errors import FleximoError
from fleximo.layouts import BODY, FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from fleximo.person import Person

PEOPLE = Path(__file__).parents[1] / "data" / "people"
NAMES = ("anna", "david", "kenji")
CLIPS = ("anna_wave", "anna_squat")


def rgb_of(name: str) -> np.ndarray:
    return np.array(Image.open(PEOPLE / f"{name}.jpg"))


def mask_of(name: str) -> np.ndarray:
    return np.array(Image.open(PEOPLE / f"{name}_mask.png")).astype(bool)


@functools.cache
def truth_of(name: str) -> dict:
    return json.loads((PEOPLE / f"{name}.json").read_text())


def body_of(name: str) -> np.ndarray:
    return np.array(truth_of(name)["openpose18"]["xy"])


def encoded(rgb: np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}), **options)
    return buffer.getvalue()


@functools.cache
def person_of(name: str) -> Person:
    return detect((PEOPLE / f"{name}.jpg").read_bytes())


def torso(body: np.ndarray) -> float:
    return float(np.linalg.norm(body[1] - (body[8] + body[11]) / 2.0))


def errors(person: Person, body: np.ndarray) -> dict[str, float]:
    """Distance to the truth of each body point in torsos."""
    distances = np.linalg.norm(person.body_px - body, axis=1) / torso(body)
    return dict(zip(OPENPOSE_18.names, distances.tolist()))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def codes(person: Person) -> list[str]:
    assert all(notice.remedy for notice in person.notices)
    return [notice.code for notice in person.notices]


@pytest.mark.parametrize("name", NAMES)
def test_key_points_and_mask(name: str) -> None:
    person = person_of(name)
    found = errors(person, body_of(name))
    worst = max(found, key=lambda point: found[point])
    assert np.mean(list(found.values())) <= 0.06, f"worst: {worst} {found[worst]:.3f} torso"
    assert found[worst] <= 0.12, f"{worst}: {found[worst]:.3f} torso"
    assert overlap(person.mask, mask_of(name)) >= 0.97
    assert person.body_confidence.min() > 0.5
    assert codes(person) == []
    assert abs(person.yaw_degrees) < 12.0
    assert person.lens_degrees is None and person.stature_m == 1.70
    assert set(person.bone_lengths_m) and min(person.bone_lengths_m.values()) > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_hands_lie_on_the_truth_finger_by_finger(name: str) -> None:
    person = person_of(name)
    for side, columns in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
        truth = np.array(truth_of(name)["hands21"][side]["xy"])
        length = float(np.linalg.norm(truth - truth[0], axis=1).max())
        distances = np.linalg.norm(person.points_px[columns] - truth, axis=1) / length
        assert person.confidence[columns].min() > 0.5, side
        assert distances.mean() <= 0.10, (side, distances.round(2))
        assert distances.max() <= 0.20, (side, distances.round(2))


@pytest.mark.parametrize("name", ["anna", "kenji"])
def test_the_wall_between_thumb_and_fingers_is_no_person(name: str) -> None:
    person = person_of(name)
    for side in ("left", "right"):
        hand = cv2.convexHull(np.array(truth_of(name)["hands21"][side]["xy"]).astype(np.int32))
        drawn = np.zeros((1024, 576), dtype=np.uint8)
        gap = (cv2.fillConvexPoly(drawn, hand, 1) > 0) & ~mask_of(name)
        assert (gap & ~person.mask).sum() >= 0.92 * gap.sum(), side


@pytest.mark.parametrize("name", NAMES)
def test_the_68_face_points_lie_on_the_face(name: str) -> None:
    person = person_of(name)
    face, body = person.points_px[FACE], body_of(name)
    assert person.confidence[FACE].min() > 0.9
    columns, rows = face.astype(int).T
    assert cv2.dilate(mask_of(name).astype(np.uint8), np.ones((9, 9), np.uint8))[rows, columns].all()
    eyes = {"right_eye": face[36:42].mean(axis=0), "left_eye": face[42:48].mean(axis=0)}
    span = float(np.linalg.norm(body[OPENPOSE_18.index("left_eye")] - body[OPENPOSE_18.index("right_eye")]))
    for eye, place in eyes.items():
        assert np.linalg.norm(place - body[OPENPOSE_18.index(eye)]) < 0.3 * span, eye
    chin, brows, nose, lips = face[8, 1], face[17:27, 1].mean(), face[30, 1], face[48:60, 1].mean()
    assert brows < eyes["left_eye"][1] < nose < lips < chin
    assert face[0, 0] < face[36, 0] < face[39, 0] < face[27, 0] < face[42, 0] < face[45, 0] < face[16, 0]
    assert face[48, 0] < face[60, 0] < face[57, 0] < face[64, 0] < face[54, 0]
    assert np.all(np.diff(face[0:17, 0])[1:15] > 0)  # the jaw runs from her right ear round the chin


def test_left_and_right_follow_a_flipped_photo() -> None:
    """A mirrored person is another person: what was her left is now her right, and it stays on her own side."""
    person = detect(encoded(rgb_of("kenji")[:, ::-1].copy()))
    swap = [OPENPOSE_18.names.index(_other_side(name)) for name in OPENPOSE_18.names]
    body = body_of("kenji")[swap] * [-1, 1] + [576, 0]
    assert np.mean(list(errors(person, body).values())) <= 0.06
    truth = np.array(truth_of("kenji")["hands21"]["right"]["xy"]) * [-1, 1] + [576, 0]
    length = float(np.linalg.norm(truth - truth[0], axis=1).max())
    assert np.linalg.norm(person.points_px[LEFT_HAND] - truth, axis=1).mean() <= 0.12 * length
    assert overlap(person.mask, mask_of("kenji")[:, ::-1]) >= 0.97


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return name.replace("left_", "right_")
    return name.replace("right_", "left_")


@pytest.mark.parametrize("name", NAMES)
def test_depth_and_facing(name: str) -> None:
    """3D points: x to the picture's right, y up, z to the camera, origin mid-hip; feet below, nose in front."""
    body = person_of(name).body_m
    at = {point: body[i] for i, point in enumerate(OPENPOSE_18.names)}
    assert np.abs((at["left_hip"] + at["right_hip"]) / 2.0).max() < 0.03
    assert at["left_shoulder"][0] > 0.1 and at["right_shoulder"][0] < -0.1
    assert at["neck"][1] > 0.35 and at["left_ankle"][1] < -0.6
    assert at["nose"][2] > at["neck"][2] + 0.03
    truth = np.array(truth_of(name)["openpose18"]["xyz_m"])
    truth = (truth - (truth[8] + truth[11]) / 2.0) * (0.85 / np.abs(truth).max())
    assert np.corrcoef(body[:, 0], truth[:, 0])[0, 1] > 0.97
    assert np.corrcoef(body[:, 1], truth[:, 1])[0, 1] > 0.97


@functools.cache
def frames_of(clip: str) -> tuple[np.ndarray, ...]:
    with av.open(str(PEOPLE / f"{clip}.mp4")) as video:
        return tuple(frame.to_ndarray(format="rgb24") for frame in video.decode(video=0))


@pytest.mark.parametrize(
    ("clip", "frame"), [("anna_wave", 9), ("anna_wave", 16), ("anna_squat", 10), ("anna_squat", 16)]
)
def test_other_poses(clip: str, frame: int) -> None:
    truth = np.load(PEOPLE / f"{clip}.npz")
    person = detect(encoded(frames_of(clip)[frame], "PNG"))
    first = torso(truth["openpose18_xy"][0])
    distances = np.linalg.norm(person.body_px - truth["openpose18_xy"][frame], axis=1) / first
    assert distances.mean() <= 0.06, OPENPOSE_18.names[int(distances.argmax())]
    mask = np.unpackbits(truth["mask_bits"][frame], axis=-1).astype(bool)
    assert overlap(person.mask, mask) >= 0.965
    assert codes(person) == []


def test_png_and_webp_and_grey_and_dark_and_small() -> None:
    david, body = rgb_of("david"), body_of("david")
    grey = cv2.cvtColor(david, cv2.COLOR_RGB2GRAY)
    for content in (
        encoded(david, "PNG"),
        encoded(david, "WEBP"),
        encoded(grey),
        encoded((david * 0.12).astype(np.uint8)),
    ):
        assert np.mean(list(errors(detect(content), body).values())) <= 0.06
    small = detect(encoded(cv2.resize(rgb_of("anna"), (113, 200), interpolation=cv2.INTER_AREA)))
    assert np.mean(list(errors(small, body_of("anna") * 200 / 1024).values())) <= 0.08
    assert codes(small) == ["small_person"]


def test_exif_rotation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera stood on its right side
    stored = np.ascontiguousarray(np.rot90(rgb_of("anna"), 1))
    person = detect(encoded(stored, exif=exif))
    assert person.photo_size == (576, 1024)
    assert np.mean(list(errors(person, body_of("anna")).values())) <= 0.06


def test_without_exif_a_lying_photo_is_named() -> None:
    assert codes(detect(encoded(np.ascontiguousarray(np.rot90(rgb_of("anna"), 1))))) == ["not_upright"]


def test_legs_cut_off() -> None:
    person = detect(encoded(rgb_of("anna")[:600]))
    assert codes(person) == ["limb_out_of_frame"]
    assert "left leg" in person.notices[0].message and "right leg" in person.notices[0].message
    assert "arm" not in person.notices[0].message
    assert "upper body" in person.notices[0].remedy
    for point in ("left_ankle", "right_ankle", "left_knee"):
        assert person.confidence[OPENPOSE_18.index(point)] == 0.0
    upper = [i for i, point in enumerate(OPENPOSE_18.names) if "knee" not in point and "ankle" not in point]
    distances = np.linalg.norm(person.body_px - body_of("anna"), axis=1)[upper] / torso(body_of("anna"))
    assert distances.mean() <= 0.06
    assert overlap(person.mask, mask_of("anna")[:600]) >= 0.97


def test_an_arm_cut_off() -> None:
    person = detect(encoded(np.ascontiguousarray(rgb_of("anna")[:, 200:])))
    assert codes(person) == ["limb_out_of_frame"]
    assert "right arm" in person.notices[0].message and "left" not in person.notices[0].message
    assert "upper body" not in person.notices[0].remedy
    assert person.confidence[RIGHT_HAND].max() == 0.0


def test_hidden_limbs_inside_the_frame() -> None:
    table, pillar = rgb_of("anna"), rgb_of("kenji")
    table[560:] = (120, 90, 60)
    pillar[240:640, 60:215] = cv2.resize(pillar[240:640, :60], (155, 400))
    for picture, hidden, seen in ((table, ["left leg", "right leg"], "arm"), (pillar, ["right arm"], "le")):
        person = detect(encoded(picture))
        assert codes(person) == ["limb_out_of_frame"]
        assert all(limb in person.notices[0].message for limb in hidden)
        assert seen not in person.notices[0].message


def test_nobody() -> None:
    wall = np.tile(rgb_of("anna")[:60, :500], (10, 1, 1))
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for picture in (wall, noise, np.zeros((200, 300, 3), np.uint8), wall[:1, :1], wall[:, :3].copy()):
        with pytest.raises(FleximoError, match="--points") as caught:
            detect(encoded(picture))
        assert caught.value.code == "no_person"


def test_a_face_alone_and_a_bust() -> None:
    face = cv2.resize(rgb_of("anna")[130:235, 235:345], (440, 420), interpolation=cv2.INTER_CUBIC)
    with pytest.raises(FleximoError, match="head and shoulders") as caught:
        detect(encoded(face))
    assert caught.value.code == "no_body"
    bust = detect(encoded(np.ascontiguousarray(rgb_of("david")[60:330, 100:480])))
    assert codes(bust) == ["limb_out_of_frame"]
    assert np.linalg.norm(bust.point("nose") - (body_of("david")[0] - [100, 60])) < 0.06 * torso(body_of("david"))


def beside(*names: str) -> np.ndarray:
    return np.hstack([rgb_of(name) for name in names])


def test_two_people_and_the_choice_between_them() -> None:
    photo = encoded(beside("anna", "david"))
    for choose, name in ((0, "anna"), (1, "david"), ((300, 400), "anna"), ([860.0, 300.0], "david")):
        person = detect(photo, choose=choose)
        shift = 576 * (name == "david")
        assert "several_people" in codes(person)
        assert "2 people" in person.notices[0].message
        assert np.mean(list(errors(person, body_of(name) + [shift, 0]).values())) <= 0.06, (choose, name)
        mask = np.zeros((1024, 1152), dtype=bool)
        mask[:, shift : shift + 576] = mask_of(name)
        assert overlap(person.mask, mask) >= 0.96, (choose, name)
    with pytest.raises(FleximoError, match="2 in the photo") as caught:
        detect(photo, choose=2)
    assert caught.value.code == "no_such_person"
    with pytest.raises(FleximoError, match="point x, y"):
        detect(photo, choose=[1.0])


def test_a_row_of_people_in_a_wide_photo() -> None:
    """Faces are looked for square by square; over the whole of a wide picture they would be too small."""
    row = np.hstack([cv2.resize(rgb_of(name), (288, 512), interpolation=cv2.INTER_AREA) for name in 2 * NAMES])
    person = detect(encoded(row), choose=3)
    assert "6 people" in person.notices[0].message
    assert np.mean(list(errors(person, body_of("anna") / 2.0 + [3 * 288, 0]).values())) <= 0.07


def test_people_who_overlap_are_told_apart() -> None:
    shift = 200
    picture = np.hstack([rgb_of("anna"), np.repeat(rgb_of("anna")[:, -1:], shift, axis=1)])
    in_front = np.zeros(picture.shape[:2], dtype=bool)
    in_front[:, shift:] = mask_of("kenji")
    picture[in_front] = rgb_of("kenji")[mask_of("kenji")]
    person = detect(encoded(picture), choose=1)
    assert np.mean(list(errors(person, body_of("kenji") + [shift, 0]).values())) <= 0.08
    assert overlap(person.mask, in_front) >= 0.93


def test_a_pixel_belongs_to_the_nearer_skeleton() -> None:
    everything = np.ones((1024, 1152), dtype=np.float32)
    anna, david = body_of("anna"), body_of("david") + [576, 0]
    share = share_of(everything, anna, [(everything, david)])
    assert share[400, :500].all() and not share[400, 700:].any()
    assert np.array_equal(share_of(everything, anna, [(0 * everything, david)]), everything)
    assert share_of(everything, anna, []) is everything


def test_a_small_person_in_a_large_photo() -> None:
    scale, left, top = 0.6, 2500, 1500
    rng = np.random.default_rng(0)
    picture = cv2.resize(
        rng.integers(90, 150, (30, 40, 3), dtype=np.uint8), (4000, 3000), interpolation=cv2.INTER_CUBIC
    )
    size = (round(576 * scale), round(1024 * scale))
    small = cv2.resize(rgb_of("kenji"), size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(mask_of("kenji").astype(np.uint8), size) > 0
    picture[top : top + size[1], left : left + size[0]][mask] = small[mask]
    person = detect(encoded(picture))
    assert np.mean(list(errors(person, body_of("kenji") * scale + [left, top]).values())) <= 0.08
    assert overlap(person.mask[top : top + size[1], left : left + size[0]], mask) >= 0.90


def test_seen_from_behind() -> None:
    """The detector itself takes a person without a face for one seen from behind."""
    picture, face = rgb_of("david"), person_of("david").points_px[FACE]
    hull = cv2.convexHull(np.vstack([face, face[17:27] - [0, 35]]).astype(np.int32))
    hidden = np.zeros(picture.shape[:2], dtype=np.uint8)
    cv2.fillConvexPoly(hidden, hull, 1)
    hidden = cv2.dilate(hidden, np.ones((9, 9), np.uint8)) > 0
    noise = np.random.default_rng(0).normal(0, 6, (int(hidden.sum()), 1))
    picture[hidden] = (np.array([25, 22, 20]) + noise).clip(0, 255).astype(np.uint8)
    person = detect(encoded(picture))
    assert codes(person) == ["back_view"]
    assert abs(person.yaw_degrees) > 150.0
    assert person.point("left_shoulder")[0] < person.point("right_shoulder")[0]
    assert person.confidence[FACE].max() == 0.0


@pytest.mark.parametrize(("name", "side"), [("anna", "left"), ("david", "right"), ("kenji", "left")])
def test_an_arm_over_the_torso(name: str, side: str) -> None:
    person = detect(encoded(with_arm_folded(name, side)))
    assert codes(person) == ["arm_overlaps_torso"]
    assert f"{side} arm" in person.notices[0].message


def with_arm_folded(name: str, side: str) -> np.ndarray:
    """The picture with the forearm cut out and turned about the elbow, so that it lies over the belly."""
    place = dict(zip(truth_of(name)["openpose18"]["names"], body_of(name)))
    elbow, wrist = place[f"{side}_elbow"], place[f"{side}_wrist"]
    forearm = wrist - elbow
    length = float(np.linalg.norm(forearm))
    cut = np.zeros((1024, 576), dtype=np.uint8)
    cv2.line(cut, elbow.astype(int).tolist(), (wrist + 0.75 * forearm).astype(int).tolist(), 1, int(0.62 * length))
    rows, columns = np.mgrid[:1024, :576]
    beyond = (columns - elbow[0]) * forearm[0] + (rows - elbow[1]) * forearm[1] > -4 * length
    cut &= (mask_of(name) & beyond).astype(np.uint8)
    picture = rgb_of(name)
    empty = cv2.inpaint(picture, cv2.dilate(cut, np.ones((7, 7), np.uint8)), 5, cv2.INPAINT_TELEA)
    turn = cv2.getRotationMatrix2D(elbow.tolist(), -85 if side == "left" else 85, 1.0)
    laid = cv2.warpAffine(cut, turn, (576, 1024)) > 0
    empty[laid] = cv2.warpAffine(picture, turn, (576, 1024))[laid]
    return empty


def test_same_photo_same_person() -> None:
    content = (PEOPLE / "anna.jpg").read_bytes()
    first = detect(content)
    detect((PEOPLE / "kenji.jpg").read_bytes())  # the detector must not remember where somebody else's hands were
    second = detect(content)
    assert np.array_equal(first.points_px, second.points_px)
    once, again = look(rgb_of("anna")), look(rgb_of("anna"))
    for part in ("body_px", "face_px", "left_hand_px", "right_hand_px"):
        assert np.array_equal(getattr(once, part), getattr(again, part)), part
    assert np.array_equal(first.mask, second.mask)
    assert first.to_json() == Person.from_json(json.loads(json.dumps(second.to_json()))).to_json()


def test_a_warm_detection_is_quick() -> None:
    content = (PEOPLE / "anna.jpg").read_bytes()
    detect(content)
    started = time.process_time()
    detect(content)
    assert time.process_time() - started <= 1.0  # 0.4 s measured; wall time is less, MediaPipe uses two threads


def test_release_gives_the_memory_back_and_the_next_photo_works() -> None:
    person_of("anna")
    detect((PEOPLE / "anna.jpg").read_bytes())
    assert loaded()
    release()
    release()
    assert not loaded()
    assert len(detect((PEOPLE / "anna.jpg").read_bytes()).points_px) == 128


def test_a_detection_says_nothing_on_the_terminal() -> None:
    """MediaPipe's C++ side logs to the terminal and knows no setting against it; ours must stay readable."""
    program = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "from backend.models.detect import detect\n"
        "import pathlib; person = detect(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(len(person.points_px)); print('heard', file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", program, str(PEOPLE / "kenji.jpg")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "128\n", "heard\n")


def test_a_real_photograph() -> None:
    root = os.environ.get("FLEXIMO_PARITY_DATA")
    photo = None if root is None else Path(root) / "reference_images" / "mimicmotion_demo1.jpg"
    if photo is None or not photo.is_file():
        pytest.skip("reference_images/mimicmotion_demo1.jpg is not in FLEXIMO_PARITY_DATA; it may not be shipped")
    person = detect(photo.read_bytes())
    assert codes(person) == []
    expected = {  # set by eye, px of 1080x1920
        "nose": (499, 365), "right_shoulder": (340, 555), "left_shoulder": (616, 545), "right_elbow": (318, 800),
        "right_ankle": (330, 1725), "left_ankle": (668, 1730), "left_eye": (538, 348), "right_eye": (466, 332),
    }  # fmt: skip
    for name, place in expected.items():
        assert np.linalg.norm(person.point(name) - place) < 0.1 * person.torso_px, name
    assert person.confidence[LEFT_HAND].max() == person.confidence[RIGHT_HAND].max() == 0.0  # hands in the pockets
    inside = {"hair": (630, 640), "shoe": (300, 1800), "sleeve": (270, 800)}
    outside = {"between the legs": (510, 1500), "wall": (150, 900), "door": (900, 900), "beside the neck": (340, 440)}
    assert all(person.mask[y, x] for x, y in inside.values())
    assert not any(person.mask[y, x] for x, y in outside.values())
    assert person.confidence[FACE].min() > 0.9
    assert person.points_px[BODY].shape == (18, 2)
