"""The overlay shows of every pose what the render would be given."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from fleximo import Person
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.moves import generate
from fleximo.plan import MotionPlan, Segment
from tests.blender.conftest import PEOPLE

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


@pytest.fixture
def take(addon: Any, scene: Any, anna: Person) -> Any:
    made = addon("takes").add_take(scene)
    made.photo = str(PEOPLE / "anna.jpg")
    addon("shot").store_person(made, anna, "")
    framing = frame_photo(anna.photo_size, (288, 512), anna)
    addon("shot").store_camera(made, fit_camera(anna, framing), framing)
    motion = generate(MotionPlan((Segment("wave", 1.0), Segment("walk", 1.0))), fps=30)
    made.armature = addon("armature").build_armature(motion.rig, "Subject", scene)
    addon("armature").key_motion(made.armature, motion, 1, "Motion")
    made.frame_start, made.frame_end = 1, len(motion)
    return made


def rendered_track(addon: Any, scene: Any, take: Any) -> Any:
    motion = addon("sampling").sample_motion(scene, take.armature, take.frame_start, take.frame_end + 1)
    return addon("shot").take_of(take, motion, b"")().track()


def test_it_shows_what_the_render_is_given(addon: Any, scene: Any, take: Any) -> None:
    overlay = addon("overlay")
    addon("shot").measure(scene, take)
    track = rendered_track(addon, scene, take)
    for frame in (1, 17, take.frame_end):
        scene.frame_set(frame)
        shown = overlay.track_now(scene, take)
        body = slice(0, 18)
        assert np.abs(shown.points_px[0] - track.points_px[frame - 1])[body].max() < 0.01
        assert np.abs(shown.confidence[0] - track.confidence[frame - 1]).max() < 0.01


def test_a_pose_that_is_not_keyed_is_shown_too(addon: Any, scene: Any, take: Any) -> None:
    addon("shot").measure(scene, take)
    scene.frame_set(17)
    before = addon("overlay").track_now(scene, take).points_px[0]
    take.armature.pose.bones["left_shoulder"].rotation_quaternion = (0.7, 0.0, 0.0, 0.7)
    bpy.context.view_layer.update()
    after = addon("overlay").track_now(scene, take).points_px[0]
    moved = np.linalg.norm(after - before, axis=-1)
    names = {"left_wrist": 7, "right_wrist": 4, "right_ankle": 10}
    assert moved[names["left_wrist"]] > 5.0
    assert moved[names["right_wrist"]] < 0.01 and moved[names["right_ankle"]] < 0.01


def test_what_was_measured_for_it_is_what_the_render_measures(addon: Any, scene: Any, take: Any) -> None:
    motion = addon("sampling").sample_motion(scene, take.armature, take.frame_start, take.frame_end + 1)
    by_render = addon("shot").take_of(take, motion, b"")().fit
    addon("shot").measure(scene, take)
    assert addon("shot").fit_of(take)[0] == by_render


def test_a_pose_is_projected_quickly(addon: Any, scene: Any, take: Any) -> None:
    addon("shot").measure(scene, take)
    times = []
    for _ in range(15):
        started = time.process_time()
        addon("overlay").track_now(scene, take)
        times.append(time.process_time() - started)
    print(f"a pose for the overlay: {1e3 * min(times):.1f} ms")
    assert min(times) < 0.02
