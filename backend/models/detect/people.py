"""Finds everybody in a photo, one after the other, with a detector that sees one person at a time.

Knows sightings and boxes; turning one of them into a `Person` is `mediapipe_detector`'s.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.models.detect.mediapipe_models import Sighting, find_faces, look
from backend.models.detect.outline import Rgb
from fleximo.arrays import FloatArray

__all__ = ["find_people", "trunk_px"]

_SHOULDERS, _HIPS = [11, 12], [23, 24]
_HEAD = slice(0, 11)
_MAX_PEOPLE = 8
_SMALL = 0.45  # of the photo's longer side: below it a second look at a crop pays

_Box = tuple[int, int, int, int]  # left, top, right, bottom; half-open


def find_people(rgb: Rgb) -> list[Sighting]:
    """Everybody worth animating in a picture (H,W,3), from left to right; empty where there is nobody.

    Where the face detector finds several faces, each person is looked at without the others' faces, for MediaPipe
    melts people who stand close into one. Then whoever is seen once those found so far are painted over is added.
    """
    faces = _all_faces(rgb)
    people: list[Sighting] = []
    if len(faces) > 1:
        for i, face in enumerate(faces[:_MAX_PEOPLE]):
            found = _look_at(rgb, _body_box(face, np.delete(faces, i, axis=0), rgb))
            if found is not None and _has_face(found, face):
                _add(people, _second_look(rgb, found), has_face=True)
    if not people:
        first = _first(rgb, faces)
        if first is None:
            return []
        people.append(first)
    while len(people) < _MAX_PEOPLE:
        other = look(_painted_over(rgb, people))
        if other is None or not _add(people, _second_look(rgb, other), has_face=False):
            break
    return sorted(people, key=lambda person: float(_centre(person)[0]))


def trunk_px(sighting: Sighting) -> float:
    """Mid-shoulder to mid-hip in px."""
    return float(np.linalg.norm(sighting.body_px[_SHOULDERS].mean(axis=0) - sighting.body_px[_HIPS].mean(axis=0)))


def _all_faces(rgb: Rgb) -> FloatArray:
    """(N,4) the faces of a picture; of a wide one, where people stand side by side, searched square by square."""
    height, width = rgb.shape[:2]
    faces = find_faces(rgb)
    if width < 1.5 * height or height < 64:
        return faces
    for left in np.linspace(0, width - height, round(2 * width / height)).astype(int):
        for face in find_faces(rgb[:, left : left + height]) + [left, 0, left, 0]:
            middles = (faces[:, :2] + faces[:, 2:] - face[:2] - face[2:]) / 2.0
            cut = face[0] < left + 2 or face[2] > left + height - 2
            if not cut and not (np.abs(middles).max(axis=1) < 0.5 * (face[2:] - face[:2]).max()).any():
                faces = np.vstack([faces, face])
    return faces


def _first(rgb: Rgb, faces: FloatArray) -> Sighting | None:
    """The most prominent person: at full size, else around a face, else in overlapping tiles."""
    height, width = rgb.shape[:2]
    found = look(rgb)
    if found is not None:
        box = _box_of(found.body_px)
        small = (box[2:] - box[:2]).max() < _SMALL * max(width, height)
        return _second_look(rgb, found) if small else found
    for box in (*(_body_box(face, faces[:0], rgb) for face in faces), *_tiles(width, height)):
        found = _look_at(rgb, box)
        if found is not None and _is_sure(found):
            return _second_look(rgb, found)
    return None


def _is_sure(sighting: Sighting) -> bool:
    """Whether a body was seen where none was expected: in a tile or beside somebody, noise can look like one."""
    return trunk_px(sighting) > 12.0 and float(sighting.visibility[_SHOULDERS + _HIPS].mean()) > 0.7


def _second_look(rgb: Rgb, found: Sighting) -> Sighting:
    """Looks again at a crop that holds the whole body found, and takes it if it is the same person, as surely seen."""
    height, width = rgb.shape[:2]
    box = _box_of(found.body_px)
    again = _look_at(rgb, _grown(box, 0.25 * float((box[2:] - box[:2]).max()), width, height))
    if again is None or again.visibility.mean() < found.visibility.mean() - 0.03:
        return found
    apart = np.linalg.norm(again.body_px - found.body_px, axis=1)[_SHOULDERS + _HIPS]
    return again if apart.max() < 0.3 * trunk_px(found) else found


def _look_at(rgb: Rgb, box: _Box) -> Sighting | None:
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


def _add(people: list[Sighting], other: Sighting, *, has_face: bool) -> bool:
    """Appends `other` if it is a person of his own, not somebody found already and not a ghost of the painting."""
    if not has_face and not _is_sure(other):
        return False
    mine = other.segmentation > 0.5
    if mine.sum() < 0.3 * trunk_px(other) ** 2:
        return False
    for person in people:
        near = float(np.linalg.norm(_centre(other) - _centre(person))) < 0.5 * trunk_px(other)
        ghost = (mine & (person.segmentation > 0.5)).sum() > 0.5 * mine.sum() and not has_face
        if near or ghost or trunk_px(other) < 0.2 * trunk_px(person):
            return False
    people.append(other)
    return True


def _painted_over(rgb: Rgb, people: list[Sighting]) -> Rgb:
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


def _body_box(face: FloatArray, others: FloatArray, rgb: Rgb) -> _Box:
    """Where the body under a face can be: 12 face boxes down and 5 to each side, but not as far as other faces."""
    size = float((face[2:] - face[:2]).max())
    middle = float(face[0] + face[2]) / 2.0
    left, right = middle - 5.0 * size, middle + 5.0 * size
    for other in others:
        if float(other[0] + other[2]) / 2.0 < middle:
            left = max(left, min(float(other[2]), middle - size))
        else:
            right = min(right, max(float(other[0]), middle + size))
    box = np.array([left, face[1] - 1.5 * size, right, face[3] + 12.0 * size])
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
