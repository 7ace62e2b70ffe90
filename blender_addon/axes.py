"""The one place where Fleximo's Y-up world and Blender's Z-up world meet.

Fleximo: Y up, the subject faces +Z, +X is the subject's left. Blender: Z up, the subject faces -Y, +X is still the
subject's left. So (x, y, z) of Fleximo is (x, -z, y) of Blender. Cameras: Fleximo looks along +z with y down (OpenCV),
Blender along -z with y up. Knows numbers only, not bpy.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import FloatArray

__all__ = [
    "camera_to_blender",
    "points_from_blender",
    "points_to_blender",
    "quaternions_from_blender",
    "quaternions_to_blender",
]

_WORLD = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
_CAMERA = np.diag([1.0, -1.0, -1.0, 1.0])


def points_to_blender(points: FloatArray) -> FloatArray:
    """Positions or directions (...,3) of Fleximo -> Blender's world, metres."""
    return np.stack((points[..., 0], -points[..., 2], points[..., 1]), axis=-1)


def points_from_blender(points: FloatArray) -> FloatArray:
    """Positions or directions (...,3) of Blender's world -> Fleximo, metres."""
    return np.stack((points[..., 0], points[..., 2], -points[..., 1]), axis=-1)


def quaternions_to_blender(quaternions: FloatArray) -> FloatArray:
    """Rotations wxyz (...,4) of Fleximo -> the same rotations about Blender's axes."""
    return np.concatenate((quaternions[..., :1], points_to_blender(quaternions[..., 1:])), axis=-1)


def quaternions_from_blender(quaternions: FloatArray) -> FloatArray:
    """Rotations wxyz (...,4) about Blender's axes -> the same rotations of Fleximo."""
    return np.concatenate((quaternions[..., :1], points_from_blender(quaternions[..., 1:])), axis=-1)


def camera_to_blender(world_to_camera: FloatArray) -> FloatArray:
    """A `world_to_camera` matrix (4,4) -> the `matrix_world` (4,4) of the Blender camera at the same place."""
    return np.asarray(_WORLD @ np.linalg.inv(world_to_camera) @ _CAMERA)
