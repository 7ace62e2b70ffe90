"""Files saved by earlier versions open in this one, and files of newer ones say so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.conftest import PEOPLE, ROOT
from tests.blender.test_edit_layer import sampled
from tests.blender.test_journey import folders, our_strips

__all__ = ["folders"]

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

SAVED = sorted((ROOT / "tests" / "data" / "blender").glob("takes_*.blend"))  # made by `make_saved`, one for each format


@pytest.fixture(params=SAVED, ids=lambda path: path.stem)
def opened(addon: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """The scene of a file of an earlier version, beside its photo."""
    shutil.copy(PEOPLE / "anna.jpg", tmp_path)
    path = shutil.copy(request.param, tmp_path)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return bpy.context.scene


def test_there_is_a_file_of_each_format(addon: Any) -> None:
    assert [int(path.stem.partition("_")[2]) for path in SAVED] == list(range(1, addon("takes").FORMAT + 1))


def test_an_earlier_file_holds_all_that_it_held(addon: Any, opened: Any) -> None:
    assert [take.name for take in opened.fleximo.takes] == ["Take 1", "Take 2"]
    take = opened.fleximo.takes[0]
    assert (take.text, take.seed, tuple(take.size)) == ("a man waves, then bows", 5, (64, 96))
    assert addon("plan_list").has_plan(take) and [row.move for row in take.segments] == ["wave", "bow"]
    assert json.loads(take.made_by)["model"] == "moves"
    assert addon("shot").person_of(take).stature_m > 1.0 and len(take.bones) > 5
    assert addon("shot").camera_of(take)[0].size == (64, 96) and take.camera == opened.camera
    layer = addon("edit_layer")
    assert layer.base_action(take.armature) and layer.edits_action(take.armature)
    motion = sampled(addon, opened, take)
    assert len(motion) == 40 and np.abs(np.diff(motion.rotations, axis=0)).max() > 0.01
    elbow = motion.rig.index("left_elbow")
    assert np.linalg.norm(motion.rotations[19, elbow, 1:]) > 0.3, "the key by hand"
    (strip,) = our_strips(addon, opened)
    assert addon("sequencer").provenance_of(strip)["take"] == take.uid
    assert not addon("properties").live().error


@pytest.mark.timeout(120)
def test_work_goes_on_in_it(addon: Any, folders: Path, opened: Any) -> None:
    take = opened.fleximo.takes[0]
    assert bpy.ops.fleximo.render() == {"FINISHED"}
    assert take.rendered_frames == 40 and Path(bpy.path.abspath(take.video)).is_file()
    assert bpy.ops.fleximo.regenerate_segment(number=0) == {"FINISHED"}
    assert bpy.ops.fleximo.generate_motion(text="a man squats") == {"FINISHED"}
    assert bpy.ops.fleximo.detect_pose() == {"FINISHED"}


def test_a_file_of_a_newer_version_says_so(addon: Any, scene: Any, tmp_path: Path) -> None:
    addon("takes").add_take(scene)
    scene.fleximo.format += 1
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "newer.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    assert not addon("properties").live().error
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "newer.blend"))
    assert "newer Fleximo" in addon("properties").live().error
    assert bpy.context.scene.fleximo.takes[0].name == "Take 1"
    addon("properties").live().error = ""
