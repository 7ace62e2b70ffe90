"""The VQ-VAE of T2M-GPT: 263 normalised features a frame <-> one motion token every four frames.

Written from the published description (Zhang et al., CVPR 2023) and the key names of the released checkpoint. Knows no
statistics and no text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FRAMES_PER_TOKEN", "RECEPTIVE_TOKENS", "VQVAE", "VQVAEConfig"]

FRAMES_PER_TOKEN = 4
RECEPTIVE_TOKENS = 22  # so many tokens to each side can change a decoded frame

_LEVELS = 2  # halvings of the rate
_DILATIONS = (9, 3, 1)  # of a residual stack, in encoder and decoder alike: the largest first


@dataclass(frozen=True)
class VQVAEConfig:
    """The sizes of a checkpoint; the released one has the defaults."""

    features: int = 263
    codes: int = 512
    code_width: int = 512
    width: int = 512

    @classmethod
    def from_shapes(cls, shapes: Mapping[str, tuple[int, ...]]) -> VQVAEConfig:
        """The sizes that a state dict was made with; keys that are absent leave the default."""
        codes, code_width = shapes.get("vqvae.quantizer.codebook", (cls.codes, cls.code_width))
        width, features, _ = shapes.get("vqvae.encoder.model.0.weight", (cls.width, cls.features, 3))
        return cls(features, codes, code_width, width)


class _Residual(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class _Stack(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(_Residual(width, dilation) for dilation in _DILATIONS))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class _Encoder(nn.Module):
    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        width = config.width
        down = [nn.Sequential(nn.Conv1d(width, width, 4, stride=2, padding=1), _Stack(width)) for _ in range(_LEVELS)]
        self.model = nn.Sequential(
            nn.Conv1d(config.features, width, 3, padding=1),
            nn.ReLU(),
            *down,
            nn.Conv1d(width, config.code_width, 3, padding=1),
        )


class _Decoder(nn.Module):
    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        width = config.width
        up = [
            nn.Sequential(
                _Stack(width), nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv1d(width, width, 3, padding=1)
            )
            for _ in range(_LEVELS)
        ]
        self.model = nn.Sequential(
            nn.Conv1d(config.code_width, width, 3, padding=1),
            nn.ReLU(),
            *up,
            nn.Conv1d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(width, config.features, 3, padding=1),
        )


class _Quantizer(nn.Module):
    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.zeros(config.codes, config.code_width))
        self.codebook: Tensor


class _Net(nn.Module):
    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.encoder = _Encoder(config)
        self.decoder = _Decoder(config)
        self.quantizer = _Quantizer(config)


class VQVAE(nn.Module):
    """Encoder, codebook and decoder under the released key names."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.vqvae = _Net(config)

    def encode(self, features: Tensor) -> Tensor:
        """Normalised features (N,T,263) -> what the codebook is compared with (N,C,T//4)."""
        return self.vqvae.encoder.model(features.transpose(1, 2))

    def tokens(self, encoded: Tensor) -> Tensor:
        """Encoded (N,C,L) -> the nearest codes (N,L); of equal distances the first."""
        rows = encoded.transpose(1, 2).reshape(-1, self.config.code_width)
        book = self.vqvae.quantizer.codebook
        distance = (rows**2).sum(1, keepdim=True) - 2.0 * rows @ book.t() + (book**2).sum(1)
        return distance.argmin(1).view(len(encoded), -1)

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens (N,L) -> normalised features (N,4L,263)."""
        codes = F.embedding(tokens, self.vqvae.quantizer.codebook)
        return self.vqvae.decoder.model(codes.transpose(1, 2)).transpose(1, 2)
