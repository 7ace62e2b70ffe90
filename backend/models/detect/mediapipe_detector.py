"""MediaPipe's landmarks -> `Person`: 128 named points, mask, 3D body, facing direction.

The way that needs no download: the models lie inside MediaPipe's wheel. Knows nothing of canvas and motion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from backend.models.detect import cutout, gate
from backend.models.detect.face_points import FACE_68_OF_MESH
from backend.models.detect.mediapipe_models import Sighting
from backend.models.detect.people import find_people
from backend.photo import Photo
from fleximo.arrays import BoolArray, FloatArray
from fleximo.errors import FleximoError
from fleximo.layouts import FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND, WHOLEBODY_128
from fleximo.person import Person

__all__ = ["detect_person", "yaw_of"]

_WORK_PX = 1280  # longer side of the picture that is looked at; MediaPipe's own inputs are 256 px crops
_BLAZEPOSE = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8, "left_shoulder": 11, "right_shoulder": 12,
    "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16, "left_hip": 23, "right_hip": 24,
    "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
}  # fmt: skip


def detect_person(photo: Photo, *, choose: int | Sequence[float] | None = None, stature_m: float = 1.70) -> Person:
    """The person of a photo; of several the one that `choose` names (index from the left, or a point x, y).

    Raises `FleximoError` `no_person` where nobody is found, `detector_unavailable` where MediaPipe cannot run.
    """
    width, height = photo.size
    scale = min(1.0, _WORK_PX / max(width, height))
    work = photo.rgb
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        work = cv2.resize(photo.rgb, size, interpolation=cv2.INTER_AREA)
    people = find_people(work)
    if not people:
        raise gate.no_person()
    to_photo = np.array([width / work.shape[1], height / work.shape[0]])
    chosen = _choose(people, choose, to_photo)
    others = [person for person in people if person is not people[chosen]]
    mask = cutout.refine_mask(work, cutout.share_of(people[chosen].segmentation, people[chosen].body_px,
                              [(other.segmentation, other.body_px) for other in others]))  # fmt: skip
    if scale < 1.0:
        mask = cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_CUBIC) > 127
    person = person_from_sighting(people[chosen], mask, to_photo, photo, stature_m)
    crowd = gate.several_people(len(people), chosen) if others else ()
    return replace(person, notices=(*crowd, *gate.notices_for(person)))


def person_from_sighting(
    sighting: Sighting, mask: BoolArray, to_photo: FloatArray, photo: Photo, stature_m: float
) -> Person:
    """A sighting in the px of a smaller picture -> a `Person` without notices; photo px = picture px * `to_photo`."""
    points, confidence = np.zeros((len(WHOLEBODY_128), 2)), np.zeros(len(WHOLEBODY_128))
    body_m = np.zeros((18, 3))
    for i, name in enumerate(OPENPOSE_18.names):
        if name != "neck":
            points[i] = sighting.body_px[_BLAZEPOSE[name]]
            confidence[i] = sighting.visibility[_BLAZEPOSE[name]]
            body_m[i] = sighting.world_m[_BLAZEPOSE[name]] * [1.0, -1.0, -1.0]
    neck, shoulders = OPENPOSE_18.index("neck"), _columns("right_shoulder", "left_shoulder")
    points[neck], body_m[neck] = points[shoulders].mean(axis=0), body_m[shoulders].mean(axis=0)
    confidence[neck] = confidence[shoulders].min()
    yaw = yaw_of(body_m)
    if sighting.face_px is not None and abs(yaw) < 100.0:
        points[FACE] = sighting.face_px[FACE_68_OF_MESH]
        confidence[FACE] = confidence[0]
    for side, hand, columns in (
        ("left", sighting.left_hand_px, LEFT_HAND),
        ("right", sighting.right_hand_px, RIGHT_HAND),
    ):
        wrist = OPENPOSE_18.index(f"{side}_wrist")
        if hand is not None and _hand_fits(hand, points[wrist], points[OPENPOSE_18.index(f"{side}_elbow")]):
            points[columns] = hand
            confidence[columns] = confidence[wrist]
    points = points * to_photo
    outside = (points < 0.0).any(axis=1) | (points > photo.size).any(axis=1)
    return Person(
        points_px=points,
        confidence=np.where(outside, 0.0, confidence).clip(0.0, 1.0),
        photo_size=photo.size,
        mask=mask,
        body_m=body_m,
        yaw_degrees=yaw,
        stature_m=stature_m,
        lens_degrees=photo.lens_degrees,
    )


def yaw_of(body_m: FloatArray) -> float:
    """Degrees by which the trunk is turned from the camera: positive = front to the picture's right, +-180 = back view.

    `body_m` (18,3) in the axes of `Person.body_m`. The front is left x up of the line through shoulders and hips.
    """
    across = body_m[_columns("left_shoulder", "left_hip")] - body_m[_columns("right_shoulder", "right_hip")]
    x, z = across[:, 0].sum(), across[:, 2].sum()
    return math.degrees(math.atan2(-z, x))


def _columns(*names: str) -> list[int]:
    return [OPENPOSE_18.index(name) for name in names]


def _hand_fits(hand_px: FloatArray, wrist_px: FloatArray, elbow_px: FloatArray) -> bool:
    """Whether the hand found hangs on this wrist: MediaPipe sometimes returns the other hand or a cuff."""
    reach = float(np.linalg.norm(hand_px - hand_px[0], axis=1).max())
    forearm = float(np.linalg.norm(wrist_px - elbow_px))
    return float(np.linalg.norm(hand_px[0] - wrist_px)) < 0.6 * max(reach, 0.4 * forearm)


def _choose(people: list[Sighting], choose: int | Sequence[float] | None, to_photo: FloatArray) -> int:
    """The place in the list, from the left, of the person who was asked for; by default the largest."""
    if choose is None:
        return int(np.argmax([(person.segmentation > 0.5).sum() for person in people]))
    if isinstance(choose, int):
        if not 0 <= choose < len(people):
            raise FleximoError(
                f"Person {choose} was chosen, but {len(people)} were found; they are numbered from the left, from 0.",
                code="no_such_person",
            )
        return choose
    point = np.asarray(choose, dtype=float)
    if point.shape != (2,) or not np.isfinite(point).all():
        raise FleximoError(f"A person is chosen by a number or by a point x, y in photo pixels, not by {choose!r}.")
    centres = [person.body_px[[0, 11, 12, 23, 24, 25, 26]] * to_photo for person in people]
    return int(np.argmin([np.linalg.norm(points - point, axis=1).min() for points in centres]))
