"""The adapter is trained, tiny, in the latent space of a tiny VAE: that it learns, resumes, and keeps what it promises.

The VAE in `tests/data/adapter` was trained by `python -m tests.fixtures.tiny_adapter` on our own drawings.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open  # noqa: E402
from torch.utils.data import default_collate  # noqa: E402

from backend.models.adapter import train  # noqa: E402
from backend.models.adapter.convention import Convention  # noqa: E402
from backend.models.adapter.material import Clips, MotionClips, TrackClips  # noqa: E402
from backend.models.adapter.motions import random_track  # noqa: E402
from backend.models.adapter.objective import Objective, compute_loss, draw  # noqa: E402
from backend.models.adapter.sampling import Sampling  # noqa: E402
from backend.models.adapter.training import Training, TrainingSettings  # noqa: E402
from backend.models.adapter.validation import hand_error, loss_curve, strip  # noqa: E402
from fleximo import FleximoError  # noqa: E402
from tests.fixtures.tiny_adapter import (  # noqa: E402
    CONVENTION,
    FRAMES,
    SMALL_UNET,
    SOURCE,
    SmallNetworks,
    clips,
    round_trip_psnr,
    signed,
    small_unet,
    train_vae,
)

SETTINGS = TrainingSettings(
    steps=4,
    batch=2,
    learning_rate=2e-3,
    warm_up=20,
    weight_decay=1e-4,
    clip_norm=1.0,
    ema_decay=0.95,
    pool=24,
    checkpoint_every=1000,
    gradient_checkpoints=False,
    convention=CONVENTION,
)
NETWORKS = SmallNetworks()


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(min(2, before))
    yield
    torch.set_num_threads(before)


def training(folder: Path, source: MotionClips = SOURCE, **changes: Any) -> Training:
    settings = replace(SETTINGS, **changes)
    return Training(folder, small_unet(settings.seed), NETWORKS, source, settings)


def tensors(made: Training) -> dict[str, Any]:
    averaged = {f"average {n}": value for n, value in enumerate(made.average.shadow_params)} if made.average else {}
    return {key: value.clone() for key, value in made.adapter.state_dict().items()} | averaged


def test_the_trained_vae_brings_drawings_back() -> None:
    held_out = signed(np.concatenate([clip.full for clip in clips(1, 16)]))
    black = float(-10.0 * torch.log10((((held_out + 1.0) / 2.0) ** 2).mean()))
    assert round_trip_psnr(NETWORKS.vae(), held_out) >= 25.0 > black + 3.0  # measured 25.06; black 21.28


def test_a_short_training_of_the_vae_sets_out_on_the_same_way() -> None:
    losses: list[float] = []
    pictures = signed(np.concatenate([clip.full for clip in clips(0, 12)]))
    train_vae(pictures, 12, tell=lambda _step, loss: losses.append(loss))
    assert np.mean(losses[-3:]) < 0.6 * losses[0]


def test_the_loss_on_one_fixed_set_falls_ten_times(tmp_path: Path) -> None:
    """The same clips, noise and noise levels (0.2 to 17) at every step: what networks can hold, they come to hold."""
    made = training(tmp_path)
    generator = torch.Generator().manual_seed(5)
    batch = made.batch_of(default_collate([made.clips[number] for number in range(8)]), generator)
    chance = draw(tuple(batch.latents.shape), replace(SETTINGS.objective, dropout=0.0), generator)
    optimiser = torch.optim.AdamW(made.adapter.parameters(), lr=3e-3, weight_decay=0.0)
    losses = []
    for step in range(40):
        optimiser.param_groups[0]["lr"] = 3e-3 * min(1.0, (step + 1) / 10)
        loss = made.adapter(batch, chance, 0.0)
        losses.append(loss.detach())
        if bool((10.0 * losses[-1] <= losses[0]).all()):
            break
        optimiser.zero_grad()
        loss.mean().backward()
        torch.nn.utils.clip_grad_norm_(made.adapter.parameters(), 1.0)
        optimiser.step()
    assert (10.0 * losses[-1] <= losses[0]).all(), f"{losses[0]} to {losses[-1]}"  # at every noise level


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hands_of_clips_never_seen_are_nearer_to_the_truth_than_no_hands(tmp_path: Path, seed: int) -> None:
    """Four moves, seen from nearly in front: a world that 100 steps are enough for."""
    few = replace(SOURCE, only=("wave", "raise_arms", "stretch", "point"), yaw_degrees=20.0)
    made = training(
        tmp_path,
        few,
        steps=100,
        batch=4,
        pool=64,
        seed=seed,
        checkpoint_every=100,
        objective=Objective(hand_weight=5.0),
    )
    made.run()
    held_out = [few.clip(np.random.default_rng([99, seed, n]), FRAMES, CONVENTION.drawing()) for n in range(6)]
    _, error, blank = train.validate(made, held_out, SAMPLING)
    assert error < blank, f"{error:.4f} with hands, {blank:.4f} without"


SAMPLING = Sampling(steps=6, guidance=1.0, decode_chunk=4, decode_overlap=0)


def test_two_and_two_steps_are_four_steps_to_the_bit(tmp_path: Path) -> None:
    whole = training(tmp_path / "whole")
    whole.run()
    first = training(tmp_path / "parts", steps=2, checkpoint_every=2)
    first.run()
    second = training(tmp_path / "parts")
    assert second.step == 2
    second.run()
    assert second.losses == whole.losses
    mine, other = tensors(whole), tensors(second)
    assert mine.keys() == other.keys() and all(torch.equal(mine[key], other[key]) for key in mine)
    names = ("denoising_unet.safetensors", "pose_guider.safetensors")
    for name in names:
        one, two = (tmp_path / part / "weights" / name for part in ("whole", "parts"))
        assert one.read_bytes() == two.read_bytes()


def test_a_stop_in_the_middle_of_a_checkpoint_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = training(tmp_path, steps=2, checkpoint_every=1)
    made.run(lambda at: monkeypatch.setattr(at, "export", None) if at.step == 2 else None)
    newest = sorted(tmp_path.glob("checkpoint-*"))[-1]
    newest.rename(newest.with_suffix(".part"))
    assert training(tmp_path).step == 1


def test_other_settings_do_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    training(tmp_path, steps=1).run()
    with pytest.raises(FleximoError) as error:
        training(tmp_path, batch=3, learning_rate=1e-4)
    assert error.value.code == "other_training"
    assert "batch" in error.value.message and "learning_rate" in error.value.message


def test_a_batch_of_two_is_two_batches_of_one(tmp_path: Path) -> None:
    made = training(tmp_path)
    torch.nn.init.normal_(made.adapter.pose_net.final_proj.weight)  # so that the skeletons count
    generator = torch.Generator().manual_seed(0)
    batch = made.batch_of(default_collate([made.clips[0], made.clips[1]]), generator)
    chance = draw(tuple(batch.latents.shape), SETTINGS.objective, generator)
    made.adapter.eval()

    def row(value: Any, n: int) -> Any:
        return type(value)(**{key: each[n : n + 1] for key, each in vars(value).items()})

    with torch.no_grad():
        both = made.adapter(batch, chance, 1.0)
        alone = torch.cat([made.adapter(row(batch, n), row(chance, n), 1.0) for n in range(2)])
    assert torch.allclose(both, alone, rtol=1e-4, atol=1e-5)


def test_what_is_told_is_left_out_as_often_as_said_and_the_pose_only_with_all_else() -> None:
    found = draw((20_000, 1, 1, 1, 1), Objective(), torch.Generator().manual_seed(0))
    dropped = [1.0 - float(kept.mean()) for kept in (found.embedding_kept, found.image_kept, found.pose_kept)]
    assert np.allclose(dropped, [0.2, 0.2, 0.1], atol=0.01)
    nothing = found.pose_kept == 0.0
    assert not (found.embedding_kept[nothing].any() or found.image_kept[nothing].any())
    assert not nothing[(found.embedding_kept + found.image_kept) > 0].any()
    logs = found.sigma.log()
    assert abs(float(logs.mean()) - 0.7) < 0.05 and abs(float(logs.std()) - 1.6) < 0.05


class _Answer:
    """A U-Net that answers with a fixed prediction and keeps what it was given."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.given = answer, {}

    def __call__(self, sample: Any, timestep: Any, embedding: Any, ids: Any, **named: Any) -> Any:
        self.given = {"sample": sample, "timestep": timestep, "embedding": embedding, "ids": ids, **named}
        return (self.answer,)


