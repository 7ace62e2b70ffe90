"""Wan VACE through the command line and the pipeline: prompts, windows, stops, ranges, and memory that runs out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusers import WanVACETransformer3DModel  # noqa: E402

from backend import catalog, cli, pipeline  # noqa: E402
from backend.diffusion.pace import Pace  # noqa: E402
from backend.media import read_frames, write_video  # noqa: E402
from backend.models.wan_vace.engine import WanVACE  # noqa: E402
from backend.models.wan_vace.memory import MemoryPlan  # noqa: E402
from backend.models.wan_vace.networks import Networks  # noqa: E402
from backend.models.wan_vace.rendering import Rendering  # noqa: E402
from backend.models.wan_vace.settings import Settings  # noqa: E402
from backend.stages import Workplace, silent  # noqa: E402
from fleximo import Cancelled, FleximoError, MotionPlan, RenderJob, Segment  # noqa: E402
from fleximo.camera_fit import frame_photo  # noqa: E402
from fleximo.files import write_json  # noqa: E402
from fleximo.video import Video  # noqa: E402
from tests.backend.draft_truth import PEOPLE, SIZE, make_job, true_track  # noqa: E402
from tests.fixtures.tiny_wan import tiny_wan  # noqa: E402

SETTINGS = {"steps": 2, "window": 9, "overlap": 5, "prompt": "a hall"}
FRAMES = 11


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEXIMO_MODELS", str(tiny_wan()))
        yield tiny_wan()
    catalog._loaded.pop("wan-vace", None)


@pytest.fixture(scope="module")
def engine(models: Path) -> WanVACE:
    return WanVACE("cpu")


def job(**changes: Any) -> RenderJob:
    made = make_job("anna", true_track("wave")[0][::2][:FRAMES], frame_photo(SIZE, (64, 96), mode="centre"))
    return replace(made, **{"engine": "wan-vace", "settings": SETTINGS, **changes})


@pytest.fixture(scope="module")
def finished(engine: WanVACE, tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, Path]:
    folder = tmp_path_factory.mktemp("finished")
    return engine.render(job(), silent, Workplace(folder)).frames, folder


def test_the_command_line_renders_with_the_words_of_the_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "she waves for one second on a red stage"
    more = ["--engine", "wan-vace", "--size", "128x192", "--steps", "2", "--fps", "16", "--set", "guidance=1.0"]
    given = ["animate", "--image", str(PEOPLE / "anna.jpg"), text, "-o", str(tmp_path / "out.mp4"), *more, "--json"]
    assert cli.main(given) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["fidelity"], told["fps"], told["size"]) == ("stand_in", 16.0, [128, 192])
    assert told["settings"] == {"steps": 2, "guidance": 1.0, "prompt": text}
    assert len(told["models"]["wan_vace_1_3b/vae/diffusion_pytorch_model.safetensors"]) == 64
    assert len(list(read_frames(tmp_path / "out.mp4"))) == told["frames"] > 10


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--set", "stpes=3"], "invalid_setting"),
        (["--set", "window=80"], "invalid_setting"),
        (["--size", "136x192"], "invalid_size"),
    ],
)
def test_what_would_fail_late_is_refused_at_once(
    tmp_path: Path, more: list[str], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["animate", "--image", str(PEOPLE / "anna.jpg"), "she waves", "-o", str(tmp_path / "out.mp4")]
    assert cli.main([*given, "--engine", "wan-vace", *more, "--json"]) != 0
    told = capsys.readouterr()
    assert code in told.out + told.err


def test_look_and_place_of_the_plan_come_before_the_text() -> None:
    plan = MotionPlan((Segment("wave", 1.0),), setting="a man in a suit")
    request = pipeline.Request(b"", "he waves", engine="wan-vace")
    assert pipeline._settings(request, plan)["prompt"] == "a man in a suit. he waves"
    assert pipeline._settings(replace(request, text=""), plan)["prompt"] == "a man in a suit"
    assert pipeline._settings(replace(request, settings={"prompt": "x"}), plan) == {"prompt": "x"}
    assert pipeline._settings(replace(request, engine="draft"), plan) == {}
    assert pipeline._settings(replace(request, text=" "), None) == {}


@pytest.mark.parametrize("changes", [{"prompt": "a wood"}, {"negative_prompt": "red"}, {"guidance": 2.0},
                                     {"flow_shift": 3.0}, {"pose_strength": 0.5}, {"steps": 3}])  # fmt: skip
def test_each_setting_changes_the_picture(
    engine: WanVACE, finished: tuple[np.ndarray, Path], changes: dict[str, Any]
) -> None:
    again = engine.render(job(settings=SETTINGS | changes).with_window(0, 9)).frames
    assert not np.array_equal(again, finished[0][:9])


def test_the_padding_is_told_and_cut_off(engine: WanVACE, finished: tuple[np.ndarray, Path]) -> None:
    assert len(finished[0]) == FRAMES
    engine.render(job())
    (told,) = [notice for notice in engine.notices(job()) if notice.code == "frames_padded"]
    assert "2 more" in told.message
    engine.render(job().with_window(0, 9))
    assert "frames_padded" not in [notice.code for notice in engine.notices(job())]
    large = make_job("anna", true_track("wave")[0][:2], frame_photo(SIZE, (576, 1024), mode="centre"))
    assert "larger_than_trained" in [notice.code for notice in engine.notices(large)]


def test_the_second_window_continues_what_the_first_has_made(
    engine: WanVACE, finished: tuple[np.ndarray, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames that windows share stand in the second one's control video as pictures, the others as skeletons."""
    shown: list[tuple[np.ndarray, np.ndarray]] = []
    from backend.models.wan_vace import rendering

    def spy(parts: Any, pictures: np.ndarray, kept: np.ndarray, photo: np.ndarray) -> Any:
        shown.append((pictures.copy(), kept.copy()))
        return original(parts, pictures, kept, photo)

    original = rendering.control
    monkeypatch.setattr(rendering, "control", spy)
    whole = engine.render(job()).frames
    assert np.array_equal(whole, finished[0])
    (_, first), (pictures, second) = shown
    assert first.sum() == 0 and second.tolist() == [True] * 5 + [False] * 4
    assert np.array_equal(pictures[:5], whole[4:9])


