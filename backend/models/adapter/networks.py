"""Where the adapter's weights lie, and how they were trained.

Knows files; how networks are put together is `svd.networks`.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from backend.diffusion.loading import read_metadata, read_tensors
from backend.models.adapter.convention import Convention
from backend.models.adapter.convert import POSE_GUIDER, UNET
from backend.models.svd.networks import PoseNetworks

__all__ = ["AdapterNetworks"]

_OWN = {"unet": UNET, "pose_net": POSE_GUIDER}


class AdapterNetworks(PoseNetworks):
    """The trained networks of the bundle `adapter`, with those of `svd`."""

    unet_name = "adapter's U-Net"
    pose_name = "pose guider"

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(device, dtype, "adapter")

    @cached_property
    def convention(self) -> Convention:
        return Convention.from_metadata(read_metadata(self.own.file(UNET)))

    def _tensors(self, network: str) -> dict[str, Tensor]:
        return read_tensors(self.own.file(_OWN[network])) if network in _OWN else super()._tensors(network)
