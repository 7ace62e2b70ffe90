"""The released checkpoint as safetensors, once, when it is imported. Knows keys and files; builds no network."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file

from fleximo.errors import FleximoError

__all__ = ["by_network", "convert"]

Value = TypeVar("Value")

_NETWORKS = ("unet", "pose_net", "vae", "image_encoder")
_POSE_NET = ("conv_layers.", "final_proj.")


def convert(source: Path, target: Path) -> None:
    """Writes the tensors of MimicMotion's checkpoint `source` to `target`, with the keys that they have.

    Nothing but tensors is unpickled. Raises `FleximoError` (`bad_checkpoint`).
    """
    try:
        state = torch.load(source, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, ValueError, EOFError, OSError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _bad(source, f"it cannot be read ({reason[:120]})") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise _bad(source, "it is no flat dictionary of tensors")
    if not {"unet", "pose_net"} <= by_network(state).keys():
        raise _bad(source, "it lacks the U-Net or PoseNet")
    save_file({key: value.contiguous() for key, value in state.items()}, target)


def by_network(tensors: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """The tensors of each network under its own keys, from any of the layouts that are passed around.

    Prefixed (`unet.`, `pose_net.`) as released; bare keys of the U-Net or of PoseNet as others repacked them; or both
    in one file. A VAE or image encoder among them replaces SVD's.

    >>> by_network({"unet.conv_in.weight": 1, "scale": 2, "conv_out.bias": 3})
    {'unet': {'conv_in.weight': 1, 'conv_out.bias': 3}, 'pose_net': {'scale': 2}}
    """
    found: dict[str, dict[str, Value]] = {}
    for key, value in tensors.items():
        network, _, rest = key.partition(".")
        if network not in _NETWORKS:
            network, rest = "pose_net" if key == "scale" or key.startswith(_POSE_NET) else "unet", key
        found.setdefault(network, {})[rest] = value
    return found


def _bad(source: Path, why: str) -> FleximoError:
    return FleximoError(
        f"{source} is no checkpoint of MimicMotion: {why}.",
        code="bad_checkpoint",
        remedy="MimicMotion_1-1.pth as released was expected.",
    )
