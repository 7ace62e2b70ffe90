"""From a motion on any body to the same motion on the person of the photo, matched as bone lengths in 3D.

Knows rigs, motions and the person's measures; nothing of cameras (that is `camera_fit`) or pixels (`projection`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.bones import BONES, SEEN, measure_bones, measure_hand, rig_bones
from fleximo.camera import Camera, Framing
from fleximo.camera_fit import fit_camera, floor_points, frame_photo, legs_in_frame
from fleximo.errors import FleximoError, Notice
from fleximo.face import photo_face
from fleximo.layouts import LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from fleximo.lift import lift
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.retarget import Plants, regrip, retarget
from fleximo.rig import FINGERS, SIDES, Landmark, Rig

__all__ = [
    "BONES",
    "RESCALE_MODES",
    "Fit",
    "apply_fit",
    "fit_motion",
    "fit_notices",
    "fit_rig",
    "measure_bones",
    "measure_fit",
]

RESCALE_MODES = ("bones", "paper", "off")
_FURTHEST_M = 0.5  # between the place of the person by depths and by the floor
_YAW_ERROR_DEGREES = (6.0, 18.0)  # a smaller yaw is taken for none, a larger one for true
_WIDEST_M = 0.30  # by which one foot is set aside to stand as in the photo
_WHOLE_STRIDE = (1.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Fit:
    """How a take's motion is laid on its person: computed once per take, so that an edit moves nothing else."""

    bone_lengths_m: Mapping[str, float] = field(default_factory=dict)  # empty = the motion's own body
    start_m: tuple[float, float] = (0.0, 0.0)  # x, z in the motion's world that comes to the world's origin
    turn_rad: float = 0.0  # heading added about +Y
    head: Mapping[str, Landmark] = field(default_factory=dict)  # the photo's own face on the fitted rig's head
    stride: tuple[float, float, float, float] = _WHOLE_STRIDE  # 2x2 by rows: x, z of the path -> as it is walked
    plants: Plants = ()  # left and right foot: how the first stance becomes the photo's, see `retarget`
    place_m: tuple[float, float] = (0.0, 0.0)  # x, z by which all is moved in the end
    upper_body: bool = False  # the legs are out of the picture: they are held and travel is removed

    def __post_init__(self) -> None:
        object.__setattr__(self, "bone_lengths_m", MappingProxyType(dict(self.bone_lengths_m)))
        object.__setattr__(self, "head", MappingProxyType(dict(self.head)))


def fit_rig(rig: Rig, bone_lengths_m: Mapping[str, float]) -> Rig:
    """`rig` with the bone lengths of `BONES` that are given, in m; it keeps those that are not.

    Hips and shoulders come to the given widths, spine, neck and collars grow with the torso, head and face with the
    distance from neck to nose, fingers with the hand, foot, heel and toes with the foot. The joints keep their rest
    directions. Raises `FleximoError` for a length that is not above 0.
    """
    for name, length in bone_lengths_m.items():
        if not (np.isfinite(length) and length > 0.0):
            raise FleximoError(f"The bone {name} is {length} m long; a length above 0 was expected.")
    own = rig_bones(rig)
    scale = {name: bone_lengths_m.get(name, length) / length for name, length in own.items()}
    if "foot" not in bone_lengths_m:
        scale["foot"] = sum(scale[bone] * own[bone] for bone in ("thigh", "shin")) / (own["thigh"] + own["shin"])
    offsets = rig.rest_offsets.astype(np.float64)

    def grow(factor: FloatArray | float, *names: str) -> None:
        for name in names:
            offsets[rig.index(name)] *= factor

    torso = scale["torso"]
    grow(torso, "spine1", "spine2", "spine3", "neck")
    for side in SIDES:
        grow(np.array([scale["hip_width"], torso, torso]), f"{side}_hip")
        grow(np.array([scale["shoulder_width"], torso, torso]), f"{side}_collar", f"{side}_shoulder")
        grow(scale["upper_arm"], f"{side}_elbow")
        grow(scale["forearm"], f"{side}_wrist")
        grow(scale["hand"], *(f"{side}_{finger}{segment}" for finger in FINGERS for segment in (1, 2, 3)))
        grow(scale["thigh"], f"{side}_knee")
        grow(scale["shin"], f"{side}_ankle")
        grow(scale["foot"], f"{side}_foot")
    head = _head_scale(rig, offsets, bone_lengths_m.get("neck_to_nose", own["neck_to_nose"]))
    grow(head, "head")
    landmarks = {}
    for name, (joint, offset) in rig.landmarks.items():
        part = "head" if joint == "head" else "foot" if "heel" in name or "toe" in name else "hand"
        factor = head if part == "head" else scale[part]
        landmarks[name] = (joint, (offset[0] * factor, offset[1] * factor, offset[2] * factor))
    return rig.with_offsets(offsets, landmarks)


