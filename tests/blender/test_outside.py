"""What Blender's own tools do to takes: scenes copied or looked away from, objects and actions deleted, odd names."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import FleximoError, Person
from fleximo.errors import Cancelled
from fleximo.job import blob_digest
from fleximo.moves import generate
from fleximo.plan import MotionPlan, Segment
from tests.blender.conftest import PEOPLE

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

PHOTO = PEOPLE / "anna.jpg"


@pytest.fixture
def take(addon: Any, scene: Any) -> Any:
    """A take with a short motion on an armature."""
    bpy.ops.fleximo.generate_motion(text="a man waves for 1 second")
    return scene.fleximo.takes[0]


@pytest.fixture
def shown(scene: Any) -> Iterator[Any]:
    """Another scene, which the user looks at."""
    other = bpy.data.scenes.new("Other")
    bpy.context.window.scene = other
    yield other
    if scene in bpy.data.scenes.values():
        bpy.context.window.scene = scene


def walk() -> Any:
    return generate(MotionPlan((Segment("walk", 1.0),)), fps=30)


def delete(thing: Any) -> None:
    """As the key X does."""
    bpy.ops.object.select_all(action="DESELECT")
    thing.select_set(True)
    bpy.ops.object.delete()


@pytest.mark.parametrize("kind", ["LINK_COPY", "FULL_COPY"])
def test_a_copied_scenes_take_is_its_own(addon: Any, scene: Any, take: Any, kind: str) -> None:
    first, last = take.uid, take.frame_end
    take.order = '{"waited": "for"}'
    bpy.ops.scene.new(type=kind)
    copy = bpy.context.scene
    scene.name, copy.name = "Z", "A"  # the order of names does not tell which one is the copy
    bpy.ops.fleximo.generate_motion(text="a man waves for 2 seconds")
    assert copy.fleximo.takes[0].frame_end == 60 and copy.fleximo.takes[0].order == ""
    kept = scene.fleximo.takes[0]
    assert (kept.frame_end, kept.uid, kept.order) == (last, first, '{"waited": "for"}')


def test_a_deleted_armature_is_let_go(addon: Any, scene: Any, take: Any) -> None:
    bpy.ops.fleximo.duplicate_take(keep="photo")
    scene.fleximo.active = 0
    delete(scene.fleximo.takes[0].armature)
    assert scene.fleximo.takes[0].armature is None
    scene.fleximo.active = 1
    scene.fleximo.active = 0
    assert not bpy.ops.fleximo.snap_ik.poll() and not bpy.ops.fleximo.key_hands.poll()
    bpy.ops.fleximo.generate_motion(text="a man bows")
    assert scene.fleximo.takes[0].armature.name in scene.objects


def test_an_armature_in_an_excluded_collection_hinders_no_other_take(addon: Any, scene: Any, take: Any) -> None:
    aside = bpy.data.collections.new("Aside")
    scene.collection.children.link(aside)
    aside.objects.link(take.armature)
    scene.collection.objects.unlink(take.armature)
    scene.view_layers[0].layer_collection.children["Aside"].exclude = True
    bpy.ops.fleximo.add_take()
    addon("takes").show_only(scene)
    assert scene.fleximo.takes[0].armature is not None


def test_previews_whose_armature_was_deleted_can_only_be_rejected(addon: Any, scene: Any, take: Any) -> None:
    bpy.ops.fleximo.generate_motion(preview=True)
    delete(take.armature)
    for operator in (bpy.ops.fleximo.accept_motion, bpy.ops.fleximo.flip_preview):
        with pytest.raises(RuntimeError, match=r"deleted meanwhile\. Undo"):
            operator()
    assert bpy.ops.fleximo.reject_motion() == {"FINISHED"}


def test_rejecting_brings_the_former_armature_back_though_the_new_one_was_deleted(
    addon: Any, scene: Any, take: Any
) -> None:
    former = take.armature
    former.data.bones["left_wrist"].name = "mine"  # no longer the motion's body
    bpy.ops.fleximo.generate_motion(text="a man bows", preview=True)
    take = scene.fleximo.takes[0]
    assert take.armature != former
    delete(take.armature)
    bpy.ops.fleximo.reject_motion()
    assert scene.fleximo.takes[0].armature == former


def test_an_armature_deleted_while_a_motion_lands_is_told(addon: Any, scene: Any, take: Any) -> None:
    steps = addon("landing").landing_steps(take.uid, walk())
    next(steps)
    actions = len(bpy.data.actions)
    bpy.data.objects.remove(take.armature)
    with pytest.raises(FleximoError, match="deleted meanwhile"):
        list(steps)
    assert len(bpy.data.actions) < actions


def test_a_motion_lands_in_a_scene_that_is_not_looked_at(addon: Any, scene: Any, take: Any, shown: Any) -> None:
    made = addon("takes").add_take(scene)
    for _ in addon("landing").landing_steps(made.uid, walk()):
        pass
    made = addon("takes").find_take(made.uid)[1]
    assert made.armature.name in scene.objects and made.armature.name not in shown.objects
    assert scene.fleximo.takes[0].armature.hide_get(view_layer=scene.view_layers[0])


def test_a_scene_that_is_not_looked_at_is_sampled_alike(addon: Any, scene: Any, take: Any) -> None:
    sample = addon("sampling").sample_motion
    seen = sample(scene, take.armature, 1, 30)
    bpy.context.window.scene = bpy.data.scenes.new("Other")
    unseen = sample(scene, take.armature, 1, 30)
    bpy.context.window.scene = scene
    assert np.array_equal(seen.rotations, unseen.rotations) and np.ptp(seen.rotations, axis=0).max() > 0.1


def test_keys_whose_base_action_was_deleted_are_not_worked_on(addon: Any, scene: Any, take: Any) -> None:
    assert bpy.ops.fleximo.reduce_keys.poll()
    bpy.data.actions.remove(addon("edit_layer").base_action(take.armature))
    for name in ("reduce_keys", "snap_ik", "snap_fk", "adjust_motion"):
        assert not getattr(bpy.ops.fleximo, name).poll()


def test_a_photo_moved_away_is_told_with_what_to_do(addon: Any, scene: Any, take: Any, tmp_path: Path) -> None:
    for missing in (str(tmp_path / "away.jpg"), str(tmp_path), "//away.jpg"):
        take.photo = missing
        for operator in (bpy.ops.fleximo.detect_pose, bpy.ops.fleximo.place_points):
            with pytest.raises(RuntimeError, match="Put it back, or choose the photo again"):
                operator()


@pytest.mark.parametrize("name", ["日本" * 100, "", "..", "Bär/ü\\:*?\n"])
def test_a_take_of_any_name_is_rendered(
    addon: Any, scene: Any, take: Any, anna: Person, server: Path, tmp_path: Path, name: str
) -> None:
    chosen = addon("preferences").preferences()
    chosen.data_folder, chosen.video_folder = str(server), str(tmp_path)
    addon("shot").store_person(take, anna, blob_digest(PHOTO.read_bytes()))
    take["photo"], take.size, take.frame_end, take.name = str(PHOTO), (144, 256), take.frame_start + 1, name
    bpy.ops.fleximo.fit_camera()
    assert bpy.ops.fleximo.render() == {"FINISHED"}
    video = Path(scene.fleximo.takes[0].video)
    assert video.is_file() and video.parent == tmp_path and len(video.name.encode()) < 200


@pytest.fixture
def linked(addon: Any, scene: Any, take: Any, tmp_path: Path) -> Any:
    """An armature with a motion, linked from another file, as the armature of the only take of a new file."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "other.blend"), link=True) as (_, chosen):
        chosen.objects = ["Take 1"]
    armature = chosen.objects[0]
    bpy.context.scene.collection.objects.link(armature)
    bpy.ops.fleximo.add_take()
    bpy.context.scene.fleximo.takes[0].armature = armature
    return armature


