"""Frames that are marked in the timeline, as the armature stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.blender.test_overlay import rendered_track, take  # noqa: F401

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def marked(addon: Any, shot: Any, kind: str) -> list[tuple[int, int]]:
    return [(band.start, band.stop) for band in addon("timeline_marks").bands(shot) if band.kind == kind]


def raise_arm(shot: Any, frames: range) -> None:
    bone = shot.armature.pose.bones["left_shoulder"]
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        bone.rotation_quaternion = (0.5, 0.0, 0.0, 0.8)
        bone.keyframe_insert("rotation_quaternion", frame=frame)


def test_changed_frames_are_marked_at_the_scenes_frames(
    addon: Any,
    scene: Any,
    take: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    addon("shot").measure(scene, take)
    saved = tmp_path / "track.npz"
    saved.write_bytes(rendered_track(addon, scene, take).to_bytes())
    take.track = str(saved)
    assert bpy.ops.fleximo.check_frames() == {"FINISHED"}
    assert marked(addon, take, "changed") == []
    raise_arm(take, range(20, 24))
    assert bpy.ops.fleximo.check_frames() == {"FINISHED"}
    ((start, stop),) = marked(addon, take, "changed")
    assert start <= 20 and stop >= 24 and stop - start <= 6
    told = dict(addon("timeline_marks").told(take))
    assert f"from {start} on" in told["changed"]
    take.track = str(tmp_path / "gone.npz")
    bpy.ops.fleximo.check_frames()
    assert marked(addon, take, "changed") == [], "nothing to compare with"


def test_who_leaves_the_picture_is_marked(addon: Any, scene: Any, take: Any) -> None:  # noqa: F811
    addon("shot").measure(scene, take)
    bpy.ops.fleximo.check_frames()
    before = marked(addon, take, "outside")
    hips = take.armature.pose.bones["pelvis"]
    scene.frame_set(take.frame_end)
    hips.location = hips.location + type(hips.location)((4.0, 0.0, 0.0))
    hips.keyframe_insert("location", frame=take.frame_end)
    bpy.ops.fleximo.check_frames()
    after = marked(addon, take, "outside")
    assert after != before and after[-1] == (take.frame_end, take.frame_end + 1)


def test_marks_that_cannot_be_read_are_not_drawn(addon: Any, scene: Any) -> None:
    shot = addon("takes").add_take(scene)
    for broken in ("", "{", json.dumps({"start": 1}), json.dumps([1])):
        shot.marks = broken
        assert addon("timeline_marks").bands(shot) == []
    assert addon("timeline_marks").bands(None) == []


def test_bands_are_rectangles_over_their_frames(addon: Any) -> None:
    marks = addon("timeline_marks")

    class Region:
        width = 100

        class view2d:
            @staticmethod
            def view_to_region(x: float, y: float, clip: bool) -> tuple[float, float]:
                return 2.0 * x, y

    bands = [marks.Band("changed", 10, 20), marks.Band("changed", 300, 310)]
    corners, triangles = marks._rectangles(bands, Region, 7.0, 5.0, 0.5)
    assert corners == [(19.0, 7.0), (39.0, 7.0), (39.0, 12.0), (19.0, 12.0)]
    assert triangles == [(0, 1, 2), (0, 2, 3)]


def test_rows_stay_below_the_ruler_and_the_names_of_markers(addon: Any) -> None:
    marks = addon("timeline_marks")
    assert marks._heights(False, 1, 2.0) == [10.0]
    assert marks._heights(True, 1, 1.0) == [7.0, 5.0]
    for rows in (marks._heights(True, 3, 1.0), marks._heights(False, 3, 1.0)):
        assert sum(rows) + len(rows) * marks._GAP_PX <= marks._ROOM_PX + 1e-9 and min(rows) >= 2.4
