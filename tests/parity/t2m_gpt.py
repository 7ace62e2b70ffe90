"""Parity of T2M-GPT with the reference program: networks with recipe weights, greedy tokens, features to joints.

Tolerances: encoder and decoder 2e-4 + 1e-4 of the value, logits 5e-5, joints 2e-6 m, indices and tokens equal.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from backend.models.t2m_gpt.gpt import GPT, GPTConfig
from backend.models.t2m_gpt.sampling import draw_tokens
from backend.models.t2m_gpt.statistics import Statistics
from backend.models.t2m_gpt.vqvae import VQVAE, VQVAEConfig
from fleximo.formats.humanml import decode_features
from tests.fixtures.fill_weights import fill_module
from tests.fixtures.standins.t2m_gpt import GPT_GAINS, TINY_GPT, TINY_VQVAE, VQVAE_GAINS
from tests.parity.cases import Case, compare

__all__ = ["cases", "networks"]

Arrays = dict[str, npt.NDArray[Any]]
Verdicts = list[tuple[float, float]]

FILES = {"tiny": "tiny.npz", "released": "released_small.npz"}
LOGITS, JOINTS_M = 5e-5, 2e-6
FEATURES_ABSOLUTE, FEATURES_RELATIVE = 2e-4, 1e-4


def cases(folder: Path) -> Iterator[Case]:
    """The cases of each file of the folder; a file that is absent is one skipped case."""
    for size, name in FILES.items():
        yield _manifest(folder, size)
        if not (folder / name).is_file():
            yield Case(name, skipped=f"{name} is not in {folder}")
            continue
        arrays = _arrays(folder / name)
        for case, needs, run in _NETWORK_CASES:
            if set(needs) <= set(arrays):
                yield Case(f"{size} {case}", run=functools.partial(run, folder, size, arrays))
        for key in sorted(arrays):
            if key.startswith("greedy") and key.endswith("_tokens"):
                run = functools.partial(_greedy, folder, size, arrays, key.removesuffix("_tokens"))
                yield Case(f"{size} {key.removesuffix('_tokens')}", run=run)
    ric = folder / "recover_from_ric.npz"
    if ric.is_file():
        yield Case("features to joints", run=lambda: _joints(_arrays(ric)))
    else:
        yield Case(ric.name, skipped=f"{ric.name} is not in {folder}")


def _arrays(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@functools.lru_cache(maxsize=1)
def networks(folder: Path, size: str) -> tuple[VQVAE, GPT]:
    """Both networks with the recipe's weights, by `configs.json` of the folder or as it was published."""
    vqvae_config = TINY_VQVAE if size == "tiny" else VQVAEConfig()
    gpt_config = TINY_GPT if size == "tiny" else GPTConfig()
    vqvae_gains, gpt_gains = VQVAE_GAINS, GPT_GAINS[size]
    if (folder / "configs.json").is_file():
        document = json.loads((folder / "configs.json").read_text())
        vq, gpt = document["vqvae"]["config"][size], document["gpt"]["config"][size]
        vqvae_config = VQVAEConfig(263, vq["nb_code"], vq["code_dim"], vq["width"])
        hidden = gpt["fc_rate"] * gpt["embed_dim"]
        gpt_config = GPTConfig(
            gpt["num_vq"],
            gpt["clip_dim"],
            gpt["embed_dim"],
            gpt["block_size"],
            gpt["num_layers"],
            gpt["n_head"],
            hidden,
        )
        vqvae_gains, gpt_gains = document["vqvae"]["gains"], document["gpt"]["gains"][size]
    made = fill_module(VQVAE(vqvae_config), vqvae_gains), fill_module(GPT(gpt_config), gpt_gains)
    return made[0].eval(), made[1].eval()


def _manifest(folder: Path, size: str) -> Case:
    """Keys and shapes against those of the checkpoints."""
    path = folder / f"manifest_{size}.json"
    if not path.is_file():
        return Case(path.name, skipped=f"{path.name} is not in {folder}")

    def run() -> Verdicts:
        document = json.loads(path.read_text())
        verdicts = []
        configs = (TINY_VQVAE, TINY_GPT) if size == "tiny" else (VQVAEConfig(), GPTConfig())
        with torch.device("meta"):
            models = {"vqvae": VQVAE(configs[0]), "gpt": GPT(configs[1])}
        for part, model in models.items():
            given = [(key, tuple(shape)) for key, shape, _ in document[part]]
            ours = [(key, tuple(tensor.shape)) for key, tensor in model.state_dict().items()]
            verdicts.append((float(len(set(given) ^ set(ours))), 0.0))
        return verdicts

    return Case(f"{size} keys and shapes", run=run)


def _features(found: torch.Tensor, given: npt.NDArray[Any]) -> tuple[float, float]:
    """The largest error as a share of what is allowed at that value."""
    values = found.numpy()
    if values.shape != given.shape or not np.isfinite(values).all():
        return np.inf, 1.0
    return float((np.abs(values - given) / (FEATURES_ABSOLUTE + FEATURES_RELATIVE * np.abs(given))).max()), 1.0


