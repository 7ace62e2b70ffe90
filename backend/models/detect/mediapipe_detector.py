"""MediaPipe's landmarks -> `Person`: 128 named points, mask, 3D body, facing direction.

The way that needs no download: the models lie inside MediaPipe's wheel. Knows nothing of canvas and motion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from backend.models.detect import gate
from backend.models.detect.chosen import choose_person
from backend.models.detect.cutout import cut_out, share_of, torso_of
from backend.models.detect.face_points import FACE_68_OF_MESH, LEFT_EYE_68, NOSE_TIP_68, RIGHT_EYE_68
from backend.models.detect.joint_centres import LANDMARKS, hip_lift, joint_centres
from backend.models.detect.mediapipe_models import Sighting
from backend.models.detect.outline import Plane, Rgb, box_around, refine_mask
from backend.models.detect.people import find_people
from backend.photo import Photo
from fleximo.arrays import BoolArray, FloatArray
from fleximo.bones import SEEN, measure_bones
from fleximo.layouts import BODY, FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND, WHOLEBODY_128
from fleximo.person import Person

__all__ = ["detect_person", "named_points", "yaw_of"]

_WORK_PX = 1280  # longer side of the picture that is looked at; MediaPipe's own inputs are 256 px crops
_FACE_UNSEEN_DEGREES = 100.0
# Measured: elbows and knees in sight score 0.65 to 1, those behind furniture 0.3 to 0.45; a wrist alone in a pocket
# scores as low and is well placed all the same.
_HIDDEN = 0.5
_CENTRE = [0, 11, 12, 23, 24, 25, 26]  # BlazePose: nose, shoulders, hips, knees
_LIMBS = [
    [OPENPOSE_18.index(f"{side}_{joint}") for joint in limb]
    for side in ("left", "right")
    for limb in (("elbow", "wrist"), ("knee", "ankle"))
]


def detect_person(photo: Photo, *, choose: int | Sequence[float] | None = None, stature_m: float = 1.70) -> Person:
    """The person of a photo; of several the one that `choose` names (index from the left, or a point x, y).

    Raises `FleximoError` `no_person` where nobody is found, `no_body` for a face alone, `no_such_person` for a wrong
    index, `detector_unavailable` where MediaPipe cannot run.
    """
    width, height = photo.size
    work = _work_picture(photo)
    to_photo = np.array([width / work.shape[1], height / work.shape[0]])
    people = find_people(work)
    if not people:
        raise gate.no_person()
    trunks = [person.body_px[_CENTRE] * to_photo for person in people]
    areas = [float((person.segmentation > 0.5).sum()) for person in people]
    chosen, why = choose_person(trunks, areas, photo.size, choose)
    points, confidence, body_m = named_points(people[chosen])
    if (confidence[_columns("left_shoulder", "right_shoulder", "left_hip", "right_hip")] < SEEN).all():
        raise gate.no_body()
    person = Person(
        points_px=points * to_photo,
        confidence=confidence,
        photo_size=photo.size,
        mask=_mask(work, people, chosen, photo.size),
        body_m=body_m,
        bone_lengths_m=measure_bones(
            (points * to_photo)[BODY],
            confidence[BODY],
            body_m,
            stature_m,
            photo_size=photo.size,
            lens_degrees=photo.lens_degrees,
        ),
        yaw_degrees=yaw_of(body_m),
        stature_m=stature_m,
        lens_degrees=photo.lens_degrees,
    )
    return gate.with_notices(person, len(people), chosen, why)


def _work_picture(photo: Photo) -> Rgb:
    """The photo, scaled down where it is large: MediaPipe looks at crops of 256 px anyway."""
    scale = _WORK_PX / max(photo.size)
    if scale >= 1.0:
        return photo.rgb
    size = (max(1, round(photo.size[0] * scale)), max(1, round(photo.size[1] * scale)))
    return np.asarray(cv2.resize(photo.rgb, size, interpolation=cv2.INTER_AREA))


def _mask(work: Rgb, people: list[Sighting], chosen: int, photo_size: tuple[int, int]) -> BoolArray:
    """(H,W) of the photo: the chosen person's outline."""
    named = [named_points(person) for person in people]
    body, confidence = named[chosen][0][BODY], named[chosen][1]
    others = [(people[i].segmentation, named[i][0][BODY]) for i in range(len(people)) if i != chosen]
    soft = share_of(people[chosen].segmentation, body, others)
    hands = tuple(named[chosen][0][hand] for hand in (LEFT_HAND, RIGHT_HAND) if confidence[hand].max() > 0.0)
    mask = refine_mask(work, soft, torso_of(body), hands)
    if _reaches_beyond(people[chosen].segmentation, body, confidence[BODY]):
        mask |= cut_out(work, body, confidence[BODY] >= SEEN)
    if mask.shape == (photo_size[1], photo_size[0]):
        return mask
    return np.asarray(cv2.resize(mask.astype(np.uint8) * 255, photo_size, interpolation=cv2.INTER_CUBIC) > 127)


