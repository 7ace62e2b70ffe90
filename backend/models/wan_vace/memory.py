"""Which of Wan VACE's networks are in memory when: decided before the start, and again after an out-of-memory error.

Costs come from a table that was counted on meta tensors (`footprint`). Knows bytes; nothing of jobs and nothing of how
a plan is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from backend.diffusion.memory import RESERVE, Plan, does_not_fit

__all__ = ["RELEASED", "RELEASED_COSTS", "Costs", "MemoryPlan", "plan_memory", "step_down"]

_WINDOWS = (81, 49, 33, 17)
_TILE_CELLS = 32 * 32  # latent pixels of a tile that the VAE decodes by itself: 256x256 px
_ENCODED_COPIES, _DECODED_COPIES = 5, 2  # of a window's frames in four bytes: what is shown; what is put together
RELEASED = (30, 12, 96, 4096)  # layers, heads, the VAE's width, the text encoder's


@dataclass(frozen=True)
class Costs:
    """Bytes and FLOPs; a cell is one latent pixel (8x8 px), a token four of them in one latent frame."""

    text_encoder: int  # weights, two bytes a value
    transformer: int  # weights, two bytes a value
    vae: int  # weights, four bytes a value
    largest_word_layer: int  # weights of the text encoder's largest layer: its table of words
    largest_block: int  # weights of the transformer's largest block
    text_call: int  # intermediate values of the text encoder
    token: float  # intermediate values of one pass, at two bytes a value
    encode_cell: float  # intermediate values of the VAE at a time, which works on four frames at once
    decode_cell: float
    text_flops: float
    pass_call_flops: float  # of a pass, however many tokens: the prompt's part
    token_flops: float
    pair_flops: float  # of each token's attention to each
    encode_flops: float  # a cell of one latent frame
    decode_flops: float

    def pass_flops(self, tokens: int) -> float:
        return self.pass_call_flops + tokens * self.token_flops + tokens**2 * self.pair_flops


RELEASED_COSTS = Costs(
    text_encoder=11_361_820_672,
    transformer=4_307_944_064,
    vae=507_570_124,
    largest_word_layer=2_100_297_728,
    largest_block=102_324_736,
    text_call=125_829_120,
    token=97_922.0,
    encode_cell=908_362.0,
    decode_cell=1_252_554.0,
    text_flops=4_844_723_109_888,
    pass_call_flops=226_324_905_984,
    token_flops=3_969_908_736,
    pair_flops=276_480,
    encode_flops=1_005_418_496,
    decode_flops=1_680_138_752,
)


@dataclass(frozen=True, kw_only=True)
class MemoryPlan(Plan):
    """Offloading and streaming keep the picture; tiles and window change it."""

    text_streamed: bool  # of the text encoder, only the layer at work
    tiled: bool  # the VAE works in tiles


def plan_memory(
    costs: Costs,
    *,
    free: float | None,
    size: tuple[int, int],
    window: int,
    tiled: bool = False,
    smaller_window: bool = False,
    bytes_per_value: int = 2,
) -> MemoryPlan:
    """The first plan, from the roomiest to the thriftiest, that fits into `free` bytes (None: not known, any fits).

    `size` (W, H) px, `window` in frames. A smaller window changes the picture, so it is only taken when
    `smaller_window` allows it. Raises `FleximoError` (`not_enough_memory`) when nothing fits.
    """
    lengths = [window, *(shorter for shorter in _WINDOWS if shorter < window)] if smaller_window else [window]
    thriftiest = None
    for length in lengths:
        for stage_offload in (False, True):
            plan = MemoryPlan(
                stage_offload=stage_offload,
                text_streamed=False,
                block_offload=False,
                tiled=tiled,
                window=length,
                peaks={},
            )
            plan = replace(plan, peaks=_peaks(costs, plan, size, bytes_per_value))
            if free is not None and stage_offload:
                over = {stage for stage, peak in plan.peaks.items() if peak + RESERVE > free}
                for stage in sorted(over):
                    plan = _thriftier_in(plan, stage) or plan
                plan = replace(plan, peaks=_peaks(costs, plan, size, bytes_per_value))
            if free is None or plan.peak + RESERVE <= free:
                return plan
            thriftiest = plan
    assert thriftiest is not None and free is not None
    raise does_not_fit(thriftiest, free, size, smaller_window=smaller_window)


def _peaks(costs: Costs, plan: MemoryPlan, size: tuple[int, int], bytes_per_value: int) -> dict[str, float]:
    scale = bytes_per_value / 2
    cells = (size[0] // 8) * (size[1] // 8)
    tokens = cells // 4 * (2 + (plan.window - 1) // 4)  # the photo's latent frame is one more
    transformer = costs.transformer * scale
    resident = 0.0 if plan.stage_offload else costs.text_encoder + transformer + costs.vae
    seen = min(cells, _TILE_CELLS) if plan.tiled else cells
    frames = 4 * 3 * plan.window * size[0] * size[1]
    return {
        "text": (resident or (costs.largest_word_layer if plan.text_streamed else costs.text_encoder))
        + costs.text_call,
        "encode": (resident or costs.vae) + costs.encode_cell * seen + _ENCODED_COPIES * frames,
        "denoise": (resident or (costs.largest_block * scale if plan.block_offload else transformer))
        + costs.token * scale * tokens,
        "decode": (resident or costs.vae) + costs.decode_cell * seen + _DECODED_COPIES * frames,
    }


def step_down(plan: MemoryPlan, stage: str, *, smaller_window: bool) -> MemoryPlan | None:
    """The next thriftier plan after `stage` ran out of memory; None when there is none left."""
    if not plan.stage_offload:
        return replace(plan, stage_offload=True)
    thriftier = _thriftier_in(plan, stage)
    if thriftier is not None or stage == "text":
        return thriftier
    shorter = [window for window in _WINDOWS if window < plan.window]
    return replace(plan, window=shorter[0]) if smaller_window and shorter else None


def _thriftier_in(plan: MemoryPlan, stage: str) -> MemoryPlan | None:
    """`plan` with what spares memory in this stage alone; None if that is spared already."""
    name = {"text": "text_streamed", "denoise": "block_offload"}.get(stage, "tiled")
    return None if getattr(plan, name) else replace(plan, **{name: True})
