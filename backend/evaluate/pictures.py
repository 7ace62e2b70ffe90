"""Skeleton drawing beside drawing without shortcuts, and frames between beside plain mixtures: both sides in one run.

Knows tracks and clips; what is measured is said by `bench`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.drawing import MIMICMOTION, Pen
from backend.evaluate.metrics import psnr
from backend.evaluate.plain_drawing import draw_plainly
from backend.media import read_frames
from backend.retime import between
from fleximo.pose_track import PoseTrack

__all__ = ["DrawingSpeed", "frames_between", "measure_drawing"]

_ROUNDS, _AT_ONCE = 7, 32


@dataclass(frozen=True)
class DrawingSpeed:
    """CPU seconds of one frame."""

    ours_s: float
    plain_s: float


def measure_drawing(track: PoseTrack) -> DrawingSpeed:
    """Draws pieces of `track` in turn in both ways; medians, so that a busy machine slows both sides alike."""

    def seconds(call: Callable[[], object]) -> float:
        started = time.process_time()
        call()
        return time.process_time() - started

    ours, plain, pen = [], [], Pen(track.size)
    for n in range(_ROUNDS):
        first = n * _AT_ONCE % max(1, len(track) - _AT_ONCE + 1)
        piece = track[first : first + _AT_ONCE]
        frames = piece.points_px[:, None], piece.confidence[:, None]
        ours.append(seconds(lambda frames=frames: [frame.shape for frame in pen.draw_frames(*frames)]) / len(piece))
        shown = piece.points_px[:1], piece.confidence[:1]
        plain.append(seconds(lambda shown=shown: draw_plainly(*shown, track.size, MIMICMOTION)))
    return DrawingSpeed(statistics.median(ours), statistics.median(plain))


def frames_between(clip: Path, step: int) -> tuple[float, float]:
    """Mean PSNR in dB of the frames left out of a true clip of which every `step`-th is kept: by flow, and mixed."""
    frames = list(read_frames(clip))
    flow, mixed = [], []
    for n in range(0, len(frames) - step, step):
        for k in range(1, step):
            t, true = k / step, frames[n + k]
            flow.append(psnr(between(frames[n], frames[n + step], t), true))
            plain = (1.0 - t) * frames[n].astype(float) + t * frames[n + step]
            mixed.append(psnr(np.rint(plain), true))
    return float(np.mean(flow)), float(np.mean(mixed))
