"""Plans in Blender: by a language model that the server asks, and for a photo that shows no feet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleximo import Person
from fleximo.layouts import OPENPOSE_18
from tests.backend.llm_server import openai, serving
from tests.blender.conftest import ROOT, SERVER_PYTHON

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

ANSWER = '{"setting": "a park", "segments": [{"text": "a person nods", "move": "nod"}], "unmatched": []}'
KEY = "sk-for-blender"


@pytest.fixture
def chosen(addon: Any, scene: Any, tmp_path: Path) -> Iterator[Any]:
    """The add-on's preferences, with a data folder of the test's own."""
    preferences = addon("preferences").preferences()
    preferences.data_folder = str(tmp_path / "data")
    yield preferences
    for name in ("data_folder", "llm_url", "llm_model", "llm_key", "server_command"):
        setattr(preferences, name, "")
    preferences.planner = "rules"


@contextmanager
def started(monkeypatch: pytest.MonkeyPatch, chosen: Any) -> Iterator[None]:
    """A server that the add-on's own button starts."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    chosen.server_command = SERVER_PYTHON
    try:
        assert bpy.ops.fleximo.start_server() == {"FINISHED"}
        yield
    finally:
        bpy.ops.fleximo.stop_server()


def test_a_server_started_here_asks_the_language_model_of_the_preferences(
    addon: Any, scene: Any, chosen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(openai(ANSWER)) as asked:
        chosen.planner, chosen.llm_url, chosen.llm_model, chosen.llm_key = "llm", asked.url, "small", KEY
        with started(monkeypatch, chosen):
            assert bpy.ops.fleximo.generate_motion(text="she agrees") == {"FINISHED"}
    take = scene.fleximo.takes[0]
    document = json.loads(take.plan)
    assert (document["segments"][0]["move"], document["setting"], document["warnings"]) == ("nod", "a park", [])
    assert take.armature is not None
    assert asked.requests[0]["headers"]["Authorization"] == f"Bearer {KEY}"
    log = Path(addon("preferences").user_folder("server")) / "server.log"
    data = [path for path in Path(chosen.data_folder or ".").rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in [*data, log])
    assert KEY not in addon("operators.backend").diagnostics(bpy.context)


def test_without_a_server_the_rules_plan_and_it_is_said(addon: Any, scene: Any, chosen: Any) -> None:
    chosen.planner = "llm"
    assert bpy.ops.fleximo.plan(text="a man bows") == {"FINISHED"}
    document = json.loads(scene.fleximo.takes[0].plan)
    assert document["segments"][0]["move"] == "bow"
    assert [notice["code"] for notice in document["warnings"]] == ["planner_fallback"]
    assert "The rules planned" in addon("properties").live().message


def test_what_the_server_lacks_is_a_sentence(addon: Any, chosen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "MODEL", "KEY"):
        monkeypatch.delenv(f"FLEXIMO_LLM_{name}", raising=False)
    chosen.planner = "local"
    with started(monkeypatch, chosen), pytest.raises(RuntimeError, match="FLEXIMO_LLM_MODEL"):
        bpy.ops.fleximo.plan(text="a man bows")


def test_the_key_crosses_in_the_environment_alone(addon: Any, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text("import json, os, sys; print(json.dumps([sys.argv, os.environ['FLEXIMO_LLM_KEY']]))")
    process = addon("server_process")
    child = process.launch([sys.executable, str(script)], tmp_path, tmp_path / "log", {"FLEXIMO_LLM_KEY": KEY})
    deadline = time.monotonic() + 20.0
    while child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    arguments, key = json.loads((tmp_path / "log").read_text())
    assert key == KEY and KEY not in " ".join(arguments)
    assert isinstance(child, subprocess.Popen) and "FLEXIMO_LLM_KEY" not in os.environ


def test_a_photo_without_feet_is_planned_for(addon: Any, scene: Any, anna: Person) -> None:
    confidence = anna.confidence.copy()
    for name in ("left_ankle", "right_ankle"):
        confidence[OPENPOSE_18.index(name)] = 0.0
    take = addon("takes").add_take(scene)
    assert bpy.ops.fleximo.plan(text="a woman walks and waves") == {"FINISHED"}
    assert json.loads(take.plan)["segments"][0]["move"] == "walk"
    bust = replace(anna, confidence=confidence)
    told = addon("operators.reference")._motion_told
    assert told(take, anna) == "" and "press Generate Motion again" in told(take, bust)
    addon("shot").store_person(take, bust, "0" * 64)
    assert bpy.ops.fleximo.generate_motion() == {"FINISHED"}
    assert told(take, bust) == ""
    document = json.loads(take.plan)
    assert [segment["move"] for segment in document["segments"]] == ["idle", "wave"]
    assert "Walk: arms only" in addon("properties").live().message
