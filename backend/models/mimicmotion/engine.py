"""The engine: MimicMotion as a `VideoModel`. Chooses device and memory plan, and steps down when memory runs out.

Knows jobs, settings and plans; the arithmetic is `rendering` and the `svd` island.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import torch

from backend.models.mimicmotion.networks import Networks
from backend.models.mimicmotion.rendering import Rendering, sampling_plan
from backend.models.mimicmotion.settings import Settings
from backend.models.svd.memory import GIB, MemoryPlan, plan_memory, step_down
from backend.stages import Progress, Workplace, silent
from fleximo.errors import FleximoError, Notice
from fleximo.files import write_json
from fleximo.job import RenderJob
from fleximo.system import available_memory
from fleximo.video import Video

__all__ = ["MimicMotion"]

_OUT_OF_MEMORY = ("CUDA error: out of memory", "STATUS_ALLOC_FAILED", "DefaultCPUAllocator")
_PLAN = "memory.json"
_SIDE = 64  # px: the VAE divides by 8, the U-Net halves three times without padding


class MimicMotion:
    """A `VideoModel`. The networks stay loaded between jobs where memory allows."""

    name = "mimicmotion"
    fps: Fraction | None = Fraction(15)
    window: int | None = None  # a shot is one call: every frame of it is moved by the same scheduler step
    reach = 4  # frames on either side of a change that are to be rendered again with it

    def __init__(self, device: str | None = None) -> None:
        self.device = torch.device(device or ("cuda:0" if torch.cuda.is_available() else "cpu"))
        self._networks: Networks | None = None
        self._told: list[Notice] = []

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        """What had to give way in the last render."""
        return tuple(self._told)

    def render(self, job: RenderJob, progress: Progress = silent, place: Workplace | None = None) -> Video:
        """The frames `job.frames`. With a place, a killed render goes on from its last step with the same bits.

        Raises `FleximoError`: `invalid_setting`, `invalid_size`, `weights_missing`, `weights_mismatch`,
        `not_enough_memory` before anything is computed; `out_of_memory` when no thriftier way was left.
        """
        settings = Settings.from_json(job.settings)
        _check_size(job.size)
        self._told = []
        progress(0.0, "reading the weights")
        networks = self._networks_for(settings)
        memory = self._plan(job, settings, networks, place)
        while True:
            rendering = Rendering(job, settings, networks, memory, place, progress)
            try:
                with _repeatable():
                    video = rendering.run()
                self._told += rendering.notices
                return video
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                stage = rendering.stage
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
            precision = "fp16" if self.device.type == "cuda" else "fp32"
        fresh = Networks(self.device, precision)
        if self._networks is None or (self._networks.sums, self._networks.dtype) != (fresh.sums, fresh.dtype):
            self._networks = fresh
        return self._networks

    def _plan(self, job: RenderJob, settings: Settings, networks: Networks, place: Workplace | None) -> MemoryPlan:
        """The plan of an earlier attempt at this job, so that it goes on with the same bits; else for what is free."""
        changes = place is not None and place.previous is not None  # then the whole clip is held
        frames = 1 + (len(job.signal.track) if changes else job.frames[1] - job.frames[0])
        if settings.parity and frames < settings.window:
            raise FleximoError(
                f"Parity mode needs a clip of at least {settings.window - 1} frames; this one has {frames - 1}.",
                code="invalid_setting",
                remedy="Leave parity mode, or set a shorter window.",
            )
        recorded = None if place is None else MemoryPlan.from_file(place.folder / _PLAN)
        if recorded is not None:
            return recorded
        free = self._free_bytes()
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

    def _free_bytes(self) -> float | None:
        """What a plan may use: what is free now and what our own loaded networks hold."""
        if self.device.type != "cuda":
            return available_memory()
        free, total = torch.cuda.mem_get_info(self.device)
        ours = torch.cuda.memory_reserved(self.device)
        # Some drivers spill into the machine's memory, a hundred times slower, rather than say that it is full.
        torch.cuda.set_per_process_memory_fraction(min(1.0, (free + ours) / total), self.device)
        return float(free + ours)


def _kept_frames(settings: Settings, frames: int) -> int:
    """How many frames' deep features wait for the next step: those of every window and branch."""
    plan = sampling_plan(settings, frames, min(settings.window, frames))
    return max(plan.frames_at(step) for step in range(plan.steps)) if plan.deep_cache > 1 else 0


def _record(memory: MemoryPlan, place: Workplace | None) -> None:
    """Keeps the plan beside the checkpoints that were made on it."""
    if place is not None:
        write_json(place.folder / _PLAN, memory.to_json())


def _check_size(size: tuple[int, int]) -> None:
    if any(side % _SIDE for side in size):
        nearest = "x".join(str(max(_SIDE, round(side / _SIDE) * _SIDE)) for side in size)
        raise FleximoError(
            f"MimicMotion renders sizes that are multiples of {_SIDE}; {size[0]}x{size[1]} was asked for.",
            code="invalid_size",
            remedy=f"Choose --size {nearest}.",
        )


def _is_out_of_memory(error: BaseException) -> bool:
    """The CPU's allocator and CUDA's libraries say in words what CUDA's allocator has a class for."""
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return named or any(words in str(error) for words in _OUT_OF_MEMORY)


def _fitted(memory: MemoryPlan, free: float) -> Notice:
    return Notice(
        "memory_plan",
        f"With {free / GIB:.1f} GiB free, windows of {memory.window} frames and {memory.chunk} frames decoded at once "
        "were planned; that changes the picture slightly.",
    )


def _stepped(before: MemoryPlan, after: MemoryPlan, stage: str) -> Notice:
    names = {
        "batched": "one branch of guidance at a time",
        "stage_offload": "only the network at work in memory",
        "block_offload": "the network in memory block by block",
        "chunk": f"{after.chunk} instead of {before.chunk} frames decoded at once, which changes the picture slightly",
        "window": f"windows of {after.window} instead of {before.window} frames, which changes the picture",
    }
    changed = [text for name, text in names.items() if getattr(before, name) != getattr(after, name)]
    return Notice(
        "memory_stepped_down",
        f"Memory ran out while rendering ({stage}); it went on with {' and '.join(changed)}.",
        "Close other programs that use the same memory, or choose a smaller size.",
    )


@contextlib.contextmanager
def _repeatable() -> Iterator[None]:
    """The same bits for the same job on the same machine: no autotuned kernels, no reduced precision of products."""
    flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with flags:
        yield
