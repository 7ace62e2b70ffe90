"""Points placed by hand over the photo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import Person
from tests.blender.conftest import PEOPLE

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


@pytest.fixture
def take(addon: Any, scene: Any, server: Path) -> Iterator[Any]:
    chosen = addon("preferences").preferences()
    chosen.data_folder = str(server)
    assert not bpy.ops.fleximo.place_points.poll()
    bpy.ops.fleximo.set_reference(filepath=str(PEOPLE / "anna.jpg"))
    yield scene.fleximo.takes[0]
    chosen.data_folder = ""


def drag(addon: Any, scene: Any, take: Any, truth: dict[str, Any]) -> None:
    """Moves every handle to its true place in the view, as a hand does: at its own depth."""
    points = addon("points")
    camera, framing = points.view_of(take)
    places = np.array([truth[name] for name in points.OPENPOSE_18.names], dtype=float)
    points.place_handles(scene, take, camera, framing, places)


def test_handles_start_as_a_figure_in_the_photo_and_become_a_person(addon: Any, scene: Any, take: Any) -> None:
    assert bpy.ops.fleximo.place_points() == {"FINISHED"}
    handles = addon("points").handles_of(take)
    assert len(handles) == 18 and handles["left_wrist"].name == "wrist.L" and handles["right_eye"].name == "eye.R"
    camera, framing = addon("points").view_of(take)
    placed = addon("points").photo_points(take, camera, framing)
    width, height = framing.photo_size
    for x, y in placed.values():
        assert 0 < x < width and 0 < y < height
    assert placed["nose"][1] < placed["left_hip"][1] < placed["left_ankle"][1]
    assert placed["left_wrist"][0] > placed["right_wrist"][0], "her left is on the right of the picture"
    truth = dict(
        zip(addon("points").OPENPOSE_18.names, json.loads((PEOPLE / "anna.json").read_text())["openpose18"]["xy"])
    )
    drag(addon, scene, take, truth)
    handles = addon("points").handles_of(take)
    handles["left_ear"].hide_set(True)
    assert bpy.ops.fleximo.detect_pose(by_points=True) == {"FINISHED"}
    person: Person = addon("shot").person_of(take)
    names = addon("points").OPENPOSE_18.names
    assert person.body_confidence[names.index("left_ear")] == 0.0
    seen = person.body_confidence > 0
    gap = np.linalg.norm(person.body_px - np.array([truth[name] for name in names]), axis=-1)[seen]
    assert gap.max() < 0.5
    assert take.fitted_camera and not addon("points").handles_of(take)


def test_found_points_are_where_the_handles_start(addon: Any, scene: Any, take: Any) -> None:
    bpy.ops.fleximo.detect_pose()
    found = addon("shot").person_of(take)
    bpy.ops.fleximo.place_points()
    placed = addon("points").photo_points(take, *addon("points").view_of(take))
    assert np.abs(np.array(placed["left_wrist"]) - found.body_px[7]).max() < 0.05


def test_using_points_that_are_not_there_is_refused(addon: Any, scene: Any, take: Any) -> None:
    with pytest.raises(RuntimeError, match="Place Points"):
        bpy.ops.fleximo.detect_pose(by_points=True)


def test_stature_and_lens_are_told_to_detection(addon: Any, scene: Any, take: Any) -> None:
    take.stature_m, take.lens_degrees = 1.5, 50.0
    bpy.ops.fleximo.detect_pose()
    person = addon("shot").person_of(take)
    assert person.stature_m == pytest.approx(1.5) and person.lens_degrees == pytest.approx(50.0)
    camera, _ = addon("shot").camera_of(take)
    longer = max(camera.size)
    assert 2 * np.degrees(np.arctan(longer / 2 / camera.K[0, 0])) == pytest.approx(50.0, abs=3.0)
