"""Trails and ghosts: other frames' poses told by the keys alone, kept until the keys change."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")
from mathutils import Euler, Matrix  # noqa: E402 - comes with bpy


@pytest.fixture
def take(addon: Any, scene: Any) -> Any:
    bpy.ops.fleximo.generate_motion(text="a man walks, then waves his right hand")
    return scene.fleximo.takes[0]


def seen(addon: Any, scene: Any, take: Any, frames: Any) -> Any:
    """(T,52,3) m where Blender puts the joints, and the same of the keys."""
    armature, names, current = take.armature, addon("sampling").rig_of(take.armature).joint_names, scene.frame_current
    theirs = []
    for frame in frames:
        scene.frame_set(frame)
        posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        theirs.append([tuple(posed.pose.bones[name].head) for name in names])
    scene.frame_set(current)
    ours = addon("axes").points_to_blender(addon("keyed_pose").keyed_poses(armature, list(frames)).places)
    return np.array(theirs), ours


def test_poses_of_other_frames_are_those_that_blender_shows(addon: Any, scene: Any, take: Any) -> None:
    theirs, ours = seen(addon, scene, take, range(1, take.frame_end + 1, 7))
    assert np.ptp(theirs[:, 0], axis=0).max() > 0.2, "he walks"
    assert np.abs(theirs - ours).max() < 2e-4


def test_keys_by_hand_count_where_they_are(addon: Any, scene: Any, take: Any) -> None:
    scene.frame_set(30)
    for name in ("left_elbow", "spine2", "left_index1"):
        take.armature.pose.bones[name].rotation_quaternion = (0.9, 0.3, 0.2, 0.1)
    take.armature.pose.bones["pelvis"].location.x += 0.2
    bpy.ops.fleximo.key_pose(ease=8)
    bpy.ops.fleximo.adjust_motion(adjustment="loop")
    theirs, ours = seen(addon, scene, take, range(1, take.frame_end + 4, 3))
    assert np.abs(theirs - ours).max() < 2e-3
    assert 30.0 in addon("keyed_pose").hand_keys(take.armature, ["left_elbow"])


def test_outside_of_the_keys_by_hand_the_generated_ones_play_alone(addon: Any, scene: Any, take: Any) -> None:
    bone = take.armature.pose.bones["right_shoulder"]
    for frame, turn in ((30, (0.8, 0.6, 0.0, 0.0)), (40, (0.6, 0.8, 0.0, 0.0))):
        scene.frame_set(frame)
        bone.rotation_quaternion = turn
        bone.keyframe_insert("rotation_quaternion", frame=frame)
    theirs, ours = seen(addon, scene, take, [20, 29, 30, 35, 40, 41, 60])
    assert np.abs(theirs - ours).max() < 2e-3


def test_limbs_moved_by_their_controls(addon: Any, scene: Any, take: Any) -> None:
    bpy.ops.fleximo.snap_ik(limb="all", over="take")
    scene.frame_set(40)
    control = take.armature.pose.bones["right_arm_ik"]
    control.location.z += 0.15
    control.rotation_quaternion.rotate(control.bone.matrix_local.to_quaternion())
    for path in ("location", "rotation_quaternion"):
        control.keyframe_insert(path, frame=40)
    theirs, ours = seen(addon, scene, take, range(1, take.frame_end + 1, 5))
    print(f"limbs moved by controls: joints within {1e3 * np.abs(theirs - ours).max():.2f} mm")
    assert np.abs(theirs - ours).max() < 2e-3
    scene.frame_set(41)
    turns = addon("keyed_pose").keyed_poses(take.armature, [41]).turns[0]
    rig = addon("sampling").rig_of(take.armature)
    posed = take.armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    for name in ("right_shoulder", "right_wrist", "right_index2", "left_hip", "left_ankle", "left_foot"):
        turn = posed[name].matrix.to_quaternion() @ posed[name].bone.matrix_local.to_quaternion().inverted()
        own = addon("axes").quaternions_to_blender(turns[rig.index(name)])
        assert abs(float(np.dot(own, turn))) > np.cos(np.radians(1.0)), name


def test_a_previewed_motion_is_the_one_that_is_seen(addon: Any, scene: Any, take: Any) -> None:
    bpy.ops.fleximo.generate_motion(text="a man kicks", preview=True)
    theirs, ours = seen(addon, scene, take, range(1, 40, 5))
    assert np.abs(theirs - ours).max() < 2e-4
    bpy.ops.fleximo.reject_motion()


def test_time_and_pose_stay_as_they_are(addon: Any, scene: Any, take: Any) -> None:
    scene.frame_set(12)
    bone = take.armature.pose.bones["head"]
    bone.rotation_quaternion = (0.5, 0.5, 0.5, 0.5)
    addon("keyed_pose").keyed_poses(take.armature, [1, 30])
    assert scene.frame_current == 12 and tuple(bone.rotation_quaternion) == (0.5, 0.5, 0.5, 0.5)


def test_trails_renew_when_keys_change_and_only_then(addon: Any, scene: Any, take: Any) -> None:
    trails = addon("trails")
    scene.fleximo.show_trails = True
    scene.frame_set(30)
    before = trails.trails_now(scene, take)
    assert before.paths.shape == (6, 33, 3) and list(before.frames) == list(range(14, 47))
    assert len(before.ghosts) == 4 and all(len(surface) > 3000 for surface, _ in before.ghosts)
    kept = trails._kept
    scene.frame_set(31)
    take.armature.pose.bones["neck"].rotation_quaternion = (0.9, 0.1, 0.1, 0.1)
    bpy.context.view_layer.update()
    after = trails.trails_now(scene, take)
    assert trails._kept is kept, "a frame more, a pose without keys: nothing has to be told anew"
    assert (after.paths[:, :-1] == before.paths[:, 1:]).all() and not after.keyed.any()

    scene.frame_set(36)
    wrist = 3  # right
    take.armature.pose.bones["right_shoulder"].rotation_quaternion = (0.7, 0.0, 0.0, 0.7)
    bpy.ops.fleximo.key_pose(ease=3)
    bpy.context.view_layer.update()
    edited = trails.trails_now(scene, take)
    assert trails._kept is not kept
    number = edited.frames.index(36)
    assert edited.keyed[wrist, number] and not edited.keyed[wrist, number - 5]
    moved = np.linalg.norm(edited.paths[wrist, number] - before.paths[wrist, before.frames.index(36)])
    assert moved > 0.05
    assert np.allclose(edited.paths[wrist, edited.frames.index(30)], before.paths[wrist, 16], atol=1e-6)

    bpy.ops.fleximo.generate_motion(text="a man kicks")
    other = trails.trails_now(scene, take)
    assert np.abs(other.paths[wrist, 0] - edited.paths[wrist, 0]).max() > 0.01


def test_at_the_ends_of_the_take_and_without_it(addon: Any, scene: Any, take: Any) -> None:
    trails = addon("trails")
    scene.frame_set(1)
    assert list(trails.trails_now(scene, take).frames) == list(range(1, 18))
    scene.frame_set(take.frame_end + 500)
    away = trails.trails_now(scene, take)
    assert away.paths.shape == (6, 0, 3) and away.ghosts == [] and away.keyed.shape == (6, 0)
    scene.fleximo.ghosts, scene.fleximo.trail_frames = 0, 1
    scene.frame_set(10)
    assert trails.trails_now(scene, take).paths.shape == (6, 3, 3)


def test_undo_forgets_what_was_kept(addon: Any, scene: Any, take: Any) -> None:
    trails = addon("trails")
    trails.trails_now(scene, take)
    assert trails._kept is not None
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    assert trails._kept is None


def test_trails_take_little_time(addon: Any, scene: Any, take: Any) -> None:
    trails, times = addon("trails"), {"anew": [], "a frame on": [], "nothing changed": []}

    def timed(name: str) -> None:
        started = time.thread_time()
        trails.trails_now(scene, take)
        times[name].append(time.thread_time() - started)

    for frame in range(20, 32):
        scene.frame_set(frame)
        trails._forget()
        timed("anew")
        scene.frame_set(frame + 1)
        timed("a frame on")
        timed("nothing changed")
    told = ", ".join(f"{name} {1e3 * min(each):.2f} ms" for name, each in times.items())
    print(f"trails and ghosts: {told}")
    assert min(times["anew"]) < 0.1 and min(times["a frame on"]) < 0.05


@pytest.fixture
def card() -> Any:
    """The graphics card without a window."""
    gpu = pytest.importorskip("gpu")
    if not hasattr(gpu, "init"):
        pytest.skip("drawing without a window needs Blender 5.2")
    try:
        gpu.init()
    except Exception as error:
        pytest.skip(f"no graphics card: {error}")
    return gpu


def drawn(card: Any, trails: Any, monkeypatch: Any, scene: Any, middle: Any) -> Any:
    """(H,W,3) what trails and ghosts draw over black, seen from the side."""
    width, height = 320, 240
    turn = Euler((np.radians(80.0), 0.0, np.radians(60.0))).to_matrix().to_4x4()
    view = (Matrix.Translation(middle) @ turn @ Matrix.Translation((0.0, 0.0, 4.0))).inverted()
    lens = Matrix(((2.0, 0, 0, 0), (0, 2.0 * width / height, 0, 0), (0, 0, -1.002, -0.2), (0, 0, -1.0, 0)))
    looked = SimpleNamespace(view_matrix=view, perspective_matrix=lens @ view, window_matrix=lens)
    system = SimpleNamespace(system=SimpleNamespace(ui_scale=1.0))
    region = SimpleNamespace(width=width, height=height)
    context = SimpleNamespace(scene=scene, preferences=system, region=region, region_data=looked)
    monkeypatch.setattr(trails, "bpy", SimpleNamespace(context=context))
    canvas = card.types.GPUOffScreen(width, height)
    with canvas.bind():
        buffer = card.state.active_framebuffer_get()
        buffer.clear(color=(0.0, 0.0, 0.0, 1.0), depth=1.0)
        card.matrix.load_matrix(view)
        card.matrix.load_projection_matrix(lens)
        trails._draw_ghosts()
        trails._draw_trails()
        pixels = np.array(buffer.read_color(0, 0, width, height, 4, 0, "FLOAT").to_list())
    canvas.free()
    monkeypatch.undo()
    return pixels.reshape(height, width, 4)[..., :3]


def test_what_is_drawn(addon: Any, scene: Any, take: Any, card: Any, monkeypatch: Any) -> None:
    trails = addon("trails")
    scene.frame_set(40)
    middle = take.armature.matrix_world @ take.armature.pose.bones[0].head
    assert not drawn(card, trails, monkeypatch, scene, middle).any(), "the switch is off"
    scene.fleximo.show_trails = True
    both = drawn(card, trails, monkeypatch, scene, middle)
    scene.fleximo.ghosts = 0
    paths = drawn(card, trails, monkeypatch, scene, middle)
    assert 300 < (paths.max(axis=-1) > 0.05).sum() < 0.2 * (both.max(axis=-1) > 0.02).sum()
    for channel in (0, 2):
        assert (paths[..., channel] - paths[..., 2 - channel] > 0.3).sum() > 20, "both sides have their colour"
    before, after = (
        ((both[..., channel] - both[..., 2 - channel] > 0.02) & (paths.max(axis=-1) == 0.0)) for channel in (2, 0)
    )
    assert before.sum() > 1000 and after.sum() > 1000, "ghosts of both times"
