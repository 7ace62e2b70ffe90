"""The denoising loop over a clip of any length: windows fused at every step (MimicMotion's progressive latent fusion).

One scheduler step moves all frames at once; the windows only share out the U-Net's work. Frames can be frozen, so that
a changed second is drawn into an otherwise finished clip. Knows tensors; no files, no photos, no memory plan.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler
from torch import Tensor

from backend.models.svd.conditioning import Conditioning
from backend.models.svd.unet import DeepFeatures
from backend.models.svd.windows import Window, triangle

__all__ = ["Frozen", "SamplingPlan", "State", "Watch", "draw_noise", "sample", "start"]

_OUTER_SHARE = 0.42  # of the arithmetic of a call of the released size when deep features are reused, counted


@dataclass(frozen=True)
class SamplingPlan:
    """Which calls of the U-Net a job takes; with the noise and the networks it decides every value."""

    frames: int  # of the clip, the reference included
    steps: int
    windows: tuple[Window, ...]
    guidance: tuple[float, ...]  # per frame
    guided_steps: tuple[int, int]  # [first, last) steps with guidance; the others take one branch
    single_branch: bool = True  # whether guidance 1 everywhere spares the unconditional branch
    batched: bool = False  # both branches in one call: the same values, half the calls, twice the memory
    deep_cache: int = 1  # the U-Net's deep features are computed at every so many steps and reused between; 1: always

    def branches(self, step: int) -> int:
        """How many times each window is computed at `step`."""
        guided = self.guided_steps[0] <= step < self.guided_steps[1]
        return 2 if guided and not (self.single_branch and all(scale == 1.0 for scale in self.guidance)) else 1

    def frames_at(self, step: int) -> int:
        """The frames of all U-Net calls of one step."""
        return self.branches(step) * sum(len(window) for window in self.windows)

    def work_at(self, step: int) -> float:
        """The same in frames of whole calls: a call that reuses deep features is a share of one."""
        return self.frames_at(step) * self.share_of_a_call(step)

    def share_of_a_call(self, step: int) -> float:
        """What a call takes at `step`, beside a whole one."""
        return 1.0 if self.computes_all(step) else _OUTER_SHARE

    def computes_all(self, step: int) -> bool:
        """Whether `step` computes all features anew, so that nothing of the steps before is needed but the latents."""
        return step % self.deep_cache == 0

    @property
    def cost(self) -> int:
        """The frames of all U-Net calls of the job: what a render is measured by."""
        return sum(self.frames_at(step) for step in range(self.steps))


@dataclass(frozen=True, eq=False)
class Frozen:
    """A finished clip of which only some frames are sampled again."""

    latents: Tensor  # (N,4,h,w) final latents
    sampled: Tensor  # (N,) bool: True where new values are wanted


@dataclass(eq=False)
class State:
    """Where the loop stands: `step` steps are done."""

    step: int
    latents: Tensor  # (N,4,h,w) float32, at the noise level of `step`


@dataclass(frozen=True, eq=False)
class Watch:
    """Who looks on. `before_call` may raise to stop; `after_step` sees the state and the guess of the final latents."""

    before_call: Callable[[int, int, int], None] = field(default=lambda _step, _window, _frames: None)
    after_step: Callable[[State, Tensor], None] = field(default=lambda _state, _guess: None)


def draw_noise(
    generator: torch.Generator, length: int, height: int, width: int, dtype: torch.dtype = torch.float32
) -> Tensor:
    """(length,4,height,width) standard normal, on the generator's device."""
    shape = (1, length, 4, height, width)
    return torch.randn(shape, generator=generator, device=generator.device, dtype=dtype)[0]


def start(noise: Tensor, frames: int, scheduler: EulerDiscreteScheduler) -> State:
    """The loop before its first step: frame f starts from noise frame f mod T, as MimicMotion was made to be run."""
    return State(0, _spread(noise, frames) * scheduler.init_noise_sigma)


def _spread(noise: Tensor, frames: int) -> Tensor:
    return noise.float()[torch.arange(frames, device=noise.device) % len(noise)]


@torch.inference_mode()
def sample(
    unet: Any,
    scheduler: EulerDiscreteScheduler,
    conditioning: Conditioning,
    plan: SamplingPlan,
    state: State,
    noise: Tensor,
    *,
    frozen: Frozen | None = None,
    watch: Watch | None = None,
) -> Tensor:
    """Runs the loop from `state` to the end; returns the final latents (N,4,h,w), scaled, float32.

    `noise` (T,4,h,w) is the job's own unit noise. Frozen frames stand at each step's level as they would have stood
    in their own render, and come out exactly as they went in.
    """
    watch = watch or Watch()
    scheduler = copy.deepcopy(scheduler)  # it counts its steps; the caller's stays at the beginning
    scheduler.set_begin_index(state.step)
    guidance = torch.tensor(plan.guidance, device=state.latents.device).view(-1, 1, 1, 1)
    deep = _Deep(plan)
    for step in range(state.step, plan.steps):
        latents = state.latents
        if frozen is not None:
            latents = _refrozen(latents, frozen, float(scheduler.sigmas[step]), noise)
        time = scheduler.timesteps[step]
        scaled = scheduler.scale_model_input(latents, time)
        prediction = _fused(unet, conditioning, plan, step, scaled, time, guidance, watch, deep)
        moved = scheduler.step(prediction, time, latents)
        state = State(step + 1, moved.prev_sample)
        watch.after_step(state, moved.pred_original_sample)
    return state.latents if frozen is None else _refrozen(state.latents, frozen, 0.0, noise)


