"""How a pair of networks was trained, and hence how it has to be called: style, channel order, ids, window.

Travels inside the file of weights. Weights that carry none come from the paper's training program. Knows no network.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from backend.drawing import Style, style_named
from fleximo.errors import FleximoError

__all__ = ["KEY", "PAPER", "Convention"]

KEY = "fleximo_adapter"  # in the metadata of the U-Net's file


@dataclass(frozen=True)
class Convention:
    """The defaults are ours: everything in the order of channels that the networks of `backend.drawing` get."""

    style: str = "fleximo_thick"  # one of `backend.drawing.STYLES`
    canvas_px: int | None = None  # instead of the style's
    swapped: bool = False  # whether target and reference have red and blue the other way round than the condition
    frames: int = 14  # of one clip
    fps_id: int = 7
    motion_bucket: int = 127
    augmentation_log_mean: float = -3.0  # of the noise on the reference picture; called with the median of it

    @property
    def augmentation(self) -> float:
        """The noise on the reference picture that the networks have seen most."""
        return math.exp(self.augmentation_log_mean)

    def drawing(self) -> Style:
        """The style without face: that stays kinematic."""
        found = style_named(self.style)
        given = {item.name: getattr(found, item.name) for item in fields(found)}
        canvas = found.canvas_px if self.canvas_px is None else self.canvas_px
        return Style(**(given | {"face": False, "hands": True, "canvas_px": canvas}))

    def to_metadata(self) -> dict[str, str]:
        return {KEY: json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Convention:
        """What a file tells of itself; the paper's without a word. Raises `FleximoError` (`unreadable_weights`)."""
        if KEY not in metadata:
            return PAPER
        try:
            found = cls(**json.loads(metadata[KEY]))
            found.drawing()
        except (TypeError, ValueError, FleximoError) as error:
            raise FleximoError(
                f"The weights of the adapter tell of a training that is not understood: {error}.",
                code="unreadable_weights",
                remedy="They may come from a newer version of fleximo.",
            ) from None
        return found


# The released training program reads both videos alike and exchanges red and blue of the condition alone.
PAPER = Convention(swapped=True)
