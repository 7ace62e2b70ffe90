"""Dictionaries that hold SMPL poses, whatever file they came in: AMASS, AIST++, joints2smpl, MDM.

Owns the names and shapes of their fields. Knows no files; what becomes of the rotations is `smpl`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.formats.clips import Ask, Found, JointClip, SmplClip, check_frames, choose, in_metres, numbers
from fleximo.formats.smpl import from_rotation_vectors, from_six
from fleximo.timing import as_fps

__all__ = ["FIELDS", "found_in_fields", "joints2smpl"]

Fields = Mapping[Any, Any]

_RATES = ("mocap_framerate", "mocap_frame_rate", "fps")  # AMASS spells it both ways
_PARTS = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
FIELDS = (*_RATES, *_PARTS, "poses", "trans", "betas", "surface_model_type", "smpl_poses", "smpl_trans", "smpl_scaling",
          "pose", "cam", "beta", "thetas", "root_translation", "motion", "lengths", "text", "length")  # fmt: skip
_SMPL_JOINTS = 24
_GENERATED_FPS = Fraction(20)  # HumanML3D's, and so that of every model trained on it
_AIST_FPS = Fraction(60)


def found_in_fields(fields: Fields, ask: Ask) -> Found | None:
    """The motion in a dictionary of arrays, None if its names are those of no known format.

    Raises `FleximoError` where the names are known and the arrays make no sense.
    """
    if "motion" in fields and "lengths" in fields:
        return _mdm_results(fields, ask)
    if "thetas" in fields and "root_translation" in fields:
        return _mdm_smpl(fields)
    if "smpl_poses" in fields:
        return _aist(fields, ask)
    if "poses" in fields or "pose_body" in fields:
        return _amass(fields, ask)
    if "pose" in fields and "cam" in fields:
        return joints2smpl([fields], ask)
    return None


def _amass(fields: Fields, ask: Ask) -> Found:
    poses = _amass_poses(fields)
    kinds = {24: "AMASS, SMPL", 52: "AMASS, SMPL-H", 55: "AMASS, SMPL-X"}
    frames, width = poses.shape
    check_frames(frames)
    if width // 3 not in kinds or width % 3:
        raise FleximoError(
            f"Its poses have {width} numbers a frame; 72 (SMPL), 156 (SMPL-H) or 165 (SMPL-X) were expected.",
            code="unreadable_file",
        )
    told = next((fields[name] for name in _RATES if name in fields), None)
    fps, notices = (as_fps(_single(told, "The frame rate")), ()) if told is not None else ask.rate(Fraction(120))
    clip = SmplClip(
        from_rotation_vectors(poses), _places(fields.get("trans"), frames, "trans"), fps, up="z", betas=_betas(fields)
    )
    return Found(kinds[width // 3], clip, notices=notices)


def _amass_poses(fields: Fields) -> FloatArray:
    """(T,156) or (T,165) as one array, or in the parts of SMPL-X files."""
    if "poses" in fields:
        return numbers(fields["poses"], (None, None), name="poses")
    absent = [name for name in ("root_orient", "pose_body") if name not in fields]
    if absent:
        raise FleximoError(f"The file has neither poses nor {' and '.join(absent)}.", code="unreadable_file")
    parts = {name: numbers(fields[name], (None, None), name=name) for name in _PARTS if name in fields}
    frames = len(parts["root_orient"])
    widths = {"root_orient": 3, "pose_body": 63, "pose_jaw": 3, "pose_eye": 6, "pose_hand": 90}
    check_frames(frames)
    poses = np.zeros((frames, sum(widths.values())))
    start = 0
    for name, width in widths.items():
        if name in parts:
            if parts[name].shape != (frames, width):
                raise FleximoError(
                    f"{name} has the shape {parts[name].shape}; ({frames}, {width}) was expected.",
                    code="unreadable_file",
                )
            poses[:, start : start + width] = parts[name]
        start += width
    return poses


def _aist(fields: Fields, ask: Ask) -> Found:
    poses = numbers(fields["smpl_poses"], (None, 3 * _SMPL_JOINTS), name="smpl_poses")
    check_frames(len(poses))
    scaling = _single(fields.get("smpl_scaling", 1.0), "smpl_scaling")
    if not 1e-3 < scaling < 1e6:
        raise FleximoError(f"smpl_scaling is {scaling:g}; a positive size was expected.", code="unreadable_file")
    places = _places(fields.get("smpl_trans"), len(poses), "smpl_trans") / scaling
    fps = _AIST_FPS if ask.fps is None else ask.fps
    return Found("AIST++, SMPL", SmplClip(from_rotation_vectors(poses), places, fps))


def joints2smpl(frames: Sequence[Fields], ask: Ask) -> Found:
    """The motion of joints2smpl's files, one dictionary for each frame."""
    check_frames(len(frames))
    poses, places = [], []
    for fields in frames:
        if "pose" not in fields or "cam" not in fields:
            raise FleximoError("A frame of this clip lacks its pose or its place (cam).", code="unreadable_file")
        poses.append(numbers(fields["pose"], (1, 3 * _SMPL_JOINTS), name="pose")[0])
        place = np.asarray(fields["cam"])
        if place.size != 3:
            raise FleximoError(f"cam has the shape {place.shape}; three numbers were expected.", code="unreadable_file")
        places.append(numbers(place.reshape(3), (3,), name="cam"))
    fps, notices = ask.rate(_GENERATED_FPS)
    betas = frames[0].get("beta")
    clip = SmplClip(
        from_rotation_vectors(np.array(poses)),
        np.array(places),
        fps,
        betas=None if betas is None else numbers(np.ravel(betas), (None,), name="beta"),
    )
    return Found("joints2smpl", clip, notices=notices)


