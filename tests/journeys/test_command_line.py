"""The commands as a user types them, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cli import main
from backend.media import read_video
from fleximo import Motion, PoseTrack

PEOPLE = Path(__file__).parents[1] / "data" / "people"
SMALL = ["--size", "144x256", "--fps", "10"]


def fleximo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backend.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    done = fleximo(
        "animate", "she waves her left hand, then juggles", "--image", PEOPLE / "kenji.jpg",
        "-o", folder / "out.mp4", "--keep", folder / "keep", "--report", folder / "report.json", *SMALL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "unmatched_text" in done.stdout and "juggles" in done.stdout
    assert done.stderr == ""
    return folder


def test_keep_holds_every_intermediate(kept: Path) -> None:
    names = {path.name for path in (kept / "keep").iterdir()}
    assert names >= {
        "plan.json", "motion.npz", "person.json", "mask.png", "pose_track.npz", "pose.mp4", "master.mkv",
        "video.mp4", "report.json",
    }  # fmt: skip
    report = json.loads((kept / "report.json").read_text())
    assert set(report) >= {
        "text", "engine", "fidelity", "stages", "warnings", "plan", "frames", "fps", "size", "seed", "timings_s",
        "peak_rss_mb", "versions", "models",
    }  # fmt: skip
    assert report["fidelity"] == "draft" and report["size"] == [144, 256] and report["fps"] == 10
    assert "unmatched_text" in report["warnings"]
    assert report["plan"]["segments"][0]["move"] == "wave" and report["plan"]["segments"][0]["side"] == "left"
    frames = report["frames"]
    assert len(read_video(kept / "out.mp4")) == len(read_video(kept / "keep" / "pose.mp4")) == frames
    assert len(PoseTrack.load(kept / "keep" / "pose_track.npz")) == frames
    assert json.loads((kept / "keep" / "person.json").read_text())["framing"]["canvas_size"] == [144, 256]


def test_frames_of_a_kept_run_are_rendered_again(kept: Path) -> None:
    done = fleximo("render", "--from", kept / "keep" / "report.json", "--range", "5:9", "--json")
    assert done.returncode == 0, done.stderr
    videos = json.loads(done.stdout)["videos"]
    assert len(videos) == 1 and all(len(read_video(Path(path))) == len(read_video(kept / "out.mp4")) for path in videos)


def test_variants_that_would_be_equal_are_refused(kept: Path) -> None:
    done = fleximo("render", "--from", kept / "keep" / "report.json", "--range", "5:9", "--variants", "2")
    assert done.returncode == 1 and "same picture" in done.stderr


def test_a_motion_file_takes_the_place_of_the_text(kept: Path, tmp_path: Path) -> None:
    done = fleximo(
        "animate", "--motion", kept / "keep" / "motion.npz", "--image", PEOPLE / "anna.jpg", "-o", tmp_path / "o.mp4",
        *SMALL, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["plan"] is None
    assert len(read_video(tmp_path / "o.mp4")) > 5


def test_score_judges_a_video_against_its_track(tmp_path: Path) -> None:
    done = fleximo(
        "animate", "she raises both arms", "--image", PEOPLE / "anna.jpg", "-o", tmp_path / "o.mp4", "--keep",
        tmp_path / "keep", "--size", "288x512", "--fps", "8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = fleximo(
        "score", tmp_path / "o.mp4", "--target", tmp_path / "keep" / "pose_track.npz", "--plot", tmp_path / "p.png",
        "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pck_0.2"] > 0.9
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_plan_motion_and_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "he kicks twice"]) == 0
    assert json.loads(capsys.readouterr().out)["segments"][0]["repeats"] == 2
    assert main(["motion", "he kicks twice", "-o", str(tmp_path / "kick.npz")]) == 0
    motion = Motion.load(tmp_path / "kick.npz")
    assert motion.joints().shape[1:] == (52, 3)
    assert main(["convert", str(tmp_path / "kick.npz"), str(tmp_path / "kick.bvh")]) == 0
    assert (tmp_path / "kick.bvh").read_text().startswith("HIERARCHY")
    assert main(["motion", "he kicks", "-o", str(tmp_path / "kick.xyz")]) == 1
    assert ".npz" in capsys.readouterr().err


def test_convert_keeps_the_mesh_and_says_that_it_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    from tests.fixtures.synthetic_body import make_body, random_pose

    vertices, _ = make_body().skin(*random_pose(30))
    source, kept = tmp_path / "mesh.npy", tmp_path / "mesh.pc2"
    np.save(source, vertices.astype(np.float32))
    assert main(["convert", str(source), str(tmp_path / "o.npz"), "--mesh", str(kept)]) == 0
    assert "estimated" in capsys.readouterr().out
    assert kept.stat().st_size == 32 + vertices.size * 4
    kept.unlink()
    assert main(["convert", str(tmp_path / "o.npz"), str(tmp_path / "o.bvh"), "--mesh", str(kept)]) == 1
    assert "--mesh" in capsys.readouterr().err and not kept.exists() and not (tmp_path / "o.bvh").exists()


def test_detect_writes_person_and_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, out, mask = PEOPLE / "david.jpg", tmp_path / "person.json", tmp_path / "mask.png"
    assert main(["detect", str(photo), "-o", str(out), "--mask", str(mask)]) == 0
    assert "of 18 body points" in capsys.readouterr().out
    assert mask.read_bytes().startswith(b"\x89PNG")


def test_errors_are_one_sentence_and_usage_is_code_2(tmp_path: Path) -> None:
    done = fleximo("animate", "she waves", "--image", tmp_path / "none.jpg", "-o", tmp_path / "o.mp4")
    assert done.returncode == 1
    assert done.stderr.startswith("fleximo: ") and done.stderr.count("\n") == 1 and "none.jpg" in done.stderr
    assert fleximo("animate").returncode == 2
    blank = fleximo("plan", "")
    assert blank.returncode == 1 and "Traceback" not in blank.stderr


def test_a_photo_of_nobody_names_the_way_by_hand(tmp_path: Path) -> None:
    import numpy as np

    from backend.evaluate.sheet import write_picture

    write_picture(tmp_path / "wall.png", np.full((400, 300, 3), 180, dtype=np.uint8))
    done = fleximo("animate", "she waves", "--image", tmp_path / "wall.png", "-o", tmp_path / "o.mp4", "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "no_person" and "--points" in error["message"]


def test_doctor_models_and_help_speak(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "Python" in out and "key-point models" in out
    assert main(["models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][0]["sha256"]
    for command in ("animate", "serve", "score", "detect"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        assert "Example: fleximo" in capsys.readouterr().out
