"""A skeleton video without hands and one skeleton picture with hands -> the video with hands.

The loop, windows and guidance are those of `backend.models.svd`: the reference is frame 0 of every window. Knows
pictures, networks and one attempt on a memory plan; no tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from backend.diffusion.checkpoint import Checkpoints
from backend.diffusion.pace import Pace
from backend.models.adapter.convention import Convention
from backend.models.svd.conditioning import Conditioning, embed, encode, pose_features, to_signed
from backend.models.svd.decode import decode, to_pictures
from backend.models.svd.memory import MemoryPlan
from backend.models.svd.sampler import SamplingPlan, State, Watch, draw_noise, sample, start
from backend.models.svd.schedule import make_scheduler
from backend.models.svd.windows import balanced_windows
from backend.stages import silent
from fleximo.errors import FleximoError

__all__ = ["Drawing", "Networks", "Sampling", "draw_hands"]

Pictures = npt.NDArray[np.uint8]

_SIDE = 64  # px: the VAE divides by 8, the U-Net halves three times without padding


class Networks(Protocol):
    """Where the four networks come from, and where they may be given back after use."""

    device: torch.device
    scheduler_config: Any

    def image_encoder(self) -> Any: ...
    def vae(self) -> Any: ...
    def pose_net(self) -> Any: ...
    def unet(self) -> Any: ...
    def drop(self, *names: str) -> None: ...


@dataclass(frozen=True)
class Sampling:
    """The paper tells nothing of how its adapter is called; these are MimicMotion's numbers."""

    steps: int = 25
    guidance: float = 2.0
    overlap: int = 4  # frames that windows share, the reference included
    decode_chunk: int = 8
    decode_overlap: int = 2
    seed: int = 0

    def plan(self, frames: int, window: int) -> SamplingPlan:
        """The calls for `frames` frames, the reference included, as many at once as a training clip had."""
        length = min(window, frames)
        return SamplingPlan(
            frames=frames,
            steps=self.steps,
            windows=tuple(balanced_windows(frames, length, min(self.overlap, length - 1))),
            guidance=(self.guidance,) * frames,
            guided_steps=(0, self.steps),
        )


