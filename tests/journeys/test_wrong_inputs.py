"""What a user gets wrong is told in one sentence before any work is done, and nothing of his is overwritten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from backend import catalog, commands, options
from backend.cli import main
from backend.models.detect import mediapipe_models
from backend.weights import bundled_models
from tests.fleximo import motion_files

PEOPLE = Path(__file__).parents[1] / "data" / "people"


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("fleximo: ") and told.err.count("\n") == 1
    return told.err


def test_a_file_that_is_read_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "photo.mp4"  # a strange name, but the user's only copy
    shutil.copy(PEOPLE / "anna.jpg", photo)
    before = photo.read_bytes()
    for arguments in (
        ("animate", "she waves", "--image", photo, "-o", photo),
        ("animate", "she waves", "--image", photo, "-o", tmp_path / "o.mp4", "--report", photo),
        ("detect", photo, "-o", photo),
        ("detect", photo, "-o", tmp_path / "person.json", "--mask", photo),
        ("score", photo, "--target", tmp_path / "track.npz", "--plot", photo),
    ):
        assert "overwritten" in refused(capsys, *arguments)
        assert photo.read_bytes() == before


def test_a_folder_as_output_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "o.mp4").mkdir()
    photo = PEOPLE / "anna.jpg"
    assert "is a folder" in refused(capsys, "animate", "she waves", "--image", photo, "-o", tmp_path / "o.mp4")
    assert "is a folder" in refused(capsys, "detect", photo, "-o", tmp_path / "o.mp4")
    assert list((tmp_path / "o.mp4").iterdir()) == []


@pytest.mark.parametrize("size", ["63x65", "5000x5000", "²x64", "576", "x", "0x0", "-64x64"])
def test_impossible_sizes_are_told(size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(
        capsys, "animate", "she waves", "--image", PEOPLE / "anna.jpg", "-o", tmp_path / "o.mp4", f"--size={size}"
    )
    assert size in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("animate", "she waves", "--image", "a.jpg", "-o", "o.mp4", "--seed=-1"),
        ("motion", "she waves", "-o", "o.npz", f"--seed={2**53}"),
        ("plan", "she waves", "--seed=1.5"),
        ("score", "v.mp4", "--target", "t.npz", "--every=often"),
        ("score", "o.mp4", "--target", "t.npz", "--every=0"),
        ("score", "o.mp4", "--target", "t.npz", "--every=-3"),
        ("animate", "--motion", "m.npz", "--item=first", "--image", "a.jpg", "-o", "o.mp4"),
    ],
)
def test_numbers_out_of_range_are_wrong_usage(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert "argument --" in told and " _" not in told, "no name of ours"


def test_a_points_file_of_nothing_is_not_ignored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "points.json").write_text("null")
    points = ("--points", tmp_path / "points.json")
    assert "points.json" in refused(capsys, "detect", PEOPLE / "anna.jpg", "-o", tmp_path / "p.json", *points)


def test_a_file_of_another_kind_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = PEOPLE / "anna.jpg"
    for arguments in (
        ("convert", photo, tmp_path / "o.bvh"),
        ("animate", "--motion", photo, "--image", PEOPLE / "david.jpg", "-o", tmp_path / "o.mp4"),
        ("score", tmp_path / "o.mp4", "--target", photo),
    ):
        assert str(photo) in refused(capsys, *arguments)


def test_a_motion_that_could_not_be_written_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def made(*given: object) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr(catalog, "motion_model", made)
    monkeypatch.setattr(options, "import_motion", made)
    (tmp_path / "a.npz").write_bytes(b"")
    for output, told in (
        ("o.fbx", "ending"),
        ("o", "ending"),
        ("a.npz/o.bvh", "no folder"),
        ("a" * 300 + ".npz", "too long"),
    ):
        assert told in refused(capsys, "motion", "she waves", "-o", tmp_path / output)
        assert told in refused(capsys, "convert", tmp_path / "a.npz", tmp_path / output)
    assert "features" in refused(capsys, "motion", "she waves", "-o", tmp_path / "o.npz", "--features")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_one_of_several_motions_is_animated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = [motion_files.truth()[:3], motion_files.truth()[:5]]
    (tmp_path / "results.npy").write_bytes(motion_files.mdm_results(clips))
    common = ("--image", PEOPLE / "anna.jpg", "-o", tmp_path / "o.mp4", "--size", "64x112", "--fps", "20", "--json")
    taken = ("animate", "--motion", tmp_path / "results.npy", "--item", "1", *common)
    assert main([str(word) for word in taken]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 5
    assert "--motion" in refused(capsys, "animate", "she waves", "--item", "1", *common[:-1])


def test_an_error_nobody_foresaw_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(arguments: object) -> dict[str, object]:
        raise RuntimeError("the unexpected")

    monkeypatch.setattr(commands, "plan", fails)
    assert "--debug" in refused(capsys, "plan", "she waves")
    assert main(["plan", "she waves", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "internal_error"
    assert main(["plan", "she waves", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_verify_knows_the_files_that_the_detector_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [row["path"].split("modules/")[1] for row in bundled_models()] == list(mediapipe_models._MODEL_FILES)
    assert main(["models", "verify"]) == 0
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"another file")
    assert main(["models", "verify"]) == 1
    assert capsys.readouterr().out.count("altered") == 6


def test_a_kept_folder_tells_of_one_run_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*what: object) -> None:
        common = ("--image", PEOPLE / "anna.jpg", "-o", tmp_path / "o.mp4", "--keep", tmp_path / "keep")
        assert main([str(word) for word in ("animate", *what, *common, "--size", "64x112", "--fps", "4")]) == 0

    run("she nods")
    first = {path.name for path in (tmp_path / "keep" / "blobs").iterdir()}
    shutil.copy(tmp_path / "keep" / "motion.npz", tmp_path / "nod.npz")
    (tmp_path / "keep" / "blobs" / "notes").write_text("the user's own")
    run("--motion", tmp_path / "nod.npz", "--fps", "4", "--seed", "3")
    run("--motion", tmp_path / "nod.npz", "--rescale", "off")
    kept = tmp_path / "keep"
    assert not (kept / "plan.json").exists()
    named = set(json.loads((kept / "job.json").read_text())["blobs"].values())
    there = {path.name for path in (kept / "blobs").iterdir()}
    assert there == named | {"notes"} and first - named
    assert main(["render", "--from", str(kept), "--range", "0:2"]) == 0


def test_missing_parts_of_a_kept_run_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, keep = PEOPLE / "anna.jpg", tmp_path / "keep"
    arguments = ["animate", "she nods", "--image", photo, "-o", tmp_path / "o.mp4", "--keep", keep, "--size", "64x112"]
    assert main([*map(str, arguments), "--fps", "4"]) == 0
    capsys.readouterr()
    (keep / "master.mkv").unlink()
    told = refused(capsys, "render", "--from", keep / "report.json", "--range", "0:2")
    assert str(keep) in told and "master.mkv is missing" in told
