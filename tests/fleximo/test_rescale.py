"""Bone lengths, the fitted rig, and the motion on the person's body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, FleximoError, Motion, MotionPlan, Segment
from fleximo import rotations as rot
from fleximo.bones import measure_hand, rig_bones
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.layouts import OPENPOSE_18
from fleximo.moves import generate
from fleximo.rescale import BONES, Fit, apply_fit, fit_motion, fit_notices, fit_rig, measure_bones, measure_fit
from tests.fleximo.truth import NAMES, scene, true_lengths

INDEX = {name: column for column, name in enumerate(OPENPOSE_18.names)}


def standing(frames: int = 4) -> Motion:
    rotations = np.tile(rot.IDENTITY, (frames, len(DEFAULT_RIG.joint_names), 1))
    root = np.tile([0.3, DEFAULT_RIG.rest_height, -0.2], (frames, 1))
    return Motion(rotations, root, 30, np.ones((frames, 2), dtype=bool))


@pytest.fixture(scope="module")
def moves() -> dict[str, Motion]:
    return {
        name: generate(MotionPlan((Segment(name, 3.0, **extra),)))
        for name, extra in {"walk": {"direction": "forward"}, "squat": {}, "wave": {"side": "right"}}.items()
    }


def relative_errors(measured: dict[str, float], truth: dict[str, float]) -> dict[str, float]:
    return {name: measured[name] / measured["torso"] / (truth[name] / truth["torso"]) - 1.0 for name in truth}


@pytest.mark.parametrize("name", NAMES)
def test_bones_of_a_photo_with_depths_are_true(name: str) -> None:
    person = scene(name).person(lens=True)
    errors = relative_errors(dict(person.bone_lengths_m), true_lengths(scene(name).body_m))
    assert max(map(abs, errors.values())) < 0.02, errors
    assert set(person.bone_lengths_m) == set(BONES)


@pytest.mark.parametrize("change", ["plain", "small", "flip", "wide lens", "long lens", "crop", "turned"])
@pytest.mark.parametrize("name", NAMES)
def test_bones_relative_to_the_torso_are_within_ten_percent(name: str, change: str) -> None:
    picture = scene(name)
    picture = {
        "plain": picture,
        "small": picture.scaled(0.4),
        "flip": picture.flipped(),
        "wide lens": picture.relensed(0.6),
        "long lens": picture.relensed(2.0),
        "crop": picture.cropped(60, 90, 560, 1000),
        "turned": picture.turned(30.0),
    }[change]
    errors = relative_errors(dict(picture.person().bone_lengths_m), true_lengths(picture.body_m))
    assert max(map(abs, errors.values())) < 0.10, errors


@pytest.mark.parametrize("name", NAMES)
def test_bones_without_depths_are_within_ten_percent_but_for_the_nose(name: str) -> None:
    picture = scene(name)
    errors = relative_errors(dict(picture.person(depth=False).bone_lengths_m), true_lengths(picture.body_m))
    # How far the nose stands before the neck no flat picture tells.
    assert abs(errors.pop("neck_to_nose")) < 0.15
    assert max(map(abs, errors.values())) < 0.10, errors


def test_depths_are_what_makes_a_slanted_arm_long() -> None:
    picture = scene("anna")
    body = picture.body_m.copy()
    for side in ("left", "right"):
        shoulder = body[INDEX[f"{side}_shoulder"]]
        body[INDEX[f"{side}_elbow"]] = shoulder + [0.0, -0.05, 0.2278]
        body[INDEX[f"{side}_wrist"]] = shoulder + [0.0, -0.05, 0.2278 + 0.2166]
    reaching = replace(picture, body_m=body)
    truth = true_lengths(body)
    with_depth = dict(reaching.person().bone_lengths_m)
    without = dict(reaching.person(depth=False).bone_lengths_m)
    assert abs(with_depth["upper_arm"] / with_depth["torso"] / (truth["upper_arm"] / truth["torso"]) - 1.0) < 0.10
    # Without depths the arm looks like a stub; the plausibility clamp keeps it an arm.
    assert without["upper_arm"] == pytest.approx(0.8 * 1.7 * rig_bones(DEFAULT_RIG)["upper_arm"] / 1.72, rel=1e-6)


def test_a_limb_that_is_mostly_depth_leans_on_its_ratio() -> None:
    """Depths that a detector overrates by half make an arm longer by much less."""
    picture = scene("anna")
    body = picture.body_m.copy()
    for side in ("left", "right"):
        shoulder = body[INDEX[f"{side}_shoulder"]]
        body[INDEX[f"{side}_elbow"]] = shoulder + [0.0, -0.05, 0.2278]
        body[INDEX[f"{side}_wrist"]] = shoulder + [0.0, -0.05, 0.2278 + 0.2166]
    person = replace(picture, body_m=body).person()
    deep = person.body_m.copy()
    for side in ("left", "right"):
        deep[INDEX[f"{side}_wrist"], 2] += 0.11
    lengths = measure_bones(person.body_px, person.body_confidence, deep, photo_size=person.photo_size)
    assert 1.0 < lengths["forearm"] / person.bone_lengths_m["forearm"] < 1.25
    # A limb in the plane of the picture is what the picture says.
    assert lengths["shin"] == pytest.approx(person.bone_lengths_m["shin"], rel=0.01)


def test_the_longer_side_counts_and_a_hidden_limb_takes_its_twin() -> None:
    picture = scene("david").person()
    confidence = picture.body_confidence.copy()
    confidence[[INDEX["right_elbow"], INDEX["right_wrist"], INDEX["right_ankle"]]] = 0.0
    one_sided = measure_bones(picture.body_px, confidence, picture.body_m, photo_size=picture.photo_size)
    for bone in ("upper_arm", "forearm", "shin"):
        assert one_sided[bone] == pytest.approx(picture.bone_lengths_m[bone], rel=0.02)


def test_an_arm_that_points_at_the_camera_does_not_shorten_its_twin() -> None:
    picture = scene("anna")
    body = picture.body_m.copy()
    shoulder = body[INDEX["left_shoulder"]]
    body[INDEX["left_elbow"]] = shoulder + [0.0, -0.10, 0.2110]
    body[INDEX["left_wrist"]] = shoulder + [0.0, -0.10, 0.4276]
    pointing = dict(replace(picture, body_m=body).person(depth=False).bone_lengths_m)
    for bone, length in picture.person(depth=False).bone_lengths_m.items():
        assert pointing[bone] == pytest.approx(length, rel=1e-3), bone


def test_what_no_side_shows_takes_the_body_ratio_at_the_visible_size() -> None:
    picture = scene("kenji").person()
    confidence = picture.body_confidence.copy()
    for name in ("left_ankle", "right_ankle", "left_wrist", "right_wrist"):
        confidence[INDEX[name]] = 0.0
    lengths = measure_bones(picture.body_px, confidence, picture.body_m, 1.6, photo_size=picture.photo_size)
    for bone in ("shin", "forearm"):
        assert lengths[bone] == pytest.approx(1.6 * rig_bones(DEFAULT_RIG)[bone] / 1.72)


def test_missing_points_never_count_whatever_their_coordinates() -> None:
    picture = scene("anna").person()
    confidence = picture.body_confidence.copy()
    confidence[INDEX["left_wrist"]] = 0.0
    points = picture.body_px.copy()
    first = measure_bones(points, confidence, picture.body_m, photo_size=picture.photo_size)
    points[INDEX["left_wrist"]] = 0.0  # the authors' code for a missing point
    assert measure_bones(points, confidence, picture.body_m, photo_size=picture.photo_size) == first


def test_nothing_visible_and_no_stature_are_told() -> None:
    with pytest.raises(FleximoError, match="No bone"):
        measure_bones(np.zeros((18, 2)), np.zeros(18), np.zeros((18, 3)))
    with pytest.raises(FleximoError, match="stature"):
        measure_bones(np.zeros((18, 2)), np.ones(18), np.zeros((18, 3)), 17.0)


def test_a_hand_is_measured_along_its_fingers_and_never_shorter_than_plausible() -> None:
    hands = np.zeros((2, 21, 2))
    hands[0, [9, 10, 11, 12], 0] = 90.0, 130.0, 155.0, 180.0
    seen = np.stack((np.ones(21), np.zeros(21)))
    prior = 1.7 * rig_bones(DEFAULT_RIG)["hand"] / 1.72
    assert measure_hand(hands, seen, 1000.0) == pytest.approx(0.18)
    assert measure_hand(hands * 0.1, seen, 1000.0) == pytest.approx(0.85 * prior)
    assert measure_hand(hands, np.zeros((2, 21)), 1000.0) == pytest.approx(prior)


@pytest.mark.parametrize("name", NAMES)
def test_the_fitted_rig_has_the_given_lengths(name: str) -> None:
    lengths = dict(scene(name).person().bone_lengths_m)
    fitted = rig_bones(fit_rig(DEFAULT_RIG, lengths))
    for bone, length in lengths.items():
        assert fitted[bone] == pytest.approx(length, rel=1e-4), bone


def test_fitting_a_rig_to_its_own_lengths_changes_nothing() -> None:
    same = fit_rig(DEFAULT_RIG, rig_bones(DEFAULT_RIG))
    assert np.allclose(same.rest_offsets, DEFAULT_RIG.rest_offsets, atol=1e-6)
    for name, (joint, offset) in DEFAULT_RIG.landmarks.items():
        assert same.landmarks[name][0] == joint and np.allclose(same.landmarks[name][1], offset, atol=1e-6)
    with pytest.raises(FleximoError, match="thigh"):
        fit_rig(DEFAULT_RIG, {"thigh": 0.0})


def test_a_matching_motion_is_only_placed(moves: dict[str, Motion]) -> None:
    motion = moves["walk"]
    fit = Fit(bone_lengths_m=rig_bones(DEFAULT_RIG))
    assert np.abs(apply_fit(motion, fit).joints() - motion.joints()).max() < 2e-3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("move", ["walk", "squat", "wave"])
def test_planted_feet_neither_slide_nor_sink(name: str, move: str, moves: dict[str, Motion]) -> None:
    source = moves[move]
    fitted = fit_motion(source, scene(name).person())
    assert np.isfinite(fitted.joints()).all()
    floor = fitted.positions("left_heel", "right_heel", "left_toe_tip", "right_toe_tip")[..., 1]
    assert floor.min() > -0.01
    for side, planted in zip(("left", "right"), source.contacts.T):
        toe = fitted.positions(f"{side}_toe_tip")[:, 0]
        steps = np.flatnonzero(np.diff(np.concatenate(([0], planted.astype(int), [0]))))
        assert steps.size
        for start, stop in zip(steps[::2], steps[1::2]):
            assert np.ptp(toe[start:stop, [0, 2]], axis=0).max() <= 0.01
            assert toe[start:stop, 1].max() <= 0.03


@pytest.mark.parametrize("lengths", [{"thigh": 0.30, "shin": 0.30}, {"thigh": 0.55, "shin": 0.52}, {"hip_width": 0.36}])
def test_feet_hold_on_unusual_bodies(lengths: dict[str, float], moves: dict[str, Motion]) -> None:
    source = moves["squat"]
    fitted = apply_fit(source, Fit(bone_lengths_m=lengths))
    toes = fitted.positions("left_toe_tip", "right_toe_tip")
    assert np.ptp(toes[..., [0, 2]], axis=0).max() <= 0.01
    assert fitted.positions("left_heel", "right_heel")[..., 1].min() > -0.01
    knees = fitted.rig.rest_offsets[[fitted.rig.index("left_knee")]]
    assert np.linalg.norm(knees) == pytest.approx(lengths.get("thigh", 0.405), rel=1e-3)


def test_the_motion_starts_at_the_origin_and_faces_as_the_person_does(moves: dict[str, Motion]) -> None:
    person = scene("anna").person()
    source = moves["walk"]
    ahead = fit_motion(source, person)
    assert np.abs(ahead.positions("left_ankle", "right_ankle")[0].mean(axis=0)[[0, 2]]).max() < 0.02
    back = fit_motion(source, replace(person, yaw_degrees=180.0))
    travel, away = (motion.root[-1] - motion.root[0] for motion in (ahead, back))
    assert travel[2] > 0.5 and away[2] < -0.5
    # The back view's left arm is at the picture's left: the whole motion is turned, not mirrored.
    assert back.positions("left_shoulder")[0, 0, 0] < back.positions("right_shoulder")[0, 0, 0]
    for yaw, heading in ((4.0, 0.0), (-4.0, 0.0), (18.0, 18.0), (177.0, 180.0), (-150.0, -150.0)):
        fit = measure_fit(source, replace(person, yaw_degrees=yaw), mode="off")
        assert np.degrees(fit.turn_rad) == pytest.approx(heading), yaw
    side = fit_motion(source, replace(person, yaw_degrees=40.0))
    assert np.degrees(np.arctan2(*(side.root[-1] - side.root[0])[[0, 2]])) == pytest.approx(40.0, abs=3.0)


@pytest.mark.parametrize("change", ["plain", "flip", "wide lens", "turned", "crop"])
@pytest.mark.parametrize("name", NAMES)
def test_the_first_frame_stands_on_the_photos_feet(name: str, change: str, moves: dict[str, Motion]) -> None:
    picture = scene(name)
    picture = {
        "plain": picture,
        "flip": picture.flipped(),
        "wide lens": picture.relensed(0.6),
        "turned": picture.turned(25.0),
        "crop": picture.cropped(60, 90, 560, 1000),
    }[change]
    person = replace(picture.person(), yaw_degrees=25.0 if change == "turned" else 0.0)
    framing = frame_photo(person.photo_size, None, person)
    camera = fit_camera(person, framing)
    for motion in moves.values():
        feet = fit_motion(motion, person).positions("left_ankle", "right_ankle")[:1]
        pixels = camera.project(feet)[0][0]
        photo = framing.to_canvas(person.body_px[[INDEX["left_ankle"], INDEX["right_ankle"]]])
        assert np.linalg.norm(pixels - photo, axis=-1).max() <= 3.0


def test_a_walk_leaves_the_photos_wide_stance_behind(moves: dict[str, Motion]) -> None:
    motion, person = moves["walk"], scene("david").person()
    fit = measure_fit(motion, person)
    assert len(fit.plants) == 2 and max(abs(plant[2]) for plant in fit.plants) > 0.03
    gap = np.diff(apply_fit(motion, fit).positions("right_ankle", "left_ankle")[..., 0], axis=1)[:, 0]
    plain = np.diff(apply_fit(motion, replace(fit, plants=())).positions("right_ankle", "left_ankle")[..., 0], axis=1)
    assert gap[0] - plain[0, 0] > 0.06
    assert np.abs(gap[-1] - plain[-1, 0]) < 1e-3


def test_a_foot_in_the_air_or_a_start_in_mid_stride_is_not_forced_onto_the_photos_feet(
    moves: dict[str, Motion],
) -> None:
    person = scene("anna").person()
    points = person.points_px.copy()
    points[INDEX["left_ankle"]] -= [0.0, 160.0]
    assert measure_fit(moves["wave"], replace(person, points_px=points)).plants == ()
    confidence = person.confidence.copy()
    confidence[INDEX["left_ankle"]] = 0.0
    assert measure_fit(moves["wave"], replace(person, confidence=confidence)).plants == ()


def test_cropped_legs_are_held_and_travel_is_removed(moves: dict[str, Motion]) -> None:
    half = scene("anna").cropped(0, 0, 576, 560).person()
    motion = fit_motion(moves["walk"], half)
    assert np.ptp(motion.root, axis=0).max() == 0.0
    for held in (motion, fit_motion(generate(MotionPlan((Segment("bow", 2.4),))), half)):
        for side in ("left", "right"):
            hip, knee, ankle = np.moveaxis(held.positions(f"{side}_hip", f"{side}_knee", f"{side}_ankle"), 1, 0)
            for bone in (knee - hip, ankle - knee):
                assert np.abs(bone[:, [0, 2]]).max() < 0.03 and bone[:, 1].max() < -0.3
                assert np.ptp(bone, axis=0).max() < 0.02
    wrists = fit_motion(moves["wave"], half).positions("right_wrist")
    assert np.ptp(wrists[:, 0, 1]) > 0.3
    (notice,) = fit_notices(moves["walk"], half)
    assert notice.code == "limb_out_of_frame" and "travel" in notice.message and notice.remedy
    assert fit_notices(moves["walk"], scene("anna").person()) == ()


def test_off_keeps_the_body_and_an_unknown_mode_is_told() -> None:
    person = scene("anna").person()
    motion = standing()
    same = fit_motion(motion, person, mode="off")
    assert np.array_equal(same.rig.rest_offsets, DEFAULT_RIG.rest_offsets)
    assert np.allclose(same.joints() - same.joints()[:, :1], motion.joints() - motion.joints()[:, :1], atol=1e-6)
    with pytest.raises(FleximoError, match="bones, paper, off"):
        fit_motion(motion, person, mode="stretch")


def test_an_edited_frame_changes_no_other(moves: dict[str, Motion]) -> None:
    source = moves["walk"]
    fit = measure_fit(source, scene("kenji").person())
    rotations = source.rotations.copy()
    for joint in ("left_hip", "pelvis"):
        column = source.rig.index(joint)
        rotations[20:24, column] = rot.multiply(rotations[20:24, column], rot.from_axis_angle([1, 0, 0], -0.4))
    edited = apply_fit(replace(source, rotations=rotations), fit).joints()
    moved = np.abs(edited - apply_fit(source, fit).joints()).max(axis=(1, 2)) > 0
    assert np.flatnonzero(moved).tolist() == [20, 21, 22, 23]
