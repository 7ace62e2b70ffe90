"""Whether frames that were rendered again lie quietly between those that stayed: the jump at each border.

Knows pictures in order; nothing of engines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fleximo.arrays import FloatArray

__all__ = ["MOST", "Border", "borders", "steps"]

Picture = npt.NDArray[np.uint8]

MOST = 1.5  # times the usual step
_BESIDE = 3  # steps on either side of a border that tell how fast things move there
_QUIET = (1.0, 1.0)  # grey levels (RMS) and Lab distance that nobody sees: never a jump
_LAB_PX = 256  # longer side of the pictures whose colours are compared


@dataclass(frozen=True)
class Border:
    """The step from frame `frame` - 1 to `frame`, one of them new, beside the usual step."""

    frame: int
    psnr_db: float
    usual_psnr_db: float  # of the clip's median step
    lab: float  # mean distance of the colours, CIE 1976
    usual_lab: float
    ratio: float  # of the step to the clip's median step: the larger one of pixels (RMS) and colours
    visible: bool  # whether it is above `MOST` of the clip's median step, and of the steps beside it

    def to_json(self) -> dict[str, Any]:
        return {
            "frame": self.frame,
            "psnr_db": round(self.psnr_db, 2),
            "usual_psnr_db": round(self.usual_psnr_db, 2),
            "lab": round(self.lab, 3),
            "usual_lab": round(self.usual_lab, 3),
            "ratio": round(self.ratio, 3),
            "visible": self.visible,
        }


def steps(frames: Iterable[Picture]) -> FloatArray:
    """(T-1,2) how far each frame (H,W,3) is from the one before: RMS grey levels, and mean Lab distance."""
    found: list[tuple[float, float]] = []
    former: Picture | None = None
    former_lab = np.zeros(0, np.float32)
    for frame in frames:
        lab = _lab(frame)
        if former is not None:
            pixels = float(np.sqrt(np.mean(cv2.absdiff(frame, former).astype(np.float32) ** 2)))
            found.append((pixels, float(np.linalg.norm(lab - former_lab, axis=-1).mean())))
        former, former_lab = frame, lab
    return np.array(found, dtype=np.float64).reshape(-1, 2)


def _lab(frame: Picture) -> npt.NDArray[np.float32]:
    height, width = frame.shape[:2]
    scale = min(1.0, _LAB_PX / max(height, width))
    small = cv2.resize(frame, (max(1, round(width * scale)), max(1, round(height * scale))), None, 0, 0, cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB))


def borders(frames: Iterable[Picture], ranges: Sequence[tuple[int, int]]) -> tuple[Border, ...]:
    """Both edges of each of the `ranges` [start, stop) of a clip, but for the clip's own ends.

    A step is visible that is above 1.5 times the clip's median step, unless things move as fast right beside it.
    """
    sizes = steps(frames)
    count = len(sizes) + 1
    places = sorted({edge for each in ranges for edge in each if 0 < edge < count})
    if not places:
        return ()
    usual = np.median(sizes, axis=0)
    found = []
    for frame in places:
        at = frame - 1
        near = [n for n in range(max(0, at - _BESIDE), min(len(sizes), at + _BESIDE + 1)) if n + 1 not in places]
        beside = np.median(sizes[near], axis=0) if near else usual
        allowed = np.maximum(MOST * np.maximum(usual, beside), _QUIET)
        ratio = float((sizes[at] / np.maximum(usual, 1e-6)).max())
        visible = bool((sizes[at] > allowed).any())
        found.append(Border(frame, _psnr(sizes[at, 0]), _psnr(usual[0]), sizes[at, 1], usual[1], ratio, visible))
    return tuple(found)


def _psnr(rms: float) -> float:
    return float(20.0 * np.log10(255.0 / max(float(rms), 1e-3)))
