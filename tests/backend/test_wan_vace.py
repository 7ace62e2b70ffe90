"""Wan VACE's parts: windows, settings, what the network is shown, and the loop held against diffusers' own pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from diffusers import WanVACEPipeline  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from backend.models.wan_vace.engine import WanVACE  # noqa: E402
from backend.models.wan_vace.networks import Networks  # noqa: E402
from backend.models.wan_vace.pictures import control, decode, skeletons, to_signed  # noqa: E402
from backend.models.wan_vace.sampler import (  # noqa: E402
    Told,
    make_scheduler,
    noise_for,
    restore,
    sample,
    scheduler_state,
)
from backend.models.wan_vace.settings import Settings  # noqa: E402
from backend.models.wan_vace.windows import Window, padded, windows_over  # noqa: E402
from fleximo import FleximoError  # noqa: E402
from fleximo.camera_fit import frame_photo  # noqa: E402
from fleximo.pose_track import PoseSignal  # noqa: E402
from tests.backend.draft_truth import SIZE, make_job, true_track  # noqa: E402
from tests.fixtures.tiny_wan import tiny_wan  # noqa: E402

CANVAS = (64, 96)
STEPS = 5


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEXIMO_MODELS", str(tiny_wan()))
        yield tiny_wan()


@pytest.fixture(scope="module")
def networks(models: Path) -> Networks:
    return Networks(torch.device("cpu"), "fp32")


def job() -> Any:
    return make_job("anna", true_track("wave")[0][::2][:9], frame_photo(SIZE, CANVAS, mode="centre"))


@given(
    st.integers(0, 50).map(lambda n: 4 * n),
    st.integers(1, 400),
    st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(4 * n + 1), st.integers(0, n - 1).map(lambda k: 4 * k + 1))),
)
@settings(max_examples=200, deadline=None)
def test_windows_cover_every_frame_and_share_what_was_asked(start: int, frames: int, sizes: tuple[int, int]) -> None:
    length, overlap = sizes
    windows = windows_over((start, start + frames), length, overlap)
    assert {len(window) for window in windows} == {len(windows[0])} and len(windows[0]) <= length
    assert all(window.start % 4 == 0 and len(window) % 4 == 1 for window in windows)
    assert [a.stop - b.start for a, b in zip(windows, windows[1:])] == [overlap] * (len(windows) - 1)
    assert windows[0].start == start and windows[-1].stop >= start + frames
    assert len(windows) == 1 or frames > length + (len(windows) - 2) * (length - overlap), "no more than are needed"


def test_a_windows_padding_repeats_the_last_frame() -> None:
    assert Window(4, 9).rows(7) == [4, 5, 6, 6, 6] and Window(4, 9).latents == 2
    assert [padded(n) for n in (1, 4, 81, 82)] == [1, 5, 81, 85]
    with pytest.raises(FleximoError):
        windows_over((2, 9), 5, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"stpes": 3},
        {"steps": 0},
        {"steps": True},
        {"window": 80},
        {"window": 13, "overlap": 13},
        {"overlap": 4},
        {"guidance": 0.5},
        {"guidance": float("nan")},
        {"flow_shift": 0},
        {"prompt": 3},
        {"quality": "great"},
        {"quality": {}},
        {"precision": "int8"},
        {"tiled_decode": 1},
        {"pose_strength": "all"},
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(FleximoError) as caught:
        Settings.from_json(wrong)
    assert caught.value.code == "invalid_setting" and next(reversed(wrong)) in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("transformer/config.json", '{"num_layers": "many"}'),
        ("vae/config.json", "[]"),
        ("text_encoder/config.json", '{"d_model": 0}'),
        ("scheduler/scheduler_config.json", '{"solver_type": "guess"}'),
        ("tokenizer/tokenizer.json", "{}"),
    ],
)
def test_settings_that_describe_nothing_are_told_with_their_file(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: str
) -> None:
    shutil.copytree(models, tmp_path / "models")
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path / "models"))
    (tmp_path / "models" / "wan_vace_1_3b" / file).write_text(content)
    with pytest.raises(FleximoError) as refused:
        given = Networks(torch.device("cpu"), "fp32")
        assert given.costs and given.scheduler(2, 16.0) and len(given.words("a hall"))
    assert refused.value.code == "unreadable_weights" and file in refused.value.message and refused.value.remedy


def test_a_transformer_that_tells_no_layers_has_the_usual_ones(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(models, tmp_path / "models")
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path / "models"))
    (tmp_path / "models" / "wan_vace_1_3b" / "transformer" / "config.json").write_text("{}")
    assert Networks(torch.device("cpu"), "fp32").control_layers == 8


def test_the_loop_is_the_pipelines_own_bit_for_bit(networks: Networks) -> None:
    """Two finished frames, skeletons for the rest, the photo: diffusers' call and our parts give the same latents."""
    given = job()
    shown = skeletons(given, range(9))
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 256, (CANVAS[1], CANVAS[0], 3), dtype=np.uint8)
    kept = np.arange(9) < 2
    shown[kept] = rng.integers(0, 256, (2, *photo.shape), dtype=np.uint8)
    latents = noise_for(7, 0, 3, CANVAS[1] // 8, CANVAS[0] // 8, 16)
    words = {"prompt_embeds": networks.words("a hall"), "negative_prompt_embeds": networks.words("blurry")}

    configuration = networks.config("scheduler", "scheduler_config.json")
    pipeline = WanVACEPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=networks.vae(),
        transformer=networks.transformer(),
        scheduler=make_scheduler(configuration, STEPS, 16.0, "cpu"),
    )
    pipeline.set_progress_bar_config(disable=True)
    asked = {
        "video": [Image.fromarray(picture) for picture in shown],
        "mask": [Image.new("L", CANVAS, 0 if keep else 255) for keep in kept],
        "reference_images": [Image.fromarray(photo)],
        "width": CANVAS[0],
        "height": CANVAS[1],
        "num_frames": 9,
        "num_inference_steps": STEPS,
        "guidance_scale": 5.0,
        "conditioning_scale": 0.8,
        "latents": latents,
        **words,
    }
    theirs = pipeline(**asked, output_type="latent").frames
    seen = control(networks.parts(), shown, kept, photo)
    told = Told(seen, words["prompt_embeds"], words["negative_prompt_embeds"], 5.0, torch.full((1,), 0.8))
    ours = sample(networks.transformer(), make_scheduler(configuration, STEPS, 16.0, "cpu"), told, latents)
    assert torch.equal(ours, theirs)
    pictures = decode(networks.vae(), ours[:, :, 1:], tiled=False).astype(int)
    assert np.abs(pictures - np.round(pipeline(**asked).frames[0] * 255)).max() <= 1
    assert pictures.shape == (9, CANVAS[1], CANVAS[0], 3)


