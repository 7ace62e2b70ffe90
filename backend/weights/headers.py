"""What tensors a file holds, told from its header alone: names and shapes, never values.

Reads safetensors and PyTorch's zip files (as data, by `fleximo.formats`, so without torch). Knows no models.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from backend.weights.manifest import Shapes
from fleximo.errors import FleximoError
from fleximo.formats.pickle_machine import AllowList, Machine, StandIn
from fleximo.formats.pickles import NUMPY

__all__ = ["is_onnx", "shapes_of"]

_ONNX_GRAPH = 7  # the field of ModelProto
_MAX_HEADER_BYTES = 32 << 20  # the largest header of the lock file's files is below 1 MB
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def shapes_of(path: Path) -> Shapes | None:
    """The tensors of a file by name; None if it is of neither kind, or damaged, or cut short."""
    try:
        with open(path, "rb") as file:
            start = file.read(8)
        if start.startswith(b"PK\x03\x04"):
            return _of_torch(path)
        return _of_safetensors(path, int.from_bytes(start, "little"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile, FleximoError):
        return None


def is_onnx(path: Path) -> bool:
    """Whether a file is an ONNX model, whole: its outermost fields end where the file ends, and one is a graph."""
    fields = set()
    with open(path, "rb") as file:
        size = path.stat().st_size
        while file.tell() < size:
            tag = _varint(file)
            if tag is None:
                return False
            length = _varint(file) if tag & 7 in (0, 2) else None  # ONNX has numbers and messages at the top, no more
            if length is None:
                return False
            if tag & 7 == 2:
                file.seek(length, 1)
            fields.add(tag >> 3)
        return file.tell() == size and _ONNX_GRAPH in fields


def _varint(file: BinaryIO) -> int | None:
    """A number as protocol buffers write it; None if there is none."""
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None


def _of_safetensors(path: Path, length: int) -> Shapes | None:
    size = path.stat().st_size
    if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
        return None
    with open(path, "rb") as file:
        file.seek(8)
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    shapes, end = {}, 0
    for name, entry in header.items():
        shape, (first, last) = tuple(int(n) for n in entry["shape"]), entry["data_offsets"]
        if last - first != math.prod(shape) * _BYTES.get(entry["dtype"], 1) and entry["dtype"] in _BYTES:
            return None
        shapes[str(name)], end = shape, max(end, int(last))
    return shapes if 8 + length + end == size else None


def _of_torch(path: Path) -> Shapes | None:
    with zipfile.ZipFile(path) as archive:
        pickles = [entry for entry in archive.infolist() if entry.filename.endswith("data.pkl")]
        if len(pickles) != 1 or pickles[0].file_size > _MAX_HEADER_BYTES:
            return None
        content = archive.read(pickles[0])
    document = Machine(content, _SHAPES_ONLY, what="checkpoint", persistent=lambda identity: None).run()
    return dict(_flattened(document, ""))


@dataclass(frozen=True)
class _Shape:
    """A tensor as far as it is read."""

    sizes: tuple[int, ...]


def _flattened(document: Any, prefix: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tensors in nested dictionaries, the keys on the way joined by dots."""
    if isinstance(document, _Shape):
        yield prefix.removesuffix("."), document.sizes
    elif isinstance(document, dict):
        for key, value in document.items():
            yield from _flattened(value, f"{prefix}{key}.")


def _shape(machine: Machine, stand_in: StandIn, arguments: tuple[Any, ...]) -> _Shape:
    """(storage, offset, size, ...) -> the size."""
    return _Shape(tuple(int(n) for n in arguments[2]))


def _first(machine: Machine, stand_in: StandIn, arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments else None


_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_SHAPES_ONLY = NUMPY | AllowList(
    {
        "torch._utils._rebuild_tensor_v2": StandIn("tensor", _shape),
        "torch._utils._rebuild_parameter": StandIn("parameter", _first),
        "torch.Size": StandIn("size", _first),
        **{f"torch.{name}Storage": StandIn(name) for name in _STORAGES},
    }
)
