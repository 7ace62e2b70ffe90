"""Parity of MimicMotion's networks, schedule, windows and whole loop with the reference program, weights by recipe.

The drawing, detector and rescale cases are `mimicmotion_drawing`'s.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLTemporalDecoder
from safetensors.torch import load_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.diffusion.loading import empty
from backend.models.mimicmotion.upstream_crop import crop, crop_geometry
from backend.models.svd.conditioning import Conditioning, clip_pixels, embed, encode, pose_features, to_signed
from backend.models.svd.decode import decode, to_pictures
from backend.models.svd.pose_net import PoseNet
from backend.models.svd.sampler import SamplingPlan, Watch, sample, start
from backend.models.svd.schedule import make_scheduler
from backend.models.svd.unet import SVD_XT, PoseUNet
from backend.models.svd.windows import upstream_windows
from tests.fixtures.fill_weights import fill_module
from tests.parity import mimicmotion_drawing
from tests.parity.cases import Case, compare

REAL_POSE_NET = "mimic_motion_pose_net.safetensors"
Errors = list[tuple[float, float]]


def cases(folder: Path) -> Iterator[Case]:
    """Every case whose files are in `folder`; the others are skipped by name."""
    checks: dict[str, Callable[[Fixture], Errors]] = {
        "posenet.npz": _posenet,
        "posenet_real_weights.npz": _posenet_real_weights,
        "unet.npz": _unet,
        "vae.npz": _vae,
        "scheduler.npz": _scheduler,
        "windows.json": _windows,
        "image_prep.json": _image_prep,
        "pipeline.npz": _pipeline,
        "pipeline_frames.npz": _pipeline_frames,
        "manifest_unet_posenet.json.gz": _manifest_unet_posenet,
        "manifest_vae.json.gz": _manifest_vae,
        "manifest_image_encoder.json.gz": _manifest_image_encoder,
    }
    fixture = Fixture(folder)
    for file, check in checks.items():
        if not (folder / file).is_file():
            yield Case(file, skipped=f"{file} is not in {folder}")
        elif check is _posenet_real_weights and fixture.real_pose_net is None:
            yield Case(file, skipped=f"{REAL_POSE_NET} is not at hand")
        else:
            yield Case(file, run=lambda check=check: check(fixture))
    yield from mimicmotion_drawing.cases(folder)


class Fixture:
    """A folder of parity data and the small networks that its `config.json` describes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def config(self) -> dict[str, Any]:
        return json.loads((self.folder / "config.json").read_text())

    def arrays(self, name: str) -> dict[str, Any]:
        with np.load(self.folder / f"{name}.npz", allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}

    @property
    def real_pose_net(self) -> Path | None:
        data = os.environ.get("FLEXIMO_PARITY_DATA")
        beside = Path(data) / "mimicmotion" if data else Path("../shared/fixtures/mimicmotion")
        return next(
            (place / REAL_POSE_NET for place in (self.folder, beside) if (place / REAL_POSE_NET).is_file()), None
        )

    def pose_net(self, channels: int) -> PoseNet:
        net = fill_module(PoseNet(channels).requires_grad_(False), keep=("scale",))
        net.scale.fill_(self.config["pose_net_scale"])
        return net

    @cached_property
    def unet(self) -> PoseUNet:
        return fill_module(PoseUNet(**self.config["unet"]).requires_grad_(False).eval())

    @cached_property
    def vae(self) -> AutoencoderKLTemporalDecoder:
        return fill_module(AutoencoderKLTemporalDecoder(**self.config["vae"]).requires_grad_(False).eval())

    @cached_property
    def image_encoder(self) -> CLIPVisionModelWithProjection:
        config = CLIPVisionConfig(**self.config["image_encoder"])
        return fill_module(CLIPVisionModelWithProjection(config).requires_grad_(False).eval())

    @cached_property
    def run(self) -> Run:
        return Run(self)


