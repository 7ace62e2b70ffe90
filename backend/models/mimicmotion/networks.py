"""MimicMotion's four networks on one device: loaded when first needed, dropped when told.

Knows where weights lie and how they are put together; nothing of jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from backend.diffusion.loading import assemble, empty, read_tensors
from backend.models.mimicmotion.convert import by_network
from backend.models.svd.loading import image_encoder_on_meta, vae_on_meta
from backend.models.svd.memory import SVD_XT_COSTS, NetworkCosts, scaled_costs
from backend.models.svd.pose_net import PoseNet
from backend.models.svd.speed import arrange, compile_blocks
from backend.models.svd.unet import SVD_XT, PoseUNet, shorten_cross_attention
from backend.weights import Bundle, bundle
from fleximo.files import read_json

__all__ = ["DTYPES", "Networks"]

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_FILES = ("mimicmotion.safetensors", "unet.safetensors", "pose_net.safetensors")  # the first, or the two others
_VAE_WIDTH = 128  # channels of the released VAE's first block
_VAE = "vae/diffusion_pytorch_model.fp16.safetensors"
_IMAGE_ENCODER = "image_encoder/model.fp16.safetensors"


class Networks:
    """The networks of the bundles `svd` and `mimicmotion`; raises `FleximoError` where weights lack or do not fit."""

    def __init__(self, device: torch.device, precision: str) -> None:
        self.device = device
        self.dtype = DTYPES[precision]
        self.svd: Bundle = bundle("svd")
        self.own: Bundle = bundle("mimicmotion")
        self._loaded: dict[tuple[Any, ...], Any] = {}

    @property
    def sums(self) -> dict[str, str]:
        """The sha256 of every file of weights in use."""
        both = (("svd", self.svd), ("mimicmotion", self.own))
        return {f"{name}/{file}": total for name, given in both for file, total in sorted(given.sha256.items())}

    @cached_property
    def unet_config(self) -> dict[str, Any]:
        """SVD-XT's, unless a `config.json` beside the weights says otherwise (small networks for tests)."""
        beside = self.own.folder / "config.json"
        return dict(read_json(beside)["unet"]) if beside.is_file() else SVD_XT

    @cached_property
    def scheduler_config(self) -> dict[str, Any]:
        document = read_json(self.svd.file("scheduler/scheduler_config.json"))
        return {key: value for key, value in document.items() if not key.startswith("_")}

    @cached_property
    def costs(self) -> NetworkCosts:
        """What they take: of the released sizes from the table, of any others in proportion to it."""
        if self.unet_config == SVD_XT:
            return SVD_XT_COSTS
        vae, encoder = vae_on_meta(self.svd.folder / "vae"), image_encoder_on_meta(self.svd.folder / "image_encoder")
        modules = {"unet": self._empty_unet(), "vae": vae, "image_encoder": encoder}
        weights = {name: 2 * sum(p.numel() for p in module.parameters()) for name, module in modules.items()}
        unet_width = self.unet_config["block_out_channels"][0] / SVD_XT["block_out_channels"][0]
        return scaled_costs(weights, unet_width, vae.config.block_out_channels[0] / _VAE_WIDTH)

    def unet(self, *, shortened: bool, by_block: bool = False, compiled: bool = False) -> PoseUNet:
        """With the exact short cut for the one token that it attends to, or as released.

        `by_block`: it lies in the machine's memory, and only the block at work on the device (then not `compiled`).
        """

        def load() -> PoseUNet:
            where = torch.device("cpu") if by_block else self.device
            tensors = self._own_tensors("unet")
            made = assemble(self._empty_unet(), tensors, name="U-Net", dtype=self.dtype, device=where)
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
        channels = int(self.unet_config["block_out_channels"][0])
        given = {"name": "PoseNet", "dtype": self.dtype, "device": self.device}
        return self._once(
            ("pose_net",), lambda: assemble(empty(lambda: PoseNet(channels)), self._own_tensors("pose_net"), **given)
        )

    def vae(self, dtype: torch.dtype) -> Any:
        given = {"name": "VAE", "dtype": dtype, "device": self.device}
        return self._once(
            ("vae", dtype),
            lambda: assemble(vae_on_meta(self.svd.folder / "vae"), self._svd_tensors("vae", _VAE), **given),
        )

    def image_encoder(self) -> Any:
        given = {"name": "image encoder", "dtype": self.dtype, "device": self.device}
        return self._once(
            ("image_encoder",),
            lambda: assemble(
                image_encoder_on_meta(self.svd.folder / "image_encoder"),
                self._svd_tensors("image_encoder", _IMAGE_ENCODER),
                **given,
            ),
        )

    def drop(self, *names: str) -> None:
        """Frees these networks; without names, all of them. They are read again when next needed."""
        for key in list(self._loaded):
            if not names or key[0] in names:
                del self._loaded[key]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _once(self, key: tuple[Any, ...], load: Callable[[], Any]) -> Any:
        if key not in self._loaded:
            self._loaded[key] = load()
        return self._loaded[key]

    def _empty_unet(self) -> Any:
        config = self.unet_config
        return empty(lambda: PoseUNet(**config))

    def _own_tensors(self, network: str) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for file in _FILES:
            if file in self.own.sha256 and not (file != _FILES[0] and _FILES[0] in self.own.sha256):
                found |= by_network(read_tensors(self.own.file(file))).get(network, {})
        return found

    def _svd_tensors(self, network: str, file: str) -> dict[str, Tensor]:
        return self._own_tensors(network) or read_tensors(self.svd.file(file))
