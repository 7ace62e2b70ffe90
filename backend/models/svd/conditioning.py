"""What the networks are told of the reference picture: CLIP's vector, its latent, the skeletons' features.

Each is computed once per job. Knows pictures as arrays; nothing of photos' files, of windows or of noise levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CLIP_MEAN", "CLIP_STD", "Conditioning", "clip_pixels", "embed", "encode", "pose_features", "to_signed"]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_CLIP_SIDE_PX = 224
_POSES_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class Conditioning:
    """The same for every step of a job. Frame 0 is the reference."""

    embedding: Tensor  # (1,1,C) CLIP's vector of the reference
    image_latent: Tensor  # (1,4,h,w) mode of the encoder, not scaled
    time_ids: Tensor  # (1,3) fps - 1, motion bucket, noise augmentation
    poses: Callable[[Sequence[int]], Tensor]  # frames -> (n,C,h,w) of PoseNet


def to_signed(picture: npt.NDArray[np.uint8]) -> Tensor:
    """(...,H,W,3) uint8 -> (...,3,H,W) float32 in [-1, 1]."""
    return torch.from_numpy(np.array(picture)).movedim(-1, -3).to(torch.float32) / 127.5 - 1.0


def clip_pixels(picture: Tensor) -> Tensor:
    """(1,3,H,W) in [-1, 1] -> (1,3,224,224) as CLIP was fed when SVD was trained: blurred, resized, normalised.

    Gaussian of sigma (factor - 1) / 2 per axis, then bicubic with aligned corners; the aspect is not kept.
    """
    height, width = picture.shape[-2:]
    blurred = _blur(_blur(picture, width / _CLIP_SIDE_PX, axis=-1), height / _CLIP_SIDE_PX, axis=-2)
    side = (_CLIP_SIDE_PX, _CLIP_SIDE_PX)
    resized = functional.interpolate(blurred, side, mode="bicubic", align_corners=True)
    mean, std = (torch.tensor(values, device=picture.device).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    return ((resized + 1.0) / 2.0 - mean) / std


def _blur(picture: Tensor, factor: float, *, axis: int) -> Tensor:
    """A Gaussian along one axis against aliasing when that axis shrinks by `factor`."""
    sigma = max((factor - 1.0) / 2.0, 0.001)
    size = int(max(4.0 * sigma, 3.0))
    reach = (size + 1 - size % 2) // 2
    offsets = torch.arange(-reach, reach + 1, dtype=picture.dtype, device=picture.device)
    kernel = torch.exp(-(offsets**2) / (2.0 * sigma**2))
    kernel = kernel / kernel.sum()
    channels = picture.shape[-3]
    shape = (channels, 1, 1, -1) if axis == -1 else (channels, 1, -1, 1)
    sides = (reach, reach, 0, 0) if axis == -1 else (0, 0, reach, reach)
    padded = functional.pad(picture, sides, mode="reflect")
    return functional.conv2d(padded, kernel.repeat(channels, 1).view(shape), groups=channels)


def embed(image_encoder: nn.Module, picture: Tensor) -> Tensor:
    """(1,3,H,W) in [-1, 1] -> (1,1,C): CLIP's projected vector of the picture."""
    first = next(image_encoder.parameters())
    pixels = clip_pixels(picture.to(first.device, torch.float32))
    return image_encoder(pixels.to(first.dtype)).image_embeds[:, None]


def encode(vae: Any, picture: Tensor) -> Tensor:
    """(1,3,H,W) in [-1, 1] -> (1,4,H/8,W/8): the mode of the encoder, not scaled."""
    first = next(vae.parameters())
    return vae.encode(picture.to(first.device, first.dtype)).latent_dist.mode()


def pose_features(pose_net: nn.Module, pictures: npt.NDArray[np.uint8]) -> Tensor:
    """(n,H,W,3) uint8 as PoseNet expects them -> (n,C,H/8,W/8), a few frames at a time."""
    first = next(pose_net.parameters())
    features = [
        pose_net(to_signed(pictures[start : start + _POSES_AT_ONCE]).to(first.device, first.dtype))
        for start in range(0, len(pictures), _POSES_AT_ONCE)
    ]
    return torch.cat(features)
