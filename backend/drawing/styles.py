"""The conventions in which skeletons are drawn, as data: what is drawn, how large, and what confidence does.

Knows no picture. Limb order and colours are `fleximo.layouts`'.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleximo.errors import FleximoError
from fleximo.layouts import OPENPOSE_18

__all__ = ["FLEXIMO_SLIM", "FLEXIMO_THICK", "MIMICMOTION", "STYLES", "VACE", "Style", "style_named"]

_NO_EARS = tuple(limb for limb in OPENPOSE_18.limbs if max(limb) < OPENPOSE_18.index("right_ear"))


@dataclass(frozen=True)
class Style:
    """One way to draw. Half a limb is 4 px wide, a dot 4, a face dot 3, a finger 2, on the canvas drawn on."""

    name: str
    canvas_px: (
        int | None
    )  # shorter side of the canvas that is drawn on and then scaled to the picture; None: not scaled
    limbs: tuple[tuple[int, int], ...]  # pairs of OPENPOSE_18 points; the n-th has the n-th colour of the rainbow
    joints: int  # the first so many points of OPENPOSE_18 are dots
    fades: bool  # colours times confidence, body points of at most 0.3 left out; else all that is there, full colours
    hands: bool
    face: bool


# What MimicMotion was trained on: limbs two pixels wide at 576x1024.
MIMICMOTION = Style("mimicmotion", 2160, OPENPOSE_18.limbs, joints=18, fades=True, hands=True, face=True)
# What Fleximo's own video model was trained on: nose and eyes are its whole face.
FLEXIMO_THICK = Style("fleximo_thick", None, _NO_EARS, joints=16, fades=True, hands=True, face=False)
# What Fleximo's rescale step writes.
FLEXIMO_SLIM = Style("fleximo_slim", 2160, OPENPOSE_18.limbs, joints=18, fades=False, hands=False, face=False)

# What VACE was trained on, points of less than 0.3 being left out before: body and face, no fingers.
VACE = Style("vace", 1024, OPENPOSE_18.limbs, joints=18, fades=False, hands=False, face=True)

STYLES = {style.name: style for style in (MIMICMOTION, FLEXIMO_THICK, FLEXIMO_SLIM, VACE)}


def style_named(name: str) -> Style:
    """The style called `name`; raises `FleximoError` that lists the names there are."""
    if name not in STYLES:
        raise FleximoError(
            f"The drawing style {name!r} is not known.",
            code="unknown_style",
            remedy=f"Use one of: {', '.join(STYLES)}.",
        )
    return STYLES[name]
