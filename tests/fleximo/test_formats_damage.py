"""Damaged, truncated and hostile motion files: one `FleximoError` each, at once, and in little memory."""

from __future__ import annotations

import io
import lzma
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleximo import FleximoError
from fleximo.formats import bvh, import_motion
from fleximo.formats.containers import LIMIT_BYTES
from fleximo.formats.obj_folder import vertices_of_obj
from fleximo.formats.pickles import BODY_MODEL, load_pickle
from fleximo.formats.torch_file import load_torch
from tests.fleximo import motion_files as files

_MOST_SECONDS = 10.0  # far above what any takes; a hang would be endless
_MOST_MB = 512
_ROOT = Path(__file__).parents[2]


@cache
def samples() -> dict[str, bytes]:
    """A short file of every format."""
    clip = files.truth()[:4]
    mesh = np.random.default_rng(0).normal(size=(1, 6890, 3, 1)).astype(np.float32)
    own = clip.to_bytes()
    return {
        "amass": files.amass(clip),
        "amass smplx": files.amass(clip, smplx=True, parts=True),
        "aist": files.aist(clip),
        "aist protocol 0": files.aist(clip, protocol=0),
        "mdm results": files.mdm_results([clip, clip[:2]]),
        "mdm rotations": files.mdm_rotations(clip),
        "mdm smpl": files.mdm_smpl_params(clip),
        "joints2smpl": files.joints2smpl_frame(clip, 0),
        "joblib": files.joblib_dump({"pose": np.zeros((1, 72)), "cam": np.zeros((1, 3))}, packed=False),
        "joints": files.npy(files.body_joints(clip)),
        "features": files.features(clip),
        "mesh": files.torch_file(files.torch.from_numpy(mesh)),
        "torch joints": files.torch_file({"motion": files.torch.from_numpy(files.body_joints(clip)[None])}),
        "bvh": bvh.to_text(clip).encode(),
        "own": own,
    }


def read(content: bytes) -> str:
    """ "read", or the code of the one error; anything else that is raised fails the test."""
    started = time.process_time()
    try:
        import_motion(content, fps=20)
        told = "read"
    except FleximoError as error:
        assert error.message and "\n" not in str(error) and len(str(error)) < 700
        told = error.code
    assert time.process_time() - started < _MOST_SECONDS
    return told


@pytest.mark.parametrize("name", [name for name in samples() if name not in ("mesh", "torch joints")])
def test_whole_files_are_read(name: str) -> None:
    assert read(samples()[name]) == "read"


@pytest.mark.parametrize("name", samples())
def test_truncated_files(name: str) -> None:
    content = samples()[name]
    cuts = {round(part * len(content)) for part in np.linspace(0.0, 1.0, 40)[:-1]} | {len(content) - 1, 1, 5, 12}
    for cut in cuts:
        told = read(content[:cut])
        assert told != "read" or (name == "bvh" and cut >= len(content) - 3), cut


@pytest.mark.parametrize("name", samples())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    flips=st.lists(st.tuples(st.floats(0.0, 1.0, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6),
    early=st.booleans(),
)
def test_flipped_bits(name: str, flips: list[tuple[float, int]], early: bool) -> None:
    content = bytearray(samples()[name])
    for place, bits in flips:
        content[int(place * min(len(content), 400 if early else len(content)))] ^= bits
    read(bytes(content))


_STARTS = (b"", b"\x80\x04", b"\x80\x02", b"(", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"HIERARCHY\n", b"\x78\x9c")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(_STARTS))
def test_any_bytes(content: bytes, start: bytes) -> None:
    assert read(start + content) != "read"


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy_header(descr: str, shape: str) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def torch_archive(pickled: bytes, storage: bytes) -> bytes:
    return zipped({"a/data.pkl": pickled, "a/data/0": storage, "a/version": b"3"}, zipfile.ZIP_STORED)


