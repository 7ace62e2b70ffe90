"""The track that a job asks for, made complete: points, apparent sizes, and how far the feet are off the floor.

Knows the photo's skeleton and the camera; no bones yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.camera import Camera
from fleximo.easing import smoothstep
from fleximo.pose_track import PoseTrack
from fleximo.puppet.rest import HAND_START, LEGS, SIDES, RestPose, complete_points

__all__ = ["Target", "read_target"]

_ANKLE_HEIGHT = 0.05  # of the stature, ankle joint above the floor (Drillis and Contini 1964: 0.039; shoes added)


@dataclass(frozen=True, eq=False)
class Target:
    """The track made complete, in float64."""

    points: FloatArray  # (T,128,2) canvas px
    depths_m: FloatArray  # (T,128), 0 = unknown
    hands: dict[str, BoolArray]  # side -> (T,): the hand's points are given
    growth: FloatArray  # (T,128) apparent size against the photo, from depth; 1 where unknown
    lift_m: FloatArray  # (T,2) right, left ankle above its place on the floor; 0 where unknown
    focal_px: float

    def footing(self, side: str, frame: int) -> tuple[FloatArray, float, float]:
        """The ankle if the foot stood on the floor below it, canvas px; its size; the strength of its shadow."""
        ankle = LEGS[side][2]
        lift, depth = float(self.lift_m[frame, SIDES.index(side)]), float(self.depths_m[frame, ankle])
        drop = lift * self.focal_px / depth if depth > 0.05 else 0.0
        strength = 1.0 - 0.85 * float(smoothstep(np.array((lift - 0.02) / 0.3)))
        return self.points[frame, ankle] + np.array([0.0, drop]), float(self.growth[frame, ankle]), strength


def read_target(rest: RestPose, track: PoseTrack, camera: Camera, stature_m: float) -> Target:
    """Completes the track; depth gives the apparent size against a person who stands on the world's origin."""
    points = track.points_px.astype(np.float64).copy()
    depths = track.depths_m.astype(np.float64)
    present = (track.confidence > 0) | (np.abs(points).sum(axis=-1) > 0)
    rest_depths = _rest_depths(rest, camera)
    known = (depths > 0.05) & present
    ratio = np.where(known, depths, rest_depths) / np.maximum(rest_depths, 0.05)
    body = known[:, :18]
    middle = np.where(body, ratio[:, :18], 0.0).sum(axis=1) / np.maximum(body.sum(axis=1), 1)
    ratio = np.where(known, ratio, np.where(body.any(axis=1), middle, 1.0)[:, None])
    growth = np.clip(1.0 / np.maximum(ratio, 0.05), 0.3, 3.0)
    points[:, :18] = complete_points(points[:, :18], present[:, :18], rest.points[:18])
    hands = {side: present[:, [HAND_START[side], HAND_START[side] + 9]].all(axis=1) for side in SIDES}
    lifts = _lifts(points, depths, camera, stature_m)
    return Target(points, np.where(known, depths, 0.0), hands, growth, lifts, float(camera.K[1, 1]))


def _rest_depths(rest: RestPose, camera: Camera) -> FloatArray:
    """(128,) m: how far the photo's points are from the camera if she stands upright on the world's origin.

    Where the ray through the point meets the upright plane through the origin that faces the camera.
    """
    matrix = camera.world_to_camera[0]
    rotation, shift = matrix[:3, :3], matrix[:3, 3]
    eye = -rotation.T @ shift
    rays = np.concatenate([rest.points - camera.K[:2, 2], np.ones((len(rest.points), 1))], axis=1)
    rays[:, :2] /= [camera.K[0, 0], camera.K[1, 1]]
    towards = np.array([eye[0], 0.0, eye[2]])
    distance = float(np.linalg.norm(towards))
    across = (rays @ rotation) @ (-towards / max(distance, 1e-6))  # how fast each ray nears the plane
    return np.where(across > 0.1, distance / np.maximum(across, 0.1), max(float(shift[2]), 0.1))


def _lifts(points: FloatArray, depths: FloatArray, camera: Camera, stature_m: float) -> FloatArray:
    """(T,2) how far each ankle is above its height when standing, m."""
    ankles = [10, 13]
    place, depth = points[:, ankles], depths[:, ankles]
    focal = np.array([camera.K[0, 0], camera.K[1, 1]])
    seen = np.concatenate([(place - camera.K[:2, 2]) / focal * depth[..., None], depth[..., None]], axis=-1)
    matrices = np.broadcast_to(camera.world_to_camera, (len(points), 4, 4))
    world = np.einsum("tji,tkj->tki", matrices[:, :3, :3], seen - matrices[:, None, :3, 3])
    return np.where(depth > 0.05, np.maximum(world[..., 1] - _ANKLE_HEIGHT * stature_m, 0.0), 0.0)
