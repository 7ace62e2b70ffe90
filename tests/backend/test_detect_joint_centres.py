"""Where the detector's joint centres lie, and the bone lengths that follow from them."""

from __future__ import annotations

import numpy as np
import pytest

from backend.models.detect import detect
from backend.models.detect.frames import find_body
from backend.models.detect.joint_centres import LANDMARKS, hip_lift, joint_centres
from fleximo.layouts import OPENPOSE_18
from fleximo.person import Person
from tests.backend.test_detect import NAMES, PEOPLE, body_of, encoded, errors, frames_of, person_of, rgb_of, torso
from tests.fleximo.truth import scene, true_lengths

MIRRORED = [
    OPENPOSE_18.index(name.replace("left_", "*").replace("right_", "left_").replace("*", "right_"))
    for name in OPENPOSE_18.names
]


def bone_errors(person: Person, name: str) -> dict[str, float]:
    """How far each bone that 18 points can tell is off, relative to the torso."""
    truth, found = true_lengths(scene(name).body_m), person.bone_lengths_m
    return {bone: found[bone] / found["torso"] / (truth[bone] / truth["torso"]) - 1.0 for bone in truth}


@pytest.mark.parametrize("name", NAMES)
def test_bones_of_a_detected_person_are_within_ten_percent(name: str) -> None:
    found = bone_errors(person_of(name), name)
    assert set(found) == set(person_of(name).bone_lengths_m) - {"hand", "foot"}
    worst = max(found, key=lambda bone: abs(found[bone]))
    assert abs(found[worst]) <= 0.10, f"{worst}: {found}"


@pytest.mark.parametrize("name", NAMES)
def test_bones_of_the_mirrored_photo_are_within_ten_percent(name: str) -> None:
    """To MediaPipe a mirrored photo is another one: its points differ by a few hundredths of the torso."""
    person = detect(encoded(rgb_of(name)[:, ::-1].copy(), "PNG"))
    found = bone_errors(person, name)
    worst = max(found, key=lambda bone: abs(found[bone]))
    assert abs(found[worst]) <= 0.10, f"{worst}: {found}"
    assert np.mean(list(errors(person, body_of(name)[MIRRORED] * [-1, 1] + [576, 0]).values())) <= 0.035


@pytest.mark.parametrize("name", NAMES)
def test_points_lie_at_the_joint_centres(name: str) -> None:
    """Without the correction of definitions the means are 0.037, 0.042 and 0.042."""
    found = errors(person_of(name), body_of(name))
    assert np.mean(list(found.values())) <= 0.033, found
    for part in ("nose", "left_eye", "right_eye"):
        assert found[part] <= 0.02, part


@pytest.mark.parametrize(
    ("clip", "frame", "mean"),
    [("anna_wave", 8, 0.022), ("anna_wave", 20, 0.022), ("anna_squat", 8, 0.036), ("anna_squat", 16, 0.042)],
)
def test_the_same_holds_for_moving_people(clip: str, frame: int, mean: float) -> None:
    """Without the correction: 0.027, 0.026, 0.040 and 0.046."""
    truth = np.load(PEOPLE / f"{clip}.npz")["openpose18_xy"]
    found = find_body(frames_of(clip)[frame])
    assert found is not None
    assert np.linalg.norm(found[0] - truth[frame], axis=1).mean() / torso(truth[frame]) <= mean


def test_any_view_of_a_body_is_treated_alike() -> None:
    """Taking joint centres and then a picture of them is the same as the other way round."""
    rng = np.random.default_rng(3)
    body = rng.normal(size=(33, 3))
    for _ in range(5):
        view, shift = rng.normal(size=(3, 2)), rng.normal(size=2)
        assert np.allclose(joint_centres(body @ view + shift, 0.03), joint_centres(body, 0.03) @ view + shift)


def standing(gap_from: float = 330.0) -> tuple[np.ndarray, np.ndarray]:
    """BlazePose landmarks of a figure with a trunk of 100 px, hips at y = 300, and its mask; the legs part at a row."""
    body = np.zeros((33, 2))
    places = {"shoulder": (35, 200), "hip": (18, 300), "knee": (24, 380), "ankle": (28, 460), "ear": (12, 150)}
    for part, (x, y) in places.items():
        body[LANDMARKS[f"left_{part}"]], body[LANDMARKS[f"right_{part}"]] = (200 + x, y), (200 - x, y)
    for landmark in (0, 2, 5, 9, 10):
        body[landmark] = 200, {0: 155, 2: 148, 5: 148, 9: 166, 10: 166}[landmark]
    mask = np.zeros((520, 400), dtype=np.float32)
    mask[130:480, 155:245] = 1.0
    mask[round(gap_from) : 480, 196:205] = 0.0
    return body, mask


def test_each_point_moves_along_its_own_limb() -> None:
    body, _ = standing()
    at = dict(zip(OPENPOSE_18.names, joint_centres(body, 0.04)))
    assert at["left_shoulder"][0] > 235 and at["right_shoulder"][0] < 165
    assert 203 < at["neck"][1] < 206 and at["neck"][0] == pytest.approx(200)
    assert np.allclose((at["left_shoulder"] + at["right_shoulder"]) / 2, at["neck"])
    assert at["left_hip"][1] == pytest.approx(296) and at["left_hip"][0] > 218
    assert at["left_ankle"] == pytest.approx([228.2, 464])
    assert np.array_equal(at["left_knee"], body[LANDMARKS["left_knee"]])
    assert 155 < at["nose"][1] < 160


def test_hips_are_lifted_where_the_legs_part_close_below_them() -> None:
    assert hip_lift(*standing(gap_from=345)) == 0.0  # cloth may close the gap: no reason to go down
    lifts = [hip_lift(*standing(gap_from=row)) for row in (322, 318, 305)]
    assert lifts[0] == pytest.approx(0.01, abs=0.006)
    assert lifts[0] < lifts[1] < lifts[2] == 0.05  # halfway, and never further
    body, mask = standing(gap_from=318)
    turned = np.stack((520 - body[:, 1], body[:, 0]), axis=1)
    assert hip_lift(turned, np.rot90(mask, -1)) == pytest.approx(lifts[1], abs=0.006)


def test_hips_stay_where_the_gap_tells_nothing() -> None:
    body, mask = standing(gap_from=310)
    assert hip_lift(body, mask) > 0.0
    assert hip_lift(body, np.ones_like(mask)) == 0.0  # a skirt
    assert hip_lift(body, mask[:350]) == 0.0  # the knees are out of the picture
    assert hip_lift(body, np.zeros_like(mask)) == 0.0
    sitting = body.copy()
    sitting[[25, 26], 1] = 340.0  # thighs towards the camera
    assert hip_lift(sitting, mask) == 0.0
    bowing = body.copy()
    bowing[[11, 12]] += [90.0, 60.0]
    assert hip_lift(bowing, mask) == 0.0
    assert hip_lift(np.zeros((33, 2)), mask) == 0.0
