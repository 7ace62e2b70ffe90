"""A skeleton video without hands and one skeleton picture with hands -> the video with hands.

The loop, windows and guidance are those of `backend.models.svd`: the reference is frame 0 of every window. Knows
pictures and networks; no tracks and no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from backend.models.adapter.convention import Convention
from backend.models.svd.conditioning import Conditioning, embed, encode, pose_features, to_signed
from backend.models.svd.decode import decode, to_pictures
from backend.models.svd.sampler import SamplingPlan, Watch, draw_noise, sample, start
from backend.models.svd.schedule import make_scheduler
from backend.models.svd.windows import balanced_windows
from fleximo.errors import FleximoError

__all__ = ["Networks", "Sampling", "draw_hands"]

Pictures = npt.NDArray[np.uint8]

_SIDE = 64  # px: the VAE divides by 8, the U-Net halves three times without padding


class Networks(Protocol):
    """Where the four networks come from, and where they may be given back after use."""

    device: torch.device
    scheduler_config: Any

    def image_encoder(self) -> Any: ...
    def vae(self) -> Any: ...
    def pose_net(self) -> Any: ...
    def unet(self) -> Any: ...
    def drop(self, *names: str) -> None: ...


@dataclass(frozen=True)
class Sampling:
    """The paper tells nothing of how its adapter is called; these are MimicMotion's numbers."""

    steps: int = 25
    guidance: float = 2.0
    overlap: int = 4  # frames that windows share, the reference included
    decode_chunk: int = 8
    decode_overlap: int = 2
    seed: int = 0

    def plan(self, frames: int, window: int) -> SamplingPlan:
        """The calls for `frames` frames, the reference included, as many at once as a training clip had."""
        length = min(window, frames)
        return SamplingPlan(
            frames=frames,
            steps=self.steps,
            windows=tuple(balanced_windows(frames, length, min(self.overlap, length - 1))),
            guidance=(self.guidance,) * frames,
            guided_steps=(0, self.steps),
        )


def draw_hands(
    networks: Networks,
    body: Pictures,
    reference: tuple[Pictures, Pictures],
    convention: Convention,
    sampling: Sampling,
    watch: Watch | None = None,
) -> Pictures:
    """(n,H,W,3): `body` (n,H,W,3) with hands, in the order of channels that `body` has.

    `reference`: one skeleton picture (H,W,3) without and with hands. Raises `FleximoError` (`invalid_size`).
    """
    height, width = body.shape[1:3]
    if height % _SIDE or width % _SIDE:
        raise FleximoError(
            f"The adapter draws pictures whose sides are multiples of {_SIDE} px, not {width}x{height}.",
            code="invalid_size",
            remedy="Choose such a --size.",
        )
    bare, shown = reference
    shown = shown[..., ::-1] if convention.swapped else shown
    generator = torch.Generator().manual_seed(sampling.seed)
    plan = sampling.plan(1 + len(body), convention.frames)
    with torch.inference_mode():
        told = _conditioning(networks, np.concatenate([bare[None], body]), shown, convention, generator)
        scheduler = make_scheduler(sampling.steps, config=networks.scheduler_config)
        noise = draw_noise(generator, min(convention.frames, plan.frames), height // 8, width // 8)
        state = start(noise, plan.frames, scheduler)
        state.latents = state.latents.to(networks.device)
        latents = sample(networks.unet(), scheduler, told, plan, state, noise.to(networks.device), watch=watch)
        networks.drop("unet")
        overlap = min(sampling.decode_overlap, sampling.decode_chunk - 1)
        frames = decode(networks.vae(), latents[1:], length=sampling.decode_chunk, overlap=overlap)
        pictures = np.concatenate([to_pictures(some) for some in frames])
    return pictures[..., ::-1].copy() if convention.swapped else pictures


def _conditioning(
    networks: Networks, bodies: Pictures, shown: Pictures, convention: Convention, generator: torch.Generator
) -> Conditioning:
    """As in training: the reference is noisy when it is encoded, and the networks are told how noisy."""
    signed = to_signed(shown[None].copy())
    embedding = embed(networks.image_encoder(), signed)
    networks.drop("image_encoder")
    noisy = signed + convention.augmentation * torch.randn(signed.shape, generator=generator)
    latent = encode(networks.vae(), noisy)
    features = pose_features(networks.pose_net(), bodies)
    networks.drop("pose_net")
    ids = [[convention.fps_id, convention.motion_bucket, convention.augmentation]]

    def rows(frames: Sequence[int]) -> Tensor:
        return features[list(frames)]

    return Conditioning(embedding, latent, torch.tensor(ids, device=networks.device), rows)
