"""Key points set by hand -> `Person`: the way that needs no model, only the photo and some named points.

Reads and checks the points; the cut-out is `cutout`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from backend.models.detect import gate
from backend.models.detect.cutout import cut_out, torso_of
from backend.photo import Photo
from fleximo.arrays import BoolArray, FloatArray
from fleximo.bones import measure_bones
from fleximo.errors import FleximoError
from fleximo.layouts import BODY, OPENPOSE_18, WHOLEBODY_128
from fleximo.person import Person

__all__ = ["OPTIONAL_POINTS", "REQUIRED_POINTS", "front_or_back_degrees", "person_from_points", "read_points"]

OPTIONAL_POINTS = ("neck", "right_eye", "left_eye", "right_ear", "left_ear")
REQUIRED_POINTS = tuple(name for name in OPENPOSE_18.names if name not in OPTIONAL_POINTS)
_MAY_BE_ABSENT = tuple(name for name in REQUIRED_POINTS if name.split("_")[-1] in ("elbow", "wrist", "knee", "ankle"))


def read_points(document: Any, photo_size: tuple[int, int]) -> tuple[FloatArray, BoolArray]:
    """Points (18,2) in photo px and which of them (18,) are known, from name -> [x, y] or that under the key "points".

    Left and right are the person's own. The neck is the middle of the shoulders where it is not given; eyes and ears
    may be left out; an elbow, wrist, knee or ankle may be null; a point may lie outside the photo. Raises
    `FleximoError` `invalid_points` that names the point.
    """
    given = _named(document)
    points, known = np.zeros((18, 2)), np.zeros(18, dtype=bool)
    for name, value in given.items():
        place = _place(name, value, photo_size)
        if place is not None:
            points[OPENPOSE_18.index(name)], known[OPENPOSE_18.index(name)] = place, True
    shoulders = [OPENPOSE_18.index("right_shoulder"), OPENPOSE_18.index("left_shoulder")]
    neck = OPENPOSE_18.index("neck")
    if not known[neck]:
        points[neck], known[neck] = points[shoulders].mean(axis=0), True
    if torso_of(points) < 8.0 or float(np.linalg.norm(np.diff(points[shoulders], axis=0))) < 2.0:
        raise _wrong("The shoulders and hips lie on one spot, so that the points span no body.")
    return points, known


def person_from_points(photo: Photo, document: Any, *, stature_m: float = 1.70) -> Person:
    """The person whose points were set by hand, cut out by colour; without depth, hands and face.

    What lies outside the photo counts as absent. Raises `FleximoError` `invalid_points` as `read_points` does.
    """
    points, known = read_points(document, photo.size)
    inside = (points >= 0.0).all(axis=1) & (points <= photo.size).all(axis=1)
    whole, confidence = np.zeros((len(WHOLEBODY_128), 2)), np.zeros(len(WHOLEBODY_128))
    whole[BODY], confidence[BODY] = points, known & inside
    no_depth = np.zeros((18, 3))
    person = Person(
        points_px=whole,
        confidence=confidence,
        photo_size=photo.size,
        mask=cut_out(photo.rgb, points, known),
        body_m=no_depth,
        bone_lengths_m=measure_bones(
            points, confidence[BODY], no_depth, stature_m, photo_size=photo.size, lens_degrees=photo.lens_degrees
        ),
        yaw_degrees=front_or_back_degrees(points),
        stature_m=stature_m,
        lens_degrees=photo.lens_degrees,
    )
    return gate.with_notices(person)


def _named(document: Any) -> Mapping[str, Any]:
    if isinstance(document, Mapping) and isinstance(document.get("points"), Mapping):
        document = document["points"]
    if not isinstance(document, Mapping):
        raise _wrong(f"The points are a {type(document).__name__}; an object of name: [x, y] was expected.")
    unknown = [str(name) for name in document if name not in OPENPOSE_18.names]
    if unknown:
        raise _wrong(f"There is no key point called {unknown[0]!r}; the names are {', '.join(OPENPOSE_18.names)}.")
    missing = [name for name in REQUIRED_POINTS if name not in document]
    if missing:
        raise _wrong(f"The points lack {', '.join(missing)}.")
    return document


def _place(name: str, value: Any, photo_size: tuple[int, int]) -> FloatArray | None:
    """The checked place of one point; None where it is absent."""
    if value is None:
        if name in REQUIRED_POINTS and name not in _MAY_BE_ABSENT:
            raise _wrong(f"The point {name} is null; it is needed. Where it lies outside the photo, estimate it there.")
        return None
    try:
        place = np.array([float(coordinate) for coordinate in value])
    except (TypeError, ValueError):
        place = np.zeros(0)
    if place.shape != (2,) or not np.isfinite(place).all():
        raise _wrong(f"The point {name} is {value!r}; [x, y] in pixels of the photo was expected.")
    width, height = photo_size
    if not (-width <= place[0] <= 2 * width and -height <= place[1] <= 2 * height):
        raise _wrong(f"The point {name} at {place.tolist()} lies far outside the photo of {width}x{height} pixels.")
    return place


def front_or_back_degrees(points_px: FloatArray) -> float:
    """The yaw that OpenPose-18 points (18,2) tell without depth.

    0 for a person seen from the front; 180 where his left shoulder lies on the left of the picture: a back view.
    """
    across = points_px[OPENPOSE_18.index("left_shoulder")] - points_px[OPENPOSE_18.index("right_shoulder")]
    hips = points_px[OPENPOSE_18.index("left_hip")] - points_px[OPENPOSE_18.index("right_hip")]
    return 0.0 if math.copysign(1.0, float(across[0] + hips[0])) > 0.0 else 180.0


def _wrong(message: str) -> FleximoError:
    return FleximoError(message, code="invalid_points", remedy="See docs/photos.md for the points file.")
