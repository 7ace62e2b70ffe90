"""Which networks are in memory when, and how much each call may take: decided before the start, and again after an
out-of-memory error.

Costs come from a table that was counted on meta tensors (`footprint`). Knows bytes; nothing of jobs and nothing of how
a plan is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from backend.diffusion.memory import RESERVE, Plan, does_not_fit

__all__ = ["SVD_XT_COSTS", "MemoryPlan", "NetworkCosts", "given_up", "plan_memory", "scaled_costs", "step_down"]

_WINDOWS = (72, 25, 16, 8)  # SVD was trained on 25 frames, MimicMotion 1.0 on 16 and 1.1 on 72
_LATENT_COPIES = 6  # of the clip's latents alive in a step: state, scaled, fused, moved, guess, weights


@dataclass(frozen=True)
class NetworkCosts:
    """Bytes at two bytes a value; a cell is one latent pixel (8x8 px) of one frame."""

    image_encoder: int  # weights; its call takes next to nothing
    vae: int
    unet: int
    encode_cell: float  # intermediate values of the VAE's encoder
    unet_cell: float  # ... of one branch of the U-Net
    decode_cell: float
    pose_cell: float  # PoseNet's output
    unet_flops_cell: float
    decode_flops_cell: float
    largest_block: int  # weights of the largest block that block offload moves at once


SVD_XT_COSTS = NetworkCosts(
    image_encoder=1_264_153_600,
    vae=195_485_694,
    unet=3_049_246_164,
    encode_cell=82_304,
    unet_cell=17_297,
    decode_cell=131_080,
    pose_cell=640,
    unet_flops_cell=3.472e8,
    decode_flops_cell=7.534e8,
    largest_block=978_997_772,
)


def scaled_costs(weights: Mapping[str, int], unet_width: float, vae_width: float) -> NetworkCosts:
    """The costs of narrower or wider networks of the same make, such as small ones for tests.

    `weights` in bytes at two a value (image_encoder, vae, unet); widths relative to the released first blocks, with
    which the intermediate values grow in proportion and the arithmetic with the square.
    """
    known = SVD_XT_COSTS
    return NetworkCosts(
        **weights,
        encode_cell=known.encode_cell * vae_width,
        unet_cell=known.unet_cell * unet_width,
        decode_cell=known.decode_cell * vae_width,
        pose_cell=known.pose_cell * unet_width,
        unet_flops_cell=known.unet_flops_cell * unet_width**2,
        decode_flops_cell=known.decode_flops_cell * vae_width**2,
        largest_block=round(known.largest_block * weights["unet"] / known.unet),
    )


@dataclass(frozen=True, kw_only=True)
class MemoryPlan(Plan):
    """Offloading and `batched` keep the picture; chunk and window change it slightly."""

    batched: bool  # both branches of guidance in one call
    chunk: int  # frames that the decoder sees at once


def plan_memory(
    costs: NetworkCosts,
    *,
    free: float | None,
    size: tuple[int, int],
    frames: int,
    window: int,
    chunk: int,
    batched: bool = False,
    smaller_window: bool = False,
    bytes_per_value: int = 2,
    kept_frames: int = 0,
) -> MemoryPlan:
    """The first plan, from the roomiest to the thriftiest, that fits into `free` bytes (None: not known, any fits).

    `size` (W, H) px, `frames` of the clip with the reference; `kept_frames`: of how many frames deep features are held
    for later steps. `batched`: both branches of guidance in one call if that fits too. A smaller window changes the
    picture, so it is only taken when `smaller_window` allows it. Raises `FleximoError` (`not_enough_memory`) when
    nothing fits.
    """

    window = min(window, frames)
    windows = [window, *(shorter for shorter in _WINDOWS if shorter < window)] if smaller_window else [window]
    # A chunk is shortened only where everything that keeps the picture is spared already.
    rungs = [(True, False, False, chunk)] if batched else []
    rungs += [(False, False, False, chunk), (False, True, False, chunk)]
    rungs += [(False, True, True, chunk >> n) for n in range(chunk.bit_length())]
    thriftiest = None
    for length in windows:
        for both, stage_offload, block_offload, seen in rungs:
            plan = MemoryPlan(
                batched=both,
                stage_offload=stage_offload,
                block_offload=block_offload,
                chunk=seen,
                window=length,
                peaks={},
            )
            plan = replace(plan, peaks=_peaks(costs, plan, size, frames, bytes_per_value, kept_frames))
            if free is None or plan.peak + RESERVE <= free:
                return plan
            thriftiest = plan
    assert thriftiest is not None and free is not None
    raise does_not_fit(thriftiest, free, size, smaller_window=smaller_window)


def _peaks(
    costs: NetworkCosts,
    plan: MemoryPlan,
    size: tuple[int, int],
    frames: int,
    bytes_per_value: int,
    kept_frames: int,
) -> dict[str, float]:
    scale = bytes_per_value / 2
    cells = (size[0] // 8) * (size[1] // 8)
    weights = {"image_encoder": costs.image_encoder * scale, "unet": costs.unet * scale, "vae": costs.vae * scale}
    resident = 0.0 if plan.stage_offload else sum(weights.values())
    unet = costs.largest_block * scale if plan.block_offload else weights["unet"]
    held = plan.window if plan.stage_offload else frames  # PoseNet's output, on the device or fetched per window
    latents = _LATENT_COPIES * 16 * cells * frames
    branches = 2 if plan.batched else 1
    denoise = cells * scale * (branches * plan.window * (costs.unet_cell + costs.pose_cell) + held * costs.pose_cell)
    # What the last block gets from below has twice the channels that PoseNet gives the first.
    denoise += cells * scale * kept_frames * 2 * costs.pose_cell
    return {
        "look": resident or weights["image_encoder"],
        # The encoder always runs in four bytes: SVD's own configuration asks for it.
        "encode": resident + costs.vae * 2.0 + costs.encode_cell * 2.0 * cells,
        "denoise": (resident or unet) + latents + denoise,
        "decode": (resident or weights["vae"])
        + latents / _LATENT_COPIES
        + costs.decode_cell * scale * cells * plan.chunk,
    }


def step_down(plan: MemoryPlan, stage: str, *, smaller_window: bool) -> MemoryPlan | None:
    """The next thriftier plan after `stage` ("denoise" or another) ran out of memory; None when there is none left."""
    if plan.batched and stage == "denoise":
        return replace(plan, batched=False)
    if not plan.stage_offload:
        return replace(plan, batched=False, stage_offload=True)
    if stage != "denoise":
        return replace(plan, chunk=plan.chunk // 2) if stage == "decode" and plan.chunk > 1 else None
    if not plan.block_offload:
        return replace(plan, block_offload=True)
    shorter = [window for window in _WINDOWS if window < plan.window]
    return replace(plan, window=shorter[0]) if smaller_window and shorter else None


def given_up(before: MemoryPlan, after: MemoryPlan) -> dict[str, str]:
    """Field of the plan -> how a computation goes on that has stepped down in it, in words."""
    chunk = f"{after.chunk} instead of {before.chunk} frames decoded at once, which changes the picture slightly"
    return {
        "batched": "one branch of guidance at a time",
        "stage_offload": "only the network at work in memory",
        "block_offload": "the network in memory block by block",
        "chunk": chunk,
        "window": f"windows of {after.window} instead of {before.window} frames, which changes the picture",
    }
