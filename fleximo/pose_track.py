"""2D key points over time on the canvas: what is drawn for the video model, and what a detector finds again.

Knows no rig and no camera; `projection` makes tracks from motions.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from fleximo.arrays import FloatArray, freeze
from fleximo.errors import FleximoError
from fleximo.files import read_bytes, read_npz, reading, write_atomic
from fleximo.layouts import LAYOUTS, WHOLEBODY_128, Layout
from fleximo.timing import as_fps

__all__ = ["PoseSignal", "PoseTrack"]

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """`T` frames of `K` key points; an absent point has confidence 0 and finite coordinates."""

    points_px: FloatArray  # (T,K,2) canvas px
    confidence: FloatArray  # (T,K) 0..1; detected 1, invented 0.6, absent or hidden 0
    size: tuple[int, int]  # (W, H) px of the canvas
    fps: Fraction
    layout: Layout = WHOLEBODY_128
    depths_m: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))  # (T,K) m along the camera axis; 0 = unknown

    def __post_init__(self) -> None:
        points = freeze(self.points_px, (None, len(self.layout), 2), name="PoseTrack.points_px")
        shape = points.shape[:2]
        object.__setattr__(self, "points_px", points)
        object.__setattr__(self, "confidence", freeze(self.confidence, shape, name="PoseTrack.confidence"))
        depths = np.asarray(self.depths_m)
        depths = np.zeros(shape) if depths.size == 0 else depths
        object.__setattr__(self, "depths_m", freeze(depths, shape, name="PoseTrack.depths_m"))
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        object.__setattr__(self, "fps", as_fps(self.fps))
        if self.confidence.size and not 0.0 <= self.confidence.min() <= self.confidence.max() <= 1.0:
            raise FleximoError("PoseTrack.confidence must lie in 0..1.")

    def __len__(self) -> int:
        return int(self.points_px.shape[0])

    def __getitem__(self, frames: slice) -> PoseTrack:
        return replace(
            self, points_px=self.points_px[frames], confidence=self.confidence[frames], depths_m=self.depths_m[frames]
        )

    def at(self, positions: FloatArray, fps: Fraction) -> PoseTrack:
        """The points at fractional frame numbers (N,) in 0..T-1, as a track of `fps`.

        What is absent in one of the two frames around a moment is taken from the nearer one alone.
        """
        low = np.floor(positions).astype(int)
        high = np.minimum(low + 1, len(self) - 1)
        t = np.broadcast_to((positions - low)[:, None], (len(low), len(self.layout)))
        one_sided = (self.confidence[low] == 0.0) | (self.confidence[high] == 0.0)
        t = np.where(one_sided, np.round(t), t)

        def mixed(values: FloatArray) -> FloatArray:
            share = t.reshape(t.shape + (1,) * (values.ndim - 2))
            return np.asarray(values[low] * (1.0 - share) + values[high] * share)

        return replace(
            self,
            points_px=mixed(self.points_px),
            confidence=mixed(self.confidence),
            depths_m=mixed(self.depths_m),
            fps=fps,
        )

    def column(self, name: str) -> FloatArray:
        """(T,2) px of the key point called `name`."""
        return self.points_px[:, self.layout.index(name)]

    def subset(self, layout: Layout) -> PoseTrack:
        """The key points of a smaller `layout`, matched by name."""
        columns = [self.layout.index(name) for name in layout.names]
        return replace(
            self,
            points_px=self.points_px[:, columns],
            confidence=self.confidence[:, columns],
            depths_m=self.depths_m[:, columns],
            layout=layout,
        )

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(
            buffer,
            points_px=self.points_px,
            confidence=self.confidence,
            depths_m=self.depths_m,
            layout=np.array(self.layout.name),
            size=np.array(self.size, dtype=np.int32),
            fps=np.float64(self.fps),
            format_version=np.int32(FORMAT_VERSION),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> PoseTrack:
        """Reads what `to_bytes` wrote; raises `FleximoError` on anything else."""
        required = ("points_px", "confidence", "layout", "size", "fps")
        arrays = read_npz(content, required=required, what="pose track", newest=FORMAT_VERSION)
        name = str(arrays["layout"])
        if name not in LAYOUTS:
            raise FleximoError(f"The pose track has the layout {name!r}; one of {', '.join(LAYOUTS)} was expected.")
        with reading("pose track"):
            return cls(
                points_px=arrays["points_px"],
                confidence=arrays["confidence"],
                size=(int(arrays["size"][0]), int(arrays["size"][1])),
                fps=as_fps(float(arrays["fps"])),
                layout=LAYOUTS[name],
                depths_m=arrays.get("depths_m", np.zeros((0, 0))),
            )

    def save(self, path: str | Path) -> None:
        """Writes `pose_track.npz`, all or nothing."""
        write_atomic(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> PoseTrack:
        return cls.from_bytes(read_bytes(Path(path)))


@dataclass(frozen=True, eq=False)
class PoseSignal:
    """What the video model is given: a track, and drawn frames where a model drew them itself."""

    track: PoseTrack
    drawn_frames: bytes | None = None  # lossless video of the drawn skeleton, one frame per frame of the track

    def __getitem__(self, frames: slice) -> PoseSignal:
        if self.drawn_frames is not None:
            raise FleximoError("A signal with drawn frames cannot be cut without decoding them.")
        return PoseSignal(self.track[frames])
