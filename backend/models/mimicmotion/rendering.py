"""One render of one job, from what the networks are told to finished frames, on a given memory plan.

look -> encode -> poses -> denoise -> decode; what can be resumed lies in the workplace. Knows one attempt; what to do
when memory runs out is the engine's business.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backend.diffusion.checkpoint import Checkpoints, read_sealed, write_sealed
from backend.diffusion.notices import rendered_alone
from backend.diffusion.pace import Pace
from backend.models.mimicmotion.networks import Networks
from backend.models.mimicmotion.pictures import reference, skeletons
from backend.models.mimicmotion.settings import Settings
from backend.models.svd.conditioning import Conditioning, embed, encode, pose_features, to_signed
from backend.models.svd.decode import QuickLook, decode, to_pictures
from backend.models.svd.memory import MemoryPlan
from backend.models.svd.sampler import Frozen, SamplingPlan, State, Watch, draw_noise, sample, start
from backend.models.svd.schedule import make_scheduler
from backend.models.svd.speed import half_precision_peak, why_compile
from backend.models.svd.windows import balanced_windows, upstream_windows
from backend.stages import Progress, Workplace
from fleximo.errors import Notice
from fleximo.files import canonical_json, write_atomic
from fleximo.job import RenderJob, blob_digest
from fleximo.video import Video

__all__ = ["CONTEXT", "LATENTS", "PREVIEW", "Rendering", "sampling_plan"]

LATENTS = "latents.safetensors"  # of the whole clip
_OWN_LATENTS = "part.safetensors"  # of a part that was rendered as a clip of its own; no later change can use them
PREVIEW = "preview.jpg"
CONTEXT = 8  # frozen frames that are shown to the network on either side of the frames rendered again
_FPS_ID, _MOTION_BUCKET = 6.0, 127.0  # constants of SVD's training, not the rate of the video
_PREVIEW_EVERY_S = 1.0
_PREVIEW_PX = 512


def sampling_plan(
    settings: Settings, frames: int, window: int, *, batched: bool = False, span: tuple[int, int] | None = None
) -> SamplingPlan:
    """The U-Net calls of a clip of `frames` frames with the reference; of the frames of `span` alone, if given."""
    if settings.parity:
        windows = upstream_windows(frames, window, settings.overlap)
    else:
        windows = balanced_windows(frames, window, min(settings.overlap, window - 1), span)
    return SamplingPlan(
        frames=frames,
        steps=settings.schedule[0],
        windows=tuple(windows),
        guidance=settings.guidance_per_frame(frames),
        guided_steps=settings.guided_steps(),
        single_branch=not settings.parity,
        batched=batched,
        deep_cache=1 if settings.parity else settings.deep_cache,
    )


@dataclass(eq=False)
class Rendering:
    """One attempt. `stage` names what it is at, for the engine to know where memory ran out."""

    job: RenderJob
    settings: Settings
    networks: Networks
    memory: MemoryPlan
    place: Workplace | None
    progress: Progress

    def __post_init__(self) -> None:
        self.stage = "look"
        self.notices: list[Notice] = []
        # On the CPU, so that a seed means the same on every device; the reference program draws where it computes.
        source = self.networks.device if self.settings.parity else torch.device("cpu")
        self._generator = torch.Generator(source).manual_seed(self.job.seed)
        first, last = self.job.frames
        whole = len(self.job.signal.track)
        self._frozen_clip = self._previous_latents() if (first, last) != (0, whole) else None
        alone = self._frozen_clip is None and (first, last) != (0, whole)
        self._latents_file = _OWN_LATENTS if alone else LATENTS
        # A part of a clip is drawn into the rest of it where that was kept, else it is a clip of its own.
        self._offset = 0 if self._frozen_clip is not None else first
        self._range = (first - self._offset + 1, last - self._offset + 1)
        frames = 1 + whole if self._frozen_clip is not None else 1 + last - first
        span = None
        if self._frozen_clip is not None:
            span = (max(1, self._range[0] - CONTEXT), min(frames, self._range[1] + CONTEXT))
        window = min(self.memory.window, frames)
        self.plan = sampling_plan(self.settings, frames, window, batched=self.memory.batched, span=span)
        costs = self.networks.costs
        self.compiled = self._to_be_compiled(costs.unet_flops_cell)
        self._decode_unit = costs.decode_flops_cell / costs.unet_flops_cell  # in frames of a U-Net call
        self._pace = Pace(self.progress, self._work_until(self.plan.steps) + self._decode_unit * (last - first))

    def run(self) -> Video:
        """The frames `job.frames`. Raises `Cancelled` within one call of a network after the user asks to stop."""
        picture = reference(self.job, antialias=not self.settings.parity)
        latents = self._finished_latents()
        if latents is None:
            latents = self._sampled(picture)
            self._keep(latents)
        else:
            self._pace.skip(self._work_until(self.plan.steps))
        if self.place is not None:
            Checkpoints(self.place.folder, self.key).clear()  # they have done their work
        video = self._decoded(latents)
        self.progress(1.0, "rendered")
        return video

    @property
    def key(self) -> str:
        """Names everything that decides the latents, on one stack."""
        document = {
            "job": self.job.digest,
            "window": self.memory.window,
            "batched": self.memory.batched,
            "compiled": self.compiled,
            "frozen": self._frozen_clip is not None,
            "weights": self.networks.sums,
            "precision": str(self.networks.dtype),
            "device": self.networks.device.type,
            "torch": torch.__version__,
        }
        return hashlib.sha256(canonical_json(document)).hexdigest()

    @property
    def clip_key(self) -> str:
        """Names what two renders must share for frames of one to stand beside frames of the other."""
        document = {
            "photo": blob_digest(self.job.photo),
            "framing": self.job.framing.to_json(),
            "frames": len(self.job.signal.track),
            "vae": {name: total for name, total in self.networks.sums.items() if name.startswith("svd/vae/")},
        }
        return hashlib.sha256(canonical_json(document)).hexdigest()

    def _sampled(self, picture: Any) -> Tensor:
        """The final latents (N,4,h,w)."""
        conditioning, look = self._conditioning(picture)
        self._enter("denoise", "compiling the network" if self.compiled else "reading the network")
        device = self.networks.device
        unet = self.networks.unet(
            shortened=not self.settings.parity, by_block=self.memory.block_offload, compiled=self.compiled
        )
        steps, spacing = self.settings.schedule
        scheduler = make_scheduler(steps, spacing, self.networks.scheduler_config)
        height, width = conditioning.image_latent.shape[-2:]
        # As long as the window that was asked for, so that neither the clip's length nor a window cut for memory
        # moves it.
        dtype = self.networks.dtype if self.settings.parity else torch.float32
        noise = draw_noise(self._generator, self.settings.window, height, width, dtype)
        state = start(noise, self.plan.frames, scheduler)
        checkpoints = None if self.place is None else Checkpoints(self.place.folder, self.key)
        found = None if checkpoints is None else checkpoints.load()
        if found is not None and torch.equal(found[1]["sigmas"], scheduler.sigmas):
            state = State(found[0], found[1]["latents"])
            self._generator.set_state(found[1]["generator"])
            self._pace.skip(self._work_until(state.step))
        state.latents = state.latents.to(device)
        frozen = None
        if self._frozen_clip is not None:
            sampled = torch.zeros(self.plan.frames, dtype=torch.bool, device=device)
            sampled[self._range[0] : self._range[1]] = True
            frozen = Frozen(self._frozen_clip.to(device), sampled)
        watch = _Onlooker(self, look, checkpoints, scheduler.sigmas)
        latents = sample(
            unet, scheduler, conditioning, self.plan, state, noise.to(device), frozen=frozen, watch=watch.watch()
        )
        del unet
        self._leave("unet")
        return latents.cpu()

    def _conditioning(self, picture: Any) -> tuple[Conditioning, QuickLook]:
        """What the networks are told, each network read, used and (where memory is short) dropped."""
        signed = to_signed(picture)[None]
        self._enter("look", "looking at the photo")
        with torch.inference_mode():
            embedding = embed(self.networks.image_encoder(), signed)
            self._leave("image_encoder")
            self._enter("encode", "looking at the photo")
            # The augmentation's noise is drawn first and always, as by the reference program.
            noise = torch.randn(signed.shape, generator=self._generator, device=self._generator.device)
            noisy = signed + self.settings.noise_augmentation * noise.cpu()
            vae = self.networks.vae(torch.float32)
            latent = encode(vae, noisy)
            look = QuickLook(signed, latent * vae.config.scaling_factor)
            del vae
            if self.networks.dtype != torch.float32 or self.memory.stage_offload:
                self.networks.drop("vae")
            self._enter("poses", "drawing the skeletons")
            told = torch.tensor([[_FPS_ID, _MOTION_BUCKET, self.settings.noise_augmentation]])
            poses = self._poses()
        return Conditioning(embedding, latent, told.to(self.networks.device), poses), look

    def _poses(self) -> Any:
        """frames -> PoseNet's features; computed once for the job, or at every call as the reference program does."""
        frames = sorted({frame for window in self.plan.windows for frame in window.frames})
        drawn = skeletons(self.job, [frame + self._offset if frame else 0 for frame in frames])
        row = {frame: number for number, frame in enumerate(frames)}
        pose_net = self.networks.pose_net()

        def rows(wanted: Sequence[int]) -> list[int]:
            return [row[frame] for frame in wanted]

        if self.settings.parity:
            return lambda wanted: pose_features(pose_net, drawn[rows(wanted)])
        features = pose_features(pose_net, drawn)
        features = features.cpu() if self.memory.stage_offload else features
        return lambda wanted: features[rows(wanted)]

    def _decoded(self, latents: Tensor) -> Video:
        """The frames of `job.frames`; the decoder is also shown what lies around them."""
        self._enter("decode", "decoding")
        first, last = self._range
        chunk = self.memory.chunk
        overlap = 0 if self.settings.parity else min(self.settings.decode_overlap, chunk - 1)
        low, high = max(0, first - chunk), min(len(latents), last + chunk)
        width, height = self.job.size
        pictures = np.empty((high - low, height, width, 3), np.uint8)
        done = 0

        def before_each(count: int) -> None:
            self._pace.next(f"decoding frame {max(1, low + done - first + 1)} of {last - first}")

        with torch.inference_mode():
            vae = self.networks.vae(self.networks.dtype)
            for frames in decode(vae, latents[low:high], length=chunk, overlap=overlap, before_each=before_each):
                pictures[done : done + len(frames)] = to_pictures(frames, truncate=self.settings.parity)
                done += len(frames)
                self._pace.did(self._decode_unit * len(frames) * (last - first) / (high - low))
        self._leave("vae")
        return Video(pictures[first - low : last - low].copy(), self.job.fps)

    def _to_be_compiled(self, flops_cell: float) -> bool:
        """As asked for; left to us, where this job's calls repay the minutes, which is told."""
        if self.memory.block_offload or self.settings.compiled != "auto":
            return self.settings.compiled is True and not self.memory.block_offload
        if self.settings.parity or self.networks.dtype.itemsize != 2:
            return False
        width, height = self.job.size
        flops = self._work_until(self.plan.steps) * (width // 8) * (height // 8) * flops_cell
        why = why_compile(flops, half_precision_peak(self.networks.device))
        if why is not None:
            self.notices.append(
                Notice("compiled", f"The network was compiled first: {why}.", "--set compiled=false leaves it out.")
            )
        return why is not None

    def _work_until(self, step: int) -> float:
        """Of the first `step` steps, in frames of whole calls of the U-Net."""
        return sum(self.plan.work_at(done) for done in range(step))

    def _enter(self, stage: str, message: str) -> None:
        self.stage = stage
        self._pace.next(message)

    def _leave(self, network: str) -> None:
        if self.memory.stage_offload:
            self.networks.drop(network)

    def _previous_latents(self) -> Tensor | None:
        """The final latents of the render that this one changes; None, and a notice why, if they cannot be used."""
        previous = None if self.place is None else self.place.previous
        found = None if previous is None else read_sealed(previous / LATENTS)
        if found is not None and found[1].get("clip") == self.clip_key:
            return found[0]["latents"]
        self.notices.append(rendered_alone("latents of the frames", kept=found is not None))
        return None

    def _finished_latents(self) -> Tensor | None:
        """Those of this very render, if it was stopped after sampling."""
        found = None if self.place is None else read_sealed(self.place.folder / self._latents_file)
        return found[0]["latents"] if found is not None and found[1].get("render") == self.key else None

    def _keep(self, latents: Tensor) -> None:
        """Final latents stay for later changes."""
        if self.place is None:
            return
        told = {
            "render": self.key,
            "clip": self.clip_key,
            "seed": str(self.job.seed),
            "settings": json.dumps(dict(self.job.settings), sort_keys=True),
            "memory": json.dumps(self.memory.to_json(), sort_keys=True),
            "windows": json.dumps([[window.start, window.stop] for window in self.plan.windows]),
            "cost": str(self.plan.cost),
        }
        write_sealed(self.place.folder / self._latents_file, {"latents": latents}, told)


class _Onlooker:
    """What happens between the calls: progress, stops, checkpoints, previews."""

    def __init__(self, rendering: Rendering, look: QuickLook, checkpoints: Checkpoints | None, sigmas: Tensor) -> None:
        self._rendering = rendering
        self._look = look
        self._checkpoints = checkpoints
        self._sigmas = sigmas
        self._pending = 0.0
        self._shown = float("-inf")

    def watch(self) -> Watch:
        return Watch(self.before_call, self.after_step)

    def before_call(self, step: int, window: int, frames: int) -> None:
        pace, plan = self._rendering._pace, self._rendering.plan
        pace.did(self._pending)
        self._pending = frames * plan.share_of_a_call(step)
        windows = f", window {window + 1} of {len(plan.windows)}" if len(plan.windows) > 1 else ""
        pace.next(f"step {step + 1} of {plan.steps}{windows}")

    def after_step(self, state: State, guess: Tensor) -> None:
        self._rendering._pace.did(self._pending)
        self._pending = 0.0
        plan = self._rendering.plan
        # Between, the next step would need deep features that are too large to be written at every step.
        if self._checkpoints is not None and state.step < plan.steps and plan.computes_all(state.step):
            tensors = {"latents": state.latents, "sigmas": self._sigmas}
            generator = self._rendering._generator.get_state()
            self._checkpoints.save(state.step, tensors | {"generator": generator})
        place = self._rendering.place
        if place is not None and time.monotonic() - self._shown >= _PREVIEW_EVERY_S:
            self._shown = time.monotonic()
            first, last = self._rendering._range
            middle = (first + last) // 2
            _write_preview(place, self._look(guess[middle : middle + 1])[0])


def _write_preview(place: Workplace, picture: Any) -> None:
    small = Image.fromarray(picture)
    factor = min(8.0, _PREVIEW_PX / max(small.size))
    large = small.resize((round(small.width * factor), round(small.height * factor)), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=80)
    write_atomic(place.folder / PREVIEW, buffer.getvalue())
