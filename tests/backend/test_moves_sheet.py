"""The contact sheet of the moves: it draws what moves, and says what it cannot write."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.evaluate.moves_sheet import draw_strip, example, key_frames, main


def test_key_frames_are_in_order_and_differ() -> None:
    frames = key_frames(example("wave"), 6)
    assert frames == sorted(set(frames)) and len(frames) == 6


def test_a_strip_shows_both_arms_and_the_raised_one_higher() -> None:
    motion = example("wave")
    strip = draw_strip(motion, [len(motion) // 2], yaw_deg=0.0).astype(int)
    orange = (strip[..., 2] > 180) & (strip[..., 0] < 90)
    blue = (strip[..., 0] > 150) & (strip[..., 2] < 90)
    assert orange.sum() > 300 and blue.sum() > 300
    # The right hand is up: orange pixels reach higher than blue ones, on the viewer's left.
    assert np.flatnonzero(orange.any(axis=1))[0] < np.flatnonzero(blue.any(axis=1))[0]
    assert np.flatnonzero(orange.any(axis=0)).mean() < np.flatnonzero(blue.any(axis=0)).mean()


def test_the_command_writes_a_picture(tmp_path: Path) -> None:
    out = tmp_path / "sheet" / "moves.png"
    assert main([str(out), "--only", "bow", "walk", "--columns", "1", "--no-labels"]) == 0
    sheet = cv2.imread(str(out))
    assert sheet.shape == (2 * 234, 6 * 150 + 12, 3)


def test_an_unwritable_place_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / "file" / "moves.png"), "--only", "idle"])
    assert stop.value.code == 1
    assert "cannot be written" in capsys.readouterr().err
