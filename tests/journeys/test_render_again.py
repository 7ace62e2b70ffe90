"""`fleximo render` on a kept run: a changed motion, a chosen range, and what neither can do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend import refine
from backend.cli import main
from backend.media import read_video
from fleximo import Motion
from fleximo.pose_track import PoseTrack
from tests.backend.test_refine import Poser, looking, poser

__all__ = ["poser"]  # the fixture

PEOPLE = Path(__file__).parents[1] / "data" / "people"


@pytest.fixture(scope="module")
def keep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    command = ["animate", "she waves her left hand", "--image", str(PEOPLE / "kenji.jpg"), "-o", str(folder / "o.mp4")]
    assert main([*command, "--keep", str(folder / "keep"), "--size", "144x256", "--fps", "10"]) == 0
    return folder / "keep"


def bent(keep: Path, to: Path) -> Path:
    """The kept motion with an elbow bent for 0.3 s in its middle."""
    motion = Motion.load(keep / "motion.npz")
    rotations, middle = motion.rotations.copy(), len(motion) // 2
    rotations[middle : middle + round(0.3 * motion.fps), motion.rig.index("right_elbow")] = (
        np.cos(0.5),
        0,
        np.sin(0.5),
        0,
    )
    replace(motion, rotations=rotations).save(to)
    return to


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    capsys.readouterr()
    assert main(["render", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_same_motion_renders_nothing(
    keep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend import changed

    monkeypatch.setattr(changed, "render_job", lambda *given, **named: pytest.fail("something was rendered"))
    found = run(capsys, "--from", keep, "--motion", keep / "motion.npz", "-o", tmp_path / "out")
    assert found["videos"] == [] and found["frames_rendered"] == 0 and not (tmp_path / "out").exists()


def test_a_changed_motion_renders_its_frames_and_can_be_changed_again(
    keep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = bent(keep, tmp_path / "edited.npz")
    there = run(capsys, "--from", keep / "report.json", "--motion", edited, "-o", tmp_path / "there")
    [[start, stop]] = there["ranges"]
    count = len(read_video(keep / "master.mkv"))
    assert 0 < start < stop < count and there["frames_rendered"] == stop - start == 3
    back = run(capsys, "--from", tmp_path / "there", "--motion", keep / "motion.npz", "-o", tmp_path / "back")
    assert back["ranges"] == there["ranges"]
    old, new, again = (
        read_video(folder / "master.mkv").frames for folder in (keep, tmp_path / "there", tmp_path / "back")
    )
    assert np.flatnonzero((old != new).any(axis=(1, 2, 3))).tolist() == list(range(start, stop))
    left = np.abs(old.astype(int) - again)
    assert left.max() < 12 and left.mean() < 1e-3, "but for a motion's rounding in its file"


def test_a_refined_run_is_changed_and_repaired_from_its_refined_skeleton(
    keep: Path,
    poser: Poser,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By an engine that does dark what it is told unsurely, which only what is not refined is."""
    find = looking(PoseTrack.load(keep / "pose_track.npz"), 1.0, 6.0)
    monkeypatch.setattr(refine, "find_whole_body", lambda frame, detector: find(frame))
    command = ["animate", "--image", str(PEOPLE / "kenji.jpg"), "-o", str(tmp_path / "o.mp4"), "--engine", "poser"]
    command += ["--motion", str(keep / "motion.npz"), "--keep", str(tmp_path / "keep"), "--size", "144x256"]
    assert main([*command, "--fps", "10", "--refine"]) == 0
    refined = PoseTrack.load(tmp_path / "keep" / "refined.npz")
    assert (PoseTrack.load(tmp_path / "keep" / "pose_track.npz").points_px == refined.points_px).all()
    edited = bent(tmp_path / "keep", tmp_path / "edited.npz")
    there = run(capsys, "--from", tmp_path / "keep", "--motion", edited, "-o", tmp_path / "there")
    assert there["frames_rendered"] == 3 and len(there["ranges"]) == 1
    again = run(capsys, "--from", tmp_path / "there", "--range", "2:5", "-o", tmp_path / "again")
    for folder in (tmp_path / "there", Path(again["videos"][0]).parent):
        assert (read_video(folder / "master.mkv").frames.mean(axis=(1, 2, 3)) > 130).all(), folder.name
        way = np.abs(PoseTrack.load(folder / "refined.npz").points_px - refined.points_px).max(axis=(1, 2))
        assert np.flatnonzero(way > 0.05).tolist() == list(range(*there["ranges"][0]))


def test_a_range_stays_a_part_of_the_same_run(keep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "--from", keep, "--range", "3:6", "-o", tmp_path / "v")
    report = json.loads((tmp_path / "v" / "1" / "report.json").read_text())
    assert report["range"]["frames"] == [3, 6] and report["range"]["engine"] == "draft"
    again = run(capsys, "--from", tmp_path / "v" / "1", "--motion", keep / "motion.npz")
    assert again["frames_rendered"] == 0, "the seed of a range does not make the run another"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Either --range or --motion"),
        (["--range", "3:6", "--motion", "keep/motion.npz"], "Either --range or --motion"),
        (["--range", "3:6", "--seed", "4"], "same picture for every seed"),
        (["--range", "3:6", "--variants", "5"], "1 to 4"),
        (["--range", "9:900"], "A:B inside"),
        (["--range", "3:6", "--engine", "nonesuch"], "not known"),
        (["--range", "3:6", "--steps", "3"], "no settings"),
        (["--motion", "keep/motion.npz", "--seed", "4"], "belong to --range"),
        (["--range", "3:6", "-o", "keep"], "the kept run itself"),
    ],
)
def test_what_cannot_be_done_is_said(
    keep: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(keep.parent)
    assert main(["render", "--from", "keep", *arguments]) == 1
    assert told in capsys.readouterr().err


def test_a_folder_without_a_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "--from", str(tmp_path), "--range", "1:2"]) == 1
    assert "holds no kept run" in capsys.readouterr().err


def test_a_kept_run_is_looked_at_again(keep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["check", str(keep), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kept = json.loads((keep / "self_check.json").read_text())
    assert told["looks"] == kept["looks"] and told["every"] == 1 and told["peaks"] == []
    assert told["mean_error"] < 0.1 and all(look["found"] for look in told["looks"])
    assert main(["check", str(keep / "report.json")]) == 0
    assert f"looked at {told['frames']} of {told['frames']} frames" in capsys.readouterr().out
    assert main(["check", str(tmp_path)]) == 1
    assert "holds no kept run" in capsys.readouterr().err
    assert main(["check", "01234567-0123-0123-0123-0123456789ab", "--data", str(tmp_path)]) == 1
    assert "fleximo serve" in capsys.readouterr().err
