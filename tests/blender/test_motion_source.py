"""Motion by the server's motion models: chosen, previewed, one move made anew, cancelled, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import DEFAULT_RIG
from tests.blender.conftest import serving, stand_ins
from tests.blender.test_edit_layer import bits, pose, sampled
from tests.blender.test_journey import press, wait_for
from tests.blender.test_preview import keys

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

TEXT = "a man juggles three balls, then waves, then bows"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with made-up weights of T2M-GPT, small ones."""
    return stand_ins(tmp_path_factory.mktemp("models"), "t2m_gpt", "clip_vit_b32")


@pytest.fixture(scope="module")
def folder(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a server whose models folder, beside it, is a link to `models`."""
    own = tmp_path_factory.mktemp("data")
    (own / "models").symlink_to(models)
    with serving(own / "served", FLEXIMO_MODELS=str(own / "models")) as folder:
        yield folder


@pytest.fixture
def served(addon: Any, scene: Any, folder: Path) -> Iterator[Path]:
    """The add-on knows that server; gives its models folder."""
    addon("preferences").preferences().data_folder = str(folder)
    assert bpy.ops.fleximo.connect() == {"FINISHED"}
    yield folder.parent / "models"
    addon("preferences").preferences().data_folder = addon("properties").live().offer = ""


@pytest.mark.timeout(120)
def test_the_servers_model_makes_previews_and_single_moves(addon: Any, scene: Any, served: Path) -> None:
    take = addon("takes").add_take(scene)
    assert [item[0] for item in addon("choices").motion_model_items(take, None)] == ["moves", "t2m-gpt"]
    take.motion_choice = "t2m-gpt"
    take.text = TEXT
    assert bpy.ops.fleximo.plan() == {"FINISHED"}
    titles = [addon("plan_list").title(row) for row in take.segments]
    assert titles == ["a man juggles three balls", "wave", "bow"], "words that no planner knows stay"
    for _ in range(3):
        assert bpy.ops.fleximo.generate_motion(preview=True) == {"FINISHED"}
    assert "made up" in addon("properties").live().message, "stand-in weights are called so"
    assert [each.seed for each in take.candidates] == [0, 1, 2]
    take.frame_end = take.frame_start + 59
    shown = [sampled(addon, scene, take)]
    bpy.ops.fleximo.flip_preview()
    shown.append(sampled(addon, scene, take))
    assert (bits(shown[0]) != bits(shown[1])).any(), "another seed, another motion"
    take.motion_choice = "moves"
    take.text = "a man waves"
    bpy.ops.fleximo.generate_motion(preview=True)
    assert len({each.action.name for each in take.candidates}) == 4, "both models are previewed on one armature"
    bpy.ops.fleximo.flip_preview()
    assert json.loads(take.candidates[take.candidate].made_by)["model"] == "t2m-gpt"
    bpy.ops.fleximo.accept_motion()
    assert json.loads(take.made_by)["model"] == "t2m-gpt" and take.text == "a man waves"
    assert np.allclose(addon("sampling").rig_of(take.armature).rest_offsets, DEFAULT_RIG.rest_offsets, atol=1e-4)

    take.text = take.planned_text
    layer, segments = addon("edit_layer"), addon("segments")
    marked = segments.ranges(layer.base_action(take.armature))
    assert [name for name, _, _ in marked] == titles
    pose(scene, take.armature, 5)
    before = keys(addon, layer.base_action(take.armature))
    assert bpy.ops.fleximo.regenerate_segment(number=1) == {"FINISHED"}
    after = keys(addon, layer.base_action(take.armature))
    start, stop = marked[1][1], marked[2][1]
    changed = 0
    for path, old in before.items():
        new = after[path]
        assert (new["co"][: start - 16] == old["co"][: start - 16]).all(), "moves before stay bit by bit"
        changed += int((new["co"][start:stop] != old["co"][start:stop]).any())
    assert changed > 20
    arm = ('pose.bones["left_elbow"].rotation_quaternion', 1)
    assert (after[arm]["co"][stop + 16 :] == before[arm]["co"][stop + 16 :]).all(), "and moves behind"
    assert 5.0 in {
        p.co.x for curve in layer.pose_curves(layer.edits_action(take.armature)) for p in curve.keyframe_points
    }


@pytest.mark.timeout(120)
def test_settings_a_cancel_and_a_wrong_setting(
    addon: Any, scene: Any, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fleximo.client import Client

    take = addon("takes").add_take(scene)
    take.motion_model, take.text, take.motion_settings = "t2m-gpt", "a man juggles", "greedy=true"
    motions = []
    for seed in (1, 2):
        bpy.ops.fleximo.generate_motion(seed=seed)
        motions.append(sampled(addon, scene, take))
    assert (bits(motions[0]) == bits(motions[1])).all(), "greedy: no seed"
    for wrong, told in (("heat=2", "no setting heat"), ("greedy", "NAME=VALUE")):
        take.motion_settings = wrong
        with pytest.raises(RuntimeError, match=told):
            bpy.ops.fleximo.generate_motion()
    take.motion_settings = ""
    base = addon("edit_layer").base_action(take.armature)
    take.text = ", then ".join(f"a man juggles {n} balls for 8 seconds" for n in range(60))
    assert press(addon, monkeypatch, "generate_motion", text="", seed=3) == {"FINISHED"}
    tick, session = addon("operators.base").tick, addon("operators.base").session()
    client = Client.from_data_folder(addon("preferences").server_folder())
    while not any(job.kind == "motion" and job.state == "running" for job in client.jobs(1)):
        tick()
        assert session.running("motion")
    assert bpy.ops.fleximo.cancel() == {"FINISHED"}
    wait_for(addon, "motion")
    assert addon("properties").live().message.endswith("cancelled.")
    assert client.jobs(1)[0].state == "canceled", "the server was told"
    assert addon("edit_layer").base_action(take.armature) == base and not take.candidates


@pytest.mark.timeout(60)
def test_weights_that_are_missing_are_listed_with_the_line_that_gets_them(addon: Any, scene: Any, served: Path) -> None:
    take = addon("takes").add_take(scene)
    served.unlink()  # another folder, without weights
    served.mkdir()
    assert bpy.ops.fleximo.connect() == {"FINISHED"}
    names = {item[0]: item[1] for item in addon("choices").motion_model_items(take, None)}
    assert names == {"moves": "Moves, in Blender", "t2m-gpt": "T2M-GPT, needs files"}
    take.motion_choice = "t2m-gpt"
    lines = [line for line in addon("checklist").lines(bpy.context) if line.fix == "fleximo.copy_line"]
    assert [line.label for line in lines] == ["fleximo models pull t2m_gpt", "fleximo models pull clip_vit_b32"]
    with pytest.raises(RuntimeError, match="fleximo models pull t2m_gpt"):
        bpy.ops.fleximo.generate_motion(text="a man juggles")


def test_without_a_server_there_are_the_moves(addon: Any, scene: Any, tmp_path: Path) -> None:
    addon("properties").live().offer = ""
    addon("preferences").preferences().data_folder = str(tmp_path)
    take = addon("takes").add_take(scene)
    assert [item[0] for item in addon("choices").motion_model_items(take, None)] == ["moves"]
    bpy.ops.fleximo.plan(text="a man waves, then juggles")
    assert addon("plan_list").has_plan(take)
    take.motion_model = "t2m-gpt"
    assert not addon("plan_list").has_plan(take), "its unread words are planned anew"
    assert take.motion_choice == "t2m-gpt", "kept without a server"
    with pytest.raises(RuntimeError, match="Press Start in the panel Server"):
        bpy.ops.fleximo.generate_motion()
    addon("preferences").preferences().data_folder = ""
