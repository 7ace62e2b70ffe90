"""MimicMotion as an engine, on its real networks made small: pictures in, frames out, stops, kills, memory, changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from backend.diffusion.checkpoint import read_sealed  # noqa: E402
from backend.diffusion.memory import GIB  # noqa: E402
from backend.models.mimicmotion import rendering as rendering_module  # noqa: E402
from backend.models.mimicmotion.engine import MimicMotion  # noqa: E402
from backend.models.mimicmotion.networks import Networks  # noqa: E402
from backend.models.mimicmotion.pictures import reference, skeletons  # noqa: E402
from backend.models.mimicmotion.rendering import LATENTS, PREVIEW, Rendering, sampling_plan  # noqa: E402
from backend.models.mimicmotion.settings import QUALITIES, Settings  # noqa: E402
from backend.models.svd.memory import MemoryPlan  # noqa: E402
from backend.models.svd.unet import PoseUNet  # noqa: E402
from backend.stages import Workplace, silent  # noqa: E402
from fleximo import Cancelled, FleximoError, RenderJob  # noqa: E402
from fleximo.camera import Framing  # noqa: E402
from fleximo.camera_fit import frame_photo  # noqa: E402
from fleximo.files import write_json  # noqa: E402
from fleximo.pose_track import PoseSignal  # noqa: E402
from tests.backend.draft_truth import SIZE, make_job, true_track  # noqa: E402
from tests.fixtures.tiny_models import tiny_models  # noqa: E402

CANVAS = (64, 128)
SETTINGS = {"steps": 2, "window": 5, "overlap": 2, "decode_chunk": 4, "decode_overlap": 1}
FRAMES = 7


@pytest.fixture(scope="module")
def models() -> Path:
    return tiny_models()


@pytest.fixture(scope="module")
def shared(models: Path) -> MimicMotion:
    """One engine for all tests, for loading its networks takes time."""
    return MimicMotion("cpu")


@pytest.fixture(autouse=True)
def weights(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(models))


def job(frames: int = FRAMES, **settings: Any) -> RenderJob:
    track = true_track("wave")[0][::3][:frames]
    made = make_job("anna", track, frame_photo(SIZE, CANVAS, mode="centre"))
    return replace(made, engine="mimicmotion", settings=SETTINGS | settings, seed=5)


@pytest.fixture(scope="module")
def whole(shared: MimicMotion, models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, Path]:
    """The frames of the undisturbed render, and its workplace."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEXIMO_MODELS", str(models))
        return shared.render(job(), place=Workplace(folder)).frames, folder


class Killed(BaseException):
    """Ends a render as abruptly as the outside would."""


def dying(monkeypatch: pytest.MonkeyPatch, call: int, error: BaseException, *, again: bool = False) -> list[int]:
    """Lets the U-Net's call number `call` (and, with `again`, every later one) fail; returns the calls made."""
    real, made = PoseUNet.forward, []

    def forward(self: PoseUNet, *given: Any, **named: Any) -> Any:
        made.append(len(made))
        if made[-1] == call or (again and made[-1] > call):
            raise error
        return real(self, *given, **named)

    monkeypatch.setattr(PoseUNet, "forward", forward)
    return made


def test_every_frame_of_the_track_comes_out_and_the_seed_decides_them(
    shared: MimicMotion, whole: tuple[np.ndarray, Path]
) -> None:
    frames, folder = whole
    assert frames.shape == (FRAMES, CANVAS[1], CANVAS[0], 3)
    assert np.array_equal(shared.render(job()).frames, frames)
    assert not np.array_equal(shared.render(replace(job(), seed=6)).frames, frames)
    assert sorted(path.name for path in folder.iterdir()) == [LATENTS, "memory.json", PREVIEW]