def test_the_loss_is_edms(tmp_path: Path) -> None:
    made = training(tmp_path)
    generator = torch.Generator().manual_seed(0)
    batch = made.batch_of(default_collate([made.clips[0], made.clips[1]]), generator)
    chance = draw(tuple(batch.latents.shape), Objective(dropout=0.0), generator)
    sigma = chance.sigma.view(-1, 1, 1, 1, 1)
    noisy = batch.latents + sigma * chance.noise
    truth = (noisy / (sigma**2 + 1.0) - batch.latents) * (sigma**2 + 1.0) ** 0.5 / sigma  # solves denoised = clean
    unet = _Answer(truth)
    pose_net = made.adapter.pose_net
    assert float(compute_loss(unet, pose_net, batch, chance).max()) < 1e-6
    assert torch.allclose(unet.given["timestep"], chance.sigma.log() / 4.0)
    assert torch.allclose(unet.given["sample"][:, :, :4], noisy / (sigma**2 + 1.0) ** 0.5)
    assert torch.equal(unet.given["sample"][:, 0, 4:], batch.image_latent)
    # An error of 1 in the prediction counts 1 at every level: (1 + s^2) / s^2 undoes the preconditioning.
    off = compute_loss(_Answer(truth + 1.0), pose_net, batch, chance)
    assert torch.allclose(off, torch.ones(2), rtol=1e-3)
    # The weight moves what counts to the hands, not the loss as a whole.
    at_hands = _Answer(truth + (batch.hands > 0.0))
    plain, weighted = (compute_loss(at_hands, pose_net, batch, chance, weight) for weight in (0.0, 10.0))
    assert (weighted > plain).all() and float(weighted.max()) <= 1.0


