"""One segment exchanged: what stays the same bits, and what may change."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fleximo import FleximoError, Motion, MotionPlan
from fleximo.exchange import Exchange, Span, exchange_segment
from fleximo.moves import generate
from fleximo.plan import Segment
from fleximo.rig import DEFAULT_RIG

FPS = Fraction(30)
PLAN = MotionPlan((Segment("wave", 2.0), Segment("bow", 2.0), Segment("clap", 2.0), Segment("squat", 2.0)), seed=4)
SEAM = round(0.4 * 30)
LEG = ("hip", "knee", "ankle")


def put_together(old: Motion, made: Exchange) -> Motion:
    """The old motion with the spans replaced, as keys are."""

    def spliced(before: np.ndarray, after: np.ndarray, span: Span) -> np.ndarray:
        return np.concatenate((before[: span.start], after[span.start : span.new_stop], before[span.stop :]))

    new = made.motion
    rotations = np.stack(
        [spliced(old.rotations[:, j], new.rotations[:, j], span) for j, span in enumerate(made.joints)], axis=1
    )
    root, contacts = spliced(old.root, new.root, made.root), spliced(old.contacts, new.contacts, made.contacts)
    return replace(old, rotations=rotations, root=root, contacts=contacts)


@pytest.mark.parametrize(
    "segment",
    [
        replace(PLAN.segments[1], seed=77),
        replace(PLAN.segments[1], seconds=3.0),
        replace(PLAN.segments[1], seconds=0.5),
        Segment("raise_arms", 2.0),
    ],
)
def test_nothing_changes_further_than_a_seam_away(segment: Segment) -> None:
    old = generate(PLAN, fps=FPS)
    made = exchange_segment(PLAN, 1, segment, fps=FPS)
    assert made.longer == round((segment.seconds - 2.0) * 30) == len(made.motion) - len(old)
    assert (made.frames.start, made.frames.stop) == (60, 120)
    legs = [span for span, name in zip(made.joints, DEFAULT_RIG.joint_names) if name.endswith(LEG)]
    for span in (*made.joints, made.root, made.contacts):
        assert span.start >= 60 and span.new_stop - span.stop == made.longer
        # A planted foot keeps its place until it is lifted, within the next segment at the latest.
        assert span.stop <= (180 if span in legs else 120 + SEAM)
    assert min(span.start for span in made.joints) == 60 and max(span.stop for span in made.joints) > 120
    assert np.abs(made.motion.rotations[61:100] - old.rotations[61:100]).max() > 0.003
    again = put_together(old, made)
    assert (again.rotations == made.motion.rotations).all()
    assert (again.root == made.motion.root).all() and (again.contacts == made.motion.contacts).all()


def test_the_first_and_the_last_segment() -> None:
    for number in (0, 3):
        made = exchange_segment(PLAN, number, Segment("jump", 3.0), fps=FPS)
        again = put_together(generate(PLAN, fps=FPS), made)
        assert (again.rotations == made.motion.rotations).all() and (again.root == made.motion.root).all()


def test_who_arrives_elsewhere_goes_on_from_there() -> None:
    plan = MotionPlan((Segment("walk", 3.0), Segment("wave", 2.0)), seed=1)
    made = exchange_segment(plan, 0, Segment("walk", 3.0, speed=1.4), fps=FPS)
    arms = [made.joints[DEFAULT_RIG.index(f"{side}_elbow")].stop for side in ("left", "right")]
    assert max(arms) <= 90 + SEAM and made.root.stop == 150
    assert (put_together(generate(plan, fps=FPS), made).root == made.motion.root).all()


def test_the_same_segment_changes_nothing() -> None:
    made = exchange_segment(PLAN, 2, PLAN.segments[2], fps=FPS)
    assert all(span.start >= span.new_stop for span in (*made.joints, made.root, made.contacts))


def test_a_segment_s_own_seed_is_kept_and_used() -> None:
    seeded = replace(PLAN.segments[0], seed=5)
    assert Segment.from_json(seeded.to_json()) == seeded and "seed" not in PLAN.segments[0].to_json()
    plan = replace(PLAN, segments=(seeded, *PLAN.segments[1:]))
    assert (generate(plan, fps=FPS).rotations == generate(plan.with_seed(99), fps=FPS).rotations)[:59].all()
    with pytest.raises(FleximoError, match="There is no segment 4"):
        exchange_segment(PLAN, 4, seeded, fps=FPS)
