"""What Wan VACE is shown: skeletons as its control video, the photo, and which frames it shall keep.

Knows jobs, pictures and diffusers' pipeline for what that does to pictures; nothing of steps or files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import WanVACEPipeline
from torch import Tensor, nn

from backend.drawing import VACE, draw_track
from fleximo.job import RenderJob

__all__ = ["before_each_call", "control", "decode", "skeletons", "to_signed"]

Pictures = npt.NDArray[np.uint8]

_SURE = 0.3  # VACE's own drawings leave out points of less


def skeletons(job: RenderJob, frames: Sequence[int]) -> Pictures:
    """(n,H,W,3) the track's `frames` in the colours that VACE knows: body and face on black."""
    track, rows = job.signal.track, list(frames)
    confidence = track.confidence[rows]
    return np.stack(
        list(
            draw_track(
                replace(
                    track,
                    points_px=track.points_px[rows],
                    confidence=np.where(confidence < _SURE, 0.0, confidence).astype(confidence.dtype),
                    depths_m=track.depths_m[rows],
                ),
                VACE,
            )
        )
    )


def to_signed(pictures: Pictures, device: torch.device) -> Tensor:
    """(n,H,W,3) 0..255 -> (1,3,n,H,W) -1..1."""
    found = torch.from_numpy(np.ascontiguousarray(pictures)).to(device).permute(3, 0, 1, 2)[None]
    return found.float() / 127.5 - 1.0


def control(parts: WanVACEPipeline, shown: Pictures, kept: npt.NDArray[np.bool_], photo: Pictures) -> Tensor:
    """(1,96,1 + F,h,w) what the network is told of a window's pictures, the photo's latent in front.

    `shown` (n,H,W,3): the finished picture where `kept` (n,), else the skeleton. The mask is diffusers' own: 0 keeps,
    1 renders.
    """
    device = next(parts.vae.parameters()).device
    video = to_signed(shown, device)
    mask = torch.from_numpy(~kept).to(device).float()[None, None, :, None, None]
    reference = [[to_signed(photo[None], device)[0, :, 0]]]
    with torch.inference_mode():
        latents = parts.prepare_video_latents(video, mask, reference, None, device)
        masks = parts.prepare_masks(mask.expand(1, 1, *video.shape[2:]), reference, None)
        return torch.cat([latents, masks], dim=1)


def decode(vae: Any, latents: Tensor, *, tiled: bool) -> Pictures:
    """(n,H,W,3) the pictures of (1,16,F,h,w) final latents, without the photo's."""
    mean, deviation = (
        torch.tensor(values, device=latents.device, dtype=vae.dtype).view(1, -1, 1, 1, 1)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    with torch.inference_mode(), _tiling(vae, tiled):
        video = vae.decode(latents.to(vae.dtype) * deviation + mean, return_dict=False)[0]
    return (video[0] * 127.5 + 127.5).round_().clamp_(0, 255).byte().permute(1, 2, 3, 0).cpu().numpy()


@contextlib.contextmanager
def _tiling(vae: Any, tiled: bool) -> Iterator[None]:
    vae.use_tiling = tiled
    try:
        yield
    finally:
        vae.use_tiling = False


@contextlib.contextmanager
def before_each_call(network: nn.Module, tell: Callable[[], None], vae: Any) -> Iterator[None]:
    """Has `tell` called before each call of `network`, a part of `vae`, which it makes of one latent at a time.

    `tell` may raise to stop; what the VAE remembers between the calls is then forgotten.
    """
    handle = network.register_forward_pre_hook(lambda module, given: tell())
    try:
        yield
    finally:
        handle.remove()
        vae.clear_cache()
