"""What skeletons are drawn with: ellipses, lines and dots in whole canvas pixels, each with its colour, in order.

Later strokes lie over earlier ones. Knows points and confidence; pixels are `canvas`'. Many frames are worked out at
once, for the arithmetic of one alone would take as long as its drawing.
"""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.drawing.styles import Style
from fleximo.layouts import FACE, HAND_EDGES, LEFT_HAND, RAINBOW, RIGHT_HAND

__all__ = ["HALF_LIMB_PX", "Strokes", "strokes_of"]

HALF_LIMB_PX = 4
_DOT_PX, _FACE_DOT_PX = 4, 3
_SHOWN = np.float32(0.3)  # body points of at most this confidence are not drawn
_LIMB_SHADE = 0.6  # limbs are darker than the dots on them
_REACH_PX = 6  # around the middle line of a stroke nothing further away is coloured
_BOX_PX = 64  # a slanting limb is covered by boxes whose shorter side is about so long
_FAR_PX = 1 << 20  # what OpenCV's fixed-point arithmetic surely holds

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Red and blue exchanged: so the networks get their pictures.
_RAINBOW = np.array(RAINBOW, dtype=np.float64)[:, ::-1]
_HUES = np.array([colorsys.hsv_to_rgb(edge / len(HAND_EDGES), 1.0, 1.0)[::-1] for edge in range(len(HAND_EDGES))])
_STARTS, _STOPS = np.array(HAND_EDGES).T


class Strokes:
    """The strokes of each of `count` frames, layer by layer, and boxes that hold all of them."""

    def __init__(self, count: int) -> None:
        # (kind, strokes): "limbs" of (centre, half length, degrees, colour), "lines" of (start, stop, colour),
        # "dots" of (centre, radius, colour)
        self.layers: list[list[tuple[str, list[Any]]]] = [[] for _ in range(count)]
        self._boxes: list[Integers] = []  # each (N,5): frame, left, top, right, bottom

    def add(self, kind: str, frames: Integers, strokes: Iterable[Any]) -> None:
        """A layer of strokes; `frames` tells the frame of each, in rising order."""
        listed = list(strokes)
        for layers, (first, stop) in zip(self.layers, self._spans(frames)):
            if first < stop:
                layers.append((kind, listed[first:stop]))

    def cover(self, frames: Integers, boxes: Integers) -> None:
        """Boxes (N,4) in which something is drawn; `frames` tells the frame of each."""
        self._boxes.append(np.concatenate([frames[:, None], boxes], axis=1))

    @property
    def boxes(self) -> Integers:
        """(N,5) frame, left, top, right, bottom in canvas px of boxes that hold all strokes."""
        return np.concatenate(self._boxes)

    def _spans(self, frames: Integers) -> list[tuple[int, int]]:
        return [*itertools.pairwise(np.searchsorted(frames, np.arange(len(self.layers) + 1)).tolist())]


def strokes_of(points: Floats, confidence: Floats, style: Style) -> Strokes:
    """The strokes of T frames of N people: (T,N,18 or 128,2) canvas px, confidence (T,N,18 or 128), 0 = absent."""
    strokes = Strokes(len(points))
    if not style.fades:
        confidence = (confidence > 0).astype(np.float32)
    # People before points, for of two people the later limb lies on top, not the later person.
    points, confidence = points.swapaxes(1, 2), confidence.swapaxes(1, 2)
    near = (np.abs(points) < _FAR_PX).all(axis=-1)
    shown = near & (confidence > _SHOWN)
    at_limbs = _draw_limbs(strokes, points, confidence, shown, style)
    _draw_joints(strokes, points[:, : style.joints], confidence[:, : style.joints], shown[:, : style.joints], at_limbs)
    if points.shape[1] == FACE.start:
        return strokes
    people = range(points.shape[2])
    # Hands and faces: whatever the confidence, but nothing on or beyond the left and upper border.
    places = np.where(near[..., None], points, 0).astype(np.int64)
    seen = (places > 0).all(axis=-1) & (confidence > 0)
    for part, person in itertools.product((LEFT_HAND, RIGHT_HAND) if style.hands else (), people):
        _draw_hand(strokes, places[:, part, person], confidence[:, part, person], seen[:, part, person])
    for person in people if style.face else ():
        _draw_face(strokes, places[:, FACE, person], confidence[:, FACE, person], seen[:, FACE, person])
    return strokes


