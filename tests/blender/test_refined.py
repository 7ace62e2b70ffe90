"""A refined render of a take: its price before, its gain behind; and a change in two places of it, in one render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.test_journey import ANNA, FIRST, decoded, folders, our_strips, turn_by_hand

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

__all__ = ["folders"]  # the fixture
COUNT = 24


@pytest.fixture
def take(addon: Any, scene: Any, folders: Path) -> Any:
    bpy.ops.fleximo.add_take()
    take = scene.fleximo.takes[0]
    take.frame_start = FIRST
    bpy.ops.fleximo.generate_motion(text="a woman waves her right hand", seed=3)
    take.frame_end = FIRST + COUNT - 1
    bpy.ops.fleximo.set_reference(filepath=str(ANNA))
    take.size = (144, 256)
    bpy.ops.fleximo.detect_pose()
    return take


@pytest.mark.timeout(180)
def test_a_refined_render_tells_its_gain_and_two_edits_are_rendered_at_once(addon: Any, scene: Any, take: Any) -> None:
    live = addon("properties").live()
    take.refine = True
    assert bpy.ops.fleximo.render() == {"FINISHED"}
    assert "torso lengths" in take.refinement and take.refinement in live.message
    assert f"{COUNT} frames rendered" in live.message
    (strip,) = our_strips(addon, scene)
    assert addon("sequencer").provenance_of(strip)["refinement"] == take.refinement

    first, told = decoded(take.master), take.refinement
    for frames in ({7: 0.5, 8: 0.5}, {22: 0.6, 23: 0.6}):
        turn_by_hand(take.armature, "left_elbow", frames, (1, 0, 0))
    bpy.ops.fleximo.check_frames()
    marks = [band for band in addon("timeline_marks").bands(take) if band.kind == "changed"]
    assert [(band.start, band.stop) for band in marks] == [(7, 9), (22, 24)]
    assert ("changed", "4 frames changed since the last render, in 2 places, from 7 on") in addon(
        "timeline_marks"
    ).told(take)
    assert bpy.ops.fleximo.render_changed() == {"FINISHED"}
    assert live.message.startswith(f"4 of {COUNT} frames rendered")
    second = decoded(take.master)
    changed = np.flatnonzero((first != second).any(axis=(1, 2, 3))) + FIRST
    assert changed.tolist() == [7, 8, 22, 23], "each frame between the edits is the former render's, byte by byte"
    assert take.refinement == told, "what stays was refined"

    take.refine = False
    assert bpy.ops.fleximo.render() == {"FINISHED"}
    assert take.refinement == "" and "torso" not in live.message


def test_the_price_is_told_before(addon: Any, installed: str) -> None:
    pace = addon("pace")
    pace._path().unlink(missing_ok=True)
    pace.forget()
    assert pace.sentence("draft", "", (100, 100), 50, refine=True).startswith("50 frames, rendered twice; how long")
    pace.remember("draft", "", (100, 100), 50, 10.0)
    assert "rendered twice, about 20 s" in pace.sentence("draft", "", (100, 100), 50, refine=True)
    pace._path().unlink()
    pace.forget()
    report = {"refinement": [{}], "notices": [{"code": "refined", "message": "Better."}]}
    told = addon("remote.renders")._of_report(report, 24)
    assert told == (48, "Better. 24 frames rendered:"), "both renders took the time"
