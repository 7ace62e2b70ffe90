"""Python pickles and joblib dumps read without Python's unpickler: the names that each format may use.

Owns the inert stand-ins of numpy, joblib, scipy and chumpy, and the allow-lists made of them. The stack machine is
`pickle_machine`; torch's own files are `torch_file`.
"""

from __future__ import annotations

import codecs
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo.errors import FleximoError
from fleximo.formats.containers import LIMIT_BYTES, unpacked
from fleximo.formats.pickle_machine import AllowList, Machine, StandIn, Unbuilt

__all__ = [
    "BODY_MODEL",
    "JOBLIB",
    "NUMPY",
    "WITH_TENSORS",
    "ChumpyArray",
    "SparseMatrix",
    "as_array",
    "dtype_of",
    "load_pickle",
    "raw_array",
]

Array = npt.NDArray[Any]
Arguments = tuple[Any, ...]

_DTYPE = re.compile(r"[<>|=]?(?:[biufSUO]\d{0,6}|\?)")
_MAX_AXES = 8
_MAX_DEPTH = 8  # of chumpy arrays made from chumpy arrays


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """What scipy wrote of a sparse matrix; `as_array` makes it dense."""

    form: str  # csc, csr or coo
    fields: dict[str | int, Any]


@dataclass(frozen=True, eq=False)
class ChumpyArray:
    """What chumpy wrote of one of its arrays; `as_array` gives its numbers."""

    kind: str  # chumpy's class, e.g. "chumpy.ch.Ch"
    fields: dict[str | int, Any]


def load_pickle(content: bytes, allowed: AllowList, *, what: str = "pickle file") -> Any:
    """The value pickled in `content`, which may be packed as joblib packs (zlib, gzip, bz2, xz, lzma).

    Gives plain Python values and numpy arrays (read-only views of the file where possible); sets are lists, Python 2
    strings are bytes, keys are text. Raises `FleximoError`: `unsafe_pickle` for a name that is not on `allowed`,
    `unreadable_file` for damage, `file_too_large` for what unfolds too far.
    """
    return Machine(unpacked(content, what), allowed, what=what).run()


