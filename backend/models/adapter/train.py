"""`python -m backend.models.adapter.train OUT`: trains the skeleton adapter; run it again to go on.

Material: `--videos DIR` of people (detected once, kept in OUT/tracks), `--tracks DIR` of pose tracks, or without
either our own motions with random fingers. Several GPUs: `accelerate launch -m backend.models.adapter.train OUT`.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.diffusion.loading import assemble, empty, read_tensors
from backend.models.adapter.convention import Convention
from backend.models.adapter.material import ClipSource, MotionClips, TrackClips
from backend.models.adapter.objective import Objective
from backend.models.adapter.pairs import Clip
from backend.models.adapter.sampling import Sampling, draw_hands
from backend.models.adapter.training import Training, TrainingSettings
from backend.models.adapter.validation import hand_error, loss_curve, strip, write_png
from backend.models.svd.networks import SvdNetworks
from backend.models.svd.unet import SVD_XT, PoseUNet
from backend.terminal import ProgressLine
from backend.video_tracks import track_folder
from fleximo import FleximoError
from fleximo.files import read_json

__all__ = ["Trained", "main", "settings_from", "validate"]

_FREE = ("objective", "convention", "betas")


class Trained:
    """The networks of a training, as `draw_hands` takes them; what is in training is never dropped."""

    def __init__(self, training: Training, adapter: Any) -> None:
        self._frozen, self._adapter = training.networks, adapter
        self.device, self.scheduler_config = training.networks.device, training.networks.scheduler_config

    def image_encoder(self) -> Any:
        return self._frozen.image_encoder()

    def vae(self) -> Any:
        return self._frozen.vae()

    def pose_net(self) -> Any:
        return self._adapter.pose_net

    def unet(self) -> Any:
        return self._adapter.unet

    def drop(self, *names: str) -> None:
        """Nothing: the next step needs them again."""


def validate(training: Training, clips: Sequence[Clip], sampling: Sampling) -> tuple[list[Any], float, float]:
    """The clips as the averaged weights draw them, and the error at the hands, drawn and without any.

    The reference is each clip's first frame.
    """
    convention, drawn = training.settings.convention, []
    with training.weights() as adapter:
        for clip in clips:
            pair = (clip.body[0], clip.full[0])
            drawn.append(draw_hands(Trained(training, adapter), clip.body, pair, convention, sampling))
    errors = [hand_error(pictures, clip) for pictures, clip in zip(drawn, clips)]
    blank = [hand_error(clip.body, clip) for clip in clips]
    return drawn, _mean(errors), _mean(blank)


def _mean(errors: Sequence[float]) -> float:
    """Of the clips that have hands; not a number where none has."""
    known = [error for error in errors if not math.isnan(error)]
    return float(np.mean(known)) if known else math.nan


def settings_from(arguments: argparse.Namespace) -> TrainingSettings:
    """The settings that the options give. Raises `FleximoError` (`invalid_setting`)."""
    named = {item.name: getattr(arguments, item.name) for item in fields(TrainingSettings) if item.name not in _FREE}
    positive = ("steps", "batch", "learning_rate", "checkpoint_every", "frames")
    for name in positive:
        if not getattr(arguments, name) > 0:
            raise FleximoError(f"--{name.replace('_', '-')} must be above 0.", code="invalid_setting")
    if not 0.0 <= arguments.dropout <= 1.0 / 3.0 or arguments.hand_weight < 0.0 or not 0.0 <= named["ema_decay"] < 1.0:
        raise FleximoError(
            "--dropout must lie in 0..1/3, --hand-weight be 0 or more, --ema-decay lie in 0..1.", code="invalid_setting"
        )
    convention = Convention(
        style=arguments.style, canvas_px=arguments.canvas, swapped=arguments.swapped, frames=arguments.frames
    )
    convention.drawing()
    objective = Objective(dropout=arguments.dropout, hand_weight=arguments.hand_weight)
    return TrainingSettings(**named, objective=objective, convention=convention)


def _parser() -> argparse.ArgumentParser:
    defaults = TrainingSettings()
    parser = argparse.ArgumentParser(prog="python -m backend.models.adapter.train", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    material = parser.add_mutually_exclusive_group()
    material.add_argument("--videos", type=Path, metavar="DIR", help="videos of one person each")
    material.add_argument("--tracks", type=Path, metavar="DIR", help="pose tracks (.npz)")
    parser.add_argument("--detector", default="auto", help="of the videos' people (default: %(default)s)")
    parser.add_argument(
        "--init", type=Path, metavar="FILE", help="SVD-XT's U-Net (.safetensors); without it: from nothing"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="of a smaller U-Net, as {'unet': {...}}")
    parser.add_argument("--size", default="576x1024", metavar="WxH")
    parser.add_argument("--fps", type=float, default=7.5, help="of a clip's frames, for our motions")
    parser.add_argument("--stride", type=int, default=4, help="frames of a track between two of a clip")
    parser.add_argument("--style", default="fleximo_thick")
    parser.add_argument("--canvas", type=int, help="px of the shorter side that is drawn on, instead of the style's")
    parser.add_argument("--swapped", action="store_true", help="the paper's order of channels in target and reference")
    parser.add_argument("--frames", type=int, default=defaults.convention.frames)
    parser.add_argument("--dropout", type=float, default=defaults.objective.dropout)
    parser.add_argument("--hand-weight", type=float, default=0.0, help="extra weight of errors at the hands")
    for item in fields(TrainingSettings):
        if item.name not in (*_FREE, "gradient_checkpoints"):
            given = getattr(defaults, item.name)
            parser.add_argument("--" + item.name.replace("_", "-"), type=type(given), default=given)
    parser.add_argument("--no-gradient-checkpoints", dest="gradient_checkpoints", action="store_false")
    parser.add_argument("--precision", choices=("fp16", "bf16", "fp32"), help="default: fp16 on a GPU, else fp32")
    parser.add_argument("--validate-every", type=int, default=2000, metavar="STEPS")
    parser.add_argument("--validation-steps", type=int, default=25)
    return parser


def _sources(arguments: argparse.Namespace, size: tuple[int, int]) -> tuple[ClipSource, ClipSource]:
    """What is trained on, and what is held out: every tenth track, or our own motions by another chance."""
    if arguments.videos is not None:
        line = ProgressLine()
        kept = arguments.out / "tracks"
        try:
            list(track_folder(arguments.videos, kept, detector=arguments.detector, progress=line))
        finally:
            line.close()
        return TrackClips.of_folder(kept, size, arguments.stride)
    if arguments.tracks is not None:
        return TrackClips.of_folder(arguments.tracks, size, arguments.stride)
    ours = MotionClips(size, fps=arguments.fps)
    return ours, ours


def _unet(arguments: argparse.Namespace, seed: int) -> PoseUNet:
    config = SVD_XT if arguments.config is None else dict(read_json(arguments.config)["unet"])
    if arguments.init is None:
        torch.manual_seed(seed)
        return PoseUNet(**config)
    made = empty(lambda: PoseUNet(**config))
    return assemble(made, read_tensors(arguments.init), name="U-Net", dtype=torch.float32, device="cpu")


def _held_out(source: ClipSource, settings: TrainingSettings) -> list[Clip]:
    """Clips that the training does not see."""
    rng = np.random.default_rng([settings.seed, 2])
    return [source.clip(rng, settings.convention.frames, settings.convention.drawing()) for _ in range(2)]


def main(given: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    arguments = _parser().parse_args(given)
    try:
        _train(arguments)
    except FleximoError as error:
        print(f"error: {error.message} {error.remedy}".rstrip(), file=sys.stderr)
        return 1
    return 0


def _train(arguments: argparse.Namespace) -> None:
    settings = settings_from(arguments)
    width, _, height = arguments.size.partition("x")
    if not (width.isdigit() and height.isdigit()) or int(width) % 64 or int(height) % 64 or not int(width):
        raise FleximoError(f"--size {arguments.size} is not WxH in multiples of 64.", code="invalid_size")
    size = (int(width), int(height))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = arguments.precision or ("fp16" if device.type == "cuda" else "fp32")
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    source, other = _sources(arguments, size)
    arguments.out.mkdir(parents=True, exist_ok=True)
    training = Training(
        arguments.out,
        _unet(arguments, settings.seed),
        SvdNetworks(device, dtype),
        source,
        settings,
        mixed_precision="no" if precision == "fp32" else precision,
    )
    held_out = _held_out(other, settings)
    sampling = Sampling(steps=arguments.validation_steps)
    line = ProgressLine()

    def after_each(training: Training) -> None:
        loss = training.losses[-1][1]
        line(training.step / settings.steps, f"step {training.step} of {settings.steps}, loss {loss:.4f}")
        if not math.isfinite(loss):
            raise FleximoError(
                f"The loss of step {training.step} is {loss}.", code="diverged", remedy="Lower the rate."
            )
        last = training.step == settings.steps
        if training.accelerator.is_main_process and (last or training.step % arguments.validate_every == 0):
            _show(training, held_out, sampling, arguments.out)

    try:
        training.run(after_each)
    finally:
        line.close()
    print(f"weights: {arguments.out / 'weights'}\nfleximo models import adapter {arguments.out / 'weights'}")


def _show(training: Training, clips: Sequence[Clip], sampling: Sampling, folder: Path) -> None:
    drawn, error, blank = validate(training, clips, sampling)
    pictures = [strip(clip, pictures) for clip, pictures in zip(clips, drawn)]
    write_png(folder / f"validation-{training.step:08d}.png", np.concatenate(pictures))
    write_png(folder / "loss.png", loss_curve(training.losses))
    print(f"\nstep {training.step}: squared error at the hands {error:.4f}, without hands {blank:.4f}")


if __name__ == "__main__":
    sys.exit(main())
