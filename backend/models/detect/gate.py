"""What to beware of in a photo before anything is rendered from it: a code, a sentence and a remedy for each.

Decides by the geometry of the `Person` alone; knows no detector and no picture.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fleximo.errors import FleximoError, Notice
from fleximo.layouts import OPENPOSE_18
from fleximo.person import Person

__all__ = ["no_person", "with_notices"]

_SMALL_TORSO_PX = 120.0
_TURNED_DEGREES = 40.0
_BACK_DEGREES = 120.0
_PARTS = {
    "head": ("nose",),
    "left arm": ("left_elbow", "left_wrist"),
    "right arm": ("right_elbow", "right_wrist"),
    "hips": ("left_hip", "right_hip"),
    "left leg": ("left_knee", "left_ankle"),
    "right leg": ("right_knee", "right_ankle"),
}


def no_person() -> FleximoError:
    """The error for a photo in which nobody was found."""
    return FleximoError(
        "Nobody was found in the photo.",
        code="no_person",
        remedy="Use a photo in which one person is seen from the front and is not small, or set the key points by hand "
        "(`--points FILE`, see docs/photos.md).",
    )


def with_notices(person: Person, people: int = 1, chosen: int = 0) -> Person:
    """The person with all notices that apply; `people` were found in the photo, `chosen` is the place from the left."""
    found = (
        _several_people(people, chosen),
        _limb_out_of_frame(person),
        _facing(person),
        _arm_overlaps_torso(person),
        _small(person),
    )
    return replace(person, notices=(*person.notices, *(notice for notice in found if notice is not None)))


def _several_people(people: int, chosen: int) -> Notice | None:
    if people < 2:
        return None
    return Notice(
        "several_people",
        f"{people} people are in the photo; number {chosen} from the left is used, counted from 0.",
        "Choose another by number or by a point on the body, or crop the photo to one person.",
    )


def _limb_out_of_frame(person: Person) -> Notice | None:
    cropped = []
    for part, names in _PARTS.items():
        if any(person.body_confidence[OPENPOSE_18.index(name)] == 0.0 for name in names):
            cropped.append(part)
    if not cropped:
        return None
    legs = any(part in cropped for part in ("hips", "left leg", "right leg"))
    remedy = "Use a photo that shows the whole person, or extend the canvas."
    if legs:
        remedy = "The upper body moves and the legs are held. " + remedy
    return Notice("limb_out_of_frame", f"Outside the photo: {', '.join(cropped)}.", remedy)


def _facing(person: Person) -> Notice | None:
    yaw = person.yaw_degrees
    if abs(yaw) > _BACK_DEGREES:
        return Notice(
            "back_view",
            "The person is seen from behind.",
            "The motion is turned round so that left and right stay right; use a frontal photo to see the face.",
        )
    if abs(yaw) > _TURNED_DEGREES:
        side = "right" if yaw > 0 else "left"
        return Notice(
            "turned",
            f"The person is turned {abs(yaw):.0f} degrees to the picture's {side}; {_TURNED_DEGREES:.0f} look well.",
            "The motion follows the turn; use a photo taken from the front for a cleaner result.",
        )
    return None


def _arm_overlaps_torso(person: Person) -> Notice | None:
    corners = ("right_shoulder", "left_shoulder", "left_hip", "right_hip")
    torso = np.array([person.point(name) for name in corners], dtype=float)
    arms = [side for side in ("left", "right") if _forearm_inside(person, side, torso)]
    if not arms:
        return None
    which = "Both arms lie" if len(arms) == 2 else f"The {arms[0]} arm lies"
    return Notice(
        "arm_overlaps_torso",
        f"{which} over the torso, so that nothing is known of what is behind.",
        "Use a photo with the arms away from the body, or set the key points by hand; otherwise the other arm is "
        "mirrored where it is free." if len(arms) == 1 else
        "Use a photo with the arms away from the body, or set the key points by hand.",
    )  # fmt: skip


def _forearm_inside(person: Person, side: str, torso_px: np.ndarray) -> bool:
    """Whether most of a visible forearm lies inside the torso's outline."""
    names = (f"{side}_elbow", f"{side}_wrist")
    if any(person.body_confidence[OPENPOSE_18.index(name)] == 0.0 for name in names):
        return False
    elbow, wrist = (np.asarray(person.point(name), dtype=float) for name in names)
    along = elbow + np.linspace(0.3, 1.0, 8)[:, None] * (wrist - elbow)
    return bool(_inside(along, torso_px).mean() >= 0.5)


def _inside(points_px: np.ndarray, polygon_px: np.ndarray) -> np.ndarray:
    """(N,) whether each point lies in the polygon, by counting crossings of a ray to the right."""
    start, stop = polygon_px, np.roll(polygon_px, -1, axis=0)
    x, y = points_px[:, :1], points_px[:, 1:]
    straddles = (start[:, 1] > y) != (stop[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = start[:, 0] + (y - start[:, 1]) / (stop[:, 1] - start[:, 1]) * (stop[:, 0] - start[:, 0])
        return np.asarray((straddles & (x < crossing)).sum(axis=1) % 2 == 1)


def _small(person: Person) -> Notice | None:
    if person.torso_px >= _SMALL_TORSO_PX:
        return None
    return Notice(
        "small_person",
        f"The person is small: the torso is {person.torso_px:.0f} pixels long; {_SMALL_TORSO_PX:.0f} were expected.",
        "Use a photo of higher resolution, or one taken from nearer; the video will look soft.",
    )
