"""The device at work: precisions, how much memory is free, whether an error says that it ran out, the same bits again.

Knows torch; nothing of networks or jobs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from fleximo.system import available_memory

__all__ = ["DTYPES", "free_bytes", "is_out_of_memory", "repeatable"]

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_OUT_OF_MEMORY = ("CUDA error: out of memory", "STATUS_ALLOC_FAILED", "DefaultCPUAllocator")


def free_bytes(device: torch.device) -> float | None:
    """What a plan may use: what is free now and what our own loaded networks hold; None where nobody can tell."""
    if device.type != "cuda":
        return available_memory()
    free, total = torch.cuda.mem_get_info(device)
    ours = torch.cuda.memory_reserved(device)
    # Some drivers spill into the machine's memory, a hundred times slower, rather than say that it is full.
    torch.cuda.set_per_process_memory_fraction(min(1.0, (free + ours) / total), device)
    return float(free + ours)


def is_out_of_memory(error: BaseException) -> bool:
    """The CPU's allocator and CUDA's libraries say in words what CUDA's allocator has a class for."""
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return named or any(words in str(error) for words in _OUT_OF_MEMORY)


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """The same bits for the same job on the same machine: no autotuned kernels, no reduced precision of products."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