def test_training_and_inference_tell_the_same_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.models.adapter import sampling

    made, told = training(tmp_path), {}
    batch = made.batch_of(default_collate([made.clips[0]]), torch.Generator().manual_seed(0))
    monkeypatch.setattr(
        sampling, "sample", lambda _unet, _scheduler, given, *_, **__: told.setdefault("ids", given.time_ids)[:0]
    )
    monkeypatch.setattr(sampling, "decode", lambda *_given, **_named: [torch.zeros(1, 3, 1, 1)])
    clip = clips(3, 1)[0]
    networks = train.Trained(made, made.adapter)
    sampling.draw_hands(networks, clip.body, (clip.body[0], clip.full[0]), CONVENTION, SAMPLING)
    assert batch.time_ids[0, :2].tolist() == told["ids"][0, :2].tolist() == [7.0, 127.0]
    assert float(told["ids"][0, 2]) == pytest.approx(np.exp(-3.0))
    assert abs(float(batch.time_ids[0, 2].log()) + 3.0) < 2.0


def test_condition_and_target_have_one_order_of_channels_unless_the_papers_is_asked_for() -> None:
    ours = Clips(SOURCE, CONVENTION.drawing(), frames=FRAMES, seed=1)[0]
    papers = Clips(SOURCE, CONVENTION.drawing(), frames=FRAMES, seed=1, swapped=True)[0]
    assert torch.equal(ours["body"], papers["body"])
    assert torch.equal(ours["full"], papers["full"].flip(1)) and not torch.equal(ours["full"], papers["full"])
    away = ours["hands"].repeat_interleave(8, -1).repeat_interleave(8, -2) == 0.0
    same = (ours["body"] == ours["full"]).all(dim=1, keepdim=True)
    assert same[away].all()


def test_clips_follow_from_their_number_and_a_pool_comes_again_with_other_references() -> None:
    pooled = Clips(SOURCE, CONVENTION.drawing(), frames=FRAMES, seed=1, pool=3)
    assert torch.equal(pooled[1]["full"], pooled[4]["full"]) and not torch.equal(pooled[1]["full"], pooled[2]["full"])
    assert len({pooled[n]["reference"] for n in range(20)}) == FRAMES


