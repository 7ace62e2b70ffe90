"""The loop's state on disk after every step, so that a killed render goes on with the very bits it had.

Files carry the sum of their tensors; a damaged or foreign one is never used. Knows tensors and files; nothing of what
a step is.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fleximo.files import write_atomic

__all__ = ["Checkpoints", "read_sealed", "write_sealed"]

_KEPT = 2  # the newest, and one to fall back to


class Checkpoints:
    """The checkpoints of one render in one folder. `key` names everything that decides the values."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key

    def save(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Writes the state after `step` steps, all or nothing, and drops all but the newest two."""
        write_sealed(self._folder / f"step-{step:05d}.safetensors", tensors, {"step": str(step), "key": self._key})
        for path in self._newest_first()[_KEPT:]:
            with contextlib.suppress(OSError):
                path.unlink()

    def load(self) -> tuple[int, dict[str, Tensor]] | None:
        """The newest intact state of this very render, as (steps done, tensors); None without one."""
        for path in self._newest_first():
            found = read_sealed(path)
            if found is not None and found[1].get("key") == self._key:
                return int(found[1]["step"]), found[0]
        return None

    def clear(self) -> None:
        """Removes all of them: the render is done."""
        for path in self._newest_first():
            with contextlib.suppress(OSError):
                path.unlink()

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.safetensors"), reverse=True)


def write_sealed(path: Path, tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> None:
    """Writes tensors and what is told of them, all or nothing, with the sum of both."""
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomic(path, save(kept, metadata={**told, "sum": _sum(kept, told)}))


def read_sealed(path: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """What `write_sealed` wrote; None if there is none or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            told = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    return (tensors, told) if told.pop("sum", "") == _sum(tensors, told) else None


def _sum(tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> str:
    digest = hashlib.sha256(repr(sorted(told.items())).encode())
    for name in sorted(tensors):
        digest.update(repr((name, tensors[name].dtype, tuple(tensors[name].shape))).encode())
        digest.update(tensors[name].flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
