"""The photo's pose in 3D, against the true joints of the rendered clips; and poses with parts out of sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fleximo import DEFAULT_RIG
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.layouts import OPENPOSE_18
from fleximo.lift import lift
from fleximo.projection import body_points
from fleximo.rescale import fit_rig
from tests.fleximo.truth import PEOPLE, Scene, scene

INDEX = {name: column for column, name in enumerate(OPENPOSE_18.names)}


def clip(name: str, frame: int) -> Scene:
    with np.load(PEOPLE / f"anna_{name}.npz") as truth:
        body, hands = truth["openpose18_xyz_m"][frame], truth["hands21_xyz_m"][frame]
    return replace(scene("anna"), body_m=body.astype(float), hands_m=hands.astype(float), stature_m=1.627)


@pytest.mark.parametrize(("name", "frame"), [("wave", 6), ("wave", 14), ("squat", 8), ("squat", 16)])
def test_joints_of_a_moving_person_are_found_in_space(name: str, frame: int) -> None:
    still = clip(name, 0).person(lens=True)
    picture = clip(name, frame)
    person = replace(picture.person(lens=True), bone_lengths_m=still.bone_lengths_m)
    framing = frame_photo(person.photo_size)
    camera = fit_camera(still, framing)
    pose = lift(person, framing, camera, fit_rig(DEFAULT_RIG, still.bone_lengths_m))
    found = body_points(pose)[0]
    pixels = camera.project(found)[0]
    assert np.linalg.norm(pixels - person.body_px, axis=1).mean() <= 0.03 * person.torso_px
    hips = [INDEX["left_hip"], INDEX["right_hip"]]
    off = found - found[hips].mean(axis=0) - picture.body_m + picture.body_m[hips].mean(axis=0)
    # Shoulders and hips of a rig of another make sit a little elsewhere; the pose is within a hand's breadth.
    assert np.linalg.norm(off, axis=1).mean() < 0.06
    assert np.linalg.norm(off, axis=1).max() < 0.14


def test_what_is_out_of_sight_stays_as_at_rest() -> None:
    person = scene("kenji").person()
    confidence = person.confidence.copy()
    hidden = ["left_elbow", "left_wrist", "right_knee", "right_ankle"]
    confidence[[INDEX[name] for name in hidden]] = 0.0
    person = replace(person, confidence=confidence)
    framing = frame_photo(person.photo_size)
    camera = fit_camera(person, framing)
    pose = lift(person, framing, camera, fit_rig(DEFAULT_RIG, person.bone_lengths_m))
    off = np.linalg.norm(camera.project(body_points(pose))[0][0] - person.body_px, axis=1)
    assert off[person.body_confidence > 0].mean() <= 0.03 * person.torso_px
    assert np.isfinite(pose.joints()).all()
    # The unseen leg hangs straight down.
    hip, ankle = pose.positions("right_hip", "right_ankle")[0]
    leg = person.bone_lengths_m["thigh"] + person.bone_lengths_m["shin"]
    assert hip[1] - ankle[1] == pytest.approx(leg, rel=0.05)
