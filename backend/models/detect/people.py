"""Finds everybody in a photo, one after the other, with a detector that sees one person at a time.

Knows sightings and boxes; turning one of them into a `Person` is `mediapipe_detector`'s.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from backend.models.detect.mediapipe_models import Sighting, find_faces, look
from fleximo.arrays import FloatArray

__all__ = ["find_people", "trunk_px"]

_SHOULDERS, _HIPS = [11, 12], [23, 24]
_HEAD = slice(0, 11)
_MAX_PEOPLE = 5
_SMALL = 0.45  # of the photo's longer side: below it a second look at a crop pays

_Rgb = npt.NDArray[np.uint8]
_Box = tuple[int, int, int, int]  # left, top, right, bottom; half-open


def find_people(rgb: _Rgb) -> list[Sighting]:
    """Everybody worth animating in a picture (H,W,3), from left to right; empty where there is nobody.

    First the most prominent person, then whoever the face detector finds beside him, then whoever is seen once the
    people found so far are painted over.
    """
    first = _first(rgb)
    if first is None:
        return []
    people = [first]
    for face in find_faces(rgb):
        if len(people) < _MAX_PEOPLE and not any(_has_face(person, face) for person in people):
            _add(people, _look_at(rgb, _body_box(face, rgb)), face)
    while len(people) < _MAX_PEOPLE:
        other = look(_painted_over(rgb, people))
        if other is None or not _add(people, other, None):
            break
    return sorted(people, key=lambda person: float(_centre(person)[0]))


def trunk_px(sighting: Sighting) -> float:
    """Mid-shoulder to mid-hip in px."""
    return float(np.linalg.norm(sighting.body_px[_SHOULDERS].mean(axis=0) - sighting.body_px[_HIPS].mean(axis=0)))


def _first(rgb: _Rgb) -> Sighting | None:
    """The most prominent person: at full size, else around a face, else in overlapping tiles."""
    height, width = rgb.shape[:2]
    found = look(rgb)
    if found is None:
        for face in find_faces(rgb):
            found = _look_at(rgb, _body_box(face, rgb))
            if found is not None:
                break
    for box in _tiles(width, height) if found is None else []:
        found = _look_at(rgb, box)
        if found is not None:
            break
    if found is None:
        return None
    return _second_look(rgb, found)


def _second_look(rgb: _Rgb, found: Sighting) -> Sighting:
    """Looks again at a crop around a person who is small in the picture, and keeps the surer of the two."""
    height, width = rgb.shape[:2]
    box = _box_of(found.body_px)
    extent = max(box[2] - box[0], box[3] - box[1])
    if extent >= _SMALL * max(width, height):
        return found
    again = _look_at(rgb, _grown(box, 0.4 * extent, width, height))
    if again is None or np.linalg.norm(_centre(again) - _centre(found)) > trunk_px(found):
        return found
    return again if again.visibility.mean() >= found.visibility.mean() - 0.02 else found


def _look_at(rgb: _Rgb, box: _Box) -> Sighting | None:
    """Looks at a part of the picture; the result is in the whole picture's px."""
    left, top, right, bottom = box
    if min(right - left, bottom - top) < 32:
        return None
    found = look(rgb[top:bottom, left:right])
    if found is None:
        return None
    segmentation = np.zeros(rgb.shape[:2], dtype=np.float32)
    segmentation[top:bottom, left:right] = found.segmentation
    moved = found.moved(1.0, (float(left), float(top)))
    return Sighting(**{**moved.__dict__, "segmentation": segmentation})


def _add(people: list[Sighting], other: Sighting | None, face: FloatArray | None) -> bool:
    """Appends `other` if it is a person of his own, not somebody found already and not a ghost of the painting."""
    if other is None or (face is not None and not _has_face(other, face)):
        return False
    largest = max(trunk_px(person) for person in people)
    near = min(float(np.linalg.norm(_centre(other) - _centre(person))) for person in people)
    sure = float(other.visibility[_SHOULDERS + _HIPS].mean()) > 0.7 or face is not None
    if not sure or trunk_px(other) < 0.2 * largest or near < 0.5 * trunk_px(other):
        return False
    mine = other.segmentation > 0.5
    taken = np.zeros_like(mine)
    for person in people:
        taken |= person.segmentation > 0.5
    if mine.sum() < 0.3 * trunk_px(other) ** 2 or (mine & taken).sum() > 0.5 * mine.sum():
        return False
    people.append(other)
    return True


def _painted_over(rgb: _Rgb, people: list[Sighting]) -> _Rgb:
    """The picture with everybody found so far replaced by the mean colour around him."""
    taken = np.zeros(rgb.shape[:2], dtype=np.uint8)
    for person in people:
        taken |= (person.segmentation > 0.2).astype(np.uint8)
    reach = max(3, round(0.08 * max(trunk_px(person) for person in people)))
    taken = cv2.dilate(taken, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    painted = rgb.copy()
    rest = rgb[taken == 0]
    painted[taken > 0] = rest.mean(axis=0).astype(np.uint8) if len(rest) else 127
    return painted


def _centre(sighting: Sighting) -> FloatArray:
    return np.asarray(sighting.body_px[_SHOULDERS + _HIPS].mean(axis=0))


def _has_face(sighting: Sighting, face: FloatArray) -> bool:
    """Whether a face box belongs to this person: his head points lie in or next to it."""
    head = sighting.body_px[_HEAD].mean(axis=0)
    centre, size = (face[:2] + face[2:]) / 2.0, float((face[2:] - face[:2]).max())
    return float(np.linalg.norm(head - centre)) < 0.8 * size


def _box_of(points_px: FloatArray) -> FloatArray:
    return np.concatenate([points_px.min(axis=0), points_px.max(axis=0)])


def _body_box(face: FloatArray, rgb: _Rgb) -> _Box:
    """Where the body under a face can be: 8 face heights down, 4 to each side."""
    size = float((face[2:] - face[:2]).max())
    middle = float(face[0] + face[2]) / 2.0
    box = np.array([middle - 4.0 * size, face[1] - 1.5 * size, middle + 4.0 * size, face[3] + 8.0 * size])
    return _grown(box, 0.0, rgb.shape[1], rgb.shape[0])


def _grown(box: FloatArray, margin: float, width: int, height: int) -> _Box:
    left, top = np.floor(box[:2] - margin).clip(0, [width, height])
    right, bottom = np.ceil(box[2:] + margin).clip(0, [width, height])
    return int(left), int(top), int(right), int(bottom)


def _tiles(width: int, height: int) -> list[_Box]:
    """Overlapping parts of the picture: halves, then thirds of the longer side."""
    boxes = []
    for parts in (2, 3):
        side = int(np.ceil(max(width, height) / parts * 1.3))
        columns = np.linspace(0, max(width - side, 0), 1 if side >= width else 2 * parts - 1).astype(int)
        rows = np.linspace(0, max(height - side, 0), 1 if side >= height else 2 * parts - 1).astype(int)
        boxes += [(x, y, min(x + side, width), min(y + side, height)) for y in rows for x in columns]
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in boxes]
