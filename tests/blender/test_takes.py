"""Many takes in one scene: shared motions, shared photos, and what each may touch of the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo.client import Client
from tests.blender.conftest import PEOPLE

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


@pytest.fixture
def folders(addon: Any, server: Path, tmp_path: Path) -> Iterator[Path]:
    chosen = addon("preferences").preferences()
    chosen.data_folder, chosen.video_folder = str(server), str(tmp_path / "videos")
    yield tmp_path / "videos"
    chosen.data_folder = chosen.video_folder = ""


def keys_of(addon: Any, armature: Any) -> Any:
    """All keys of the armature's motion, in one array."""
    curves = addon("compat").channels_in(addon("edit_layer").base_action(armature)).fcurves
    return np.concatenate([np.array([point.co for point in curve.keyframe_points]).ravel() for curve in curves])


@pytest.mark.timeout(240)
def test_two_motions_and_three_photos_are_six_takes_and_three_detections(
    addon: Any, scene: Any, server: Path, folders: Path
) -> None:
    client = Client.from_data_folder(server)
    before = sum(job.kind == "detect" for job in client.jobs())
    takes = scene.fleximo.takes
    people = ("anna", "david", "kenji")
    for number, text in enumerate(("a woman waves", "a man bows")):
        if number:
            scene.fleximo.active = 0
            bpy.ops.fleximo.duplicate_take(keep="photo")
            assert takes[-1].armature is None and takes[-1].person
        bpy.ops.fleximo.generate_motion(text=text)
        first = scene.fleximo.active
        keys = keys_of(addon, takes[first].armature)
        for person in people:
            if person != people[0]:
                scene.fleximo.active = first
                bpy.ops.fleximo.duplicate_take(keep="motion")
                assert not takes[-1].photo and takes[-1].armature == takes[first].armature
            take = takes[scene.fleximo.active]
            take.name = f"{person} {text}"
            take.size = (144, 256)
            take.frame_end = take.frame_start + 5
            bpy.ops.fleximo.set_reference(filepath=str(PEOPLE / f"{person}.jpg"))
            if not take.person:
                bpy.ops.fleximo.detect_pose()
            assert bpy.ops.fleximo.render() == {"FINISHED"}
            assert (keys_of(addon, take.armature) == keys).all(), "no key is touched"
    assert len(takes) == 6
    assert sum(job.kind == "detect" for job in client.jobs()) - before == 3
    armatures = {take.armature.name for take in takes}
    assert len(armatures) == 2
    lengths = {take.name: addon("shot").fit_of(take)[0].bone_lengths_m for take in takes}
    assert lengths["anna a woman waves"] == lengths["anna a man bows"] != lengths["david a man bows"]
    strips = addon("compat").strips_of(scene)
    assert {strip.name for strip in strips} == {take.name for take in takes}
    assert not any(strip.mute for strip in strips)


def test_the_active_take_alone_is_seen(addon: Any, scene: Any, folders: Path) -> None:
    bpy.ops.fleximo.generate_motion(text="a woman waves")
    bpy.ops.fleximo.duplicate_take(keep="photo")
    bpy.ops.fleximo.generate_motion(text="a man bows")
    first, second = (take.armature for take in scene.fleximo.takes)
    assert first != second
    scene.fleximo.active = 0
    assert first.visible_get() and not second.visible_get()
    scene.fleximo.active = 1
    assert second.visible_get() and not first.visible_get()
    bpy.ops.fleximo.duplicate_take(keep="all")
    assert second.visible_get()
    assert [take.name for take in scene.fleximo.takes] == ["Take 1", "Take 2", "Take 3"]


def test_a_removed_take_leaves_the_others(addon: Any, scene: Any) -> None:
    assert not bpy.ops.fleximo.remove_take.poll() and not bpy.ops.fleximo.duplicate_take.poll()
    for _ in range(3):
        bpy.ops.fleximo.add_take()
    uids = [take.uid for take in scene.fleximo.takes]
    assert len(set(uids)) == 3
    scene.fleximo.active = 1
    bpy.ops.fleximo.remove_take()
    assert [take.uid for take in scene.fleximo.takes] == [uids[0], uids[2]]
    assert scene.fleximo.active == 1
    bpy.ops.fleximo.remove_take()
    assert scene.fleximo.active == 0
    bpy.ops.fleximo.remove_take()
    assert addon("takes").active_take(scene) is None
