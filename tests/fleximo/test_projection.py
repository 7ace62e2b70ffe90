"""From motion and camera to key points: where, how deep, how sure; and what stays missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleximo import DEFAULT_RIG, WHOLEBODY_128, Camera, Motion, MotionPlan, PoseTrack, Segment
from fleximo import rotations as rot
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.kinematics import two_bone_ik
from fleximo.layouts import BODY, FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from fleximo.moves import generate
from fleximo.projection import HIDDEN, INVENTED, body_points, project
from fleximo.rescale import fit_motion
from tests.fleximo.truth import Scene, scene

INDEX = {name: column for column, name in enumerate(OPENPOSE_18.names)}


def ahead(
    distance: float = 4.0, height: float = 0.9, focal: float = 900.0, size: tuple[int, int] = (576, 1024)
) -> Camera:
    """A level camera on the subject's +Z side that looks back at the origin."""
    view = np.eye(4)
    view[:3, :3] = np.diag([1.0, -1.0, -1.0])
    view[:3, 3] = 0.0, height, distance
    return Camera(np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]]), view, size)


def still(frames: int = 1, **turns: np.ndarray) -> Motion:
    rotations = np.tile(rot.IDENTITY, (frames, len(DEFAULT_RIG.joint_names), 1))
    for name, turn in turns.items():
        rotations[:, DEFAULT_RIG.index(name)] = turn
    root = np.tile([0.0, DEFAULT_RIG.rest_height, 0.0], (frames, 1))
    return Motion(rotations, root, 30, np.ones((frames, 2), dtype=bool))


def test_points_of_a_front_view_lie_where_a_pinhole_puts_them() -> None:
    motion = still()
    track = project(motion, ahead())
    shoulder = motion.positions("left_shoulder")[0, 0]
    expected = [288 + 900 * shoulder[0] / (4 - shoulder[2]), 512 - 900 * (shoulder[1] - 0.9) / (4 - shoulder[2])]
    assert track.column("left_shoulder")[0] == pytest.approx(expected, abs=1e-2)
    assert track.depths_m[0, INDEX["left_shoulder"]] == pytest.approx(4.0 - shoulder[2], abs=1e-5)
    assert track.layout is WHOLEBODY_128 and track.size == (576, 1024)


def test_left_and_right_are_the_subjects_own() -> None:
    track = project(still(), ahead())
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for name in (*(n for n in OPENPOSE_18.names if n.startswith(side)), f"{side}_hand_middle4"):
            assert sign * (track.column(name)[0, 0] - 288.0) > 0.0, name
    # The face's points run from the subject's right to his left.
    assert track.column("face_0")[0, 0] < 288.0 < track.column("face_16")[0, 0]
    assert track.column("face_36")[0, 0] < track.column("face_45")[0, 0]


def test_the_neck_is_the_middle_of_the_shoulders() -> None:
    turns = {"left_collar": rot.from_axis_angle([0, 0, 1], 0.5), "spine2": rot.from_axis_angle([0, 1, 0], 0.3)}
    points = body_points(still(**turns))[0]
    assert np.allclose(points[1], (points[INDEX["left_shoulder"]] + points[INDEX["right_shoulder"]]) / 2.0)


def test_who_walks_towards_the_camera_grows() -> None:
    motion = generate(MotionPlan((Segment("walk", 2.0, direction="forward"),)))
    track = project(motion, ahead(8.0))
    heights = track.column("left_ankle")[:, 1] - track.column("nose")[:, 1]
    assert heights[-1] > 1.1 * heights[0]


def test_body_is_certain_hands_and_face_are_invented() -> None:
    track = project(still(), ahead(6.0, focal=700.0))
    assert (track.confidence[:, BODY] == 1.0).all()
    assert np.allclose(track.confidence[:, LEFT_HAND], INVENTED)
    assert track.confidence[:, FACE].max() == pytest.approx(INVENTED)


def reaching(target: tuple[float, float, float]) -> Motion:
    """Standing, the left wrist at `target`, the elbow outwards."""
    rest = still().positions("left_shoulder")[0]
    elbow, wrist = two_bone_ik(rest, np.array([target]), 0.28, 0.255, np.array([[1.0, -0.5, 0.0]]))
    along = np.array([[1.0, 0.0, 0.0]])
    upper = rot.from_two_vectors(along, elbow - rest)
    lower = rot.from_two_vectors(rot.rotate(upper, along), wrist - elbow)
    return still(left_shoulder=upper[0], left_elbow=rot.multiply(rot.conjugate(upper), rot.multiply(lower, upper))[0])


@pytest.mark.parametrize(("depth", "expected"), [(-0.2, HIDDEN), (0.2, 1.0)])
def test_a_hand_behind_the_back_is_hidden_and_one_before_it_is_not(depth: float, expected: float) -> None:
    motion = reaching((0.04, 1.15, depth))
    assert motion.positions("left_wrist")[0, 0] == pytest.approx([0.04, 1.15, depth], abs=0.01)
    track = project(motion, ahead())
    assert track.confidence[0, INDEX["left_wrist"]] == pytest.approx(expected)
    assert track.confidence[0, INDEX["right_wrist"]] == 1.0
    hands = track.confidence[0, LEFT_HAND][1:]
    assert (hands <= INVENTED * expected + 1e-6).all()