def as_array(value: Any, *, what: str, _depth: int = 0) -> Array:
    """The numbers of an array, of a sparse matrix or of chumpy's array; raises `FleximoError` if it has none."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, SparseMatrix):
        return _dense(value, what)
    if isinstance(value, ChumpyArray) and _depth < _MAX_DEPTH:
        fields, kind = value.fields, value.kind.rpartition(".")[2]
        if kind == "Ch":
            return as_array(fields.get("x"), what=what, _depth=_depth + 1)
        if kind in ("Select", "Reshape"):
            inner = as_array(fields.get("a"), what=what, _depth=_depth + 1).ravel()
            try:
                if kind == "Select":
                    inner = inner[np.asarray(fields["idxs"], dtype=np.int64)]
                return inner.reshape(fields.get("preferred_shape" if kind == "Select" else "newshape", inner.shape))
            except (IndexError, KeyError, TypeError, ValueError):
                pass
    shown = value.kind if isinstance(value, ChumpyArray) else type(value).__name__
    raise FleximoError(f"The {what} holds {shown[:80]} where an array of numbers was expected.", code="unreadable_file")


def _dense(matrix: SparseMatrix, what: str) -> Array:
    try:
        rows, columns = (int(n) for n in matrix.fields.get("_shape", matrix.fields.get("shape", ())))
        values = np.asarray(matrix.fields["data"], dtype=np.float64)
        if min(rows, columns) < 0 or 8 * rows * columns > LIMIT_BYTES or values.ndim != 1:
            raise ValueError("too large")
        if matrix.form == "coo":
            fields = matrix.fields
            places = fields["coords"] if "coords" in fields else (fields["row"], fields["col"])
            at, across = (np.asarray(indices, dtype=np.int64) for indices in places)
        else:
            starts, across = (np.asarray(matrix.fields[name], dtype=np.int64) for name in ("indptr", "indices"))
            lines = rows if matrix.form == "csr" else columns
            if starts.shape != (lines + 1,) or starts[0] != 0 or starts[-1] != len(values):
                raise ValueError("row starts")
            at = np.repeat(np.arange(lines), np.diff(starts))
            if matrix.form == "csc":
                at, across = across, at
        if min(at.min(initial=0), across.min(initial=0)) < 0:
            raise ValueError("negative index")
        dense = np.zeros((rows, columns))
        np.add.at(dense, (at, across), values)
    except (IndexError, KeyError, TypeError, ValueError):
        raise FleximoError(f"A sparse matrix in the {what} makes no sense.", code="unreadable_file") from None
    return dense


def dtype_of(spec: Any) -> np.dtype[Any]:
    """A plain number, text or object type named by `spec`; raises `ValueError` for any other."""
    if isinstance(spec, bytes):
        spec = spec.decode("ascii")
    if not isinstance(spec, str) or not _DTYPE.fullmatch(spec):
        raise ValueError("an array in it has elements that are no plain numbers or texts")
    dtype = np.dtype(spec)
    if dtype.itemsize == 0:
        raise ValueError("an array in it has elements of no size")
    return dtype


def raw_array(raw: bytes | memoryview, dtype: np.dtype[Any], shape: Any, *, fortran: bool = False) -> Array:
    """A read-only view of `raw` as an array; raises `ValueError` unless its size is exactly that of `shape`."""
    count = _count(shape)
    if dtype.hasobject or count * dtype.itemsize != memoryview(raw).nbytes:
        raise ValueError("an array in it is larger or smaller than it says")
    flat = np.frombuffer(raw, dtype=dtype, count=count) if count else np.empty(0, dtype)
    flat.setflags(write=False)
    return flat.reshape(shape, order="F" if fortran else "C")


def _count(shape: Any) -> int:
    if not isinstance(shape, tuple) or len(shape) > _MAX_AXES or not all(type(n) is int for n in shape):
        raise ValueError("an array in it has a shape that is none")
    if any(not 0 <= n <= LIMIT_BYTES for n in shape):
        raise ValueError("an array in it has an absurd shape")
    return math.prod(shape)


# The stand-ins. Each takes the machine, so that what it makes is accounted for.


def _unbuilt(machine: Machine, stand_in: StandIn, arguments: Arguments) -> Unbuilt:
    return Unbuilt(stand_in, stand_in.name, arguments)


def _array_state(machine: Machine, arguments: Arguments, state: Any) -> Array:
    """numpy's own order: version, shape, dtype, whether columns run first, bytes or a list of objects."""
    _, shape, dtype, fortran, raw = state
    if not isinstance(dtype, np.dtype):
        raise ValueError("an array in it has no element type")
    if isinstance(raw, list):
        if _count(shape) != len(raw) or not dtype.hasobject:
            raise ValueError("an array in it is larger or smaller than it says")
        machine.spend(16 * len(raw))
        objects = np.empty(len(raw), dtype=object)
        for place, value in enumerate(raw):
            objects[place] = value
        return objects.reshape(shape, order="F" if fortran else "C")
    if isinstance(raw, str):  # Python 2 wrote it, Python 3 wrote it again
        machine.spend(len(raw))
        raw = raw.encode("latin-1")
    return raw_array(raw, dtype, shape, fortran=bool(fortran))


def _array_from_buffer(machine: Machine, stand_in: StandIn, arguments: Arguments) -> Array:
    raw, dtype, shape, order = arguments
    if not isinstance(dtype, np.dtype):
        raise ValueError("an array in it has no element type")
    return raw_array(raw, dtype, shape, fortran=order == "F")


def _scalar(machine: Machine, stand_in: StandIn, arguments: Arguments) -> Any:
    dtype, raw = arguments
    if not isinstance(dtype, np.dtype):
        raise ValueError("a number in it has no type")
    return raw_array(raw, dtype, (1,))[0]


def _dtype_state(machine: Machine, arguments: Arguments, state: Any) -> np.dtype[Any]:
    order, fields = state[1], state[2:5]
    if any(entry is not None for entry in fields):
        raise ValueError("an array in it has elements that are no plain numbers or texts")
    if isinstance(order, bytes):
        order = order.decode("ascii")
    dtype = dtype_of(arguments[1])
    if order not in ("|", "=", "<", ">"):
        raise ValueError("an array in it has an unknown order of bytes")
    return dtype if order in ("|", "=") else dtype.newbyteorder(order)


def _encoded(machine: Machine, stand_in: StandIn, arguments: Arguments) -> bytes:
    """How Python 3 writes bytes for Python 2: as text, with its coding."""
    text, coding = arguments
    if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
        raise ValueError("its pickle encodes text in an unusual way")
    machine.spend(len(text))
    return codecs.encode(text, "latin-1")


def _reconstructed(machine: Machine, stand_in: StandIn, arguments: Arguments) -> Any:
    """An object of a Python 2 class: (class, object, None)."""
    return machine.make(arguments[0], ())


def _new_dictionary(machine: Machine, stand_in: StandIn, arguments: Arguments) -> dict[str | int, Any]:
    """An OrderedDict; Python 2 hands it a list of pairs."""
    pairs = arguments[0] if arguments else []
    result: dict[str | int, Any] = {}
    machine.push(result)
    machine.set_items([part for pair in pairs for part in _pair(pair)])
    machine.pop()
    return result


