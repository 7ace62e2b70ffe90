"""Checkpoints in every layout that is passed around, strictly read; the released one converted once."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from backend import weights  # noqa: E402
from backend.diffusion.loading import assemble, empty, read_tensors  # noqa: E402
from backend.models.mimicmotion.convert import convert  # noqa: E402
from backend.models.mimicmotion.networks import Networks  # noqa: E402
from backend.models.svd.pose_net import PoseNet  # noqa: E402
from fleximo import FleximoError  # noqa: E402
from tests.fixtures.tiny_models import tiny_models  # noqa: E402

Tensors = dict[str, torch.Tensor]
CPU = torch.device("cpu")
VAE = "vae/diffusion_pytorch_model.fp16.safetensors"


@pytest.fixture(scope="module")
def made() -> Path:
    return tiny_models()


@pytest.fixture
def models(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder whose `mimicmotion` a test may fill with other files."""
    (tmp_path / "svd").symlink_to(made / "svd")
    own = tmp_path / "mimicmotion"
    own.mkdir()
    (own / "config.json").write_bytes((made / "mimicmotion" / "config.json").read_bytes())
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path))
    return own


@pytest.fixture(scope="module")
def released(made: Path) -> Tensors:
    """As in the released checkpoint: flat, every key with its prefix."""
    return load_file(made / "mimicmotion" / "mimicmotion.safetensors")


def bare(tensors: Tensors, network: str) -> Tensors:
    return {key.removeprefix(f"{network}."): value for key, value in tensors.items() if key.startswith(f"{network}.")}


LAYOUTS: dict[str, Callable[[Tensors], dict[str, Tensors]]] = {
    "one file with prefixes": lambda all: {"mimicmotion": all},
    "two files without": lambda all: {"unet": bare(all, "unet"), "pose_net": bare(all, "pose_net")},
    "the U-Net's file holding PoseNet's keys too": lambda all: {
        "mimicmotion": bare(all, "unet") | bare(all, "pose_net")
    },
    "the same, PoseNet with its prefix": lambda all: {
        "mimicmotion": bare(all, "unet") | {key: value for key, value in all.items() if key.startswith("pose_net.")}
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_networks(models: Path, released: Tensors, layout: str) -> None:
    for name, tensors in LAYOUTS[layout](released).items():
        save_file(tensors, models / f"{name}.safetensors")
    networks = Networks(CPU, "fp16")
    for name, network in (("unet", networks.unet(shortened=False)), ("pose_net", networks.pose_net())):
        state = network.state_dict()
        wanted = bare(released, name)
        assert state.keys() == wanted.keys() and all(torch.equal(state[key], wanted[key]) for key in wanted)


def test_a_vae_in_the_checkpoint_replaces_svds(models: Path, released: Tensors) -> None:
    other = {f"vae.{key}": value + 1.0 for key, value in load_file(models.parent / "svd" / VAE).items()}
    save_file(released | other, models / "mimicmotion.safetensors")
    state = Networks(CPU, "fp16").vae(torch.float16).state_dict()
    assert all(torch.equal(state[key.removeprefix("vae.")], value) for key, value in other.items())


def broken(tensors: Tensors, fault: str) -> Tensors:
    tensors = dict(tensors)
    if fault == "missing":
        del tensors["unet.conv_in.bias"]
    elif fault == "unexpected":
        tensors["unet.conv_in.extra"] = torch.zeros(1)
    else:
        tensors["unet.conv_in.bias"] = torch.zeros(7)
    return tensors


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("missing", "1 missing (conv_in.bias)"),
        ("unexpected", "1 unexpected (conv_in.extra)"),
        ("misshapen", "1 of another shape (conv_in.bias (7,) instead of (32,))"),
    ],
)
def test_what_does_not_fit_is_named(models: Path, released: Tensors, fault: str, told: str) -> None:
    save_file(broken(released, fault), models / "mimicmotion.safetensors")
    with pytest.raises(FleximoError) as refused:
        Networks(CPU, "fp32").unet(shortened=True)
    assert refused.value.code == "weights_mismatch" and told in refused.value.message


