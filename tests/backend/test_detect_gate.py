"""The photo gate by geometry alone, the sign of the yaw, missing models, and the silence of native code."""

from __future__ import annotations

import importlib.machinery
import os
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.models.detect import gate, mediapipe_models
from backend.models.detect.face_points import FACE_68_OF_MESH, MIRRORED_68
from backend.models.detect.mediapipe_detector import yaw_of
from backend.models.detect.quiet import native_logs_silenced
from fleximo.errors import FleximoError
from fleximo.layouts import OPENPOSE_18
from fleximo.person import Person
from tests.backend.test_detect import body_of, truth_of


def person(**changes: object) -> Person:
    points, confidence = np.zeros((128, 2)), np.zeros(128)
    points[:18], confidence[:18] = body_of("anna"), 1.0
    whole = Person(points_px=points, confidence=confidence, photo_size=(576, 1024), mask=np.ones((1024, 576), bool))
    return replace(whole, **changes)


def moved(**places: tuple[float, float]) -> np.ndarray:
    points = np.array(person().points_px)
    for name, place in places.items():
        points[OPENPOSE_18.index(name)] = place
    return points


def hidden(*names: str) -> np.ndarray:
    confidence = np.array(person().confidence)
    confidence[[OPENPOSE_18.index(name) for name in names]] = 0.0
    return confidence


def codes(found: Person) -> list[str]:
    assert all(notice.message.endswith(".") and notice.remedy.endswith(".") for notice in found.notices)
    return [notice.code for notice in found.notices]


def test_a_good_photo_gives_no_notice() -> None:
    assert codes(gate.with_notices(person())) == []


@pytest.mark.parametrize(
    ("yaw", "expected"),
    [(0, []), (39, []), (-39, []), (41, ["turned"]), (-90, ["turned"]), (121, ["back_view"]), (-179, ["back_view"])],
)
def test_facing(yaw: float, expected: list[str]) -> None:
    found = gate.with_notices(person(yaw_degrees=yaw))
    assert codes(found) == expected
    if expected == ["turned"]:
        assert ("picture's right" if yaw > 0 else "picture's left") in found.notices[0].message


@pytest.mark.parametrize(
    ("unseen", "named", "unnamed"),
    [
        (("left_wrist",), ["left hand"], ["right", "leg", "left arm"]),
        (("left_elbow", "left_wrist"), ["left arm"], ["right", "hand"]),
        (("right_ankle",), ["right foot"], ["left", "leg", "arm"]),
        (("left_knee", "left_ankle", "right_knee", "right_ankle"), ["left leg", "right leg"], ["arm", "head"]),
        (("nose", "left_ear", "right_ear"), ["head"], ["arm", "leg"]),
    ],
)
def test_limbs_out_of_the_frame_are_named(unseen: tuple[str, ...], named: list[str], unnamed: list[str]) -> None:
    found = gate.with_notices(person(confidence=hidden(*unseen)))
    assert codes(found) == ["limb_out_of_frame"]
    assert all(part in found.notices[0].message for part in named)
    assert not any(part in found.notices[0].message for part in unnamed)
    assert ("legs are held" in found.notices[0].remedy) == ({"left_ankle", "right_ankle"} <= set(unseen))


def test_arms_over_the_torso() -> None:
    left = {"left_wrist": (300.0, 400.0)}
    right = {"right_wrist": (280.0, 420.0)}
    assert codes(gate.with_notices(person(points_px=moved(**left)))) == ["arm_overlaps_torso"]
    both = gate.with_notices(person(points_px=moved(**left, **right)))
    assert codes(both) == ["arm_overlaps_torso"] and "Both arms" in both.notices[0].message
    only = gate.with_notices(person(points_px=moved(**right)))
    assert "right arm" in only.notices[0].message and "mirrored" in only.notices[0].remedy
    unseen = person(points_px=moved(**left), confidence=hidden("left_wrist"))
    assert codes(gate.with_notices(unseen)) == ["limb_out_of_frame"]
    raised = moved(left_elbow=(420.0, 200.0), left_wrist=(430.0, 90.0))
    assert codes(gate.with_notices(person(points_px=raised))) == []


def test_small_lying_and_several() -> None:
    assert codes(gate.with_notices(person(points_px=person().points_px * 0.5))) == ["small_person"]
    turned = np.stack([1024 - person().points_px[:, 1], person().points_px[:, 0]], axis=1)
    assert codes(gate.with_notices(person(points_px=turned))) == ["not_upright"]
    crowd = gate.with_notices(person(yaw_degrees=60.0), people=3, chosen=1)
    assert codes(crowd) == ["several_people", "turned"]
    assert "3 people" in crowd.notices[0].message and "number 1" in crowd.notices[0].message


