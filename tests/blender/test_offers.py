"""What the panel Render offers: engines, qualities and sizes of the server, and names that nobody lists."""

from __future__ import annotations

import json
from typing import Any

import pytest

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

OFFER = {
    "version": "9.9.9",
    "models": [
        {"name": "moves", "stage": "motion", "fidelity": "draft"},
        {"name": "draft", "stage": "video", "fidelity": "draft", "multiple": 2, "qualities": [], "weights": []},
        {
            "name": "mimicmotion",
            "stage": "video",
            "fidelity": "full",
            "multiple": 64,
            "qualities": ["standard", "best"],
            "weights": ["svd", "mimicmotion"],
        },
    ],
    "weights": [{"name": "svd", "state": "verified"}, {"name": "mimicmotion", "state": "absent"}],
}


@pytest.fixture
def take(addon: Any, scene: Any) -> Any:
    live = addon("properties").live()
    live.offer = ""
    yield addon("takes").add_take(scene)
    live.offer, live.server, live.server_text, live.server_code = "", "unknown", "", ""


def items(take: Any, name: str) -> list[str]:
    return [item.identifier for item in take.bl_rna.properties[name].enum_items]


def test_the_servers_engines_are_offered_and_a_free_name_is_kept(addon: Any, take: Any) -> None:
    offers, live = addon("offers"), addon("properties").live()
    assert offers.engine_names(take.engine) == ["draft"]
    take.engine = "mine"
    assert take.engine_choice == "mine" and offers.engine_names("mine") == ["draft", "mine"]
    live.offer = json.dumps(OFFER)
    assert take.engine_choice == "mine" and offers.engine_names("mine") == ["draft", "mimicmotion", "mine"]
    take.engine_choice = "mimicmotion"
    assert take.engine == "mimicmotion"
    assert offers.engine_named("mimicmotion").lacks == ("mimicmotion",)
    assert [offers.Engine(name).title for name in ("wan-vace", "mine")] == ["Wan VACE", "mine"]
    live.offer = ""
    assert take.engine_choice == "mimicmotion", "kept without a server"


def test_a_quality_is_the_engines_own(addon: Any, take: Any) -> None:
    addon("properties").live().offer = json.dumps(OFFER)
    settings = addon("shot").settings_of
    take.engine_choice = "mimicmotion"
    assert take.quality_choice == "best" and settings(take) == {}
    take.quality_choice = "standard"
    assert settings(take) == {"quality": "standard"}
    addon("properties").live().offer = ""
    assert take.quality_choice == "standard"
    take.engine = "draft"
    assert settings(take) == {}, "another engine does not know it"


def test_sizes_to_choose_from(addon: Any, take: Any) -> None:
    assert take.size_choice == "photo"
    take.size_choice = "576x1024"
    assert tuple(take.size) == (576, 1024)
    take.size = (288, 512)
    assert take.size_choice == "custom"
    take.size_choice = "photo"
    assert tuple(take.size) == (0, 0)
    take.size_choice = "custom"
    assert take.size_choice == "custom" and all(take.size)


def test_the_estimate_follows_frames_and_size(addon: Any, installed: str) -> None:
    pace = addon("pace")
    pace._path().unlink(missing_ok=True)
    pace.forget()
    assert "after the first render" in pace.sentence("draft", "", (100, 100), 50)
    pace.remember("draft", "", (100, 100), 50, 10.0)
    pace.forget()
    assert pace.estimate_s("draft", "", (100, 200), 100) == pytest.approx(40.0)
    assert pace.estimate_s("draft", "best", (100, 100), 50) is None
    assert pace.sentence("draft", "", (100, 100), 50) == "50 frames, about 10 s as the last render went."
    assert "about 17 min" in pace.sentence("draft", "", (100, 100), 5000)
    pace._path().write_text("[")
    pace.forget()
    assert pace.estimate_s("draft", "", (100, 100), 50) is None


def texts(addon: Any) -> dict[str, Any]:
    return {line.text: line for line in addon("checklist").lines(bpy.context)}


def test_the_checklist_has_a_remedy_for_each_line_that_is_not_well(addon: Any, take: Any, scene: Any) -> None:
    live = addon("properties").live()
    lines = texts(addon)
    assert lines["The server has not been asked yet."].fix == "fleximo.connect"
    live.server, live.server_text = "missing", "No render server answers."
    lines = texts(addon)
    assert lines["No render server answers."].fix == "fleximo.start_server"
    (install,) = (line for line in lines.values() if line.fix == "fleximo.copy_line")
    assert bpy.ops.fleximo.copy_line(**install.values) == {"FINISHED"}
    live.server, live.server_text, live.offer = "connected", "Fleximo 9.9.9 at here", json.dumps(OFFER)
    take.engine = "mimicmotion"
    lines = texts(addon)
    assert any("version 9.9.9, the add-on" in text for text in lines)
    (lacking,) = (line for line in lines.values() if line.label.startswith("fleximo models pull"))
    assert lacking.label == "fleximo models pull mimicmotion"
    take.engine = "unheard"
    assert any("does not know the engine unheard" in text for text in texts(addon))
    take.engine = "draft"
    scene.view_settings.view_transform = "Standard"
    live.offer = json.dumps(OFFER | {"version": addon("checklist").__version__})
    assert all(line.well for line in texts(addon).values())
    live.server, live.server_code = "missing", "bad_token"
    assert any("token" in text and line.fix for text, line in texts(addon).items())


def test_another_host_needs_online_access(addon: Any, tmp_path: Any, monkeypatch: Any) -> None:
    preferences = addon("preferences")
    preferences.preferences().data_folder = str(tmp_path)
    address = {"host": "192.168.7.7", "port": 9, "pid": 1, "api": "1.0", "version": "0", "interpreter": "python"}
    (tmp_path / "server.json").write_text(json.dumps(address))
    try:
        monkeypatch.setattr(preferences, "may_go_online", lambda: False)
        with pytest.raises(RuntimeError, match="may not go online"):
            bpy.ops.fleximo.connect()
        assert any(line.well is False and "192.168.7.7" in line.text for line in texts(addon).values())
        monkeypatch.setattr(preferences, "may_go_online", lambda: True)
        assert preferences.server_folder() == tmp_path
        assert any(line.well and "192.168.7.7" in line.text for line in texts(addon).values())
    finally:
        preferences.preferences().data_folder = ""


def test_the_servers_log_opens_as_a_text(addon: Any, take: Any) -> None:
    log = addon("preferences").user_folder("server") / "server.log"
    log.unlink(missing_ok=True)
    with pytest.raises(RuntimeError, match="There is no log"):
        bpy.ops.fleximo.show_log()
    log.write_text("\n".join(f"line {n}" for n in range(900)))
    assert bpy.ops.fleximo.show_log() == {"FINISHED"}
    assert bpy.ops.fleximo.show_log() == {"FINISHED"}
    (text,) = (text for text in bpy.data.texts if text.name.startswith("Fleximo"))
    assert text.lines[-1].body == "line 899" and len(text.lines) == 500
    log.unlink()
