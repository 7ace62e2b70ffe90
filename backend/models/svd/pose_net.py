"""PoseNet: skeleton pictures to what is added to the U-Net's first features (MimicMotion, arXiv 2406.19680, section 3).

Knows pictures and channels; nothing of key points or of the U-Net behind it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["PoseNet"]

_LAYERS = (  # in, out, kernel, stride: three halvings, from pixels to the latent grid
    (3, 3, 3, 1), (3, 16, 4, 2), (16, 16, 3, 1), (16, 32, 4, 2), (32, 32, 3, 1), (32, 64, 4, 2), (64, 64, 3, 1),
    (64, 128, 3, 1),
)  # fmt: skip


class PoseNet(nn.Module):
    """Eight convolutions, each followed by SiLU, and a 1x1 projection times a learnt scalar."""

    def __init__(self, channels: int = 320) -> None:
        super().__init__()
        steps = []
        for inner, outer, kernel, stride in _LAYERS:
            steps += [nn.Conv2d(inner, outer, kernel, stride, padding=1), nn.SiLU()]
        self.conv_layers = nn.Sequential(*steps)
        self.final_proj = nn.Conv2d(128, channels, kernel_size=1)
        self.scale = nn.Parameter(torch.full((1,), 2.0))
        self._initialise()

    def _initialise(self) -> None:
        """As the released network was before training: He normal, and a projection that adds nothing yet."""
        for layer in self.conv_layers:
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.final_proj.weight)
        if self.final_proj.bias is not None:
            nn.init.zeros_(self.final_proj.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        """(n,3,H,W) or (b,F,3,H,W) in [-1, 1] -> (n,channels,H/8,W/8), n = b F frames."""
        features = self.conv_layers(pictures.flatten(0, -4))
        return torch.as_tensor(self.final_proj(features) * self.scale)
