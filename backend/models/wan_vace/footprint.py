"""What Wan VACE's networks take, counted on torch's meta device. The table in `memory` was made with this."""

from __future__ import annotations

from typing import Any

import torch

from backend.diffusion.footprint import count, weights_bytes
from backend.models.wan_vace.memory import Costs

__all__ = ["network_costs"]


def network_costs(
    transformer: Any, vae: Any, text_encoder: Any, *, size: tuple[int, int] = (64, 64), words: int = 512
) -> Costs:
    """The costs of the networks, which are moved to the meta device, counted on clips of `size` (W, H) px."""
    width, height = size[0] // 8, size[1] // 8
    for network, dtype in ((transformer, torch.float16), (vae, torch.float32), (text_encoder, torch.bfloat16)):
        torch.nn.Module.to(network, "meta", dtype)
    config = transformer.config

    def blank(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.empty(shape, device="meta", dtype=dtype)

    def passed(latents: int) -> Any:
        half = torch.float16
        given = blank(1, config.in_channels, latents, height, width, dtype=half)
        control = blank(1, config.vace_in_channels, latents, height, width, dtype=half)
        told = blank(1, words, config.text_dim, dtype=half)
        time = torch.empty(1, device="meta", dtype=torch.int64)
        return count(
            lambda: transformer(
                hidden_states=given,
                timestep=time,
                encoder_hidden_states=told,
                control_hidden_states=control,
                return_dict=False,
            )
        )

    cells = width * height
    patch = config.patch_size[1] * config.patch_size[2]
    tokens = cells // patch
    # c + a n + b n^2 through three counts: once, for each token, and for attention of each to each
    counted = [passed(latents) for latents in (4, 8, 12)]
    first, second, third = (call.flops for call in counted)
    peak, step = counted[-1].peak_bytes, 4 * tokens
    pair = (third - 2 * second + first) / (2 * step**2)
    token = (second - first) / step - 3 * step * pair
    decoded = count(lambda: vae.decode(blank(1, vae.config.z_dim, 3, height, width)))
    encoded = count(lambda: vae.encode(blank(1, 3, 9, size[1], size[0])))
    ids = torch.empty(1, words, device="meta", dtype=torch.int64)
    seen = blank(1, 1, words, words, dtype=torch.bfloat16)  # a mask of this form is not looked into
    read = count(lambda: text_encoder(ids, seen))
    blocks = (*transformer.blocks, *transformer.vace_blocks)
    return Costs(
        text_encoder=weights_bytes(text_encoder) - weights_bytes(text_encoder.shared),  # one table under two names
        transformer=weights_bytes(transformer),
        vae=weights_bytes(vae),
        largest_word_layer=max(p.numel() * p.element_size() for p in text_encoder.parameters()),
        largest_block=max(weights_bytes(block) for block in blocks),
        text_call=read.peak_bytes,
        token=peak / (3 * step),
        encode_cell=encoded.peak_bytes / cells,
        decode_cell=decoded.peak_bytes / cells,
        text_flops=read.flops,
        pass_call_flops=first - step * token - step**2 * pair,
        token_flops=token,
        pair_flops=pair,
        encode_flops=encoded.flops / (3 * cells),
        decode_flops=decoded.flops / (3 * cells),
    )
