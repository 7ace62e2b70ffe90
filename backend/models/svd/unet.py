"""The spatio-temporal U-Net of Stable Video Diffusion with PoseNet's output added after its first convolution.

diffusers' class with the same keys, so checkpoints load straight into it. Knows tensors; no schedule and no windows.
"""

from __future__ import annotations

from typing import Any

from diffusers import UNetSpatioTemporalConditionModel
from diffusers.models.attention import BasicTransformerBlock, TemporalBasicTransformerBlock
from torch import Tensor, nn

__all__ = ["SVD_XT", "PoseUNet", "shorten_cross_attention"]

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
    ) -> Any:
        """`sample` (b,F,8,h,w), `pose_latents` (b F,C,h,w) -> v-prediction (b,F,4,h,w).

        h and w must be multiples of 8: what is halved three times is never padded on the way up.
        """
        given = (sample, timestep, encoder_hidden_states, added_time_ids)
        if pose_latents is None:
            return super().forward(*given, return_dict=return_dict)
        # The sum is also the first skip connection; the output of conv_in is the one place that serves both.
        hook = self.conv_in.register_forward_hook(lambda _module, _given, output: output + pose_latents)
        try:
            return super().forward(*given, return_dict=return_dict)
        finally:
            hook.remove()


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