def test_a_damaged_file_is_named(models: Path, released: Tensors) -> None:
    path = models / "mimicmotion.safetensors"
    save_file(released, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FleximoError) as refused:
        Networks(CPU, "fp32").pose_net()
    assert refused.value.code == "unreadable_weights" and str(path) in refused.value.message


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("svd/scheduler/scheduler_config.json", '{"prediction_type": "banana"}'),
        ("svd/vae/config.json", '{"block_out_channels": 5}'),
        ("svd/vae/config.json", "[]"),
        ("svd/image_encoder/config.json", '{"hidden_size": "wide"}'),
        ("mimicmotion/config.json", '{"unet": 5}'),
        ("mimicmotion/config.json", '{"width": 5}'),
    ],
)
def test_settings_that_describe_no_network_are_told_with_their_file(
    models: Path, released: Tensors, made: Path, file: str, content: str
) -> None:
    save_file(released, models / "mimicmotion.safetensors")
    (models.parent / "svd").unlink()
    shutil.copytree(made / "svd", models.parent / "svd")
    (models.parent / file).write_text(content)
    with pytest.raises(FleximoError) as refused:
        networks = Networks(CPU, "fp32")
        assert networks.scheduler_config and networks.costs
    assert refused.value.code == "unreadable_weights" and file in refused.value.message and refused.value.remedy


def test_missing_weights_are_told_before_anything_is_read(models: Path) -> None:
    with pytest.raises(FleximoError) as refused:
        Networks(CPU, "fp32")
    assert refused.value.code == "weights_missing" and "mimicmotion" in refused.value.message


def test_weights_are_taken_in_the_precision_asked_for(models: Path, released: Tensors) -> None:
    save_file(released, models / "mimicmotion.safetensors")
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)):
        networks = Networks(CPU, name)
        for network in (networks.unet(shortened=True), networks.pose_net(), networks.image_encoder()):
            assert {parameter.dtype for parameter in network.parameters()} == {dtype}


def test_an_empty_network_takes_no_memory_and_a_filled_one_takes_it_once(released: Tensors) -> None:
    made = empty(lambda: PoseNet(32))
    assert {parameter.device.type for parameter in made.parameters()} == {"meta"}
    tensors = bare(released, "pose_net")
    assemble(made, tensors, name="PoseNet", dtype=torch.float16, device=CPU)
    shared = [made.state_dict()[key].data_ptr() == value.data_ptr() for key, value in tensors.items()]
    assert all(shared)  # the very tensors, not a copy


def test_the_released_checkpoint_is_converted(made: Path, released: Tensors, tmp_path: Path) -> None:
    source, target = tmp_path / "MimicMotion_1-1.pth", tmp_path / "mimicmotion.safetensors"
    torch.save(released, source)
    convert(source, target)
    found = read_tensors(target)
    assert found.keys() == released.keys() and all(torch.equal(found[key], released[key]) for key in released)


class Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("attacked"),))


def bad_checkpoints() -> dict[str, Callable[[Path, Tensors], object]]:
    return {
        "runs code": lambda path, _: torch.save({"unet.conv_in.weight": Attack()}, path),
        "plain pickle": lambda path, _: path.write_bytes(pickle.dumps({"unet": 3})),
        "cut off": lambda path, all: (torch.save(all, path), path.write_bytes(path.read_bytes()[:2000])),
        "empty": lambda path, _: path.write_bytes(b""),
        "wrapped": lambda path, all: torch.save({"state_dict": all}, path),
        "another model": lambda path, _: torch.save({"encoder.weight": torch.zeros(3)}, path),
        "no PoseNet": lambda path, all: torch.save({k: v for k, v in all.items() if k.startswith("unet.")}, path),
    }


@pytest.mark.parametrize("kind", bad_checkpoints())
def test_other_files_are_refused_as_checkpoints(
    released: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "given.pth"
    bad_checkpoints()[kind](source, released)
    with pytest.raises(FleximoError) as refused:
        convert(source, tmp_path / "mimicmotion.safetensors")
    assert refused.value.code == "bad_checkpoint" and str(source) in refused.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given.pth"]


def test_stand_ins_say_what_they_are(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(made))
    assert weights.bundle("svd").state == weights.bundle("mimicmotion").state == "stand_in"
