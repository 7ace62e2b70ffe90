"""The 68-point face: its shape, its turning with the head, its blinks, and the photo's own face on the rig."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, Motion, Person
from fleximo import rotations as rot
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.face import FACE_TEMPLATE_M, blinks, closed_eyes, face_points, face_shape, photo_face, template_of
from fleximo.layouts import FACE, OPENPOSE_18
from fleximo.lift import lift
from fleximo.projection import project
from fleximo.rescale import fit_rig
from fleximo.take import Take
from tests.fleximo.truth import NAMES, scene

EYE_LINE = (36, 45)


def headed(turn: np.ndarray, frames: int = 1) -> Motion:
    rotations = np.tile(rot.IDENTITY, (frames, len(DEFAULT_RIG.joint_names), 1))
    rotations[:, DEFAULT_RIG.index("head")] = turn
    root = np.tile([0.0, DEFAULT_RIG.rest_height, 0.0], (frames, 1))
    return Motion(rotations, root, 30, np.ones((frames, 2), dtype=bool))


def with_face(person: Person, shape: np.ndarray) -> Person:
    """The person with the face `shape` (68,3), in the head joint, as a detector would see it in the photo."""
    framing = frame_photo(person.photo_size)
    camera = fit_camera(person, framing)
    pose = lift(person, framing, camera, fit_rig(DEFAULT_RIG, person.bone_lengths_m))
    scale = template_of(pose.rig)[0, 0] / FACE_TEMPLATE_M[0, 0]
    points, confidence = person.points_px.copy(), person.confidence.copy()
    points[FACE] = framing.to_photo(camera.project(face_points(pose, shape * scale))[0][0])
    confidence[FACE] = 0.9
    return replace(person, points_px=points, confidence=confidence)


def test_the_average_face_is_symmetric_and_a_face() -> None:
    mirrored = FACE_TEMPLATE_M * [-1.0, 1.0, 1.0]
    gaps = np.linalg.norm(FACE_TEMPLATE_M[:, None] - mirrored[None], axis=-1)
    assert gaps.min(axis=1).max() < 1e-9
    height = {
        name: FACE_TEMPLATE_M[index, 1]
        for name, index in {"brow": 19, "eye": 37, "nose": 30, "lip": 51, "chin": 8}.items()
    }
    assert list(height) == sorted(height, key=height.__getitem__, reverse=True)
    assert FACE_TEMPLATE_M[30, 2] == FACE_TEMPLATE_M[:, 2].max()
    # All 68 lie within 1.6 head sizes of the nose, and the jaw runs from his right to his left.
    assert np.linalg.norm(FACE_TEMPLATE_M - FACE_TEMPLATE_M[30], axis=1).max() < 1.6 * 0.12
    assert (np.diff(FACE_TEMPLATE_M[:17, 0]) > 0).all()
    assert len({tuple(point) for point in FACE_TEMPLATE_M.tolist()}) == 68


@pytest.mark.parametrize("roll", [-40.0, -10.0, 0.0, 25.0])
def test_the_eye_line_rolls_with_the_head(roll: float) -> None:
    motion = headed(rot.from_axis_angle([0, 0, 1], np.radians(roll)))
    points = face_points(motion, face_shape(motion.rig))[0]
    span = points[EYE_LINE[1]] - points[EYE_LINE[0]]
    assert np.degrees(np.arctan2(span[1], span[0])) == pytest.approx(roll, abs=2.0)


def test_the_face_sits_on_the_rigs_nose() -> None:
    motion = headed(rot.from_axis_angle([0.6, 0.8, 0.0], 0.7))
    tip = face_points(motion, face_shape(motion.rig))[0, 30]
    assert np.linalg.norm(tip - motion.positions("nose")[0, 0]) < 0.005


def test_blinks_come_every_three_to_five_seconds_and_are_seeded() -> None:
    closed = blinks(1800, Fraction(30), 7)
    starts = np.flatnonzero((closed[1:] > 0) & (closed[:-1] == 0))
    assert 11 <= len(starts) <= 20
    assert closed[:60].max() == 0.0 and closed.max() > 0.8
    assert (np.diff(starts) / 30.0).min() > 2.7
    assert np.array_equal(closed, blinks(1800, Fraction(30), 7))
    assert not np.array_equal(closed, blinks(1800, Fraction(30), 8))
    # The same moments at another rate.
    slow = blinks(900, Fraction(15), 7)
    assert (
        np.abs(np.flatnonzero(slow > 0.3) / 15.0 - np.flatnonzero(closed > 0.3)[:, None] / 30.0).min(axis=1).max() < 0.1
    )


def test_only_the_upper_lids_close() -> None:
    shapes = closed_eyes(FACE_TEMPLATE_M, np.array([0.0, 1.0]))
    moved = np.flatnonzero(np.abs(shapes[1] - shapes[0]).max(axis=1) > 0)
    assert moved.tolist() == [37, 38, 43, 44]
    assert np.array_equal(shapes[0], FACE_TEMPLATE_M)
    assert (shapes[1, moved, 1] < shapes[0, moved, 1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_photos_own_face_returns_to_the_photo(name: str) -> None:
    own = FACE_TEMPLATE_M * [1.15, 0.9, 1.0]
    person = with_face(scene(name).person(), own)
    take = Take.begin(headed(rot.IDENTITY), person, b"photo")
    pose = lift(person, take.framing, take.camera, take.fitted().rig)
    track = project(pose, take.camera, person, take.framing)
    off = np.linalg.norm(track.points_px[0, FACE] - take.framing.to_canvas(person.points_px[FACE]), axis=1)
    assert off.max() < 0.02 * person.torso_px
    body = np.linalg.norm(track.points_px[0, :18] - take.framing.to_canvas(person.body_px), axis=1)
    for point in ("nose", "left_eye", "right_eye", "left_ear", "right_ear"):
        assert body[OPENPOSE_18.index(point)] < 0.02 * person.torso_px


def test_a_detected_face_is_surer_than_an_invented_one() -> None:
    person = scene("anna").person()
    takes = [Take.begin(headed(rot.IDENTITY), p, b"photo") for p in (person, with_face(person, FACE_TEMPLATE_M))]
    plain, found = (take.track() for take in takes)
    assert [[notice.code for notice in take.notices()] for take in takes] == [["face_synthesised"], []]
    assert plain.confidence[0, FACE].max() == pytest.approx(0.6)
    assert found.confidence[0, FACE].max() == pytest.approx(1.0)


def test_a_slipped_point_takes_the_averages_place() -> None:
    person = with_face(scene("anna").person(), FACE_TEMPLATE_M)
    points = person.points_px.copy()
    points[18 + 5] += 300.0
    slipped = replace(person, points_px=points)
    framing = frame_photo(person.photo_size)
    camera = fit_camera(person, framing)
    pose = lift(person, framing, camera, fit_rig(DEFAULT_RIG, person.bone_lengths_m))
    face = photo_face(slipped, framing, camera, pose)
    assert np.allclose(face["face_5"][1], template_of(pose.rig)[5])
    confidence = person.confidence.copy()
    confidence[FACE] = 0.0
    assert "face_5" not in photo_face(replace(person, confidence=confidence), framing, camera, pose)
