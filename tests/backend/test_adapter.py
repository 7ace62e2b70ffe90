"""The adapter with stand-in weights: checkpoints, the stage, order of channels, what MimicMotion takes of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from backend.drawing import MIMICMOTION, draw_track  # noqa: E402
from backend.models.adapter.complete import DiffusionAdapter  # noqa: E402
from backend.models.adapter.convention import PAPER, Convention  # noqa: E402
from backend.models.adapter.convert import convert  # noqa: E402
from backend.models.adapter.motions import random_track  # noqa: E402
from backend.models.adapter.pairs import draw_pair, frames_between, hand_boxes, handless  # noqa: E402
from backend.models.adapter.sampling import Sampling  # noqa: E402
from backend.models.mimicmotion.pictures import skeletons  # noqa: E402
from backend.models.svd.unet import PoseUNet  # noqa: E402
from fleximo import Cancelled, FleximoError, PoseTrack  # noqa: E402
from fleximo.camera_fit import frame_photo  # noqa: E402
from fleximo.layouts import FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND  # noqa: E402
from fleximo.pose_track import PoseSignal  # noqa: E402
from tests.backend.draft_truth import SIZE, make_job, true_track  # noqa: E402
from tests.fixtures.make_standin_weights import make_standins  # noqa: E402

QUICK = Sampling(steps=2, decode_chunk=3, decode_overlap=1)


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("models")
    make_standins(["svd", "adapter"], folder, tiny=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEXIMO_MODELS", str(folder))
        yield folder


def track(frames: int = 3, size: tuple[int, int] = (64, 128), seed: int = 1) -> PoseTrack:
    return random_track(np.random.default_rng(seed), frames=frames, size=size, only=("wave",), yaw_degrees=10.0)


def frames_of(signal: PoseSignal, tmp_path: Path) -> Any:
    from backend.media import read_frames

    assert signal.drawn_frames is not None
    (tmp_path / "drawn.mkv").write_bytes(signal.drawn_frames)
    return np.stack(list(read_frames(tmp_path / "drawn.mkv")))


def test_a_pair_differs_only_where_the_hands_are() -> None:
    pair = draw_pair(track(size=(192, 320)), Convention().drawing())
    differs = (pair.body != pair.full).any(axis=-1)
    assert differs.any() and not (differs & ~pair.boxes).any()
    assert (differs & ~handless(track(size=(192, 320)))).sum() < 0.1 * differs.sum()


def test_what_a_hand_can_reach_holds_its_true_points() -> None:
    for seed in range(12):
        seen = random_track(np.random.default_rng(seed), frames=4, size=(192, 320))
        outside = hand_boxes(seen) & ~handless(seen)
        assert outside.sum() <= 0.15 * max(1, hand_boxes(seen).sum())


def test_random_tracks_follow_from_their_seed_and_move_their_fingers() -> None:
    one, again, other = track(8, seed=4), track(8, seed=4), track(8, seed=5)
    assert np.array_equal(one.points_px, again.points_px) and not np.array_equal(one.points_px, other.points_px)
    hand = one.points_px[:, LEFT_HAND] - one.points_px[:, LEFT_HAND][:, :1]
    spans = np.linalg.norm(hand[:, 8], axis=-1) / np.linalg.norm(hand[:, 5], axis=-1)
    assert np.ptp(spans) > 0.05
    assert not one.confidence[:, FACE].any()


@pytest.mark.parametrize(("total", "expected"), [(14, 14), (20, 20), (60, 53), (400, 53)])
def test_a_training_clip_spans_as_many_frames_as_the_paper_says(total: int, expected: int) -> None:
    rows = frames_between(total, 14, 4, np.random.default_rng(0))
    assert len(rows) == 14 and rows[-1] - rows[0] + 1 == expected and rows.min() >= 0 and rows.max() < total


def test_a_clip_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(FleximoError) as error:
        frames_between(13, 14, 4, np.random.default_rng(0))
    assert error.value.code == "too_short"


def test_completed_frames_keep_limbs_and_face_and_draw_only_within_reach_of_the_wrists(tmp_path: Path) -> None:
    given = track()
    given = replace(given, confidence=np.where(np.arange(128) // 68 == 0, np.maximum(given.confidence, 0.5), 1.0))
    told: list[str] = []
    adapter = DiffusionAdapter(sampling=QUICK, progress=lambda _fraction, message="": told.append(message))
    done = adapter.complete(PoseSignal(given))
    drawn = frames_of(done, tmp_path)
    assert done.track is given and drawn.shape == (3, 128, 64, 3)
    faces = np.zeros(128)
    faces[FACE] = 1.0
    face = np.stack(list(draw_track(replace(given, confidence=given.confidence * faces), MIMICMOTION)))
    body = draw_pair(given, PAPER.drawing()).body
    reach = handless(given)
    assert np.array_equal(drawn[~reach], np.maximum(body, face)[~reach])
    assert (drawn != np.maximum(body, face))[reach].any()
    assert any("step 2 of 2" in message for message in told)
    assert [bundle.name for bundle in adapter.bundles] == ["svd", "adapter"]
    assert [notice.code for notice in adapter.notices] == ["reference_without_hands"]


def test_the_same_seed_draws_the_same_and_another_one_does_not() -> None:
    signal = PoseSignal(track())
    one = DiffusionAdapter(sampling=QUICK).complete(signal).drawn_frames
    assert one == DiffusionAdapter(sampling=QUICK).complete(signal).drawn_frames
    assert one != DiffusionAdapter(sampling=QUICK, seed=1).complete(signal).drawn_frames


def test_more_frames_than_one_window_are_drawn() -> None:
    done = DiffusionAdapter(sampling=replace(QUICK, steps=1)).complete(PoseSignal(track(20, (64, 64))))
    assert done.drawn_frames


class Killed(BaseException):
    """What kill -9 is to the process."""


def failing(monkeypatch: pytest.MonkeyPatch, errors: dict[int, BaseException]) -> list[int]:
    """Lets the U-Net's calls of these numbers fail; returns the calls made."""
    real, made = PoseUNet.forward, []

    def forward(self: PoseUNet, *given: Any, **named: Any) -> Any:
        made.append(len(made))
        if made[-1] in errors:
            raise errors[made[-1]]
        return real(self, *given, **named)

    monkeypatch.setattr(PoseUNet, "forward", forward)
    return made


