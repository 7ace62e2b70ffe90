"""The spatio-temporal U-Net of Stable Video Diffusion with PoseNet's output added after its first convolution.

diffusers' blocks under diffusers' keys, so checkpoints load straight into it. Knows tensors; no schedule, no windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNetSpatioTemporalConditionModel
from diffusers.models.attention import BasicTransformerBlock, TemporalBasicTransformerBlock
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionOutput
from torch import Tensor, nn

__all__ = ["SVD_XT", "DeepFeatures", "PoseUNet", "shorten_cross_attention"]

SVD_XT: dict[str, Any] = {  # the constructor arguments of SVD img2vid-xt 1.1 (its unet/config.json)
    "sample_size": 96,
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 768,
    "layers_per_block": 2,
    "cross_attention_dim": 1024,
    "transformer_layers_per_block": 1,
    "num_attention_heads": (5, 10, 20, 20),
    "num_frames": 25,
}


@dataclass(eq=False)
class DeepFeatures:
    """What the last block gets from all the deeper ones: computed by the first call that is given this, then reused."""

    kept: Tensor | None = None


class PoseUNet(UNetSpatioTemporalConditionModel):
    """`UNetSpatioTemporalConditionModel` whose call takes `pose_latents`, or none for the unconditional branch."""

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        added_time_ids: Tensor,
        pose_latents: Tensor | None = None,
        return_dict: bool = True,
        deep: DeepFeatures | None = None,
    ) -> Any:
        """`sample` (b,F,8,h,w), `pose_latents` (b F,C,h,w) -> v-prediction (b,F,4,h,w).

        h and w must be multiples of 8: what is halved three times is never padded on the way up. With `deep` that an
        earlier call filled only the first and the last block are computed (DeepCache, arXiv 2312.00858): nearly the
        same for nearly the same input, and the rest is what costs.
        """
        frames = sample.shape[1]
        told = {
            "temb": self._told_of_time(sample, timestep, added_time_ids).repeat_interleave(frames, dim=0),
            "image_only_indicator": sample.new_zeros(sample.shape[:2]),
        }
        seen = encoder_hidden_states.repeat_interleave(frames, dim=0)
        hidden = self.conv_in(sample.flatten(0, 1))
        if pose_latents is not None:
            hidden = hidden + pose_latents
        skips = [hidden]
        reused = None if deep is None else deep.kept
        for block in self.down_blocks if reused is None else self.down_blocks[:1]:
            hidden, taken = block(hidden_states=hidden, **told, **_attended(block, seen))
            skips += taken
        last = self.up_blocks[-1]
        if reused is None:
            hidden = self.mid_block(hidden_states=hidden, encoder_hidden_states=seen, **told)
            for block in self.up_blocks[:-1]:
                taken = tuple(skips.pop() for _ in block.resnets)[::-1]
                hidden = block(hidden_states=hidden, res_hidden_states_tuple=taken, **told, **_attended(block, seen))
            if deep is not None:
                deep.kept = hidden
        else:
            hidden = reused
        taken = tuple(skips[: len(last.resnets)])
        hidden = last(hidden_states=hidden, res_hidden_states_tuple=taken, **told, **_attended(last, seen))
        answer = self.conv_out(self.conv_act(self.conv_norm_out(hidden))).unflatten(0, (-1, frames))
        return UNetSpatioTemporalConditionOutput(sample=answer) if return_dict else (answer,)

    def _told_of_time(self, sample: Tensor, timestep: Tensor | float, added_time_ids: Tensor) -> Tensor:
        """(b,C) the embedding of the noise level and of the numbers that are told beside it."""
        count = len(sample)
        levels = torch.as_tensor(timestep, device=sample.device).reshape(-1).expand(count)
        level = self.time_embedding(self.time_proj(levels).to(sample.dtype))
        numbers = self.add_time_proj(added_time_ids.flatten()).reshape(count, -1)
        return level + self.add_embedding(numbers.to(level.dtype))


def _attended(block: Any, seen: Tensor) -> dict[str, Tensor]:
    """What only blocks with cross-attention are given."""
    return {"encoder_hidden_states": seen} if getattr(block, "has_cross_attention", False) else {}


class _OneTokenAttention(nn.Module):
    """Cross-attention to a single token: a softmax over one element is 1, so the answer is the token's value."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.to_v = attention.to_v
        self.to_out = attention.to_out

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor, **_: Any) -> Tensor:
        """The same for every query, so (n,1,C) that the caller's sum spreads over them."""
        answer: Tensor = self.to_v(encoder_hidden_states)
        for layer in self.to_out:
            answer = layer(answer)
        return answer


def shorten_cross_attention(unet: nn.Module) -> None:
    """Replaces every cross-attention of a loaded U-Net by its exact result for one token, and the norm before it.

    SVD's U-Nets attend to the one CLIP vector of the photo. Saves 3.7 % of the arithmetic; the unused projections are
    freed, so the network can no longer be saved or trained.
    """
    for block in unet.modules():
        if isinstance(block, BasicTransformerBlock | TemporalBasicTransformerBlock) and block.attn2 is not None:
            block.norm2 = nn.Identity()
            block.attn2 = _OneTokenAttention(block.attn2)
