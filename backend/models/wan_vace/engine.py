"""The engine: Wan VACE as a `VideoModel`. Chooses device and memory plan, and steps down when memory runs out.

Knows jobs, settings and plans; the arithmetic is `rendering`'s.
"""

from __future__ import annotations

import gc
import math
from dataclasses import replace
from fractions import Fraction

import torch

from backend.diffusion.devices import free_bytes, is_out_of_memory, repeatable
from backend.models.wan_vace.memory import GIB, MemoryPlan, plan_memory, step_down
from backend.models.wan_vace.networks import Networks
from backend.models.wan_vace.rendering import Rendering
from backend.models.wan_vace.settings import Settings
from backend.models.wan_vace.windows import padded
from backend.stages import Progress, Workplace, silent
from fleximo.errors import FleximoError, Notice
from fleximo.files import write_json
from fleximo.job import RenderJob
from fleximo.video import Video

__all__ = ["WanVACE"]

_PLAN = "memory.json"
_SIDE = 16  # px: the VAE divides by 8, the transformer takes two by two of its latents
_TRAINED_PX = 480 * 832


class WanVACE:
    """A `VideoModel`. The networks stay loaded between jobs where memory allows."""

    name = "wan-vace"
    fps: Fraction | None = Fraction(16)
    window: int | None = None  # its own windows overlap, which the pipeline's calls do not
    reach = 4  # frames that share a latent with a changed one

    def __init__(self, device: str | None = None) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._networks: Networks | None = None
        self._told: list[Notice] = []

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        """What had to give way in the last render, and what the model was not trained for."""
        beyond = job.size[0] * job.size[1] > 1.05 * _TRAINED_PX
        return (*self._told, _beyond_training(job.size)) if beyond else tuple(self._told)

    def render(self, job: RenderJob, progress: Progress = silent, place: Workplace | None = None) -> Video:
        """The frames `job.frames`. With a place, a killed render goes on from its last step with the same bits.

        Raises `FleximoError`: `invalid_setting`, `invalid_size`, `invalid_job`, `weights_missing`, `weights_mismatch`,
        `not_enough_memory` before anything is computed; `out_of_memory` when no thriftier way was left.
        """
        settings = Settings.from_json(job.settings)
        _check(job)
        self._told = []
        progress(0.0, "reading the weights")
        networks = self._networks_for(settings)
        memory = self._plan(job, settings, networks, place)
        while True:
            rendering = None
            stage = "encode"
            try:
                rendering = Rendering(job, settings, networks, memory, place, progress)
                with repeatable():
                    video = rendering.run()
                self._told += rendering.notices
                return video
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                stage = stage if rendering is None else rendering.stage
            finally:
                if memory.stage_offload:
                    networks.drop()
            # Outside of the handler, whose traceback would hold the tensors of the failed call.
            del rendering
            networks.drop()
            gc.collect()
            memory = self._stepped_down(memory, stage, settings, job)
            _record(memory, place)

    def _networks_for(self, settings: Settings) -> Networks:
        precision = settings.precision
        if precision == "auto":
            precision = "bf16" if self.device.type == "cuda" else "fp32"
        fresh = Networks(self.device, precision)
        if self._networks is None or (self._networks.sums, self._networks.dtype) != (fresh.sums, fresh.dtype):
            self._networks = fresh
        return self._networks

    def _plan(self, job: RenderJob, settings: Settings, networks: Networks, place: Workplace | None) -> MemoryPlan:
        """The plan of an earlier attempt at this job, so that it goes on with the same bits; else for what is free."""
        recorded = None if place is None else MemoryPlan.from_file(place.folder / _PLAN)
        if recorded is not None:
            return recorded
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
        _record(memory, place)
        return memory

    def _stepped_down(self, memory: MemoryPlan, stage: str, settings: Settings, job: RenderJob) -> MemoryPlan:
        """The next plan after memory ran out; raises `FleximoError` (`out_of_memory`) when there is none."""
        thriftier = step_down(memory, stage, smaller_window=settings.smaller_window)
        if thriftier is None:
            allow = "" if settings.smaller_window else "Allow a smaller window (--set smaller_window=true), or choose "
            raise FleximoError(
                f"The memory of the {self.device.type} ran out ({stage}), and no thriftier way was left for "
                f"{job.size[0]}x{job.size[1]} in windows of {memory.window} frames.",
                code="out_of_memory",
                remedy=f"{allow}a smaller size." if allow else "Choose a smaller size.",
            )
        self._told = [notice for notice in self._told if notice.code != "memory_stepped_down"]
        self._told.append(_stepped(memory, thriftier, stage))
        return replace(thriftier, peaks=memory.peaks)


def _record(memory: MemoryPlan, place: Workplace | None) -> None:
    """Keeps the plan beside the checkpoints that were made on it."""
    if place is not None:
        write_json(place.folder / _PLAN, memory.to_json())


def _check(job: RenderJob) -> None:
    if job.signal.drawn_frames is not None:
        raise FleximoError(
            "The skeletons of this job were drawn by a skeleton adapter, in another style than Wan VACE's.",
            code="invalid_job",
            remedy="Use the kinematic adapter with this engine.",
        )
    size = job.size
    if any(side % _SIDE for side in size):
        nearest = "x".join(str(max(_SIDE, round(side / _SIDE) * _SIDE)) for side in size)
        raise FleximoError(
            f"Wan VACE renders sizes that are multiples of {_SIDE}; {size[0]}x{size[1]} was asked for.",
            code="invalid_size",
            remedy=f"Choose --size {nearest}.",
        )


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


def _stepped(before: MemoryPlan, after: MemoryPlan, stage: str) -> Notice:
    names = {
        "stage_offload": "only the network at work in memory",
        "text_streamed": "the text encoder in memory layer by layer",
        "block_offload": "the network in memory block by block",
        "tiled": "pictures decoded in tiles, which changes them slightly",
        "window": f"windows of {after.window} instead of {before.window} frames, which changes the picture",
    }
    changed = [text for name, text in names.items() if getattr(before, name) != getattr(after, name)]
    return Notice(
        "memory_stepped_down",
        f"Memory ran out while rendering ({stage}); it went on with {' and '.join(changed)}.",
        "Close other programs that use the same memory, or choose a smaller size.",
    )
