"""What the adapter is trained to do: take the noise off the latents of a skeleton video with hands.

EDM's preconditioning for v-prediction (Karras et al. 2022, as Stable Video Diffusion sets it), with what is told of
the picture left out now and then. Every random value is drawn here, from one generator, before anything is computed.
Knows tensors; no files and no optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Batch", "Draw", "Objective", "compute_loss", "draw"]


@dataclass(frozen=True)
class Objective:
    """The paper's numbers, unless said otherwise."""

    sigma_log_mean: float = 0.7
    sigma_log_std: float = 1.6
    augmentation_log_mean: float = -3.0
    augmentation_log_std: float = 0.5
    dropout: float = 0.1  # of CLIP alone, of the image alone, and of all that is told, each
    hand_weight: float = 0.0  # how much more an error inside the hands' boxes counts; the paper: 0


@dataclass(frozen=True, eq=False)
class Batch:
    """`b` clips of `F` frames."""

    latents: Tensor  # (b,F,4,h,w) of the target, scaled
    body: Tensor  # (b,F,3,H,W) in [-1, 1], without hands
    image_latent: Tensor  # (b,4,h,w) of the noisy reference, not scaled
    embedding: Tensor  # (b,1,C) CLIP's vector of the reference
    time_ids: Tensor  # (b,3) as they are told at inference too
    hands: Tensor  # (b,F,1,h,w) share of each latent's pixels that lies inside a hand's box


@dataclass(frozen=True, eq=False)
class Draw:
    """The chance in one step."""

    sigma: Tensor  # (b,)
    noise: Tensor  # (b,F,4,h,w)
    embedding_kept: Tensor  # (b,) 0 or 1
    image_kept: Tensor  # (b,)
    pose_kept: Tensor  # (b,)


def draw(shape: tuple[int, ...], objective: Objective, generator: torch.Generator) -> Draw:
    """The chance for latents of `shape` (b,F,4,h,w), on the CPU, so that it is the same on every device.

    The paper drops CLIP in 2 q of the steps and the image in 2 q, both in q of them, but the skeletons never, although
    guidance asks for the branch without. Here they fall together with both others: that very branch.
    """
    count, q = shape[0], objective.dropout
    normal = torch.randn(count, generator=generator)
    noise = torch.randn(shape, generator=generator)
    chance = torch.rand(count, generator=generator)
    return Draw(
        sigma=torch.exp(objective.sigma_log_mean + objective.sigma_log_std * normal),
        noise=noise,
        embedding_kept=(chance >= 2.0 * q).float(),
        image_kept=((chance < q) | (chance >= 3.0 * q)).float(),
        pose_kept=((chance < q) | (chance >= 2.0 * q)).float(),
    )


def compute_loss(unet: Any, pose_net: nn.Module, batch: Batch, chance: Draw, hand_weight: float = 0.0) -> Tensor:
    """(b,) the mean squared error of the denoised latents times (1 + sigma^2) / sigma^2."""
    device = batch.latents.device
    clean, noise = batch.latents.float(), chance.noise.to(device)
    sigma = _wide(chance.sigma.to(device))
    noisy = clean + sigma * noise
    scale = (sigma**2 + 1.0) ** -0.5
    image = batch.image_latent * _wide(chance.image_kept.to(device), 4)
    image = image[:, None].expand(-1, clean.shape[1], -1, -1, -1)
    given = torch.cat([noisy * scale, image.to(clean)], dim=2)
    features = pose_net(batch.body)
    kept = chance.pose_kept.to(features).repeat_interleave(clean.shape[1])
    predicted = unet(
        given,
        0.25 * chance.sigma.to(device).log(),
        batch.embedding * _wide(chance.embedding_kept.to(device), 3),
        batch.time_ids,
        pose_latents=features * _wide(kept, 4),
        return_dict=False,
    )[0].float()
    denoised = noisy * scale**2 - predicted * sigma * scale
    weight = (1.0 + sigma**2) / sigma**2
    counts = 1.0 + hand_weight * batch.hands
    error = weight * counts * (denoised - clean) ** 2
    return error.flatten(1).mean(dim=1) / counts.expand_as(clean).flatten(1).mean(dim=1)


def _wide(values: Tensor, dimensions: int = 5) -> Tensor:
    """(b,) -> (b,1,...) of so many dimensions."""
    return values.view(-1, *[1] * (dimensions - 1))
