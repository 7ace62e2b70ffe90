"""Editing by hand: fingers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fleximo import rotations as rot
from fleximo.fingers import curled, shape_rotations

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


def fingers(addon: Any, scene: Any, take: Any, side: str, frame: int) -> Any:
    motion = addon("sampling").sample_motion(scene, take.armature, frame, frame + 1)
    return motion.rotations[0, [motion.rig.index(f"{side}_{f}{n}") for f in FINGERS for n in (1, 2, 3)]]


FINGERS = ("index", "middle", "pinky", "ring", "thumb")


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_hand_is_posed_and_keyed(addon: Any, scene: Any, side: str) -> None:
    assert not bpy.ops.fleximo.key_hands.poll()
    bpy.ops.fleximo.generate_motion(text="a man waves")
    take = scene.fleximo.takes[0]
    other = "right" if side == "left" else "left"
    before = fingers(addon, scene, take, other, 20)
    scene.frame_set(20)
    assert bpy.ops.fleximo.key_hands(shape="fist", hand=side) == {"FINISHED"}
    scene.frame_set(1)
    there = fingers(addon, scene, take, side, 20)
    assert np.degrees(rot.angle_between(there, shape_rotations("fist", side))).max() < 0.1
    assert np.degrees(rot.angle_between(fingers(addon, scene, take, other, 20), before)).max() < 0.1
    away = np.degrees(rot.angle_between(fingers(addon, scene, take, side, 27), shape_rotations("fist", side)))
    assert away.max() > 10.0, "the frames further on keep their pose"


def test_curl_and_spread_are_told_by_numbers(addon: Any, scene: Any) -> None:
    bpy.ops.fleximo.generate_motion(text="a man waves")
    take = scene.fleximo.takes[0]
    scene.frame_set(10)
    bpy.ops.fleximo.key_hands(shape="custom", hand="both", curl=0.5, spread=10.0)
    for side in ("left", "right"):
        expected = shape_rotations(curled(0.5, 10.0), side)
        assert np.degrees(rot.angle_between(fingers(addon, scene, take, side, 10), expected)).max() < 0.1
