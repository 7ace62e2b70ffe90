"""Latents to pictures: the temporal decoder in chunks, and a quick linear look at latents that are still noisy.

Knows frames in order; nothing of how the latents were made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from backend.models.svd.windows import chunks, fade

__all__ = ["QuickLook", "decode", "to_pictures"]

Pictures = npt.NDArray[np.uint8]


def decode(
    vae: Any, latents: Tensor, *, length: int, overlap: int = 0, before_each: Callable[[int], None] = lambda _: None
) -> Iterator[Tensor]:
    """(n,4,h,w) scaled latents -> (k,3,H,W) float32 in about [-1, 1], a few frames at a time, n in all.

    The decoder sees `length` frames at once and nothing beyond them, which shows as a flicker of that period; frames
    that two chunks share are therefore cross-faded. `before_each` is told the frames of the chunk that comes next.
    """
    first = next(vae.parameters())
    shared: Tensor | None = None
    ranges = chunks(len(latents), length, overlap)
    for number, (start, stop) in enumerate(ranges):
        before_each(stop - start)
        given = latents[start:stop].to(first.device, first.dtype) / vae.config.scaling_factor
        frames = vae.decode(given, num_frames=stop - start).sample.to(torch.float32)
        if shared is not None:
            share = torch.from_numpy(fade(len(shared))).to(frames.device).view(-1, 1, 1, 1)
            frames[: len(shared)] = torch.lerp(shared, frames[: len(shared)], share)
        last = number == len(ranges) - 1
        finished = stop - start if last else ranges[number + 1][0] - start
        shared = frames[finished:]
        yield frames[:finished]


def to_pictures(frames: Tensor, *, truncate: bool = False) -> Pictures:
    """(n,3,H,W) in [-1, 1] -> (n,H,W,3) uint8, rounded, or cut off as MimicMotion does."""
    grey = (frames / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0
    grey = grey if truncate else grey.round()
    return grey.to(torch.uint8).movedim(1, -1).contiguous().cpu().numpy()


class QuickLook:
    """A linear map from latents to colours, fitted to the one picture whose latent is known: the reference.

    Good enough to see who stands where while the decoder, 300 times as dear, waits for the end.
    """

    def __init__(self, picture: Tensor, latent: Tensor) -> None:
        """`picture` (1,3,H,W) in [-1, 1] and its scaled `latent` (1,4,h,w)."""
        values = latent[0].float().cpu().flatten(1).T
        colours = torch.nn.functional.interpolate(picture.float().cpu(), latent.shape[-2:], mode="area")
        inputs = torch.cat([values, torch.ones(len(values), 1)], dim=1)
        ridge = 1e-4 * len(values) * torch.eye(inputs.shape[1])
        self._map = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ colours[0].flatten(1).T)

    def __call__(self, latents: Tensor) -> Pictures:
        """(n,4,h,w) -> (n,h,w,3) uint8: an eighth of the size."""
        values = latents.float().cpu().movedim(1, -1)
        colours = values @ self._map[:-1] + self._map[-1]
        return to_pictures(colours.movedim(-1, 1))
