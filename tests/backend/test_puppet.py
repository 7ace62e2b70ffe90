"""The puppet travels: what is cut on one machine moves on another exactly as where it was cut."""

from __future__ import annotations

import numpy as np
import pytest

from backend.models.draft import DraftPuppet
from fleximo import FleximoError
from fleximo.job import RenderJob
from fleximo.puppet import Puppet, Sequence
from tests.backend.draft_truth import make_job, true_track


@pytest.fixture(scope="module")
def cut() -> tuple[Puppet, RenderJob]:
    job = make_job("anna", true_track("wave")[0])
    return DraftPuppet().puppet(job), job


def test_it_is_the_same_after_travelling(cut: tuple[Puppet, RenderJob]) -> None:
    puppet, job = cut
    content = puppet.to_bytes()
    assert len(content) < 6_000_000
    again = Puppet.from_bytes(content)
    assert (again.scene == puppet.scene).all() and again.folded_arms == puppet.folded_arms
    assert [piece.name for piece in again.pieces] == [piece.name for piece in puppet.pieces]
    shown = [Sequence(each, job.signal.track, job.camera, 1.7).frame(20) for each in (puppet, again)]
    assert len(shown[0]) == len(shown[1]) > 8
    for a, b in zip(*shown):
        assert a.box == b.box and (a.grid == b.grid).all() and (a.texture == b.texture).all()


def test_a_single_frame_is_placed_as_within_the_track(cut: tuple[Puppet, RenderJob]) -> None:
    """A live view knows the pose of this moment only."""
    puppet, job = cut
    whole = Sequence(puppet, job.signal.track, job.camera, 1.7)
    one = Sequence(puppet, job.signal.track[20:21], job.camera, 1.7)
    for a, b in zip(whole.frame(20), one.frame(0)):
        assert a.box == b.box and np.abs(a.grid - b.grid).max() < 1e-3


def test_damage_is_told(cut: tuple[Puppet, RenderJob]) -> None:
    content = cut[0].to_bytes()
    for wrong in (b"", b"nonsense", content[:1000], content[: len(content) // 2]):
        with pytest.raises(FleximoError, match="puppet"):
            Puppet.from_bytes(wrong)
