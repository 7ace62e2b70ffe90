"""Motion files of all kinds: what a file is told by its content, its motion on the rig, and files for others.

Knows which reader takes which file. The readers know the formats; none of them runs anything that a file brings.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fleximo import rotations as rot
from fleximo.errors import FleximoError, Notice
from fleximo.files import write_atomic
from fleximo.formats import bvh, humanml
from fleximo.formats.bvh_file import is_bvh, parse_bvh
from fleximo.formats.bvh_motion import found_in_bvh
from fleximo.formats.clips import Ask, Found, JointClip, MeshClip, SmplClip, choose
from fleximo.formats.containers import Archive, check_size, guarded, read_limited
from fleximo.formats.joint_arrays import found_in_array
from fleximo.formats.numpy_file import is_npy, load_npy, load_npz
from fleximo.formats.obj_folder import found_in_obj_folder, obj_frames
from fleximo.formats.pickles import JOBLIB, WITH_TENSORS, load_pickle
from fleximo.formats.smpl import motion_from_smpl
from fleximo.formats.smpl_fields import FIELDS, found_in_fields, joints2smpl
from fleximo.formats.torch_file import is_torch_file, load_torch
from fleximo.motion import Motion
from fleximo.rig import BODY_JOINTS
from fleximo.solve import motion_from_joints
from fleximo.timing import as_fps

__all__ = ["WRITTEN", "Imported", "check_written", "import_motion", "read_motion", "save_motion", "sniff"]

WRITTEN = (".npz", ".bvh", ".npy")
_OWN_KIND = "Fleximo"
_OWN = ("rotations", "root", "fps", "contacts", "joint_names", "parents", "rest_offsets")
_PICKLE_STARTS = (b"\x80", b"(", b"c", b"]", b"}", b"\x78", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00")
_OBJ_LINE, _OBJ_HEAD = re.compile(rb"^v [-+ .\deE]+\r?$", re.M), 1 << 16  # bytes within which a vertex stands
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# What people also have under their hands, by its first bytes, and what to do with it.
_STRANGERS: tuple[tuple[bytes, str, str], ...] = (
    (b"Kaydara FBX", "an FBX file", "Open it in Blender and export BVH."),
    (b"glTF", "a glTF file", "Open it in Blender and export BVH."),
    (b"\x89HDF", "an HDF5 file", "Save its arrays as .npz."),
    (b"\x89PNG", "a picture", ""),
    (b"\xff\xd8\xff", "a picture", ""),
    (b"%PDF", "a PDF document", ""),
    (b"<", "a web page or XML, perhaps the page before a download", "Download the file itself."),
    (b"version https://git-lfs", "a pointer to a file that was not downloaded", "Fetch it with git lfs pull."),
    (_OLD_TORCH, "a file of PyTorch before 1.6", "Load it with PyTorch and save it again with torch.save."),
)


@dataclass(frozen=True, eq=False)
class Imported:
    """A motion that came from a file, and what there is to say about it."""

    motion: Motion
    kind: str  # words for the user, e.g. "AMASS, SMPL-H"
    items: int  # how many motions the file has
    item: int  # which of them this is
    text: str = ""  # the sentence that it was made from, where the file keeps it
    notices: tuple[Notice, ...] = ()
    mesh: MeshClip | None = None  # the surface, where the file is a mesh: it stands where the motion does


def read_motion(source: str | Path | bytes, **asked: Any) -> Motion:
    """The motion in a file, its bytes or a folder of frames; `asked` as in `import_motion`."""
    return import_motion(source, **asked).motion


def import_motion(
    source: str | Path | bytes,
    *,
    item: int = 0,
    fps: float | str | Fraction | None = None,
    up: str | None = None,
    model: Path | None = None,
) -> Imported:
    """Reads any motion file that docs/formats.md lists, told by its content.

    `item`: which of several motions. `fps`: the rate of a file that does not tell it. `up`: "y" or "z", where the
    file's up axis is not the usual one of its format. `model`: the user's own SMPL model file, for exact bone lengths
    and meshes. Raises `FleximoError`: `unreadable_file`, `unsafe_pickle`, `unknown_format`, `kit_ml`, `no_such_item`,
    `implausible_scale`, `unknown_skeleton`, `file_too_large`.
    """
    if up not in (None, "y", "z"):
        raise FleximoError(f"The up axis {up!r} is neither y nor z.")
    ask = Ask(item, None if fps is None else as_fps(fps), up)
    with np.errstate(all="ignore"):  # what is not finite is refused by name, not grumbled about
        return _imported(_found(source, ask), ask, model)


def _found(source: str | Path | bytes, ask: Ask) -> Found:
    if isinstance(source, bytes):
        check_size(len(source), "file")
        return _in_content(source, ask, None)
    path = Path(source)
    if path.is_dir():
        with guarded("folder"):
            return _in_folder(path, ask)
    return _in_content(read_limited(path), ask, path)


def _imported(found: Found, ask: Ask, model: Path | None) -> Imported:
    """What was found, on the rig, with everything there is to say about it."""
    choose(ask.item, found.items)
    with guarded("motion"):
        mesh = None
        if isinstance(found.clip, MeshClip):
            motion, notices, mesh = _motion_from_mesh(found.clip, ask, model)
        else:
            motion, notices = _motion(found.clip, ask, model)
    if found.items > 1:
        told = f"The file has {found.items} motions; this is number {ask.item} of 0 to {found.items - 1}."
        notices = (Notice("several_motions", told, "Choose another with --item."), *notices)
    if ask.fps not in (None, motion.fps):
        told = f"The file's own rate is {float(motion.fps):g} frames a second; the one given was not used."
        notices = (*notices, Notice("rate_in_file", told, "Set the scene's rate to play it at another."))
    notices = (*notices, *_given_in_vain(found, ask, model))
    return Imported(motion, found.kind, found.items, ask.item, found.text, (*found.notices, *notices), mesh)


def _given_in_vain(found: Found, ask: Ask, model: Path | None) -> tuple[Notice, ...]:
    """What was said about a file that has no use for it."""
    told = []
    if ask.up is not None and found.kind == _OWN_KIND:
        told.append("Fleximo's own files are Y up; the up axis given was not used.")
    if model is not None and isinstance(found.clip, (Motion, JointClip)):
        told.append("Only SMPL's rotations and meshes need a body model; the one given was not used.")
    return (Notice("given_in_vain", " ".join(told)),) if told else ()


def sniff(content: bytes) -> str:
    """What `content` is, by its bytes: "npz", "torch", "npy", "bvh", "obj" or "pickle".

    Raises `FleximoError` (`unknown_format`) that names other kinds of file where it can.
    """
    if not content:
        raise FleximoError("The file is empty.", code="unknown_format")
    for start, what, remedy in _STRANGERS:
        if content.startswith(start):
            raise FleximoError(f"This is {what}, not a motion that is read.", code="unknown_format", remedy=remedy)
    if content[4:8] == b"ftyp":
        raise FleximoError("This is a video, not a motion.", code="unknown_format")
    if content.startswith(b"PK"):
        return "torch" if is_torch_file(content) else "npz"
    if is_npy(content):
        return "npy"
    if is_bvh(content):
        return "bvh"
    if _OBJ_LINE.search(content, 0, _OBJ_HEAD):
        return "obj"
    if content.startswith(_PICKLE_STARTS):
        return "pickle"
    raise FleximoError(
        "The content of this file is that of no motion format that is read.",
        code="unknown_format",
        remedy="See docs/formats.md for those that are.",
    )


def _in_content(content: bytes, ask: Ask, path: Path | None) -> Found:
    """The motion in the bytes of one file; `path` tells what may lie beside it."""
    kind = sniff(content)
    if kind == "bvh":
        return found_in_bvh(parse_bvh(content), ask)
    if kind == "obj":
        raise FleximoError(
            "One .obj file is one frame.", code="unknown_format", remedy="Give the folder that holds all frames."
        )
    with guarded(f"{kind} file"):
        if kind == "npz":
            return _in_npz(content, ask)
        if kind == "npy":
            return _in_value(load_npy(content, allowed=WITH_TENSORS), ask, path)
        if kind == "torch":
            return _in_value(load_torch(content), ask, path)
        return _in_value(load_pickle(content, JOBLIB | WITH_TENSORS), ask, path)


def _in_npz(content: bytes, ask: Ask) -> Found:
    names = {name.removesuffix(".npy") for name in Archive(content, "npz file").names}
    if set(_OWN) <= names:
        load_npz(content, names)  # sizes and headers, before numpy's own reader believes them
        return Found(_OWN_KIND, Motion.from_bytes(content))
    if len(names) == 1:  # an array without a name, as np.savez writes it
        for array in load_npz(content, names).values():
            return _in_value(array, ask, None)
    found = found_in_fields(load_npz(content, FIELDS), ask)
    return _unknown(names) if found is None else found


def _in_value(value: Any, ask: Ask, path: Path | None) -> Found:
    """The motion in what a `.npy`, `.pt` or `.pkl` file holds."""
    if isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, dict):
        found = found_in_fields(value, ask)
        return _unknown(value) if found is None else found
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        return found_in_array(value, ask, beside=path)
    raise FleximoError(
        f"The file holds a {type(value).__name__} and no motion.", code="unknown_format", remedy="See docs/formats.md."
    )


def _unknown(names: Any) -> Found:
    shown = ", ".join(str(name)[:30] for name in list(names)[:8])
    if any(str(name) in ("net", "trans", "state_dict", "v_template") for name in names):
        raise FleximoError(
            f"The file holds a model ({shown}), not a motion.",
            code="unknown_format",
            remedy="Weights are taken in with fleximo models import, a body model with --model.",
        )
    raise FleximoError(
        f"The file holds {shown or 'nothing'}; these are not the fields of a motion format that is read.",
        code="unknown_format",
        remedy="See docs/formats.md for those that are.",
    )


def _in_folder(folder: Path, ask: Ask) -> Found:
    """A folder is one clip: MDM's or any `.obj` frames, or joints2smpl's pickles."""
    if obj_frames(folder):
        exact = folder.with_name(folder.name.removesuffix("_obj") + "_smpl_params.npy")
        if folder.name.endswith("_obj") and exact.is_file():
            found = _in_content(read_limited(exact), ask, exact)
            notice = Notice(
                "read_beside", f"{exact.name} beside the meshes holds their rotations; it was read instead."
            )
            return replace(found, notices=(notice, *found.notices))
        return found_in_obj_folder(folder, ask)
    pickles = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".pkl" and path.stem.isdecimal())
    if pickles:
        frames = []
        for path in pickles:
            value = load_pickle(read_limited(path, limit=1 << 20), JOBLIB, what=f"frame {path.name}")
            if not isinstance(value, dict):
                raise FleximoError(f"{path.name} holds no pose.", code="unreadable_file")
            frames.append(value)
        return joints2smpl(frames, ask)
    raise FleximoError(
        f"{folder} holds no frames.",
        code="unknown_format",
        remedy="A folder is read if it holds .obj meshes or joints2smpl's 0000.pkl, 0001.pkl, ...",
    )


def _motion(clip: Motion | JointClip | SmplClip, ask: Ask, model: Path | None) -> tuple[Motion, tuple[Notice, ...]]:
    """The clip on the rig."""
    if isinstance(clip, Motion):
        return clip, ()
    if isinstance(clip, SmplClip):
        clip = clip if ask.up is None else replace(clip, up=ask.up)
        if model is None:
            return motion_from_smpl(clip), ()
        from fleximo.formats.smpl_model import load_model

        return motion_from_smpl(clip, load_model(model)), ()
    return _motion_from_joints(clip, ask)


def _motion_from_mesh(clip: MeshClip, ask: Ask, model: Path | None) -> tuple[Motion, tuple[Notice, ...], MeshClip]:
    """A mesh turned upright where asked, and its motion."""
    from fleximo.formats.smpl_mesh import motion_from_mesh

    if ask.up == "z":
        clip = replace(clip, vertices=clip.vertices[..., [0, 2, 1]] * np.array([1, 1, -1], dtype=np.float32))
    return motion_from_mesh(clip, model)


def _motion_from_joints(clip: JointClip, ask: Ask) -> tuple[Motion, tuple[Notice, ...]]:
    """Joints turned upright where asked, and solved, which puts them on the floor."""
    joints = clip.joints
    notices: tuple[Notice, ...] = ()
    if ask.up == "z":
        joints = rot.rotate(rot.from_axis_angle([1.0, 0.0, 0.0], -np.pi / 2.0), joints)
    head, hips = joints[:, BODY_JOINTS.index("head")], joints[:, 0]
    if abs(float(rot.unit(head - hips)[:, 2].mean())) > 0.8 and ask.up is None:
        notices = (Notice("lying", "The person lies all the time.", "If the file's Z points up, say --up z."),)
    return motion_from_joints(joints, clip.fps, contacts=clip.contacts), notices


def check_written(path: Path, *, features: bool = False) -> None:
    """Raises `FleximoError` for endings that `save_motion` cannot write: to be asked before a motion is made."""
    if path.suffix.lower() not in WRITTEN:
        raise FleximoError(f"{path} has an ending that cannot be written.", remedy=f"Use one of: {', '.join(WRITTEN)}.")
    if features and path.suffix.lower() != ".npy":
        raise FleximoError(f"HumanML3D's features are a .npy file; {path} is none.")


def save_motion(motion: Motion, path: Path, *, features: bool = False) -> tuple[Notice, ...]:
    """Writes `.npz`, `.bvh`, or HumanML3D's `.npy` at 20 fps: joints (T,22,3), or `features` (T-1,263).

    Returns a notice if the file has another rate than the motion. Raises `FleximoError` for other endings.
    """
    check_written(path, features=features)
    ending = path.suffix.lower()
    if ending == ".npz":
        motion.save(path)
    elif ending == ".bvh":
        bvh.save(motion, path)
    else:
        resampled = motion.resample(humanml.FPS)
        joints = resampled.joints()[:, : len(BODY_JOINTS)]
        values = humanml.encode_features(joints) if features else joints
        buffer = io.BytesIO()
        np.save(buffer, values.astype(np.float32), allow_pickle=False)
        write_atomic(path, buffer.getvalue())
        if resampled.fps != motion.fps:
            told = f"The file has {len(values)} frames at {float(humanml.FPS):g} fps, the rate of HumanML3D."
            return (Notice("resampled", told),)
    return ()