class Run:
    """The whole job of `pipeline.npz`, with what it passes on the way written down."""

    def __init__(self, fixture: Fixture) -> None:
        given, config = fixture.arrays("pipeline"), fixture.config
        reference = to_signed(given["ref_image"])[None]
        noisy = reference + config["noise_aug"] * torch.from_numpy(given["aug_noise"])
        self.clip = clip_pixels(reference)
        self.embedding = embed(fixture.image_encoder, reference)
        self.image_latent = encode(fixture.vae, noisy)
        pose_net = fixture.pose_net(config["unet"]["block_out_channels"][0])
        poses = pose_features(pose_net, given["pose_pixels_u8"].transpose(0, 2, 3, 1))
        told = Conditioning(
            self.embedding,
            self.image_latent,
            torch.tensor([[6.0, 127.0, config["noise_aug"]]]),
            lambda frames: poses[frames],
        )
        self.scheduler = make_scheduler(config["steps"], config=config["scheduler"])
        frames = config["num_frames"]
        self.plan = SamplingPlan(
            frames=frames,
            steps=config["steps"],
            windows=tuple(upstream_windows(frames, config["tile_size"], config["tile_overlap"])),
            guidance=tuple(torch.linspace(*config["cfg"], frames).tolist()),
            guided_steps=(0, config["steps"]),
            single_branch=False,
        )
        noise = torch.from_numpy(given["init_latents"])[0]
        self.branches: list[Any] = []
        self.predictions: list[Any] = []
        self.states: list[Any] = []
        unet = _Recorder(fixture.unet, self.branches)
        recorded = _recording_scheduler(self.scheduler, self.predictions)
        watch = Watch(after_step=lambda state, _guess: self.states.append(state.latents.numpy()))
        latents = sample(unet, recorded, told, self.plan, start(noise, frames, self.scheduler), noise, watch=watch)
        chunks = list(decode(fixture.vae, latents, length=config["decode_chunk"]))
        self.raw = torch.cat(chunks)


class _Recorder:
    """A U-Net that keeps what it answered."""

    def __init__(self, unet: PoseUNet, answers: list[Any]) -> None:
        self._unet, self._answers, self.dtype = unet, answers, unet.dtype

    def __call__(self, *given: Any, **named: Any) -> Any:
        answer = self._unet(*given, **named)
        self._answers.append(answer[0][0].numpy())
        return answer


def _recording_scheduler(scheduler: Any, predictions: list[Any]) -> Any:
    class Recording(type(scheduler)):
        def step(self, model_output: Any, *given: Any, **named: Any) -> Any:
            predictions.append(model_output.numpy())
            return super().step(model_output, *given, **named)

        def __deepcopy__(self, memo: Any) -> Any:
            return self

    scheduler.__class__ = Recording
    return scheduler


def _posenet(fixture: Fixture) -> Errors:
    given = fixture.arrays("posenet")
    found = fixture.pose_net(320)(torch.from_numpy(given["input"]))
    return [compare(found.numpy(), given["output"], 1e-5)]


def _posenet_real_weights(fixture: Fixture) -> Errors:
    given = fixture.arrays("posenet_real_weights")
    net = PoseNet(320).requires_grad_(False)
    net.load_state_dict({key: value.float() for key, value in load_file(fixture.real_pose_net).items()})
    found = pose_features(net, given["input_u8"].transpose(1, 2, 0)[None])
    return [compare(found.numpy(), given["output"], 1e-4)]


def _unet(fixture: Fixture) -> Errors:
    given = {name: torch.from_numpy(values) for name, values in fixture.arrays("unet").items()}
    inputs = [given[name] for name in ("sample", "timestep", "encoder_hidden_states", "added_time_ids")]
    with torch.no_grad():
        posed = fixture.unet(*inputs, pose_latents=given["pose_latents"], return_dict=False)[0]
        plain = fixture.unet(*inputs, return_dict=False)[0]
    return [
        compare(posed.numpy(), given["output"].numpy(), 1e-4),
        compare(plain.numpy(), given["output_no_pose"].numpy(), 1e-4),
    ]


def _vae(fixture: Fixture) -> Errors:
    given = fixture.arrays("vae")
    latents = torch.from_numpy(given["z"]) * fixture.vae.config.scaling_factor
    decoded = torch.cat(list(decode(fixture.vae, latents, length=len(latents))))
    mode = encode(fixture.vae, torch.from_numpy(given["image"]))
    return [compare(decoded.numpy(), given["decoded"], 1e-4), compare(mode.numpy(), given["mode"], 1e-4)]


def _scheduler(fixture: Fixture) -> Errors:
    given = fixture.arrays("scheduler")
    errors = []
    for name, wanted in given.items():
        kind, _, steps = name.rpartition("_")
        found = np.asarray(getattr(make_scheduler(int(steps), config=fixture.config["scheduler"]), kind))
        scale = np.maximum(np.abs(wanted), 1e-12)
        errors.append(compare(np.where(wanted == 0, found, found / scale), wanted / scale, 1e-5))
    return errors


