"""Checkpoints of T2M-GPT: sizes told from the shapes, every key checked by name, tensors read from safetensors.

Knows files, keys and shapes; no motion.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from backend.models.t2m_gpt.gpt import GPT, GPTConfig
from backend.models.t2m_gpt.vqvae import VQVAE, VQVAEConfig
from fleximo.errors import FleximoError

__all__ = ["Shapes", "built_for", "check_keys", "load_gpt", "load_vqvae", "read_tensors"]

Shapes = Mapping[str, tuple[int, ...]]

_NAMED = 20  # so many keys of each kind of fault are told; the rest is counted


def load_vqvae(path: Path) -> VQVAE:
    """The VQ-VAE in a converted checkpoint; raises `FleximoError` that lists what does not fit."""
    tensors, _ = read_tensors(path)
    return _filled(built_for("vqvae", _shapes(tensors)), tensors, path)


def load_gpt(path: Path) -> GPT:
    """The GPT in a converted checkpoint; raises `FleximoError` that lists what does not fit.

    The number of heads is taken from the file's metadata (`heads`) where it is given, else from the released width.
    """
    tensors, metadata = read_tensors(path)
    heads = metadata.get("heads")
    return _filled(built_for("gpt", _shapes(tensors), int(heads) if heads else None), tensors, path)


def built_for(part: str, shapes: Shapes, heads: int | None = None) -> Any:
    """An empty model ("vqvae" or "gpt") of the sizes that `shapes` tell, on the meta device."""
    try:
        with torch.device("meta"):
            if part == "vqvae":
                return VQVAE(VQVAEConfig.from_shapes(shapes))
            return GPT(GPTConfig.from_shapes(shapes, heads))
    except (ValueError, IndexError, RuntimeError) as error:
        raise FleximoError(
            f"The sizes of this {part} checkpoint cannot be understood: {error}.",
            code="bad_checkpoint",
            remedy="Take the files that T2M-GPT's authors published.",
        ) from None


def check_keys(found: Shapes, expected: Shapes, what: str) -> None:
    """Raises `FleximoError` (`bad_checkpoint`) that names missing, unexpected and mis-shaped keys."""
    faults = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": [
            f"{key} {tuple(found[key])} instead of {tuple(shape)}"
            for key, shape in expected.items()
            if key in found and tuple(found[key]) != tuple(shape)
        ],
    }
    told = [f"{len(keys)} {kind}: {_listed(keys)}" for kind, keys in faults.items() if keys]
    if told:
        raise FleximoError(
            f"{what} does not hold what was expected; {'; '.join(told)}.",
            code="bad_checkpoint",
            remedy="Take the file that the model's authors published.",
        )


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(keys[:_NAMED]) + more


def read_tensors(path: Path, wanted: tuple[str, ...] = ("",)) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors of a safetensors file whose keys begin with one of `wanted`, and the file's metadata."""
    try:
        with safe_open(str(path), framework="pt") as file:
            keys = [key for key in file.keys() if key.startswith(wanted)]  # noqa: SIM118, the file is no dict
            return {key: file.get_tensor(key) for key in keys}, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise FleximoError(
            f"{path} cannot be read as weights: {error}.",
            code="bad_checkpoint",
            remedy="Get it anew: `fleximo models verify` names the bundle.",
        ) from None


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in tensors.items()}


def _filled(model: Any, tensors: dict[str, torch.Tensor], path: Path) -> Any:
    """`model` with the `tensors` for weights, in float32, ready to be used."""
    check_keys(_shapes(tensors), _shapes(model.state_dict()), str(path))
    model.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)
    assert isinstance(model, nn.Module)
    return model.eval().requires_grad_(False)
