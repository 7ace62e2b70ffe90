"""`.npy` and `.npz` files of strangers: headers checked before memory is taken, objects through the safe unpickler.

Knows no motions. The project's own npz files are read by `fleximo.files`.
"""

from __future__ import annotations

import ast
from collections.abc import Container
from typing import Any

import numpy.typing as npt

from fleximo.formats.containers import Archive, guarded
from fleximo.formats.pickle_machine import AllowList, Machine
from fleximo.formats.pickles import NUMPY, dtype_of, raw_array

__all__ = ["is_npy", "load_npy", "load_npz"]

Array = npt.NDArray[Any]

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 4096


def is_npy(content: bytes) -> bool:
    """Whether `content` starts as a `.npy` file does."""
    return content.startswith(_MAGIC)


def load_npy(content: bytes, *, what: str = "npy file", allowed: AllowList = NUMPY) -> Array:
    """The array of a `.npy` file, a read-only view of `content`; an array of objects is unpickled with `allowed`.

    Raises `FleximoError` (`unreadable_file`, `unsafe_pickle`).
    """
    with guarded(what):
        if not is_npy(content):
            raise ValueError("it does not start as a .npy file does")
        wide = 2 if content[6] == 1 else 4  # version 1 tells the header's length in two bytes
        length = int.from_bytes(content[8 : 8 + wide], "little")
        start = 8 + wide + length
        if length > _MAX_HEADER or start > len(content):
            raise ValueError("its header has an absurd length")
        header = ast.literal_eval(content[8 + wide : start].decode("latin-1").strip())
        dtype, shape, fortran = dtype_of(header["descr"]), header["shape"], bool(header["fortran_order"])
        if not dtype.hasobject:
            return raw_array(memoryview(content)[start:], dtype, shape, fortran=fortran)
        objects = Machine(content, allowed, what=what, start=start).run()
        if getattr(objects, "dtype", None) != dtype or objects.shape != shape:
            raise ValueError("its pickled array is another one than its header says")
        return objects  # type: ignore[no-any-return]


def load_npz(content: bytes, names: Container[str], *, what: str = "npz file") -> dict[str, Array]:
    """Those arrays of a `.npz` archive that are called one of `names`; the others are not looked at."""
    archive = Archive(content, what)
    present = {name.removesuffix(".npy"): name for name in archive.names if name.endswith(".npy")}
    return {name: load_npy(archive.read(member), what=what) for name, member in present.items() if name in names}
