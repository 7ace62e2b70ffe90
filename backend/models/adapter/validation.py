"""How a training goes, for people: strips of drawn clips beside the truth, a curve of the losses, errors at the hands.

Knows pictures and numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from backend.models.adapter.pairs import Clip
from fleximo.files import write_atomic

__all__ = ["hand_error", "loss_curve", "strip", "write_png"]

Pictures = npt.NDArray[np.uint8]

_SIZE = (900, 420)  # of the curve, px
_EDGE = (70, 20, 20, 50)  # left, top, right, bottom
_GRID, _RAW, _SMOOTH, _INK = (225, 225, 225), (200, 205, 215), (30, 90, 200), (60, 60, 60)


def hand_error(pictures: Pictures, clip: Clip) -> float:
    """The mean squared error (of 0..1) inside the true boxes of the hands; not a number where there is none."""
    difference = (pictures.astype(np.float64) - clip.full) / 255.0
    return float((difference[clip.boxes] ** 2).mean()) if clip.boxes.any() else float("nan")


def strip(clip: Clip, drawn: Pictures) -> Pictures:
    """Three rows, as people see colours: what was given, what the networks drew, what is true."""
    rows = [np.concatenate(list(frames), axis=1) for frames in (clip.body, drawn, clip.full)]
    return np.concatenate(rows, axis=0)[..., ::-1].copy()


def loss_curve(losses: Sequence[tuple[int, float]], *, points: int = 600) -> Pictures:
    """(H,W,3) the losses by step, on a logarithmic scale: each step pale, their running mean on top."""
    picture = np.full((_SIZE[1], _SIZE[0], 3), 255, dtype=np.uint8)
    if not losses:
        return picture
    steps, values = np.array(losses, dtype=np.float64).T
    values = np.log10(np.maximum(values, 1e-6))
    window = max(1, len(values) // 25)
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    smooth = (sums[ends] - sums[starts]) / (ends - starts)
    low, high = np.floor(values.min() * 2.0) / 2.0, np.ceil(values.max() * 2.0) / 2.0 + 1e-9
    left, top, right, bottom = _EDGE
    width, height = _SIZE[0] - left - right, _SIZE[1] - top - bottom

    def place(step: float, value: float) -> tuple[int, int]:
        across = (step - steps[0]) / max(steps[-1] - steps[0], 1.0)
        return round(left + across * width), round(top + (high - value) / (high - low) * height)

    for level in np.arange(low, high + 0.01, 0.5):
        y = place(steps[0], level)[1]
        cv2.line(picture, (left, y), (left + width, y), _GRID, 1)
        _write(picture, f"{10.0**level:.3g}", (8, y + 5))
    for step in np.linspace(steps[0], steps[-1], 6):
        _write(picture, f"{step:.0f}", (place(step, low)[0] - 14, _SIZE[1] - 25))
    _write(picture, "step", (left + width // 2 - 15, _SIZE[1] - 6))
    chosen = np.unique(np.linspace(0, len(steps) - 1, points).astype(int))
    for colour, line, thick in ((_RAW, values, 1), (_SMOOTH, smooth, 2)):
        outline = np.array([place(steps[n], line[n]) for n in chosen], dtype=np.int32)
        cv2.polylines(picture, [outline], False, colour, thick, cv2.LINE_AA)
    return picture


def _write(picture: Pictures, text: str, place: tuple[int, int]) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)


def write_png(path: Path, picture: Pictures) -> None:
    """Writes (H,W,3) RGB, all or nothing."""
    ok, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if ok:
        write_atomic(path, content.tobytes())
