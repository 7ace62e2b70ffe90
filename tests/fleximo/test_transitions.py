"""Joined motions and whole plans: continuous in pose, place and heading, feet planted through every join."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from fleximo import FleximoError, MotionPlan, Segment
from fleximo import rotations as rot
from fleximo.motion import Motion
from fleximo.moves import LIBRARY, generate, play
from fleximo.transitions import continued, inertialise, join, moved
from tests.fleximo import move_metrics as measure

FPS = Fraction(30)


def plan_of(*moves: str | Segment, seed: int = 0) -> MotionPlan:
    return MotionPlan(tuple(m if isinstance(m, Segment) else measure.example_segment(m) for m in moves), seed)


PLANS = [
    ("wave", "squat", "bow"),
    ("walk", "wave"),
    ("turn", "walk", "turn", "walk"),
    ("run", "jump", "clap"),
    ("sit_down", "nod", "drink", "stand_up", "walk"),
    ("sit_down", "wave", "walk"),
    ("kneel", "clap", "run"),
    ("sit_down", "sit_down", "shrug"),
    ("cross_arms", "shake_head", "raise_arms", "march"),
    ("kick", "punch", "throw", "golf_swing"),
    ("dance", "spin_dance", "jumping_jacks", "idle"),
    ("stand_up", "salute"),
    ("lunge", "pick_up", "stretch", "point", "catch"),
]
each_plan = pytest.mark.parametrize("moves", [p for p in PLANS if all(m in LIBRARY for m in p)], ids="-".join)


@each_plan
def test_a_plan_keeps_its_feet_and_its_joints(moves: tuple[str, ...]) -> None:
    plan = plan_of(*moves, seed=3)
    motion = generate(plan)
    assert len(motion) == sum(int(s.seconds * 30 + 0.5) for s in plan.segments)
    speeds = measure.stance_speeds(motion)
    assert speeds.mean() <= 1.0
    assert speeds.max() <= 5.0
    assert measure.lowest_point(motion) >= -0.012
    assert (measure.stance_by_height(motion) == motion.contacts).mean() >= 0.95
    assert measure.joint_speeds(motion).max() <= 1000.0
    for angle, (values, least, most) in measure.joint_angles(motion).items():
        assert values.min() > least - 3.0 and values.max() < most + 3.0, angle


@each_plan
def test_no_join_jumps(moves: tuple[str, ...]) -> None:
    plan = plan_of(*moves, seed=1)
    motion = generate(plan)
    q, root = motion.rotations.astype(np.float64), motion.root.astype(np.float64)
    turn = np.degrees(rot.angle_between(q[:-1], q[1:])).max(axis=1) * 30
    step = np.linalg.norm(np.diff(root, axis=0), axis=1) * 30
    ends = np.cumsum([int(s.seconds * 30 + 0.5) for s in plan.segments])[:-1]
    for end, first, then in zip(ends, plan.segments, plan.segments[1:]):
        own = play(then, fps=FPS)[0]
        quick = np.degrees(rot.angle_between(*(own.rotations[a].astype(float) for a in (slice(0, 11), slice(1, 12)))))
        window = slice(max(0, end - 2), end + 11)
        # What the next move does by itself may be quick (a jump gathers itself at once); the join adds little.
        assert turn[window].max() <= max(800.0, 1.2 * quick.max() * 30)
        assert step[end - 1] <= 0.6  # m/s
        ways = own.root[:4], play(first, fps=FPS)[0].root[-4:]
        pull = max(np.abs(np.diff(way.astype(float), n=2, axis=0)).max() * 900 for way in ways)
        assert np.abs(np.diff(root[end - 2 : end + 3], n=2, axis=0)).max() * 900 < 10.0 + pull


def test_place_and_heading_are_carried_on() -> None:
    left = Segment("turn", 1.4, direction="left")
    motion = generate(plan_of(left, "walk", left, "walk"))
    heading = np.degrees(np.unwrap(rot.yaw(motion.rotations[:, 0].astype(float))))
    assert abs(heading[-1] - 180.0) < 8.0
    first = play(measure.example_segment("walk"), fps=FPS)[1].z
    # Left is +x, then back towards -z.
    assert abs(motion.root[-1, 0] - first) < 0.1
    assert abs(motion.root[-1, 2] + first) < 0.1


def test_layers_move_only_their_joints() -> None:
    walk = Segment("walk", 4.0)
    alone = generate(MotionPlan((walk,)))
    waving = generate(MotionPlan((Segment("walk", 4.0, layers=(Segment("wave", 4.0, side="left", repeats=5),)),)))
    same = [j for j, name in enumerate(alone.rig.joint_names) if j not in alone.rig.descendants("left_collar")]
    assert np.array_equal(alone.rotations[:, same], waving.rotations[:, same])
    assert np.array_equal(alone.root, waving.root)
    wrist, shoulder = waving.positions("left_wrist", "left_shoulder")[30:-30, :, 1].T
    assert (wrist > shoulder).mean() > 0.9
    assert measure.joint_speeds(waving).max() <= 1000.0


def test_a_shorter_layer_ends_before_its_move() -> None:
    motion = generate(MotionPlan((Segment("walk", 6.0, layers=(Segment("salute", 2.0),)),)))
    brow = motion.positions("right_middle_tip", "right_eye")
    near = np.linalg.norm(brow[:, 0] - brow[:, 1], axis=1) < 0.1
    assert near[:60].any()
    assert not near[70:].any()


def test_the_move_that_needs_the_legs_carries_the_others() -> None:
    wave_first = Segment("wave", 4.0, repeats=5, layers=(Segment("walk", 4.0),))
    motion = generate(MotionPlan((wave_first,)))
    assert motion.root[-1, 2] > 2.0
    wrist, shoulder = motion.positions("right_wrist", "right_shoulder")[30:-30, :, 1].T
    assert (wrist > shoulder).mean() > 0.9


def test_who_sits_gestures_sitting_and_gets_up_to_walk() -> None:
    plan = plan_of("sit_down", "wave", "walk")
    motion = generate(plan)
    ends = np.cumsum([int(s.seconds * 30 + 0.5) for s in plan.segments])
    seat = motion.root[ends[0] - 1, 1]
    assert seat < 0.65
    assert np.abs(motion.root[ends[0] : ends[1], 1] - seat).max() < 0.03
    wrist, shoulder = motion.positions("right_wrist", "right_shoulder")[ends[0] : ends[1], :, 1].T
    assert (wrist > shoulder).any()
    assert motion.root[-1, 1] > 0.9
    assert np.linalg.norm(motion.root[-1, [0, 2]] - motion.root[ends[1], [0, 2]]) > 1.0


def test_whoever_stands_has_nothing_to_get_up_from() -> None:
    motion = generate(plan_of("wave", "stand_up"))
    assert motion.root[:, 1].min() > 0.9


def test_the_same_plan_gives_the_same_bits_at_any_progress() -> None:
    told: list[float] = []
    plan = plan_of("wave", "walk", "bow", seed=9)
    one = generate(plan, progress=lambda share, _: told.append(share))
    assert told == sorted(told) and len(told) == 3
    assert one.rotations.tobytes() == generate(plan).rotations.tobytes()


def test_feet_that_stand_elsewhere_step_to_their_new_place() -> None:
    """A stance half a foot away is reached by steps, one foot after the other, never by sliding."""
    before, after = (measure.example("idle", seconds=2.0, seed=seed) for seed in (0, 1))
    wide = after.root + np.array([0.12, 0.0, 0.08], dtype=np.float32)
    motion = join([before, moved(measure.changed(after, root=wide), (0.0, 0.0, 0.0))], [(0, 0, 0), (0, 0, 0)])
    assert measure.stance_speeds(motion).max() <= 5.0
    lifted = ~motion.contacts
    assert lifted[:, 0].any() and lifted[:, 1].any()
    assert not (lifted[:, 0] & lifted[:, 1]).sum() > 3
    assert np.abs(measure.toes(motion)[-1] - measure.toes(measure.changed(after, root=wide))[-1]).max() < 0.01


def test_feet_a_hair_away_take_no_step() -> None:
    """They are held, and led to their own place so slowly that nobody sees it: what follows must not depend on them."""
    before, after = (measure.example("idle", seconds=2.0, seed=seed) for seed in (0, 1))
    near = measure.changed(after, root=after.root + np.array([0.004, 0.0, 0.003], dtype=np.float32))
    motion = join([before, near], [(0, 0, 0), (0, 0, 0)])
    assert motion.contacts.all()
    assert measure.stance_speeds(motion).max() < 1.0
    assert np.array_equal(motion.root[-2:], near.root[-2:])


def test_inertialise_meets_both_sides() -> None:
    before, after = measure.example("raise_arms", seconds=2.0), measure.example("walk", seconds=2.0)
    cut = before[: round(0.45 * len(before))]  # arms in the air
    blended = inertialise(cut, after, 0.4)
    q = np.concatenate((cut.rotations, blended.rotations)).astype(np.float64)
    speeds = np.degrees(rot.angle_between(q[:-1], q[1:])) * 30
    assert speeds[len(cut) - 2 : len(cut) + 12].max() < 1000.0
    late = round(0.45 * 30)
    assert np.abs(blended.rotations[late:] - rot.continuous(after.rotations)[late:]).max() < 1e-5


def test_join_needs_motions_of_one_kind() -> None:
    with pytest.raises(FleximoError, match="no motion"):
        join([])
    thirty, sixty = measure.example("idle"), measure.example("idle", fps=60)
    with pytest.raises(FleximoError, match="cannot be joined"):
        join([thirty, sixty])


def test_join_without_exits_goes_on_from_the_pelvis() -> None:
    walk: Motion = measure.example("walk")
    twice = join([walk, walk])
    assert len(twice) == 2 * len(walk)
    assert abs(twice.root[-1, 2] - 2 * walk.root[-1, 2]) < 0.1


def test_every_pair_of_quick_moves_joins() -> None:
    names = ("wave", "walk", "squat", "turn")
    for a, b in itertools.product([n for n in names if n in LIBRARY], repeat=2):
        motion = generate(plan_of(Segment(a, 1.2), Segment(b, 1.2)))
        assert len(motion) == 72
        assert measure.stance_speeds(motion).max() <= 5.0, (a, b)


FAR = ("wave", "walk", "bow", "turn", "jump", "clap", "raise_arms")


@pytest.mark.parametrize(("number", "other"), [(0, "walk"), (2, "kick"), (3, "nod"), (6, "dance")])
def test_another_move_changes_no_pose_further_than_one_seam_away(number: int, other: str) -> None:
    before = [measure.example_segment(name, seconds=2.0) for name in FAR]
    after = [*before]
    after[number] = measure.example_segment(other, seconds=2.0)
    one, two = (generate(MotionPlan(tuple(segments), seed=4)) for segments in (before, after))
    for i in range(len(FAR)):
        frames = slice(60 * i, 60 * i + 60)
        same = [np.array_equal(a[frames], b[frames]) for a, b in ((one.root, two.root), (one.contacts, two.contacts))]
        if i < number - 1:
            assert all(same) and np.array_equal(one.rotations[frames], two.rotations[frames])
        elif i > number + 1:  # the pelvis's rotation holds the heading, which is carried on
            assert same[1] and np.array_equal(one.rotations[frames, 1:], two.rotations[frames, 1:])
    assert not np.array_equal(
        one.rotations[60 * number : 60 * number + 60], two.rotations[60 * number : 60 * number + 60]
    )


def test_a_move_that_ends_in_the_same_place_changes_no_bit_further_on() -> None:
    before = [measure.example_segment(name, seconds=2.0) for name in ("walk", "wave", "bow", "walk", "clap")]
    after = [*before]
    after[1] = measure.example_segment("nod", seconds=2.0)
    one, two = (generate(MotionPlan(tuple(segments))) for segments in (before, after))
    assert one[180:].to_bytes() == two[180:].to_bytes()
    assert one[:120].to_bytes() != two[:120].to_bytes()


@pytest.mark.parametrize("shift", [0.002, 0.008, 0.03])
def test_the_end_of_a_part_is_its_own_whatever_came_before(shift: float) -> None:
    """Also where its feet are held in their old place through all of it, or step."""
    before, idle = (measure.example("idle", seconds=2.0, seed=seed) for seed in (0, 1))
    near = measure.changed(idle, root=idle.root + np.array([shift, 0.0, 0.0], dtype=np.float32))
    after = continued(before[-2:], near)
    assert after[-2:].to_bytes() == near[-2:].to_bytes()
    assert after[:10].to_bytes() != near[:10].to_bytes()