class _Deep:
    """The deep features of every window and branch, forgotten where the plan computes all anew."""

    def __init__(self, plan: SamplingPlan) -> None:
        self._plan = plan
        self._step = -1
        self._kept: dict[tuple[int, int], DeepFeatures] = {}

    def of(self, step: int, window: int, branch: int) -> DeepFeatures | None:
        """None where nothing is ever reused: what is kept takes memory."""
        if self._plan.deep_cache == 1:
            return None
        if step != self._step and self._plan.computes_all(step):
            self._kept.clear()
        self._step = step
        return self._kept.setdefault((window, branch), DeepFeatures())


def _refrozen(latents: Tensor, frozen: Frozen, sigma: float, noise: Tensor) -> Tensor:
    """`latents` with the frozen frames at noise level `sigma`."""
    still = (~frozen.sampled).nonzero()[:, 0]
    latents = latents.clone()
    latents[still] = frozen.latents[still].to(latents) + (sigma * _spread(noise, len(latents))[still] if sigma else 0.0)
    return latents


def _fused(
    unet: Any,
    conditioning: Conditioning,
    plan: SamplingPlan,
    step: int,
    scaled: Tensor,
    time: Tensor,
    guidance: Tensor,
    watch: Watch,
    deep: _Deep,
) -> Tensor:
    """(N,4,h,w) float32: the guided v-prediction of every frame, averaged over the windows that hold it.

    Guidance is linear and its scale belongs to the frame, so it may be applied before the average.
    """
    total, weight = torch.zeros_like(scaled), torch.zeros_like(scaled[:, :1, :1, :1])
    branches = plan.branches(step)
    for number, window in enumerate(plan.windows):
        frames = window.frames
        shares = torch.from_numpy(triangle(len(window))).to(scaled.device).view(-1, 1, 1, 1)
        watch.before_call(step, number, len(window) * (branches if plan.batched else 1))
        given, poses = scaled[frames], conditioning.poses(frames)
        if branches == 2 and plan.batched:
            plain, seen = _both(unet, conditioning, given, time, poses, deep.of(step, number, 2))
        else:
            seen = _branch(unet, conditioning, given, time, poses, deep.of(step, number, 1))
            if branches == 2:
                watch.before_call(step, number, len(window))
                plain = _branch(unet, conditioning, given, time, None, deep.of(step, number, 0))
        if branches == 2:
            seen = plain + guidance[frames] * (seen - plain)
        total[frames] += shares * seen
        weight[frames] += shares
    return total / weight.clamp(min=torch.finfo(weight.dtype).tiny)


def _branch(
    unet: Any, told: Conditioning, scaled: Tensor, time: Tensor, poses: Tensor | None, deep: DeepFeatures | None
) -> Tensor:
    """(F,4,h,w) float32 of one branch: `poses` given, or nothing told of the picture at all."""
    blank = 0.0 if poses is None else 1.0
    image = (told.image_latent * blank).to(scaled).expand(len(scaled), -1, -1, -1)
    given = torch.cat([scaled, image], dim=1)[None].to(unet.dtype)
    embedding, time_ids = (told.embedding * blank).to(unet.dtype), told.time_ids.to(unet.dtype)
    poses = None if poses is None else poses.to(given)
    return unet(given, time, embedding, time_ids, pose_latents=poses, return_dict=False, deep=deep)[0][0].float()


def _both(
    unet: Any, told: Conditioning, scaled: Tensor, time: Tensor, poses: Tensor, deep: DeepFeatures | None
) -> tuple[Tensor, Tensor]:
    """The unconditional and the conditional branch in one call of batch 2."""

    def pair(value: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(value), value])

    image = pair(told.image_latent.to(scaled))[:, None].expand(-1, len(scaled), -1, -1, -1)
    given = torch.cat([scaled[None].expand(2, -1, -1, -1, -1), image], dim=2).to(unet.dtype)
    embedding = pair(told.embedding).to(unet.dtype)
    time_ids = told.time_ids.to(unet.dtype).expand(2, -1)
    poses = pair(poses.to(given))
    found = unet(given, time, embedding, time_ids, pose_latents=poses, return_dict=False, deep=deep)[0].float()
    return found[0], found[1]
