"""`python -m backend.evaluate.gpu_bench`: how fast MimicMotion renders here, beside the reference program's way and the
limit of this machine's arithmetic, all in one run.

Full size on a GPU, a small size on a CPU, where the large figures stay open. Networks of the right shapes with made-up
values: speed does not depend on them; the pictures, and so the PSNR of the approximations, do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor

from backend.diffusion.footprint import count
from backend.diffusion.memory import GIB
from backend.models.mimicmotion.rendering import sampling_plan
from backend.models.mimicmotion.settings import Settings
from backend.models.svd.conditioning import Conditioning, pose_features
from backend.models.svd.decode import decode, to_pictures
from backend.models.svd.pose_net import PoseNet
from backend.models.svd.sampler import draw_noise, sample, start
from backend.models.svd.schedule import make_scheduler
from backend.models.svd.speed import arrange, compile_blocks
from backend.models.svd.unet import SVD_XT, PoseUNet, shorten_cross_attention
from fleximo.files import write_json

__all__ = ["main", "run"]

_VAE = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
}


@dataclass(frozen=True)
class Scale:
    """What is rendered."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    size: tuple[int, int]  # (W, H) px
    poses: int
    settings: Settings
    dtype: torch.dtype
    matrix: int  # side of the square matrices whose product is the measure of this machine


FULL = Scale(SVD_XT, _VAE, (576, 1024), 71, Settings(), torch.float16, 8192)
SMALL = Scale(
    unet=SVD_XT
    | {
        "block_out_channels": (32, 32, 64, 64),
        "addition_time_embed_dim": 32,
        "projection_class_embeddings_input_dim": 96,
        "layers_per_block": 1,
        "cross_attention_dim": 32,
        "num_attention_heads": (2, 2, 4, 4),
    },
    vae=_VAE | {"block_out_channels": [32, 32, 32, 64], "layers_per_block": 1},
    size=(64, 128),
    poses=7,
    settings=Settings(window=8, overlap=2, steps=3, decode_chunk=4, decode_overlap=1),
    dtype=torch.float32,
    matrix=1024,
)


@dataclass(frozen=True)
class Way:
    """One way to render the same job."""

    name: str
    settings: Settings
    exact: bool = True
    pose_once: bool = True
    shortened: bool = True
    compiled: bool = False


def ways(scale: Scale, *, compiled: bool) -> list[Way]:
    """The reference program's way first, then ours, then the approximations, fastest exact kind underneath."""
    ours = scale.settings
    found = [
        Way("the reference program's way", replace(ours, parity=True), pose_once=False, shortened=False),
        Way("ours", ours),
    ]
    if compiled:
        found.append(Way("ours, compiled", ours, compiled=True))
    fewer = replace(ours, quality="standard", steps=None if ours.steps is None else max(1, ours.steps - 1))
    return [
        *found,
        Way("fewer, aligned steps (approximate)", fewer, exact=False, compiled=compiled),
        Way("guidance on 60 % of the steps (approximate)", replace(ours, guidance_interval=(0.2, 0.8)), exact=False,
            compiled=compiled),
        Way("deep features of every second step (approximate)", replace(ours, deep_cache=2), exact=False,
            compiled=compiled),
    ]  # fmt: skip


def run(
    folder: Path, *, device: str | None = None, small: bool = False, compiled: bool | None = None
) -> dict[str, Any]:
    """Measures every way, writes `gpu_bench.json` into `folder`, returns the document with its table."""
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    large = where.type == "cuda" and not small
    scale = FULL if large else SMALL
    compiled = large if compiled is None else compiled
    write_json(folder / "gpu_bench.json", {})  # what cannot be written is told before the minutes, not after
    rate = _matmul_rate(where, scale)
    flops = _exact_flops(scale)
    job = _Job(scale, where)
    measured = {way.name: job.measure(way) for way in ways(scale, compiled=compiled)}
    rows = [row for row, _ in measured.values()]
    for row, frames in measured.values():
        row["psnr_db"] = _psnr(frames, measured["ours"][1])
        row["of_the_limit"] = flops / rate / row["seconds"] if row["exact"] else None
        row["times_the_reference"] = rows[0]["seconds"] / row["seconds"]
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
    document: dict[str, Any] = {
        "device": name,
        "torch": torch.__version__,
        "full_size": large,
        "size": list(scale.size),
        "poses": scale.poses,
        "steps": scale.settings.schedule[0],
        "precision": str(scale.dtype),
        "exact_tflop": flops / 1e12,
        "matmul_tflops": rate / 1e12,
        "limit_s": flops / rate,
        "ways": rows,
        "compiling": _compiling(rows),
    }
    document["table"] = _table(document)
    write_json(folder / "gpu_bench.json", document)
    return document


