"""What every memory plan is: stages with the bytes they are expected to take, kept as JSON; and how a job is refused.

Which networks lie in memory when is each engine's own affair. Knows bytes, no networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fleximo.errors import FleximoError

__all__ = ["GIB", "RESERVE", "Plan", "does_not_fit"]

GIB = 2**30
RESERVE = 1.5 * GIB  # the device's own context, workspaces of convolutions, fragmentation


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a job is fitted into memory; an engine adds what it can spare, in fields of its own."""

    stage_offload: bool  # only the network at work is in the device's memory
    block_offload: bool  # of the network that denoises, only the block at work
    window: int  # frames that it sees at once
    peaks: Mapping[str, float]  # stage -> bytes expected

    @property
    def peak(self) -> float:
        return max(self.peaks.values())

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"peaks": {stage: round(bytes_) for stage, bytes_ in self.peaks.items()}}


def does_not_fit(plan: Plan, free: float, size: tuple[int, int], *, smaller_window: bool) -> FleximoError:
    """The refusal (`not_enough_memory`) where even `plan`, the thriftiest, takes more than `free` bytes."""
    stage = max(plan.peaks, key=plan.peaks.__getitem__)
    remedy = (
        "Choose a smaller size." if smaller_window else "Allow a smaller window (smaller_window), or a smaller size."
    )
    return FleximoError(
        f"Rendering {size[0]}x{size[1]} in windows of {plan.window} frames takes {(plan.peak + RESERVE) / GIB:.1f} "
        f"GiB at its thriftiest ({stage}); {free / GIB:.1f} GiB are free.",
        code="not_enough_memory",
        remedy=remedy,
    )
