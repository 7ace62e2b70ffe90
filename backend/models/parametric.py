"""The parametric moves of `fleximo.moves` as a stage of the pipeline."""

from __future__ import annotations

from backend.stages import Progress, silent
from fleximo import moves
from fleximo.motion import Motion
from fleximo.plan import MotionPlan

__all__ = ["ParametricMoves"]


class ParametricMoves:
    """Text-to-motion without weights: every plan of known moves, at any length."""

    name = "moves"

    def generate(self, plan: MotionPlan, progress: Progress = silent) -> Motion:
        return moves.generate(plan, progress=progress)
