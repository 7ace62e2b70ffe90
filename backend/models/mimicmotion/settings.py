"""What a user can set on a MimicMotion render, with the values that are used when nothing is set.

Plain values with their checks; needs neither torch nor weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from backend.diffusion.settings import PRECISIONS, CheckedSettings, is_number, is_whole

__all__ = ["QUALITIES", "Settings"]

# quality -> steps and their spacing. "standard" is Align Your Steps (arXiv 2404.14507), "best" as MimicMotion ships.
QUALITIES = {"standard": (10, "align-your-steps"), "best": (25, "karras")}


@dataclass(frozen=True)
class Settings(CheckedSettings):
    """The settings of `RenderJob.settings`, checked."""

    engine: ClassVar[str] = "MimicMotion"

    quality: str = "best"  # steps and schedule in one word
    steps: int | None = None  # instead of the quality's count
    guidance: float | tuple[float, float] = 2.0  # how strictly photo and skeleton are followed; two: first, last frame
    guidance_interval: tuple[float, float] = (0.0, 1.0)  # share of the steps with guidance; less than all is faster
    deep_cache: int = 1  # the U-Net's deep features are computed at every so many steps and reused between; faster
    noise_augmentation: float = 0.0  # noise on the photo before it is encoded; more movement, less likeness
    window: int = 72  # frames that the network sees at once, the photo included; the released weights want 72
    overlap: int = 6  # frames that neighbouring windows share, the photo included
    decode_chunk: int = 8  # frames decoded at once
    decode_overlap: int = 3  # of them, frames shared with the next chunk, against flicker
    batched_guidance: bool = False  # both branches in one call where memory allows; other kernels, so other last bits
    compiled: bool | str = "auto"  # compile the network for this size first: minutes; "auto": where that repays
    precision: str = "auto"  # fp16 on a GPU, fp32 on a CPU
    smaller_window: bool = False  # allow a smaller window where memory is short; it changes the picture
    parity: bool = False  # exactly the reference program's arithmetic, without any of our improvements

    def __post_init__(self) -> None:
        self._check("quality", self.quality in tuple(QUALITIES), " or ".join(QUALITIES))
        self._check("steps", self.steps is None or is_whole(self.steps, 1, 1000), "a whole number from 1 to 1000")
        pair = self.guidance if isinstance(self.guidance, tuple) else (self.guidance, self.guidance)
        self._check("guidance", _are_numbers(pair, 0.0, 20.0), "a number from 0 to 20, or two: first and last frame")
        shares = self.guidance_interval
        fits = _are_numbers(shares, 0.0, 1.0) and shares[0] <= shares[1]
        self._check("guidance_interval", fits, "two shares of the steps from 0 to 1, such as [0.2, 0.8]")
        self._check("deep_cache", is_whole(self.deep_cache, 1, 10), "a whole number from 1 (off) to 10")
        self._check("noise_augmentation", is_number(self.noise_augmentation, 0.0, 1.0), "a number from 0 to 1")
        self._check("window", is_whole(self.window, 2, 256), "a whole number from 2 to 256")
        self._check("overlap", is_whole(self.overlap, 1, self.window - 1), "a whole number from 1 to below the window")
        self._check("decode_chunk", is_whole(self.decode_chunk, 1, 64), "a whole number from 1 to 64")
        below = "a whole number below decode_chunk"
        self._check("decode_overlap", is_whole(self.decode_overlap, 0, self.decode_chunk - 1), below)
        self._check("precision", self.precision in PRECISIONS, ", ".join(PRECISIONS))
        known = self.compiled == "auto" or isinstance(self.compiled, bool)
        self._check("compiled", known, "true, false or auto")
        for name in ("batched_guidance", "smaller_window", "parity"):
            self._check(name, isinstance(getattr(self, name), bool), "true or false")

    @property
    def schedule(self) -> tuple[int, str]:
        """How many steps, and how they are spaced."""
        steps, spacing = QUALITIES[self.quality]
        return self.steps or steps, spacing

    def guidance_per_frame(self, frames: int) -> tuple[float, ...]:
        """The guidance scale of each of `frames` frames, changing evenly from the first to the last."""
        first, last = self.guidance if isinstance(self.guidance, tuple) else (self.guidance, self.guidance)
        return tuple(first + (last - first) * i / max(frames - 1, 1) for i in range(frames))

    def guided_steps(self) -> tuple[int, int]:
        """[first, last) steps with guidance."""
        steps, _ = self.schedule
        start, stop = self.guidance_interval
        return round(start * steps), round(stop * steps)


def _are_numbers(pair: Any, least: float, most: float) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and all(is_number(n, least, most) for n in pair)
