"""True bone lengths of the person in a photo, and the same lengths of a rig.

Knows key points and body ratios; nothing of cameras, motions or how a rig is stretched to fit (that is `rescale`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.errors import FleximoError
from fleximo.layouts import OPENPOSE_18
from fleximo.rig import DEFAULT_RIG, Rig

__all__ = [
    "BONES",
    "LENS_DEGREES",
    "RIG_STATURE_M",
    "SEEN",
    "PhotoView",
    "bone_ratios",
    "measure_bones",
    "measure_hand",
    "places_m",
    "rig_bones",
]

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

_UPRIGHT = ("torso", "neck_to_nose", "thigh", "shin")  # what makes up the standing height
# How far a bone may stray from the body ratio that the visible bones suggest (Drillis & Contini 1966 give standard
# deviations of 4 to 8 %; cartoons and children go further, detector slips further still).
_PLAUSIBLE = (0.6, 1.6)
# Where nothing tells a short limb from one that points at the camera, the latter is likelier.
_LEAST_WITHOUT_DEPTH = 0.8
_DEPTH_NOISE_M = 0.06  # of MediaPipe's metric points on the rendered people
_LIMBS = ("upper_arm", "forearm", "thigh", "shin")  # what points at a camera: the trunk's widths seldom do
_SPREAD = 0.15  # of limbs about the body ratio: twice the published deviation, for photos show more than adults
LENS_DEGREES = 35.0  # angle of view of the longer side: a 57 mm lens on 36 x 24 mm, a portrait's usual one
SEEN = 0.3  # a key point below this confidence is not measured, as in OpenPose's own drawing


@lru_cache(maxsize=32)
def rig_bones(rig: Rig) -> Mapping[str, float]:
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

    lengths = {
        name: float(np.mean([np.linalg.norm(place(a) - place(b)) for a, b in ends])) for name, ends in _OF_RIG.items()
    }
    return MappingProxyType(lengths)


def bone_ratios() -> dict[str, float]:
    """Each of `BONES` as a fraction of the stature: the prior for what a photo hides."""
    return {name: length / RIG_STATURE_M for name, length in rig_bones(DEFAULT_RIG).items()}


def measure_bones(
    points_px: FloatArray,
    confidence: FloatArray,
    body_m: FloatArray,
    stature_m: float = 1.70,
    *,
    photo_size: tuple[int, int] | None = None,
    lens_degrees: float | None = None,
) -> dict[str, float]:
    """The true lengths in m of all `BONES` of a person of `stature_m`.

    `points_px` (18,2) and `confidence` (18,) are the OpenPose-18 key points, `body_m` (18,3) the same points in metres
    in the camera's axes (all zero = unknown). With `photo_size` (W, H) px the picture's perspective is undone too, at
    the lens of `lens_degrees` (of the longer side; default 35). A bone seen under a slant is lengthened by its depth;
    the more of a limb is depth, the more its body ratio counts; of a left and a right one the longer counts, for a
    photo only ever shortens; a hidden bone gets the length that the body ratios give at the size of the visible ones.
    Raises `FleximoError` if no bone at all is visible.
    """
    if not (np.isfinite(stature_m) and 0.3 <= stature_m <= 3.0):
        raise FleximoError(f"The stature {stature_m:g} m is not a person's; 0.3 to 3 m were expected.")
    points = np.asarray(points_px, dtype=np.float64)
    seen = np.asarray(confidence) >= SEEN
    prior = {name: stature_m * ratio for name, ratio in bone_ratios().items()}
    if photo_size is None:
        # So far away that the perspective does not count.
        size = float(np.ptp(points[seen], axis=0).max()) if seen.any() else 1.0
        view = PhotoView(1e4 * max(size, 1.0), points[seen].mean(axis=0) if seen.any() else points[0])
    else:
        view = PhotoView.of(photo_size, lens_degrees)
    visible = places_m(points, confidence, body_m, prior, view)[0]
    least = _PLAUSIBLE[0] if np.any(body_m) else _LEAST_WITHOUT_DEPTH
    lengths = dict(prior)
    for name, (length, error_m) in _visible_bones(visible, seen).items():
        trust = 1.0 / (1.0 + (error_m / (_SPREAD * prior[name])) ** 2) if name in _LIMBS else 1.0
        length = trust * length + (1.0 - trust) * prior[name]
        lengths[name] = float(np.clip(length, least * prior[name], _PLAUSIBLE[1] * prior[name]))
    # The foot is no bone of OpenPose-18; it goes with the leg, so that a step stays a step.
    lengths["foot"] *= (lengths["thigh"] + lengths["shin"]) / (prior["thigh"] + prior["shin"])
    return lengths


def measure_hand(points_px: FloatArray, confidence: FloatArray, px_per_m: float, stature_m: float = 1.70) -> float:
    """The length in m of a hand from wrist to middle finger's tip, of the longer-looking of both hands.

    `points_px` (2,21,2), `confidence` (2,21): left and right hand; `px_per_m` at the hands' distance. Bent fingers are
    followed along their bones. Hands that are not seen, or much too small for the body, take the body ratio.
    """
    prior = stature_m * bone_ratios()["hand"]
    middle = [0, 9, 10, 11, 12]
    lengths = [
        float(np.linalg.norm(np.diff(np.asarray(hand, dtype=np.float64)[middle], axis=0), axis=-1).sum()) / px_per_m
        for hand, seen in zip(points_px, confidence)
        if np.asarray(seen)[middle].min() >= SEEN
    ]
    # Fingers that point at the camera look short: below 0.85 of the ratio the ratio knows better.
    return float(np.clip(max(lengths, default=prior), 0.85 * prior, 1.3 * prior))


@dataclass(frozen=True)
class PhotoView:
    """The lens of a picture: focal length and optical centre, both in its pixels."""

    focal_px: float
    centre_px: FloatArray  # (2,)

    @classmethod
    def of(cls, photo_size: tuple[int, int], lens_degrees: float | None = None) -> PhotoView:
        """The lens of a photo of (W, H) px whose longer side spans `lens_degrees`; raises for impossible angles."""
        lens = LENS_DEGREES if lens_degrees is None else lens_degrees
        if not 2.0 <= lens <= 150.0:
            raise FleximoError(f"The lens angle {lens:g} degrees is no camera's; 2 to 150 degrees were expected.")
        focal = max(photo_size) / 2.0 / math.tan(math.radians(lens) / 2.0)
        return cls(focal, np.array(photo_size, dtype=np.float64) / 2.0)


def places_m(
    points_px: FloatArray,
    confidence: FloatArray,
    body_m: FloatArray,
    bone_lengths_m: Mapping[str, float],
    view: PhotoView,
) -> tuple[FloatArray, float]:
    """Where the key points lie in the camera's axes (x right, y down, z forward), (18,3) m, and the hips' distance.

    The distance is the one at which the visible bones are as long as `bone_lengths_m` says; the depths are those of
    `body_m`, or, where it is all zero, a flat body with the nose before it. Raises `FleximoError` if no bone is seen.
    """
    points = np.asarray(points_px, dtype=np.float64)
    seen = np.asarray(confidence) >= SEEN
    towards = _towards_camera_m(points, seen, np.asarray(body_m, dtype=np.float64), bone_lengths_m)
    rays = (points - view.centre_px) / view.focal_px
    distance = 100.0
    for _ in range(8):
        depth = np.maximum(distance - towards, 0.1 * distance)
        places = np.concatenate((rays * depth[:, None], depth[:, None]), axis=1)
        measured = _visible_lengths(places, seen)
        used = _yardsticks(measured, bone_lengths_m)
        distance *= sum(bone_lengths_m[name] for name in used) / sum(measured[name] for name in used)
    return places, float(distance)


def _yardsticks(measured: Mapping[str, float], lengths_m: Mapping[str, float]) -> list[str]:
    """The bones that tell the size: those that make up the standing height, else whatever is visible."""
    known = [name for name in measured if name in lengths_m]
    used = [name for name in known if name in _UPRIGHT] or known
    if not used:
        raise FleximoError("No bone of the person is visible: no two neighbouring key points were found.")
    return used


def _columns(names: tuple[str, ...]) -> list[int]:
    return [OPENPOSE_18.index(name) for name in names]


def _visible_bones(places: FloatArray, seen: BoolArray) -> dict[str, tuple[float, float]]:
    """The length in m of each bone whose ends are seen, the longer of two sides, and by how much its depth may err.

    `places` (18,3) m.
    """
    lengths = {}
    for name, ends in _MEASURED.items():
        found = []
        for a, b in ends:
            if seen[_columns(a + b)].all():
                span = places[_columns(a)].mean(axis=0) - places[_columns(b)].mean(axis=0)
                # A detector's depths wander by some centimetres, which would only ever lengthen: trust large ones.
                trust = 1.0 if name == "neck_to_nose" else span[2] ** 2 / (span[2] ** 2 + _DEPTH_NOISE_M**2)
                depth = abs(span[2]) * trust
                length = float(np.hypot(np.hypot(span[0], span[1]), depth))
                found.append((length, _DEPTH_NOISE_M * float(depth) / max(length, 1e-9)))
        if found:
            lengths[name] = max(found)
    return lengths


def _visible_lengths(places: FloatArray, seen: BoolArray) -> dict[str, float]:
    """The lengths alone of `_visible_bones`."""
    return {name: length for name, (length, _) in _visible_bones(places, seen).items()}


def _towards_camera_m(
    points: FloatArray, seen: BoolArray, body_m: FloatArray, lengths_m: Mapping[str, float]
) -> FloatArray:
    """(18,) m by which each point lies nearer to the camera than the hips."""
    if not body_m.any():
        left, right = OPENPOSE_18.index("left_shoulder"), OPENPOSE_18.index("right_shoulder")
        facing = -1.0 if seen[left] and seen[right] and points[left, 0] < points[right, 0] else 1.0
        joints, head = DEFAULT_RIG.rest_joints, DEFAULT_RIG.index("head")
        scale = lengths_m.get("torso", RIG_STATURE_M * bone_ratios()["torso"]) / rig_bones(DEFAULT_RIG)["torso"]
        forward = np.zeros(len(points))
        for name, (joint, offset) in DEFAULT_RIG.landmarks.items():
            if joint == "head" and name in OPENPOSE_18.names:
                forward[OPENPOSE_18.index(name)] = joints[head, 2] + offset[2]
        return np.asarray(facing * scale * forward)
    own = _visible_lengths(body_m, seen)
    used = _yardsticks(own, lengths_m)
    scale = sum(lengths_m[name] for name in used) / max(sum(own[name] for name in used), 1e-6)
    return np.asarray(scale * body_m[:, 2])
