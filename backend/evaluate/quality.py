"""How the draft stands up to being looked at again: people x texts, pose re-detected in the master's frames."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backend.evaluate.metrics import PoseScore, score_video
from backend.media import read_frames
from backend.pipeline import Request, animate

__all__ = ["BARS", "EVERY", "TEXTS", "measure", "passes"]

TEXTS = (
    "a person waves the right hand",
    "a person does two squats",
    "a person bows",
    "a person does three jumping jacks",
    "a person raises both arms",
    "a person walks forward for three seconds",
    "a person points with the left hand",
    "a person nods twice and shrugs",
)
EVERY = 6  # every n-th frame is judged
BARS = {"mean error": 0.07, "PCK@0.2": 0.95, "travelling PCK": 0.90, "path correlation": 0.9}


def passes(score: PoseScore) -> bool:
    """Whether the pose asked for was found again: in every judged frame, near enough, along the same paths."""
    return (
        bool(score.found.all())
        and score.mean_error <= BARS["mean error"]
        and score.pck >= BARS["PCK@0.2"]
        and score.travelling_pck() >= BARS["travelling PCK"]
        and score.travelling_correlation() >= BARS["path correlation"]
    )


def measure(photos: Mapping[str, bytes], texts: tuple[str, ...] = TEXTS, *, seed: int = 1) -> Iterator[dict[str, Any]]:
    """One row per person and text, as soon as it is judged."""
    for name, photo in photos.items():
        for text in texts:
            with tempfile.TemporaryDirectory() as folder:
                done = animate(Request(photo=photo, text=text, seed=seed), Path(folder))
                score = score_video(read_frames(done.rendered.master), done.job.signal.track, every=EVERY)
            yield {
                "person": name,
                "text": text,
                "mean error": round(score.mean_error, 4),
                "PCK@0.2": round(score.pck, 4),
                "travelling PCK": round(score.travelling_pck(), 4),
                "path correlation": round(score.travelling_correlation(), 4),
                "met": passes(score),
            }