def test_eyes_blink_at_the_times_of_the_seed() -> None:
    motion = still(300)
    lids = {seed: project(motion, ahead(), seed=seed).column("face_37")[:, 1] for seed in (1, 2)}
    for seed, height in lids.items():
        assert np.ptp(height) > 0.5, seed
    assert not np.allclose(lids[1], lids[2])


def test_a_face_turned_away_fades_out() -> None:
    def face(degrees: float) -> np.ndarray:
        motion = still(head=rot.from_axis_angle([0, 1, 0], np.radians(degrees)))
        return np.asarray(project(motion, ahead(6.0, 1.6)).confidence[0, FACE])

    assert face(0.0).min() > 0.0 and face(0.0)[27:68].min() == pytest.approx(INVENTED)
    left = face(55.0)  # his left cheek turns out of sight
    assert left[16] == 0.0 and left[0] > 0.0
    assert (face(180.0) == 0.0).all()


def test_points_outside_the_picture_are_dropped_unless_a_limb_reaches_in() -> None:
    camera = ahead(1.4, 1.4, 900.0)  # hips and legs lie below the picture
    track = project(still(), camera)
    confidence = dict(zip(OPENPOSE_18.names, track.confidence[0, BODY]))
    assert track.column("left_ankle")[0, 1] > 1024
    assert confidence["nose"] == confidence["left_shoulder"] == 1.0
    assert confidence["left_hip"] == 1.0, "the trunk reaches out of the picture"
    assert confidence["left_ankle"] == 0.0
    nearer = dict(zip(OPENPOSE_18.names, project(still(), ahead(0.8, 1.4, 900.0)).confidence[0, BODY]))
    assert nearer["left_hip"] == 1.0 and nearer["left_knee"] == 0.0
    hand = still(left_shoulder=rot.from_axis_angle([0, 0, 1], 1.4))
    assert (project(hand, ahead(1.6, 0.9)).confidence[0, LEFT_HAND][1:] == 0.0).all()


def test_what_the_photo_lacks_stays_missing() -> None:
    person = scene("anna").cropped(0, 0, 576, 600).person()
    framing = frame_photo(person.photo_size, None, person)
    camera = fit_camera(person, framing)
    motion = fit_motion(generate(MotionPlan((Segment("squat", 2.0),))), person)
    track = project(motion, camera, person, framing)
    missing = person.body_confidence == 0.0
    assert missing[[INDEX["left_ankle"], INDEX["left_knee"]]].all()
    assert (track.confidence[:, BODY][:, missing] == 0.0).all()
    assert (track.confidence[:, BODY][:, ~missing] > 0.0).any(axis=0).all()
    confidence = person.confidence.copy()
    confidence[INDEX["right_wrist"]] = 0.0
    one_handed = project(motion, camera, replace(person, confidence=confidence), framing)
    assert (one_handed.confidence[:, RIGHT_HAND] == 0.0).all()
    assert (one_handed.confidence[:, LEFT_HAND] > 0.0).any()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), place=st.tuples(*[st.floats(-6.0, 6.0)] * 3))
def test_every_pose_anywhere_gives_finite_points(seed: int, place: tuple[float, float, float]) -> None:
    rotations = rot.normalise(np.random.default_rng(seed).normal(size=(2, len(DEFAULT_RIG.joint_names), 4)))
    motion = Motion(rotations, np.array([place, place]), 30, np.zeros((2, 2), dtype=bool))
    track = project(motion, ahead())
    assert np.isfinite(track.points_px).all() and np.isfinite(track.depths_m).all()
    assert (track.confidence[track.depths_m <= 0.0] == 0.0).all()
    assert track.confidence.min() >= 0.0 and track.confidence.max() <= 1.0
    assert len(PoseTrack.from_bytes(track.to_bytes())) == 2


def test_a_moving_camera_follows_its_frames() -> None:
    motion = still(3)
    views = np.repeat(ahead().world_to_camera, 3, axis=0).copy()
    views[:, 2, 3] = 4.0, 5.0, 6.0
    moving = project(motion, Camera(ahead().K, views, (576, 1024)))
    for frame, distance in enumerate((4.0, 5.0, 6.0)):
        alone = project(still(), ahead(distance))
        assert np.allclose(moving.points_px[frame], alone.points_px[0], atol=1e-3)
        assert np.allclose(moving.confidence[frame], alone.confidence[0], atol=1e-5)


def turned(picture: Scene) -> Scene:
    return picture.turned(180.0)


def test_a_back_view_keeps_her_left_on_her_left() -> None:
    picture = turned(scene("anna"))
    person = replace(picture.person(), yaw_degrees=180.0)
    framing = frame_photo(person.photo_size)
    camera = fit_camera(person, framing)
    motion = fit_motion(generate(MotionPlan((Segment("wave", 3.0, side="right"),))), person)
    track = project(motion, camera, person, framing)
    photo = person.body_px
    assert photo[INDEX["left_shoulder"], 0] < photo[INDEX["right_shoulder"], 0]
    assert (track.column("left_shoulder")[:, 0] < track.column("right_shoulder")[:, 0]).all()
    # It is the right hand that goes up, and the face is not seen.
    assert track.column("right_wrist")[:, 1].min() < track.column("right_shoulder")[:, 1].min()
    assert track.column("left_wrist")[:, 1].min() > track.column("left_elbow")[:, 1].min()
    assert track.confidence[:, FACE].max() == 0.0
