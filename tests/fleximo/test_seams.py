"""Seams measured: what jumps or slides is seen, what does not is not."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo.motion import Motion
from fleximo.seams import MAX_JUMP_M, measure_seams, slide_m_s
from fleximo.transitions import join
from tests.fleximo import move_metrics as measure


def cut(*parts: Motion) -> Motion:
    """The parts one after another with no join at all."""
    rows = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("rotations", "root", "contacts")}
    return Motion(rows["rotations"], rows["root"], parts[0].fps, rows["contacts"], parts[0].rig)


def test_a_hard_cut_is_poor_and_a_join_of_the_same_parts_is_good() -> None:
    raised = measure.example("raise_arms", seconds=2.0)
    walk = measure.example("walk", seconds=2.0)
    middle = raised[: len(raised) // 2]
    (hard,) = measure_seams(cut(middle, walk), [len(middle)])
    (soft,) = measure_seams(join([middle, walk]), [len(middle)])
    assert hard.jump_m > 0.3 and hard.quality == "poor"
    assert soft.jump_m <= MAX_JUMP_M and soft.quality != "poor"


def test_the_pelvis_has_a_measure_of_its_own() -> None:
    idle = measure.example("idle", seconds=2.0)
    beside = measure.changed(idle, root=idle.root + np.array([0.05, 0.0, 0.0], dtype=np.float32))
    (seam,) = measure_seams(cut(idle[:30], beside[30:]), [30])
    assert seam.root_jump_m == pytest.approx(0.05, abs=2e-3)
    assert seam.slide_m_s == pytest.approx(0.05 * 30, rel=0.05)


def test_a_planted_toe_that_moves_is_a_slide_and_one_in_the_air_is_not() -> None:
    idle = measure.example("idle", seconds=2.0)
    drift = np.linspace(0.0, 0.4, len(idle))[:, None] * np.array([1.0, 0.0, 0.0])
    sliding = measure.changed(idle, root=(idle.root + drift).astype(np.float32))
    assert slide_m_s(sliding) == pytest.approx(0.4 / 59 * 30, rel=0.05)
    assert slide_m_s(measure.changed(sliding, contacts=np.zeros_like(idle.contacts))) == 0.0
    (seam,) = measure_seams(sliding, [30], ["decoded together"])
    assert seam.quality == "poor" and seam.kind == "decoded together"


def test_a_seam_tells_where_it_is() -> None:
    idle = measure.example("idle", seconds=2.0)
    first, last = measure_seams(idle, [1, len(idle) - 1])
    assert (first.frame, first.seconds) == (1, pytest.approx(1 / 30))
    assert last.to_json()["quality"] == "good"
    assert set(last.to_json()) == {"frame", "seconds", "kind", "jump_m", "root_jump_m", "slide_m_s", "quality"}
    assert measure_seams(idle, []) == ()
