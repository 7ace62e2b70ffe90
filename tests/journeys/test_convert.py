"""`fleximo convert` and `fleximo motion` with other programs' files, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.cli import main
from fleximo import Motion
from fleximo.formats import read_motion
from tests.fleximo import motion_files as files


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_motion_of_several_goes_to_another_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = [files.truth()[:20], files.truth()[5:40]]
    (tmp_path / "results.npy").write_bytes(files.mdm_results(clips))
    output = tmp_path / "walk.bvh"
    code, out, _ = run(capsys, "convert", tmp_path / "results.npy", output, "--item", 1, "--json")
    told = json.loads(out)
    assert code == 0 and (told["items"], told["item"], told["frames"], told["fps"]) == (2, 1, 35, 20.0)
    assert told["kind"] == "MDM, joints" and told["text"] == "clip 1" and "several_motions" in told["warnings"]
    assert np.abs(read_motion(output).joints()[:, :22] - clips[1].joints()[:, :22]).max() < 0.03
    code, out, err = run(capsys, "convert", tmp_path / "results.npy", output, "--item", 2)
    assert code == 1 and "2 motions" in err and str(tmp_path) in err and out == ""


def test_a_text_becomes_joints_and_features_of_humanml3d(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joints, vectors, back = (tmp_path / name for name in ("joints.npy", "vectors.npy", "back.npz"))
    assert run(capsys, "motion", "she nods twice", "-o", joints)[0] == 0
    code, out, _ = run(capsys, "motion", "she nods twice", "-o", vectors, "--features")
    assert code == 0 and "resampled" in out
    assert np.load(joints).shape[1:] == (22, 3) and np.load(vectors).shape == (len(np.load(joints)) - 1, 263)
    assert run(capsys, "convert", vectors, back)[0] == 0
    assert len(Motion.load(back)) == len(np.load(vectors))


def test_hostile_and_useless_files_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.npz"
    for content in (b"cos\nsystem\n(S'x'\ntR.", b"(cos\nsystem\n(S'x'\ntR.", b"", files.amass(files.truth())[:5000]):
        (tmp_path / "in").write_bytes(content)
        code, out, err = run(capsys, "convert", tmp_path / "in", output)
        assert code == 1 and out == "" and err.count("\n") == 1 and "Traceback" not in err
    assert not output.exists()
    (tmp_path / "in.npz").write_bytes(files.amass(files.truth()))
    code, _, err = run(capsys, "convert", tmp_path / "in.npz", tmp_path / "in.npz")
    assert code == 1 and "overwritten" in err
