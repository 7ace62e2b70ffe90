"""Motion tokens one after another, for several texts at once, each with a random stream of its own.

Knows logits and tokens only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from backend.models.t2m_gpt.gpt import GPT, Cache
from fleximo.errors import FleximoError

__all__ = ["SOFT_LIMIT", "draw_tokens"]

SOFT_LIMIT = 49  # tokens; the longest training clips have 49 and the end


def draw_tokens(
    gpt: GPT,
    texts: Tensor,
    streams: Sequence[np.random.Generator] | None = None,
    *,
    limit: int = SOFT_LIMIT,
    cached: bool = True,
    at_least_one: bool = False,
    step: Callable[[int], None] | None = None,
) -> list[list[int]]:
    """The tokens of each text vector of `texts` (N,512), without the end token, at most `limit`.

    `streams`: one random generator per text, from which each token is drawn by the model's probabilities; None = the
    most probable token each time. A text whose first token is the end token gets an empty list, unless `at_least_one`
    rules that out. `step` is told the number of each token before it is drawn. Without a cache all tokens are computed
    anew at every step.

    Rows stay in the batch after their end, so that no text's length changes the shapes that another is computed in.
    """
    config = gpt.config
    limit = min(limit, config.positions - 1)
    rows = len(texts)
    if streams is not None and len(streams) != rows:
        raise FleximoError(f"{rows} texts came with {len(streams)} random streams; one for each was expected.")
    drawn = torch.zeros((rows, limit), dtype=torch.long, device=texts.device)
    ended = np.zeros(rows, dtype=bool)
    lengths = np.full(rows, limit)
    with torch.inference_mode():
        weight = gpt.trans_head.head.weight
        cache = Cache(config, rows, weight.dtype, weight.device) if cached else None
        for k in range(limit):
            if step is not None:
                step(k)
            known = drawn[:, max(0, k - 1) : k] if cached else drawn[:, :k]
            logits = gpt(texts, known, cache)[:, -1].float().cpu().numpy()
            if not np.isfinite(logits).all():
                raise FleximoError(
                    "T2M-GPT's numbers overflowed.", code="not_finite", remedy="Say --motion-set precision=bf16."
                )
            if at_least_one and k == 0:
                logits[:, config.end] = -np.inf
            chosen = logits.argmax(axis=1) if streams is None else _drawn(logits, streams)
            new = ~ended & (chosen == config.end)
            lengths[new], ended = k, ended | new
            if ended.all():
                break
            drawn[:, k] = torch.from_numpy(np.where(ended, 0, chosen)).to(drawn.device)
    return [row[:length].tolist() for row, length in zip(drawn.cpu(), lengths)]


def _drawn(logits: np.ndarray, streams: Sequence[np.random.Generator]) -> np.ndarray:
    """One index per row by its softmax: one uniform number of the row's own stream, through the cumulated sum."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    cumulated = np.cumsum(shifted, axis=1)
    points = np.array([stream.random() for stream in streams]) * cumulated[:, -1]
    return np.minimum((cumulated <= points[:, None]).sum(axis=1), logits.shape[1] - 1)
