"""A track's frames as lists of placed textures, back to front: where the puppet, its poses and its hands meet.

Composites nothing. Hands that the photo does not show are painted by whoever asks for the frames.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fleximo.arrays import BoolArray, FloatArray
from fleximo.camera import Camera
from fleximo.pose_track import PoseTrack
from fleximo.puppet.bones import bone_index, link_index
from fleximo.puppet.hands import HAND_LENGTH, hand_from_forearm, pose_difference
from fleximo.puppet.layers import Puppet
from fleximo.puppet.order import drawing_order, latched
from fleximo.puppet.pose import poses
from fleximo.puppet.rest import ARMS, HAND_START, SIDES
from fleximo.puppet.target import read_target
from fleximo.puppet.warp import Placed, boxes, place, place_flat

__all__ = ["PaintHand", "Sequence"]

_OTHER_POSE = 0.2  # hand lengths by which the fingers may differ before the photo's hand gives way to a drawn one


# Paints a hand: its points (21,2) canvas px, their depths (21,) m (0 = unknown), the skin's colour (3,) RGB, the
# hand's length in px and the canvas' size -> a patch (h,w,4) uint8, colours multiplied by alpha, and its corner x0, y0;
# nothing if it is out of the picture.
PaintHand = Callable[
    [FloatArray, FloatArray, FloatArray, float, tuple[int, int]], tuple[npt.NDArray[np.uint8], int, int] | None
]


class Sequence:
    """Everything about a track that does not depend on the frames being shown.

    Without `paint_hand` the photo's own hands are shown in every pose, and none where it shows none.
    """

    def __init__(
        self, puppet: Puppet, track: PoseTrack, camera: Camera, stature_m: float, paint_hand: PaintHand | None = None
    ) -> None:
        self.puppet = puppet
        self.size = track.size
        self.target = read_target(puppet.rest, track, camera, stature_m)
        self._paint_hand = paint_hand
        self.poses = poses(puppet.rest, self.target)
        self.order = drawing_order(self.target, self.poses.links[:, link_index("neck"), 3])
        self.boxes = boxes(list(puppet.pieces), self.poses, self.size)
        self.names = {piece.name: index for index, piece in enumerate(puppet.pieces)}
        self.drawn_hands = {side: self._drawn(side) for side in SIDES}

    def frame(self, index: int) -> list[Placed]:
        """The textures of one frame, back to front."""
        wanted = [name for name in self.order[index] if name in self.names and not self._replaced(name, index)]
        pieces = list(self.puppet.pieces)
        placed = place(pieces, [self.names[name] for name in wanted], self.boxes[index], self.poses, index)
        found = []
        for name in self.order[index]:
            if self._replaced(name, index):
                hand = self._hand(name.split("_")[0], index)
                found += [hand] if hand is not None else []
            elif self.names.get(name) in placed:
                found.append(placed[self.names[name]])
        return found

    def _replaced(self, name: str, index: int) -> bool:
        side, _, part = name.partition("_")
        return part == "hand" and bool(self.drawn_hands[side][index])

    def _drawn(self, side: str) -> BoolArray:
        """(T,) whether the hand is drawn: the photo shows none, or one whose fingers are held quite otherwise."""
        frames = len(self.target.points)
        rest, start = self.puppet.rest, HAND_START[side]
        if self._paint_hand is None or f"{side}_forearm" not in self.names or not rest.has(*ARMS[side]):
            return np.zeros(frames, dtype=bool)
        if f"{side}_hand" not in self.names:
            return np.ones(frames, dtype=bool)
        own, length = rest.points[start : start + 21], self._length(side)
        given = self.target.points[:, start : start + 21]
        growth = self.target.growth[:, start]
        differences = pose_difference(given, length * growth, own, length)
        return np.asarray(latched(differences - _OTHER_POSE, 0.03) & self.target.hands[side])

    def _length(self, side: str) -> float:
        """Wrist to finger tip in px of the photo on the canvas: as the photo shows it, within usual limits."""
        rest, start = self.puppet.rest, HAND_START[side]
        usual = HAND_LENGTH * rest.torso_px
        if not rest.has(*range(start, start + 21)):
            return usual
        chain = rest.points[[start + i for i in (0, 9, 10, 11, 12)]]
        seen = float(np.linalg.norm(np.diff(chain, axis=0), axis=1).sum())
        return float(np.clip(seen, 0.8 * usual, 1.2 * usual))

    def _hand(self, side: str, index: int) -> Placed | None:
        wrist, start = ARMS[side][2], HAND_START[side]
        length = self._length(side) * float(self.target.growth[index, wrist])
        depths = np.zeros(21)
        if self.target.hands[side][index]:
            points = self.target.points[index, start : start + 21]
            depths = self.target.depths_m[index, start : start + 21]
            points = points + (self.target.points[index, wrist] - points[0])
        else:
            points = self._relaxed_hand(side, index, length)
        assert self._paint_hand is not None
        patch = self._paint_hand(points, depths, self.puppet.skin[side], length, self.size)
        return None if patch is None else place_flat(*patch)

    def _relaxed_hand(self, side: str, index: int, length: float) -> FloatArray:
        axis = self.poses.forward[index, bone_index(f"{side}_forearm"), 11:13]
        # thumbs point forward and inward when the arms hang
        outward = self.target.points[index, ARMS[side][0], 0] - self.target.points[index, 1, 0]
        thumb_side = -1.0 if outward * axis[1] > 0 else 1.0
        return hand_from_forearm(self.target.points[index, ARMS[side][2]], axis, length, thumb_side)
