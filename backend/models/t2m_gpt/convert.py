"""The published `.pth` files of T2M-GPT -> safetensors, once, when they are imported.

Nothing in a `.pth` is run: only tensors are unpickled. Knows both files, `net_last.pth` and `net_best_fid.pth`.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch
from safetensors.torch import save_file

from backend.models.t2m_gpt.checkpoint import built_for, check_keys
from fleximo.errors import FleximoError

__all__ = ["convert"]

_PARTS = {"net": "vqvae", "trans": "gpt"}  # the outer key of each file


def convert(source: Path, target: Path) -> None:
    """Writes the tensors of the checkpoint `source` as the safetensors file `target`, all or nothing.

    Raises `FleximoError` (`bad_checkpoint`) where it is no checkpoint of T2M-GPT, or one whose keys or shapes do not
    fit; `target` is named after the part it shall be (`vqvae.safetensors`, `gpt.safetensors`).
    """
    part, state = _read(source)
    if part != target.stem:
        raise FleximoError(
            f"{source} holds T2M-GPT's {part}; {target.stem} was expected.",
            code="bad_checkpoint",
            remedy="VQVAE/net_last.pth is the vqvae, VQTransformer_corruption05/net_best_fid.pth the gpt.",
        )
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    expected = {key: tuple(tensor.shape) for key, tensor in built_for(part, shapes).state_dict().items()}
    check_keys(shapes, expected, str(source))
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.part")
    try:
        save_file({key: tensor.float().contiguous() for key, tensor in state.items()}, str(unfinished))
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(source: Path) -> tuple[str, dict[str, torch.Tensor]]:
    """Which part a checkpoint is, and its tensors."""
    try:
        document = torch.load(source, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        first = str(error).strip().partition("\n")[0][:200]
        raise FleximoError(
            f"{source} cannot be read as a checkpoint of tensors: {first}",
            code="bad_checkpoint",
            remedy="Take the file that T2M-GPT's authors published.",
        ) from None
    found = [key for key in _PARTS if isinstance(document, dict) and isinstance(document.get(key), dict)]
    if len(found) != 1:
        raise FleximoError(
            f"{source} is no checkpoint of T2M-GPT: it has neither `net` nor `trans` in it.",
            code="bad_checkpoint",
            remedy="Take VQVAE/net_last.pth or VQTransformer_corruption05/net_best_fid.pth.",
        )
    state = document[found[0]]
    strange = [str(key) for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise FleximoError(
            f"{source} has entries that are no tensors: {', '.join(strange[:8])}.", code="bad_checkpoint"
        )
    return _PARTS[found[0]], state
