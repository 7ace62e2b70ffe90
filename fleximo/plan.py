"""The plan of a motion: segments of known moves, one after another, each with layers over it.

Knows names and numbers only; `planner` makes plans from text, `moves` plays them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from fleximo.errors import FleximoError, Notice
from fleximo.timing import frame_count

__all__ = ["DIRECTIONS", "MAX_SEGMENT_SECONDS", "MOVES", "SIDES", "MotionPlan", "Segment"]

MOVES: tuple[str, ...] = tuple(
    "idle walk run march wave jump jumping_jacks squat lunge kneel dance spin_dance clap sit_down stand_up kick "
    "punch throw catch turn bow nod shake_head golf_swing cross_arms raise_arms stretch point shrug salute "
    "pick_up drink".split()
)
SIDES = ("left", "right", "both")
DIRECTIONS = ("forward", "backward", "left", "right", "up", "down", "around")
MAX_SEGMENT_SECONDS = 60.0
MAX_PLAN_SECONDS = 600.0


@dataclass(frozen=True)
class Segment:
    """One move; `layers` are moves of other joints played over it (a wave over a walk)."""

    move: str
    seconds: float
    text: str = ""  # the words it came from
    side: str | None = None  # the subject's own side: left, right or both; None = the move's default
    repeats: int = 1
    direction: str | None = None
    speed: float = 1.0  # 1 = the move's own pace
    layers: tuple[Segment, ...] = ()
    matched: float = 1.0  # how much of the text was understood, 0..1
    seed: int | None = None  # of its natural variation; None = told by the plan's seed and the segment's place in it

    def __post_init__(self) -> None:
        if self.move not in MOVES:
            raise FleximoError(f"The move {self.move!r} is not known; the moves are {', '.join(MOVES)}.")
        if not (math.isfinite(self.seconds) and 0.1 <= self.seconds <= MAX_SEGMENT_SECONDS):
            raise FleximoError(
                f"The segment {self.move} lasts {self.seconds:g} s; 0.1 to {MAX_SEGMENT_SECONDS:g} s were expected."
            )
        if self.side not in (None, *SIDES):
            raise FleximoError(f"The side {self.side!r} is not known; left, right or both were expected.")
        if self.direction not in (None, *DIRECTIONS):
            raise FleximoError(f"The direction {self.direction!r} is not known; it is one of {', '.join(DIRECTIONS)}.")
        if not 1 <= self.repeats <= 200:
            raise FleximoError(f"The segment {self.move} repeats {self.repeats} times; 1 to 200 were expected.")
        if not 0.2 <= self.speed <= 5.0:
            raise FleximoError(f"The speed {self.speed:g} of {self.move} is outside 0.2 to 5.")
        if any(layer.layers for layer in self.layers):
            raise FleximoError("A layer cannot have layers of its own.")
        object.__setattr__(self, "layers", tuple(self.layers))

    def to_json(self) -> dict[str, Any]:
        document = {
            "text": self.text,
            "move": self.move,
            "seconds": self.seconds,
            "side": self.side,
            "repeats": self.repeats,
            "direction": self.direction,
            "speed": self.speed,
            "layers": [layer.to_json() for layer in self.layers],
            "matched": self.matched,
        }
        return document if self.seed is None else document | {"seed": self.seed}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Segment:
        try:
            layers = tuple(cls.from_json(layer) for layer in document.get("layers", ()))
            return cls(
                move=str(document["move"]),
                seconds=float(document["seconds"]),
                text=str(document.get("text", "")),
                side=document.get("side"),
                repeats=int(document.get("repeats", 1)),
                direction=document.get("direction"),
                speed=float(document.get("speed", 1.0)),
                layers=layers,
                matched=float(document.get("matched", 1.0)),
                seed=None if document.get("seed") is None else int(document["seed"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise FleximoError(f"A segment of the plan cannot be read: {error!r}.") from None


@dataclass(frozen=True)
class MotionPlan:
    """What the person does, in order, and the seed of its natural variation."""

    segments: tuple[Segment, ...]
    seed: int = 0
    notices: tuple[Notice, ...] = ()  # e.g. unmatched_text
    setting: str = ""  # looks and place, as far as the text told them apart: for a video model's prompt, not for motion

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.segments))
        object.__setattr__(self, "notices", tuple(self.notices))
        if not self.segments:
            raise FleximoError("A plan needs at least one segment.")
        if self.seconds > MAX_PLAN_SECONDS:
            raise FleximoError(
                f"The plan lasts {self.seconds:.0f} s; at most {MAX_PLAN_SECONDS:.0f} s are made at once."
            )

    @property
    def seconds(self) -> float:
        return sum(segment.seconds for segment in self.segments)

    def frame_counts(self, fps: Fraction) -> tuple[int, ...]:
        """How many frames each segment lasts at `fps`."""
        return tuple(frame_count(segment.seconds, fps) for segment in self.segments)

    def with_seed(self, seed: int) -> MotionPlan:
        return replace(self, seed=seed)

    def to_json(self) -> dict[str, Any]:
        document = {
            "segments": [segment.to_json() for segment in self.segments],
            "seed": self.seed,
            "warnings": [notice.to_json() for notice in self.notices],
        }
        # Only where there is one: readers of the first version refuse what they do not know.
        return document | {"setting": self.setting} if self.setting else document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> MotionPlan:
        """Reads `plan.json`; raises `FleximoError` that says what is wrong in it."""
        try:
            segments = tuple(Segment.from_json(segment) for segment in document["segments"])
            notices = tuple(Notice.from_json(notice) for notice in document.get("warnings", ()))
            return cls(segments, int(document.get("seed", 0)), notices, str(document.get("setting", "")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FleximoError(f"The plan cannot be read: {error!r}.") from None
