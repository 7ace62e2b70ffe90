"""The person's skeleton in the photo, in canvas pixels, made complete: what every piece and bone is measured against.

Knows no pixels but the mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.camera import Framing
from fleximo.person import Person

__all__ = ["ARMS", "LEGS", "PARENTS", "SIDES", "RestPose", "complete_points", "rest_pose", "unit", "upright_figure"]

SIDES = ("right", "left")
ARMS = {"right": (2, 3, 4), "left": (5, 6, 7)}  # shoulder, elbow, wrist
LEGS = {"right": (8, 9, 10), "left": (11, 12, 13)}  # hip, knee, ankle
HAND_START = {"right": 107, "left": 86}
# Where a missing point is taken from, in an order in which the parents come first.
PARENTS = (
    (2, 1), (5, 1), (8, 1), (11, 1), (3, 2), (4, 3), (6, 5), (7, 6), (9, 8), (10, 9), (12, 11), (13, 12), (0, 1),
    (14, 0), (15, 0), (16, 14), (17, 15),
)  # fmt: skip

# An upright frontal figure in torso lengths (neck to mid-hip) from the neck, x towards the picture's right: only for
# points that the photo does not show. Proportions of Drillis and Contini (1964), rounded.
_TEMPLATE = np.array(
    [
        (0.0, -0.42), (0.0, 0.0), (-0.36, 0.0), (-0.46, 0.55), (-0.5, 1.0), (0.36, 0.0), (0.46, 0.55), (0.5, 1.0),
        (-0.2, 1.0), (-0.2, 1.8), (-0.2, 2.6), (0.2, 1.0), (0.2, 1.8), (0.2, 2.6), (-0.06, -0.48), (0.06, -0.48),
        (-0.14, -0.44), (0.14, -0.44),
    ]
)  # fmt: skip
_HEIGHT = 3.5  # of the template from crown to sole, torso lengths
_CHIN = 18 + 8
_SEEN = 0.05  # a confidence at or below this counts as absent


def upright_figure(photo_size: tuple[int, int]) -> FloatArray:
    """(18,2) px: a figure that stands upright in the middle of a photo of (W, H) px, where nothing is known of it."""
    width, height = photo_size
    scale = 0.8 * height / _HEIGHT
    return np.asarray(_TEMPLATE * scale + [width / 2.0, 0.1 * height + 0.75 * scale])


def unit(vectors: FloatArray) -> FloatArray:
    """(...,2) of length 1; the zero vector becomes (0, 1)."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > 1e-9, vectors / np.maximum(length, 1e-9), np.array([0.0, 1.0]))


@dataclass(frozen=True, eq=False)
class RestPose:
    """The photo's skeleton on the canvas."""

    points: FloatArray  # (128,2) canvas px; the 18 body points are complete, guessed where not seen
    seen: BoolArray  # (128,) found in the photo
    scale: float  # canvas px per photo px

    @property
    def neck(self) -> FloatArray:
        return np.asarray(self.points[1])

    @property
    def mid_hip(self) -> FloatArray:
        return np.asarray((self.points[8] + self.points[11]) / 2.0)

    @property
    def torso_px(self) -> float:
        return max(float(np.linalg.norm(self.mid_hip - self.neck)), 4.0)

    @property
    def down(self) -> FloatArray:
        """(2,) unit vector along the spine, neck to hips."""
        return unit(self.mid_hip - self.neck)

    @property
    def across(self) -> FloatArray:
        """(2,) unit vector across the spine, towards the picture's right in an upright picture."""
        return np.array([self.down[1], -self.down[0]])

    @property
    def head_centre(self) -> FloatArray:
        return np.asarray(self.points[[14, 15, 16, 17]].mean(axis=0))

    def has(self, *indices: int) -> bool:
        return bool(self.seen[list(indices)].all())

    @property
    def face_px(self) -> float:
        """The face's breadth from ear to ear."""
        return max(abs(float((self.points[17] - self.points[16]) @ self.across)), 0.2 * self.torso_px)

    @property
    def chin(self) -> FloatArray:
        """(2,) the 68-point face's chin, or 1.3 eye distances below the eyes."""
        if self.seen[_CHIN]:
            return np.asarray(self.points[_CHIN])
        eyes = self.points[[14, 15]]
        return np.asarray(eyes.mean(axis=0) + 1.3 * float(np.linalg.norm(eyes[1] - eyes[0])) * self.down)


def rest_pose(person: Person, framing: Framing) -> RestPose:
    """The skeleton of `person` on the canvas; body points that were not found are placed by usual proportions."""
    points = framing.to_canvas(person.points_px).astype(np.float64)
    seen = np.asarray(person.confidence > _SEEN)
    body = points[:18].copy()
    if seen[[2, 5]].all() and not seen[1]:
        body[1] = (body[2] + body[5]) / 2.0
        seen = seen.copy()
        seen[1] = True
    template = _fit_template(body, seen[:18], person, framing)
    points[:18] = complete_points(body[None], seen[None, :18], template)[0]
    return RestPose(points, seen, float(framing.scale))


def _fit_template(body: FloatArray, seen: BoolArray, person: Person, framing: Framing) -> FloatArray:
    """(18,2) the upright figure scaled and moved onto the seen points, or into the mask where too few were seen."""
    if seen.sum() >= 2:
        source, target = _TEMPLATE[seen], body[seen]
        spread = max(float(np.linalg.norm(source - source.mean(axis=0))), 1e-6)
        scale = float(np.linalg.norm(target - target.mean(axis=0))) / spread
        return np.asarray((_TEMPLATE - source.mean(axis=0)) * max(scale, 1.0) + target.mean(axis=0))
    rows, columns = np.nonzero(person.mask)
    if rows.size == 0:
        rows, columns = np.array([0, person.photo_size[1]]), np.array([0, person.photo_size[0]])
    top = framing.to_canvas(np.array([columns.mean(), rows.min()]))
    bottom = framing.to_canvas(np.array([columns.mean(), rows.max() + 1.0]))
    scale = max(float(bottom[1] - top[1]), 8.0) / _HEIGHT
    return np.asarray(_TEMPLATE * scale + top + np.array([0.0, 0.75 * scale]))


def complete_points(points: FloatArray, present: BoolArray, rest: FloatArray, scale: float = 1.0) -> FloatArray:
    """(T,18,2) with every absent point hung below its parent as in `rest` (18,2)."""
    whole = points.astype(np.float64).copy()
    shoulders = present[:, 2] & present[:, 5]
    anchor = np.where(shoulders[:, None], (whole[:, 2] + whole[:, 5]) / 2.0, rest[1])
    for child in (2, 5, 0, 8, 11):  # any neighbour of the neck tells where it is
        near = present[:, child] & ~shoulders
        anchor = np.where(near[:, None], whole[:, child] + (rest[1] - rest[child]) * scale, anchor)
        shoulders = shoulders | near
    whole[:, 1] = np.where(present[:, 1:2], whole[:, 1], anchor)
    for child, parent in PARENTS:
        hung = whole[:, parent] + (rest[child] - rest[parent]) * scale
        whole[:, child] = np.where(present[:, child, None], whole[:, child], hung)
    return whole
