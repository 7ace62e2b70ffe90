"""The denoising loop on a real U-Net made small: guidance, windows, frozen frames, resuming, exact short cuts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel  # noqa: E402
from scipy import ndimage  # noqa: E402
from torch import Tensor  # noqa: E402

from backend.diffusion.checkpoint import Checkpoints, read_sealed, write_sealed  # noqa: E402
from backend.models.svd import conditioning as conditioning_module  # noqa: E402
from backend.models.svd.conditioning import Conditioning, clip_pixels, pose_features, to_signed  # noqa: E402
from backend.models.svd.decode import QuickLook, decode, to_pictures  # noqa: E402
from backend.models.svd.pose_net import PoseNet  # noqa: E402
from backend.models.svd.sampler import Frozen, SamplingPlan, State, Watch, draw_noise, sample, start  # noqa: E402
from backend.models.svd.schedule import make_scheduler  # noqa: E402
from backend.models.svd.unet import DeepFeatures, PoseUNet, shorten_cross_attention  # noqa: E402
from backend.models.svd.windows import balanced_windows  # noqa: E402
from tests.fixtures.fill_weights import fill_module  # noqa: E402
from tests.fixtures.standins.mimicmotion import TINY_UNET  # noqa: E402
from tests.fixtures.standins.svd import TINY_VAE  # noqa: E402

FRAMES, SIDE, STEPS, WINDOW, OVERLAP = 8, 8, 2, 5, 2
SCHEDULER = make_scheduler(STEPS)


@pytest.fixture(scope="module")
def unet() -> PoseUNet:
    return fill_module(PoseUNet(**TINY_UNET).requires_grad_(False).eval())


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLTemporalDecoder:
    return fill_module(AutoencoderKLTemporalDecoder(**TINY_VAE).requires_grad_(False).eval())


@pytest.fixture(scope="module")
def told() -> Conditioning:
    generator = torch.Generator().manual_seed(3)
    poses = torch.randn(FRAMES, 32, SIDE, SIDE, generator=generator)
    return Conditioning(
        embedding=torch.randn(1, 1, 32, generator=generator),
        image_latent=torch.randn(1, 4, SIDE, SIDE, generator=generator),
        time_ids=torch.tensor([[6.0, 127.0, 0.0]]),
        poses=lambda frames: poses[frames],
    )


@pytest.fixture(scope="module")
def noise() -> Tensor:
    return draw_noise(torch.Generator().manual_seed(1), WINDOW, SIDE, SIDE)


def plan(**changes: object) -> SamplingPlan:
    windows = tuple(balanced_windows(FRAMES, WINDOW, OVERLAP))
    whole = SamplingPlan(FRAMES, STEPS, windows, (2.0,) * FRAMES, (0, STEPS))
    return replace(whole, **changes)


def run(unet: PoseUNet, told: Conditioning, noise: Tensor, plan: SamplingPlan, **more: object) -> Tensor:
    state = more.pop("state", None) or start(noise, plan.frames, SCHEDULER)
    return sample(unet, SCHEDULER, told, plan, state, noise, **more)


@pytest.fixture(scope="module")
def whole(unet: PoseUNet, told: Conditioning, noise: Tensor) -> Tensor:
    return run(unet, told, noise, plan())


@contextmanager
def counted(unet: PoseUNet) -> Iterator[list[int]]:
    """The frames (batch times frames) of every call."""
    calls: list[int] = []
    hook = unet.register_forward_pre_hook(lambda _module, given: calls.append(given[0].shape[0] * given[0].shape[1]))
    yield calls
    hook.remove()


def test_a_clip_of_several_windows_costs_what_the_plan_says(
    unet: PoseUNet, told: Conditioning, noise: Tensor, whole: Tensor
) -> None:
    with counted(unet) as calls:
        again = run(unet, told, noise, plan())
    assert torch.equal(again, whole) and whole.shape == (FRAMES, 4, SIDE, SIDE) and torch.isfinite(whole).all()
    assert sum(calls) == plan().cost == STEPS * 2 * sum(map(len, plan().windows))


def test_guidance_of_one_runs_one_branch_and_gives_the_same(unet: PoseUNet, told: Conditioning, noise: Tensor) -> None:
    ones = (1.0,) * FRAMES
    with counted(unet) as calls:
        one = run(unet, told, noise, plan(guidance=ones))
    both = run(unet, told, noise, plan(guidance=ones, single_branch=False))
    assert sum(calls) == plan(guidance=ones).cost == plan(guidance=ones, single_branch=False).cost // 2
    torch.testing.assert_close(one, both, atol=1e-3, rtol=1e-4)


def test_guidance_on_an_interval_saves_the_other_steps(
    unet: PoseUNet, told: Conditioning, noise: Tensor, whole: Tensor
) -> None:
    with counted(unet) as calls:
        some = run(unet, told, noise, plan(guided_steps=(1, 2)))
    assert sum(calls) == plan(guided_steps=(1, 2)).cost == plan().cost * 3 // 4
    assert not torch.allclose(some, whole, atol=1e-2)


def test_both_branches_in_one_call_give_the_same(
    unet: PoseUNet, told: Conditioning, noise: Tensor, whole: Tensor
) -> None:
    with counted(unet) as calls:
        batched = run(unet, told, noise, plan(batched=True))
    assert len(calls) == STEPS * len(plan().windows) and sum(calls) == plan().cost
    torch.testing.assert_close(batched, whole, atol=1e-3, rtol=1e-4)


def test_guidance_belongs_to_the_frame(unet: PoseUNet, told: Conditioning, noise: Tensor) -> None:
    """A frame with guidance 1 in the only step looks as if there were no guidance anywhere."""
    scheduler = make_scheduler(1)
    one = replace(plan(), steps=1, guided_steps=(0, 1))
    mixed = replace(one, guidance=tuple(1.0 if frame == 3 else 4.0 for frame in range(FRAMES)))
    latents = [
        sample(unet, scheduler, told, chosen, start(noise, FRAMES, scheduler), noise)
        for chosen in (mixed, replace(one, guidance=(1.0,) * FRAMES))
    ]
    torch.testing.assert_close(latents[0][3], latents[1][3], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(latents[0][4], latents[1][4], atol=1e-2)


def test_the_loop_goes_on_from_any_step_with_the_same_bits(
    unet: PoseUNet, told: Conditioning, noise: Tensor, whole: Tensor, tmp_path: Path
) -> None:
    states: list[State] = []
    run(unet, told, noise, plan(), watch=Watch(after_step=lambda state, _guess: states.append(state)))
    checkpoints = Checkpoints(tmp_path, "key")
    checkpoints.save(states[0].step, {"latents": states[0].latents})
    found = checkpoints.load()
    assert found is not None and found[0] == 1
    assert torch.equal(run(unet, told, noise, plan(), state=State(found[0], found[1]["latents"])), whole)


def test_a_stop_comes_before_the_next_call(unet: PoseUNet, told: Conditioning, noise: Tensor) -> None:
    class Stopped(Exception):
        pass

    asked: list[tuple[int, int, int]] = []

    def before_call(*call: int) -> None:
        asked.append(call)
        if len(asked) == 4:
            raise Stopped

    with counted(unet) as calls, pytest.raises(Stopped):
        run(unet, told, noise, plan(), watch=Watch(before_call=before_call))
    assert len(calls) == 3 and asked[:3] == [(0, 0, 5), (0, 0, 5), (0, 1, 5)]


def frozen_plan(changed: range) -> tuple[SamplingPlan, Tensor]:
    span = (max(1, changed.start - 1), min(FRAMES, changed.stop + 1))
    sampled = torch.zeros(FRAMES, dtype=torch.bool)
    sampled[changed.start : changed.stop] = True
    return plan(windows=tuple(balanced_windows(FRAMES, WINDOW, OVERLAP, span=span))), sampled


def test_frozen_frames_come_out_as_they_went_in_and_the_others_cost_less(
    unet: PoseUNet, told: Conditioning, noise: Tensor, whole: Tensor
) -> None:
    chosen, sampled = frozen_plan(range(4, 6))
    poses = torch.randn(FRAMES, 32, SIDE, SIDE, generator=torch.Generator().manual_seed(9))
    edited = replace(told, poses=lambda frames: poses[frames])
    with counted(unet) as calls:
        changed = run(unet, edited, noise, chosen, frozen=Frozen(whole, sampled))
    assert torch.equal(changed[~sampled], whole[~sampled])
    assert (changed[sampled] - whole[sampled]).abs().amax(dim=(1, 2, 3)).min() > 1e-2
    assert sum(calls) == chosen.cost < 0.6 * plan().cost


def test_frozen_frames_stand_at_each_steps_noise_level(
    unet: PoseUNet, told: Conditioning, noise: Tensor, whole: Tensor
) -> None:
    chosen, sampled = frozen_plan(range(4, 6))
    seen: list[Tensor] = []
    hook = unet.register_forward_pre_hook(lambda _module, given: seen.append(given[0][0, :, :4].clone()))
    run(unet, told, noise, chosen, frozen=Frozen(whole, sampled))
    hook.remove()
    frames = chosen.windows[0].frames
    still = [place for place, frame in enumerate(frames) if not sampled[frame]]
    for step in range(STEPS):
        sigma = SCHEDULER.sigmas[step]
        kept = [frames[place] for place in still]
        expected = (whole[kept] + sigma * noise[[frame % WINDOW for frame in kept]]) / (sigma**2 + 1) ** 0.5
        torch.testing.assert_close(seen[2 * step][still], expected, atol=1e-5, rtol=1e-5)


def test_the_noise_of_a_seed_is_one_window_repeated(noise: Tensor) -> None:
    again = draw_noise(torch.Generator("cpu").manual_seed(1), WINDOW, SIDE, SIDE)
    assert torch.equal(noise, again)
    state = start(noise, 12, SCHEDULER)
    assert torch.equal(state.latents[7], state.latents[2]) and not torch.equal(state.latents[0], state.latents[1])
    torch.testing.assert_close(state.latents[:WINDOW], noise * (700.0**2 + 1) ** 0.5)


def test_attention_to_one_token_may_be_cut_short(told: Conditioning) -> None:
    unet = fill_module(PoseUNet(**TINY_UNET).requires_grad_(False).eval())
    given = (torch.randn(2, 3, 8, SIDE, SIDE), torch.tensor(0.5), torch.randn(2, 1, 32), torch.rand(2, 3))
    poses = torch.randn(6, 32, SIDE, SIDE)
    before = unet(*given, pose_latents=poses, return_dict=False)[0]
    parameters = sum(p.numel() for p in unet.parameters())
    shorten_cross_attention(unet)
    torch.testing.assert_close(unet(*given, pose_latents=poses, return_dict=False)[0], before, atol=5e-5, rtol=1e-4)
    assert sum(p.numel() for p in unet.parameters()) < parameters
    other = (*given[:2], given[2] + 1.0, given[3])
    assert not torch.allclose(unet(*other, pose_latents=poses, return_dict=False)[0], before, atol=1e-3)


def test_skeletons_reach_the_unet_only_where_they_are_given(unet: PoseUNet) -> None:
    given = (torch.randn(1, 3, 8, SIDE, SIDE), torch.tensor(0.5), torch.randn(1, 1, 32), torch.rand(1, 3))
    plain = unet(*given, return_dict=False)[0]
    assert torch.equal(unet(*given, pose_latents=torch.zeros(3, 32, SIDE, SIDE), return_dict=False)[0], plain)
    assert not torch.allclose(unet(*given, pose_latents=torch.ones(3, 32, SIDE, SIDE), return_dict=False)[0], plain)
    assert torch.equal(unet(*given, return_dict=False)[0], plain)  # nothing is left behind


def test_a_fresh_pose_net_adds_nothing_and_takes_clips_too() -> None:
    net = PoseNet(channels=8)
    clip = torch.randn(2, 3, 3, 16, 24)
    assert torch.equal(net(clip), torch.zeros(6, 8, 2, 3))
    fill_module(net)
    assert torch.equal(net(clip), net(clip.flatten(0, 1)))
    pictures = np.random.default_rng(0).integers(0, 256, (11, 16, 24, 3), dtype=np.uint8)
    with torch.no_grad():
        torch.testing.assert_close(pose_features(net, pictures), net(to_signed(pictures)), atol=1e-6, rtol=1e-5)


def test_a_large_photo_is_blurred_for_clip_as_an_independent_filter_does() -> None:
    picture = np.random.default_rng(0).normal(size=(1, 3, 288, 512)).astype(np.float32)
    blurred = conditioning_module._blur(torch.from_numpy(picture), 1024 / 224, axis=-1)
    sigma = (1024 / 224 - 1) / 2  # 1.786: a kernel of 4 sigma is 7 wide
    judged = ndimage.gaussian_filter1d(picture, sigma, axis=-1, mode="mirror", radius=3)
    np.testing.assert_allclose(blurred.numpy(), judged, atol=1e-5)
    assert clip_pixels(torch.from_numpy(picture)).shape == (1, 3, 224, 224)


def test_overlapped_chunks_flicker_less(vae: AutoencoderKLTemporalDecoder) -> None:
    """Against one call over the whole clip, the worst frame gains, and every frame comes once."""
    latents = torch.randn(12, 4, 4, 4, generator=torch.Generator().manual_seed(5)) * 0.2
    with torch.no_grad():
        whole, plain, shared = (
            torch.cat(list(decode(vae, latents, length=length, overlap=overlap)))
            for length, overlap in ((12, 0), (6, 0), (6, 3))
        )
    assert plain.shape == shared.shape == whole.shape
    worst = [(found - whole).abs().mean(dim=(1, 2, 3)).max().item() for found in (plain, shared)]
    assert worst[1] < 0.5 * worst[0], worst


def test_pictures_are_rounded_unless_told_to_cut_off() -> None:
    grey = torch.tensor([-2.0, -1.0, -0.001, 0.0, 1.0, 2.0]).view(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert to_pictures(grey)[0, 0, :, 0].tolist() == [0, 0, 127, 128, 255, 255]
    assert to_pictures(grey, truncate=True)[0, 0, :, 0].tolist() == [0, 0, 127, 127, 255, 255]


def test_a_quick_look_shows_what_the_reference_showed() -> None:
    generator = torch.Generator().manual_seed(2)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 6, generator=generator) * 2 - 1, (64, 64))
    small = torch.nn.functional.interpolate(picture, (8, 8), mode="area")
    latent = torch.cat([small * 3.0 + 0.5, small[:, :1]], dim=1)  # a latent that holds the colours linearly
    look = QuickLook(picture, latent)
    shown, wanted = look(latent)[0].astype(float), to_pictures(small)[0].astype(float)
    assert np.abs(shown - wanted).max() <= 2.0
    assert np.abs(look(latent * 0.0)[0].astype(float) - wanted).max() > 20.0


def test_only_an_intact_checkpoint_of_the_same_render_is_used(tmp_path: Path) -> None:
    ours = Checkpoints(tmp_path, "ours")
    for step in (1, 2, 3):
        ours.save(step, {"latents": torch.full((2,), float(step))})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00002.safetensors", "step-00003.safetensors"]
    assert Checkpoints(tmp_path, "theirs").load() is None
    newest = tmp_path / "step-00003.safetensors"
    content = newest.read_bytes()
    for damaged in (content[:-1], content[:40], b"", content[:-1] + bytes([content[-1] ^ 1])):
        newest.write_bytes(damaged)
        found = ours.load()
        assert found is not None and found[0] == 2 and found[1]["latents"].tolist() == [2.0, 2.0]
    ours.clear()
    assert ours.load() is None and not list(tmp_path.iterdir())


def test_what_is_told_of_sealed_tensors_is_sealed_too(tmp_path: Path) -> None:
    path = tmp_path / "latents.safetensors"
    write_sealed(path, {"latents": torch.arange(3.0)}, {"seed": "7"})
    found = read_sealed(path)
    assert found is not None and found[1] == {"seed": "7"}
    path.write_bytes(path.read_bytes().replace(b'"seed":"7"', b'"seed":"8"'))
    assert read_sealed(path) is None
    assert read_sealed(tmp_path / "none") is None


def test_a_call_of_the_unet_is_diffusers_own_and_reuses_only_what_it_kept(unet: PoseUNet) -> None:
    given = (torch.randn(2, 3, 8, SIDE, SIDE), torch.tensor(0.5), torch.randn(2, 1, 32), torch.rand(2, 3))
    whole = UNetSpatioTemporalConditionModel.forward(unet, *given, return_dict=False)[0]
    assert torch.equal(unet(*given).sample, whole)
    deep = DeepFeatures()
    assert torch.equal(unet(*given, deep=deep).sample, whole) and deep.kept is not None
    middle: list[Tensor] = []
    hook = unet.mid_block.register_forward_pre_hook(lambda *_: middle.append(_))
    assert torch.equal(unet(*given, deep=deep).sample, whole) and not middle
    hook.remove()
    later = (given[0] + 0.01 * torch.randn_like(given[0]), *given[1:])
    exact = unet(*later).sample
    near, far = (unet(*later, deep=DeepFeatures(kept)).sample for kept in (deep.kept, torch.zeros_like(deep.kept)))
    assert 0.0 < (near - exact).abs().mean() < 0.5 * (far - exact).abs().mean()


def test_deep_features_are_computed_at_every_so_many_steps(
    unet: PoseUNet, told: Conditioning, noise: Tensor, tmp_path: Path
) -> None:
    """Each window and branch has its own; a stopped loop goes on from where all is computed, with the same bits."""
    scheduler, middle = make_scheduler(5), []
    exact, chosen = (replace(plan(guided_steps=(1, 5)), steps=5, deep_cache=every) for every in (1, 2))
    begun = start(noise, FRAMES, scheduler)
    states: list[State] = []
    hook = unet.mid_block.register_forward_pre_hook(lambda *_: middle.append(_))
    cached = sample(
        unet, scheduler, told, chosen, begun, noise, watch=Watch(after_step=lambda state, _: states.append(state))
    )
    hook.remove()
    # steps 0, 2, 4 compute all; at step 1 guidance begins, with a branch that has nothing to reuse yet
    assert len(middle) == len(chosen.windows) * (1 + 1 + 2 + 2)
    assert [chosen.computes_all(step) for step in range(5)] == [True, False, True, False, True]
    assert chosen.cost == exact.cost and chosen.work_at(3) < 0.5 * exact.work_at(3) and chosen.work_at(2) == 20
    assert torch.equal(sample(unet, scheduler, told, chosen, states[1], noise), cached)
    plain = sample(unet, scheduler, told, exact, begun, noise)
    assert 0.0 < (cached - plain).abs().mean() < 0.5 * plain.abs().mean()
    batched = sample(unet, scheduler, told, replace(chosen, batched=True), begun, noise)
    assert torch.isfinite(batched).all()


@pytest.mark.parametrize(
    ("capability", "processors", "teraflops"),
    [((9, 0), 132, 811), ((8, 0), 108, 332), ((8, 9), 128, 98), ((3, 5), 8, None)],
)
def test_the_peak_of_a_card_follows_from_what_it_is(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], processors: int, teraflops: float | None
) -> None:
    from backend.models.svd import speed

    class Properties:
        major, minor = capability
        multi_processor_count = processors

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: Properties)
    monkeypatch.setattr(speed, "_can_compile", lambda: True)
    found = speed.half_precision_peak(torch.device("cuda:0"))
    assert (found is None) == (teraflops is None) and (found is None or round(found / 1e12) == teraflops)
    assert speed.half_precision_peak(torch.device("cpu")) is None
    monkeypatch.setattr(speed, "_can_compile", lambda: False)
    assert speed.half_precision_peak(torch.device("cuda:0")) is None


def test_a_block_that_cannot_be_compiled_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import nn

    from backend.models.svd.speed import compile_blocks

    class Block(nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return values * 2.0 + 1.0

    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down_blocks, self.mid_block, self.up_blocks = [Block()], Block(), [Block()]

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            for block in (*self.down_blocks, self.mid_block, *self.up_blocks):
                values = block(values)
            return values

    asked: list[int] = []

    def refuse(graph: object, inputs: list[torch.Tensor]) -> None:
        asked.append(len(inputs))
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch._dynamo.config, "suppress_errors", False)
    blocks, values = Blocks().eval(), torch.ones(2, 3)
    with torch.inference_mode():
        wanted = blocks(values)
        compile_blocks(blocks, refuse)
        assert torch.equal(blocks(values), wanted) and asked
