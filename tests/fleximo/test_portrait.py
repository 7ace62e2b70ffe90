"""A rendered body as the photo: the camera shows all of it, and everything that is said of the person is exact."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, Motion, moves
from fleximo import rotations as rot
from fleximo.bones import measure_bones
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.layouts import OPENPOSE_18
from fleximo.planner import RulePlanner
from fleximo.portrait import person_of_pose, portrait_camera
from fleximo.projection import body_points


def pose(turn_degrees: float = 0.0) -> Motion:
    """One frame of a wave, turned about the vertical and away from the origin."""
    motion = moves.generate(RulePlanner().plan("a man waves"), fps=30)[30:31]
    turn = rot.from_axis_angle([0.0, 1.0, 0.0], np.radians(turn_degrees))
    rotations, root = motion.rotations.copy(), motion.root.copy()
    rotations[:, 0] = rot.multiply(turn, rotations[:, 0])
    return Motion(rotations, rot.rotate(turn, root) + [0.8, 0.0, -1.5], motion.fps, motion.contacts)


@pytest.mark.parametrize("turn_degrees", [0.0, 70.0, -160.0])
@pytest.mark.parametrize("size", [(720, 1280), (1280, 720)])
def test_the_camera_shows_the_whole_body_from_the_front(turn_degrees: float, size: tuple[int, int]) -> None:
    standing = pose(turn_degrees)
    points = standing.joints()[0]
    camera = portrait_camera(standing, points, size)
    seen, depths = camera.project(points)
    assert (seen >= 0).all() and (seen <= size).all() and (depths > 0).all()
    # Nothing is nearer to the border than the fit asks for, and the body fills the picture one way.
    assert 0.6 < max(np.ptp(seen[:, 0]) / size[0], np.ptp(seen[:, 1]) / size[1]) <= 0.89
    left, right = (seen[DEFAULT_RIG.index(f"{side}_hip"), 0] for side in ("left", "right"))
    assert left > right


def test_points_depths_and_lengths_are_the_bodys_own() -> None:
    standing = pose(25.0)
    camera = portrait_camera(standing, standing.joints()[0], (720, 1280))
    person = person_of_pose(standing, camera, np.ones((1280, 720), bool))
    expected, _ = camera.project(body_points(standing)[0])
    assert np.abs(person.body_px - expected).max() < 0.01
    assert (person.body_confidence == 1.0).all()
    spans = person.body_m[OPENPOSE_18.index("left_elbow")] - person.body_m[OPENPOSE_18.index("left_wrist")]
    own = standing.positions("left_elbow", "left_wrist")[0]
    assert np.linalg.norm(spans) == pytest.approx(np.linalg.norm(own[0] - own[1]), abs=1e-5)
    hips = person.body_m[[OPENPOSE_18.index("left_hip"), OPENPOSE_18.index("right_hip")]].mean(axis=0)
    assert np.abs(hips).max() < 1e-5
    assert person.stature_m == pytest.approx(1.72, abs=0.06)
    assert abs(person.yaw_degrees) < 1.0


def test_lengths_measured_in_the_picture_agree() -> None:
    """Judge: the code that measures people in photos, given these points, finds the rig's lengths."""
    standing = pose()
    camera = portrait_camera(standing, standing.joints()[0], (720, 1280))
    person = person_of_pose(standing, camera, np.ones((1280, 720), bool))
    measured = measure_bones(
        person.body_px, person.body_confidence, person.body_m, person.stature_m,
        photo_size=person.photo_size, lens_degrees=person.lens_degrees,
    )  # fmt: skip
    for name in ("thigh", "shin", "upper_arm", "torso", "shoulder_width"):
        assert measured[name] / measured["thigh"] == pytest.approx(
            person.bone_lengths_m[name] / person.bone_lengths_m["thigh"], rel=0.05
        ), name


def test_the_fitted_camera_is_the_one_that_took_the_picture() -> None:
    standing = pose()
    camera = portrait_camera(standing, standing.joints()[0], (720, 1280))
    person = person_of_pose(standing, camera, np.ones((1280, 720), bool))
    framing = frame_photo(person.photo_size, None, person)
    fitted = fit_camera(person, framing)
    assert fitted.K[0, 0] / framing.scale == pytest.approx(camera.K[0, 0], rel=0.02)


def test_a_turned_body_is_told() -> None:
    standing = pose()
    camera = portrait_camera(standing, standing.joints()[0], (720, 1280))
    turned = pose(30.0)
    person = person_of_pose(turned, camera, np.ones((1280, 720), bool))
    assert person.yaw_degrees == pytest.approx(30.0, abs=1.0)
