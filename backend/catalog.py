"""The engines and models by name: one line each. Imported lazily, so that naming them costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from backend.stages import MotionModel, VideoModel
from fleximo.errors import FleximoError

__all__ = ["MOTION_MODELS", "VIDEO_MODELS", "Engine", "engine", "motion_model", "video_model"]

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Engine:
    """What is known of a video model before it is loaded."""

    load: Callable[[], VideoModel]
    fidelity: str  # "draft" or "full"; anything on unverified weights reports "stand_in"
    default_fps: Fraction
    seeded: bool  # whether another seed gives another picture


def _draft() -> VideoModel:
    from backend.models.draft import DraftPuppet

    return DraftPuppet()


def _moves() -> MotionModel:
    from backend.models.parametric import ParametricMoves

    return ParametricMoves()


VIDEO_MODELS: dict[str, Engine] = {"draft": Engine(_draft, "draft", Fraction(30), seeded=False)}
MOTION_MODELS: dict[str, Callable[[], MotionModel]] = {"moves": _moves}

_loaded: dict[str, VideoModel] = {}


def engine(name: str) -> Engine:
    """The catalogue entry of the video model `name`; raises `FleximoError` that lists the names there are."""
    return _named(VIDEO_MODELS, name, "engine")


def video_model(name: str) -> VideoModel:
    """The video model `name`, loaded once per process and kept warm."""
    entry = engine(name)
    if name not in _loaded:
        _loaded[name] = entry.load()
    return _loaded[name]


def motion_model(name: str) -> MotionModel:
    """The text-to-motion model `name`; raises `FleximoError` that lists the names there are."""
    return _named(MOTION_MODELS, name, "motion model")()


def _named(entries: Mapping[str, Entry], name: str, what: str) -> Entry:
    if name not in entries:
        raise FleximoError(
            f"The {what} {name!r} is not known.",
            code=f"unknown_{what.replace(' ', '_')}",
            remedy=f"Choose one of: {', '.join(entries)}.",
        )
    return entries[name]
