"""The canvas and the camera of a photo: which part of it is shown, and from where it was taken.

Owns the priors of a photograph (lens, height and tilt of the camera). Knows no motion; the world's origin is the
place on the floor where the person stands in the photo.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.bones import SEEN, PhotoView, bone_ratios, places_m, rig_bones
from fleximo.camera import Camera, Framing
from fleximo.errors import FleximoError
from fleximo.layouts import OPENPOSE_18
from fleximo.person import Person
from fleximo.rig import DEFAULT_RIG

__all__ = ["FRAMINGS", "fit_camera", "floor_points", "frame_photo", "legs_in_frame", "with_stature"]

FRAMINGS = ("person", "centre")
_CAMERA_HEIGHT = 0.72  # of the stature: people photograph people from the chest and tilt the camera to centre them
_MOST_TILT_DEGREES = 12.0  # beyond it the height gives way, for a photo tilted further shows it in ways we do not read
_WIDE = 1.2  # width over height from which on a photo is wide; people are upright
_RAISED_M = 0.06  # a foot so much higher than the other does not tell the floor
_MARGIN = 0.03  # of the person's height, kept free around him
_CUT = 0.2  # of the person's height along an edge of the photo: more than a hand leaves the picture there
_REACH = 0.5  # of the person's box height, to either side of his middle: room for raised arms where the photo has it


def frame_photo(
    photo_size: tuple[int, int],
    canvas_size: tuple[int, int] | None = None,
    person: Person | None = None,
    *,
    mode: str = "person",
) -> Framing:
    """How the photo lies on the canvas.

    Without `canvas_size`, 1024x576 for a wide photo and 576x1024 for one that is upright or nearly square. Mode
    "person" fills the canvas with the photo as far as the whole person stays inside (without a person: the whole
    photo) and leaves the rest of the canvas beyond the photo's edges: on both sides alike, or all opposite to the edge
    that cuts the person off. "centre" always fills it and cuts around the middle, as the paper does.

    >>> frame_photo((1152, 2048))
    Framing(photo_size=(1152, 2048), canvas_size=(576, 1024), scale=0.5, offset=(0.0, 0.0))
    """
    if mode not in FRAMINGS:
        raise FleximoError(f"The framing {mode!r} is not known; {' or '.join(FRAMINGS)} was expected.")
    photo = np.array(photo_size, dtype=np.float64)
    if canvas_size is None:
        canvas_size = (1024, 576) if photo[0] > _WIDE * photo[1] else (576, 1024)
    canvas = np.array(canvas_size, dtype=np.float64)
    if photo.min() < 1 or canvas.min() < 1:
        raise FleximoError(f"A photo of {photo_size} px cannot be laid on a canvas of {canvas_size} px.")
    scale = float((canvas / photo).max())
    low, high = np.zeros(2), photo
    if mode == "person":
        if person is not None:
            low, high = _person_box(person)
        scale = min(scale, float((canvas / (high - low)).min()))
    offset = (canvas - scale * photo) / 2.0
    if mode == "person":
        offset = _around_person(offset, scale, photo, canvas, (low, high))
        if person is not None:
            # Cut off by the photo is cut off by the picture, not hanging in mid-air.
            offset = np.where(offset > 0.0, offset * (1.0 + _cut_off(person, high[1])), offset)
    return Framing(
        (int(photo_size[0]), int(photo_size[1])),
        (int(canvas_size[0]), int(canvas_size[1])),
        scale,
        (float(offset[0]), float(offset[1])),
    )


def _around_person(
    offset: FloatArray, scale: float, photo: FloatArray, canvas: FloatArray, box: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """`offset` (2,) with a photo that is larger than the canvas slid to show the person, but not beyond its edges."""
    low, high = box[0].copy(), box[1].copy()
    reach = _REACH * (high[1] - low[1])
    middle = (low[0] + high[0]) / 2.0
    low[0], high[0] = min(low[0], middle - reach), max(high[0], middle + reach)
    if scale * (high[0] - low[0]) > canvas[0]:  # no room for the arms on both sides: the person in the middle
        low[0], high[0] = middle - canvas[0] / scale / 2.0, middle + canvas[0] / scale / 2.0
    slid = np.minimum(np.maximum(offset, -scale * low), canvas - scale * high)
    # The wish for room ends at the photo's edges; the person's own box fits by the choice of the scale.
    slid = np.minimum(np.maximum(slid, canvas - scale * photo), 0.0)
    return np.where(scale * photo > canvas, slid, offset) + 0.0


def _cut_off(person: Person, lowest: float) -> FloatArray:
    """(2,) which edge of the photo cuts the person off: -1 left, +1 right or below, 0 none or both."""
    tall = _CUT * max(1, int(person.mask.any(axis=1).sum()))
    left, right = (float(person.mask[:, column].sum() > tall) for column in (0, -1))
    below = not legs_in_frame(person) and lowest >= person.photo_size[1] - 0.5
    return np.array([right - left, float(below)])


def _person_box(person: Person) -> tuple[FloatArray, FloatArray]:
    """The person's box in photo px, with a margin, within the photo."""
    rows, columns = np.flatnonzero(person.mask.any(axis=1)), np.flatnonzero(person.mask.any(axis=0))
    points = person.points_px[person.confidence >= SEEN].astype(np.float64)
    if rows.size:
        points = np.concatenate((points, [[columns[0], rows[0]], [columns[-1] + 1.0, rows[-1] + 1.0]]))
    if len(points) == 0:
        return np.zeros(2), np.array(person.photo_size, dtype=np.float64)
    margin = _MARGIN * float(np.ptp(points, axis=0).max())
    low = np.maximum(points.min(axis=0) - margin, 0.0)
    high = np.minimum(points.max(axis=0) + margin, person.photo_size)
    return low, np.maximum(high, low + 1.0)


