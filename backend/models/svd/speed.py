"""Making a loaded U-Net fast on a GPU: memory order and compilation. The values stay the same but for rounding.

Knows modules; decides nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["arrange", "compile_blocks"]


def arrange(unet: nn.Module) -> None:
    """Puts the weights of convolutions into the order that tensor cores read (channels last)."""
    for module in unet.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
        elif isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)


def compile_blocks(unet: Any, backend: str = "inductor") -> None:
    """Compiles each block by itself at its first call, which takes a minute or more for every new shape.

    By blocks, because what is added to the first features comes in between.
    """
    for block in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        block.compile(backend=backend)