def test_a_linked_armature_is_left_alone(addon: Any, linked: Any) -> None:
    """What would be keyed on it would be gone when the file is opened again."""
    take = bpy.context.scene.fleximo.takes[0]
    take.character = linked
    for name in ("key_hands", "key_pose", "snap_ik", "reduce_keys", "map_rig", "bake_to_rig"):
        assert not getattr(bpy.ops.fleximo, name).poll()
    assert bpy.ops.fleximo.generate_motion(text="a man bows") == {"FINISHED"}
    made = bpy.context.scene.fleximo.takes[0].armature
    assert made != linked and made.library is None


def test_an_overridden_armature_whose_keys_are_linked_takes_no_keys_by_hand(addon: Any, linked: Any) -> None:
    own = linked.override_create(remap_local_usages=True)
    if own.name not in bpy.context.scene.collection.objects:
        bpy.context.scene.collection.objects.link(own)
    take = bpy.context.scene.fleximo.takes[0]
    take.armature = own
    assert "make its action local" in addon("edit_layer").why_fixed(own)
    assert not bpy.ops.fleximo.key_hands.poll()
    own.animation_data.action.make_local()
    assert bpy.ops.fleximo.key_hands(shape="fist") == {"FINISHED"}
    with pytest.raises(RuntimeError, match=r"linked from another file\. Make the armature's data local"):
        bpy.ops.fleximo.snap_ik()


def test_controls_are_not_added_to_an_armature_out_of_sight(addon: Any, scene: Any, take: Any) -> None:
    aside = bpy.data.collections.new("Aside")
    scene.collection.children.link(aside)
    aside.objects.link(take.armature)
    scene.collection.objects.unlink(take.armature)
    scene.view_layers[0].layer_collection.children["Aside"].exclude = True
    with pytest.raises(RuntimeError, match="not in the view layer that is shown"):
        bpy.ops.fleximo.snap_ik()


def test_keys_undone_while_they_land_are_told(addon: Any, scene: Any, take: Any) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.fleximo.add_take()
    bpy.ops.ed.undo_push(message="after")
    steps = addon("landing").landing_steps(bpy.context.scene.fleximo.takes[0].uid, walk())
    for _ in range(9):
        next(steps)
    bpy.ops.ed.undo()
    with pytest.raises(FleximoError, match="undone, deleted or renamed meanwhile"):
        list(steps)


def test_a_cancel_is_heard_though_the_server_has_gone(
    addon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, session = addon("remote.waiting"), addon("session")
    monkeypatch.setattr(waiting, "_CANCEL_S", 0.0)
    task = session.Task("render", "Rendering", None, str)
    steps = waiting.ended(tmp_path, "job", session.Report(task, queue.SimpleQueue()), 1.0)
    next(steps)
    task.stop.set()
    with pytest.raises(Cancelled):
        list(steps)
