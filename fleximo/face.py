"""The 68-point face that turns with the head: the photo's own face where it was found, else a face of average shape.

Owns the face's shape in depth, its blinks, and which points are turned away. Left and right are the subject's.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.bones import SEEN
from fleximo.camera import Camera, Framing
from fleximo.errors import Notice
from fleximo.layouts import FACE, OPENPOSE_18, WHOLEBODY_128
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.rig import DEFAULT_RIG, Landmark, Rig

__all__ = [
    "FACE_TEMPLATE_M",
    "blinks",
    "closed_eyes",
    "face_facing",
    "face_notices",
    "face_points",
    "face_shape",
    "has_photo_face",
    "photo_face",
    "template_of",
]

_NAMES = [f"face_{n}" for n in range(68)]  # as in the whole-body layout


def _template() -> FloatArray:
    """(68,3) m in the default rig's head joint: rounded averages of adult faces, nose tip at the rig's nose."""
    right: dict[int, tuple[float, float, float]] = {
        0: (-0.072, 0.070, 0.010), 1: (-0.071, 0.052, 0.012), 2: (-0.069, 0.034, 0.016), 3: (-0.066, 0.016, 0.022),
        4: (-0.060, -0.002, 0.033), 5: (-0.050, -0.017, 0.048), 6: (-0.036, -0.028, 0.064), 7: (-0.019, -0.035, 0.077),
        17: (-0.057, 0.086, 0.072), 18: (-0.049, 0.094, 0.084), 19: (-0.038, 0.097, 0.091),
        20: (-0.026, 0.095, 0.096), 21: (-0.014, 0.090, 0.099),
        31: (-0.015, 0.028, 0.099), 32: (-0.008, 0.025, 0.104),
        36: (-0.046, 0.0710, 0.083), 37: (-0.037, 0.0765, 0.091), 38: (-0.028, 0.0765, 0.092),
        39: (-0.019, 0.0700, 0.089), 40: (-0.028, 0.0670, 0.091), 41: (-0.037, 0.0670, 0.090),
        48: (-0.025, -0.001, 0.092), 49: (-0.016, 0.005, 0.100), 50: (-0.006, 0.008, 0.105),
        60: (-0.021, -0.001, 0.094), 61: (-0.008, 0.001, 0.102),
        67: (-0.008, -0.002, 0.101), 59: (-0.016, -0.008, 0.099), 58: (-0.007, -0.012, 0.102),
    }  # fmt: skip
    middle = {
        8: (-0.037, 0.082), 27: (0.076, 0.100), 28: (0.064, 0.106), 29: (0.052, 0.112), 30: (0.041, 0.117),
        33: (0.023, 0.107), 51: (0.007, 0.106), 57: (-0.013, 0.103), 62: (0.001, 0.103), 66: (-0.002, 0.102),
    }  # fmt: skip
    points = np.zeros((68, 3))
    for index, (y, z) in middle.items():
        points[index] = (0.0, y, z)
    for index, (x, y, z) in right.items():
        points[index] = (x, y, z)
        points[_MIRROR[index]] = (-x, y, z)
    return points


# Which point is the other side's: the 68 points of Sagonas et al. 2013 run from the subject's right to his left.
_MIRROR: dict[int, int] = (
    {n: 16 - n for n in range(8)}
    | {n: 43 - n for n in range(17, 22)}
    | {31: 35, 32: 34}
    | {36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46}
    | {48: 54, 49: 53, 50: 52, 59: 55, 58: 56, 60: 64, 61: 63, 67: 65}
)
FACE_TEMPLATE_M: FloatArray = _template()
FACE_TEMPLATE_M.setflags(write=False)

# (upper lid, lower lid) of each eye, outer to inner
_LIDS = ((37, 41), (38, 40), (44, 46), (43, 47))
_BLINK_SECONDS = 0.2
_BLINK_EVERY_SECONDS = (3.0, 5.0)
_SLIP = 0.6  # of the distance from head joint to nose
_HIDDEN_DEGREES = (60.0, 80.0)  # a point fades out while its surface turns this far from the viewer


def template_of(rig: Rig) -> FloatArray:
    """(68,3) m, the average face in the head joint of `rig`, at its head's size."""
    own = np.linalg.norm(rig.landmarks["nose"][1])
    return np.asarray(FACE_TEMPLATE_M * (own / np.linalg.norm(DEFAULT_RIG.landmarks["nose"][1])))


def has_photo_face(rig: Rig) -> bool:
    """Whether the head of `rig` carries a face found in a photo."""
    return all(name in rig.landmarks for name in _NAMES)


def face_shape(rig: Rig) -> FloatArray:
    """(68,3) m in the head joint: the photo's own face where the rig carries it (`photo_face`), else the average."""
    if not has_photo_face(rig):
        return template_of(rig)
    return np.array([rig.landmarks[name][1] for name in _NAMES])


