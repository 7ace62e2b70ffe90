"""True bone lengths of the person in a photo, and the same lengths of a rig.

Knows key points and body ratios; nothing of cameras, motions or how a rig is stretched to fit (that is `rescale`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.errors import FleximoError
from fleximo.layouts import OPENPOSE_18
from fleximo.rig import DEFAULT_RIG, Rig

__all__ = ["BONES", "RIG_STATURE_M", "SEEN", "bone_ratios", "measure_bones", "pixels_per_m", "rig_bones"]

RIG_STATURE_M = 1.72  # standing height that the default rig's offsets were drawn for

# Each bone is the distance between two points; a point is the mean of the named key points.
_Ends = tuple[tuple[str, ...], tuple[str, ...]]
_MID_HIP = ("left_hip", "right_hip")
_NECK = ("left_shoulder", "right_shoulder")


def _both_sides(start: str, end: str) -> tuple[_Ends, ...]:
    return tuple(((f"{side}_{start}",), (f"{side}_{end}",)) for side in ("left", "right"))


_MEASURED: dict[str, tuple[_Ends, ...]] = {
    "torso": ((_NECK, _MID_HIP),),
    "shoulder_width": ((("left_shoulder",), ("right_shoulder",)),),
    "hip_width": ((("left_hip",), ("right_hip",)),),
    "neck_to_nose": ((_NECK, ("nose",)),),
    "upper_arm": _both_sides("shoulder", "elbow"),
    "forearm": _both_sides("elbow", "wrist"),
    "thigh": _both_sides("hip", "knee"),
    "shin": _both_sides("knee", "ankle"),
}
_OF_RIG: dict[str, tuple[_Ends, ...]] = _MEASURED | {
    "hand": ((("left_wrist",), ("left_middle_tip",)),),
    "foot": ((("left_heel",), ("left_toe_tip",)),),
}

BONES: tuple[str, ...] = tuple(_OF_RIG)  # the names in `Person.bone_lengths_m`, all in metres

# How far a bone may stray from the body ratio that the visible bones suggest (Drillis & Contini 1966 give standard
# deviations of 4 to 8 %; cartoons and children go further, detector slips further still).
_PLAUSIBLE = (0.6, 1.6)
SEEN = 0.3  # a key point below this confidence is not measured, as in OpenPose's own drawing


def rig_bones(rig: Rig) -> dict[str, float]:
    """The length in m of each of `BONES` in the rest pose of `rig`.

    >>> round(rig_bones(DEFAULT_RIG)["upper_arm"], 2)
    0.28
    """

    def place(names: tuple[str, ...]) -> FloatArray:
        points = []
        for name in names:
            joint, offset = rig.landmarks.get(name, (name, (0.0, 0.0, 0.0)))
            points.append(rig.rest_joints[rig.index(joint)] + np.asarray(offset))
        return np.asarray(np.mean(points, axis=0))

    return {
        name: float(np.mean([np.linalg.norm(place(a) - place(b)) for a, b in ends])) for name, ends in _OF_RIG.items()
    }


def bone_ratios() -> dict[str, float]:
    """Each of `BONES` as a fraction of the stature: the prior for what a photo hides."""
    return {name: length / RIG_STATURE_M for name, length in rig_bones(DEFAULT_RIG).items()}


def measure_bones(
    points_px: FloatArray, confidence: FloatArray, body_m: FloatArray, stature_m: float = 1.70
) -> dict[str, float]:
    """The true lengths in m of all `BONES` of a person of `stature_m`.

    `points_px` (18,2) and `confidence` (18,) are the OpenPose-18 key points, `body_m` (18,3) the same points in metres
    in the camera's axes (all zero = unknown). A bone seen under a slant is lengthened by its depth; of a left and a
    right one the longer counts, for a photo only ever shortens; a hidden bone gets the length that the body ratios
    give at the size of the visible ones. Raises `FleximoError` if no bone at all is visible.
    """
    if not (np.isfinite(stature_m) and 0.3 <= stature_m <= 3.0):
        raise FleximoError(f"The stature {stature_m:g} m is not a person's; 0.3 to 3 m were expected.")
    lengths = {name: stature_m * ratio for name, ratio in bone_ratios().items()}
    lengths_px = _measured_px(points_px, confidence, body_m)
    px_per_m = _px_per_m(lengths_px, lengths)
    for name, length_px in lengths_px.items():
        prior = lengths[name]
        lengths[name] = float(np.clip(length_px / px_per_m, _PLAUSIBLE[0] * prior, _PLAUSIBLE[1] * prior))
    return lengths


def pixels_per_m(
    points_px: FloatArray, confidence: FloatArray, body_m: FloatArray, bone_lengths_m: Mapping[str, float]
) -> float:
    """How many pixels of the photo a metre at the person's distance measures, given his bone lengths.

    Arrays as for `measure_bones`. Bones without a given length are left out; raises `FleximoError` if none is left.
    """
    return _px_per_m(_measured_px(points_px, confidence, body_m), bone_lengths_m)


def _measured_px(points_px: FloatArray, confidence: FloatArray, body_m: FloatArray) -> dict[str, float]:
    """The true length in px of each visible bone, the longer of two sides."""
    points = np.asarray(points_px, dtype=np.float64)
    seen = np.asarray(confidence) >= SEEN
    body = np.asarray(body_m, dtype=np.float64)
    depths_px = _depths_px(points, seen, body)
    lengths_px: dict[str, float] = {}
    for name, ends in _MEASURED.items():
        visible = [_length_px(points, depths_px, a, b) for a, b in ends if _all_seen(seen, a, b)]
        if visible:
            lengths_px[name] = max(visible)
    if not lengths_px:
        raise FleximoError("No bone of the person is visible: no two neighbouring key points were found.")
    if "neck_to_nose" in lengths_px and not body.any():
        lengths_px["neck_to_nose"] /= _upright_share_of_head()
    return lengths_px


def _columns(names: tuple[str, ...]) -> list[int]:
    return [OPENPOSE_18.index(name) for name in names]


def _all_seen(seen: BoolArray, a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return bool(seen[_columns(a + b)].all())


def _depths_px(points: FloatArray, seen: BoolArray, body_m: FloatArray) -> FloatArray:
    """(18,) depth of each point in px, towards the camera: metric depths at the scale that fits metric x, y to px."""
    if not body_m.any() or seen.sum() < 3:
        return np.zeros(len(points))
    flat = (body_m[seen, :2] - body_m[seen, :2].mean(axis=0)) * [1.0, -1.0]
    picture = points[seen] - points[seen].mean(axis=0)
    scale = (flat * picture).sum() / max(float((flat**2).sum()), 1e-9)
    return np.asarray(max(float(scale), 0.0) * body_m[:, 2])


def _length_px(points: FloatArray, depths_px: FloatArray, a: tuple[str, ...], b: tuple[str, ...]) -> float:
    places = np.concatenate((points, depths_px[:, None]), axis=1)
    return float(np.linalg.norm(places[_columns(a)].mean(axis=0) - places[_columns(b)].mean(axis=0)))


def _upright_share_of_head() -> float:
    """What a frontal picture shows of neck-to-nose: the nose also lies in front of the neck, which no picture tells."""
    joints, (head, nose) = DEFAULT_RIG.rest_joints, DEFAULT_RIG.landmarks["nose"]
    span = joints[DEFAULT_RIG.index(head)] + np.asarray(nose) - joints[DEFAULT_RIG.index("left_shoulder")]
    return float(span[1] / np.hypot(span[1], span[2]))


def _px_per_m(lengths_px: Mapping[str, float], lengths_m: Mapping[str, float]) -> float:
    """Pixels per metre: by the bones that make up the standing height, else by whatever is visible."""
    known = [name for name in lengths_px if name in lengths_m]
    used = [name for name in ("torso", "neck_to_nose", "thigh", "shin") if name in known] or known
    if not used:
        raise FleximoError("None of the visible bones has a known length, so the person's size is not known.")
    return sum(lengths_px[name] for name in used) / sum(lengths_m[name] for name in used)