class _Job:
    """The networks and the inputs of one scale on one device."""

    def __init__(self, scale: Scale, device: torch.device) -> None:
        self._scale, self._device = scale, device
        torch.manual_seed(0)
        self._vae = self._placed(lambda: AutoencoderKLTemporalDecoder(**scale.vae))
        self._pose_net = self._placed(lambda: PoseNet(scale.unet["block_out_channels"][0]))
        torch.nn.init.normal_(self._pose_net.final_proj.weight, std=0.02)
        self._unet = self._placed(lambda: PoseUNet(**scale.unet))
        self._done: set[str] = set()
        width, height = scale.size
        random = np.random.default_rng(0)
        self._pictures = random.integers(0, 256, (scale.poses + 1, height, width, 3), dtype=np.uint8)
        generator = torch.Generator().manual_seed(0)
        self._noise = draw_noise(generator, scale.settings.window, height // 8, width // 8).to(device)
        shapes = ((1, 1, scale.unet["cross_attention_dim"]), (1, 4, height // 8, width // 8))
        self._told = [torch.randn(shape, generator=generator).to(device) for shape in shapes]

    def _placed(self, make: Callable[[], torch.nn.Module]) -> Any:
        with torch.device(self._device):
            return torch.nn.Module.to(make(), self._device, self._scale.dtype).requires_grad_(False).eval()

    def _prepare(self, way: Way) -> None:
        """Changes the U-Net towards `way`; ways come in an order in which nothing has to be undone."""
        if way.shortened and "shortened" not in self._done:
            shorten_cross_attention(self._unet)
            self._done.add("shortened")
        if way.compiled and "compiled" not in self._done:
            arrange(self._unet)
            compile_blocks(self._unet)
            self._done.add("compiled")

    def measure(self, way: Way) -> tuple[dict[str, Any], np.ndarray]:
        """One row of figures and the frames (n,H,W,3). A first step is run before the clock starts."""
        self._prepare(way)
        started = self._now()
        self._sampled(replace(way, settings=replace(way.settings, quality="best", steps=1)))
        warm = self._now() - started
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        started = self._now()
        latents, cost = self._sampled(way)
        sampled = self._now()
        overlap = 0 if way.settings.parity else way.settings.decode_overlap
        with torch.inference_mode():
            chunks = decode(self._vae, latents, length=way.settings.decode_chunk, overlap=overlap)
            frames = np.concatenate([to_pictures(chunk) for chunk in chunks])
        finished = self._now()
        peak = torch.cuda.max_memory_allocated(self._device) / GIB if self._device.type == "cuda" else None
        row = {
            "way": way.name,
            "exact": way.exact,
            "seconds": finished - started,
            "sampling_s": sampled - started,
            "decoding_s": finished - sampled,
            "first_step_s": warm,
            "unet_frames": cost,
            "peak_gib": peak,
        }
        return row, frames

    def _sampled(self, way: Way) -> tuple[Tensor, int]:
        scale, settings = self._scale, way.settings
        window = min(settings.window, scale.poses + 1)
        plan = sampling_plan(settings, scale.poses + 1, window)
        scheduler = make_scheduler(*settings.schedule)
        with torch.inference_mode():
            features = pose_features(self._pose_net, self._pictures) if way.pose_once else None

            def poses(frames: Sequence[int]) -> Tensor:
                if features is not None:
                    return features[list(frames)]
                return pose_features(self._pose_net, self._pictures[list(frames)])

            ids = torch.tensor([[6.0, 127.0, 0.0]], device=self._device)
            told = Conditioning(self._told[0], self._told[1], ids, poses)
            state = start(self._noise, plan.frames, scheduler)
            return sample(self._unet, scheduler, told, plan, state, self._noise), plan.cost

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.monotonic()


def _matmul_rate(device: torch.device, scale: Scale) -> float:
    """FLOP/s of the best of several products of square matrices, in the precision of the render."""
    first, second = (torch.randn(scale.matrix, scale.matrix, device=device).to(scale.dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        started = time.monotonic()
        for _ in range(4):
            first @ second
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = max(best, 4 * 2 * scale.matrix**3 / (time.monotonic() - started))
    return best


def _exact_flops(scale: Scale) -> float:
    """All passes of the exact algorithm and the decoding of every frame once, counted on meta tensors."""

    def blank(*shape: int) -> Tensor:
        return torch.empty(shape, device="meta")

    with torch.device("meta"):
        unet, vae = PoseUNet(**scale.unet).to("meta").eval(), AutoencoderKLTemporalDecoder(**scale.vae).eval()
    settings, width, height = scale.settings, scale.size[0] // 8, scale.size[1] // 8
    plan = sampling_plan(settings, scale.poses + 1, min(settings.window, scale.poses + 1))
    total = 0
    for window in plan.windows:
        told = (blank(), blank(1, 1, scale.unet["cross_attention_dim"]), blank(1, 3))
        poses = blank(len(window), scale.unet["block_out_channels"][0], height, width)
        given = blank(1, len(window), 8, height, width)
        total += count(lambda given=given, told=told, poses=poses: unet(given, *told, pose_latents=poses)).flops
    decoded = count(lambda: vae.to("meta").decode(blank(1, 4, height, width), num_frames=1)).flops
    return 2.0 * settings.schedule[0] * total + decoded * plan.frames


def _compiling(rows: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """What it cost and brought; None where nothing was compiled."""
    by_name = {row["way"]: row for row in rows}
    plain, compiled = by_name["ours"], by_name.get("ours, compiled")
    if compiled is None:
        return None
    return {
        "took_s": compiled["first_step_s"] - plain["first_step_s"],
        "saved_s": plain["sampling_s"] - compiled["sampling_s"],
    }


def _psnr(found: np.ndarray, wanted: np.ndarray) -> float | None:
    """dB; None where nothing differs."""
    error = float(((found.astype(np.float64) - wanted) ** 2).mean())
    return None if error == 0.0 else 10.0 * float(np.log10(255.0**2 / error))


def _table(document: dict[str, Any]) -> str:
    size, steps = "x".join(map(str, document["size"])), document["steps"]
    lines = [
        f"{document['device']}, torch {document['torch']}, {document['precision'].removeprefix('torch.')}: {size}, "
        f"{document['poses']} poses, {steps} steps",
        f"limit: {document['exact_tflop']:.4g} TFLOP at {document['matmul_tflops']:.3g} TFLOP/s = "
        f"{document['limit_s']:.3g} s",
        "| way | seconds | sampling | decoding | x the reference | of the limit | PSNR to ours | peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in document["ways"]:
        limit = "" if row["of_the_limit"] is None else f"{row['of_the_limit']:.2f}"
        psnr = "same" if row["psnr_db"] is None else f"{row['psnr_db']:.1f} dB"
        peak = "" if row["peak_gib"] is None else f"{row['peak_gib']:.1f} GiB"
        lines.append(
            f"| {row['way']} | {row['seconds']:.3g} | {row['sampling_s']:.3g} | {row['decoding_s']:.3g} | "
            f"{row['times_the_reference']:.2f} | {limit} | {psnr} | {peak} |"
        )
    if document["compiling"] is not None:
        took, saved = document["compiling"]["took_s"], document["compiling"]["saved_s"]
        lines.append(f"Compiling took {took:.3g} s and saved {saved:.3g} s of one such render's sampling.")
    if not document["full_size"]:
        lines.append(
            "Open: the figures of a full-size render. They need a GPU; these are of a small size and tell little."
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m backend.evaluate.gpu_bench", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("bench-results"))
    parser.add_argument("--device", help="cuda, cuda:1 or cpu (default: a GPU if there is one)")
    parser.add_argument("--small", action="store_true", help="the small size on a GPU too")
    parser.add_argument("--no-compile", action="store_true", help="leave out what takes minutes to compile")
    given = parser.parse_args(arguments)
    document = run(given.output, device=given.device, small=given.small, compiled=False if given.no_compile else None)
    print(document["table"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
