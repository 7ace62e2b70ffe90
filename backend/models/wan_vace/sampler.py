"""The denoising loop of one window, on the pipeline's own network and scheduler.

A loop of our own rather than `WanVACEPipeline.__call__`, because that starts its scheduler anew (a multistep solver,
whose past steps a resumed render needs) and can be stopped between steps only, not between the passes of a step. Its
values are those of the pipeline, bit for bit; a test holds them together. Knows tensors; no files, no pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UniPCMultistepScheduler
from torch import Tensor

__all__ = ["Told", "make_scheduler", "noise_for", "restore", "sample", "scheduler_state"]


@dataclass(frozen=True, eq=False)
class Told:
    """What the network is told of a window."""

    control: Tensor  # (1,96,F,h,w) kept frames, skeletons and mask, the photo's latent in front
    prompt: Tensor  # (1,512,D)
    negative: Tensor | None  # the same; None: guidance 1, one branch
    guidance: float
    strength: Tensor  # (L,) of each layer of the control branch


def make_scheduler(config: Mapping[str, Any], steps: int, flow_shift: float, device: Any) -> UniPCMultistepScheduler:
    """The bundle's scheduler with `flow_shift`, before its first step."""
    scheduler = UniPCMultistepScheduler.from_config(dict(config), flow_shift=flow_shift)
    scheduler.set_timesteps(steps, device=device)
    return scheduler


def noise_for(seed: int, first: int, latents: int, height: int, width: int, channels: int) -> Tensor:
    """(1,C,1 + latents,h,w) unit noise: the photo's, then that of the clip's latents from number `first` on.

    Drawn on the CPU, so that a seed means the same on every device, and for each latent by itself, so that it means
    the same in whichever window the latent is rendered.
    """

    def one(number: int) -> Tensor:
        digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
        generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        return torch.randn((1, channels, 1, height, width), generator=generator)

    return torch.cat([one(-1), *(one(first + n) for n in range(latents))], dim=2)


@torch.inference_mode()
def sample(
    transformer: Any,
    scheduler: UniPCMultistepScheduler,
    told: Told,
    latents: Tensor,
    *,
    done: int = 0,
    before_pass: Callable[[int], None] = lambda step: None,
    after_step: Callable[[int, Tensor], None] = lambda done, latents: None,
) -> Tensor:
    """Runs the loop from `done` steps on; returns the final latents (1,16,F,h,w), float32.

    `latents` and `scheduler` as they stood after `done` steps. `before_pass` is called with the step's number before
    each pass of the network and may raise to stop.
    """
    for step in range(done, len(scheduler.timesteps)):
        time = scheduler.timesteps[step]
        given = latents.to(told.control.dtype)

        def one_pass(words: Tensor, given: Tensor = given, time: Tensor = time, step: int = step) -> Tensor:
            before_pass(step)
            return transformer(
                hidden_states=given,
                timestep=time.expand(len(given)),
                encoder_hidden_states=words,
                control_hidden_states=told.control,
                control_hidden_states_scale=told.strength,
                return_dict=False,
            )[0]

        predicted = one_pass(told.prompt)
        if told.negative is not None:
            against = one_pass(told.negative)
            predicted = against + told.guidance * (predicted - against)
        latents = scheduler.step(predicted, time, latents, return_dict=False)[0]
        after_step(step + 1, latents)
    return latents


def scheduler_state(scheduler: UniPCMultistepScheduler) -> dict[str, Tensor]:
    """What `scheduler` remembers of the steps so far."""
    kept = {"numbers": torch.tensor([scheduler.step_index, scheduler.lower_order_nums, scheduler.this_order])}
    for number, (output, time) in enumerate(zip(scheduler.model_outputs, scheduler.timestep_list)):
        if output is not None:
            kept |= {f"output-{number}": output, f"time-{number}": time}
    return kept | {"last_sample": scheduler.last_sample, "sigmas": scheduler.sigmas}


def restore(scheduler: UniPCMultistepScheduler, kept: Mapping[str, Tensor], device: Any) -> bool:
    """Puts what `scheduler_state` gave into a fresh scheduler; False, and nothing done, if it was another schedule."""
    if not torch.equal(kept["sigmas"], scheduler.sigmas):
        return False
    step, lower, order = kept["numbers"].tolist()
    scheduler._step_index, scheduler.lower_order_nums, scheduler.this_order = step, lower, order
    for number in range(len(scheduler.model_outputs)):
        if f"output-{number}" in kept:
            scheduler.model_outputs[number] = kept[f"output-{number}"].to(device)
            scheduler.timestep_list[number] = kept[f"time-{number}"].to(device)
    scheduler.last_sample = kept["last_sample"].to(device)
    return True
