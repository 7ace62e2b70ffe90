"""What a user can set on a Wan VACE render, with the values that are used when nothing is set.

Plain values with their checks; needs neither torch nor weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from backend.diffusion.settings import PRECISIONS, CheckedSettings, is_number, is_whole

__all__ = ["QUALITIES", "Settings"]

QUALITIES = {"standard": 25, "best": 50}  # steps; 50 as Wan ships

# For a motion without words: a prompt of nothing lets guidance pull towards anything.
_PROMPT = "a person moves naturally in a quiet place, steady camera, even light, sharp picture"
# What the picture shall not be like. The first words are the commonest faults of video models.
_NEGATIVE = (
    "blurry, low quality, compression artefacts, overexposed, still picture, flicker, deformed hands, extra fingers, "
    "extra limbs, fused limbs, distorted face, two people, subtitles, watermark, text, walking backwards"
)


@dataclass(frozen=True)
class Settings(CheckedSettings):
    """The settings of `RenderJob.settings`, checked."""

    engine: ClassVar[str] = "Wan VACE"

    prompt: str = _PROMPT  # look of the person and the place, in plain words; what goes beyond 512 tokens is not read
    negative_prompt: str = _NEGATIVE
    quality: str = "best"  # steps in one word
    steps: int | None = None  # instead of the quality's count
    guidance: float = 5.0  # how strictly the prompt is followed; 1 spares half of the time
    flow_shift: float = 16.0  # how many of the steps go to coarse shapes; Wan's own value for VACE
    pose_strength: float = 1.0  # how strictly skeleton and photo are followed
    window: int = 81  # frames that the network sees at once, 4k + 1; it was trained on 81
    overlap: int = 13  # of them, frames that the window before has made, 4k + 1
    tiled_decode: bool = False  # decode in tiles: less memory, faint seams
    precision: str = "auto"  # bf16 on a GPU, fp32 on a CPU
    smaller_window: bool = False  # allow a smaller window where memory is short; it changes the picture

    def __post_init__(self) -> None:
        for name in ("prompt", "negative_prompt"):
            self._check(name, isinstance(getattr(self, name), str), "a text")
        self._check("quality", isinstance(self.quality, str) and self.quality in QUALITIES, " or ".join(QUALITIES))
        self._check("steps", self.steps is None or is_whole(self.steps, 1, 1000), "a whole number from 1 to 1000")
        self._check("guidance", is_number(self.guidance, 1.0, 20.0), "a number from 1 to 20")
        self._check("flow_shift", is_number(self.flow_shift, 1.0, 30.0), "a number from 1 to 30")
        self._check("pose_strength", is_number(self.pose_strength, 0.0, 2.0), "a number from 0 to 2")
        self._check(
            "window", is_whole(self.window, 5, 161) and self.window % 4 == 1, "4k + 1 from 5 to 161, such as 81"
        )
        below = "4k + 1 below the window, such as 13"
        self._check("overlap", is_whole(self.overlap, 1, self.window - 4) and self.overlap % 4 == 1, below)
        self._check("precision", self.precision in PRECISIONS, ", ".join(PRECISIONS))
        for name in ("tiled_decode", "smaller_window"):
            self._check(name, isinstance(getattr(self, name), bool), "true or false")

    @property
    def step_count(self) -> int:
        return self.steps or QUALITIES[self.quality]

    @property
    def branches(self) -> int:
        """Passes of the network for each step: with and, where guidance asks for it, against the prompt."""
        return 2 if self.guidance > 1.0 else 1