def _draw_limbs(strokes: Strokes, points: Floats, confidence: Floats, shown: Flags, style: Style) -> Flags:
    """Draws the limbs whose ends are both shown; returns at which points (T,K,N) there is one."""
    first, second = np.array(style.limbs).T
    frames, limbs, people = np.nonzero(shown[:, first] & shown[:, second])
    first, second = first[limbs], second[limbs]
    starts, stops = points[frames, first, people], points[frames, second, people]
    both = (confidence[frames, first, people] * confidence[frames, second, people]).astype(np.float64)
    bright = np.trunc(_RAINBOW[limbs] * both[:, None]).clip(0, 255)
    colours = np.trunc(bright * _LIMB_SHADE)
    centres = ((starts + stops) / np.float32(2)).astype(np.int64)
    x, y = (starts.astype(np.float64) - stops).T
    halves = (np.hypot(x, y) / 2).astype(np.int64)
    degrees = np.degrees(np.arctan2(y, x)).astype(np.int64)
    drawn = zip(centres.tolist(), halves.tolist(), degrees.tolist(), colours.tolist())
    strokes.add("limbs", frames, drawn)
    angles = np.radians(degrees)
    along = halves[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # whole degrees turn a long limb away from its joints by some pixels
    astray = np.abs(centres + along - starts).max(axis=1, initial=0)
    which, boxes = _boxes_along(centres - along, 2 * along, astray + _REACH_PX)
    strokes.cover(frames[which], boxes)
    at_limbs = np.zeros(shown.shape, dtype=bool)
    at_limbs[frames, first, people] = at_limbs[frames, second, people] = True
    return at_limbs


def _boxes_along(starts: Doubles, along: Doubles, reach: Doubles) -> tuple[Integers, Integers]:
    """Boxes that hold what is within `reach` (N,) of the lines from `starts`, `along` (N,2), and each one's line."""
    pieces = 1 + (np.abs(along).min(axis=1) // _BOX_PX).astype(np.int64)
    which = np.repeat(np.arange(len(starts)), pieces)
    number = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    step = (along / pieces[:, None])[which]
    ends = starts[which] + number[:, None] * step
    around = reach[which, None]
    low, high = np.minimum(ends, ends + step) - around, np.maximum(ends, ends + step) + around
    return which, np.floor(np.concatenate([low, high], axis=1)).astype(np.int64)


def _draw_joints(strokes: Strokes, points: Floats, confidence: Floats, shown: Flags, at_limbs: Flags) -> None:
    frames, joints, people = np.nonzero(shown)
    centres = points[frames, joints, people].astype(np.int64)
    sure = confidence[frames, joints, people].astype(np.float64)
    colours = np.trunc(_RAINBOW[joints] * sure[:, None])
    strokes.add("dots", frames, zip(centres.tolist(), itertools.repeat(_DOT_PX), colours.tolist()))
    alone = ~at_limbs[frames, joints, people]
    centres = centres[alone]
    strokes.cover(frames[alone], np.concatenate([centres - _REACH_PX, centres + _REACH_PX], axis=1))


def _draw_hand(strokes: Strokes, places: Integers, confidence: Floats, seen: Flags) -> None:
    """One hand (T,21,2) in T frames: fingers, then dots."""
    frames, edges = np.nonzero(seen[:, _STARTS] & seen[:, _STOPS])
    start, stop = _STARTS[edges], _STOPS[edges]
    bright = np.trunc((confidence[frames, start] * confidence[frames, stop]).astype(np.float64) * 255)
    colours = _HUES[edges] * bright[:, None]
    strokes.add("lines", frames, zip(places[frames, start].tolist(), places[frames, stop].tolist(), colours.tolist()))
    _draw_dots(strokes, places, confidence, seen, _DOT_PX, np.array([1.0, 0.0, 0.0]))


def _draw_face(strokes: Strokes, places: Integers, confidence: Floats, seen: Flags) -> None:
    _draw_dots(strokes, places, confidence, seen, _FACE_DOT_PX, np.ones(3))


def _draw_dots(
    strokes: Strokes, places: Integers, confidence: Floats, seen: Flags, radius: int, colour: Doubles
) -> None:
    """Dots (T,K,2) as bright as they are sure; one box for all of a frame, as they lie close together."""
    frames, which = np.nonzero(seen)
    bright = np.trunc(confidence[frames, which].astype(np.float64) * 255)
    colours = bright[:, None] * colour
    strokes.add("dots", frames, zip(places[frames, which].tolist(), itertools.repeat(radius), colours.tolist()))
    low = np.where(seen[..., None], places, _FAR_PX).min(axis=1) - _REACH_PX
    high = np.where(seen[..., None], places, -_FAR_PX).max(axis=1) + _REACH_PX
    filled = np.flatnonzero(seen.any(axis=1))
    strokes.cover(filled, np.concatenate([low, high], axis=1)[filled])
