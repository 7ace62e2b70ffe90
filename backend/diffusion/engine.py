"""An engine that denoises, as a `VideoModel`: a device, networks kept warm, a memory plan, and the way down from it.

What is rendered, and what a plan can spare, is said by the engines that derive from this.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch

from backend.diffusion.ladder import Attempt, carry_out, recall, record, thriftier
from backend.diffusion.memory import Plan
from backend.stages import Progress, Workplace, silent
from fleximo.errors import FleximoError, Notice
from fleximo.job import RenderJob
from fleximo.video import Video

__all__ = ["DiffusionEngine", "Render"]


class Render(Attempt[Video], Protocol):
    """One render on one memory plan, and what is to be told of it."""

    notices: list[Notice]


class DiffusionEngine(ABC):
    """Base of a `VideoModel`. The networks stay loaded between jobs where memory allows."""

    label: str  # as people call it
    multiple: int  # px that both sides of a picture are multiples of
    gpu_precision: str
    networks: Callable[[torch.device, str], Any]  # of a device and a precision, not loaded yet
    plan_kind: type[Plan]
    attempt: Callable[..., Render]  # of job, settings, networks, plan, workplace, progress
    first_stage: str  # of an attempt, where one that has not begun runs out of memory

    def __init__(self, device: str | None = None) -> None:
        self.device = torch.device(device or ("cuda:0" if torch.cuda.is_available() else "cpu"))
        self._networks: Any = None
        self._told: list[Notice] = []

    def notices(self, job: RenderJob) -> tuple[Notice, ...]:
        """What had to give way in the last render."""
        return tuple(self._told)

    def render(self, job: RenderJob, progress: Progress = silent, place: Workplace | None = None) -> Video:
        """The frames `job.frames`. With a place, a killed render goes on from its last step with the same bits.

        Raises `FleximoError`: `invalid_setting`, `invalid_size`, `invalid_job`, `weights_missing`, `weights_mismatch`,
        `not_enough_memory` before anything is computed; `out_of_memory` when no thriftier way was left.
        """
        settings = self._settings(job)
        self._check_size(job.size)
        self._told = []
        progress(0.0, "reading the weights")
        networks = self._networks_for(settings.precision)
        folder = None if place is None else place.folder
        # The plan of an earlier attempt at this job goes on with the same bits.
        found = recall(folder, self.plan_kind)
        if found is not None:
            memory, self._told = found
        else:
            memory = self._plan(job, settings, networks, place)
            record(folder, memory, self._told)
        notices: list[Notice] = []

        def begin(memory: Any) -> Render:
            nonlocal notices
            render = self.attempt(job, settings, networks, memory, place, progress)
            notices = render.notices
            return render

        def lower(memory: Any, stage: str) -> Any:
            memory = self._stepped_down(memory, stage, settings)
            record(folder, memory, self._told)
            return memory

        video = carry_out(memory, begin, lower, networks, first_stage=self.first_stage)
        self._told += notices
        return video

    @abstractmethod
    def _settings(self, job: RenderJob) -> Any:
        """The job's settings, checked; what else the engine refuses of a job is refused here."""

    @abstractmethod
    def _plan(self, job: RenderJob, settings: Any, networks: Any, place: Workplace | None) -> Any:
        """The plan for what is free now."""

    @abstractmethod
    def _step_down(self, plan: Any, stage: str, *, smaller_window: bool) -> Any:
        """The next thriftier plan after `stage` ran out of memory; None when there is none left."""

    @abstractmethod
    def _given_up(self, before: Any, after: Any) -> Mapping[str, str]:
        """Field of the plan -> how a render went on without it, in words."""

    def _check_size(self, size: tuple[int, int]) -> None:
        if any(side % self.multiple for side in size):
            nearest = "x".join(str(max(self.multiple, round(side / self.multiple) * self.multiple)) for side in size)
            raise FleximoError(
                f"{self.label} renders sizes that are multiples of {self.multiple}; {size[0]}x{size[1]} was asked for.",
                code="invalid_size",
                remedy=f"Choose --size {nearest}.",
            )

    def _networks_for(self, precision: str) -> Any:
        if precision == "auto":
            precision = self.gpu_precision if self.device.type == "cuda" else "fp32"
        fresh = self.networks(self.device, precision)
        if self._networks is None or (self._networks.sums, self._networks.dtype) != (fresh.sums, fresh.dtype):
            self._networks = fresh
        return self._networks

    def _stepped_down(self, memory: Any, stage: str, settings: Any) -> Any:
        """The next plan after memory ran out; raises `FleximoError` (`out_of_memory`) when there is none."""
        after = self._step_down(memory, stage, smaller_window=settings.smaller_window)
        allow = "" if settings.smaller_window else "Allow a smaller window (--set smaller_window=true), or choose "
        remedy = f"{allow}a smaller size." if allow else "Choose a smaller size."
        words = {} if after is None else self._given_up(memory, after)
        lower, self._told = thriftier(memory, after, stage, words, self._told, device=self.device.type, remedy=remedy)
        return lower