def test_tracks_of_people_are_material_and_every_tenth_is_held_out(tmp_path: Path) -> None:
    with pytest.raises(FleximoError) as error:
        TrackClips.of_folder(tmp_path, (64, 64))
    assert error.value.code == "no_material"
    for n in range(3):
        random_track(np.random.default_rng(n), frames=12, size=(96, 192)).save(tmp_path / f"{n}.npz")
    mine, held_out = TrackClips.of_folder(tmp_path, (64, 64), stride=2)
    clip = mine.clip(np.random.default_rng(0), FRAMES, CONVENTION.drawing())
    assert clip.body.shape == (FRAMES, 64, 64, 3) and (clip.body != clip.full).any()
    assert not clip.body[:, :, :14].any(), "another aspect is not stretched"
    assert (held_out.clip(np.random.default_rng(0), FRAMES, CONVENTION.drawing()).full != clip.full).any()


def test_videos_of_people_become_tracks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from backend import video_tracks
    from backend.media import write_video
    from fleximo.video import Video
    from tests.backend.draft_truth import true_person

    (tmp_path / "videos").mkdir()
    for name in ("a", "empty"):
        write_video(tmp_path / "videos" / f"{name}.mp4", Video(np.zeros((3, 64, 64, 3), np.uint8), 25))
    seen: list[int] = []

    def detect(_photo: bytes, **_named: Any) -> Any:
        seen.append(1)
        if len(seen) == 2 or len(seen) > 3:
            raise FleximoError("Nobody.", code="no_person")
        return true_person("anna")

    monkeypatch.setattr(video_tracks.detect, "detect", detect)
    found = list(video_tracks.track_folder(tmp_path / "videos", tmp_path / "kept", detector="mediapipe"))
    assert [path.name for path in found] == ["a.mp4.npz"]
    from fleximo import PoseTrack

    track = PoseTrack.load(found[0])
    assert len(track) == 3 and not track.confidence[1].any() and track.confidence[2].any() and float(track.fps) == 25.0
    calls = len(seen)
    list(video_tracks.track_folder(tmp_path / "videos", tmp_path / "kept", detector="mediapipe"))
    assert len(seen) == calls + 3, "what was found is kept; what was not is looked for again"


def test_weights_are_exported_as_they_are_imported(tmp_path: Path) -> None:
    made = training(tmp_path, steps=1)
    made.run()
    with safe_open(tmp_path / "weights" / "denoising_unet.safetensors", framework="pt") as file:
        assert Convention.from_metadata(file.metadata()) == CONVENTION
        names = set(file.keys())
    assert names == set(made.adapter.unet.state_dict())
    config = json.loads((tmp_path / "weights" / "config.json").read_text())["unet"]
    assert tuple(config["block_out_channels"]) == SMALL_UNET["block_out_channels"]


def test_the_pictures_of_a_training() -> None:
    clip = clips(2, 1)[0]
    assert strip(clip, clip.full).shape == (3 * 64, FRAMES * 64, 3)
    assert hand_error(clip.full, clip) == 0.0 < hand_error(clip.body, clip)
    curve = loss_curve([(step, 1.0 / step) for step in range(1, 200)])
    blue = (curve[..., 2].astype(int) - curve[..., 0] > 100).nonzero()
    left, right = (blue[0][blue[1] < 200].mean(), blue[0][blue[1] > 700].mean())
    assert left < right, "a falling loss falls in the picture"
    assert loss_curve([]).min() == 255


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--size", "100x64"], "multiples of 64"),
        (["--steps", "0"], "--steps"),
        (["--dropout", "0.5"], "--dropout"),
        (["--style", "oil"], "oil"),
        (["--videos", "nowhere"], "no video"),
        (["--tracks", "nowhere"], "0 tracks"),
    ],
)
def test_the_command_refuses_what_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert train.main([str(tmp_path / "out"), *more]) == 1
    assert words in capsys.readouterr().err


def test_the_command_trains_validates_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "SvdNetworks", lambda _device, _dtype: NETWORKS)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"unet": SMALL_UNET}))
    given = [str(tmp_path / "out"), "--config", str(config), "--size", "64x64", "--frames", "2"]
    given += ["--warm-up", "1", "--validate-every", "2", "--validation-steps", "1", "--precision", "fp32"]
    assert train.main([*given, "--steps", "1"]) == 0
    assert train.main([*given, "--steps", "2"]) == 0
    assert "squared error at the hands" in capsys.readouterr().out
    assert {"loss.png", "validation-00000002.png"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert train.main([*given, "--steps", "3", "--batch", "2"]) == 1