def legs_in_frame(person: Person) -> bool:
    """Whether an ankle is seen, so that the floor is known; otherwise only the upper body can move."""
    names = OPENPOSE_18.index("left_ankle"), OPENPOSE_18.index("right_ankle")
    return bool(max(person.body_confidence[name] for name in names) >= SEEN)


def with_stature(person: Person, stature_m: float) -> Person:
    """The same person at another height: all bone lengths grow in proportion."""
    if not 0.3 <= stature_m <= 3.0:
        raise FleximoError(f"The stature {stature_m:g} m is not a person's; 0.3 to 3 m were expected.")
    factor = stature_m / person.stature_m
    lengths = {name: length * factor for name, length in person.bone_lengths_m.items()}
    return replace(person, stature_m=stature_m, bone_lengths_m=lengths)


def fit_camera(
    person: Person,
    framing: Framing,
    *,
    lens_degrees: float | None = None,
    stature_m: float | None = None,
    height_m: float | None = None,
    pitch_degrees: float | None = None,
) -> Camera:
    """The camera that took the photo, on the canvas of `framing`.

    The lens is `lens_degrees` (angle of view of the photo's longer side), else the photo's own from EXIF, else 35
    degrees. Distance follows from the bone lengths (at `stature_m`, if given); `height_m` of the camera over the
    floor and its tilt `pitch_degrees` (positive looks down) from each other, or from the habit of photographers. The
    camera looks along -Z without roll; the person's place on the floor is the world's origin. Where no foot is seen
    the hips are put at the height at which the legs would carry them.
    """
    view = PhotoView.of(person.photo_size, person.lens_degrees if lens_degrees is None else lens_degrees)
    _check_given(height_m, pitch_degrees)
    if stature_m is not None:
        person = with_stature(person, stature_m)
    ground, support_m = _support(person, view)
    wanted = _CAMERA_HEIGHT * person.stature_m if height_m is None else height_m
    if pitch_degrees is None:
        # cos p * y + sin p * z = height of the camera over the point seen at (y, z)
        distance = math.hypot(ground[1], ground[2])
        sine = (wanted - support_m) / distance
        if abs(sine) >= 1.0:
            raise FleximoError(
                f"A camera {wanted:.2f} m high cannot see the person {distance:.2f} m away.",
                remedy="Give a lower height, or the tilt alone.",
            )
        pitch = math.asin(sine) - math.atan2(ground[1], ground[2])
        if height_m is None:
            pitch = min(max(pitch, -math.radians(_MOST_TILT_DEGREES)), math.radians(_MOST_TILT_DEGREES))
    else:
        pitch = math.radians(pitch_degrees)
    c, s = math.cos(pitch), math.sin(pitch)
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = [[1.0, 0.0, 0.0], [0.0, -c, s], [0.0, -s, -c]]
    world_to_camera[:3, 3] = ground - world_to_camera[:3, :3] @ np.array([0.0, support_m, 0.0])
    if height_m is not None and pitch_degrees is not None:
        world_to_camera[:3, 3] = _at_height(world_to_camera, ground, support_m, height_m)
    focal = view.focal_px * framing.scale
    centre = framing.to_canvas(view.centre_px)
    K = np.array([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])
    return Camera(K, world_to_camera, framing.canvas_size)