def tensor(size: bytes, stride: bytes, count: int = 4) -> bytes:
    """A pickle of one float tensor with the given opcodes for its size and stride."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK" + bytes([count])
    rest = b"tQK\x00" + size + stride + b"\x89)tR."
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest


@cache
def bombs() -> dict[str, bytes]:
    """Small files that would become large, slow or deep in a reader that believes them."""
    zeros = bytes(LIMIT_BYTES + 1)
    text = b"(X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    encode = b"c_codecs\nencode\n"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n"
    dtype = b"cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
    wrapper = b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x05\x00\x00\x00dtype" + dtype
    huge = b"L999999999999L\n"
    head = "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n"
    return {
        "zip": zipped({"poses.npy": zeros}),
        "zip of many": zipped({f"{n}.npy": b"" for n in range(5000)}, zipfile.ZIP_STORED),
        "zip packed otherwise": zipped({"poses.npy": b"a" * 999, "trans.npy": b"b"}, zipfile.ZIP_LZMA),
        "npy shape": npy_header("<f4", "(999999999, 22, 3)") + bytes(64),
        "npy shape negative": npy_header("<f4", "(-1, 22, 3)") + bytes(264),
        "npy deep header": b"\x93NUMPY\x01\x00\xff\x0f" + b"(" * 4095,
        "npy long header": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b" " * 4096,
        "npy objects": npy_header("|O", "()") + b"\x80\x04" + b"]" * 100_000,
        "zlib": zlib.compress(zeros, 9),
        "xz": lzma.compress(bytes(1 << 20), preset=9 | lzma.PRESET_EXTREME) + b"more",
        "lzma dictionary": b"\x5d\x00\x00\xff\xff" + b"\xff" * 8 + bytes(64),
        "memo": b"\x80\x04Nr\xff\xff\xff\xff.",
        "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"aaaa.",
        "byte array": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
        "long number": b"\x80\x04\x8b" + struct.pack("<I", 1 << 30) + b"1" * 64 + b".",
        "long decimal": b"(I" + b"9" * 1_000_000 + b"\n.",
        "lists in lists": b"\x80\x04" + b"]" * 200_000 + b"a" * 199_999 + b".",
        "tuples in tuples as a key": b"}" + b"(" * 200_000 + b"t" * 200_000 + b"Ns.",
        "doubled lists": b"\x80\x04]q\x00" + b"](h\x00h\x00eq\x00" * 50_000 + b".",
        "objects without end": b"(" + b"}" * 5_000_000,
        "doubled text": text + b"q\x00" + (encode + b"h\x00X\x06\x00\x00\x00latin1\x86R") * 2000 + b".",
        "backslashes": b"(S'" + b"\\" * 20_000_000 + b"'\n.",
        "array": array + b"(" + huge + huge + huge + b"t" + dtype + b"I00\nS'aaaa'\ntb.",
        "joblib array": wrapper + b"X\x05\x00\x00\x00shape(" + huge + b"tX\x05\x00\x00\x00orderX\x01\x00\x00\x00Cub.",
        "torch strides": torch_archive(tensor(b"(J\xff\xff\xff\x07K\x10t", b"(K\x00K\x00t"), bytes(16)),
        "torch beyond": torch_archive(tensor(b"(K\x09t", b"(K\x01t"), bytes(16)),
        "torch negative": torch_archive(tensor(b"(J\xff\xff\xff\xfft", b"(K\x01t"), bytes(16)),
        "bvh frames": (head + "}\nMOTION\nFrames: 999999999\nFrame Time: 0.1\n0 0 0\n").encode(),
        "bvh numbers": (head + "}\nMOTION\nFrames: 99999\nFrame Time: 0.1\n").encode() + b"0 " * 3_000_000,
        "bvh deep": (head + head[10:].replace("ROOT", "JOINT") * 3000).encode(),
        "bvh never ending": b"HIERARCHY\n" + b"ROOT " * 400_000,
        "text": b"HIERARCHY" + b" " * 4_000_000,
    }  # fmt: skip


def test_archives_that_are_none_of_numpy_s() -> None:
    for content in (zipped({"poses.txt": b"1"}), zipped({}), zipped({"a/b.npy": b"", "c": b""})):
        assert read(content) in ("unknown_format", "unreadable_file")
    with pytest.raises(FleximoError, match="4096 parts"):  # before zipfile makes an object of each
        import_motion(bombs()["zip of many"])


@pytest.mark.parametrize("name", bombs())
def test_bombs(name: str) -> None:
    assert read(bombs()[name]) not in ("read", "internal_error")


@pytest.mark.parametrize(
    ("size", "stride"),
    [(b"(K\x05t", b"(K\x01t"), (b"(K\x02t", b"(K\x04t"), (b"K\x02K\x02\x86", b"K\x02K\x02\x86")],
)
def test_tensors_stay_inside_their_storage(size: bytes, stride: bytes) -> None:
    assert load_torch(torch_archive(tensor(b"(K\x04t", b"(K\x01t"), bytes(16))).shape == (4,)
    with pytest.raises(FleximoError, match="beyond its storage"):
        load_torch(torch_archive(tensor(size, stride), bytes(16)))


def test_what_is_large_in_itself_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "large.npy").open("wb") as file:
        file.truncate(LIMIT_BYTES + 1)
    with pytest.raises(FleximoError, match="128 MB") as told:
        import_motion(tmp_path / "large.npy")
    assert told.value.code == "file_too_large"


@pytest.mark.parametrize(
    "content", [b"", b"f 1 2 3", b"v 1 2\n", b"v 1 2 3\nv 1 2\n", b"v a b c\n", b"v 1 2 nan\n", b"v 1 2 " + b"3" * 99]
)
def test_damaged_obj_frames(content: bytes) -> None:
    with pytest.raises(FleximoError) as told:
        vertices_of_obj(content, what="frame")
    assert told.value.code == "unreadable_file"


def test_sparse_matrices_that_make_no_sense() -> None:
    from fleximo.formats.pickles import SparseMatrix, as_array

    good: dict[Any, Any] = {
        "_shape": (2, 3), "data": np.ones(2), "indices": np.array([0, 2]), "indptr": np.array([0, 1, 2]),
    }  # fmt: skip
    assert as_array(SparseMatrix("csr", good), what="matrix").sum() == 2
    for change in (
        {"_shape": (10**9, 10**9)}, {"indices": np.array([0, 9])}, {"indices": np.array([0, -1])}, {"_shape": (2,)},
        {"indptr": np.array([0, 10**12, 2])}, {"data": "ab"}, {"indptr": np.array([0, 2])},
    ):  # fmt: skip
        with pytest.raises(FleximoError, match="makes no sense"):
            as_array(SparseMatrix("csr", good | change), what="matrix")


def test_bombs_and_damage_stay_below_half_a_gigabyte(tmp_path: Path) -> None:
    """All of it once more in a process of its own, whose peak is measured."""
    for number, (name, content) in enumerate([*bombs().items(), *samples().items()]):
        (tmp_path / f"{'damage' if name in samples() else 'bomb'}{number}").write_bytes(content)
    done = subprocess.run([sys.executable, "-c", _BATTERY, str(tmp_path)], cwd=_ROOT, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    peak_mb, runs = map(int, done.stdout.split())
    assert runs > 600 and peak_mb < _MOST_MB


_BATTERY = """
import random, sys
from pathlib import Path
from fleximo import FleximoError
from fleximo.formats import import_motion
from fleximo.system import peak_memory_mb
rng, runs = random.Random(0), 0
def read(source):
    global runs
    runs += 1
    try:
        import_motion(source, fps=20)
    except FleximoError:
        pass
for path in sorted(Path(sys.argv[1]).iterdir()):
    read(path)
    for turn in range(40 if path.name.startswith("damage") else 0):
        damaged = bytearray(path.read_bytes())
        if turn % 4 == 0:
            del damaged[rng.randrange(1, len(damaged)):]
        for _ in range(rng.randrange(1, 5)):
            damaged[rng.randrange(min(len(damaged), 300 if turn % 2 else len(damaged)))] = rng.randrange(256)
        read(bytes(damaged))
print(round(peak_memory_mb() or 0), runs)
"""


def test_body_models_that_are_damaged() -> None:
    content = files.body_model({"v_template": np.ones((5, 3)), "f": np.zeros((2, 3), np.uint32)})
    for cut in range(0, len(content) - 1, 7):
        with pytest.raises(FleximoError):
            load_pickle(content[:cut], BODY_MODEL)
