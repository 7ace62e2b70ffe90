"""The person found in the photo: key points, true bone lengths, mask, facing direction, and what to beware of.

Everything in photo pixels (after EXIF rotation). Knows no canvas and no motion.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from fleximo.arrays import BoolArray, FloatArray, freeze
from fleximo.errors import FleximoError, Notice
from fleximo.layouts import BODY, WHOLEBODY_128

__all__ = ["Person"]


@dataclass(frozen=True, eq=False)
class Person:
    """One person of one photo."""

    points_px: FloatArray  # (128,2) photo px, layout WHOLEBODY_128
    confidence: FloatArray  # (128,) 0..1; absent = 0
    photo_size: tuple[int, int]  # (W, H) px after EXIF rotation
    mask: BoolArray  # (H,W) True on the person: hair, clothes and shoes included
    body_m: FloatArray = field(default_factory=lambda: np.zeros((18, 3)))
    # ^ (18,3) m, OpenPose-18, origin mid-hip, axes of the camera seen from the front: x right in the picture, y up,
    #   z towards the camera; all zero where the detector gives no depth (manual points)
    bone_lengths_m: Mapping[str, float] = field(default_factory=dict)  # by name, see `bones`
    yaw_degrees: float = 0.0  # 0 = faces the camera, positive turns her front to the picture's right, 180 = back view
    stature_m: float = 1.70  # prior unless given
    lens_degrees: float | None = None  # angle of view of the photo's longer side, if EXIF tells it
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        count = len(WHOLEBODY_128)
        object.__setattr__(self, "points_px", freeze(self.points_px, (count, 2), name="Person.points_px"))
        object.__setattr__(self, "confidence", freeze(self.confidence, (count,), name="Person.confidence"))
        object.__setattr__(self, "body_m", freeze(self.body_m, (18, 3), name="Person.body_m"))
        width, height = int(self.photo_size[0]), int(self.photo_size[1])
        object.__setattr__(self, "photo_size", (width, height))
        object.__setattr__(self, "mask", freeze(self.mask, (height, width), name="Person.mask", dtype=np.bool_))
        object.__setattr__(self, "bone_lengths_m", MappingProxyType(dict(self.bone_lengths_m)))
        object.__setattr__(self, "notices", tuple(self.notices))

    @property
    def has_depth(self) -> bool:
        """Whether `body_m` was measured."""
        return bool(np.abs(self.body_m).max() > 0)

    @property
    def body_px(self) -> FloatArray:
        """(18,2) photo px, OpenPose-18."""
        return self.points_px[BODY]

    @property
    def body_confidence(self) -> FloatArray:
        """(18,)"""
        return self.confidence[BODY]

    def point(self, name: str) -> FloatArray:
        """(2,) photo px of the key point called `name`."""
        return np.asarray(self.points_px[WHOLEBODY_128.index(name)])

    @property
    def torso_px(self) -> float:
        """Neck to mid-hip in photo px: the unit of every error in the pictures."""
        middle = (self.point("left_hip") + self.point("right_hip")) / 2.0
        return float(np.linalg.norm(self.point("neck") - middle))

    def to_json(self) -> dict[str, Any]:
        """`person.json` without its framing; the mask travels packed (zlib of its bits, base64)."""
        packed = base64.b64encode(zlib.compress(np.packbits(self.mask).tobytes(), 6)).decode()
        return {
            "format_version": 1,
            "photo_size": list(self.photo_size),
            "names": list(WHOLEBODY_128.names),
            "points_px": np.round(self.points_px.astype(float), 3).tolist(),
            "confidence": np.round(self.confidence.astype(float), 4).tolist(),
            "body_m": np.round(self.body_m.astype(float), 5).tolist(),
            "bone_lengths_m": {name: round(float(length), 5) for name, length in self.bone_lengths_m.items()},
            "yaw_degrees": self.yaw_degrees,
            "stature_m": self.stature_m,
            "lens_degrees": self.lens_degrees,
            "mask_bits": packed,
            "warnings": [notice.to_json() for notice in self.notices],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Person:
        """Reads what `to_json` wrote; raises `FleximoError` on anything else."""
        try:
            width, height = (int(n) for n in document["photo_size"])
            if not 0 < width * height <= 100_000_000:
                raise FleximoError(f"The person's photo has {width}x{height} pixels; at most 100 million are read.")
            expected = (width * height + 7) // 8
            bits = _inflate(base64.b64decode(document["mask_bits"]), expected)
            mask = np.unpackbits(np.frombuffer(bits, np.uint8), count=width * height).reshape(height, width)
            return cls(
                points_px=document["points_px"],
                confidence=document["confidence"],
                photo_size=(width, height),
                mask=mask.astype(bool),
                body_m=document["body_m"],
                bone_lengths_m={str(name): float(length) for name, length in document["bone_lengths_m"].items()},
                yaw_degrees=float(document["yaw_degrees"]),
                stature_m=float(document["stature_m"]),
                lens_degrees=None if document["lens_degrees"] is None else float(document["lens_degrees"]),
                notices=tuple(Notice.from_json(notice) for notice in document["warnings"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise FleximoError(f"The person file cannot be read: {error!r}.") from None


def _inflate(packed: bytes, expected: int) -> bytes:
    """Unpacks exactly `expected` bytes, so that a small file cannot grow without bound."""
    bits = zlib.decompressobj().decompress(packed, expected + 1)
    if len(bits) != expected:
        raise FleximoError(f"The person's mask has {len(bits)} bytes; {expected} were expected for its photo size.")
    return bits
