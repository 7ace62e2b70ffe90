"""The rendered people of `tests/data/people` as `Person`s whose key points are exact, and pictures of them that differ.

Their 3D points are known, so that any other camera, lens, crop or size can be taken of them.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fleximo import Person
from fleximo.layouts import BODY, LEFT_HAND, OPENPOSE_18, RIGHT_HAND
from fleximo.rescale import measure_bones

PEOPLE = Path(__file__).parents[1] / "data" / "people"
NAMES = ("anna", "david", "kenji")
# Key points of the body that keep their names when a picture is mirrored.
_SIDES = {
    name: name.replace("left_", "*").replace("right_", "left_").replace("*", "right_") for name in OPENPOSE_18.names
}


@dataclass(frozen=True)
class Scene:
    """A person in metres and the camera that takes the picture."""

    body_m: np.ndarray  # (18,3) world
    hands_m: np.ndarray  # (2,21,3) world, left first
    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    size: tuple[int, int] = (576, 1024)
    stature_m: float = 1.7

    @property
    def lens_degrees(self) -> float:
        return float(np.degrees(2.0 * np.arctan(max(self.size) / 2.0 / self.K[0, 0])))

    def see(self, points_m: np.ndarray) -> np.ndarray:
        there = points_m @ self.R.T + self.t
        return (there / there[..., 2:]) @ self.K.T[:, :2]

    def person(self, *, depth: bool = True, lens: bool = False) -> Person:
        """The person as a perfect detector would find him; points outside the picture are missing."""
        points, confidence = np.zeros((128, 2)), np.zeros(128)
        points[BODY] = self.see(self.body_m)
        points[LEFT_HAND], points[RIGHT_HAND] = self.see(self.hands_m)
        found = np.r_[BODY, LEFT_HAND, RIGHT_HAND]
        inside = ((points >= 0) & (points < self.size)).all(axis=1)
        confidence[found] = inside[found]
        there = self.body_m @ self.R.T + self.t
        hips = (there[OPENPOSE_18.index("left_hip")] + there[OPENPOSE_18.index("right_hip")]) / 2.0
        body = (there - hips) * [1.0, -1.0, -1.0] if depth else np.zeros((18, 3))
        mask = np.zeros((self.size[1], self.size[0]), dtype=bool)
        low = np.clip(points[found].min(axis=0) - 20, 0, None).astype(int)
        high = np.clip(points[found].max(axis=0) + 20, 0, self.size).astype(int)
        mask[low[1] : high[1], low[0] : high[0]] = True
        degrees = self.lens_degrees if lens else None
        lengths = measure_bones(
            points[BODY], confidence[BODY], body, self.stature_m, photo_size=self.size, lens_degrees=degrees
        )
        return Person(
            points, confidence, self.size, mask, body, lengths, stature_m=self.stature_m, lens_degrees=degrees
        )

    def cropped(self, left: int, top: int, right: int, bottom: int) -> Scene:
        """The part [left, right) x [top, bottom) of the picture."""
        shift = np.eye(3)
        shift[:2, 2] = -left, -top
        return replace(self, K=shift @ self.K, size=(right - left, bottom - top))

    def scaled(self, factor: float) -> Scene:
        """The picture at another size."""
        size = (round(self.size[0] * factor), round(self.size[1] * factor))
        return replace(self, K=np.diag([factor, factor, 1.0]) @ self.K, size=size)

    def flipped(self) -> Scene:
        """The mirrored picture: a mirrored person, whose left is where the right was."""
        columns = [OPENPOSE_18.index(_SIDES[name]) for name in OPENPOSE_18.names]
        mirror = np.diag([-1.0, 1.0, 1.0])
        K = self.K.copy()
        K[0, 2] = self.size[0] - K[0, 2]
        body = (self.body_m @ mirror)[columns]
        return replace(
            self, body_m=body, hands_m=(self.hands_m @ mirror)[::-1], K=K, R=mirror @ self.R @ mirror, t=mirror @ self.t
        )

    def relensed(self, factor: float) -> Scene:
        """Taken with `factor` times the focal length from so far away that the person stays as large."""
        K = np.diag([factor, factor, 1.0]) @ self.K
        K[:2, 2] = self.K[:2, 2]
        t = self.t.copy()
        t[2] *= factor
        return replace(self, K=K, t=t)

    def turned(self, degrees: float) -> Scene:
        """The person turned about the vertical through the world's origin."""
        a = np.radians(degrees)
        turn = np.array([[np.cos(a), 0.0, np.sin(a)], [0.0, 1.0, 0.0], [-np.sin(a), 0.0, np.cos(a)]])
        return replace(self, body_m=self.body_m @ turn.T, hands_m=self.hands_m @ turn.T)


@functools.cache
def scene(name: str) -> Scene:
    """The picture of anna, david or kenji as it was rendered."""
    document = json.loads((PEOPLE / f"{name}.json").read_text())
    camera = document["camera"]
    return Scene(
        np.array(document["openpose18"]["xyz_m"]),
        np.array([document["hands21"][side]["xyz_m"] for side in ("left", "right")]),
        np.array(camera["K"]),
        np.array(camera["R"]),
        np.array(camera["t"]),
    )


def true_lengths(body_m: np.ndarray) -> dict[str, float]:
    """The lengths in m of the bones that OpenPose-18 tells, from points (18,3)."""

    def at(name: str) -> np.ndarray:
        return np.asarray(body_m[OPENPOSE_18.index(name)])

    middle = (at("left_hip") + at("right_hip")) / 2.0
    pairs = {
        "torso": (at("neck"), middle),
        "shoulder_width": (at("left_shoulder"), at("right_shoulder")),
        "hip_width": (at("left_hip"), at("right_hip")),
        "neck_to_nose": (at("neck"), at("nose")),
        "upper_arm": (at("left_shoulder"), at("left_elbow")),
        "forearm": (at("left_elbow"), at("left_wrist")),
        "thigh": (at("left_hip"), at("left_knee")),
        "shin": (at("left_knee"), at("left_ankle")),
    }
    return {name: float(np.linalg.norm(a - b)) for name, (a, b) in pairs.items()}
