"""Motion files onto the armature and from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import DEFAULT_RIG, Motion
from fleximo.formats import read_motion, save_motion
from fleximo.moves import generate
from fleximo.plan import MotionPlan, Segment

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")


@pytest.fixture(scope="module")
def walk() -> Motion:
    return generate(MotionPlan((Segment("walk", 2.0),)), fps=30)


def amass(motion: Motion) -> dict[str, Any]:
    """The motion as AMASS stores it: axis-angle, Z up."""
    from fleximo import rotations as rot

    poses = rot.to_rotation_vector(motion.rotations.astype(float))
    turn = rot.from_matrix(np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]))
    poses[:, 0] = rot.to_rotation_vector(rot.multiply(turn, motion.rotations[:, 0].astype(float)))
    trans = rot.rotate(turn, motion.root.astype(float))
    names = {"gender": "neutral", "mocap_framerate": 30.0, "betas": np.zeros(16), "dmpls": np.zeros((len(motion), 8))}
    return {"poses": poses.reshape(len(motion), 156), "trans": trans, **names}


@pytest.mark.parametrize("kind", ["bvh", "npz", "npy", "amass"])
def test_a_file_lands_on_the_armature(addon: Any, scene: Any, walk: Motion, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"walk.{'npz' if kind == 'amass' else kind}"
    if kind == "amass":
        np.savez(path, **amass(walk))
    else:
        save_motion(walk, path)
    assert bpy.ops.fleximo.import_motion(filepath=str(path)) == {"FINISHED"}
    take = scene.fleximo.takes[0]
    count = take.frame_end - take.frame_start + 1
    assert abs(count - len(walk)) <= 2
    sampled = addon("sampling").sample_motion(scene, take.armature, take.frame_start, take.frame_end + 1)
    expected = read_motion(path).resample(30)
    gap = np.abs(sampled.joints() - expected.joints())
    assert gap.max() < 2e-4
    assert walk.root[-1, 2] - walk.root[0, 2] == pytest.approx(sampled.root[-1, 2] - sampled.root[0, 2], abs=0.1)


def test_a_file_goes_out_and_comes_back(addon: Any, scene: Any, walk: Motion, tmp_path: Path) -> None:
    assert not bpy.ops.fleximo.export_motion.poll()
    save_motion(walk, tmp_path / "walk.npz")
    bpy.ops.fleximo.import_motion(filepath=str(tmp_path / "walk.npz"))
    for ending in ("npz", "bvh", "npy"):
        path = tmp_path / f"out.{ending}"
        assert bpy.ops.fleximo.export_motion(filepath=str(path)) == {"FINISHED"}
        assert len(read_motion(path)) > 30
    back = read_motion(tmp_path / "out.npz")
    assert np.abs(back.joints() - walk.joints()).max() < 1e-4
    with pytest.raises(RuntimeError, match=r"End it in \.npz"):
        bpy.ops.fleximo.export_motion(filepath=str(tmp_path / "out.fbx"))


def test_another_body_gets_an_armature_of_its_own(addon: Any, scene: Any, walk: Motion, tmp_path: Path) -> None:
    save_motion(walk, tmp_path / "own.npz")
    taller = DEFAULT_RIG.with_offsets(DEFAULT_RIG.rest_offsets * 1.2)
    save_motion(Motion(walk.rotations, walk.root * 1.2, 30, walk.contacts, taller), tmp_path / "tall.npz")
    bpy.ops.fleximo.import_motion(filepath=str(tmp_path / "own.npz"))
    take = scene.fleximo.takes[0]
    first = take.armature
    bpy.ops.fleximo.import_motion(filepath=str(tmp_path / "own.npz"))
    assert take.armature == first
    bpy.ops.fleximo.import_motion(filepath=str(tmp_path / "tall.npz"))
    assert take.armature != first
    sampled = addon("sampling").sample_motion(scene, take.armature, 1, 2)
    assert np.allclose(sampled.rig.rest_offsets, taller.rest_offsets, atol=1e-4)


def test_what_is_no_motion_is_refused_in_words(addon: Any, scene: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="There is no file at"):
        bpy.ops.fleximo.import_motion(filepath=str(tmp_path / "gone.bvh"))
    (tmp_path / "page.bvh").write_text("<html>quota</html>")
    with pytest.raises(RuntimeError, match="web page"):
        bpy.ops.fleximo.import_motion(filepath=str(tmp_path / "page.bvh"))
    assert scene.fleximo.takes[0].armature is None


def test_a_landing_that_is_stopped_leaves_the_former_motion(addon: Any, scene: Any, walk: Motion) -> None:
    bpy.ops.fleximo.generate_motion(text="a man bows")
    take = scene.fleximo.takes[0]
    base_action = addon("edit_layer").base_action
    before, actions = base_action(take.armature), len(bpy.data.actions)
    steps = addon("landing").landing_steps(take.uid, walk)
    for _ in range(10):
        next(steps)
    assert len(bpy.data.actions) == actions + 1
    steps.close()
    assert base_action(take.armature) == before and len(bpy.data.actions) == actions
    assert addon("edit_layer").base_strip(take.armature).action_slot is not None


def test_ten_minutes_land_in_short_steps(addon: Any, scene: Any, walk: Motion) -> None:
    import time

    rotations, root, contacts = np.tile(walk.rotations, (300, 1, 1)), np.tile(walk.root, (300, 1)), walk.contacts
    long = Motion(rotations, root, 30, np.tile(contacts, (300, 1)))
    take = addon("takes").add_take(scene)
    longest, steps = 0.0, addon("landing").landing_steps(take.uid, long)
    while True:
        started = time.thread_time()
        try:
            next(steps)
        except StopIteration:
            break
        longest = max(longest, time.thread_time() - started)
    print(f"{len(long)} frames; the longest step took {1e3 * longest:.0f} ms of CPU time")
    assert take.frame_end == len(long) and longest < 0.15
