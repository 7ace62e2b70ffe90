"""How far a pose found in a picture lies from the skeleton that was asked for, in torso lengths, so that sizes compare.

Knows tracks and points; who finds them is the detectors' affair.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.layouts import OPENPOSE_18
from fleximo.pose_track import PoseTrack

__all__ = ["PoseTarget"]

_ASKED = 0.3  # target points of lower confidence are not asked for


class PoseTarget:
    """The body that a track asks for, and the length by which errors are measured."""

    def __init__(self, track: PoseTrack) -> None:
        self.track = track.subset(OPENPOSE_18)
        self.torso_px = _torso_px(self.track)

    def points_px(self, frame: int) -> FloatArray:
        """The points (18,2) asked for in `frame`."""
        return np.asarray(self.track.points_px[frame], dtype=float)

    def errors(self, frame: int, found_px: FloatArray | None) -> FloatArray:
        """(18,) distances in torso lengths (neck to mid-hip of the first frame) of the points found, in canvas px.

        NaN for points that are not asked for or lie outside the picture, infinite where nobody was found (None).
        """
        asked = self.points_px(frame)
        inside = ((asked >= 0) & (asked < self.track.size)).all(axis=1) & (self.track.confidence[frame] > _ASKED)
        missed = np.full(len(asked), np.inf)
        distance = missed if found_px is None else np.linalg.norm(found_px - asked, axis=1) / self.torso_px
        return np.where(inside, distance, np.nan)


def _torso_px(target: PoseTrack) -> float:
    middle = (target.column("left_hip")[0] + target.column("right_hip")[0]) / 2.0
    return max(1.0, float(np.linalg.norm(target.column("neck")[0] - middle)))