def _head_scale(rig: Rig, offsets: FloatArray, neck_to_nose: float) -> float:
    """The factor on head and nose that brings the nose to its distance from the middle of the shoulders."""
    parents = rig.parents.tolist()

    def from_chest(name: str) -> FloatArray:
        joint, place = rig.index(name), np.zeros(3)
        while rig.joint_names[joint] != "spine3" and joint > 0:
            place, joint = place + offsets[joint], parents[joint]
        return place

    base = from_chest("neck") - (from_chest("left_shoulder") + from_chest("right_shoulder")) / 2.0
    grown = offsets[rig.index("head")] + np.asarray(rig.landmarks["nose"][1])
    # |base + factor * grown| = neck_to_nose
    a, b, c = grown @ grown, 2.0 * base @ grown, base @ base - neck_to_nose**2
    root = np.sqrt(max(b * b - 4.0 * a * c, 0.0))
    return float(np.clip((-b + root) / (2.0 * a), 0.4, 2.5))


def measure_fit(
    motion: Motion,
    person: Person,
    *,
    mode: str = "bones",
    framing: Framing | None = None,
    camera: Camera | None = None,
) -> Fit:
    """How `motion` is laid on `person`: start, heading, whether the legs are seen; in mode "bones" lengths and face.

    `framing` and `camera` tell how the face was seen; by default those that `camera_fit` finds.
    """
    if mode not in RESCALE_MODES:
        raise FleximoError(f"The rescale mode {mode!r} is not known; it is one of {', '.join(RESCALE_MODES)}.")
    upper_body = not legs_in_frame(person)
    support = ("pelvis",) if upper_body else ("left_ankle", "right_ankle")
    start = motion.positions(*support)[0].mean(axis=0)
    turn = np.radians(_trusted_yaw(person.yaw_degrees))
    fit = Fit(start_m=(float(start[0]), float(start[2])), turn_rad=turn, upper_body=upper_body)
    if mode != "bones":
        return fit
    framing = frame_photo(person.photo_size, None, person) if framing is None else framing
    camera = fit_camera(person, framing) if camera is None else camera
    lengths = _lengths(person, framing, camera)
    lifted = lift(person, framing, camera, fit_rig(motion.rig, lengths))
    fit = replace(fit, bone_lengths_m=lengths, head=photo_face(person, framing, camera, lifted))
    return fit if upper_body else _on_the_photos_feet(fit, motion, person, framing, camera)


def _trusted_yaw(yaw_degrees: float) -> float:
    """The yaw without the few degrees by which a detector errs on people who squarely face or leave the camera.

    A motion turned by that error would walk askew.
    """
    square = 180.0 * round(yaw_degrees / 180.0)
    aside = yaw_degrees - square
    none, full = _YAW_ERROR_DEGREES
    trust = min(max((abs(aside) - none) / (full - none), 0.0), 1.0)
    return square + aside * trust * trust * (3.0 - 2.0 * trust)


def _on_the_photos_feet(fit: Fit, motion: Motion, person: Person, framing: Framing, camera: Camera) -> Fit:
    """`fit` with the first stance of `motion` where the photo's ankles are, by the floor under them."""
    first = apply_fit(motion[:1], fit)
    ankles = first.positions("left_ankle", "right_ankle")[0]
    toes = first.positions("left_toe_tip", "right_toe_tip")[0]
    columns = [OPENPOSE_18.index("left_ankle"), OPENPOSE_18.index("right_ankle")]
    if min(person.body_confidence[columns]) < SEEN:
        return fit
    seen = floor_points(camera, framing.to_canvas(person.body_px[columns]), ankles[:, 1])
    shifts = seen[:, [0, 2]] - ankles[:, [0, 2]]
    place = shifts.mean(axis=0)
    apart = shifts - place
    if not np.isfinite(seen).all() or np.linalg.norm(place) > _FURTHEST_M or np.abs(apart).max() > _WIDEST_M:
        return fit  # a foot in the air, or a motion that starts in mid-stride
    plants = tuple((float(x), float(z), float(dx), float(dz)) for (x, _, z), (dx, dz) in zip(toes, apart))
    return replace(fit, plants=plants, place_m=(float(place[0]), float(place[1])))


