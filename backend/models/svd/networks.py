"""The networks of Stable Video Diffusion and of what is built on it, on one device: read when first needed.

Knows where weights lie and how they are put together; nothing of jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.diffusion.loading import assemble, described_by, empty, read_config, read_tensors
from backend.models.svd.memory import SVD_XT_COSTS, NetworkCosts, scaled_costs
from backend.models.svd.pose_net import PoseNet
from backend.models.svd.schedule import make_scheduler
from backend.models.svd.speed import arrange, compile_blocks
from backend.models.svd.unet import SVD_XT, PoseUNet, shorten_cross_attention
from backend.weights import Bundle, bundle

__all__ = ["PoseNetworks", "SvdNetworks"]

_FILES = {
    "vae": "vae/diffusion_pytorch_model.fp16.safetensors",
    "image_encoder": "image_encoder/model.fp16.safetensors",
}
_VAE_WIDTH = 128  # channels of the released VAE's first block


class SvdNetworks:
    """What stays as Stable Video Diffusion has it: the VAE and CLIP's image tower, from the bundle `svd`."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        self.svd: Bundle = bundle("svd")
        self._loaded: dict[tuple[Any, ...], Any] = {}

    @cached_property
    def scheduler_config(self) -> dict[str, Any]:
        file = self.svd.file("scheduler/scheduler_config.json")
        config = read_config(file)
        with described_by(file):
            made = make_scheduler(1, config=config)
            first, nothing = made.timesteps[0], torch.zeros(1)
            made.step(made.scale_model_input(nothing, first), first, nothing)  # only a step looks at all of them
        return config

    def vae(self, dtype: torch.dtype | None = None) -> Any:
        """Without `dtype` in one that its encoder is safe in: in float16 it is known to overflow."""
        if dtype is None:
            dtype = torch.float32 if self.dtype == torch.float16 else self.dtype
        return self._once(("vae", dtype), lambda: self._made(self._empty_vae(), "VAE", self._tensors("vae"), dtype))

    def image_encoder(self) -> Any:
        def load() -> Any:
            return self._made(self._empty_image_encoder(), "image encoder", self._tensors("image_encoder"))

        return self._once(("image_encoder",), load)

    def drop(self, *names: str) -> None:
        """Frees these networks; without names, all of them. They are read again when next needed."""
        for key in list(self._loaded):
            if not names or key[0] in names:
                del self._loaded[key]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _tensors(self, network: str) -> dict[str, Tensor]:
        """What the bundle holds of `network`; nothing of one that is not Stable Video Diffusion's."""
        return read_tensors(self.svd.file(_FILES[network])) if network in _FILES else {}

    def _made(self, module: nn.Module, name: str, tensors: dict[str, Tensor], dtype: torch.dtype | None = None) -> Any:
        return assemble(module, tensors, name=name, dtype=dtype or self.dtype, device=self.device)

    def _once(self, key: tuple[Any, ...], load: Callable[[], Any]) -> Any:
        if key not in self._loaded:
            self._loaded[key] = load()
        return self._loaded[key]

    def _empty_vae(self) -> Any:
        file = self.svd.file("vae/config.json")
        with described_by(file):
            return empty(lambda: AutoencoderKLTemporalDecoder.from_config(read_config(file)))

    def _empty_image_encoder(self) -> Any:
        file = self.svd.file("image_encoder/config.json")
        with described_by(file):
            return empty(lambda: CLIPVisionModelWithProjection(CLIPVisionConfig(**read_config(file))))


class PoseNetworks(SvdNetworks):
    """With a U-Net that is given skeletons and the network that reads them, from the bundle `name`.

    Who derives from this says in `_tensors` where "unet" and "pose_net" lie. Raises `FleximoError` where weights lack
    or do not fit.
    """

    unet_name = "U-Net"
    pose_name = "PoseNet"

    def __init__(self, device: torch.device, dtype: torch.dtype, name: str) -> None:
        super().__init__(device, dtype)
        self.own: Bundle = bundle(name)

    @property
    def sums(self) -> dict[str, str]:
        """The sha256 of every file of weights in use."""
        both = ((given.name, given) for given in (self.svd, self.own))
        return {f"{name}/{file}": total for name, given in both for file, total in sorted(given.sha256.items())}

    @cached_property
    def unet_config(self) -> dict[str, Any]:
        """SVD-XT's, unless a `config.json` beside the weights says otherwise (small networks for tests)."""
        if not self._beside.is_file():
            return SVD_XT
        with described_by(self._beside):
            return dict(read_config(self._beside)["unet"])

    @cached_property
    def costs(self) -> NetworkCosts:
        """What they take: of the released sizes from the table, of any others in proportion to it."""
        if self.unet_config == SVD_XT:
            return SVD_XT_COSTS
        vae = self._empty_vae()
        modules = {"unet": self._empty_unet(), "vae": vae, "image_encoder": self._empty_image_encoder()}
        weights = {name: 2 * sum(p.numel() for p in module.parameters()) for name, module in modules.items()}
        unet_width = self.unet_config["block_out_channels"][0] / SVD_XT["block_out_channels"][0]
        return scaled_costs(weights, unet_width, vae.config.block_out_channels[0] / _VAE_WIDTH)

    def unet(self, *, shortened: bool = True, by_block: bool = False, compiled: bool = False) -> PoseUNet:
        """With the exact short cut for the one token that it attends to, or as released.

        `by_block`: it lies in the machine's memory, and only the block at work on the device (then not `compiled`).
        """

        def load() -> PoseUNet:
            where = torch.device("cpu") if by_block else self.device
            given = {"name": self.unet_name, "dtype": self.dtype, "device": where}
            made: PoseUNet = assemble(self._empty_unet(), self._tensors("unet"), **given)
            if shortened:
                shorten_cross_attention(made)
            if compiled and not by_block:
                arrange(made)
                compile_blocks(made)
            if by_block:
                made.enable_group_offload(
                    onload_device=self.device,
                    offload_device=where,
                    offload_type="block_level",
                    num_blocks_per_group=1,
                )
            return made

        return self._once(("unet", shortened, by_block, compiled), load)

    def pose_net(self) -> PoseNet:
        def load() -> PoseNet:
            made = empty(lambda: PoseNet(int(self.unet_config["block_out_channels"][0])))
            return self._made(made, self.pose_name, self._tensors("pose_net"))

        return self._once(("pose_net",), load)

    @property
    def _beside(self) -> Path:
        return self.own.folder / "config.json"

    def _empty_unet(self) -> Any:
        with described_by(self._beside):
            return empty(lambda: PoseUNet(**self.unet_config))
