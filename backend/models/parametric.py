"""The parametric moves of `fleximo.moves` as a stage of the pipeline."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

from backend.stages import Performance, Progress, silent
from fleximo import moves
from fleximo.motion import Motion
from fleximo.plan import MotionPlan
from fleximo.seams import measure_seams

__all__ = ["ParametricMoves"]

_FPS = Fraction(30)


class ParametricMoves:
    """Text-to-motion without weights: every plan of known moves, at any length."""

    name = "moves"
    reads_text = False

    def generate(self, plan: MotionPlan, progress: Progress = silent) -> Motion:
        return self.perform(plan, progress).motion

    def perform(self, plan: MotionPlan, progress: Progress = silent, fps: Fraction | None = None) -> Performance:
        """The motion of `plan` at `fps` (None: 30), and its seams."""
        motion = moves.generate(plan, fps=fps or _FPS, progress=progress)
        starts = list(accumulate(plan.frame_counts(motion.fps)))[:-1]
        return Performance(motion, measure_seams(motion, starts))