def test_the_track_and_the_photo_are_what_is_drawn(shared: MimicMotion) -> None:
    given = job(frames=2, steps=1, guidance=1.0)
    frames = shared.render(given).frames
    points = given.signal.track.points_px.copy()
    points[1] += 6.0
    track = replace(given.signal.track, points_px=points)
    assert not np.array_equal(shared.render(replace(given, signal=PoseSignal(track))).frames[1], frames[1])
    _, picture = cv2.imencode(".png", np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    assert not np.array_equal(shared.render(replace(given, photo=picture.tobytes())).frames, frames)


def test_progress_counts_every_call_with_an_estimate_and_ends_at_one(shared: MimicMotion) -> None:
    told: list[tuple[float, str]] = []
    shared.render(job(), lambda fraction, message="": told.append((fraction, message)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    stages = [message.split(",")[0] for _, message in told]
    opening = ["reading the weights", "looking at the photo", "drawing the skeletons", "reading the network"]
    assert [stage for stage in dict.fromkeys(stages) if stage in opening] == opening
    steps = [message for _, message in told if message.startswith("step ")]
    assert len(steps) == 2 * 2 * 2  # two steps of two windows of two branches
    assert all(re.fullmatch(r"step [12] of 2, window [12] of 2(, \d+ s left)?", message) for message in steps)
    assert all(message.endswith("left") for message in steps[1:])
    assert any(message.startswith("decoding frame 1 of 7") for _, message in told)


@pytest.mark.parametrize("call", [0, 1, 5])
def test_a_stop_comes_within_one_call(shared: MimicMotion, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    made = dying(monkeypatch, -1, Killed())
    told: list[str] = []

    def progress(fraction: float, message: str = "") -> None:
        told.append(message)
        if sum(message.startswith("step ") for message in told) > call:
            raise Cancelled

    with pytest.raises(Cancelled):
        shared.render(job(), progress)
    assert len(made) == call


@pytest.mark.parametrize("call", [2, 6])
def test_a_killed_render_goes_on_with_the_same_bits(
    shared: MimicMotion, whole: tuple[np.ndarray, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: int
) -> None:
    """Killed in the middle of a step: what was finished before is not computed again."""
    with monkeypatch.context() as patch, pytest.raises(Killed):
        dying(patch, call, Killed())
        shared.render(job(), place=Workplace(tmp_path))
    made = dying(monkeypatch, -1, Killed())
    frames = shared.render(job(), place=Workplace(tmp_path)).frames
    assert np.array_equal(frames, whole[0])
    assert len(made) == (4 if call >= 4 else 8)


def test_a_killed_render_that_reuses_deep_features_goes_on_where_all_are_computed(
    shared: MimicMotion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cached = job(frames=3, steps=4, guidance=1.0, deep_cache=2)
    frames = shared.render(cached).frames
    assert not np.array_equal(frames, shared.render(job(frames=3, steps=4, guidance=1.0)).frames)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        dying(patch, 3, Killed())
        shared.render(cached, place=Workplace(tmp_path))
    made = dying(monkeypatch, -1, Killed())
    assert np.array_equal(shared.render(cached, place=Workplace(tmp_path)).frames, frames)
    assert len(made) == 2  # the third step again, for what the fourth reuses was lost
    assert sampling_plan(Settings(parity=True, deep_cache=2), 73, 72).deep_cache == 1


def test_a_render_killed_while_decoding_samples_nothing_again(
    shared: MimicMotion, whole: tuple[np.ndarray, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(whole[1], tmp_path, dirs_exist_ok=True)  # what lies there from the last step on
    made = dying(monkeypatch, -1, Killed())
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(rendering_module, "to_pictures", lambda frames, truncate: (_ for _ in ()).throw(Killed()))
        shared.render(job(), place=Workplace(tmp_path))
    (tmp_path / "step-00001.safetensors").write_bytes(b"what a kill left before it was cleared away")
    assert np.array_equal(shared.render(job(), place=Workplace(tmp_path)).frames, whole[0])
    assert not made and not list(tmp_path.glob("step-*"))


def test_checkpoints_of_another_job_are_not_used(
    shared: MimicMotion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        dying(patch, 4, Killed())
        shared.render(job(), place=Workplace(tmp_path))
    told: list[str] = []

    def progress(fraction: float, message: str = "") -> None:
        told.append(message)
        if message.startswith("step "):
            raise Cancelled

    for other, first in ((job(guidance=3.0), "step 1 of 2"), (job(), "step 2 of 2")):
        with pytest.raises(Cancelled):
            shared.render(other, progress, Workplace(tmp_path))
        assert told[-1].startswith(first)


def out_of_memory() -> torch.OutOfMemoryError:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_out_of_memory_goes_down_the_ladder_with_the_same_bits(
    shared: MimicMotion, whole: tuple[np.ndarray, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = dying(monkeypatch, 5, out_of_memory())
    frames = shared.render(job(), place=Workplace(tmp_path)).frames
    assert np.array_equal(frames, whole[0])
    assert len(made) == 8 + 1 + 1  # the failed call, and the one of its step that had been done
    notice = shared.notices(job())[0]
    assert notice.code == "memory_stepped_down" and "only the network at work in memory" in notice.message
    shared.render(job(), place=Workplace(tmp_path))  # finished: nothing is sampled, and what gave way is still told
    assert shared.notices(job()) == (notice,) and len(made) == 10


def test_every_step_down_is_told_even_by_another_process(
    shared: MimicMotion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(PoseUNet, "enable_group_offload", lambda self, **_: None)
    errors = [out_of_memory(), out_of_memory(), Killed()]

    def forward(*_given: Any, **_named: Any) -> Any:
        raise errors.pop(0)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(PoseUNet, "forward", forward)
        shared.render(job(), place=Workplace(tmp_path))
    fresh = MimicMotion("cpu")
    fresh.render(job(), place=Workplace(tmp_path))
    (notice,) = fresh.notices(job())
    assert "only the network at work in memory" in notice.message
    assert "the network in memory block by block" in notice.message


def pretend_free(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr("backend.models.mimicmotion.engine.free_bytes", lambda device: free)


@pytest.mark.parametrize(
    ("error", "stepped"),
    [
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("The size of tensor a (4) must match the size of tensor b (5)"), False),
    ],
)
def test_memory_runs_out_under_many_names(
    shared: MimicMotion, monkeypatch: pytest.MonkeyPatch, error: Exception, stepped: bool
) -> None:
    """Stopped as soon as it is known which way the engine goes."""
    dying(monkeypatch, 0, error)
    begun: list[str] = []

    def progress(fraction: float, message: str = "") -> None:
        begun.append(message)
        if begun.count("looking at the photo") > 2:  # told twice by each attempt
            raise Cancelled

    with pytest.raises(Cancelled if stepped else RuntimeError):
        shared.render(job(frames=2), progress)


def test_half_precision_renders_the_same_picture(shared: MimicMotion, whole: tuple[np.ndarray, Path]) -> None:
    frames = shared.render(job(precision="bf16")).frames
    assert 0.0 < np.abs(frames.astype(float) - whole[0]).mean() < 4.0


@pytest.mark.parametrize(
    ("settings", "peak", "compiled"),
    [
        ({"precision": "bf16"}, 1e6, True),
        ({"precision": "bf16"}, 1e15, False),
        ({"precision": "bf16"}, None, False),
        ({"precision": "fp32"}, 1e6, False),
        ({"precision": "bf16", "window": 9, "parity": True}, 1e6, False),
        ({"precision": "bf16", "compiled": False}, 1e6, False),
        ({"compiled": True}, None, True),
    ],
)
def test_the_network_is_compiled_where_that_repays_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], peak: float | None, compiled: bool
) -> None:
    monkeypatch.setattr("backend.models.mimicmotion.rendering.half_precision_peak", lambda _device: peak)
    given, plan = (
        job(frames=8, **settings),
        MemoryPlan(batched=False, stage_offload=False, block_offload=False, chunk=4, window=9, peaks={}),
    )
    chosen = Settings.from_json(given.settings)
    networks = Networks(torch.device("cpu"), settings.get("precision", "fp32"))
    made = Rendering(given, chosen, networks, plan, None, silent)
    assert made.compiled is compiled
    told = [notice.message for notice in made.notices]
    assert ["is thought to save" in message for message in told] == [True] * (compiled and peak is not None)
    by_block = Rendering(given, chosen, networks, replace(plan, block_offload=True), None, silent)
    assert not by_block.compiled and by_block.key != made.key if compiled else by_block.key == made.key


def test_when_no_way_is_left_the_user_is_told_what_to_do(
    shared: MimicMotion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = dying(monkeypatch, 0, out_of_memory(), again=True)
    monkeypatch.setattr(PoseUNet, "enable_group_offload", lambda self, **_: None)
    with pytest.raises(FleximoError) as refused:
        shared.render(job(), place=Workplace(tmp_path))
    assert refused.value.code == "out_of_memory" and "smaller_window=true" in refused.value.remedy
    assert len(made) == 3  # as planned, one network at a time, block by block


def test_a_smaller_window_comes_last_and_is_told(
    shared: MimicMotion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    windows: list[int] = []
    real = PoseUNet.forward

    def forward(self: PoseUNet, sample: Any, *given: Any, **named: Any) -> Any:
        windows.append(sample.shape[1])
        if sample.shape[1] > 8:
            raise out_of_memory()
        return real(self, sample, *given, **named)

    monkeypatch.setattr(PoseUNet, "forward", forward)
    monkeypatch.setattr(PoseUNet, "enable_group_offload", lambda self, **_: None)
    planned = MemoryPlan(
        batched=False, stage_offload=True, block_offload=True, chunk=4, window=10, peaks={"denoise": 0.0}
    )  # all else is spared already
    write_json(tmp_path / "memory.json", planned.to_json())
    given = job(frames=9, window=10, smaller_window=True, steps=1, guidance=1.0)
    assert len(shared.render(given, place=Workplace(tmp_path)).frames) == 9
    assert windows[0] == 10 and len(windows) > 1 and max(windows[1:]) <= 8
    (notice,) = shared.notices(job())
    assert "windows of 8 instead of 10 frames" in notice.message


def test_a_fresh_process_keeps_to_the_plan_that_worked(
    shared: MimicMotion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another plan could give other bits, and the checkpoints would be lost."""
    both = job(batched_guidance=True)
    pretend_free(monkeypatch, 1000 * GIB)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        dying(patch, 3, Killed())
        shared.render(both, place=Workplace(tmp_path))
    pretend_free(monkeypatch, 0.0)
    made = dying(monkeypatch, -1, Killed())
    shared.render(both, place=Workplace(tmp_path))
    assert len(made) == 2  # the second step, of two windows, both branches in one call


def test_what_cannot_fit_is_refused_before_anything_is_computed(
    shared: MimicMotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dying(monkeypatch, -1, Killed())
    pretend_free(monkeypatch, 1.0 * GIB)
    with pytest.raises(FleximoError) as refused:
        shared.render(job())
    assert refused.value.code == "not_enough_memory" and not made


def test_the_unet_works_block_by_block_with_the_same_bits(models: Path) -> None:
    networks = Networks(torch.device("cpu"), "fp32")
    given = (torch.randn(1, 3, 8, 8, 8), torch.tensor(0.5), torch.randn(1, 1, 32), torch.rand(1, 3))
    poses = torch.randn(3, 32, 8, 8)
    whole = networks.unet(shortened=True)(*given, pose_latents=poses, return_dict=False)[0]
    blocks = networks.unet(shortened=True, by_block=True)(*given, pose_latents=poses, return_dict=False)[0]
    assert torch.equal(whole, blocks)


def test_changed_frames_are_drawn_into_the_kept_clip(
    shared: MimicMotion, whole: tuple[np.ndarray, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rendering_module, "CONTEXT", 1)
    edited = job()
    points = edited.signal.track.points_px.copy()
    points[2:4, 4] += 9.0
    track = replace(edited.signal.track, points_px=points)
    changed = replace(edited, signal=PoseSignal(track)).with_window(2, 4)
    video = shared.render(changed, place=Workplace(tmp_path, whole[1]))
    assert len(video) == 2 and not np.array_equal(video.frames, whole[0][2:4])
    assert shared.notices(changed) == ()
    before, after = read_sealed(whole[1] / LATENTS), read_sealed(tmp_path / LATENTS)
    assert before is not None and after is not None
    kept = [0, 1, 2, 5, 6, 7]  # of the latents; 0 is the photo
    assert torch.equal(after[0]["latents"][kept], before[0]["latents"][kept])
    assert not torch.equal(after[0]["latents"][3:5], before[0]["latents"][3:5])
    assert int(after[1]["cost"]) < 0.7 * int(before[1]["cost"])


def test_without_the_kept_clip_a_range_is_a_clip_of_its_own_and_says_so(shared: MimicMotion, tmp_path: Path) -> None:
    part = job().with_window(2, 6)
    assert len(shared.render(part)) == 4
    assert [notice.code for notice in shared.notices(part)] == ["rendered_alone"]
    shared.render(part, place=Workplace(tmp_path / "a", tmp_path / "absent"))
    assert "were not kept" in shared.notices(part)[0].message


def test_parity_mode_leaves_every_improvement_out(shared: MimicMotion, whole: tuple[np.ndarray, Path]) -> None:
    assert not Settings().parity and not np.array_equal(shared.render(job(parity=True)).frames, whole[0])
    with pytest.raises(FleximoError, match="at least 4 frames"):
        shared.render(job(frames=3, parity=True))
    assert len(shared.render(job(frames=3))) == 3


def test_pose_net_runs_once_a_job_and_in_parity_mode_at_every_call(
    shared: MimicMotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = rendering_module.pose_features
    monkeypatch.setattr(
        rendering_module, "pose_features", lambda net, drawn: seen.append(len(drawn)) or real(net, drawn)
    )
    shared.render(job(guidance=1.0))
    assert seen == [FRAMES + 1]
    seen.clear()
    shared.render(job(frames=4, parity=True))
    assert seen == [5] * 2  # two steps of one window


def test_sizes_and_settings_that_cannot_be_are_refused_at_once(shared: MimicMotion) -> None:
    narrow = make_job("anna", true_track("wave")[0][:4], frame_photo(SIZE, (72, 128), mode="centre"))
    with pytest.raises(FleximoError) as refused:
        shared.render(replace(narrow, settings=SETTINGS))
    assert refused.value.code == "invalid_size" and "64x128" in refused.value.remedy
    for wrong in (
        {"step": 3}, {"steps": 0}, {"steps": 2.5}, {"guidance": [1]}, {"guidance": "high"}, {"quality": "good"},
        {"guidance_interval": [0.8, 0.2]}, {"overlap": 5}, {"decode_overlap": 4}, {"precision": "int8"},
        {"parity": 1}, {"deep_cache": 0}, {"quality": {}}, {"quality": [["best"]]},
        {"noise_augmentation": -0.1}, {"window": True},
    ):  # fmt: skip
        with pytest.raises(FleximoError) as refused:
            shared.render(job(**wrong))
        assert refused.value.code == "invalid_setting", wrong


def test_qualities_are_steps_and_their_spacing() -> None:
    assert QUALITIES == {"standard": (10, "align-your-steps"), "best": (25, "karras")}
    assert Settings().schedule == (25, "karras")
    assert Settings.from_json({"quality": "standard", "steps": 6}).schedule == (6, "align-your-steps")
    assert Settings(guidance=(1.0, 3.0)).guidance_per_frame(5) == (1.0, 1.5, 2.0, 2.5, 3.0)
    assert Settings(guidance_interval=(0.2, 0.8)).guided_steps() == (5, 20)


def striped(width: int, height: int) -> bytes:
    """A photo of stripes that are white in 2 of 8 columns: dark grey once it is scaled down with care."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, 3::8] = picture[:, 4::8] = 255
    return cv2.imencode(".png", picture)[1].tobytes()


def test_a_large_photo_is_scaled_without_aliasing() -> None:
    made = replace(job(), photo=striped(*SIZE))
    smooth, picked = (reference(made, antialias=antialias).astype(float) for antialias in (True, False))
    assert smooth.shape == (CANVAS[1], CANVAS[0], 3)
    assert np.abs(smooth - 255.0 / 4).max() < 3.0 and picked.max() > 200.0


def test_the_photo_lies_where_the_framing_says() -> None:
    """A bright spot of the photo is found at its place on the canvas."""
    picture = np.full((SIZE[1], SIZE[0], 3), 60, np.uint8)
    cv2.circle(picture, (180, 400), 30, (255, 255, 255), -1)
    framing = Framing(SIZE, (128, 128), 0.11, (31.4, 6.2))
    made = make_job("anna", true_track("wave")[0][:2], framing)
    canvas = reference(replace(made, photo=cv2.imencode(".png", picture)[1].tobytes()))
    bright = np.argwhere(canvas[:, 32:95, 0] > 200)[:, ::-1].mean(axis=0) + [32.5, 0.5]
    np.testing.assert_allclose(bright, framing.to_canvas(np.array([180.5, 400.5])), atol=0.3)
    assert canvas.min() >= 35  # nothing is black beyond the photo's edges


def test_no_second_person_is_mirrored_beside_the_photo() -> None:
    """Anna's shirt is the only blue thing; floor and wall go on where the photo ends."""
    framing = Framing(SIZE, (512, 256), 0.25, (184.3, 0.0))
    canvas = reference(make_job("anna", true_track("wave")[0][:2], framing)).astype(int)
    blue = canvas[..., 2] - canvas[..., 0] > 40
    inside = (slice(None), slice(186, 327))
    assert blue[inside].sum() > 500 and blue.sum() == blue[inside].sum()
    floor, wall = canvas[-30:, :150].mean(axis=(0, 1)), canvas[:30, :150].mean(axis=(0, 1))
    np.testing.assert_allclose(floor, canvas[-30:, 190:220].mean(axis=(0, 1)), atol=20)
    np.testing.assert_allclose(wall, canvas[:30, 190:220].mean(axis=(0, 1)), atol=20)


def test_frame_zero_is_the_photos_own_skeleton() -> None:
    made = job()
    drawn = skeletons(made, [0, 3, 1])
    assert drawn.shape == (3, CANVAS[1], CANVAS[0], 3) and drawn.any(axis=(1, 2, 3)).all()
    track = made.signal.track
    own = made.framing.to_canvas(made.person.points_px)[None].repeat(len(track), axis=0)
    as_photo = replace(track, points_px=own, confidence=np.repeat(made.person.confidence[None], len(track), axis=0))
    assert np.array_equal(skeletons(replace(made, signal=PoseSignal(as_photo)), [1])[0], drawn[0])
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[1], drawn[2])


def test_the_preview_follows_the_render(shared: MimicMotion, tmp_path: Path) -> None:
    seen: list[bool] = []

    def progress(fraction: float, message: str = "") -> None:
        seen.append((tmp_path / PREVIEW).is_file())

    shared.render(job(), progress, Workplace(tmp_path))
    picture = cv2.imread(str(tmp_path / PREVIEW))
    assert picture.shape[0] == 8 * CANVAS[1] // 8 and max(picture.shape[:2]) <= 512
    assert seen.index(True) < len(seen) - 3  # before the frames were decoded


@pytest.fixture
def written() -> Iterator[Callable[[Path], set[Path]]]:
    yield lambda folder: {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_without_a_workplace_nothing_is_written(
    shared: MimicMotion,
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    written: Callable[[Path], set[Path]],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = written(models)
    shared.render(job(frames=3))
    assert written(models) == before and not written(tmp_path)
