"""Making a loaded U-Net fast on a GPU: memory order and compilation, and whether that repays the minutes it takes.

The values stay the same but for rounding. Knows modules and devices; nothing of jobs.
"""

from __future__ import annotations

import importlib.util
import shutil
from typing import Any

import torch
from torch import nn

from backend.diffusion.pace import spoken_seconds

__all__ = ["arrange", "compile_blocks", "half_precision_peak", "why_compile"]

# What compiling is taken to cost and to bring until `backend.evaluate.gpu_bench` has measured it: careful guesses.
_COMPILING_S = 180.0
_SAVED = 0.2  # of the time of the calls, by norms, activations and sums fused into one pass over memory
_REACHED = 0.4  # of the device's peak by calls that are not compiled

# Compute capability -> half-precision operations of one multiprocessor in a clock, summed in four bytes (NVIDIA's
# architecture papers; where cards of one capability differ, the slower).
_PER_CLOCK = {
    (7, 0): 1024,
    (7, 5): 512,
    (8, 0): 2048,
    (8, 6): 512,
    (8, 9): 512,
    (9, 0): 4096,
    (10, 0): 8192,
    (12, 0): 512,
}
_CLOCK_HZ = 1.5e9  # what they keep up under load, about


def arrange(unet: nn.Module) -> None:
    """Puts the weights of convolutions into the order that tensor cores read (channels last).

    For a compiled U-Net alone: torch's own group norm puts every picture back into the other order.
    """
    for module in unet.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
        elif isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)


def compile_blocks(unet: Any, backend: Any = "inductor") -> None:
    """Compiles each block by itself at its first call, which takes a minute or more for every new shape.

    By blocks, because what is added to the first features comes in between. What cannot be compiled here runs as it is.
    """
    torch._dynamo.config.suppress_errors = True
    for block in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        block.compile(backend=backend)


def half_precision_peak(device: torch.device) -> float | None:
    """FLOP/s of a device that can be compiled for; None for any other, and for one that is not known.

    From what the device is, not from a measurement, so that the same job is computed the same way every time.
    """
    if device.type != "cuda" or not _can_compile():
        return None
    told = torch.cuda.get_device_properties(device)
    per_clock = _PER_CLOCK.get((told.major, told.minor))
    return None if per_clock is None else per_clock * told.multi_processor_count * _CLOCK_HZ


def why_compile(flops: float, peak: float | None) -> str | None:
    """The reason to compile for calls of `flops` in all on a device of `peak` FLOP/s; None where it does not pay.

    >>> why_compile(12e15, 120e12), why_compile(12e15, 800e12), why_compile(12e15, None)
    (None, None, None)
    >>> why_compile(48e15, 120e12)
    'its calls take some 17 min otherwise, of which compiling is thought to save 3 min'
    """
    if peak is None:
        return None
    seconds = flops / (_REACHED * peak)
    if _SAVED * seconds <= _COMPILING_S:
        return None
    saved = spoken_seconds(_SAVED * seconds)
    return f"its calls take some {spoken_seconds(seconds)} otherwise, of which compiling is thought to save {saved}"


def _can_compile() -> bool:
    """Triton makes the kernels, a C compiler what calls them."""
    return importlib.util.find_spec("triton") is not None and any(map(shutil.which, ("cc", "gcc", "clang", "cl")))