def _windows(fixture: Fixture) -> Errors:
    errors = []
    for case in json.loads((fixture.folder / "windows.json").read_text())["cases"]:
        windows = upstream_windows(case["num_frames"], case["tile_size"], case["tile_overlap"])
        found = np.array([(window.start, window.stop - 1) for window in windows])
        errors.append(compare(found, np.array(case["first_last"]), 0.0))
    return errors


def _image_prep(fixture: Fixture) -> Errors:
    """The geometry of every case, and the pixels of those whose pictures are given."""
    pictures = fixture.arrays("image_prep") if (fixture.folder / "image_prep.npz").is_file() else {}
    errors = []
    for number, case in enumerate(json.loads((fixture.folder / "image_prep.json").read_text())):
        found = crop_geometry((case["in_hw"][1], case["in_hw"][0]), case["resolution"])
        ours = np.array([found.resized[::-1], found.size[::-1], found.left_top[::-1]])
        errors.append(compare(ours, np.array([case["resize_hw"], case["out_hw"], case["crop_top_left"]]), 0.0))
        if f"in{number}" in pictures:
            picture = crop(pictures[f"in{number}"], case["resolution"])
            errors.append(compare(picture.astype(float), pictures[f"out{number}"].astype(float), 1.0))
    return errors


def _pipeline(fixture: Fixture) -> Errors:
    given, run = fixture.arrays("pipeline"), fixture.run
    embeddings = np.concatenate([np.zeros_like(run.embedding.numpy()), run.embedding.numpy()])
    latents = np.concatenate([np.zeros_like(run.image_latent.numpy()), run.image_latent.numpy()])
    windows = np.array([window.frames for window in run.plan.windows])
    first = run.branches[: 2 * len(windows)]  # of each window the conditional branch, then the other
    spread = given["latents_after_step"].std(axis=(1, 2, 3, 4), keepdims=True)
    return [
        compare(run.clip.numpy(), given["clip_pixel_values"], 1e-4),
        compare(embeddings, given["image_embeddings"], 1e-5),
        compare(latents, given["image_latents"], 1e-4),
        compare(run.scheduler.timesteps.numpy(), given["timesteps"], 1e-5),
        compare(run.scheduler.sigmas.numpy() / 700.0, given["sigmas"] / 700.0, 1e-5),
        compare(windows, given["windows"], 0.0),
        compare(np.stack(first[0::2]), given["step0_cond_windows"], 5e-5),
        compare(np.stack(first[1::2]), given["step0_uncond_windows"], 5e-5),
        compare(np.stack(run.predictions), given["guided_pred"], 5e-4),
        compare(np.stack(run.states) / spread, given["latents_after_step"] / spread, 1e-4),
    ]


def _pipeline_frames(fixture: Fixture) -> Errors:
    given, run = fixture.arrays("pipeline_frames"), fixture.run
    pictures = to_pictures(run.raw, truncate=True).transpose(0, 3, 1, 2).astype(np.int64)
    wanted = given["frames_u8"].astype(np.int64)
    return [
        compare(run.raw.numpy(), given["decoded_raw"].astype(np.float32), 5e-3),
        compare(pictures, wanted, 1.0),
        (float((pictures != wanted).mean()), 0.01),
    ]


def _manifest_unet_posenet(fixture: Fixture) -> Errors:
    document = _document(fixture.folder / "manifest_unet_posenet.json.gz")
    ours = _shapes(empty(lambda: PoseUNet(**SVD_XT)), "unet.") | _shapes(empty(PoseNet), "pose_net.")
    return _differences(ours, document["keys"])


def _manifest_vae(fixture: Fixture) -> Errors:
    document = _document(fixture.folder / "manifest_vae.json.gz")
    return _differences(
        _shapes(empty(lambda: AutoencoderKLTemporalDecoder(**document["vae_config"]))), document["keys"]
    )


def _manifest_image_encoder(fixture: Fixture) -> Errors:
    document = _document(fixture.folder / "manifest_image_encoder.json.gz")
    config = CLIPVisionConfig(**document["config"])
    return _differences(_shapes(empty(lambda: CLIPVisionModelWithProjection(config))), document["keys"])


def _document(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt") as file:
        return json.load(file)


def _shapes(module: torch.nn.Module, prefix: str = "") -> dict[str, list[int]]:
    return {prefix + key: list(value.shape) for key, value in module.state_dict().items()}


def _differences(found: dict[str, list[int]], wanted: dict[str, list[int]]) -> Errors:
    """How many tensors are missing, unexpected or of another shape."""
    return [(float(sum(found.get(key) != wanted.get(key) for key in found.keys() | wanted.keys())), 0.0)]
