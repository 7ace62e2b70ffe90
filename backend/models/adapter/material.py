"""Training clips by number: of our own moves, endless, or of the tracks of human videos.

The n-th clip of a seed is always the same one, so a training that goes on after a stop sees what it would have seen.
Knows tracks and pictures; nothing of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from backend.drawing import Style
from backend.models.adapter.motions import MOVES_WITH_HANDS, random_track
from backend.models.adapter.pairs import Clip, draw_pair, frames_between
from fleximo.errors import FleximoError
from fleximo.layouts import WHOLEBODY_128
from fleximo.pose_track import PoseTrack

__all__ = ["ClipSource", "Clips", "MotionClips", "TrackClips"]

_LATENT_PX = 8


class ClipSource(Protocol):
    def clip(self, rng: np.random.Generator, frames: int, style: Style) -> Clip:
        """A clip of so many frames, by chance."""
        ...


@dataclass(frozen=True)
class MotionClips:
    """Our own moves with random fingers, as `random_track` makes them; `fps` is the rate of the clips' frames."""

    size: tuple[int, int]
    fps: float = 7.5
    only: Sequence[str] = MOVES_WITH_HANDS
    closest: float = 2.0
    yaw_degrees: float = 60.0

    def clip(self, rng: np.random.Generator, frames: int, style: Style) -> Clip:
        return draw_pair(random_track(rng, frames=frames, **vars(self)), style)


class TrackClips:
    """Pieces of tracks of 128 points, the canvas stretched to `size` where another has the same aspect."""

    def __init__(self, tracks: Sequence[PoseTrack], size: tuple[int, int], stride: int = 4) -> None:
        if not tracks:
            raise FleximoError("There is no track to train on.", code="no_material")
        for track in tracks:
            if track.layout is not WHOLEBODY_128:
                raise FleximoError(f"A track has the layout {track.layout.name}; {WHOLEBODY_128.name} was expected.")
        self._tracks = [_fitted(track, size) for track in tracks]
        self._stride = stride

    @classmethod
    def of_folder(cls, folder: Path, size: tuple[int, int], stride: int = 4) -> tuple[TrackClips, TrackClips]:
        """The `.npz` tracks below `folder` but every tenth one, and those. Raises `FleximoError` below two."""
        tracks = [PoseTrack.load(path) for path in sorted(folder.rglob("*.npz"))]
        if len(tracks) < 2:
            raise FleximoError(
                f"{folder} holds {len(tracks)} tracks; at least two are needed, one of them to judge by.",
                code="no_material",
            )
        others = [track for number, track in enumerate(tracks) if number % 10]
        return cls(others, size, stride), cls(tracks[::10], size, stride)

    def clip(self, rng: np.random.Generator, frames: int, style: Style) -> Clip:
        track = self._tracks[int(rng.integers(len(self._tracks)))]
        rows = frames_between(len(track), frames, self._stride, rng)
        chosen = replace(
            track, points_px=track.points_px[rows], confidence=track.confidence[rows], depths_m=track.depths_m[rows]
        )
        return draw_pair(chosen, style)


def _fitted(track: PoseTrack, size: tuple[int, int]) -> PoseTrack:
    """The track in the middle of a canvas of `size`, as large as it fits."""
    scale = min(size[0] / track.size[0], size[1] / track.size[1])
    shift = (np.array(size) - scale * np.array(track.size)) / 2.0
    return replace(track, points_px=track.points_px * scale + shift, size=size)


class Clips(Dataset[dict[str, Any]]):
    """The clips of a training, by number. With a `pool`, so many different ones again and again."""

    def __init__(
        self, source: ClipSource, style: Style, *, frames: int, seed: int, swapped: bool = False, pool: int = 0
    ) -> None:
        self._source, self._style, self._frames = source, style, frames
        self._seed, self._swapped, self._pool = seed, swapped, pool
        self._kept: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Pictures (F,3,H,W) uint8 as `body` and `full`, `hands` (F,1,h,w) and the `reference` frame's number."""
        which = number % self._pool if self._pool else number
        if which not in self._kept:
            made = self._made(which)
            if not self._pool:
                return made | self._reference(number)
            self._kept[which] = made
        return self._kept[which] | self._reference(number)

    def _reference(self, number: int) -> dict[str, Any]:
        """A frame by chance: another one each time that a clip is seen."""
        return {"reference": int(np.random.default_rng([self._seed, 1, number]).integers(self._frames))}

    def _made(self, which: int) -> dict[str, Any]:
        clip = self._source.clip(np.random.default_rng([self._seed, 0, which]), self._frames, self._style)
        full = clip.full[..., ::-1] if self._swapped else clip.full
        body, full = (torch.from_numpy(pictures.copy()).movedim(-1, 1) for pictures in (clip.body, full))
        boxes = torch.from_numpy(clip.boxes)[:, None].float()
        hands = torch.nn.functional.avg_pool2d(boxes, _LATENT_PX)
        return {"number": which, "body": body, "full": full, "hands": hands}