def _encode(folder: Path, size: str, arrays: Arrays) -> Verdicts:
    vqvae, _ = networks(folder, size)
    with torch.inference_mode():
        encoded = vqvae.encode(torch.from_numpy(arrays["vq_x"]))
        indices = vqvae.tokens(encoded).numpy()
        return [
            _features(encoded, arrays["vq_encoder_out"]),
            compare(indices.astype(float), arrays["vq_indices"].astype(float), 0.0),
            _features(vqvae.decode(torch.from_numpy(indices)), arrays["vq_recon"]),
        ]


def _decode(folder: Path, size: str, arrays: Arrays) -> Verdicts:
    vqvae, _ = networks(folder, size)
    with torch.inference_mode():
        return [_features(vqvae.decode(torch.from_numpy(arrays["vq_tokens_in"]).long()), arrays["vq_decoded"])]


def _logits(folder: Path, size: str, arrays: Arrays) -> Verdicts:
    _, gpt = networks(folder, size)
    text, tokens = torch.from_numpy(arrays["gpt_text"]), torch.from_numpy(arrays["gpt_tokens_in"]).long()
    with torch.inference_mode():
        verdicts = [compare(gpt(text, tokens).numpy(), arrays["gpt_logits"], LOGITS)]
        if "gpt_logits_first" in arrays:
            verdicts.append(compare(gpt(text, tokens[:, :0]).numpy(), arrays["gpt_logits_first"], LOGITS))
    return verdicts


def _pipeline(folder: Path, size: str, arrays: Arrays) -> Verdicts:
    vqvae, gpt = networks(folder, size)
    tokens = draw_tokens(gpt, torch.from_numpy(arrays["greedy0_text"]), limit=gpt.config.positions - 1)
    with torch.inference_mode():
        return [_features(vqvae.decode(torch.tensor(tokens)), arrays["pipeline0_features"])]


def _greedy(folder: Path, size: str, arrays: Arrays, name: str) -> Verdicts:
    """The tokens with and without a cache, and whether the end token was met."""
    _, gpt = networks(folder, size)
    given = arrays[f"{name}_tokens"][0].astype(float)
    limit = gpt.config.positions - 1
    verdicts = []
    for cached in (True, False):
        found = draw_tokens(gpt, torch.from_numpy(arrays[f"{name}_text"]), limit=limit, cached=cached)[0]
        verdicts.append(compare(np.array(found, dtype=float), given, 0.0))
        if f"{name}_ended" in arrays:
            verdicts.append((float((len(found) < limit) != bool(arrays[f"{name}_ended"])), 0.0))
    return verdicts


def _joints(arrays: Arrays) -> Verdicts:
    verdicts = []
    undone = arrays["features"]
    if {"features_normalized", "mean", "std"} <= set(arrays):
        statistics = Statistics(arrays["mean"], arrays["std"])
        undone = np.stack([statistics.undo(clip) for clip in arrays["features_normalized"]])
        verdicts.append(compare(undone, arrays["features"].astype(np.float64), 1e-5))
    for clip, features in enumerate(arrays["features"]):
        joints = decode_features(features).joints
        verdicts += [
            compare(joints, arrays["joints"][clip], JOINTS_M),
            compare(joints[:, 0], arrays["root_pos"][clip], JOINTS_M),
            compare(*_same_sign(_heading(joints, features), arrays["root_quat_wxyz"][clip]), 2e-6),
        ]
    return verdicts


def _heading(joints: npt.NDArray[Any], features: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rotation (T,4) wxyz from the world to the heading, as the decoded joints have it against the features."""
    local = features[:, 4:67].reshape(len(features), 21, 3)[..., [0, 2]].astype(np.float64)
    world = (joints[:, 1:] - joints[:, :1])[..., [0, 2]]
    along = (local * world).sum(axis=(1, 2))
    across = (local[..., 1] * world[..., 0] - local[..., 0] * world[..., 1]).sum(axis=1)
    half = -0.5 * np.arctan2(across, along)
    return np.stack((np.cos(half), 0.0 * half, np.sin(half), 0.0 * half), axis=-1)


def _same_sign(found: npt.NDArray[Any], given: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    return found * np.where((found * given).sum(axis=-1, keepdims=True) < 0.0, -1.0, 1.0), given


_NETWORK_CASES: Sequence[tuple[str, Sequence[str], Any]] = (
    ("encoder, indices, reconstruction", ("vq_x", "vq_encoder_out", "vq_indices", "vq_recon"), _encode),
    ("decoder", ("vq_tokens_in", "vq_decoded"), _decode),
    ("logits", ("gpt_text", "gpt_tokens_in", "gpt_logits"), _logits),
    ("text vector to features", ("greedy0_text", "pipeline0_features"), _pipeline),
)
