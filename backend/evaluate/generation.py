"""Speed of T2M-GPT's token generation at the released size, beside the same network without a cache and a plain copy.

Weights are made up (speed does not depend on values). All sides in one run, on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from backend.models.t2m_gpt.gpt import GPT, GPTConfig
from backend.models.t2m_gpt.sampling import draw_tokens

__all__ = ["Generation", "measure_generation"]

_TOKENS = 50
_BATCH = 8
_COPIED = 100_000_000  # numbers: far beyond any cache


@dataclass(frozen=True)
class Generation:
    """Seconds of CPU for 50 tokens, and how well the memory is used."""

    cached_s: float
    uncached_s: float
    batch_s: float  # per text, of 8 at once
    weights_gb_s: float  # of weights read, with a cache
    copy_gb_s: float  # of a plain copy, read and written
    same_tokens: bool  # with and without a cache, and in a batch


def measure_generation() -> Generation:
    """Measures it; about a minute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measured()
    finally:
        torch.set_num_threads(threads)


def _measured() -> Generation:
    torch.manual_seed(0)
    gpt = GPT(GPTConfig()).eval().requires_grad_(False)
    with torch.no_grad():
        gpt.trans_head.head.weight[gpt.config.end] = 0.0  # never the most probable of 513: all 50 tokens are drawn
    gpt.laid_out_for_vectors()
    texts = torch.randn(_BATCH, gpt.config.text_width)
    drawn = {}

    def draw(name: str, rows: int, *, cached: bool = True) -> Callable[[], None]:
        def call() -> None:
            drawn[name] = draw_tokens(gpt, texts[:rows], limit=_TOKENS, cached=cached)

        return call

    linear = [module.weight for module in gpt.modules() if isinstance(module, torch.nn.Linear)]
    read = sum(weight.numel() for weight in linear) * 4 * _TOKENS
    cached, uncached = _seconds(draw("cached", 1), 3), _seconds(draw("uncached", 1, cached=False), 1)
    batch = _seconds(draw("batch", _BATCH), 1) / _BATCH
    source = torch.ones(_COPIED)
    target = torch.empty_like(source)
    copied = _seconds(lambda: target.copy_(source), 5)
    return Generation(
        cached,
        uncached,
        batch,
        read / cached / 1e9,
        2 * 4 * _COPIED / copied / 1e9,
        drawn["cached"] == drawn["uncached"] == drawn["batch"][:1],
    )


def _seconds(call: Callable[[], object], runs: int) -> float:
    """The fewest CPU seconds of some runs."""
    least = float("inf")
    for _ in range(runs):
        started = time.process_time()
        call()
        least = min(least, time.process_time() - started)
    return least
