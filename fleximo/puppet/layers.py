"""A person cut from a photo into textures, with all that placing them needs; it travels as one npz.

Knows pictures and bones by number; nothing of how they were cut out (that is the draft engine's) or of motion.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleximo.arrays import BoolArray, FloatArray
from fleximo.puppet.rest import RestPose

__all__ = ["Picture", "Piece", "Puppet", "Shadow"]

Picture = npt.NDArray[np.uint8]

_FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Piece:
    """One texture and the bones that carry it."""

    name: str
    texture: Picture  # (h,w,4) RGBA, colours multiplied by alpha
    origin: tuple[int, int]  # canvas px of its top-left corner
    bone: int
    links: tuple[tuple[int, int, bool], ...]  # (link, the bone on its other side, whether that one lies further out)
    outline: FloatArray  # (N,2) canvas px: convex hull of what can be seen
    near_link: tuple[BoolArray, ...] = field(default=())  # per link (N,): which corners its other bone may carry


@dataclass(frozen=True, eq=False)
class Shadow:
    """One foot's shadow."""

    side: str
    darkening: FloatArray  # (h,w) float32: the share of light that is missing
    origin: tuple[int, int]  # canvas px of its top-left corner
    anchor: FloatArray  # (2,) canvas px: the ankle in the photo


@dataclass(frozen=True, eq=False)
class Puppet:
    """Everything of a photo that rendering needs, in px of the canvas."""

    scene: Picture  # (H,W,3) RGB: the photo without her
    pieces: tuple[Piece, ...]
    shadows: tuple[Shadow, ...]
    rest: RestPose
    hands_seen: dict[str, bool]
    folded_arms: tuple[str, ...]  # sides whose arm the photo folds before the trunk; the pieces replace it
    skin: dict[str, FloatArray]  # side -> (3,) RGB of the hand
