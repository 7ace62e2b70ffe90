"""PyTorch's `.pt` / `.pth` files (the zip form, since PyTorch 1.6) read with numpy alone: tensors become arrays.

Knows how tensors lie in their storages, and no models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo.errors import FleximoError
from fleximo.formats.containers import LIMIT_BYTES, Archive
from fleximo.formats.pickle_machine import AllowList, Machine, StandIn
from fleximo.formats.pickles import NUMPY

__all__ = ["TORCH", "is_torch_file", "load_torch"]

Array = npt.NDArray[Any]

_ELEMENTS = {  # storage class -> little-endian numpy type; bfloat16 is the upper half of a float32
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": "u2", "LongStorage": "i8",
    "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
_MAX_AXES = 8


def is_torch_file(content: bytes) -> bool:
    """Whether `content` is a zip archive with PyTorch's pickle in it."""
    return content.startswith(b"PK\x03\x04") and b"/data.pkl" in content[:4096]


def load_torch(content: bytes, *, what: str = "PyTorch file") -> Any:
    """What `torch.save` wrote: containers as plain Python values, every tensor as a numpy array.

    Raises `FleximoError` as `load_pickle` does, and for files of PyTorch before 1.6 and TorchScript archives.
    """
    archive = Archive(content, what)
    pickled = [name for name in archive.names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickled) != 1 or any(name.endswith("constants.pkl") for name in archive.names):
        raise FleximoError(
            f"The {what} holds a program or something else than tensors; only what torch.save wrote is read.",
            code="unreadable_file",
        )
    folder = pickled[0].removesuffix("data.pkl")
    order = archive.read(folder + "byteorder") if folder + "byteorder" in archive.names else b"little"
    storages = _Storages(archive, folder, ">" if order == b"big" else "<")
    return Machine(archive.read(pickled[0]), TORCH, what=what, persistent=storages.storage).run()


class _Storages:
    """The flat arrays beside the pickle, each read once."""

    def __init__(self, archive: Archive, folder: str, order: str) -> None:
        self.archive = archive
        self.folder = folder
        self.order = order
        self.read: dict[tuple[str, str], _Storage] = {}

    def storage(self, identity: Any) -> _Storage:
        """The storage that the pickle calls ("storage", class, key, device, number of elements)."""
        _, kind, key, _, count = identity
        name = kind.name.rpartition(".")[2]
        if name not in _ELEMENTS or not isinstance(key, str) or type(count) is not int:
            raise ValueError(f"its tensors have elements of an unknown kind ({name})")
        if (name, key) not in self.read:
            raw = self.archive.read(f"{self.folder}data/{key}")
            elements = np.frombuffer(raw, dtype=np.dtype(_ELEMENTS[name]).newbyteorder(self.order))  # type: ignore[arg-type]
            if len(elements) != count:
                raise ValueError("a tensor in it is larger or smaller than it says")
            self.read[name, key] = _Storage(name, elements)
        return self.read[name, key]


class _Storage:
    def __init__(self, name: str, elements: Array) -> None:
        self.name = name
        self.elements = elements


def _tensor(machine: Machine, stand_in: StandIn, arguments: tuple[Any, ...]) -> Array:
    """(storage, offset, size, stride, ...) -> a copy of the elements, checked to lie inside the storage."""
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, _Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise ValueError("a tensor in it is none")
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or len(size) > _MAX_AXES or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError("a tensor in it has a shape that is none")
    if max((*size, *stride), default=0) > LIMIT_BYTES:
        raise ValueError("a tensor in it has an absurd shape")
    elements = storage.elements
    count, last = 1, offset
    for length, step in zip(size, stride):
        count *= length
        last += (length - 1) * step
    if count and last >= len(elements):
        raise ValueError("a tensor in it reaches beyond its storage")
    machine.spend(count * elements.itemsize)
    steps = tuple(step * elements.itemsize for step in stride)
    view = np.lib.stride_tricks.as_strided(elements[offset:], size, steps, writeable=False) if count else np.empty(size)
    copied = np.ascontiguousarray(view).reshape(size)
    if storage.name == "BFloat16Storage":
        copied = (copied.astype(np.uint32) << 16).view(np.float32)
    return copied


def _first(machine: Machine, stand_in: StandIn, arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments else None


TORCH = NUMPY | AllowList(
    {
        "torch._utils._rebuild_tensor_v2": StandIn("tensor", _tensor),
        "torch._utils._rebuild_parameter": StandIn("parameter", _first),
        "torch.Size": StandIn("size", _first),
        "torch.device": StandIn("device", _first),
        **{f"torch.{name}": StandIn(name) for name in _ELEMENTS},
    }
)
