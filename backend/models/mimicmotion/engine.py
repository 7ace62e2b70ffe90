"""The engine: MimicMotion as a `VideoModel`.

Knows jobs, settings and plans; the arithmetic is `rendering` and the `svd` island.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from backend.diffusion.devices import free_bytes
from backend.diffusion.engine import DiffusionEngine
from backend.diffusion.memory import GIB
from backend.models.mimicmotion.networks import Networks
from backend.models.mimicmotion.rendering import Rendering, sampling_plan
from backend.models.mimicmotion.settings import Settings
from backend.models.svd.memory import MemoryPlan, given_up, plan_memory, step_down
from backend.stages import Workplace
from fleximo.errors import FleximoError, Notice
from fleximo.job import RenderJob

__all__ = ["MimicMotion"]


class MimicMotion(DiffusionEngine):
    """A `VideoModel`. The networks stay loaded between jobs where memory allows."""

    name = "mimicmotion"
    label = "MimicMotion"
    fps: Fraction | None = Fraction(15)
    window: int | None = None  # a shot is one call: every frame of it is moved by the same scheduler step
    reach = 4  # frames on either side of a change that are to be rendered again with it
    multiple = 64  # px: the VAE divides by 8, the U-Net halves three times without padding
    gpu_precision = "fp16"
    first_stage = "look"
    networks, plan_kind, attempt = Networks, MemoryPlan, Rendering

    def _settings(self, job: RenderJob) -> Settings:
        return Settings.from_json(job.settings)

    def _plan(self, job: RenderJob, settings: Settings, networks: Networks, place: Workplace | None) -> MemoryPlan:
        frames = _frames(job, place)
        _check_parity(settings, frames)
        free = free_bytes(self.device)
        memory = plan_memory(
            networks.costs,
            free=free,
            size=job.size,
            frames=frames,
            window=settings.window,
            chunk=settings.decode_chunk,
            batched=settings.batched_guidance and not settings.parity,
            smaller_window=settings.smaller_window,
            bytes_per_value=networks.dtype.itemsize,
            kept_frames=_kept_frames(settings, frames),
        )
        if memory.window < min(settings.window, frames) or memory.chunk < settings.decode_chunk:
            self._told.append(_fitted(memory, free or math.inf))
        return memory

    def _step_down(self, plan: MemoryPlan, stage: str, *, smaller_window: bool) -> MemoryPlan | None:
        return step_down(plan, stage, smaller_window=smaller_window)

    def _given_up(self, before: MemoryPlan, after: MemoryPlan) -> Mapping[str, str]:
        return given_up(before, after)


def _frames(job: RenderJob, place: Workplace | None) -> int:
    """How many frames are held at once, the reference included: the whole clip's where a part of it changes."""
    changes = place is not None and place.previous is not None
    return 1 + (len(job.signal.track) if changes else job.frames[1] - job.frames[0])


def _check_parity(settings: Settings, frames: int) -> None:
    if settings.parity and frames < settings.window:
        raise FleximoError(
            f"Parity mode needs a clip of at least {settings.window - 1} frames; this one has {frames - 1}.",
            code="invalid_setting",
            remedy="Leave parity mode, or set a shorter window.",
        )


def _kept_frames(settings: Settings, frames: int) -> int:
    """How many frames' deep features wait for the next step: those of every window and branch."""
    plan = sampling_plan(settings, frames, min(settings.window, frames))
    return max(plan.frames_at(step) for step in range(plan.steps)) if plan.deep_cache > 1 else 0


def _fitted(memory: MemoryPlan, free: float) -> Notice:
    return Notice(
        "memory_plan",
        f"With {free / GIB:.1f} GiB free, windows of {memory.window} frames and {memory.chunk} frames decoded at once "
        "were planned; that changes the picture slightly.",
    )