def _pair(pair: Any) -> Any:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ValueError("a dictionary in it is made of no pairs")
    return pair


def _same(machine: Machine, stand_in: StandIn, arguments: Arguments) -> Any:
    """Sets, byte arrays, sizes: the one argument as it is."""
    return arguments[0] if arguments else []


def _no_bytes(machine: Machine, stand_in: StandIn, arguments: Arguments) -> bytes:
    """How Python 3 writes an empty byte string for Python 2."""
    if arguments:
        raise ValueError("its pickle makes bytes in an unusual way")
    return b""


def _joblib_array(machine: Machine, arguments: Arguments, state: Any) -> Array:
    """joblib's wrapper is followed at once by the array's bytes, padded so that they are aligned in the file."""
    dtype, shape = state["dtype"], state["shape"]
    if not isinstance(dtype, np.dtype):
        raise ValueError("an array in it has no element type")
    if dtype.hasobject:
        inner = Machine(machine.content, NUMPY, what=machine.what, start=machine.position)
        value = inner.run()
        machine.position = inner.position
        if not isinstance(value, np.ndarray):
            raise ValueError("an array in it is none")
        return value
    if state.get("numpy_array_alignment_bytes") is not None:
        machine.take(int(machine.take(1)[0]))
    return raw_array(machine.take(_count(shape) * dtype.itemsize), dtype, shape, fortran=state["order"] == "F")


def _sparse(machine: Machine, arguments: Arguments, state: Any) -> SparseMatrix:
    form = arguments[0].rpartition(".")[2].partition("_")[0]
    if not isinstance(state, dict):
        raise ValueError("a sparse matrix in it makes no sense")
    return SparseMatrix(form, state)


def _chumpy(machine: Machine, arguments: Arguments, state: Any) -> ChumpyArray:
    if not isinstance(state, dict):
        raise ValueError("an array of chumpy in it makes no sense")
    return ChumpyArray(arguments[0], state)


def _skipped(machine: Machine, stand_in: StandIn, arguments: Arguments) -> None:
    return None


def _names(stand_in: StandIn, *names: str) -> dict[str, StandIn]:
    return dict.fromkeys(names, stand_in)


_ARRAY = StandIn("numpy.ndarray", _unbuilt, _array_state)

NUMPY = AllowList(
    {
        **_names(_ARRAY, "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
        **_names(StandIn("numpy.ndarray"), "numpy.ndarray"),
        **_names(StandIn("numpy.dtype", _unbuilt, _dtype_state), "numpy.dtype"),
        **_names(StandIn("scalar", _scalar), "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
        **_names(
            StandIn("_frombuffer", _array_from_buffer),
            "numpy.core.numeric._frombuffer",
            "numpy._core.numeric._frombuffer",
        ),
        **_names(StandIn("_codecs.encode", _encoded), "_codecs.encode"),
        **_names(StandIn("_reconstructor", _reconstructed), "copyreg._reconstructor", "copy_reg._reconstructor"),
        **_names(StandIn("object"), "builtins.object", "__builtin__.object"),
        **_names(
            StandIn("set", _same),
            *(f"{home}.{kind}" for home in ("builtins", "__builtin__") for kind in ("set", "frozenset", "bytearray")),
        ),
        **_names(StandIn("bytes", _no_bytes), "builtins.bytes", "__builtin__.bytes"),
        **_names(StandIn("OrderedDict", _new_dictionary), "collections.OrderedDict"),
    }
)

JOBLIB = NUMPY | AllowList(
    _names(StandIn("NumpyArrayWrapper", build=_joblib_array), "joblib.numpy_pickle.NumpyArrayWrapper")
)

# Tensors inside a plain pickle carry a file of their own; nothing that is needed is kept in one.
WITH_TENSORS = NUMPY | AllowList(
    _names(
        StandIn("tensor", _skipped),
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.storage._load_from_bytes",
    )
)

# Body model files of Python 2 (SMPL's .pkl): chumpy's arrays, and scipy's sparse joint regressor.
BODY_MODEL = NUMPY | AllowList(
    _names(
        StandIn("sparse matrix", _unbuilt, _sparse),
        *(
            f"scipy.sparse.{module}.{form}_{kind}"
            for form in ("csc", "csr", "coo")
            for module in (form, f"_{form}")
            for kind in ("matrix", "array")
        ),
    ),
    {"chumpy": StandIn("chumpy array", build=_chumpy)},
)
