"""Movie strips: at the right frames, counted, on a free channel, former versions kept muted."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fleximo import FleximoError

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of 23 frames at 15 frames per second."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(15))
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        for n in range(23):
            frame = av.VideoFrame.from_ndarray(np.full((96, 64, 3), 10 * n, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def insert(addon: Any, scene: Any, path: Path, start: int = 12, frames: int = 23, take: str = "one") -> Any:
    return addon("sequencer").insert_video(
        scene, path, start=start, frames=frames, name="Take", provenance={"take": take, "job": "j"}
    )


@pytest.mark.parametrize("fps", [15, 24, 30])
def test_one_video_frame_per_scene_frame_whatever_the_rates(addon: Any, scene: Any, clip: Path, fps: int) -> None:
    scene.render.fps = fps
    strip = insert(addon, scene, clip)
    assert addon("compat").strip_range(strip) == (12, 35)
    assert addon("sequencer").provenance_of(strip) == {"take": "one", "job": "j"}


def test_versions_stack_and_the_old_ones_are_muted(addon: Any, scene: Any, clip: Path) -> None:
    first, other, second = (insert(addon, scene, clip, take=take) for take in ("one", "two", "one"))
    assert [strip.channel for strip in (first, other, second)] == [1, 2, 3]
    assert [strip.mute for strip in (first, other, second)] == [True, False, False]
    later = insert(addon, scene, clip, start=35, take="one")
    assert later.channel == 1  # nothing overlaps it there


def test_a_wrong_count_is_refused_and_nothing_stays(addon: Any, scene: Any, clip: Path) -> None:
    first = insert(addon, scene, clip)
    with pytest.raises(FleximoError, match="has 23 frames; 24 were expected"):
        insert(addon, scene, clip, frames=24)
    assert list(addon("compat").strips_of(scene)) == [first] and not first.mute
    with pytest.raises(FleximoError, match="is not there"):
        insert(addon, scene, clip.with_name("missing.mp4"))


def test_foreign_strips_are_left_alone(addon: Any, scene: Any, clip: Path) -> None:
    strips = addon("compat").strips_of(scene)
    foreign = strips.new_movie(name="theirs", filepath=str(clip), channel=4, frame_start=20)
    foreign["fleximo"] = 3  # not ours, whatever it means
    strip = insert(addon, scene, clip)
    assert strip.channel == 5 and not foreign.mute


def test_a_strip_leads_back_to_its_take(addon: Any, scene: Any, clip: Path) -> None:
    assert not bpy.ops.fleximo.go_to_source.poll()
    for _ in range(2):
        bpy.ops.fleximo.add_take()
    bpy.ops.fleximo.generate_motion(text="a man bows")
    takes = scene.fleximo.takes
    strip = insert(addon, scene, clip, take=takes[1].uid)
    scene.fleximo.active = 0
    scene.sequence_editor.active_strip = strip
    assert bpy.ops.fleximo.go_to_source() == {"FINISHED"}
    assert scene.fleximo.active == 1 and takes[1].armature.select_get()
    gone = insert(addon, scene, clip, take="deleted")
    scene.sequence_editor.active_strip = gone
    with pytest.raises(RuntimeError, match="no longer in this file"):
        bpy.ops.fleximo.go_to_source()


def test_the_last_video_is_put_there_again(addon: Any, scene: Any, clip: Path) -> None:
    bpy.ops.fleximo.add_take()
    assert not bpy.ops.fleximo.insert_video.poll()
    take = scene.fleximo.takes[0]
    take.video, take.rendered_start, take.rendered_frames = str(clip), 12, 23
    assert bpy.ops.fleximo.insert_video() == {"FINISHED"}
    (strip,) = addon("compat").strips_of(scene)
    assert addon("compat").strip_range(strip) == (12, 35)
    assert addon("sequencer").provenance_of(strip)["take"] == take.uid


def test_strips_are_shown_in_their_own_colours(addon: Any, scene: Any) -> None:
    assert scene.view_settings.view_transform != "Standard"
    assert bpy.ops.fleximo.standard_view() == {"FINISHED"}
    assert scene.view_settings.view_transform == "Standard"
