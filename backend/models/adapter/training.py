"""The training loop: steps, checkpoints from which it goes on with the same bits, averaged weights, losses.

Every step's chance follows from the seed and the step's number, so nothing but tensors has to be remembered. Knows
networks and batches; pictures of the progress are `validation`'s.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from backend.models.adapter.convention import Convention
from backend.models.adapter.convert import POSE_GUIDER, UNET
from backend.models.adapter.material import Clips, ClipSource
from backend.models.adapter.objective import Batch, Draw, Objective, compute_loss, draw
from backend.models.adapter.sampling import Networks
from backend.models.svd.conditioning import embed
from backend.models.svd.pose_net import PoseNet
from backend.models.svd.unet import SVD_XT, PoseUNet
from fleximo.errors import FleximoError
from fleximo.files import read_json, write_json

__all__ = ["Adapter", "Training", "TrainingSettings"]

_KEPT = 2  # checkpoints


@dataclass(frozen=True)
class TrainingSettings:
    """The paper's numbers, unless said otherwise."""

    steps: int = 400_000
    batch: int = 1
    learning_rate: float = 1e-5
    warm_up: int = 500
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-2
    epsilon: float = 1e-8
    seed: int = 123
    checkpoint_every: int = 2000
    clip_norm: float = 0.0  # 0: as the paper, none
    ema_decay: float = 0.9999  # 0: none, as the paper
    pool: int = 0  # so many different clips, whose latents are kept; 0: every clip is a new one
    workers: int = 0  # processes that draw clips ahead
    gradient_checkpoints: bool = True
    objective: Objective = field(default_factory=Objective)
    convention: Convention = field(default_factory=Convention)

    def decisive(self) -> dict[str, Any]:
        """What two runs must share for one to go on from the other's checkpoint."""
        document = asdict(self)
        for free in ("steps", "checkpoint_every", "workers"):
            del document[free]
        return document | {"betas": list(self.betas)}


class Adapter(nn.Module):
    """Both trained networks as one module, so that gradients of several processes are averaged over both."""

    def __init__(self, unet: PoseUNet, pose_net: PoseNet) -> None:
        super().__init__()
        self.unet = unet
        self.pose_net = pose_net

    def forward(self, batch: Batch, chance: Draw, hand_weight: float) -> Tensor:
        return compute_loss(self.unet, self.pose_net, batch, chance, hand_weight)


class _Numbers(Sampler[int]):
    """The clips from `start` on."""

    def __init__(self, start: int) -> None:
        self._start = start

    def __iter__(self) -> Iterator[int]:
        number = self._start
        while True:
            yield number
            number += 1