def _check_given(height_m: float | None, pitch_degrees: float | None) -> None:
    if height_m is not None and not 0.0 < height_m <= 100.0:
        raise FleximoError(f"The camera's height {height_m:g} m is out of reach; above 0 to 100 m were expected.")
    if pitch_degrees is not None and not -85.0 <= pitch_degrees <= 85.0:
        raise FleximoError(f"The camera's tilt {pitch_degrees:g} degrees is too steep; -85 to 85 were expected.")


def floor_points(camera: Camera, points_px: FloatArray, height_m: FloatArray) -> FloatArray:
    """Where the rays through canvas pixels (N,2) meet the levels y = `height_m` (N,): (N,3) m, NaN if they do not.

    `camera` is taken as it stands in its first frame.
    """
    rotation, shift = camera.world_to_camera[0, :3, :3], camera.world_to_camera[0, :3, 3]
    place = -rotation.T @ shift
    rays = np.concatenate((points_px, np.ones((len(points_px), 1))), axis=1) @ np.linalg.inv(camera.K).T @ rotation
    sunk = np.minimum(rays[:, 1], -1e-9)
    reach = np.where(rays[:, 1] < -1e-6, (np.asarray(height_m) - place[1]) / sunk, np.nan)
    return np.asarray(place + rays * np.where(reach > 0.0, reach, np.nan)[:, None])


def _at_height(world_to_camera: FloatArray, ground: FloatArray, support_m: float, height_m: float) -> FloatArray:
    """The camera's shift when both tilt and height are given: the distance along the ray gives way."""
    rotation = world_to_camera[:3, :3]
    ray = rotation.T @ ground
    if ray[1] >= -1e-6 or height_m <= support_m:
        raise FleximoError(
            "A camera of this height and tilt does not see the person's feet below it.",
            remedy="Give only the height or only the tilt.",
        )
    reach = (height_m - support_m) / -ray[1]
    return np.asarray(ground * reach - rotation @ np.array([0.0, support_m, 0.0]))


def _support(person: Person, view: PhotoView) -> tuple[FloatArray, float]:
    """What stands on the floor: a point (3,) m in the camera's axes, and its height in m over the floor."""
    lengths = _all_lengths(person)
    places, _ = places_m(person.body_px, person.body_confidence, person.body_m, lengths, view)
    own = rig_bones(DEFAULT_RIG)
    leg = lengths["thigh"] + lengths["shin"]
    ankle_m = -DEFAULT_RIG.landmarks["left_heel"][1][1] * lengths["foot"] / own["foot"]

    def seen(*names: str) -> list[int]:
        columns = [OPENPOSE_18.index(name) for name in names]
        return [column for column in columns if person.body_confidence[column] >= SEEN]

    if legs_in_frame(person):
        feet = places[seen("left_ankle", "right_ankle")]
        low = feet[:, 1] > feet[:, 1].max() - _RAISED_M
        return np.asarray(feet[low].mean(axis=0)), float(ankle_m)
    hips = seen("left_hip", "right_hip")
    if len(hips) == 2:
        return np.asarray(places[hips].mean(axis=0)), float(ankle_m + leg)
    shoulders = seen("left_shoulder", "right_shoulder", "neck")
    if not shoulders:
        raise FleximoError("The photo shows neither feet, hips nor shoulders, so the person's place is not known.")
    return np.asarray(places[shoulders].mean(axis=0)), float(ankle_m + leg + lengths["torso"])


def _all_lengths(person: Person) -> dict[str, float]:
    """The person's bone lengths; the body ratios for what he lacks."""
    return {name: ratio * person.stature_m for name, ratio in bone_ratios().items()} | dict(person.bone_lengths_m)