@pytest.mark.parametrize("degrees", [-170, -120, -60, -10, 0, 30, 90, 150])
@pytest.mark.parametrize("lean", [0, 70, 178])
def test_yaw_of_a_turned_body(degrees: float, lean: float) -> None:
    """Positive turns her front, so her nose, to the picture's right; leaning within the picture changes nothing."""
    truth = np.array(truth_of("anna")["openpose18"]["xyz_m"])
    truth = truth - (truth[8] + truth[11]) / 2.0
    yaw, roll = np.radians(degrees), np.radians(lean)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    body = truth @ turn.T
    if 10 < abs(degrees) < 170:
        nose, neck = OPENPOSE_18.index("nose"), OPENPOSE_18.index("neck")
        assert np.sign(body[nose, 0] - body[neck, 0]) == np.sign(degrees)
    assert yaw_of(body) == pytest.approx(degrees, abs=3.0)
    if degrees == 0:
        assert yaw_of(body @ tilt.T) == pytest.approx(0.0, abs=3.0)


def test_the_face_map_is_68_different_vertices_and_its_mirror_an_involution() -> None:
    assert FACE_68_OF_MESH.shape == MIRRORED_68.shape == (68,)
    assert len(set(FACE_68_OF_MESH.tolist())) == 68
    assert FACE_68_OF_MESH.min() >= 0 and FACE_68_OF_MESH.max() < 468
    assert np.array_equal(MIRRORED_68[MIRRORED_68], np.arange(68))


class _Version(tuple):
    """A `sys.version_info` of another Python."""

    major, minor = property(lambda self: self[0]), property(lambda self: self[1])


@pytest.fixture
def unloaded() -> Iterator[None]:
    mediapipe_models.release()
    yield
    mediapipe_models.release()


def test_a_python_that_mediapipe_does_not_know(monkeypatch: pytest.MonkeyPatch, unloaded: None) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setattr(sys, "version_info", _Version((3, 13, 1)))
    with pytest.raises(FleximoError, match=r"3\.12") as caught:
        mediapipe_models.look(np.zeros((64, 64, 3), np.uint8))
    assert caught.value.code == "detector_unavailable"
    assert "--points" in caught.value.remedy


def test_mediapipe_not_installed(monkeypatch: pytest.MonkeyPatch, unloaded: None) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(FleximoError, match=r"pip install mediapipe==0\.10\.21") as caught:
        mediapipe_models.look(np.zeros((64, 64, 3), np.uint8))
    assert "--points" in caught.value.remedy


def test_a_mediapipe_without_models(monkeypatch: pytest.MonkeyPatch, unloaded: None, tmp_path: Path) -> None:
    newer = types.ModuleType("mediapipe")
    newer.__file__, newer.__version__ = str(tmp_path / "__init__.py"), "0.10.35"
    monkeypatch.setitem(sys.modules, "mediapipe", newer)
    with pytest.raises(FleximoError, match=r"MediaPipe 0\.10\.35 does not carry .* 0\.10\.21 does") as caught:
        mediapipe_models.look(np.zeros((64, 64, 3), np.uint8))
    assert "--points" in caught.value.remedy


def test_a_missing_system_library(monkeypatch: pytest.MonkeyPatch, unloaded: None) -> None:
    class Broken:
        """Finds mediapipe and fails to load it as the dynamic loader does."""

        def find_spec(self, name: str, path: object = None, target: object = None) -> object:
            return importlib.machinery.ModuleSpec(name, self) if name == "mediapipe" else None

        def create_module(self, spec: object) -> None:
            return None

        def exec_module(self, module: object) -> None:
            raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.delitem(sys.modules, "mediapipe", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(FleximoError, match=r"libGL\.so\.1.*apt install libgl1") as caught:
        mediapipe_models.look(np.zeros((64, 64, 3), np.uint8))
    assert caught.value.code == "detector_unavailable"


def test_chatter_is_held_back_and_the_rest_passes(capfd: pytest.CaptureFixture[str]) -> None:
    with native_logs_silenced():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        with native_logs_silenced():
            os.write(2, b"W0000 00:00:1795346812.300705    7309 inference_feedback_manager.cc:114] Feedback\n")
        os.write(2, b"E0000 00:00:1795346812.300705    7309 graph.cc:1] it broke\n")
        os.write(2, b"another thread says\n")
    os.write(2, b"afterwards\n")
    heard = capfd.readouterr().err
    assert "Created" not in heard and "Feedback" not in heard
    assert [line.split()[-1] for line in heard.splitlines()] == ["broke", "says", "afterwards"]


def test_an_error_inside_silence_arrives_with_the_descriptor_restored(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="inside"), native_logs_silenced():
        raise ValueError("inside")
    os.write(2, b"I0000 still here\n")
    assert capfd.readouterr().err == "I0000 still here\n"
