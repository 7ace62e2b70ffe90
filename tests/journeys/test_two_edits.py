"""A shot edited in two places far apart: one `fleximo render` renders both, and every frame between stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import catalog
from backend.cli import main
from backend.media import GOP, read_video
from fleximo import Motion, MotionPlan, Segment, moves

PHOTO = Path(__file__).parents[1] / "data" / "people" / "anna.jpg"
EDITS = ((10, 16), (50, 56))
COUNT = 66
# Engine, how it is run small, how many frames around an edit it renders too.
ENGINES = {
    "draft": (["--size", "96x176"], 0),
    "mimicmotion": (
        ["--size", "64x64", "--steps", "1", *"--set guidance=1 --set decode_chunk=8 --set decode_overlap=1".split()],
        4,
    ),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_both_are_rendered_and_nothing_between(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options, around = ENGINES[engine]
    if catalog.engine(engine).bundles:
        pytest.importorskip("torch")
        pytest.importorskip("diffusers")
        from tests.fixtures.tiny_models import tiny_models

        monkeypatch.setenv("FLEXIMO_MODELS", str(tiny_models()))
        monkeypatch.setattr(catalog, "_loaded", {})
    moves.generate(MotionPlan((Segment("wave", COUNT / 15),)), fps=15).save(tmp_path / "wave.npz")
    whole = ["animate", "", "--image", str(PHOTO), "-o", str(tmp_path / "o.mp4"), "--keep", str(tmp_path / "keep")]
    assert main([*whole, "--motion", str(tmp_path / "wave.npz"), "--fps", "15", "--engine", engine, *options]) == 0
    edited(Motion.load(tmp_path / "keep" / "motion.npz")).save(tmp_path / "edited.npz")
    capsys.readouterr()
    change = ["render", "--from", str(tmp_path / "keep"), "--motion", str(tmp_path / "edited.npz"), "--json"]
    assert main([*change, "-o", str(tmp_path / "new")]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    ranges = [[start - around, stop + around] for start, stop in EDITS]
    assert told["ranges"] == ranges and told["frames_rendered"] == sum(stop - start for start, stop in ranges)
    old, new = (read_video(tmp_path / name / "master.mkv").frames for name in ("keep", "new"))
    assert len(new) == COUNT
    inside = np.concatenate([np.arange(*each) for each in ranges])
    assert np.array_equal(np.delete(new, inside, axis=0), np.delete(old, inside, axis=0))
    differs = (new != old).any(axis=(1, 2, 3))
    assert all(differs[start:stop].all() for start, stop in EDITS)
    old, new = (read_video(tmp_path / name / "video.mp4").frames for name in ("keep", "new"))
    untouched = [n for n in range(COUNT) if n // GOP not in set(inside // GOP)]
    assert len(untouched) >= GOP and np.array_equal(old[untouched], new[untouched])


def edited(motion: Motion) -> Motion:
    """The right elbow bent within both edits."""
    rotations, elbow = motion.rotations.copy(), motion.rig.index("right_elbow")
    for start, stop in EDITS:
        rotations[start:stop, elbow] = (np.cos(0.5), 0, np.sin(0.5), 0)
    return replace(motion, rotations=rotations)
