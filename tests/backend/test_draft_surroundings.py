"""What the canvas shows beyond the photo's edges."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from backend.models.draft import DraftPuppet
from backend.stages import silent
from fleximo import MotionPlan, Segment, moves, take
from tests.backend.draft_truth import true_person

PEOPLE = Path(__file__).parents[1] / "data" / "people"


def test_a_wide_canvas_does_not_show_the_person_again_in_the_mirror() -> None:
    motion = moves.generate(MotionPlan((Segment("idle", 0.5),)), fps=4)
    photo = (PEOPLE / "anna.jpg").read_bytes()
    job = take.make_job(motion, true_person("anna"), photo, fps=Fraction(4), size=(512, 288))
    frame = DraftPuppet().render(job, silent).frames[0].astype(int)
    left, right = job.framing.to_canvas([[0, 0], [576, 0]])[:, 0]
    beyond = np.concatenate((frame[:, : int(left) - 2], frame[:, int(right) + 2 :]), axis=1)
    assert beyond.shape[1] > 100
    blue = beyond[..., 2] - beyond[..., 0]
    assert (blue > 25).mean() < 0.002  # shirt and jeans; wall and floor have none
