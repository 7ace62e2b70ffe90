"""What a take remembers: the same job again, edits that move no other frame, and values that outlive the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import FleximoError, Person
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.changes import changed_frames
from fleximo.job import blob_digest
from fleximo.moves import generate
from fleximo.plan import MotionPlan, Segment
from tests.blender.conftest import PEOPLE

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

PHOTO = PEOPLE / "anna.jpg"


@pytest.fixture
def take(addon: Any, scene: Any, anna: Person) -> Any:
    """A take with a photo, its person, a fitted camera and 30 frames of walking on an armature."""
    made = addon("takes").add_take(scene)
    made.photo = str(PHOTO)
    addon("shot").store_person(made, anna, "")
    framing = frame_photo(anna.photo_size, (288, 512), anna)
    addon("shot").store_camera(made, fit_camera(anna, framing), framing)
    motion = generate(MotionPlan((Segment("walk", 1.0),)), fps=30)
    made.armature = addon("armature").build_armature(motion.rig, "Subject", scene)
    addon("armature").key_motion(made.armature, motion, 1, "Walk")
    made.frame_start, made.frame_end = 1, 30
    return made


def job_of(addon: Any, scene: Any, take: Any) -> Any:
    """The job of the take as it is now; what is measured once is kept, as after a render."""
    motion = addon("sampling").sample_motion(scene, take.armature, take.frame_start, take.frame_end + 1)
    made = addon("shot").take_of(take, motion, addon("operators.reference").read_photo(take))()
    take.fit = addon("shot").kept_fit(made)
    return made.job()


@pytest.mark.parametrize("mode", ["bones", "paper", "off"])
def test_a_take_that_is_not_edited_gives_the_same_job(addon: Any, scene: Any, take: Any, mode: str) -> None:
    take.rescale = mode
    assert take.fit == ""
    measured = job_of(addon, scene, take)
    assert take.fit != ""
    kept = job_of(addon, scene, take)
    assert kept.digest == measured.digest
    assert kept.fps == 30 and kept.size == (288, 512) and len(kept.signal.track) == 30


def test_an_edit_of_the_first_frame_changes_no_other(addon: Any, scene: Any, take: Any) -> None:
    """The fit is measured on the first frame; once measured, it stays. Blender lets a lone key last for a frame."""
    before = job_of(addon, scene, take)
    scene.frame_set(1)
    root = take.armature.pose.bones["pelvis"]
    root.location.x += 0.3
    root.keyframe_insert("location", frame=1)
    after = job_of(addon, scene, take)
    assert np.flatnonzero(changed_frames(before.signal.track, after.signal.track)).tolist() == [0, 1]
    assert addon("shot").appearance(before) == addon("shot").appearance(after)


def test_appearance_tells_photo_seed_and_engine_but_no_motion(addon: Any, scene: Any, take: Any) -> None:
    before = addon("shot").appearance(job_of(addon, scene, take))
    take.seed = 5
    assert addon("shot").appearance(job_of(addon, scene, take)) != before


def test_what_changed_is_rendered_and_the_whole_where_that_does_not_hold(
    addon: Any, scene: Any, take: Any, tmp_path: Path
) -> None:
    before = job_of(addon, scene, take)
    before.signal.track.save(tmp_path / "track.npz")
    last_render, appearance = addon("operators.render").LastRender, addon("shot").appearance(before)
    last = last_render(tmp_path / "track.npz", appearance, "5" * 64)
    with pytest.raises(FleximoError, match="Nothing that the video model sees has changed"):
        last.change_to(job_of(addon, scene, take))
    elbow = take.armature.pose.bones["left_elbow"]
    for frame in (9, 14):
        scene.frame_set(frame)
        elbow.rotation_quaternion = (0.9, 0.0, 0.0, 0.4)
        elbow.keyframe_insert("rotation_quaternion", frame=frame)
    edited = job_of(addon, scene, take)
    changed = last.change_to(edited)
    assert (changed.window, changed.previous) == ((8, 14), "5" * 64)
    assert last_render(tmp_path / "gone.npz", appearance, "5" * 64).change_to(edited) is edited
    for kept in ("", "a digest of an earlier version", "[]"):
        old = last_render(tmp_path / "track.npz", kept, "5" * 64)
        assert old.change_to(edited) is edited and "earlier version" in old.why_full(edited)
    assert last.why_full(edited) is None
    take.seed += 1
    assert last.why_full(job_of(addon, scene, take)) == "the seed has changed"
    take.seed -= 1
    take.frame_end = 29
    shorter = job_of(addon, scene, take)
    assert last.change_to(shorter) is shorter and "number of frames" in last.why_full(shorter)


def test_what_no_longer_holds_is_forgotten(addon: Any, scene: Any, take: Any) -> None:
    job_of(addon, scene, take)
    take.rescale = "off"
    assert take.fit == "" and take.fitted_camera
    take.size = (320, 320)
    assert take.fitted_camera == "" and take.person
    with pytest.raises(FleximoError, match="Press Fit Camera"):
        job_of(addon, scene, take)
    assert bpy.ops.fleximo.fit_camera() == {"FINISHED"}
    assert addon("shot").camera_of(take)[0].size == (320, 320)
    assert job_of(addon, scene, take).size == (320, 320)
    take.photo = str(PHOTO.with_name("david.jpg"))
    assert take.person == "" and not bpy.ops.fleximo.fit_camera.poll()


def test_takes_of_one_name_keep_their_own_camera_and_picture(addon: Any, scene: Any, take: Any) -> None:
    bpy.ops.fleximo.fit_camera()
    first = take.camera
    picture = addon("camera").background_of(first)
    person = take.person
    other = addon("takes").add_take(scene)
    other.name = scene.fleximo.takes[0].name
    other.photo, other.person = str(PHOTO), person
    for _ in range(2):
        assert bpy.ops.fleximo.fit_camera() == {"FINISHED"}
    assert other.camera != first and addon("camera").background_of(first) == picture
    assert len(bpy.data.images) == 2 and scene.camera == other.camera


def test_another_photo_under_the_same_name_is_noticed(addon: Any, scene: Any, take: Any, tmp_path: Path) -> None:
    copied = tmp_path / "photo.jpg"
    copied.write_bytes(PHOTO.read_bytes())
    reference = addon("operators.reference")
    person = take.person
    take.photo = str(copied)
    take.person, take.photo_digest = person, blob_digest(PHOTO.read_bytes())
    assert reference.read_photo(take) == PHOTO.read_bytes()
    copied.write_bytes((PEOPLE / "david.jpg").read_bytes())
    with pytest.raises(FleximoError, match="another one now"):
        reference.read_photo(take)


def test_a_take_survives_saving_and_loading(addon: Any, scene: Any, take: Any, tmp_path: Path) -> None:
    before = job_of(addon, scene, take)
    path = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    addon("takes").add_take(scene)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    loaded = bpy.context.scene
    (again,) = loaded.fleximo.takes
    assert job_of(addon, loaded, again).digest == before.digest
    preferences = addon("preferences")
    assert preferences.video_folder() == tmp_path / "fleximo"
    assert preferences.stored_path(tmp_path / "fleximo" / "a.mp4").replace("\\", "/") == "//fleximo/a.mp4"


def test_a_take_of_a_later_version_is_refused_in_words(addon: Any, scene: Any, take: Any) -> None:
    job_of(addon, scene, take)
    take.fit = take.fit.replace('"turn_rad"', '"turn_of_later_days"')
    with pytest.raises(FleximoError, match="turn_of_later_days, which this version does not know"):
        job_of(addon, scene, take)


def test_a_bone_length_set_by_hand_is_the_persons(addon: Any, scene: Any, take: Any) -> None:
    before = job_of(addon, scene, take)
    assert {bone.name for bone in take.bones} >= {"upper_arm", "shin"}
    length = take.bones["forearm"].metres
    assert take.fit != ""
    take.bones["forearm"].metres = 1.3 * length
    assert take.fit == "", "the motion is laid on the person anew"
    after = job_of(addon, scene, take)
    assert after.person.bone_lengths_m["forearm"] == pytest.approx(1.3 * length)
    moved = np.abs(after.signal.track.points_px - before.signal.track.points_px).max(axis=(0, 2))
    assert moved[7] > 3.0 and moved[10] < 0.01, "the wrist moves, the ankle does not"
    addon("takes").duplicate_take(scene, scene.fleximo.takes[0], motion=False, photo=True)
    assert scene.fleximo.takes[-1].bones["forearm"].metres == pytest.approx(1.3 * length)
