"""Pickles, joblib dumps and .pt files are data: values come out right, and nothing that a file names is ever run."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from fleximo import FleximoError
from fleximo.formats import import_motion
from fleximo.formats.numpy_file import load_npy, load_npz
from fleximo.formats.pickles import BODY_MODEL, JOBLIB, NUMPY, as_array, load_pickle
from fleximo.formats.torch_file import load_torch
from tests.fleximo import motion_files as files

VALUES: dict[str, Any] = {
    "c": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "no axes": np.array(5.0),
    "empty": np.zeros((0, 3)),
    "bool": np.array([True, False]),
    "text": np.array(["ab", "c"]),
}


def assert_equal_arrays(found: Any, expected: dict[str, Any] = VALUES) -> None:
    for name, array in expected.items():
        assert np.array_equal(found[name], array) and found[name].dtype == array.dtype, name


@pytest.mark.parametrize("protocol", range(6))
def test_values_of_every_protocol(protocol: int) -> None:
    plain = {"n": [1, -5, 10**20, 2.5, None, True], "t": ("ü" * 2000,), "b": b"x" * 3000, "k": {3: "three"}, "": b""}
    objects = np.array([{"x": 1}, None], dtype=object)
    mixed = {**VALUES, **plain, "o": objects, "s": np.float32(3), "set": {7}}
    found = load_pickle(pickle.dumps(mixed, protocol=protocol), NUMPY)
    assert_equal_arrays(found)
    assert all(bytes(found[k]) == v if isinstance(v, bytes) else found[k] == v for k, v in plain.items())
    assert found["s"] == 3 and list(found["o"]) == [{"x": 1}, None] and found["set"] == [7]


def test_arrays_of_numpy_2() -> None:
    content = pickle.dumps(VALUES, protocol=2)
    assert b"cnumpy.core.multiarray\n" in content
    assert_equal_arrays(load_pickle(content.replace(b"cnumpy.core.", b"cnumpy._core."), NUMPY))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("aligned", [True, False])
def test_joblib_dumps(packed: bool, aligned: bool) -> None:
    values = {**VALUES, "list": [np.ones(2), "after"], "o": np.array(["x", None], dtype=object)}
    found = load_pickle(files.joblib_dump(values, packed=packed, aligned=aligned), JOBLIB)
    assert_equal_arrays(found)
    assert found["list"][1] == "after" and list(found["o"]) == ["x", None]


@pytest.mark.parametrize("packing", ["gzip", "bz2", "lzma"])
def test_other_packings_of_joblib(packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = files.joblib_dump(VALUES, packed=False)
    packed = importlib.import_module(packing).compress(content)
    assert_equal_arrays(load_pickle(packed, JOBLIB))
    for damaged in (packed[:-20], packed[: len(packed) // 2], packed[:9] + b"\xff\x00" * 20):
        with pytest.raises(FleximoError) as told:
            load_pickle(damaged, JOBLIB)
        assert told.value.code == "unreadable_file"
    if packing != "gzip":
        monkeypatch.setitem(sys.modules, packing, None)
        with pytest.raises(FleximoError, match="this Python cannot unpack"):
            load_pickle(packed, JOBLIB)


def test_torch_files() -> None:
    x = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(1))
    tensors = {
        "permuted": x.permute(2, 0, 1), "strided": x[1:3, ::2], "scalar": torch.tensor(3), "none": torch.zeros(0, 3),
        "half": x[0].half(), "bool": x[0] > 0, "long": torch.arange(4), "expanded": torch.ones(1, 3).expand(5, 3),
    }  # fmt: skip
    layer = torch.nn.Linear(2, 3)
    found = load_torch(
        files.torch_file({**tensors, "b": x[0].bfloat16(), "state": layer.state_dict(), "p": layer.bias})
    )
    for name, tensor in tensors.items():
        assert np.array_equal(found[name], tensor.numpy()) and found[name].shape == tuple(tensor.shape), name
    assert np.array_equal(found["b"], x[0].bfloat16().float().numpy())
    assert np.array_equal(found["state"]["weight"], layer.weight.detach().numpy())
    assert np.array_equal(found["p"], layer.bias.detach().numpy())


@pytest.mark.parametrize("form", ["csc", "csr", "coo"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_sparse_matrices(form: str, protocol: int) -> None:
    dense = np.random.default_rng(0).random((5, 9)) * (np.random.default_rng(1).random((5, 9)) > 0.6)
    content = pickle.dumps(getattr(scipy.sparse, f"{form}_matrix")(dense), protocol=protocol)
    assert np.array_equal(as_array(load_pickle(content, BODY_MODEL), what="matrix"), dense)


def test_body_models_of_python_2_with_chumpy() -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "v_template": rng.random((5, 3)), "shapedirs": rng.random((5, 3, 2)), "f": np.zeros((2, 3), np.uint32),
        "J_regressor": scipy.sparse.csc_matrix(rng.random((4, 5))), "bs_type": "lrotmin",
    }  # fmt: skip
    found = load_pickle(files.body_model(arrays), BODY_MODEL)
    assert found["bs_type"] == b"lrotmin"
    for name in ("v_template", "shapedirs", "f"):
        assert np.array_equal(as_array(found[name], what="model"), arrays[name]), name
    assert np.array_equal(as_array(found["J_regressor"], what="model"), arrays["J_regressor"].toarray())
    with pytest.raises(FleximoError) as told:
        load_pickle(files.body_model(arrays), NUMPY)
    assert told.value.code == "unsafe_pickle"


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


class _Builds:
    """A class of another package that would be made and given a state."""

    def __init__(self) -> None:
        self.x = 1


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_that_a_file_names_is_run(protocol: int, tmp_path: Path) -> None:
    evil = _Runs(tmp_path / "run")
    contents = [pickle.dumps({"pose": evil}, protocol=protocol), files.joblib_dump({"pose": evil})]
    contents += [files.npy(np.array(evil, dtype=object)), files.torch_file({"a": evil})]
    contents += [pickle.dumps({"pose": _Builds()}, protocol=protocol)]
    for content in contents:
        with pytest.raises(FleximoError) as told:
            import_motion(content)
        assert told.value.code == "unsafe_pickle"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["builtins.eval", "builtins.getattr", "os.system", "numpy.load", "numpy.core.multiarray.os", "torch.load",
     "numpy.core.multiarray._reconstruct.__globals__", "chumpyx.y", "codecs.encode", "functools.partial",
     "numpy.testing._private.utils.runstring"],
)  # fmt: skip
def test_names_that_others_have_abused_are_refused(name: str) -> None:
    module, _, function = name.rpartition(".")
    content = b"c" + module.encode() + b"\n" + function.encode() + b"\n(S'1'\ntR."
    for allowed in (NUMPY, JOBLIB, BODY_MODEL):
        with pytest.raises(FleximoError) as told:
            load_pickle(content, allowed)
        assert told.value.code == "unsafe_pickle" and function in told.value.message


def test_a_name_full_of_control_characters_is_shown_tamely() -> None:
    with pytest.raises(FleximoError) as told:
        load_pickle(b"c\x1b[31mx\n" + b"y" * 500 + b"\n.", NUMPY)
    assert told.value.message.isprintable() and len(told.value.message) < 250


def test_attributes_cannot_be_reached_through_what_is_allowed() -> None:
    """The class that an array is rebuilt from is a token: calling it or giving it a state ends the reading."""
    for content in (
        b"cnumpy\nndarray\n(I3\ntR.",
        b"cnumpy\nndarray\n}b.",
        b"cnumpy\ndtype\n)R}b.",
        b"I1\n(tR.",
        b"]}b.",
    ):
        with pytest.raises(FleximoError):
            load_pickle(content, BODY_MODEL)


def test_npy_and_npz_of_strangers(tmp_path: Path) -> None:
    for array in VALUES.values():
        assert np.array_equal(load_npy(files.npy(array)), array)
    assert load_npy(files.npy({"a": 1}))[()] == {"a": 1}
    old = io.BytesIO()
    np.lib.format.write_array(old, VALUES["c"], version=(2, 0))
    assert np.array_equal(load_npy(old.getvalue()), VALUES["c"])
    found = load_npz(files.npz(a=np.ones(2), evil=np.array(_Runs(tmp_path / "run"), dtype=object)), {"a"})
    assert list(found) == ["a"] and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "descr", ["'<f4', 'x': __import__('os')", "[('a', '<f4')]", "'|V8'", "'<M8[s]'", "'|S0'", "'<f4,<f4'", "'f99999'"]
)
def test_headers_of_npy_are_not_believed(descr: str) -> None:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}\n".encode()
    with pytest.raises(FleximoError):
        load_npy(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\x00" * 16)
