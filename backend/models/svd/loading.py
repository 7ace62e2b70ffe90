"""The empty networks of Stable Video Diffusion that stay as published, from the settings beside their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers import AutoencoderKLTemporalDecoder
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.diffusion.loading import empty
from fleximo.errors import FleximoError
from fleximo.files import read_json

__all__ = ["image_encoder_on_meta", "vae_on_meta"]


def vae_on_meta(folder: Path) -> AutoencoderKLTemporalDecoder:
    """The empty VAE that `folder`/config.json describes."""
    config = _config(folder)
    return empty(lambda: AutoencoderKLTemporalDecoder.from_config(config))


def image_encoder_on_meta(folder: Path) -> CLIPVisionModelWithProjection:
    """The empty CLIP vision tower that `folder`/config.json describes."""
    config = _config(folder)
    return empty(lambda: CLIPVisionModelWithProjection(CLIPVisionConfig(**config)))


def _config(folder: Path) -> dict[str, Any]:
    document = read_json(folder / "config.json")
    if not isinstance(document, dict):
        raise FleximoError(f"{folder / 'config.json'} is no model's configuration.", code="unreadable_weights")
    return {key: value for key, value in document.items() if not key.startswith("_")}
