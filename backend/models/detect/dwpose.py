"""DWPose's key points -> `Person`: 128 named points of better hands and face than MediaPipe's, of several people.

DWPose tells no depth and no outline. Both are MediaPipe's where that sees the same person; otherwise the person is cut
out by colour and counts as seen from the front or from behind. Knows nothing of canvas and motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.models.detect import gate
from backend.models.detect.chosen import choose_person
from backend.models.detect.cutout import cut_out, share_of, torso_of
from backend.models.detect.dwpose_models import look
from backend.models.detect.manual import front_or_back_degrees
from backend.models.detect.mediapipe_detector import detect_person as detect_with_mediapipe
from backend.photo import Photo
from fleximo.arrays import BoolArray, FloatArray
from fleximo.bones import SEEN, measure_bones
from fleximo.errors import FleximoError
from fleximo.layouts import BODY, OPENPOSE_18
from fleximo.person import Person

__all__ = ["detect_person"]

_SAME_PERSON = 0.35  # torsos; DWPose's and MediaPipe's shoulders and hips of one person lie nearer than this
_TRUNK = [OPENPOSE_18.index(name) for name in ("right_shoulder", "left_shoulder", "right_hip", "left_hip")]
_MIN_POINTS = 4  # body points; noise in a picture without a person reaches fewer


@dataclass(frozen=True, eq=False)
class _Candidate:
    points_px: FloatArray  # (128,2)
    confidence: FloatArray  # (128,) 0..1
    area: float  # px of the detector's box

    @property
    def body(self) -> FloatArray:
        """The body points that are seen."""
        return np.asarray(self.points_px[BODY][self.confidence[BODY] > SEEN])


def detect_person(photo: Photo, *, choose: int | Sequence[float] | None = None, stature_m: float = 1.70) -> Person:
    """The person of a photo; of several the one that `choose` names (index from the left, or a point x, y).

    Raises `FleximoError` `no_person` where nobody is found, `no_body` for a face alone, `no_such_person` for a wrong
    index, and what loading the networks raises.
    """
    people = _people(photo)
    if not people:
        raise gate.no_person()
    chosen, why = choose_person([one.body for one in people], [one.area for one in people], photo.size, choose)
    me = people[chosen]
    if (me.confidence[_TRUNK] < SEEN).all():
        raise gate.no_body()
    body, confidence = me.points_px[BODY], me.confidence[BODY]
    seen_in_3d = _seen_by_mediapipe(photo, body, confidence, stature_m)
    if seen_in_3d is None:
        body_m, yaw, mask = np.zeros((18, 3)), front_or_back_degrees(body), _mask(photo, people, chosen)
    else:
        body_m, yaw, mask = seen_in_3d.body_m, seen_in_3d.yaw_degrees, seen_in_3d.mask
    person = Person(
        points_px=me.points_px,
        confidence=me.confidence,
        photo_size=photo.size,
        mask=mask,
        body_m=body_m,
        bone_lengths_m=measure_bones(
            body, confidence, body_m, stature_m, photo_size=photo.size, lens_degrees=photo.lens_degrees
        ),
        yaw_degrees=yaw,
        stature_m=stature_m,
        lens_degrees=photo.lens_degrees,
    )
    return gate.with_notices(person, len(people), chosen, why)


def _people(photo: Photo) -> list[_Candidate]:
    """Everybody with a body, from left to right; what lies outside the photo is absent."""
    seen = look(photo.rgb)
    corners = seen.boxes.corners_px if len(seen.boxes.scores) else np.array([[0.0, 0.0, *photo.size]])
    found = []
    for points, scores, (left, top, right, bottom) in zip(seen.points_px, seen.scores, corners):
        inside = (points >= 0.0).all(axis=1) & (points <= photo.size).all(axis=1)
        one = _Candidate(points, np.where(inside, scores.clip(0.0, 1.0), 0.0), (right - left) * (bottom - top))
        if len(one.body) >= _MIN_POINTS:
            found.append(one)
    return sorted(found, key=lambda one: float(one.body[:, 0].mean()))


def _seen_by_mediapipe(photo: Photo, body: FloatArray, confidence: FloatArray, stature_m: float) -> Person | None:
    """The same person as MediaPipe sees him, if it does."""
    shown = [point for point in _TRUNK if confidence[point] > SEEN]
    try:
        other = detect_with_mediapipe(photo, choose=body[shown].mean(axis=0).tolist(), stature_m=stature_m)
    except FleximoError:  # nobody found, or MediaPipe cannot run here: the way without it is below
        return None
    apart = np.linalg.norm(other.body_px[shown] - body[shown], axis=1)
    return other if apart.max() < _SAME_PERSON * torso_of(body) else None


def _mask(photo: Photo, people: list[_Candidate], chosen: int) -> BoolArray:
    """(H,W) the chosen person cut out by colour, less what lies nearer to somebody else."""

    def cut(one: _Candidate) -> BoolArray:
        return cut_out(photo.rgb, one.points_px[BODY], one.confidence[BODY] > SEEN)

    mask = cut(people[chosen])
    if len(people) == 1:
        return mask
    others = [(cut(one).astype(np.float32), one.points_px[BODY]) for n, one in enumerate(people) if n != chosen]
    return share_of(mask.astype(np.float32), people[chosen].points_px[BODY], others) > 0.5
