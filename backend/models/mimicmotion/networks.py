"""Where MimicMotion's weights lie: in one file or two of its own bundle, the rest as Stable Video Diffusion has it.

Knows files; how networks are put together is `svd.networks`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from backend.diffusion.devices import DTYPES
from backend.diffusion.loading import read_tensors
from backend.models.mimicmotion.convert import by_network
from backend.models.svd.networks import PoseNetworks

__all__ = ["Networks"]

_FILES = ("mimicmotion.safetensors", "unet.safetensors", "pose_net.safetensors")  # the first, or the two others


class Networks(PoseNetworks):
    """The networks of the bundles `svd` and `mimicmotion`."""

    def __init__(self, device: torch.device, precision: str) -> None:
        super().__init__(device, DTYPES[precision], "mimicmotion")

    def _tensors(self, network: str) -> dict[str, Tensor]:
        """MimicMotion's own where its files have some, else SVD's."""
        found: dict[str, Tensor] = {}
        for file in _FILES:
            if file in self.own.sha256 and not (file != _FILES[0] and _FILES[0] in self.own.sha256):
                found |= by_network(read_tensors(self.own.file(file))).get(network, {})
        return found or super()._tensors(network)