def _reaches_beyond(segmentation: Plane, body_px: FloatArray, confidence: FloatArray) -> bool:
    """Whether a visible limb leaves the square that MediaPipe segmented; outside it the segmentation is exactly 0."""
    rows, columns = box_around(segmentation > 0.0, margin=0)
    first, last = np.array([columns.start, rows.start]), np.array([columns.stop, rows.stop])
    for side in ("left", "right"):
        for inner, outer in (("elbow", "wrist"), ("knee", "ankle")):
            start, stop = _columns(f"{side}_{inner}", f"{side}_{outer}")
            tip = body_px[stop] + 0.12 * (body_px[stop] - body_px[start])  # into the hand or shoe
            in_picture = (tip >= 0).all() and (tip < segmentation.shape[::-1]).all()
            if confidence[stop] > 0.5 and in_picture and ((tip < first) | (tip >= last)).any():
                return True
    return False


def named_points(sighting: Sighting) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points (128,2) px of the picture, confidence (128,), 0 outside the picture, and body (18,3) m of one sighting."""
    points, confidence = np.zeros((len(WHOLEBODY_128), 2)), np.zeros(len(WHOLEBODY_128))
    lift = hip_lift(sighting.body_px, sighting.segmentation)
    points[BODY] = joint_centres(sighting.body_px, lift)
    body_m = joint_centres(sighting.world_m, lift) * [1.0, -1.0, -1.0]
    body_m -= body_m[_columns("left_hip", "right_hip")].mean(axis=0)
    for name, landmark in LANDMARKS.items():
        confidence[OPENPOSE_18.index(name)] = sighting.visibility[landmark]
    confidence[OPENPOSE_18.index("neck")] = confidence[_columns("right_shoulder", "left_shoulder")].min()
    if abs(yaw_of(body_m)) > _FACE_UNSEEN_DEGREES:
        confidence[_columns("left_eye", "right_eye")] = 0.0  # MediaPipe calls them visible through the head
    elif sighting.face_px is not None:
        points[FACE] = sighting.face_px[FACE_68_OF_MESH]
        confidence[FACE] = confidence[OPENPOSE_18.index("nose")]
        _take_nose_and_eyes(points)
    hands = (("left", sighting.left_hand_px, LEFT_HAND), ("right", sighting.right_hand_px, RIGHT_HAND))
    for side, hand, columns in hands:
        wrist, elbow = _columns(f"{side}_wrist", f"{side}_elbow")
        if hand is not None and _hand_fits(hand, points[wrist], points[elbow]):
            points[columns], confidence[columns] = hand, confidence[wrist]
    for limb in _LIMBS:
        if (confidence[limb] < _HIDDEN).all():
            confidence[limb] = 0.0
    height, width = sighting.segmentation.shape
    confidence[(points < 0.0).any(axis=1) | (points > [width, height]).any(axis=1)] = 0.0
    return points, confidence.clip(0.0, 1.0), body_m


def _take_nose_and_eyes(points: FloatArray) -> None:
    """Moves nose and eyes onto the face found, whose mesh is several times as exact, if it is this person's."""
    nose, eyes = OPENPOSE_18.index("nose"), _columns("right_eye", "left_eye")
    face = points[FACE]
    sighted = points[[nose, *eyes]]
    found = np.stack([face[NOSE_TIP_68], face[RIGHT_EYE_68].mean(axis=0), face[LEFT_EYE_68].mean(axis=0)])
    size = float(np.linalg.norm(face.max(axis=0) - face.min(axis=0)))
    if np.linalg.norm(found - sighted, axis=1).max() < 0.2 * size:
        points[[nose, *eyes]] = found


def yaw_of(body_m: FloatArray) -> float:
    """Degrees by which the trunk is turned from the camera: positive = front to the picture's right, +-180 = back view.

    `body_m` (18,3) in the axes of `Person.body_m`. The front is left x up of the trunk itself, so that somebody lying
    or upside down is not taken for a back view.
    """
    left_shoulder, right_shoulder, left_hip, right_hip = body_m[
        _columns("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    ]
    left = left_shoulder - right_shoulder + left_hip - right_hip
    up = left_shoulder + right_shoulder - left_hip - right_hip
    front = np.cross(left, up)
    return math.degrees(math.atan2(front[0], front[2]))


def _columns(*names: str) -> list[int]:
    return [OPENPOSE_18.index(name) for name in names]


def _hand_fits(hand_px: FloatArray, wrist_px: FloatArray, elbow_px: FloatArray) -> bool:
    """Whether the hand found hangs on this wrist: MediaPipe sometimes returns the other hand or a cuff."""
    reach = float(np.linalg.norm(hand_px - hand_px[0], axis=1).max())
    forearm = float(np.linalg.norm(wrist_px - elbow_px))
    return float(np.linalg.norm(hand_px[0] - wrist_px)) < 0.6 * max(reach, 0.4 * forearm)
