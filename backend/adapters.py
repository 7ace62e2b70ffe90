"""Puts hands on a job's skeleton by the adapter of that name; says beforehand if it cannot.

Knows jobs; how an adapter works it does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from backend import catalog, weights
from backend.stages import Progress, silent
from backend.weights import Bundle
from fleximo.errors import FleximoError, Notice
from fleximo.job import RenderJob
from fleximo.layouts import WHOLEBODY_128
from fleximo.pose_track import PoseTrack

__all__ = ["Completed", "check_adapter", "complete_job", "reference_of"]

_SIDE = 64  # px: what the networks' sizes are multiples of


@dataclass(frozen=True, eq=False)
class Completed:
    """The job with its skeleton complete, and what it was completed with."""

    job: RenderJob
    bundles: tuple[Bundle, ...] = ()
    notices: tuple[Notice, ...] = ()


def check_adapter(name: str, engine: str, size: tuple[int, int] | None, fps: Fraction, retime: str) -> None:
    """Raises `FleximoError` for what would fail only after minutes."""
    adapter = catalog.adapter(name)
    if adapter.load is None:
        return
    entry = catalog.engine(engine)
    if not entry.takes_drawn:
        able = ", ".join(other for other, its in catalog.VIDEO_MODELS.items() if its.takes_drawn)
        raise FleximoError(
            f"The engine {engine} takes no skeletons that a model drew: the {name} adapter is of no use to it.",
            code="invalid_setting",
            remedy=f"Leave --adapter out, or choose an engine that is given drawn skeletons: {able}.",
        )
    if fps != entry.default_fps and retime != "dense":
        raise FleximoError(
            f"A skeleton that a model drew can only be rendered frame by frame; {engine} runs at "
            f"{float(entry.default_fps):g} fps, {float(fps):g} was asked for.",
            code="invalid_setting",
            remedy="Leave --fps out, or add --retime dense.",
        )
    if size is not None and any(side % _SIDE for side in size):
        raise FleximoError(f"The {name} adapter needs sizes that are multiples of {_SIDE}.", code="invalid_size")
    for bundle in adapter.bundles:
        weights.bundle(bundle)


def complete_job(job: RenderJob, name: str, progress: Progress = silent, folder: Path | None = None) -> Completed:
    """`job` with the signal that the adapter `name` makes of its own; the photo's skeleton is the example.

    In `folder` a stopped adapter finds what it has done.
    """
    adapter = catalog.adapter(name)
    if adapter.load is None:
        return Completed(job)  # the fingers were projected with the body
    model: Any = adapter.load(reference_of(job), seed=job.seed, progress=progress, folder=folder)
    signal = model.complete(job.signal)
    return Completed(replace(job, signal=signal), model.bundles, tuple(model.notices))


def reference_of(job: RenderJob) -> PoseTrack:
    """One frame: the skeleton of the photo where the job's framing puts it."""
    person = job.person
    points = job.framing.to_canvas(person.points_px)
    return PoseTrack(points[None], np.asarray(person.confidence)[None], job.size, job.fps, WHOLEBODY_128)