def test_a_killed_drawing_goes_on_from_its_last_step_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = PoseSignal(track())
    slow = replace(QUICK, steps=3)
    wanted = DiffusionAdapter(sampling=slow).complete(signal).drawn_frames
    with monkeypatch.context() as patch, pytest.raises(Killed):
        failing(patch, {5: Killed()})
        DiffusionAdapter(sampling=slow, folder=tmp_path).complete(signal)
    made = failing(monkeypatch, {})
    assert DiffusionAdapter(sampling=slow, folder=tmp_path).complete(signal).drawn_frames == wanted
    assert len(made) == 2, "two steps of two branches were done before"
    assert DiffusionAdapter(sampling=slow, folder=tmp_path).complete(signal).drawn_frames == wanted
    assert len(made) == 2, "what is finished is not drawn again"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter.json", "drawn.mkv", "memory.json"]


def test_a_kill_while_decoding_costs_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.models.adapter import sampling

    signal = PoseSignal(track())
    wanted = DiffusionAdapter(sampling=QUICK).complete(signal).drawn_frames

    def decode(*_given: Any, **_named: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(sampling, "decode", decode)
        DiffusionAdapter(sampling=QUICK, folder=tmp_path).complete(signal)
    made = failing(monkeypatch, {})
    assert DiffusionAdapter(sampling=QUICK, folder=tmp_path).complete(signal).drawn_frames == wanted
    assert made == []


def test_what_lies_there_of_another_drawing_or_damaged_is_never_used(tmp_path: Path) -> None:
    quick = replace(QUICK, steps=1, guidance=1.0)
    one, other = PoseSignal(track()), PoseSignal(track(seed=2))
    DiffusionAdapter(sampling=quick, folder=tmp_path).complete(other)
    wanted = DiffusionAdapter(sampling=quick).complete(one).drawn_frames
    for damaged in ("", "drawn.mkv", "adapter.json", "memory.json"):
        if damaged:
            (tmp_path / damaged).write_bytes((tmp_path / damaged).read_bytes()[:-9])
        assert DiffusionAdapter(sampling=quick, folder=tmp_path).complete(one).drawn_frames == wanted, damaged


def test_memory_that_runs_out_changes_the_plan_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = PoseSignal(track())
    wanted = DiffusionAdapter(sampling=QUICK).complete(signal).drawn_frames
    with monkeypatch.context() as patch:
        failing(patch, {1: torch.OutOfMemoryError("CUDA out of memory.")})
        adapter = DiffusionAdapter(sampling=QUICK, folder=tmp_path)
        assert adapter.complete(signal).drawn_frames == wanted
    told = [notice for notice in adapter.notices if notice.code == "memory_stepped_down"]
    assert len(told) == 1 and "only the network at work in memory" in told[0].message
    again = DiffusionAdapter(sampling=QUICK, folder=tmp_path)
    assert again.complete(signal).drawn_frames == wanted and told[0] in again.notices
    monkeypatch.setattr("backend.models.adapter.complete.free_bytes", lambda _device: 1e6)
    with pytest.raises(FleximoError) as error:
        DiffusionAdapter(sampling=QUICK).complete(signal)
    assert error.value.code == "not_enough_memory"


def test_progress_rises_to_its_end_and_a_stop_is_heard_at_every_call() -> None:
    told: list[float] = []
    quick = replace(QUICK, decode_chunk=1, decode_overlap=0)
    DiffusionAdapter(sampling=quick, progress=lambda at, _message="": told.append(at)).complete(PoseSignal(track()))
    assert told == sorted(told) and told[-1] == 1.0 and max(np.diff(told)) <= 0.35

    for call in (1, 3, 6, len(told) - 1):
        left = [call]

        def progress(_fraction: float, _message: str = "", left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Cancelled

        with pytest.raises(Cancelled):
            DiffusionAdapter(sampling=quick, progress=progress).complete(PoseSignal(track()))
        assert left == [0]


def test_the_photos_own_hands_are_the_example(tmp_path: Path) -> None:
    signal, mine, other = PoseSignal(track()), track(1, seed=7), track(1, seed=8)
    adapter = DiffusionAdapter(mine, sampling=QUICK)
    drawn = frames_of(adapter.complete(signal), tmp_path)
    assert adapter.notices == []
    assert not np.array_equal(drawn, frames_of(DiffusionAdapter(other, sampling=QUICK).complete(signal), tmp_path))


def test_red_and_blue_of_the_papers_weights_are_put_right(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks that answer with their reference show how it went in and comes out."""
    from backend.models.adapter import sampling

    seen = []

    def answer(*given: Any, **named: Any) -> Any:
        return torch.zeros(4, 4, 16, 8)

    def signed(picture: Any) -> Any:
        seen.append(picture[0].copy())
        return torch.zeros(1, 3, 128, 64)

    monkeypatch.setattr(sampling, "to_signed", signed)
    for name in ("embed", "encode"):
        monkeypatch.setattr(sampling, name, lambda *_: torch.zeros(1))
    monkeypatch.setattr(sampling, "pose_features", lambda _net, given: (seen.append(given.copy()), torch.zeros(1))[1])
    monkeypatch.setattr(sampling, "sample", answer)
    monkeypatch.setattr(sampling, "decode", lambda *_given, **_named: [torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1)])

    class Nothing:
        device = torch.device("cpu")
        scheduler_config = None

        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    pair = draw_pair(track(), Convention().drawing())
    for convention in (Convention(), PAPER):
        drawn = sampling.draw_hands(Nothing(), pair.body, (pair.body[0], pair.full[0]), convention, QUICK)
        assert drawn[0, 0, 0].tolist() == ([255, 128, 0], [0, 128, 255])[convention.swapped]
    shown, body, paper_shown, paper_body = seen
    assert np.array_equal(body, paper_body), "the condition is drawn alike"
    assert np.array_equal(shown, pair.full[0]) and np.array_equal(paper_shown, pair.full[0][..., ::-1])
    assert DiffusionAdapter()._networks.convention == PAPER, "weights that tell nothing are the paper's"


def test_mimicmotion_takes_the_frames_that_the_adapter_drew() -> None:
    made = make_job("anna", true_track("wave")[0][:3], frame_photo(SIZE, (64, 128), mode="centre"))
    done = DiffusionAdapter(sampling=QUICK).complete(made.signal)
    found = skeletons(replace(made, signal=done), [0, 1, 2, 3])
    plain = skeletons(made, [0, 1, 2, 3])
    assert found.shape == plain.shape and np.array_equal(found[0], plain[0])
    assert not np.array_equal(found[1:], plain[1:])
    # The right shoulder's limb is the rainbow's first, blue in the networks' order: both drawings agree on it.
    for pictures in (found[1], plain[1]):
        x, y = made.signal.track.points_px[0, [1, 2]].mean(axis=0).astype(int)
        around = pictures[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).max(axis=0)
        assert around[2] >= around[0]


@pytest.mark.parametrize("what", ["layout", "size", "reference"])
def test_what_cannot_be_completed_is_told(what: str) -> None:
    given, reference = track(), None
    if what == "layout":
        given = given.subset(OPENPOSE_18)
    if what == "size":
        given = track(size=(72, 128))
    if what == "reference":
        reference = track(2)
    with pytest.raises(FleximoError) as error:
        DiffusionAdapter(reference, sampling=QUICK).complete(PoseSignal(given))
    assert error.value.code == {"size": "invalid_size"}.get(what, "invalid_signal")


def test_missing_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path))
    make_standins(["svd"], tmp_path, tiny=True)
    with pytest.raises(FleximoError) as error:
        DiffusionAdapter()
    assert error.value.code == "weights_missing" and "adapter" in error.value.remedy


def test_weights_that_do_not_fit_name_their_keys(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_standins(["svd", "adapter"], tmp_path, tiny=True)
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path))
    path = tmp_path / "adapter" / "pose_guider.safetensors"
    tensors = load_file(path)
    tensors["surprise"] = tensors.pop("final_proj.bias")
    save_file(tensors, path)
    with pytest.raises(FleximoError) as error:
        DiffusionAdapter(sampling=QUICK).complete(PoseSignal(track()))
    assert error.value.code in ("weights_mismatch", "weights_damaged")
    assert "final_proj.bias" in error.value.message and "surprise" in error.value.message


def test_a_file_cut_short_is_named(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_standins(["svd", "adapter"], tmp_path, tiny=True)
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path))
    path = tmp_path / "adapter" / "denoising_unet.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FleximoError) as error:
        DiffusionAdapter(sampling=QUICK).complete(PoseSignal(track()))
    assert error.value.code == "unreadable_weights" and str(path) in error.value.message


def test_a_checkpoint_becomes_safetensors_with_its_keys(models: Path, tmp_path: Path) -> None:
    for name in ("denoising_unet", "pose_guider"):
        tensors = load_file(models / "adapter" / f"{name}.safetensors")
        torch.save({f"module.{key}": value for key, value in tensors.items()}, tmp_path / f"{name}-2000.pth")
        convert(tmp_path / f"{name}-2000.pth", tmp_path / f"{name}.safetensors")
        made = load_file(tmp_path / f"{name}.safetensors")
        assert made.keys() == tensors.keys() and all(torch.equal(made[key], tensors[key]) for key in made)


@pytest.mark.parametrize("what", ["other", "nested", "empty", "text", "pickle"])
def test_what_is_no_checkpoint_is_refused_with_a_reason(models: Path, tmp_path: Path, what: str) -> None:
    source = tmp_path / "pose_guider-1.pth"
    if what == "other":
        torch.save(load_file(models / "adapter" / "denoising_unet.safetensors"), source)
    elif what == "nested":
        torch.save({"state_dict": {"scale": torch.ones(1)}}, source)
    elif what == "empty":
        torch.save({}, source)
    elif what == "text":
        source.write_text("not found")
    else:
        torch.save({"scale": print}, source)
    with pytest.raises(FleximoError) as error:
        convert(source, tmp_path / "pose_guider.safetensors")
    assert error.value.code == "bad_checkpoint" and not (tmp_path / "pose_guider.safetensors").exists()


def test_weights_tell_how_they_were_trained() -> None:
    mine = Convention(style="mimicmotion", frames=8)
    assert Convention.from_metadata(mine.to_metadata()) == mine
    assert Convention.from_metadata({}) == PAPER
    for told in ('{"style": "oil"}', '{"colour": 1}', "{", "[]"):
        with pytest.raises(FleximoError):
            Convention.from_metadata({"fleximo_adapter": told})


def test_hidden_hands_leave_nothing_to_draw() -> None:
    given = track()
    confidence = given.confidence.copy()
    for hand in (LEFT_HAND, RIGHT_HAND):
        confidence[:, hand] = 0.0
    hidden = replace(given, confidence=confidence)
    assert not hand_boxes(hidden).any()
    assert np.array_equal(*(getattr(draw_pair(hidden, PAPER.drawing()), kind) for kind in ("body", "full")))


def animate(tmp_path: Path, *more: str) -> int:
    from backend import cli
    from fleximo import MotionPlan, Segment, moves
    from tests.backend.draft_truth import PEOPLE

    motion = tmp_path / "motion.npz"
    moves.generate(MotionPlan((Segment("wave", 2.0, side="right"),), seed=2), fps=15)[:3].save(motion)
    photo = ["--image", str(PEOPLE / "anna.jpg"), "-o", str(tmp_path / "out.mp4")]
    return cli.main(["animate", "--motion", str(motion), *photo, "--adapter", "diffusion", "--json", *more])


def test_the_command_line_runs_the_adapter_and_the_report_says_so(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_standins(["mimicmotion"], models, tiny=True)
    from backend.models.adapter import complete

    monkeypatch.setattr(complete, "Sampling", lambda: QUICK)
    more = ["--engine", "mimicmotion", "--size", "64x128", "--steps", "1", "--set", "guidance=1.0"]
    assert animate(tmp_path, *more) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["stages"]["adapter"]["implementation"] == "diffusion" and told["fidelity"] == "stand_in"
    sums = told["stages"]["adapter"]["weights_sha256"]
    assert len(sums["adapter/denoising_unet.safetensors"]) == 64
    assert "adapter" in told["timings_s"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--engine", "draft"], "mimicmotion"),
        (["--engine", "mimicmotion", "--fps", "24"], "frame by frame"),
    ],
)
def test_what_the_adapter_cannot_serve_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    make_standins(["mimicmotion"], Path(os.environ["FLEXIMO_MODELS"]), tiny=True)
    assert animate(tmp_path, *more) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "invalid_setting" and words in str(error)
    assert not (tmp_path / "out.mp4").exists()


def test_the_list_of_models_says_which_adapter_needs_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend import cli

    def states() -> dict[str, str]:
        assert cli.main(["models", "list", "--json"]) == 0
        return {row["name"]: row["state"] for row in json.loads(capsys.readouterr().out)["adapters"]}

    assert states() == {"kinematic": "ready", "diffusion": "ready"}
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path))
    assert states() == {"kinematic": "ready", "diffusion": "needs files"}


def test_checkpoints_of_a_training_are_imported_by_what_is_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.models.svd.pose_net import PoseNet
    from backend.weights.imports import import_weights

    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path / "models"))
    (tmp_path / "given").mkdir()
    torch.save(PoseNet().state_dict(), tmp_path / "given" / "pose_guider-400000.pth")
    taken = import_weights("adapter", tmp_path / "given")
    assert list(taken.taken) == ["pose_guider.safetensors"] and taken.missing == ["denoising_unet.safetensors"]
    assert "conv_layers.0.weight" in load_file(tmp_path / "models" / "adapter" / "pose_guider.safetensors")
