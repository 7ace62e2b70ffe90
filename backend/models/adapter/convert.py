"""The checkpoints of the paper's training program as safetensors, once, when they are imported.

Two bare state dicts, `denoising_unet-STEP.pth` and `pose_guider-STEP.pth`; which of them is wanted, the target's name
tells. Knows keys and files; builds no network.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors.torch import save_file

from fleximo.errors import FleximoError

__all__ = ["POSE_GUIDER", "UNET", "convert"]

UNET, POSE_GUIDER = "denoising_unet.safetensors", "pose_guider.safetensors"
_TELLING = {UNET: "conv_in.weight", POSE_GUIDER: "conv_layers.0.weight"}
_WRAPPED = "module."  # put before every key by training on several GPUs


def convert(source: Path, target: Path) -> None:
    """Writes the tensors of `source` to `target`; nothing but tensors is unpickled. Raises `FleximoError`."""
    try:
        state = torch.load(source, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, ValueError, EOFError, OSError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _bad(source, target, f"it cannot be read ({reason[:120]})") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise _bad(source, target, "it is no flat dictionary of tensors")
    if state and all(key.startswith(_WRAPPED) for key in state):
        state = {key.removeprefix(_WRAPPED): value for key, value in state.items()}
    if _TELLING[target.name] not in state:
        raise _bad(source, target, f"it has no {_TELLING[target.name]} but {', '.join(sorted(state)[:3]) or 'nothing'}")
    save_file({key: value.contiguous() for key, value in state.items()}, target)


def _bad(source: Path, target: Path, why: str) -> FleximoError:
    return FleximoError(
        f"{source} is no checkpoint of the adapter's {target.stem}: {why}.",
        code="bad_checkpoint",
        remedy="A state dict such as denoising_unet-400000.pth or pose_guider-400000.pth was expected.",
    )