def photo_face(person: Person, framing: Framing, camera: Camera, lifted: Motion) -> dict[str, Landmark]:
    """The landmarks of the rig's head as the photo shows them: nose, eyes, ears, and the 68 points if they were found.

    `lifted` is the photo's pose (`lift`). Each point lies where its ray meets the depth of the average head; one that
    comes out far from its place there is a slip of the detector and takes the average's place.
    """
    rig = lifted.rig
    average = {name: np.asarray(offset) for name, (joint, offset) in rig.landmarks.items() if joint == "head"}
    names = [name for name in average if name in OPENPOSE_18.names]
    if (person.confidence[FACE] >= SEEN).all():
        average |= dict(zip(_NAMES, template_of(rig)))
        names += _NAMES
    columns = [WHOLEBODY_128.index(name) for name in names]
    seen = person.confidence[columns] >= SEEN
    own = np.array([average[name] for name in names])
    head = rig.index("head")
    turn, place = lifted.world_rotations()[0, head], lifted.joints()[0, head]
    depth = camera.to_camera(place + rot.rotate(turn, own))[:, 2:]
    rays = (framing.to_canvas(person.points_px[columns]) - camera.K[:2, 2]) / [camera.K[0, 0], camera.K[1, 1]]
    there = np.concatenate((rays * depth, depth), axis=1)
    rotation, shift = camera.world_to_camera[0, :3, :3], camera.world_to_camera[0, :3, 3]
    local = rot.rotate(rot.conjugate(turn), (there - shift) @ rotation - place)
    near = np.linalg.norm(local - own, axis=-1) < _SLIP * np.linalg.norm(average["nose"])
    shape = np.where((seen & near)[:, None], local, own)
    return {name: ("head", (float(x), float(y), float(z))) for name, (x, y, z) in zip(names, shape)}


def face_notices(person: Person) -> tuple[Notice, ...]:
    """A `face_synthesised` notice where the photo's 68 face points were not found and an average face is drawn."""
    if (person.confidence[FACE] >= SEEN).all():
        return ()
    return (
        Notice(
            "face_synthesised",
            "No face was found in the photo; the skeleton has one of average shape.",
            "Use a photo in which the face is larger or turned to the camera.",
        ),
    )


def face_points(motion: Motion, shape_m: FloatArray) -> FloatArray:
    """World positions (T,68,3) in m of the face `shape_m`, (68,3) or (T,68,3) in the head joint."""
    head = motion.rig.index("head")
    return np.asarray(
        motion.joints()[:, head, None] + rot.rotate(motion.world_rotations()[:, head, None], np.asarray(shape_m))
    )


def face_facing(motion: Motion, camera_place: FloatArray) -> FloatArray:
    """(T,68) 1 where a face point looks to the camera at `camera_place` (3,) or (T,3), 0 where it is turned away."""
    head = motion.rig.index("head")
    view = camera_place - motion.joints()[:, head]
    view = view / np.linalg.norm(view, axis=-1, keepdims=True)
    world = rot.rotate(motion.world_rotations()[:, head, None], _normals())
    angle = np.degrees(np.arccos(np.clip((world * view[:, None]).sum(axis=-1), -1.0, 1.0)))
    low, high = _HIDDEN_DEGREES
    return np.asarray(np.clip((high - angle) / (high - low), 0.0, 1.0))


def _normals() -> FloatArray:
    """(68,3) which way each point of the face looks: forward in the middle, half sideways at the jaw's ends."""
    sideways = FACE_TEMPLATE_M[:, 0] / 0.072
    upward = (FACE_TEMPLATE_M[:, 1] - 0.03) / 0.1
    normals = np.stack((0.8 * sideways, 0.4 * upward, np.full(68, 0.8)), axis=-1)
    return np.asarray(normals / np.linalg.norm(normals, axis=-1, keepdims=True))


def blinks(frames: int, fps: Fraction, seed: int) -> FloatArray:
    """(T,) how far the eyes are closed, 0..1: a blink of 0.2 s every 3 to 5 s, the first not at once."""
    generator = np.random.default_rng([seed, 68])
    times = np.arange(frames) / float(fps)
    closed = np.zeros(frames)
    at = 0.0
    while at < (frames / float(fps)):
        at += float(generator.uniform(*_BLINK_EVERY_SECONDS))
        closed = np.maximum(closed, np.clip(1.0 - np.abs(times - at) / (_BLINK_SECONDS / 2.0), 0.0, 1.0))
    return closed


def closed_eyes(shape_m: FloatArray, closed: FloatArray) -> FloatArray:
    """(T,68,3) the face `shape_m` (68,3) with its upper lids brought down by `closed` (T,)."""
    shapes = np.repeat(np.asarray(shape_m, dtype=np.float64)[None], len(closed), axis=0)
    for upper, lower in _LIDS:
        shapes[:, upper] += closed[:, None] * 0.9 * (shapes[:, lower] - shapes[:, upper])
    return shapes