def test_the_words_are_encoded_as_by_the_pipeline(networks: Networks) -> None:
    pytest.importorskip("ftfy")
    text = "  a tall man &amp; his dog,\n on a stage "
    pipeline = WanVACEPipeline(
        tokenizer=networks._tokenizer,
        text_encoder=networks._text_encoder(False),
        vae=networks.vae(),
        transformer=networks.transformer(),
        scheduler=None,
    )
    with torch.inference_mode():
        theirs, against = pipeline.encode_prompt(text, "", max_sequence_length=512)
    assert torch.equal(networks.words(text), theirs.float())
    assert torch.equal(networks.words(""), against.float()), "no words are words, too"
    assert not torch.equal(theirs, against) and (theirs[0, -1] == 0).all()


def _told(networks: Networks) -> tuple[Told, Any]:
    generator = torch.Generator().manual_seed(2)
    seen = torch.randn((1, 96, 3, 4, 4), generator=generator)
    told = Told(seen, networks.words("a hall"), networks.words("blurry"), 5.0, torch.ones(1))
    return told, noise_for(1, 0, 2, 4, 4, 16)


def test_a_loop_goes_on_from_any_step_with_the_same_bits(networks: Networks) -> None:
    told, latents = _told(networks)
    configuration = networks.config("scheduler", "scheduler_config.json")
    scheduler = make_scheduler(configuration, STEPS, 16.0, "cpu")
    kept: dict[int, dict[str, Any]] = {}

    def keep(done: int, latents: Any) -> None:
        kept[done] = {"latents": latents.clone()} | {
            name: value.clone() for name, value in scheduler_state(scheduler).items()
        }

    whole = sample(networks.transformer(), scheduler, told, latents, after_step=keep)
    assert sorted(kept) == [1, 2, 3, 4, 5]
    for done in (1, 2, 4):
        fresh = make_scheduler(configuration, STEPS, 16.0, "cpu")
        assert restore(fresh, kept[done], "cpu")
        assert torch.equal(sample(networks.transformer(), fresh, told, kept[done]["latents"], done=done), whole)
    forgetful = make_scheduler(configuration, STEPS, 16.0, "cpu")
    forgetful.set_begin_index(2)
    assert not torch.equal(sample(networks.transformer(), forgetful, told, kept[2]["latents"], done=2), whole)
    assert not restore(make_scheduler(configuration, STEPS + 1, 16.0, "cpu"), kept[2], "cpu"), "another schedule"


def test_guidance_of_one_takes_one_pass_a_step(networks: Networks) -> None:
    told, latents = _told(networks)
    calls: list[int] = []
    scheduler = make_scheduler(networks.config("scheduler", "scheduler_config.json"), 2, 16.0, "cpu")
    sample(networks.transformer(), scheduler, replace(told, negative=None), latents, before_pass=calls.append)
    assert calls == [0, 1] and Settings(guidance=1.0).branches == 1 and Settings().branches == 2


