"""MimicMotion through the command line and the pipeline: files out, killed and resumed, a range rendered again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from backend import catalog, cli, pipeline  # noqa: E402
from backend.jobs.preview import write_preview  # noqa: E402
from backend.media import read_frames  # noqa: E402
from backend.models.svd.unet import PoseUNet  # noqa: E402
from fleximo import MotionPlan, RenderJob, Segment, moves  # noqa: E402
from fleximo.camera_fit import frame_photo  # noqa: E402
from tests.backend.draft_truth import PEOPLE, SIZE, make_job, true_track  # noqa: E402
from tests.backend.same_pictures import same_pictures  # noqa: E402
from tests.fixtures.tiny_models import tiny_models  # noqa: E402

SETTINGS = {"steps": 2, "window": 8, "overlap": 2, "decode_chunk": 4, "decode_overlap": 1}


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[Path]:
    folder = tiny_models()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEXIMO_MODELS", str(folder))
        yield folder
    catalog._loaded.pop("mimicmotion", None)


def job(**changes: Any) -> RenderJob:
    made = make_job("anna", true_track("wave")[0][::2][:16], frame_photo(SIZE, (64, 128), mode="centre"))
    return replace(made, engine="mimicmotion", settings=SETTINGS, **changes)


@pytest.fixture(scope="module")
def finished(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    pipeline.render_job(job(), folder)
    return folder


def master(folder: Path) -> np.ndarray:
    return np.stack(list(read_frames(folder / "master.mkv")))


def animate(tmp_path: Path, *more: str) -> int:
    motion = tmp_path / "motion.npz"
    moves.generate(MotionPlan((Segment("wave", 2.0, side="right"),), seed=2), fps=15)[:3].save(motion)
    photo = ["--image", str(PEOPLE / "anna.jpg"), "-o", str(tmp_path / "out.mp4")]
    return cli.main(["animate", "--motion", str(motion), *photo, *more])


def test_the_command_line_renders_and_says_that_the_weights_are_made_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--engine", "mimicmotion", "--size", "128x192", "--steps", "2", "--set", "guidance=1.0"]
    assert animate(tmp_path, *more, "--keep", str(tmp_path / "kept"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["fidelity"], told["fps"], told["size"], told["frames"]) == ("stand_in", 15.0, [128, 192], 3)
    assert told["settings"] == {"steps": 2, "guidance": 1.0}
    sums = told["stages"]["render"]["weights_sha256"]
    assert len(sums["mimicmotion/mimicmotion.safetensors"]) == 64
    assert len(list(read_frames(tmp_path / "out.mp4"))) == 3
    assert (tmp_path / "kept" / "engine" / "latents.safetensors").is_file()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--set", "stpes=3"], "invalid_setting"),
        (["--set", "steps"], "invalid_setting"),
        (["--quality", "great"], "invalid_setting"),
        (["--size", "130x192"], "invalid_size"),
        (["--engine", "draft", "--steps", "3"], "invalid_setting"),
    ],
)
def test_what_cannot_be_set_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: str
) -> None:
    assert animate(tmp_path, "--engine", "mimicmotion", *more, "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code
    assert not (tmp_path / "out.mp4").exists()


def test_missing_weights_are_told_with_the_command_that_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLEXIMO_MODELS", str(tmp_path / "none"))
    assert animate(tmp_path, "--engine", "mimicmotion") == 1
    assert "fleximo models pull svd" in capsys.readouterr().err


def test_a_killed_render_job_goes_on_and_ends_with_the_same_files(
    finished: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real, made = PoseUNet.forward, []

    class Killed(BaseException):
        pass

    def forward(self: PoseUNet, *given: Any, **named: Any) -> Any:
        made.append(1)
        if len(made) == 8:  # six calls a step
            raise Killed
        return real(self, *given, **named)

    monkeypatch.setattr(PoseUNet, "forward", forward)
    with pytest.raises(Killed):
        pipeline.render_job(job(), tmp_path)
    assert write_preview(tmp_path, tmp_path / "shown.jpg") and (tmp_path / "shown.jpg").stat().st_size > 100
    catalog._loaded.pop("mimicmotion")  # what the process knew is gone with it
    pipeline.render_job(job(), tmp_path)
    assert len(made) == 8 + 6
    assert (tmp_path / "master.mkv").read_bytes() == (finished / "master.mkv").read_bytes()
    assert same_pictures(tmp_path / "video.mp4", finished / "video.mp4")


def test_a_range_with_another_seed_leaves_the_other_frames_alone(finished: Path, tmp_path: Path) -> None:
    before = master(finished)
    done = pipeline.render_job(job(seed=9, window=(5, 8)), tmp_path, previous=finished)
    after = master(tmp_path)
    outside = [*range(5), *range(8, 16)]
    assert np.array_equal(after[outside], before[outside])
    assert all(not np.array_equal(after[frame], before[frame]) for frame in (5, 6, 7))
    assert done.frames == 16 and done.frames_rendered == 3 and done.notices == ()


def test_the_drawn_frames_of_an_adapter_replace_our_drawing(tmp_path: Path) -> None:
    from backend.media import VideoWriter
    from backend.models.mimicmotion.pictures import skeletons
    from fleximo.pose_track import PoseSignal

    made = job()
    drawn = np.random.default_rng(0).integers(0, 256, (16, 128, 64, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "drawn.ffv1.mkv", (64, 128), 15, lossless=True) as writer:
        writer.write(drawn)
    signal = PoseSignal(made.signal.track, (tmp_path / "drawn.ffv1.mkv").read_bytes())
    found = skeletons(replace(made, signal=signal), [0, 4, 16])
    assert np.array_equal(found[1:], drawn[[3, 15]])
    assert np.array_equal(found[0], skeletons(made, [0])[0])
