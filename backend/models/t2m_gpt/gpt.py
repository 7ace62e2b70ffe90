"""The GPT of T2M-GPT: a text vector and the motion tokens so far -> the logits of the next token.

Written from the published description (Zhang et al., CVPR 2023) and the key names of the released checkpoint. Knows how
to go on from a cache, but not how a token is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["GPT", "Cache", "GPTConfig", "position_table"]

_HEAD_WIDTH = 64  # of the released model; the number of heads cannot be told from the shapes
_LAYER = re.compile(r"trans_base\.blocks\.(\d+)\.")


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a checkpoint; the released one has the defaults."""

    codes: int = 512
    text_width: int = 512
    width: int = 1024
    positions: int = 51
    layers: int = 9  # of the base and once more of the head
    heads: int = 16
    hidden: int = 4096

    @property
    def end(self) -> int:
        """The token that ends a motion."""
        return self.codes

    @classmethod
    def from_shapes(cls, shapes: Mapping[str, tuple[int, ...]], heads: int | None = None) -> GPTConfig:
        """The sizes that a state dict was made with; keys that are absent leave the default.

        `heads`: None = as many as give the released width of 64, at least 1.
        """
        rows, width = shapes.get("trans_base.tok_emb.weight", (cls.codes + 2, cls.width))
        positions = shapes.get("trans_base.pos_embed.embed", (cls.positions,))[0]
        text_width = shapes.get("trans_base.cond_emb.weight", (width, cls.text_width))[1]
        hidden = shapes.get("trans_base.blocks.0.mlp.0.weight", (4 * width,))[0]
        numbers = [int(found[1]) for found in map(_LAYER.match, shapes) if found]
        layers = max(numbers) + 1 if numbers else cls.layers
        return cls(rows - 2, text_width, width, positions, layers, heads or max(1, width // _HEAD_WIDTH), hidden)


class Cache:
    """Keys and values of every block for `rows` sequences, as far as they have been computed."""

    def __init__(self, config: GPTConfig, rows: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (2 * config.layers, rows, config.heads, config.positions, config.width // config.heads)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.length = 0


class _Attention(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        for name in ("key", "query", "value", "proj"):
            self.add_module(name, nn.Linear(config.width, config.width))
        self.register_buffer("mask", torch.ones(config.positions, config.positions).tril()[None, None])

    def forward(self, x: Tensor, keys: Tensor | None, values: Tensor | None, start: int) -> Tensor:
        rows, length, width = x.shape
        q, k, v = (
            part(x).view(rows, length, self.heads, -1).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        if keys is not None and values is not None:
            keys[:, :, start : start + length], values[:, :, start : start + length] = k, v
            k, v = keys[:, :, : start + length], values[:, :, : start + length]
        # One new position sees all that came before it; several at once start an empty cache.
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
        return self.proj(mixed.transpose(1, 2).reshape(rows, length, width))


class _Block(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attn = _Attention(config)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, config.hidden), nn.GELU(), nn.Linear(config.hidden, config.width)
        )

    def forward(self, x: Tensor, keys: Tensor | None, values: Tensor | None, start: int) -> Tensor:
        x = x + self.attn(self.ln1(x), keys, values, start)
        return x + self.mlp(self.ln2(x))


class _PositionTable(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.register_buffer("embed", position_table(config.positions, config.width)[:, None])


class _Base(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(config.codes + 2, config.width)
        self.cond_emb = nn.Linear(config.text_width, config.width)
        self.pos_embedding = nn.Embedding(config.positions, config.width)  # in every checkpoint, and never used
        self.pos_embed = _PositionTable(config)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))


class _Head(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.codes + 1, bias=False)


class GPT(nn.Module):
    """Both halves of the transformer under the released key names."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.trans_base = _Base(config)
        self.trans_head = _Head(config)

    def forward(self, text: Tensor, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits (N,1+L,codes+1) after the text vector `text` (N,512) and after each of the `tokens` (N,L).

        With a `cache` that holds the text and earlier tokens already, `tokens` are one more (N,1) and only its logits
        (N,1,codes+1) are returned.
        """
        base, head = self.trans_base, self.trans_head
        start = 0 if cache is None else cache.length
        embedded = base.tok_emb(tokens)
        x = embedded if start else torch.cat((base.cond_emb(text)[:, None], embedded), dim=1)
        x = x + base.pos_embed.embed[start : start + x.shape[1], 0]
        for i, block in enumerate((*base.blocks, *head.blocks)):
            x = block(x, *((cache.keys[i], cache.values[i]) if cache is not None else (None, None)), start)
        if cache is not None:
            cache.length = start + x.shape[1]
        return head.head(head.ln_f(x))

    def laid_out_for_vectors(self) -> GPT:
        """Stores the weights of linear layers column by column: on a CPU one row times such a matrix reads memory a
        quarter faster (see docs/log.md). Values and key names stay."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.data = module.weight.data.t().contiguous().t()
        return self


def position_table(positions: int, width: int) -> Tensor:
    """(positions,width) float32: column 2i is sin(p / 10000^(2i/width)), column 2i+1 its cosine."""
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * 10000.0 ** (
        -torch.arange(0, width, 2, dtype=torch.float64) / width
    )
    return torch.stack((angles.sin(), angles.cos()), dim=-1).reshape(positions, width).float()
