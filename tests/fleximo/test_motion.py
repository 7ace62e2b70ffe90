"""Motions: slices, other rates, files."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fleximo import rotations as rot
from fleximo.errors import FleximoError
from fleximo.motion import Motion
from fleximo.rig import DEFAULT_RIG, Rig


def make_motion(frames: int = 30, fps: float = 30.0, seed: int = 0) -> Motion:
    rng = np.random.default_rng(seed)
    joints = len(DEFAULT_RIG.joint_names)
    seconds = np.arange(frames)[:, None, None] / fps
    vectors = 0.4 * np.sin(seconds * rng.uniform(0.5, 4.0, (joints, 3)) + rng.uniform(0, 6, (joints, 3)))
    root = np.stack((np.arange(frames) / fps, np.full(frames, 0.9), np.zeros(frames)), axis=1)
    contacts = np.stack((np.arange(frames) % 20 < 10, np.arange(frames) % 20 >= 10), axis=1)
    return Motion(rot.from_rotation_vector(vectors), root, Fraction(fps), contacts)


def _repacked(motion: Motion, **changes: object) -> bytes:
    arrays = dict(np.load(io.BytesIO(motion.to_bytes())))
    arrays.update(changes)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in arrays.items() if value is not None})
    return buffer.getvalue()


def test_file_round_trip_is_bit_exact(tmp_path: Path):
    motion = make_motion(fps=24000 / 1001)
    motion.save(tmp_path / "folder" / "motion.npz")
    again = Motion.load(tmp_path / "folder" / "motion.npz")
    assert again.to_bytes() == motion.to_bytes()
    assert again.fps == Fraction(24000, 1001)
    assert dict(again.rig.landmarks) == dict(DEFAULT_RIG.landmarks)
    np.testing.assert_array_equal(again.rotations, motion.rotations)


def test_the_file_has_the_documented_arrays():
    arrays = np.load(io.BytesIO(make_motion(7).to_bytes()), allow_pickle=False)
    assert arrays["rotations"].shape == (7, 52, 4)
    assert arrays["rotations"].dtype == np.float32
    assert arrays["root"].shape == (7, 3)
    assert arrays["fps"].shape == ()
    assert arrays["joint_names"][15] == "head"
    assert arrays["parents"].shape == (52,)
    assert not arrays["rest_offsets"][0].any()
    assert arrays["contacts"].shape == (7, 2)
    assert int(arrays["format_version"]) == 1


def test_files_without_landmarks_get_the_default_rig_s():
    content = _repacked(make_motion(), landmark_names=None, landmark_joints=None, landmark_offsets=None)
    assert dict(Motion.from_bytes(content).rig.landmarks) == dict(DEFAULT_RIG.landmarks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotations": None}, "lacks rotations"),
        ({"format_version": 9}, "format version 9; this program reads up to 1"),
        ({"root": np.zeros((3, 3))}, "Motion.root has the shape"),
        ({"fps": 1000.0}, "frame rate 1000"),
        ({"parents": np.zeros(52, int)}, "must start with -1"),
        ({"fps": np.array("fast")}, "motion file cannot be read"),
        ({"fps": np.zeros(3)}, "motion file cannot be read"),
        ({"joint_names": np.array("pelvis")}, "motion file cannot be read"),
        ({"landmark_offsets": np.zeros((9, 2))}, "motion file cannot be read"),
        ({"format_version": np.array("new")}, "motion file cannot be read"),
    ],
)
def test_wrong_files_are_explained(change: dict[str, object], message: str):
    with pytest.raises(FleximoError, match=message):
        Motion.from_bytes(_repacked(make_motion(), **change))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 torn"])
def test_what_is_no_npz_is_refused(content: bytes):
    with pytest.raises(FleximoError, match="no readable motion file") as caught:
        Motion.from_bytes(content)
    assert caught.value.code == "unreadable_file"


def test_pickled_objects_are_never_loaded():
    with pytest.raises(FleximoError, match="no readable motion file"):
        Motion.from_bytes(_repacked(make_motion(), joint_names=np.array([{"a": 1}], dtype=object)))


def test_slices_cut_all_fields_at_once():
    motion = make_motion()
    part = motion[10:15]
    assert len(part) == 5
    np.testing.assert_array_equal(part.joints(), motion.joints()[10:15])
    np.testing.assert_array_equal(part.contacts, motion.contacts[10:15])
    with pytest.raises(FleximoError, match="at least one frame"):
        motion[5:5]


def test_resampling_up_and_down_comes_back():
    motion = make_motion(60)
    again = motion.resample(60).resample(30)
    assert again.fps == 30
    assert len(again) == len(motion)
    assert np.linalg.norm(again.joints() - motion.joints(), axis=-1).max() < 1e-3
    np.testing.assert_array_equal(again.contacts, motion.contacts)


def test_resampling_keeps_the_path_and_the_duration():
    motion = make_motion(90)
    slower = motion.resample(20)
    assert slower.seconds == pytest.approx(motion.seconds, abs=0.025)
    np.testing.assert_allclose(slower.root[:, 0], np.arange(len(slower)) / 20.0, atol=1e-6)
    assert motion.resample(30) is motion
    nearest = np.round(np.arange(len(motion.resample(25))) * 1.2).astype(int)
    np.testing.assert_array_equal(motion.resample(25).contacts, motion.contacts[np.minimum(nearest, 89)])


def test_what_is_no_rotation_is_refused():
    motion = make_motion(3)
    with pytest.raises(FleximoError, match="unit quaternions"):
        replace(motion, rotations=motion.rotations * 1.1)
    with pytest.raises(FleximoError, match=r"Motion\.contacts has the shape"):
        replace(motion, contacts=np.zeros((4, 2), bool))
    with pytest.raises(FleximoError, match=r"Motion\.rotations has the shape"):
        replace(motion, rig=Rig(("root",), np.array([-1]), np.zeros((1, 3))))


def test_positions_of_joints_and_landmarks():
    motion = make_motion(4)
    both = motion.positions("left_wrist", "nose")
    np.testing.assert_array_equal(both[:, 0], motion.joints()[:, DEFAULT_RIG.index("left_wrist")])
    head = motion.joints()[:, DEFAULT_RIG.index("head")]
    reach = np.linalg.norm(DEFAULT_RIG.landmarks["nose"][1])
    np.testing.assert_allclose(np.linalg.norm(both[:, 1] - head, axis=-1), reach, atol=1e-6)
