"""What to beware of in a photo before anything is rendered from it: a code, a sentence and a remedy for each.

Decides by the geometry of the `Person` alone; knows no detector and no picture.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.bones import SEEN
from fleximo.errors import FleximoError, Notice
from fleximo.layouts import OPENPOSE_18
from fleximo.person import Person

__all__ = ["no_body", "no_person", "with_notices"]

_SMALL_TORSO_PX = 120.0
_TURNED_DEGREES = 40.0
_BACK_DEGREES = 120.0
_LEANING_DEGREES = 50.0


def no_person() -> FleximoError:
    """The error for a photo in which nobody was found."""
    return FleximoError(
        "Nobody was found in the photo.",
        code="no_person",
        remedy="Use a photo in which one person is seen from the front and is not small, or set the key points by hand "
        "(`--points FILE`, see docs/photos.md).",
    )


def no_body() -> FleximoError:
    """The error for a photo of a face alone, which has nothing to move."""
    return FleximoError(
        "Only the head of the person is in the photo; at least head and shoulders were expected.",
        code="no_body",
        remedy="Use a photo that shows more of the body; whole is best.",
    )


def with_notices(person: Person, people: int = 1, chosen: int = 0, why: str = "the largest") -> Person:
    """The person with all notices that apply.

    `people` were found in the photo, `chosen` is the place from the left of the one used, `why` the reason in words.
    """
    found = (
        _several_people(people, chosen, why),
        _limb_out_of_frame(person),
        _not_upright(person),
        _facing(person),
        _arm_overlaps_torso(person),
        _small(person),
    )
    return replace(person, notices=(*person.notices, *(notice for notice in found if notice is not None)))


def _several_people(people: int, chosen: int, why: str) -> Notice | None:
    if people < 2:
        return None
    return Notice(
        "several_people",
        f"{people} people are in the photo; number {chosen} from the left, counted from 0, is used: {why}.",
        "Choose another by number or by a point on the body, or crop the photo to one person.",
    )


def _limb_out_of_frame(person: Person) -> Notice | None:
    def unseen(name: str) -> bool:
        return bool(person.body_confidence[OPENPOSE_18.index(name)] < SEEN)

    parts = ["head"] if unseen("nose") and unseen("left_ear") and unseen("right_ear") else []
    for side in ("left", "right"):
        for limb, end, middle, last in (("arm", "hand", "elbow", "wrist"), ("leg", "foot", "knee", "ankle")):
            if unseen(f"{side}_{middle}"):
                parts.append(f"{side} {limb}")
            elif unseen(f"{side}_{last}"):
                parts.append(f"{side} {end}")
    if not parts:
        return None
    remedy = "Use a photo that shows the whole person, or set the hidden points by hand (`--points FILE`)."
    if unseen("left_ankle") and unseen("right_ankle"):
        remedy = f"Only the upper body moves: the legs are held and travel is left out. {remedy}"
    return Notice("limb_out_of_frame", f"Not to be seen in the photo: {', '.join(parts)}.", remedy)


def _not_upright(person: Person) -> Notice | None:
    hips = (person.point("left_hip") + person.point("right_hip")) / 2.0
    up = person.point("neck") - hips
    lean = math.degrees(math.atan2(float(up[0]), -float(up[1])))
    if abs(lean) <= _LEANING_DEGREES:
        return None
    return Notice(
        "not_upright",
        f"The person lies or the photo stands on its side: the trunk leans by {abs(lean):.0f} degrees.",
        "Turn the photo so that the person stands upright.",
    )


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
    torso = _torso_outline(person)
    arms = [side for side in ("left", "right") if _forearm_over(person, side, torso)]
    if not arms:
        return None
    away = "Use a photo with the arms away from the body, or set the key points by hand (`--points FILE`)"
    if len(arms) == 2:
        return Notice("arm_overlaps_torso", "Both arms lie over the torso, which hides what is behind.", f"{away}.")
    return Notice(
        "arm_overlaps_torso",
        f"The {arms[0]} arm lies over the torso, which hides what is behind.",
        f"{away}; otherwise the other arm is mirrored.",
    )


def _torso_outline(person: Person) -> FloatArray:
    """(4,2) px: shoulders and hips, the hips widened from the joints to the flanks."""
    shoulders = [np.asarray(person.point(f"{side}_shoulder"), dtype=float) for side in ("right", "left")]
    hips = [np.asarray(person.point(f"{side}_hip"), dtype=float) for side in ("left", "right")]
    flank = 0.35 * (hips[0] - hips[1]) / 2.0
    return np.array([*shoulders, hips[0] + flank, hips[1] - flank])


def _forearm_over(person: Person, side: str, torso_px: FloatArray) -> bool:
    """Whether the hand end of a visible forearm, with the hand itself, lies mostly over the torso."""
    names = (f"{side}_elbow", f"{side}_wrist")
    if any(person.body_confidence[OPENPOSE_18.index(name)] < SEEN for name in names):
        return False
    elbow, wrist = (np.asarray(person.point(name), dtype=float) for name in names)
    along = elbow + np.linspace(0.4, 1.4, 11)[:, None] * (wrist - elbow)
    return bool(_inside(along, torso_px).mean() >= 0.5)


def _inside(points_px: FloatArray, polygon_px: FloatArray) -> BoolArray:
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
