"""Where photo, canvas and world meet: `Framing` maps photo to canvas pixels, `Camera` world metres to canvas pixels.

Pixels: x right, y down, origin at the top-left corner, pixel centres at .5. Camera axes as OpenCV's: x right, y down,
z forward. Knows no person; fitting a camera to one is `camera_fit`'s.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray, freeze
from fleximo.errors import FleximoError
from fleximo.files import read_npz, reading

__all__ = ["Camera", "Framing"]


@dataclass(frozen=True)
class Framing:
    """How the photo lies on the canvas that everything is drawn on: canvas = photo * scale + offset."""

    photo_size: tuple[int, int]  # (W, H) px after EXIF rotation
    canvas_size: tuple[int, int]  # (W, H) px
    scale: float  # canvas px per photo px
    offset: tuple[float, float]  # canvas px of the photo's top-left corner

    def __post_init__(self) -> None:
        for name, (width, height) in (("photo", self.photo_size), ("canvas", self.canvas_size)):
            if width < 1 or height < 1:
                raise FleximoError(f"The {name} has the size {width}x{height}; at least 1x1 was expected.")
        if not (np.isfinite(self.scale) and self.scale > 0.0 and np.isfinite(self.offset).all()):
            raise FleximoError(f"The framing's scale {self.scale} must be above 0 and its offset finite.")

    def to_canvas(self, points_px: FloatArray) -> FloatArray:
        """Photo pixels (...,2) -> canvas pixels."""
        return np.asarray(np.asarray(points_px, dtype=np.float64) * self.scale + np.asarray(self.offset))

    def to_photo(self, points_px: FloatArray) -> FloatArray:
        """Canvas pixels (...,2) -> photo pixels."""
        return np.asarray((np.asarray(points_px, dtype=np.float64) - np.asarray(self.offset)) / self.scale)

    @property
    def matrix(self) -> FloatArray:
        """(2,3) affine map photo -> canvas in pixel-edge coordinates (centres at .5)."""
        return np.array([[self.scale, 0.0, self.offset[0]], [0.0, self.scale, self.offset[1]]])

    def to_json(self) -> dict[str, Any]:
        return {
            "photo_size": list(self.photo_size),
            "canvas_size": list(self.canvas_size),
            "scale": self.scale,
            "offset": list(self.offset),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Framing:
        try:
            photo, canvas, offset = document["photo_size"], document["canvas_size"], document["offset"]
            return cls(
                (int(photo[0]), int(photo[1])),
                (int(canvas[0]), int(canvas[1])),
                float(document["scale"]),
                (float(offset[0]), float(offset[1])),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FleximoError(f"The framing cannot be read: {error!r}.") from None


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera without distortion, still (one matrix) or moving (one per frame)."""

    K: FloatArray  # (3,3) px of the canvas
    world_to_camera: FloatArray  # (N,4,4), N = 1 for a still camera or T; world metres -> camera metres
    size: tuple[int, int]  # (W, H) px of the canvas

    def __post_init__(self) -> None:
        object.__setattr__(self, "K", freeze(self.K, (3, 3), name="Camera.K", dtype=np.float64))
        matrices = np.asarray(self.world_to_camera, dtype=np.float64)
        if matrices.ndim == 2:
            matrices = matrices[None]
        object.__setattr__(
            self, "world_to_camera", freeze(matrices, (None, 4, 4), name="Camera.world_to_camera", dtype=np.float64)
        )
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        if self.K[0, 0] <= 0 or self.K[1, 1] <= 0 or self.world_to_camera.shape[0] == 0:
            raise FleximoError("A camera needs focal lengths above 0 and at least one world_to_camera matrix.")

    def to_camera(self, points_m: FloatArray) -> FloatArray:
        """World points (T,...,3) or, for a still camera, (...,3) -> camera axes, same shape, metres."""
        rotation, shift = self.world_to_camera[:, :3, :3], self.world_to_camera[:, :3, 3]
        if rotation.shape[0] == 1:
            return np.asarray(points_m @ rotation[0].T + shift[0])
        if points_m.shape[0] != rotation.shape[0]:
            raise FleximoError(
                f"The camera moves over {rotation.shape[0]} frames, the points over {points_m.shape[0]}."
            )
        flat = points_m.reshape(points_m.shape[0], -1, 3)
        moved = np.einsum("tpj,tij->tpi", flat, rotation) + shift[:, None]
        return np.asarray(moved.reshape(points_m.shape))

    def project(self, points_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """World points (...,3) -> canvas pixels (...,2) and depth (...) in metres; depth <= 0 lies behind the camera.

        Points behind are projected as if 1 cm in front, so that the result stays finite; judge them by depth.
        """
        seen = self.to_camera(points_m)
        depth = seen[..., 2]
        flat = seen[..., :2] / np.maximum(depth, 0.01)[..., None]
        focal = np.array([self.K[0, 0], self.K[1, 1]])
        skew = self.K[0, 1] * flat[..., 1:2] * np.array([1.0, 0.0])
        return flat * focal + skew + self.K[:2, 2], depth

    def __getitem__(self, frames: slice) -> Camera:
        """The camera of the frames `[start:stop]`; a still camera is its own slice."""
        if self.world_to_camera.shape[0] == 1:
            return self
        return Camera(self.K, self.world_to_camera[frames], self.size)

    def at(self, positions: FloatArray) -> Camera:
        """The camera at fractional frame numbers (N,) in 0..T-1; between frames it moves straight and turns evenly."""
        if self.world_to_camera.shape[0] == 1:
            return self
        low = np.floor(positions).astype(int)
        high = np.minimum(low + 1, self.world_to_camera.shape[0] - 1)
        t = (positions - low)[:, None]
        matrices = self.world_to_camera[low].copy()
        facing = rot.from_matrix(self.world_to_camera[:, :3, :3])
        matrices[:, :3, :3] = rot.to_matrix(rot.slerp(facing[low], facing[high], t[:, 0]))
        matrices[:, :3, 3] = self.world_to_camera[low, :3, 3] * (1.0 - t) + self.world_to_camera[high, :3, 3] * t
        return Camera(self.K, matrices, self.size)

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, K=self.K, world_to_camera=self.world_to_camera, size=np.array(self.size), format_version=1)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Camera:
        arrays = read_npz(content, required=("K", "world_to_camera", "size"), what="camera", newest=1)
        with reading("camera"):
            return cls(arrays["K"], arrays["world_to_camera"], (int(arrays["size"][0]), int(arrays["size"][1])))
