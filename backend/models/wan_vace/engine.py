"""The engine: Wan VACE as a `VideoModel`.

Knows jobs, settings and plans; the arithmetic is `rendering`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from backend.diffusion.devices import free_bytes
from backend.diffusion.engine import DiffusionEngine
from backend.diffusion.memory import GIB
from backend.models.wan_vace.memory import MemoryPlan, plan_memory, step_down
from backend.models.wan_vace.networks import Networks
from backend.models.wan_vace.rendering import Rendering
from backend.models.wan_vace.settings import Settings
from backend.models.wan_vace.windows import padded
from backend.stages import Workplace
from fleximo.errors import FleximoError, Notice
from fleximo.job import RenderJob

__all__ = ["WanVACE"]

_TRAINED_PX = 480 * 832


class WanVACE(DiffusionEngine):
    """A `VideoModel`. The networks stay loaded between jobs where memory allows."""

    name = "wan-vace"
    label = "Wan VACE"
    fps: Fraction | None = Fraction(16)
    window: int | None = None  # its own windows overlap, which the pipeline's calls do not
    reach = 4  # frames that share a latent with a changed one
    multiple = 16  # px: the VAE divides by 8, the transformer takes two by two of its latents
    gpu_precision = "bf16"
    first_stage = "encode"
    networks, plan_kind, attempt = Networks, MemoryPlan, Rendering

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        """What had to give way in the last render, and what the model was not trained for."""
        beyond = job.size[0] * job.size[1] > 1.05 * _TRAINED_PX
        return (*self._told, _beyond_training(job.size)) if beyond else tuple(self._told)

    def _settings(self, job: RenderJob) -> Settings:
        settings = Settings.from_json(job.settings)
        if job.signal.drawn_frames is not None:
            raise FleximoError(
                "The skeletons of this job were drawn by a skeleton adapter, in another style than Wan VACE's.",
                code="invalid_job",
                remedy="Use the kinematic adapter with this engine.",
            )
        return settings

    def _plan(self, job: RenderJob, settings: Settings, networks: Networks, place: Workplace | None) -> MemoryPlan:
        wanted = min(settings.window, padded(len(job.signal.track)))
        free = free_bytes(self.device)
        memory = plan_memory(
            networks.costs,
            free=free,
            size=job.size,
            window=wanted,
            tiled=settings.tiled_decode,
            smaller_window=settings.smaller_window,
            bytes_per_value=networks.dtype.itemsize,
        )
        if memory.window < wanted or memory.tiled > settings.tiled_decode:
            self._told.append(_fitted(memory, free or math.inf))
        return memory

    def _step_down(self, plan: MemoryPlan, stage: str, *, smaller_window: bool) -> MemoryPlan | None:
        return step_down(plan, stage, smaller_window=smaller_window)

    def _given_up(self, before: MemoryPlan, after: MemoryPlan) -> Mapping[str, str]:
        return {
            "stage_offload": "only the network at work in memory",
            "text_streamed": "the text encoder in memory layer by layer",
            "block_offload": "the network in memory block by block",
            "tiled": "pictures decoded in tiles, which changes them slightly",
            "window": f"windows of {after.window} instead of {before.window} frames, which changes the picture",
        }


def _beyond_training(size: tuple[int, int]) -> Notice:
    return Notice(
        "larger_than_trained",
        f"Wan VACE 1.3B was trained on pictures of some 480x832; {size[0]}x{size[1]} takes longer and may look worse.",
        "Choose --size 480x832 or 832x480.",
    )


def _fitted(memory: MemoryPlan, free: float) -> Notice:
    tiles = ", decoded in tiles" if memory.tiled else ""
    return Notice(
        "memory_plan",
        f"With {free / GIB:.1f} GiB free, windows of {memory.window} frames{tiles} were planned; that changes the "
        "picture slightly.",
    )
