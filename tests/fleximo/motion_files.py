"""Motion files of other programs, made here byte by byte as those programs write them."""

from __future__ import annotations

import io
import pickle
import sys
import types
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch

from fleximo import Motion, moves
from fleximo import rotations as rot
from fleximo.formats import humanml
from fleximo.planner import RulePlanner
from tests.fixtures.synthetic_body import Body, make_body

# SMPL-X's jaw and eyes lie between the body and the hands.
_JAW_AND_EYES = 9


@cache
def truth() -> Motion:
    """A clip in which left and right differ, the person turns and travels, and the fingers move."""
    plan = RulePlanner().plan("a person waves the right hand for two seconds, turns left and walks forward")
    return moves.generate(plan, fps=20)[20:90]


def body_joints(motion: Motion) -> np.ndarray:
    return motion.joints()[:, :22].astype(np.float32)


def axis_angles(motion: Motion, joints: int) -> np.ndarray:
    """(T, 3J) of the first `joints` joints; SMPL's two whole-hand joints stay 0."""
    angles = rot.to_rotation_vector(motion.rotations.astype(np.float64)).reshape(len(motion), -1)
    if joints == 24:
        angles = np.concatenate((angles[:, :66], np.zeros((len(motion), 6))), axis=1)
    if joints == 55:
        zeros = np.zeros((len(motion), _JAW_AND_EYES))
        angles = np.concatenate((angles[:, :66], zeros, angles[:, 66:]), axis=1)
    return angles


def six_rows(motion: Motion) -> np.ndarray:
    """(T,24,6): the first two rows of every rotation matrix, as MDM has them."""
    matrices = rot.to_matrix(motion.rotations.astype(np.float64))[:, :22]
    eyes = np.broadcast_to(np.eye(3), (len(motion), 2, 3, 3))
    return np.concatenate((matrices, eyes), axis=1)[..., :2, :].reshape(len(motion), 24, 6)


def npy(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=True)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def z_up(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Pelvis rotations (T,4) and places (T,3) in AMASS' axes: (-x, z, y) of them are ours."""
    back = np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])  # its own inverse but for the sign
    return rot.multiply(back, motion.rotations[:, 0].astype(np.float64)), rot.rotate(back, motion.root.astype(float))


def amass(
    motion: Motion, *, smplx: bool = False, parts: bool = False, betas: Any = (), origin: Any = (0.0, 0.22, 0.0)
) -> bytes:
    """AMASS' .npz, of SMPL-H or SMPL-X (with its other spelling of the rate); `origin` of SMPL above its pelvis, m."""
    poses = axis_angles(motion, 55 if smplx else 52)
    pelvis, places = z_up(motion)
    poses[:, :3] = rot.to_rotation_vector(pelvis)
    trans = places + np.asarray(origin)
    shape = np.zeros(16)
    shape[: len(betas)] = betas
    frames = len(motion)
    if not smplx:
        return npz(
            poses=poses, trans=trans, betas=shape, dmpls=np.zeros((frames, 8)), gender=np.array(b"male"),
            mocap_framerate=np.array(float(motion.fps)),
        )  # fmt: skip
    fields: dict[str, Any] = {
        "trans": trans, "betas": shape, "gender": np.array("female"), "surface_model_type": np.array("smplx"),
        "mocap_frame_rate": np.array(float(motion.fps)), "root_orient": poses[:, :3], "pose_body": poses[:, 3:66],
        "pose_jaw": poses[:, 66:69], "pose_eye": poses[:, 69:75], "pose_hand": poses[:, 75:],
    }  # fmt: skip
    return npz(**fields) if parts else npz(poses=poses, **fields)


def aist(motion: Motion, *, scaling: float = 93.8, protocol: int = 4) -> bytes:
    return pickle.dumps(
        {
            "smpl_loss": 1.0,
            "smpl_poses": axis_angles(motion, 24),
            "smpl_scaling": np.array([scaling]),
            "smpl_trans": (motion.root + np.array([0.0, 0.22, 0.0])) * scaling,
        },
        protocol=protocol,
    )


def mdm_results(motions: list[Motion]) -> bytes:
    """Joints of several clips, each padded to the longest, as sample/generate.py of MDM saves them."""
    longest = max(map(len, motions)) + 7
    batch = np.full((len(motions), 22, 3, longest), 50.0, np.float32)
    for row, motion in enumerate(motions):
        batch[row, ..., : len(motion)] = np.moveaxis(body_joints(motion), 0, -1)
    lengths = np.array([len(motion) for motion in motions])
    text = [f"clip {row}" for row in range(len(motions))]
    return npy({"motion": batch, "text": text, "lengths": lengths, "num_samples": len(motions), "num_repetitions": 1})


def mdm_rotations(motion: Motion) -> bytes:
    padded = np.zeros((1, 25, 6, len(motion) + 5), np.float32)
    padded[0, :24, :, : len(motion)] = np.moveaxis(six_rows(motion), 0, -1)
    padded[0, 24, :3, : len(motion)] = motion.root.T
    fields = {"motion": padded, "text": ["a"], "lengths": np.array([len(motion)]), "num_samples": 1}
    return npy(fields | {"num_repetitions": 1})