@dataclass(eq=False)
class Drawing:
    """One attempt. `stage` names what it is at, for the caller to know where memory ran out.

    `body` (n,H,W,3) lacks the hands; `reference`: one picture (H,W,3) without and with them. On no `memory` plan every
    network is given back after use. With `checkpoints`, what is stopped goes on from its last step with the same bits.
    """

    networks: Networks
    body: Pictures
    reference: tuple[Pictures, Pictures]
    convention: Convention
    sampling: Sampling
    memory: MemoryPlan | None = None  # block by block only with networks that can
    checkpoints: Checkpoints | None = None
    pace: Pace | None = None  # in frames of U-Net calls
    decode_unit: float = 0.0  # of the pace, for a frame decoded

    def __post_init__(self) -> None:
        height, width = self.body.shape[1:3]
        if height % _SIDE or width % _SIDE:
            raise FleximoError(
                f"The adapter draws pictures whose sides are multiples of {_SIDE} px, not {width}x{height}.",
                code="invalid_size",
                remedy="Choose such a --size.",
            )
        self.stage = "look"
        self.plan = self.sampling.plan(1 + len(self.body), self.convention.frames)
        self._pace = self.pace or Pace(silent, self.plan.cost)

    def run(self) -> Pictures:
        """(n,H,W,3): `body` with hands, in the order of channels that it has."""
        with torch.inference_mode():
            pictures = self._decoded(self._sampled())
        return pictures[..., ::-1].copy() if self.convention.swapped else pictures

    def _sampled(self) -> Tensor:
        """The final latents of all frames but the reference."""
        networks, plan = self.networks, self.plan
        generator = torch.Generator().manual_seed(self.sampling.seed)
        told = self._conditioning(generator)
        scheduler = make_scheduler(plan.steps, config=networks.scheduler_config)
        height, width = (side // 8 for side in self.body.shape[1:3])
        noise = draw_noise(generator, min(self.convention.frames, plan.frames), height, width)
        state = start(noise, plan.frames, scheduler)
        found = None if self.checkpoints is None else self.checkpoints.load()
        if found is not None:
            state = State(found[0], found[1]["latents"])
            self._pace.skip(sum(plan.frames_at(step) for step in range(state.step)))
        state.latents = state.latents.to(networks.device)
        self._enter("denoise", "reading the adapter's network")
        unet = self._unet()
        latents = sample(unet, scheduler, told, plan, state, noise.to(networks.device), watch=self._watch())
        self._leave("unet")
        return latents[1:]

    def _unet(self) -> Any:
        if self.memory is not None and self.memory.block_offload:
            return self.networks.unet(by_block=True)
        return self.networks.unet()

    def _conditioning(self, generator: torch.Generator) -> Conditioning:
        """As in training: the reference is noisy when it is encoded, and the networks are told how noisy."""
        networks, convention = self.networks, self.convention
        bare, shown = self.reference
        shown = shown[..., ::-1] if convention.swapped else shown
        self._enter("look", "looking at the example of hands")
        signed = to_signed(shown[None].copy())
        embedding = embed(networks.image_encoder(), signed)
        self._leave("image_encoder")
        self._enter("encode", "looking at the example of hands")
        noisy = signed + convention.augmentation * torch.randn(signed.shape, generator=generator)
        latent = encode(networks.vae(), noisy)
        self._leave("vae")
        self._enter("poses", "looking at the skeletons")
        features = pose_features(networks.pose_net(), np.concatenate([bare[None], self.body]))
        features = features.cpu() if self._spares else features
        self._leave("pose_net")
        ids = [[convention.fps_id, convention.motion_bucket, convention.augmentation]]

        def rows(frames: Sequence[int]) -> Tensor:
            return features[list(frames)]

        return Conditioning(embedding, latent, torch.tensor(ids, device=networks.device), rows)

    def _decoded(self, latents: Tensor) -> Pictures:
        self._enter("decode", "decoding hands")
        chunk = self.sampling.decode_chunk if self.memory is None else self.memory.chunk
        overlap = min(self.sampling.decode_overlap, chunk - 1)
        decoded: list[Pictures] = []

        def before_each(_count: int) -> None:
            self._pace.next("decoding hands")

        for frames in decode(self.networks.vae(), latents, length=chunk, overlap=overlap, before_each=before_each):
            decoded.append(to_pictures(frames))
            self._pace.did(self.decode_unit * len(frames))
        self._leave("vae")
        return np.concatenate(decoded)

    def _watch(self) -> Watch:
        pending = 0

        def before(step: int, _window: int, frames: int) -> None:
            nonlocal pending
            self._pace.did(pending)
            pending = frames
            self._pace.next(f"drawing hands, step {step + 1} of {self.plan.steps}")

        def after(state: State, _guess: Tensor) -> None:
            nonlocal pending
            self._pace.did(pending)
            pending = 0
            if self.checkpoints is not None:
                self.checkpoints.save(state.step, {"latents": state.latents})

        return Watch(before, after)

    @property
    def _spares(self) -> bool:
        return self.memory is None or self.memory.stage_offload

    def _enter(self, stage: str, message: str) -> None:
        self.stage = stage
        self._pace.next(message)

    def _leave(self, network: str) -> None:
        if self._spares:
            self.networks.drop(network)


def draw_hands(
    networks: Networks,
    body: Pictures,
    reference: tuple[Pictures, Pictures],
    convention: Convention,
    sampling: Sampling,
) -> Pictures:
    """(n,H,W,3): `body` (n,H,W,3) with hands, in the order of channels that `body` has.

    `reference`: one skeleton picture (H,W,3) without and with hands. Raises `FleximoError` (`invalid_size`).
    """
    return Drawing(networks, body, reference, convention, sampling).run()
