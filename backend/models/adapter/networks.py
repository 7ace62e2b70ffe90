"""The adapter's four networks on one device: read when first needed, dropped when told.

Knows where weights lie and how they are put together; nothing of tracks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from safetensors import safe_open

from backend.diffusion.loading import assemble, empty, read_tensors
from backend.models.adapter.convention import Convention
from backend.models.adapter.convert import POSE_GUIDER, UNET
from backend.models.svd.loading import image_encoder_on_meta, vae_on_meta
from backend.models.svd.pose_net import PoseNet
from backend.models.svd.unet import SVD_XT, PoseUNet, shorten_cross_attention
from backend.weights import Bundle, bundle
from fleximo.files import read_json

__all__ = ["AdapterNetworks", "SvdNetworks"]

_VAE = "vae/diffusion_pytorch_model.fp16.safetensors"
_IMAGE_ENCODER = "image_encoder/model.fp16.safetensors"


class SvdNetworks:
    """What stays as Stable Video Diffusion has it: the VAE and CLIP's image tower, from the bundle `svd`."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        self.svd: Bundle = bundle("svd")
        self._loaded: dict[str, Any] = {}

    @cached_property
    def scheduler_config(self) -> dict[str, Any]:
        document = read_json(self.svd.file("scheduler/scheduler_config.json"))
        return {key: value for key, value in document.items() if not key.startswith("_")}

    def vae(self) -> Any:
        """In float32 on the CPU; in half precision its encoder is known to overflow, in bfloat16 it does not."""
        dtype = torch.float32 if self.dtype == torch.float16 else self.dtype
        return self._once("vae", lambda: self._placed(vae_on_meta(self.svd.folder / "vae"), "VAE", _VAE, dtype))

    def image_encoder(self) -> Any:
        def load() -> Any:
            made = image_encoder_on_meta(self.svd.folder / "image_encoder")
            return self._placed(made, "image encoder", _IMAGE_ENCODER, self.dtype)

        return self._once("image_encoder", load)

    def drop(self, *names: str) -> None:
        """Frees these networks; they are read again when next needed."""
        for name in names:
            self._loaded.pop(name, None)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _placed(self, made: Any, name: str, file: str, dtype: torch.dtype) -> Any:
        return assemble(made, read_tensors(self.svd.file(file)), name=name, dtype=dtype, device=self.device)

    def _once(self, name: str, load: Callable[[], Any]) -> Any:
        if name not in self._loaded:
            self._loaded[name] = load()
        return self._loaded[name]


class AdapterNetworks(SvdNetworks):
    """With the trained networks of the bundle `adapter`; raises `FleximoError` where weights lack or do not fit."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(device, dtype)
        self.own: Bundle = bundle("adapter")

    @cached_property
    def convention(self) -> Convention:
        with safe_open(self.own.file(UNET), framework="pt") as file:
            return Convention.from_metadata(file.metadata() or {})

    @cached_property
    def unet_config(self) -> dict[str, Any]:
        """SVD-XT's, unless a `config.json` beside the weights says otherwise (small networks)."""
        beside = self.own.folder / "config.json"
        return dict(read_json(beside)["unet"]) if beside.is_file() else SVD_XT

    def unet(self) -> PoseUNet:
        def load() -> PoseUNet:
            made = empty(lambda: PoseUNet(**self.unet_config))
            tensors = read_tensors(self.own.file(UNET))
            placed = assemble(made, tensors, name="adapter's U-Net", dtype=self.dtype, device=self.device)
            shorten_cross_attention(placed)
            return placed

        return self._once("unet", load)

    def pose_net(self) -> PoseNet:
        def load() -> PoseNet:
            made = empty(lambda: PoseNet(int(self.unet_config["block_out_channels"][0])))
            tensors = read_tensors(self.own.file(POSE_GUIDER))
            return assemble(made, tensors, name="pose guider", dtype=self.dtype, device=self.device)

        return self._once("pose_net", load)
