"""Which frames of a shot deserve a look before it is rendered: changed ones, poses out of the picture, hidden limbs.

Judges pose tracks alone; where the marks are drawn is the interface's affair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleximo.changes import changed_frames, changed_ranges
from fleximo.errors import FleximoError
from fleximo.layouts import BODY, OPENPOSE_18
from fleximo.pose_track import PoseTrack
from fleximo.projection import HIDDEN

__all__ = ["FrameMarks", "frame_marks"]

Ranges = tuple[tuple[int, int], ...]
_ENDS = ("elbow", "wrist", "knee", "ankle")
_LIMBS = [OPENPOSE_18.index(f"{side}_{end}") for side in ("right", "left") for end in _ENDS]
_KINDS = ("changed", "outside", "hidden")


@dataclass(frozen=True)
class FrameMarks:
    """Half-open frame ranges [start, stop) of a shot of `frames` frames."""

    frames: int
    changed: Ranges = ()  # the video model would see them differently than in the last render
    outside: Ranges = ()  # a part of the body lies outside the picture
    hidden: Ranges = ()  # an arm or a leg is behind the body, and left out of what the model sees

    def to_json(self) -> dict[str, Any]:
        return {"frames": self.frames} | {kind: [list(pair) for pair in getattr(self, kind)] for kind in _KINDS}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FrameMarks:
        """Raises `FleximoError` for another document."""
        try:
            return cls(int(document["frames"]), *(_ranges(document[kind]) for kind in _KINDS))
        except (KeyError, TypeError, ValueError):
            raise FleximoError("The marks of the frames cannot be read.", remedy="Check the frames again.") from None


def _ranges(pairs: Sequence[Sequence[int]]) -> Ranges:
    return tuple((int(start), int(stop)) for start, stop in pairs)


def frame_marks(track: PoseTrack, before: PoseTrack | None = None) -> FrameMarks:
    """What is to be marked in `track` (layout "wholebody_128"); `before` is what the last render saw, if any.

    A body point that no frame shows, because the photo lacks it, is not missed.
    """
    points, confidence = track.points_px[:, BODY], track.confidence[:, BODY]
    shown = confidence > 0.0
    beyond = ((points < 0.0) | (points > np.array(track.size))).any(axis=-1)
    outside = (beyond & shown.any(axis=0)).any(axis=1) | ~shown.any(axis=1)
    hidden = (shown & (confidence <= HIDDEN) & ~beyond)[:, _LIMBS].any(axis=1)
    changed = np.zeros(len(track), dtype=bool) if before is None else changed_frames(before, track)
    return FrameMarks(len(track), *(tuple(changed_ranges(each)) for each in (changed, outside, hidden)))
