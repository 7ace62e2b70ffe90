"""What the networks of Stable Video Diffusion take, counted on torch's meta device: the table in `memory`."""

from __future__ import annotations

from typing import Any

import torch

from backend.diffusion.footprint import count, weights_bytes
from backend.models.svd.memory import NetworkCosts

__all__ = ["network_costs"]


def network_costs(
    unet: Any, vae: Any, image_encoder: Any, *, frames: int = 4, size: tuple[int, int] = (64, 64)
) -> NetworkCosts:
    """What the networks, given on the meta device, take for a clip of `frames` frames of `size` (W, H) px."""
    width, height = size[0] // 8, size[1] // 8
    cells = frames * width * height

    def blank(*shape: int) -> torch.Tensor:
        return torch.empty(shape, device="meta", dtype=torch.float16)

    for network in (unet, vae, image_encoder):
        torch.nn.Module.to(network, torch.float16)
    config = unet.config
    told = (blank(1, 1, config.cross_attention_dim), blank(1, 3))
    poses = blank(frames, config.block_out_channels[0], height, width)
    sample = blank(1, frames, config.in_channels, height, width)
    step = count(lambda: unet(sample, torch.empty((), device="meta"), *told, pose_latents=poses))
    decoded = count(lambda: vae.decode(blank(1, 4, height, width), num_frames=1))
    encoded = count(lambda: vae.encode(blank(1, 3, size[1], size[0])))
    return NetworkCosts(
        image_encoder=weights_bytes(image_encoder),
        vae=weights_bytes(vae),
        unet=weights_bytes(unet),
        encode_cell=encoded.peak_bytes / (width * height),
        unet_cell=step.peak_bytes / cells,
        decode_cell=decoded.peak_bytes / (width * height),
        pose_cell=2 * config.block_out_channels[0],
        unet_flops_cell=step.flops / cells,
        decode_flops_cell=decoded.flops / (width * height),
        largest_block=max(weights_bytes(block) for block in (*unet.down_blocks, *unet.up_blocks, unet.mid_block)),
    )
