"""Who makes a take's motion: the moves inside Blender, or a motion model of the server.

What runs on the worker thread here touches no Blender. Knows plans and motions, no keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from fleximo import moves
from fleximo.errors import Notice
from fleximo.exchange import Exchange, exchange_segment, exchanged, with_segment
from fleximo.motion import Motion
from fleximo.named_values import named_values
from fleximo.plan import MotionPlan, Segment
from fleximo.planner.any_text import plan_any_text
from fleximo.retarget import retarget
from fleximo.rig import DEFAULT_RIG

from . import offers
from .preferences import server_folder
from .remote import stages
from .session import Report

__all__ = ["MotionSource"]

_SAME = 1e-5  # radians, metres: what a segment that another place was chosen for may differ by and count as the same


@dataclass(frozen=True)
class MotionSource:
    """A motion model and its settings; on the server unless it is the moves."""

    model: str = offers.MOVES
    settings: Mapping[str, Any] = field(default_factory=dict)
    reads_text: bool = False
    server: Path | None = None  # its data folder

    @classmethod
    def of(cls, take: Any) -> MotionSource:
        """What the panel of `take` asks for; raises `FleximoError` for settings that cannot be read."""
        entries = [each.strip() for each in take.motion_settings.split(",") if each.strip()]
        return cls._named(take.motion_model, named_values(entries, "Write settings like greedy=true, device=cpu."))

    @classmethod
    def that_made(cls, take: Any) -> MotionSource:
        """What made the motion of `take`."""
        kept = json.loads(take.made_by or "{}")
        return cls._named(kept.get("model", offers.MOVES), kept.get("settings", {}))

    @classmethod
    def _named(cls, model: str, settings: Mapping[str, Any]) -> MotionSource:
        if model == offers.MOVES:
            return cls()  # settings belong to the model that they were written for
        return cls(model, settings, offers.motion_model_named(model).reads_text, server_folder())

    def kept(self) -> str:
        """For the take, to be read by `that_made`."""
        return json.dumps({"model": self.model, "settings": dict(self.settings)})

    def planned(self, text: str, plan: Callable[[str], MotionPlan]) -> MotionPlan:
        """What `plan` makes of `text`; words that it does not know stay, where the model reads words."""
        return plan_any_text(text, plan) if self.reads_text else plan(text)

    def perform(
        self, plan: MotionPlan, fps: Fraction, report: Report, part: tuple[float, float] = (0.0, 1.0)
    ) -> Generator[None, None, tuple[Motion, tuple[Notice, ...]]]:
        """The motion of `plan` on the default rig, and what is told of it; for the worker thread.

        `part`: of the progress bar.
        """
        if self.server is None:
            return moves.generate(plan, fps=fps, rig=DEFAULT_RIG, progress=report), ()
        asked = (self.model, self.settings, plan, float(fps))
        motion, notices = yield from stages.motion(self.server, *asked, report, part)
        return retarget(motion, DEFAULT_RIG).resample(fps), notices

    def exchange(
        self, plan: MotionPlan, number: int, segment: Segment, fps: Fraction, report: Report
    ) -> Generator[None, None, Exchange]:
        """The motion of `plan` with its segment `number` replaced, against the one before; for the worker thread."""
        if self.server is None:
            return exchange_segment(plan, number, segment, fps=fps, rig=DEFAULT_RIG, progress=report)
        changed = with_segment(plan, number, segment)
        old, _ = yield from self.perform(plan, fps, report, (0.0, 0.5))
        new, _ = yield from self.perform(changed, fps, report, (0.5, 1.0))
        return exchanged(plan, changed, number, old, new, _SAME)