def _lengths(person: Person, framing: Framing, camera: Camera) -> dict[str, float]:
    """The person's bone lengths, the hand's from his hands where they were found."""
    lengths = dict(person.bone_lengths_m) or measure_bones(
        person.body_px,
        person.body_confidence,
        person.body_m,
        person.stature_m,
        photo_size=person.photo_size,
        lens_degrees=person.lens_degrees,
    )
    distance = float(camera.to_camera(np.zeros((1, 3)))[0, 2])
    px_per_m = float(camera.K[0, 0]) / framing.scale / max(distance, 0.1)
    hands = np.stack((person.points_px[LEFT_HAND], person.points_px[RIGHT_HAND]))
    seen = np.stack((person.confidence[LEFT_HAND], person.confidence[RIGHT_HAND]))
    lengths["hand"] = measure_hand(hands, seen, px_per_m, person.stature_m)
    return lengths


def fit_motion(motion: Motion, person: Person, *, mode: str = "bones", fit: Fit | None = None) -> Motion:
    """`motion` on the body of `person`, starting at the world's origin, which is his place in the photo.

    Mode "bones": every bone as long as the person's, the path scaled with the legs, and planted feet kept in place by
    leg inverse kinematics. "off" and "paper" keep the motion's own body ("paper" is matched later, in the picture).
    The motion is turned by the person's yaw, so that it starts the way he faces. Where no ankle is seen the legs are
    held and travel is removed (`fit_notices` says so). `fit` reuses the measures of a take.
    """
    return apply_fit(motion, measure_fit(motion, person, mode=mode) if fit is None else fit)


def fit_notices(motion: Motion, person: Person) -> tuple[Notice, ...]:
    """What `fit_motion` had to change in the motion for the photo's sake."""
    if legs_in_frame(person):
        return ()
    travel = float(np.ptp(motion.root[:, [0, 2]], axis=0).max())
    said = f" and {travel:.1f} m of travel are removed" if travel > 0.1 else ""
    return (
        Notice(
            "limb_out_of_frame",
            f"The photo shows no feet, so only the upper body moves; the legs are held{said}.",
            "Use a photo that shows the whole person to see the legs move.",
        ),
    )


def apply_fit(motion: Motion, fit: Fit) -> Motion:
    """`motion` laid on a person as `fit` says; each frame by itself, so that an edited frame changes no other."""
    rig = _fitted_rig(motion.rig, tuple(fit.bone_lengths_m.items()), tuple(fit.head.items()))
    motion = _moved(motion, np.array([-fit.start_m[0], 0.0, -fit.start_m[1]]), fit.turn_rad)
    if fit.upper_body:
        return _upper_body_only(motion, rig)
    if fit.bone_lengths_m or tuple(fit.stride) != _WHOLE_STRIDE:
        motion = retarget(motion, rig, fit.stride, fit.plants)
    return _moved(motion, np.array([fit.place_m[0], 0.0, fit.place_m[1]]), 0.0) if any(fit.place_m) else motion


@lru_cache(maxsize=8)  # a take that is edited pose by pose has one body
def _fitted_rig(rig: Rig, lengths_m: tuple[tuple[str, float], ...], head: tuple[tuple[str, Landmark], ...]) -> Rig:
    rig = fit_rig(rig, dict(lengths_m))
    return rig.with_offsets(rig.rest_offsets, {**rig.landmarks, **dict(head)})


def _moved(motion: Motion, shift: FloatArray, turn_rad: float) -> Motion:
    """First shifted, then turned about the world's origin."""
    turn = rot.from_axis_angle([0.0, 1.0, 0.0], turn_rad)
    rotations = motion.rotations.astype(np.float64)
    rotations[:, 0] = rot.multiply(turn, rotations[:, 0])
    return replace(motion, rotations=rotations, root=rot.rotate(turn, motion.root + shift))


def _upper_body_only(motion: Motion, rig: Rig) -> Motion:
    """On `rig`, the legs straight down, the pelvis over the origin at the height where they carry it."""
    rotations = motion.rotations.copy()
    pelvis = motion.rotations[:, 0].astype(np.float64)
    # Upright under a pelvis that leans: thighs that leaned along would leave the picture's edge, where they are cut.
    upright = rot.multiply(rot.conjugate(pelvis), rot.from_axis_angle([0.0, 1.0, 0.0], rot.yaw(pelvis)))
    for side in SIDES:
        rotations[:, list(rig.descendants(f"{side}_hip"))] = rot.IDENTITY
        rotations[:, rig.index(f"{side}_hip")] = upright
    root = np.zeros((len(motion), 3))
    root[:, 1] = rig.rest_height
    return regrip(motion, replace(motion, rotations=rotations, root=root, rig=rig))