class Training:
    """Trains `unet` and a fresh PoseNet in `folder`; what a stopped run left there is gone on from."""

    def __init__(
        self, folder: Path, unet: PoseUNet, networks: Networks, source: ClipSource, settings: TrainingSettings,
        *, mixed_precision: str = "no",
    ) -> None:  # fmt: skip
        self.folder, self.settings, self.networks = folder, settings, networks
        self.accelerator = Accelerator(mixed_precision=mixed_precision, cpu=networks.device.type == "cpu")
        torch.manual_seed(settings.seed)
        pose_net = PoseNet(int(unet.config.block_out_channels[0]))
        if settings.gradient_checkpoints:
            unet.enable_gradient_checkpointing()
        made = Adapter(unet.requires_grad_(True).train(), pose_net.train())
        optimiser = torch.optim.AdamW(
            made.parameters(),
            lr=settings.learning_rate,
            betas=settings.betas,
            eps=settings.epsilon,
            weight_decay=settings.weight_decay,
        )
        self.adapter, self._optimiser = self.accelerator.prepare(made, optimiser)
        self.average = None
        if settings.ema_decay:
            self.average = EMAModel(self._trained(), decay=settings.ema_decay, use_ema_warmup=True, power=0.75)
            self.average.to(self.accelerator.device)
            self.accelerator.register_for_checkpointing(self.average)
        style, told = settings.convention.drawing(), settings.convention
        self.clips = Clips(
            source, style, frames=told.frames, seed=settings.seed, swapped=told.swapped, pool=settings.pool
        )
        self._latents: dict[int, Tensor] = {}
        self.step = 0
        self.losses: list[tuple[int, float]] = []
        self._resume()

    def run(self, after_each: Callable[[Training], None] = lambda _: None) -> None:
        """Trains up to `settings.steps`. `after_each` may raise to stop; the last checkpoint stays."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        each = self.settings.batch
        loader: Any = DataLoader(
            self.clips,
            batch_size=each * processes,
            sampler=_Numbers(self.step * each * processes),
            num_workers=self.settings.workers,
        )
        for given in loader:
            if self.step >= self.settings.steps:
                break
            mine = {name: value[rank * each : (rank + 1) * each] for name, value in given.items()}
            self._learn(mine, rank)
            if self.step % self.settings.checkpoint_every == 0 or self.step == self.settings.steps:
                self.save()
            after_each(self)

    def batch_of(self, given: Mapping[str, Tensor], generator: torch.Generator) -> Batch:
        """Clips as `Clips` gives them, encoded; the noise on the references is drawn from `generator`."""
        device, told = self.accelerator.device, self.settings.convention
        count = len(given["reference"])
        objective = self.settings.objective
        normal = torch.randn(count, generator=generator)
        augmentation = torch.exp(objective.augmentation_log_mean + objective.augmentation_log_std * normal)
        full = given["full"]
        shown = full[torch.arange(count), given["reference"]].float() / 127.5 - 1.0
        noise = torch.randn(shown.shape, generator=generator)
        vae, encoder = self.networks.vae(), self.networks.image_encoder()
        first = next(vae.parameters())
        with torch.no_grad():
            noisy = (shown + augmentation.view(-1, 1, 1, 1) * noise).to(first.device, first.dtype)
            image = vae.encode(noisy).latent_dist.mode()
            embedding = embed(encoder, shown)
            latents = torch.stack([self._encoded(int(number), clip) for number, clip in zip(given["number"], full)])
        ids = torch.tensor([[told.fps_id, told.motion_bucket]], dtype=torch.float32).expand(count, -1)
        return Batch(
            latents=latents,
            body=(given["body"].float() / 127.5 - 1.0).to(device),
            image_latent=image.float(),
            embedding=embedding.float(),
            time_ids=torch.cat([ids, augmentation[:, None]], dim=1).to(device),
            hands=given["hands"].to(device),
        )

    def weights(self) -> contextlib.AbstractContextManager[Adapter]:
        """The networks with their averaged weights, for as long as the context lasts."""
        return self._averaged()

    def save(self) -> None:
        """A checkpoint and the weights, each all or nothing; only the newest checkpoints stay."""
        target = self.folder / f"checkpoint-{self.step:08d}"
        part = target.with_suffix(".part")
        if self.accelerator.is_main_process:
            shutil.rmtree(part, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(part))
        if self.accelerator.is_main_process:
            told = {"step": self.step, "settings": self.settings.decisive(), "losses": self.losses}
            write_json(part / "training.json", told)
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
            for old in self._checkpoints()[_KEPT:]:
                shutil.rmtree(old)
            self.export(self.folder / "weights")

    def export(self, folder: Path) -> None:
        """The averaged weights as `fleximo models import adapter` takes them."""
        folder.mkdir(parents=True, exist_ok=True)
        with self._averaged() as adapter:
            for network, name in ((adapter.unet, UNET), (adapter.pose_net, POSE_GUIDER)):
                tensors = {key: value.half().cpu().contiguous() for key, value in network.state_dict().items()}
                part = folder / f".{name}.part"
                save_file(tensors, part, metadata=self.settings.convention.to_metadata())
                part.replace(folder / name)
            config = dict(adapter.unet.config)
        if any(config[key] != value for key, value in SVD_XT.items()):
            told = {key: value for key, value in config.items() if not key.startswith("_")}
            write_json(folder / "config.json", {"unet": told})

    def _learn(self, given: Mapping[str, Tensor], rank: int) -> None:
        settings = self.settings
        generator = torch.Generator().manual_seed((settings.seed << 40) ^ (self.step << 8) ^ rank)
        batch = self.batch_of(given, generator)
        chance = draw(tuple(batch.latents.shape), settings.objective, generator)
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, (self.step + 1) / max(1, settings.warm_up))
        loss = self.adapter(batch, chance, settings.objective.hand_weight).mean()
        self.accelerator.backward(loss)
        if settings.clip_norm:
            self.accelerator.clip_grad_norm_(self.adapter.parameters(), settings.clip_norm)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.step(self._trained())
        self.step += 1
        self.losses.append((self.step, float(self.accelerator.reduce(loss.detach(), "mean"))))

    def _encoded(self, number: int, clip: Tensor) -> Tensor:
        """(F,4,h,w) the scaled latents of a clip (F,3,H,W) uint8; kept where clips come again."""
        if number not in self._latents:
            vae = self.networks.vae()
            first = next(vae.parameters())
            signed = (clip.float() / 127.5 - 1.0).to(first.device, first.dtype)
            encoded = torch.cat([vae.encode(frame[None]).latent_dist.mode() for frame in signed]).float()
            encoded = encoded * vae.config.scaling_factor
            if not self.settings.pool:
                return encoded
            self._latents[number] = encoded
        return self._latents[number]

    def _trained(self) -> list[Any]:
        return list(self.accelerator.unwrap_model(self.adapter).parameters())

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[Adapter]:
        adapter = self.accelerator.unwrap_model(self.adapter)
        if self.average is not None:
            self.average.store(self._trained())
            self.average.copy_to(self._trained())
        adapter.eval()
        try:
            yield adapter
        finally:
            adapter.train()
            if self.average is not None:
                self.average.restore(self._trained())

    def _checkpoints(self) -> list[Path]:
        found = self.folder.glob("checkpoint-????????")
        return sorted((path for path in found if (path / "training.json").is_file()), reverse=True)

    def _resume(self) -> None:
        newest = next(iter(self._checkpoints()), None)
        if newest is None:
            return
        told = read_json(newest / "training.json")
        mine = self.settings.decisive()
        changed = sorted(name for name in mine if told["settings"].get(name) != mine[name])
        if changed:
            raise FleximoError(
                f"The training in {self.folder} was begun with other settings: {', '.join(changed)}.",
                code="other_training",
                remedy="Give the same settings, or another folder.",
            )
        self.accelerator.load_state(str(newest))
        self.step = int(told["step"])
        self.losses = [(int(step), float(loss)) for step, loss in told["losses"]]
