"""Memory plans: the table against what the networks take, the choice of a plan, and the ladder down."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from diffusers import AutoencoderKLTemporalDecoder  # noqa: E402
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: E402

from backend.diffusion.footprint import count  # noqa: E402
from backend.diffusion.ladder import recall, record  # noqa: E402
from backend.diffusion.loading import empty  # noqa: E402
from backend.diffusion.memory import GIB  # noqa: E402
from backend.models.svd.footprint import network_costs  # noqa: E402
from backend.models.svd.memory import (  # noqa: E402
    SVD_XT_COSTS,
    MemoryPlan,
    plan_memory,
    scaled_costs,
    step_down,
)
from backend.models.svd.unet import SVD_XT, PoseUNet  # noqa: E402
from fleximo import FleximoError, Notice  # noqa: E402
from tests.fixtures.standins.mimicmotion import TINY_UNET  # noqa: E402
from tests.fixtures.standins.svd import IMAGE_ENCODER, TINY_IMAGE_ENCODER, TINY_VAE, VAE  # noqa: E402

SIZE = (576, 1024)
DATA = Path(__file__).parents[1] / "data" / "mimicmotion"


def networks(unet: dict, vae: dict, encoder: dict) -> list:
    return [
        empty(lambda: PoseUNet(**unet)).to("meta"),
        empty(lambda: AutoencoderKLTemporalDecoder(**vae)).to("meta"),
        empty(lambda: CLIPVisionModelWithProjection(CLIPVisionConfig(**encoder))).to("meta"),
    ]


def fitted(
    gib: float, *, size: tuple[int, int] = SIZE, allow: bool = False, frames: int = 73, batched: bool = True
) -> MemoryPlan:
    return plan_memory(
        SVD_XT_COSTS,
        free=gib * GIB,
        size=size,
        frames=frames,
        window=72,
        chunk=8,
        batched=batched,
        smaller_window=allow,
    )


def test_the_table_is_what_the_released_networks_take() -> None:
    """Counted anew at full size; the published figures are 230.4 TFLOP a branch and 6.94 a decoded frame."""
    found = network_costs(*networks(SVD_XT, VAE, IMAGE_ENCODER), frames=72, size=SIZE)
    for name, value in vars(found).items():
        assert getattr(SVD_XT_COSTS, name) == pytest.approx(value, rel=2e-3), name
    cells = 72 * 128 * 72
    assert found.unet_flops_cell * cells == pytest.approx(230.4e12, rel=1e-3)
    assert found.decode_flops_cell * 128 * 72 == pytest.approx(6.94e12, rel=1e-3)
    whole_job = 25 * 2 * found.unet_flops_cell * cells + found.decode_flops_cell * cells
    assert whole_job == pytest.approx(12.02e15, rel=1e-3)  # 71 poses and the photo, 25 steps, two branches, decoded
    assert found.decode_cell * 128 * 72 * 8 / GIB == pytest.approx(9.0, rel=1e-3)


def test_the_stand_ins_are_the_released_sizes() -> None:
    with gzip.open(DATA / "manifest_vae.json.gz", "rt") as file:
        assert json.load(file)["vae_config"] == VAE
    with gzip.open(DATA / "manifest_image_encoder.json.gz", "rt") as file:
        assert json.load(file)["config"] == IMAGE_ENCODER


def test_small_networks_are_priced_in_proportion() -> None:
    counted = network_costs(*networks(TINY_UNET, TINY_VAE, TINY_IMAGE_ENCODER), frames=8, size=(128, 128))
    weights = {name: getattr(counted, name) for name in ("image_encoder", "vae", "unet")}
    guessed = scaled_costs(weights, 32 / 320, 32 / 128)
    for name in ("unet_cell", "decode_cell", "encode_cell"):
        assert getattr(guessed, name) == pytest.approx(getattr(counted, name), rel=0.35), name


def test_counting_sees_what_is_alive_at_once() -> None:
    def call() -> None:
        first = torch.empty(1000, device="meta") + 1.0  # 4 kB twice, until the first is gone
        second = first @ torch.empty(1000, 500, device="meta")
        del first
        torch.cat([second, second])

    found = count(call)
    assert found.flops == 2 * 1000 * 500
    assert 2_006_000 <= found.peak_bytes <= 2_012_000


@pytest.mark.parametrize(
    ("gib", "allow", "expected"),
    [
        (8, True, (False, True, True, 25)),
        (12, True, (False, True, False, 25)),
        (16, False, (False, True, True, 72)),
        (24, False, (False, False, False, 72)),
        (80, False, (True, False, False, 72)),
    ],
)
def test_cards_of_every_size_have_their_plan(gib: int, allow: bool, expected: tuple[bool, bool, bool, int]) -> None:
    plan = fitted(gib * 0.97, allow=allow)
    assert (plan.batched, plan.stage_offload, plan.block_offload, plan.window) == expected
    assert plan.peak < gib * GIB


def test_more_memory_never_gives_a_thriftier_plan() -> None:
    def rank(plan: MemoryPlan) -> tuple[int, int, int]:
        return plan.window, plan.chunk, 2 * (not plan.block_offload) + (not plan.stage_offload)

    plans = [fitted(gib, allow=True) for gib in (6, 8, 10, 12, 14, 16, 20, 24, 40, 80)]
    assert [rank(plan) for plan in plans] == sorted(rank(plan) for plan in plans)


def test_a_smaller_window_is_taken_only_with_leave() -> None:
    with pytest.raises(FleximoError) as refused:
        fitted(11.6)
    assert refused.value.code == "not_enough_memory"
    assert "smaller_window" in refused.value.remedy and "11.6 GiB are free" in refused.value.message
    assert fitted(11.6, allow=True).window == 25
    with pytest.raises(FleximoError) as refused:
        fitted(2.0, allow=True)
    assert refused.value.remedy == "Choose a smaller size."


def test_both_branches_go_in_one_call_only_when_asked() -> None:
    assert fitted(80).batched and not fitted(80, batched=False).batched and not fitted(24).batched


def test_short_clips_and_small_pictures_take_less() -> None:
    assert fitted(11.6, frames=20).window == 20
    assert fitted(11.6, size=(320, 512)).window == 72
    assert fitted(1000.0).peak > fitted(1000.0, size=(448, 768)).peak


def test_where_the_system_does_not_tell_nothing_is_spared() -> None:
    plan = plan_memory(SVD_XT_COSTS, free=None, size=SIZE, frames=73, window=72, chunk=8)
    assert (plan.batched, plan.stage_offload, plan.window, plan.chunk) == (False, False, 72, 8)


def test_four_bytes_a_value_take_twice_the_weights() -> None:
    two, four = (
        plan_memory(SVD_XT_COSTS, free=None, size=SIZE, frames=73, window=72, chunk=8, bytes_per_value=n)
        for n in (2, 4)
    )
    assert four.peaks["denoise"] == pytest.approx(2 * two.peaks["denoise"], rel=0.05)


def test_kept_deep_features_are_counted() -> None:
    """640 channels of every frame of both branches, two bytes each."""
    plain, kept = (
        plan_memory(SVD_XT_COSTS, free=None, size=SIZE, frames=73, window=72, chunk=8, kept_frames=n) for n in (0, 144)
    )
    assert kept.peaks["denoise"] - plain.peaks["denoise"] == 144 * 72 * 128 * 640 * 2


def ladder(plan: MemoryPlan, stage: str, allow: bool) -> list[MemoryPlan]:
    plans = [plan]
    while (thriftier := step_down(plans[-1], stage, smaller_window=allow)) is not None:
        plans.append(thriftier)
    return plans


def test_the_ladder_spares_what_keeps_the_picture_first() -> None:
    roomy = fitted(80)
    names = ("batched", "stage_offload", "block_offload", "chunk", "window")
    steps = ladder(roomy, "denoise", True)
    changed = [
        {name for name in names if getattr(one, name) != getattr(other, name)} for one, other in zip(steps, steps[1:])
    ]
    assert changed == [{"batched"}, {"stage_offload"}, {"block_offload"}, {"window"}, {"window"}, {"window"}]
    assert [plan.window for plan in steps[-3:]] == [25, 16, 8]
    assert ladder(roomy, "denoise", False)[-1].window == 72
    chunks = [plan.chunk for plan in ladder(replace(roomy, batched=False), "decode", False)]
    assert chunks == [8, 8, 4, 2, 1]
    assert len(ladder(roomy, "encode", True)) == 2  # one network at a time, then nothing is left


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = fitted(24)
    told = [Notice("memory_plan", "Less was planned.", "Buy more.")]
    record(tmp_path, plan, told)
    found = recall(tmp_path, MemoryPlan)
    assert found is not None and replace(found[0], peaks={}) == replace(plan, peaks={}) and found[1] == told
    for other in ('{"window": 3}', "[]", "{", '{"told": [3]}'):
        (tmp_path / "memory.json").write_text(other)
        assert recall(tmp_path, MemoryPlan) is None
    assert recall(tmp_path / "absent", MemoryPlan) is None is recall(None, MemoryPlan)
