"""Hand shapes: named finger poses and easing between them.

Owns how fingers bend; knows nothing of arms. The last finger joint follows the middle one by two thirds, as
tendons make it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.easing import minimum_jerk
from fleximo.limbs import mirrored
from fleximo.rig import FINGERS

__all__ = ["HAND_SHAPES", "HandShape", "curled", "finger_names", "finger_rotations", "shape_rotations"]

_DIP_OF_PIP = 2.0 / 3.0
_LAG_SECONDS = 0.08  # fingers trail the wrist by 2-3 frames
_STAGGER = MappingProxyType({"thumb": 0.0, "index": 0.0, "middle": 0.012, "ring": 0.024, "pinky": 0.036})


@dataclass(frozen=True)
class HandShape:
    """Angles in degrees: how far each finger bends at the knuckle and the middle joint, and how far it spreads."""

    knuckle: tuple[float, float, float, float]  # index, middle, ring, pinky
    middle: tuple[float, float, float, float]
    spread: float = 0.0  # fan of the four fingers
    thumb: tuple[float, float, float] = (0.0, 0.0, 0.0)  # towards the fingers, under the palm, bend of both end joints


HAND_SHAPES: Mapping[str, HandShape] = MappingProxyType(
    {
        "relaxed": HandShape((18, 24, 29, 33), (24, 28, 31, 32), 2.0, (16, 14, 14)),
        "open": HandShape((-4, -5, -5, -4), (4, 3, 4, 6), 9.0, (-8, 0, 0)),
        "flat": HandShape((2, 2, 2, 2), (3, 3, 3, 3), -1.0, (26, 4, 4)),
        "fist": HandShape((78, 82, 84, 84), (98, 100, 98, 92), -2.0, (22, 38, 46)),
        "point": HandShape((2, 72, 78, 80), (4, 96, 96, 92), 0.0, (22, 36, 44)),
        "grip": HandShape((46, 50, 54, 56), (52, 54, 54, 50), 1.0, (8, 44, 22)),
    }
)


def finger_names(side: str) -> tuple[str, ...]:
    """The 15 finger joints of a hand in the rig's order."""
    return tuple(f"{side}_{finger}{segment}" for finger in FINGERS for segment in (1, 2, 3))


def curled(curl: float, spread_degrees: float) -> HandShape:
    """A hand between open (`curl` 0) and a fist (1), its fingers fanned by `spread_degrees` each.

    >>> curled(0.5, 0.0).knuckle[0]
    37.0
    """
    start, end = HAND_SHAPES["open"], HAND_SHAPES["fist"]

    def between(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(x + curl * (y - x) for x, y in zip(a, b))

    i, m, r, p = between(start.knuckle, end.knuckle)
    i2, m2, r2, p2 = between(start.middle, end.middle)
    close, under, bend = between(start.thumb, end.thumb)
    return HandShape((i, m, r, p), (i2, m2, r2, p2), spread_degrees, (close, under, bend))


def shape_rotations(given: str | HandShape, side: str) -> FloatArray:
    """Local rotations (15,4) of the fingers of the `side` hand in a shape or the one of that name.

    >>> shape_rotations("fist", "left").shape
    (15, 4)
    """
    shape = HAND_SHAPES[given] if isinstance(given, str) else given
    order = ("index", "middle", "ring", "pinky")
    local = []
    for finger in FINGERS:
        if finger == "thumb":
            close, under, bend = np.radians(shape.thumb)
            base = rot.multiply(rot.from_axis_angle([0, 1, 0], close), rot.from_axis_angle([1, 0, 0], under))
            # The thumb's own hinge lies across its length, between the finger direction and the palm's normal.
            hinge = np.array([0.35, 0.75, -0.56])
            hinge = hinge / np.linalg.norm(hinge)
            local += [base, rot.from_axis_angle(hinge, bend), rot.from_axis_angle(hinge, bend)]
            continue
        i = order.index(finger)
        knuckle, middle = np.radians(shape.knuckle[i]), np.radians(shape.middle[i])
        fan = np.radians(shape.spread * (1.5 - i))
        base = rot.multiply(rot.from_axis_angle([0, -1, 0], fan), rot.from_axis_angle([0, 0, -1], knuckle))
        local += [
            base,
            rot.from_axis_angle([0, 0, -1], middle),
            rot.from_axis_angle([0, 0, -1], _DIP_OF_PIP * middle),
        ]
    rotations = np.stack(local)
    return rotations if side == "left" else mirrored(rotations)


def finger_rotations(side: str, seconds: FloatArray, keys: Sequence[tuple[float, str]]) -> FloatArray:
    """Local rotations (T,15,4) of the `side` hand that eases through `keys`: (time in s, shape name), ascending.

    The fingers lag behind each key, the little finger most, and have caught up at the last one. Before the first key
    and after the last one the hand keeps its shape.
    """
    shapes = np.stack([shape_rotations(name, side) for _, name in keys])
    times = np.array([time for time, _ in keys])
    if len(keys) == 1:
        return np.broadcast_to(shapes[0], (len(seconds), 15, 4)).copy()
    delays = np.repeat([_LAG_SECONDS + _STAGGER[finger] for finger in FINGERS], 3)
    late = np.clip((times[-1] - seconds) / 0.3, 0.0, 1.0)
    local = seconds[:, None] - delays * late[:, None]  # (T,15)
    low = np.clip(np.searchsorted(times, local, side="right") - 1, 0, len(keys) - 2)
    x = minimum_jerk((local - times[low]) / np.maximum(times[low + 1] - times[low], 1e-6))
    joints = np.arange(15)
    return rot.slerp(shapes[low, joints], shapes[low + 1, joints], x)
