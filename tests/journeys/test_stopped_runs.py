"""A run on the command line that is killed or interrupted: the same command goes on, and leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend import commands, refine
from backend.cli import main
from backend.run_folder import run_folder
from tests.backend.same_pictures import same_pictures

PHOTO = Path(__file__).parents[1] / "data" / "people" / "kenji.jpg"


def command(folder: Path) -> list[str]:
    run = ["animate", "she nods", "--image", str(PHOTO), "-o", str(folder / "o.mp4"), "--keep", str(folder / "keep")]
    return [*run, "--size", "288x512", "--fps", "6", "--refine"]


def work_of(folder: Path) -> list[Path]:
    return list((folder / "keep").glob(".fleximo-*"))


def test_a_refinement_killed_in_its_second_render_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path / "calm")) == 0
    stormy = tmp_path / "stormy"
    run = subprocess.Popen([sys.executable, "-m", "backend.cli", *command(stormy)], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 120
    while not list(stormy.glob("keep/.fleximo-*/passes/*/seen.npz")):
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.005)
    run.kill()
    assert run.wait() != 0 and not (stormy / "o.mp4").exists() and len(work_of(stormy)) == 1
    rendered, looked, real_render, real_look = [], [], refine.render_job, refine.seen_in
    monkeypatch.setattr(
        refine, "render_job", lambda job, *rest, **named: (rendered.append(job), real_render(job, *rest, **named))[1]
    )
    monkeypatch.setattr(refine, "seen_in", lambda video, *rest: (looked.append(video), real_look(video, *rest))[1])
    capsys.readouterr()
    assert main([*command(stormy), "--json"]) == 0
    assert len(rendered) == len(looked) <= 1, "the first video is neither rendered nor looked at again"
    told, calm = json.loads(capsys.readouterr().out), json.loads((tmp_path / "calm/keep/report.json").read_text())
    [only], [other] = told["refinement"], calm["refinement"]
    assert {**only, "seconds": 0} == {**other, "seconds": 0}
    assert (stormy / "keep/master.mkv").read_bytes() == (tmp_path / "calm/keep/master.mkv").read_bytes()
    assert same_pictures(stormy / "o.mp4", tmp_path / "calm/o.mp4")
    assert work_of(stormy) == [] == work_of(tmp_path / "calm")


def test_ctrl_c_keeps_what_is_finished_and_an_error_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(error: BaseException, *, late: bool) -> str:
        def animate(request: object, folder: Path, progress: object) -> None:
            if late:
                (folder / "windows").mkdir(exist_ok=True)
            raise error

        monkeypatch.setattr(commands.pipeline, "animate", animate)
        assert main(command(tmp_path)) == 1
        return capsys.readouterr().err

    assert "goes on" not in stopped(KeyboardInterrupt(), late=False) and work_of(tmp_path) == []
    assert "goes on from what is finished" in stopped(KeyboardInterrupt(), late=True)
    [work] = work_of(tmp_path)
    assert (work / "windows").is_dir()
    stopped(ValueError("?"), late=False)
    assert work_of(tmp_path) == []


def test_two_runs_do_not_make_the_same_video_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with run_folder(tmp_path / "o.mp4", tmp_path / "keep"):
        assert main(command(tmp_path)) == 1
        assert "is making" in capsys.readouterr().err and len(work_of(tmp_path)) == 1
        with run_folder(tmp_path / "other.mp4", tmp_path / "keep"):
            assert len(work_of(tmp_path)) == 2
    assert work_of(tmp_path) == []
