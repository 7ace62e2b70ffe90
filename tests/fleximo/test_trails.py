"""Which frames trails and ghosts show, and their lines and dots."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo.trails import discs, ghost_frames, trail_fades, trail_frames, trail_lines


@pytest.mark.parametrize(("current", "expected"), [(50, range(38, 63)), (5, range(1, 18)), (98, range(86, 101)),
                                                   (200, range(0))])  # fmt: skip
def test_trails_stay_within_the_take(current: int, expected: range) -> None:
    assert list(trail_frames(current, 1, 101, 12)) == list(expected)


def test_ghosts_lie_on_both_sides_and_the_nearest_come_last() -> None:
    ghosts = ghost_frames(50, 1, 101, 3, 6)
    assert set(ghosts) == {32, 38, 44, 56, 62, 68}
    assert list(ghosts)[-2:] == [44, 56] and ghosts[44] == ghosts[56] > ghosts[38] > ghosts[32] > 0.0
    assert set(ghost_frames(3, 1, 101, 2, 6)) == {9, 15}
    assert ghost_frames(50, 1, 101, 0, 6) == {}


def test_lines_join_neighbouring_frames_and_fade() -> None:
    frames = trail_frames(10, 1, 101, 4)
    fades = trail_fades(frames, 10, 4)
    assert fades.argmax() == 4 and fades.max() == 1.0 and (np.diff(fades[:5]) > 0.0).all() and fades.min() > 0.0
    paths = np.arange(2 * len(frames) * 3, dtype=float).reshape(2, len(frames), 3)
    colours = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    lines = trail_lines(paths, colours, fades)
    assert lines.places.shape == (2 * 2 * 8, 3) and lines.colours.shape == (32, 4)
    assert (lines.places[0] == paths[0, 0]).all() and (lines.places[1] == lines.places[2]).all()
    assert (lines.places[16] == paths[1, 0]).all() and (lines.colours[16, :3] == colours[1]).all()
    assert lines.colours[7, 3] == fades[4]
    assert len(trail_lines(paths[:, :1], colours, fades[:1]).places) == 0, "one frame has no way"


def test_discs_face_the_viewer() -> None:
    centres = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    corners, triangles = discs(centres, np.array([0.1, 0.2]), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    assert (np.abs(np.linalg.norm(corners - centres[:, None], axis=2) - [[0.1], [0.2]]) < 1e-12).all()
    assert (corners[..., 0] == centres[:, None, 0]).all()
    flat = corners.reshape(-1, 3)[triangles]
    area = np.linalg.norm(np.cross(flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]), axis=1).sum() / 2.0
    assert area == pytest.approx(np.pi * (0.01 + 0.04), rel=0.08)
