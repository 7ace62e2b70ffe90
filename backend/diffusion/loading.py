"""Weights into networks: strictly, with every key that does not fit named, and never more than one copy in memory.

Reads safetensors only. Knows tensors and modules; nothing of what any of them is for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from fleximo.errors import FleximoError
from fleximo.files import read_json

__all__ = ["assemble", "described_by", "empty", "read_config", "read_metadata", "read_tensors"]

_NAMED = 6  # keys of each kind in an error
_AGAIN = "Fetch or import it again: fleximo models --help."


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped into memory rather than read; raises `FleximoError`."""
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file tells beside its tensors; raises `FleximoError`."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise FleximoError(
            f"{path} cannot be read as weights: {error}.",
            code="unreadable_weights",
            remedy=_AGAIN,
        ) from None


def read_config(path: Path) -> dict[str, Any]:
    """The settings of a network in a JSON file, without what only its writer needed; raises `FleximoError`."""
    document = read_json(path)
    if not isinstance(document, dict):
        raise FleximoError(f"{path} is no model's configuration.", code="unreadable_weights", remedy=_AGAIN)
    return {key: value for key, value in document.items() if not key.startswith("_")}


@contextlib.contextmanager
def described_by(path: Path) -> Iterator[None]:
    """Around what is built from the settings in `path`: where that fails, the file is at fault, and is told so."""
    try:
        yield
    except (FleximoError, MemoryError):
        raise
    except Exception as error:  # each class checks its settings in its own way, or not at all
        raise FleximoError(
            f"{path} describes nothing that can be built ({type(error).__name__}: {error}).",
            code="unreadable_weights",
            remedy=_AGAIN,
        ) from error


def empty(make: Callable[[], nn.Module]) -> nn.Module:
    """A module whose parameters have shapes but no values yet (its computed buffers have)."""
    with init_empty_weights(include_buffers=False):
        return make().requires_grad_(False).eval()


def assemble(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    name: str,
    dtype: torch.dtype | Callable[[str], torch.dtype],
    device: torch.device | str = "cpu",
) -> Any:
    """Gives the `empty` module its weights; returns it. `dtype` may depend on the tensor's key.

    Raises `FleximoError` (`weights_mismatch`) that names missing, unexpected and misshapen tensors.
    """
    wanted = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    missing, unexpected = wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys()
    misshapen = [
        f"{key} {tuple(tensors[key].shape)} instead of {shape}"
        for key, shape in wanted.items()
        if key in tensors and tuple(tensors[key].shape) != shape
    ]
    wrong = [
        f"{len(keys)} {kind} ({', '.join(sorted(keys)[:_NAMED])}{', ...' if len(keys) > _NAMED else ''})"
        for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
        if keys
    ]
    if wrong:
        raise FleximoError(
            f"The weights do not fit the {name}: {'; '.join(wrong)}.",
            code="weights_mismatch",
            remedy="This is another model's file, or a damaged one.",
        )
    placed = {
        key: value.to(device, dtype if isinstance(dtype, torch.dtype) else dtype(key)) for key, value in tensors.items()
    }
    module.load_state_dict(placed, assign=True)
    return module.requires_grad_(False).to(device)