def test_a_latent_has_the_same_noise_in_every_window() -> None:
    first, second = noise_for(5, 0, 12, 8, 8, 16), noise_for(5, 7, 3, 8, 8, 16)
    assert torch.equal(first[:, :, 8:11], second[:, :, 1:4]) and torch.equal(first[:, :, 0], second[:, :, 0])
    assert not torch.equal(first, noise_for(6, 0, 12, 8, 8, 16))
    assert abs(float(first.mean())) < 0.03 and abs(float(first.std()) - 1.0) < 0.03


def test_kept_frames_are_shown_as_they_are_and_masked_out(networks: Networks) -> None:
    shown = np.random.default_rng(1).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    kept = np.arange(9) < 5
    seen = control(networks.parts(), shown, kept, shown[0])
    assert seen.shape == (1, 96, 4, 4, 4)
    masks = seen[0, 32:].flatten(2)
    assert (masks[:, :2] == 0).all(), "the photo and the first frame are kept"
    assert (masks[:, -1] == 1).all(), "the last latent is rendered"
    other = shown.copy()
    other[:5] += 9
    again = control(networks.parts(), other, kept, shown[0])
    assert not torch.equal(again[:, :16, 1:3], seen[:, :16, 1:3]), "what is kept is seen"
    assert torch.equal(again[:, 16:], seen[:, 16:])


def test_skeletons_are_body_and_face_in_the_networks_colours() -> None:
    given = job()
    drawn = skeletons(given, [0, 8])
    assert drawn.shape == (2, CANVAS[1], CANVAS[0], 3) and drawn.max() > 100 and (drawn == 0).mean() > 0.5
    track = given.signal.track
    confidence = track.confidence.copy()
    confidence[:, 92:] = 0.0  # hands
    without_hands = replace(given, signal=PoseSignal(replace(track, confidence=confidence)))
    assert np.array_equal(skeletons(without_hands, [0, 8]), drawn), "VACE's skeletons have no fingers"
    confidence = np.where(track.confidence > 0, 0.29, 0.0).astype(track.confidence.dtype)
    unsure = replace(given, signal=PoseSignal(replace(track, confidence=confidence)))
    assert skeletons(unsure, [0]).max() == 0
    with pytest.raises(FleximoError, match="another style"):
        WanVACE("cpu").render(replace(given, signal=PoseSignal(track, b"video")))


def test_pictures_become_minus_one_to_one() -> None:
    signed = to_signed(np.array([[[[0, 255, 51]]]], np.uint8), torch.device("cpu"))
    assert signed.shape == (1, 3, 1, 1, 1)
    np.testing.assert_allclose(signed.flatten(), [-1.0, 1.0, -0.6], atol=1e-6)


def _copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(tiny_wan(), tmp_path / "models")
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path / "models"))
    return tmp_path / "models" / "wan_vace_1_3b"


def test_weights_that_do_not_fit_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _copied(tmp_path, monkeypatch)
    part = folder / "transformer" / "diffusion_pytorch_model-00001-of-00002.safetensors"
    tensors = load_file(part)
    lost = sorted(tensors)[0]
    save_file({key: value for key, value in tensors.items() if key != lost} | {"extra.weight": torch.ones(2)}, part)
    with pytest.raises(FleximoError) as caught:
        Networks(torch.device("cpu"), "fp32").transformer()
    assert caught.value.code == "weights_mismatch" and lost in str(caught.value) and "extra.weight" in str(caught.value)
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    with pytest.raises(FleximoError) as caught:
        Networks(torch.device("cpu"), "fp32").words("a hall")
    assert caught.value.code == "unreadable_weights"
    (folder / "vae" / "config.json").write_text(json.dumps([1]))
    with pytest.raises(FleximoError) as caught:
        Networks(torch.device("cpu"), "fp32").vae()
    assert caught.value.code == "unreadable_weights"


def test_the_table_of_words_may_lie_under_its_other_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, networks: Networks
) -> None:
    folder = _copied(tmp_path, monkeypatch)
    for part in (folder / "text_encoder").glob("*.safetensors"):
        tensors = load_file(part)
        if "shared.weight" in tensors:
            tensors["encoder.embed_tokens.weight"] = tensors.pop("shared.weight")
            save_file(tensors, part)
    fresh = Networks(torch.device("cpu"), "fp32")
    assert torch.equal(fresh.words("a hall"), networks.words("a hall"))
    encoder = fresh._text_encoder(False)
    assert encoder.encoder.embed_tokens.weight.data_ptr() == encoder.shared.weight.data_ptr(), "one copy in memory"


def test_half_precision_keeps_norms_exact_and_runs() -> None:
    networks = Networks(torch.device("cpu"), "bf16")
    transformer = networks.transformer()
    assert transformer.blocks[0].norm2.weight.dtype == torch.float32 == transformer.scale_shift_table.dtype
    assert transformer.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    told, latents = _told(networks)
    told = replace(told, control=told.control.bfloat16(), strength=told.strength.bfloat16())
    scheduler = make_scheduler(networks.config("scheduler", "scheduler_config.json"), 2, 16.0, "cpu")
    half = sample(transformer, scheduler, told, latents)
    assert half.dtype == torch.float32 and half.isfinite().all()