def _mdm_smpl(fields: Fields) -> Found:
    """`sampleXX_repYY_smpl_params.npy`: true SMPL rotations and the pelvis' path.

    The vertices beside them have the path added twice, so they are not looked at.
    """
    thetas = numbers(fields["thetas"], (_SMPL_JOINTS, 6, None), name="thetas")
    path = numbers(fields["root_translation"], (3, None), name="root_translation")
    frames = _cut(fields.get("length"), thetas.shape[2])
    if path.shape[1] < frames:
        raise FleximoError(
            f"root_translation has {path.shape[1]} frames; thetas have {frames}.", code="unreadable_file"
        )
    clip = SmplClip(
        from_six(np.moveaxis(thetas[..., :frames], 2, 0)), path[:, :frames].T, _GENERATED_FPS, places_are="pelvis"
    )
    return Found("MDM, SMPL parameters", clip, text=_text(fields.get("text")))


def _mdm_results(fields: Fields, ask: Ask) -> Found:
    """`results.npy`: (N,22,3,T) joints or (N,25,6,T) rotations, every row padded to the longest."""
    batch = numbers(fields["motion"], (None, None, None, None), name="motion")
    count, joints, width, padded = batch.shape
    lengths = numbers(fields["lengths"], (count,), name="lengths")
    item = choose(ask.item, count)
    frames = _cut(lengths[item], padded)
    clip = np.moveaxis(batch[item, ..., :frames], 2, 0)
    text = _text(fields.get("text"), item)
    if (joints, width) == (22, 3):
        places, notices = in_metres(clip)
        return Found("MDM, joints", JointClip(places, _GENERATED_FPS), count, text, notices)
    if (joints, width) == (_SMPL_JOINTS + 1, 6):
        smpl = SmplClip(from_six(clip[:, :-1]), clip[:, -1, :3], _GENERATED_FPS, places_are="pelvis")
        return Found("MDM, rotations", smpl, count, text)
    if (joints, width) in ((21, 3), (251, 1)):
        raise FleximoError(
            "These motions have the 21 joints of KIT-ML, another skeleton at another scale, which is not read.",
            code="kit_ml",
            remedy="Use a model trained on HumanML3D (22 joints).",
        )
    raise FleximoError(
        f"motion has the shape {batch.shape}; (N, 22, 3, T) or (N, 25, 6, T) was expected.", code="unreadable_file"
    )


def _places(values: Any, frames: int, name: str) -> FloatArray:
    """(T,3) m; a file without any stays in place."""
    return np.zeros((frames, 3)) if values is None else numbers(values, (frames, 3), name=name)


def _betas(fields: Fields) -> FloatArray | None:
    betas = fields.get("betas")
    return None if betas is None else numbers(np.ravel(betas)[:300], (None,), name="betas")


def _single(value: Any, name: str) -> float:
    """The one number in a scalar or an array of one."""
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise FleximoError(f"{name} is no single number.", code="unreadable_file")
    return float(array.reshape(()))


def _cut(length: Any, padded: int) -> int:
    """How many of `padded` frames are true; all of them where the file does not say."""
    frames = padded if length is None else int(_single(length, "The length"))
    if not 1 <= frames <= padded:
        raise FleximoError(f"The file says {frames} frames and holds {padded}.", code="unreadable_file")
    check_frames(frames)
    return frames


def _text(value: Any, item: int = 0) -> str:
    """The caption of a motion, from one text or a list of them."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "UO":
        value = value.ravel().tolist()
    if isinstance(value, (list, tuple)):
        value = value[item] if item < len(value) else ""
    return value[:1000] if isinstance(value, str) else ""