@pytest.mark.parametrize("call", range(2, 40, 4))
def test_a_render_stopped_anywhere_goes_on_to_the_same_bits(
    engine: WanVACE, finished: tuple[np.ndarray, Path], tmp_path: Path, call: int
) -> None:
    calls = 0

    def stop(fraction: float, message: str = "", /) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Cancelled

    with pytest.raises(Cancelled):
        engine.render(job(), stop, Workplace(tmp_path))
    fractions: list[float] = []
    (tmp_path / "0123456789abcdef-000000.mkv").write_bytes(b"of a plan that memory did not allow")
    again = engine.render(job(), lambda fraction, message="": fractions.append(fraction), Workplace(tmp_path))
    assert np.array_equal(again.frames, finished[0])
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"clip.mkv", "clip.json", "memory.json"}, "pieces and checkpoints are cleared away"


def test_steps_that_were_done_are_not_done_again(
    engine: WanVACE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(fraction: float, message: str = "", /) -> None:
        if message.startswith("decoding frames 4"):
            raise Cancelled

    with pytest.raises(Cancelled):
        engine.render(job(), stop, Workplace(tmp_path))
    passes = _counted(monkeypatch)
    engine.render(job(), silent, Workplace(tmp_path))
    assert passes == [], "only the decoding was left"
    engine.render(job(), silent, Workplace(tmp_path))
    assert passes == [], "a finished render is read back"
    (tmp_path / "clip.mkv").write_bytes(b"damaged")
    engine.render(job(), silent, Workplace(tmp_path))
    assert len(passes) == 8, "two windows of two steps of two branches"


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The latent frames of each pass of the network from now on."""
    passes: list[int] = []
    original = WanVACETransformer3DModel.forward

    def forward(self: Any, hidden_states: Any, *given: Any, **named: Any) -> Any:
        passes.append(hidden_states.shape[2])
        return original(self, hidden_states, *given, **named)

    monkeypatch.setattr(WanVACETransformer3DModel, "forward", forward)
    return passes


def test_a_range_sees_the_frames_around_it(engine: WanVACE, finished: tuple[np.ndarray, Path], tmp_path: Path) -> None:
    """Two earlier renders that differ around the range lead to different pictures inside it."""
    whole, before = finished
    other = tmp_path / "other"
    write_video(other / "clip.mkv", Video(255 - whole, job().fps), lossless=True)
    told = json.loads((before / "clip.json").read_text())
    from fleximo.job import blob_digest

    write_json(other / "clip.json", told | {"frames": blob_digest((255 - whole).tobytes())})
    part = job().with_window(4, 8)
    first = engine.render(part, silent, Workplace(tmp_path / "a", before)).frames
    assert [n.code for n in engine.notices(part) if n.code == "rendered_alone"] == []
    second = engine.render(part, silent, Workplace(tmp_path / "b", other)).frames
    assert first.shape == (4, 96, 64, 3) and not np.array_equal(first, second)
    kept = np.stack(list(read_frames(tmp_path / "a" / "clip.mkv")))
    assert np.array_equal(kept[:4], whole[:4]) and np.array_equal(kept[8:], whole[8:])
    assert np.array_equal(kept[4:8], first), "a later change finds the whole clip"


def test_a_range_without_an_earlier_render_is_told_to_stand_alone(engine: WanVACE, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "clip.mkv").write_bytes(b"damaged")
    assert len(engine.render(job().with_window(4, 8), silent, Workplace(tmp_path / "a", tmp_path / "before"))) == 4
    assert "rendered_alone" in [notice.code for notice in engine.notices(job())]


def test_a_fifth_of_a_clip_costs_less_than_two_fifths(engine: WanVACE, tmp_path: Path) -> None:
    """24 of 120 frames: the frames of all calls of the network, with default windows."""
    track = true_track("wave")[0]
    track = track[np.arange(120) % len(track)]
    made = replace(make_job("anna", track, frame_photo(SIZE, (32, 32), mode="centre")), engine="wan-vace")
    spared = dict.fromkeys(("stage_offload", "text_streamed", "block_offload", "tiled"), False)
    networks, memory = Networks(torch.device("cpu"), "fp32"), MemoryPlan(**spared, window=81, peaks={})

    def cost(render: RenderJob, place: Workplace | None) -> int:
        return sum(len(w) for w in Rendering(render, Settings(), networks, memory, place, silent).windows)

    whole = Rendering(made, Settings(), networks, memory, Workplace(tmp_path), silent)
    whole._keep_clip()
    part = cost(made.with_window(50, 74), Workplace(tmp_path / "new", tmp_path))
    assert part <= 0.4 * cost(made, None), (part, cost(made, None))


@pytest.mark.parametrize("stage", ["text", "denoise", "decode"])
def test_memory_that_runs_out_is_met_one_rung_down(
    engine: WanVACE, finished: tuple[np.ndarray, Path], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """A rung that only moves networks about keeps every bit of the picture."""
    failures = 2 if stage != "decode" else 1
    original = Rendering._enter

    def enter(self: Rendering, entered: str, message: str) -> None:
        nonlocal failures
        original(self, entered, message)
        if entered == stage and failures:
            failures -= 1
            raise torch.OutOfMemoryError("none left")

    monkeypatch.setattr(Rendering, "_enter", enter)
    fresh = WanVACE("cpu")
    assert np.array_equal(fresh.render(job()).frames, finished[0])
    (told,) = [notice for notice in fresh.notices(job()) if notice.code == "memory_stepped_down"]
    assert {"text": "layer by layer", "denoise": "block by block", "decode": "at work"}[stage] in told.message


def test_a_ladder_that_ends_says_so(engine: WanVACE, monkeypatch: pytest.MonkeyPatch) -> None:
    def enter(self: Rendering, entered: str, message: str) -> None:
        self.stage = entered
        raise torch.OutOfMemoryError("none left")

    monkeypatch.setattr(Rendering, "_enter", enter)
    with pytest.raises(FleximoError) as caught:
        WanVACE("cpu").render(job())
    assert caught.value.code == "out_of_memory"

    def broken(self: Rendering, entered: str, message: str) -> None:
        raise RuntimeError("a fault of another kind")

    monkeypatch.setattr(Rendering, "_enter", broken)
    with pytest.raises(RuntimeError, match="another kind"):
        WanVACE("cpu").render(job())


def test_tiles_make_nearly_the_same_picture(engine: WanVACE) -> None:
    wide = make_job("anna", true_track("wave")[0][::2][:5], frame_photo(SIZE, (320, 64), mode="centre"))
    given = replace(wide, engine="wan-vace", settings={"steps": 1, "guidance": 1.0, "window": 5, "overlap": 1})
    plain = engine.render(given).frames.astype(int)
    fractions: list[float] = []
    tiled = engine.render(
        replace(given, settings={**given.settings, "tiled_decode": True}),
        lambda fraction, message="": fractions.append(fraction),
    ).frames.astype(int)
    other = engine.render(replace(given, seed=given.seed + 1)).frames.astype(int)
    assert 0 < np.abs(plain - tiled).mean() < 0.5 * np.abs(plain - other).mean()
    assert fractions == sorted(fractions)


def test_the_rest_of_the_time_is_estimated(engine: WanVACE) -> None:
    told: list[str] = []
    engine.render(job(), lambda fraction, message="": told.append(message))
    assert any(message.startswith("step 2 of 2, window 1 of 2") and "left" in message for message in told)
    assert Pace(silent, 1.0).fraction == 0.0