def mdm_smpl_params(motion: Motion) -> bytes:
    """With vertices as MDM leaves them: a tensor inside the pickle, the path added twice."""
    thetas = np.moveaxis(six_rows(motion), 0, -1).astype(np.float32)
    root = np.zeros((1, 6, len(motion)), np.float32)
    root[0, :3] = motion.root.T
    fields = {
        "motion": np.concatenate((thetas, root)), "thetas": thetas, "root_translation": root[0, :3],
        "faces": np.zeros((13776, 3), np.uint32), "vertices": torch.zeros(3, 3, 2), "text": "a person waves",
        "length": np.int64(len(motion)), "rotations": torch.zeros(2, 2),
    }  # fmt: skip
    return npy(fields)


def features(motion: Motion) -> bytes:
    return npy(humanml.encode_features(motion.joints()[:, :22]).astype(np.float32))


def torch_file(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@contextmanager
def _pretended(**classes: str) -> Iterator[dict[str, type]]:
    """Classes under the module names of packages that are not installed, for as long as pickles are written."""
    made, before = {}, dict(sys.modules)
    for name, home in classes.items():
        parts = home.split(".")
        for length in range(1, len(parts) + 1):
            module = ".".join(parts[:length])
            sys.modules.setdefault(module, types.ModuleType(module))
        made[name] = type(name, (), {"__module__": home})
        setattr(sys.modules[home], name, made[name])
    try:
        yield made
    finally:
        for name in set(sys.modules) - set(before):
            del sys.modules[name]


def joblib_dump(value: Any, *, packed: bool = True, aligned: bool = True) -> bytes:
    """What joblib.dump writes: every array's bytes follow its wrapper inside the stream (joblib 0.10 and later).

    `packed`: compress=3, as joints2smpl does. `aligned`: joblib 1.2 and later pads the bytes to 16.
    """
    with _pretended(NumpyArrayWrapper="joblib.numpy_pickle") as made:
        buffer = io.BytesIO()

        class Pickler(pickle._Pickler):  # type: ignore[name-defined, misc]
            def save(self, obj: Any, save_persistent_id: bool = True) -> None:
                if type(obj) is not np.ndarray:
                    super().save(obj, save_persistent_id)
                    return
                wrapper = made["NumpyArrayWrapper"]()
                order = "F" if obj.flags.f_contiguous and not obj.flags.c_contiguous else "C"
                wrapper.__dict__ |= {"subclass": np.ndarray, "shape": obj.shape, "order": order, "dtype": obj.dtype}
                wrapper.__dict__ |= {"allow_mmap": not packed}
                if aligned:
                    wrapper.__dict__["numpy_array_alignment_bytes"] = 16
                super().save(wrapper)
                self.framer.commit_frame(force=True)
                if obj.dtype.hasobject:
                    pickle.dump(obj, buffer, protocol=2)
                    return
                if aligned:
                    padding = 16 - (buffer.tell() + 1) % 16
                    buffer.write(bytes([padding]) + b"\xff" * padding)
                buffer.write(obj.tobytes(order))

        Pickler(buffer, protocol=4).dump(value)
    return zlib.compress(buffer.getvalue(), 3) if packed else buffer.getvalue()


def joints2smpl_frame(motion: Motion, frame: int) -> bytes:
    pose = axis_angles(motion, 24)[frame : frame + 1].astype(np.float32)
    cam = (motion.root[frame] + np.array([0.0, 0.22, 0.0])).astype(np.float32)[None]
    return joblib_dump({"beta": np.zeros((1, 10), np.float32), "pose": pose, "cam": cam, "root": np.zeros(3)})


class _Python2(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes text and bytes as Python 2 wrote its one kind of string."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, obj: str | bytes) -> None:
        raw = obj.encode("latin-1") if isinstance(obj, str) else obj
        size = len(raw)
        head = pickle.SHORT_BINSTRING + bytes([size]) if size < 256 else pickle.BINSTRING + size.to_bytes(4, "little")
        self.write(head + raw)
        self.memoize(obj)

    dispatch[str] = save_string
    dispatch[bytes] = save_string


def body_model(arrays: dict[str, Any], *, as_chumpy: tuple[str, ...] = ("v_template", "shapedirs")) -> bytes:
    """A body model as the official .pkl files have it: Python 2, chumpy's arrays, scipy's sparse regressor."""
    with _pretended(Ch="chumpy.ch", Select="chumpy.reordering") as made:
        content: dict[str, Any] = {}
        for name, value in arrays.items():
            if name not in as_chumpy:
                content[name] = value
                continue
            plain = made["Ch"]()
            plain.__dict__ |= {"x": np.asarray(value), "_dirty_vars": {"x"}, "_itr": None, "_cache": {"drs": {}}}
            content[name] = plain
            if name == "shapedirs":  # the first components picked out of more
                picked = made["Select"]()
                picked.__dict__ |= {"a": plain, "idxs": np.arange(np.size(value)), "preferred_shape": np.shape(value)}
                content[name] = picked
        buffer = io.BytesIO()
        _Python2(buffer, protocol=2).dump(content)
    return buffer.getvalue()


def mesh(motion: Motion, betas: Any = ()) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (T,6890,3) and joints (T,24,3) of the synthetic body that moves as `motion`."""
    local = np.concatenate((motion.rotations[:, :22], np.broadcast_to(rot.IDENTITY, (len(motion), 2, 4))), axis=1)
    vertices, joints = body().skin(local.astype(np.float64), motion.root.astype(np.float64), betas)
    return vertices.astype(np.float32), joints


@cache
def body() -> Body:
    return make_body()


def obj_frame(vertices: np.ndarray) -> bytes:
    lines = ["# exported", *(f"v {x:.8f} {y:.8f} {z:.8f}" for x, y, z in vertices.tolist()), "f 1 2 3", ""]
    return "\n".join(lines).encode()
