"""What the moves of sports, floor and dance mean, read off the joints: a jump leaves the floor, a throw is fast."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from fleximo import rotations as rot
from fleximo.motion import Motion
from fleximo.moves import floor
from fleximo.moves.base import Cue, Tracks, to_motion
from fleximo.plan import Segment
from fleximo.rig import DEFAULT_RIG
from tests.fleximo import move_metrics as measure
from tests.fleximo.move_metrics import SIDES, example, hinge, visits

THESE = tuple(
    "jump jumping_jacks squat lunge kneel dance spin_dance sit_down stand_up kick punch throw catch golf_swing "
    "pick_up".split()
)


def place(motion: Motion, name: str) -> np.ndarray:
    """(T,3) m of a joint or landmark."""
    return motion.positions(name)[:, 0].astype(np.float64)


def other(side: str) -> str:
    return "right" if side == "left" else "left"


def outward(side: str) -> float:
    return 1.0 if side == "left" else -1.0


def local_to_body(motion: Motion, name: str) -> np.ndarray:
    """(T,3) m of a point seen from the pelvis by somebody who shares its heading."""
    pelvis = motion.world_rotations()[:, 0].astype(np.float64)
    heading = rot.from_axis_angle([0.0, 1.0, 0.0], -rot.yaw(pelvis))
    return rot.rotate(heading, place(motion, name) - motion.root.astype(np.float64))


@pytest.mark.parametrize("repeats", [1, 3])
def test_jump_leaves_the_floor_with_both_feet_and_lands_softly(repeats: int) -> None:
    motion = example("jump", repeats=repeats)
    toes = measure.toes(motion)[..., 1].min(axis=1)
    assert visits(toes > 0.10) == repeats
    knees = np.minimum(hinge(motion, "left_knee"), hinge(motion, "right_knee"))
    first = int(np.argmax(toes > 0.10))
    assert knees[:first].max() > 70.0  # crouched before
    landed = first + int(np.argmax(toes[first:] < 0.03))
    assert knees[landed : landed + int(0.4 * 30)].max() > 55.0  # gave way after
    # Falling bodies fall: the pelvis in the air is pulled down by about g.
    air = np.flatnonzero(toes > 0.06)
    air = air[air < landed]
    acceleration = np.diff(motion.root[air, 1].astype(np.float64), n=2) * 900.0
    assert -13.0 < acceleration.mean() < -7.0


@pytest.mark.parametrize(
    ("direction", "way"), [("forward", (0, 1)), ("backward", (0, -1)), ("left", (1, 0)), ("right", (-1, 0))]
)
def test_jump_travels_where_it_is_told(direction: str, way: tuple[int, int]) -> None:
    motion = example("jump", direction=direction, repeats=2)
    moved = measure.toes(motion)[-1][:, [0, 2]] - measure.toes(motion)[0][:, [0, 2]]
    np.testing.assert_allclose(moved, np.broadcast_to(np.array(way) * 1.1, (2, 2)), atol=0.02)


@pytest.mark.parametrize("repeats", [1, 4])
def test_jumping_jacks_open_and_close(repeats: int) -> None:
    motion = example("jumping_jacks", repeats=repeats)
    feet = measure.toes(motion)
    apart = feet[:, 0, 0] - feet[:, 1, 0] > 0.65
    top = place(motion, "head_top")[:, 1]
    high = (place(motion, "left_wrist")[:, 1] > top) & (place(motion, "right_wrist")[:, 1] > top)
    assert visits(apart & high) == repeats
    together = feet[:, 0, 0] - feet[:, 1, 0] < 0.35
    low = place(motion, "left_wrist")[:, 1] < place(motion, "spine1")[:, 1]
    assert visits(together & low) == repeats + 1
    assert visits(~motion.contacts.any(axis=1)) == 2 * repeats


@pytest.mark.parametrize("repeats", [1, 3])
def test_squat_bends_the_knees_as_often_as_asked(repeats: int) -> None:
    motion = example("squat", repeats=repeats)
    assert visits((hinge(motion, "left_knee") > 80.0) & (hinge(motion, "right_knee") > 80.0)) == repeats
    assert motion.contacts.all()
    deepest = int(motion.root[:, 1].argmin())
    for side in SIDES:
        assert place(motion, f"{side}_knee")[deepest, 0] * outward(side) > 0.10  # over the feet, not together
        assert local_to_body(motion, f"{side}_wrist")[deepest, 2] > 0.4


@pytest.mark.parametrize("side", SIDES)
def test_lunge_sinks_over_the_stepping_foot_and_changes_sides(side: str) -> None:
    motion = example("lunge", side=side, repeats=2)
    knees = {s: place(motion, f"{s}_knee")[:, 1] for s in SIDES}
    front = [(hinge(motion, f"{s}_knee") > 80.0) & (knees[other(s)] < 0.2) & (place(motion, f"{s}_ankle")[:, 2]
             > place(motion, f"{other(s)}_ankle")[:, 2] + 0.4) for s in (side, other(side))]  # fmt: skip
    assert [visits(f) for f in front] == [1, 1]
    assert np.argmax(front[0]) < np.argmax(front[1])
    assert min(knees["left"].min(), knees["right"].min()) > 0.05


@pytest.mark.parametrize(("direction", "axis", "way"), [("backward", 2, -1), ("left", 0, 1), ("right", 0, -1)])
def test_lunge_goes_where_it_is_told(direction: str, axis: int, way: int) -> None:
    motion = example("lunge", direction=direction)
    assert (measure.toes(motion)[..., axis] * way).max() > 0.4
    assert motion.root[:, 1].min() < motion.root[0, 1] - 0.25


@pytest.mark.parametrize("side", SIDES)
def test_kneel_ends_with_one_knee_near_the_floor(side: str) -> None:
    motion = example("kneel", side=side)
    knee = place(motion, f"{side}_knee")[:, 1]
    assert 0.04 < knee[-1] < 0.12
    assert np.ptp(knee[-10:]) < 0.02
    thigh = place(motion, f"{other(side)}_knee")[-1] - place(motion, f"{other(side)}_hip")[-1]
    assert abs(np.degrees(np.arcsin(thigh[1] / np.linalg.norm(thigh)))) < 20.0
    assert motion.contacts[-1].all()


def test_kneel_comes_up_in_between() -> None:
    knee = place(example("kneel", repeats=2), "right_knee")[:, 1]
    assert visits(knee < 0.13) == 2
    assert visits(knee > 0.42) == 2


def test_sit_down_ends_seated_and_stand_up_begins_so() -> None:
    down, up = example("sit_down"), example("stand_up")
    for motion, seated, standing in ((down, -1, 0), (up, 0, -1)):
        for side in SIDES:
            thigh = place(motion, f"{side}_knee")[seated] - place(motion, f"{side}_hip")[seated]
            assert abs(np.degrees(np.arcsin(thigh[1] / np.linalg.norm(thigh)))) < 10.0
            assert 80.0 < hinge(motion, f"{side}_knee")[seated] < 105.0
            assert hinge(motion, f"{side}_knee")[standing] < 32.0
            hand, knee = place(motion, f"{side}_middle1")[seated], place(motion, f"{side}_knee")[seated]
            assert np.linalg.norm(hand - knee) < 0.25
        trunk = place(motion, "neck")[seated] - place(motion, "pelvis")[seated]
        assert trunk[1] / np.linalg.norm(trunk) > 0.98
        assert motion.contacts.all()
    # Nobody gets up without bringing the chest over the feet first.
    assert (place(up, "neck")[:, 2] - place(up, "pelvis")[:, 2])[: len(up) // 2].max() > 0.25


def test_sit_down_twice_gets_up_in_between() -> None:
    bent = hinge(example("sit_down", repeats=2), "left_knee")
    assert visits(bent > 75.0) == 2
    assert visits(bent < 30.0) == 2
    bent = hinge(example("stand_up", repeats=2), "left_knee")
    assert visits(bent > 75.0) == 2


@pytest.mark.parametrize(
    ("held_by", "name", "left_by"),
    [(floor.seated, "sit_down", floor.stand_up), (floor.kneeling, "kneel", floor.rise)],
)
def test_held_postures_are_those_the_moves_end_in(
    held_by: Callable[[Cue], Tracks], name: str, left_by: Callable[[Cue], Tracks]
) -> None:
    cue = Cue(30, Fraction(30), liveliness=0.0)
    held = to_motion(held_by(cue), Fraction(30))
    ending = measure.play(Segment(name, 3.0), fps=Fraction(30), liveliness=0.0)[0]
    assert np.degrees(rot.angle_between(held.rotations, ending.rotations[-1])).max() < 0.5
    assert np.abs(held.root - ending.root[-1]).max() < 0.002
    rising = to_motion(left_by(cue), Fraction(30))
    assert np.degrees(rot.angle_between(rising.rotations[0], held.rotations[0])).max() < 0.5
    assert max(hinge(rising, f"{side}_knee")[-1] for side in SIDES) < 32.0


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("repeats", [1, 2])
def test_kick_reaches_hip_height_on_a_planted_leg(side: str, repeats: int) -> None:
    motion = example("kick", side=side, repeats=repeats)
    above = place(motion, f"{side}_ankle")[:, 1] - place(motion, f"{side}_hip")[:, 1]
    stretched = hinge(motion, f"{side}_knee") < 30.0
    assert visits((above > 0.0) & stretched) == repeats
    out = int(above.argmax())
    assert hinge(motion, f"{side}_knee")[:out].max() > 90.0  # the knee comes up first
    assert motion.contacts[:, SIDES.index(other(side))].all()
    assert local_to_body(motion, f"{side}_ankle")[out, 2] > 0.5


@pytest.mark.parametrize(
    ("direction", "axis", "least"), [("left", 0, 0.45), ("right", 0, -0.45), ("backward", 2, -0.4)]
)
def test_kick_goes_where_it_is_told(direction: str, axis: int, least: float) -> None:
    motion = example("kick", direction=direction)
    ankles = np.stack([place(motion, f"{side}_ankle") - motion.root for side in SIDES])
    reach = (ankles[..., axis] * np.sign(least)).max()
    assert reach > abs(least)
    assert np.max([place(motion, f"{side}_ankle")[:, 1] for side in SIDES]) > 0.5


def _reach(motion: Motion, side: str) -> np.ndarray:
    """(T,) m from shoulder to wrist, forward part."""
    return local_to_body(motion, f"{side}_wrist")[:, 2] - local_to_body(motion, f"{side}_shoulder")[:, 2]


def test_punches_alternate_out_of_a_guard_with_fists() -> None:
    motion = example("punch", side="both", repeats=4)
    struck = {side: _reach(motion, side) > 0.36 for side in SIDES}
    straight = {side: struck[side] & (hinge(motion, f"{side}_elbow") < 40.0) for side in SIDES}
    assert [visits(straight[side]) for side in SIDES] == [2, 2]
    for side in SIDES:
        moments = np.flatnonzero(straight[side])
        fist = np.linalg.norm(place(motion, f"{side}_middle_tip") - place(motion, f"{side}_wrist"), axis=1)
        assert fist[moments].max() < 0.12
        guard = place(motion, f"{other(side)}_wrist")[moments, 1] - place(motion, f"{other(side)}_shoulder")[moments, 1]
        assert guard.min() > -0.15
    order = [side for t in range(len(motion)) for side in SIDES if straight[side][t] and not straight[side][t - 1]]
    assert order in (["left", "right"] * 2, ["right", "left"] * 2)
    turn = np.degrees(np.unwrap(rot.yaw(motion.world_rotations()[:, motion.rig.index("spine3")].astype(float))))
    assert turn.max() > 15.0
    assert turn.min() < -15.0


@pytest.mark.parametrize("side", SIDES)
def test_one_sided_punches_stay_on_their_side(side: str) -> None:
    motion = example("punch", side=side, repeats=3)
    assert visits((_reach(motion, side) > 0.36) & (hinge(motion, f"{side}_elbow") < 40.0)) == 3
    assert (hinge(motion, f"{other(side)}_elbow")[20:-20] > 60.0).all()


def test_punches_can_be_aimed() -> None:
    up, down = example("punch", direction="up", repeats=2), example("punch", direction="down", repeats=2)
    chin = place(up, "neck")[:, 1].min() + 0.08
    assert max(place(up, f"{side}_wrist")[:, 1].max() for side in SIDES) > chin
    struck = _reach(down, "left").argmax()
    assert place(down, "left_wrist")[struck, 1] < place(down, "left_shoulder")[struck, 1] - 0.12


@pytest.mark.parametrize("side", SIDES)
def test_throw_is_fast_and_comes_over_the_shoulder(side: str) -> None:
    motion = example("throw", side=side)
    wrist, head = place(motion, f"{side}_wrist"), place(motion, "head")
    speed = np.linalg.norm(np.diff(wrist, axis=0), axis=1) * float(motion.fps)
    fastest = int(speed.argmax())
    assert 3.0 < speed[fastest] < 15.0
    assert (wrist - head)[:fastest, 2].min() < -0.1  # wound up behind the head
    assert np.diff(wrist, axis=0)[fastest, 2] > 0.0  # released forward
    through = local_to_body(motion, f"{side}_wrist")[fastest:]
    assert (through[:, 0] * outward(side)).min() < -0.05  # follows through across the body
    stepping = measure.toes(motion)[:, SIDES.index(other(side)), 2]
    assert stepping.max() - stepping[0] > 0.2
    tips = np.linalg.norm(place(motion, f"{side}_middle_tip") - wrist, axis=1)
    assert tips[fastest + 4] > tips[fastest - 8] + 0.03  # the hand opens


def test_throws_can_be_aimed_and_repeated() -> None:
    motion = example("throw", repeats=3)
    speed = np.linalg.norm(np.diff(place(motion, "right_wrist"), axis=0), axis=1) * float(motion.fps)
    assert visits(speed > 5.0) == 3

    def aim(direction: str) -> np.ndarray:
        thrown = place(example("throw", direction=direction), "right_wrist")
        steps = np.diff(thrown, axis=0)
        best = int(np.linalg.norm(steps, axis=1).argmax())
        return thrown[best + 2] - place(example("throw", direction=direction), "pelvis")[best + 2]

    assert aim("up")[1] > aim("down")[1] + 0.1
    assert aim("left")[0] > aim("right")[0] + 0.1


@pytest.mark.parametrize("direction", [None, "up", "left", "down"])
def test_catch_reaches_out_with_both_hands_and_draws_in(direction: str | None) -> None:
    motion = example("catch", direction=direction, repeats=2)
    wrists = [local_to_body(motion, f"{side}_wrist") for side in SIDES]
    chest = local_to_body(motion, "spine3")
    out = np.minimum(*(np.linalg.norm(wrist - chest, axis=1) for wrist in wrists))
    near = np.linalg.norm(wrists[0] - wrists[1], axis=1) < 0.46
    tips = np.linalg.norm(place(motion, "left_middle_tip") - place(motion, "left_wrist"), axis=1)
    far = (out > 0.44) & (tips > 0.172)
    assert visits(far & near) == 2
    first = int(np.argmax(np.where(far & near, out, 0.0)[: len(motion) // 2]))
    held = first + int(np.argmax(out[first:] < 0.32))
    assert held > first
    assert tips[first] > tips[held] + 0.02  # open to catch, closed to hold
    middle = (wrists[0] + wrists[1])[first] / 2.0 - chest[first]
    if direction == "up":
        assert middle[1] > 0.4
    elif direction == "down":
        assert middle[1] < 0.0
    elif direction == "left":
        assert (place(motion, "left_wrist") + place(motion, "right_wrist"))[first, 0] / 2.0 > 0.12


@pytest.mark.parametrize("side", SIDES)
def test_catch_with_one_hand_leaves_the_other_down(side: str) -> None:
    motion = example("catch", side=side)
    assert (place(motion, f"{side}_wrist") - place(motion, f"{side}_shoulder"))[:, 1].max() > 0.1
    assert (place(motion, f"{other(side)}_wrist") - place(motion, f"{other(side)}_shoulder"))[:, 1].max() < -0.2


@pytest.mark.parametrize("side", SIDES)
def test_golf_swing_goes_back_down_and_round(side: str) -> None:
    motion = example("golf_swing", side=side)
    left, right = place(motion, "left_wrist"), place(motion, "right_wrist")
    apart = np.linalg.norm(left - right, axis=1)
    hands = (left + right) / 2.0
    swing = slice(int(0.17 * len(motion)), int(0.80 * len(motion)))
    assert apart[swing].max() < 0.14  # on one club
    target = -hands[:, 0] * outward(side)  # a right-handed player swings to the left
    height = hands[:, 1] - place(motion, "neck")[:, 1]
    top = int(np.argmax(np.where(target < -0.3, hands[:, 1], 0.0)))
    finish = int(np.argmax(np.where(target > 0.1, hands[:, 1], 0.0)))
    impact = top + int(hands[top:finish, 1].argmin())
    assert top < impact < finish
    assert height[top] > -0.1
    assert height[finish] > 0.0
    assert hands[impact, 1] < 0.95
    assert np.linalg.norm(np.diff(hands, axis=0), axis=1)[top:finish].max() * float(motion.fps) > 3.5
    turn = np.degrees(rot.yaw(motion.world_rotations()[:, motion.rig.index("spine3")].astype(float))) * -outward(side)
    assert turn[top] < -55.0
    assert turn[finish] > 55.0


@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_pick_up_touches_the_floor_and_brings_it_up(side: str) -> None:
    motion = example("pick_up", side=side)
    for hand in SIDES:
        low = place(motion, f"{hand}_middle_tip")[:, 1]
        chest = place(motion, f"{hand}_wrist")[:, 1] - place(motion, "spine2")[:, 1]
        if side in (hand, "both"):
            assert low.min() < 0.10
            after = int(low.argmin())
            assert chest[after:].max() > 0.0
        else:
            assert low.min() > 0.15
    assert hinge(motion, "left_knee").max() > 70.0
    assert motion.contacts.all()


def test_dance_is_on_the_beat_and_of_many_kinds() -> None:
    motion = example("dance", seconds=8.0)
    height = motion.root[:, 1].astype(np.float64)
    assert 12 <= measure.reversals(height, 0.02) / 2.0 <= 20  # 120 beats a minute
    assert measure.reversals(motion.root[:, 0].astype(np.float64), 0.05) >= 4
    steps = sum(visits(~motion.contacts[:, i]) for i in range(2))
    assert steps >= 4
    wrists = np.concatenate([local_to_body(motion, f"{side}_wrist") for side in SIDES])
    assert np.ptp(wrists[:, 1]) > 0.6
    assert np.ptp(wrists[:, 0]) > 0.8
    first = [example("dance", seed=seed).rotations[30:60].tobytes() for seed in range(4)]
    assert len(set(first)) == 4
    # Faster music has more beats in the same time.
    fast = example("dance", seconds=8.0, speed=1.5).root[:, 1].astype(np.float64)
    assert measure.reversals(fast, 0.02) > measure.reversals(height, 0.02) + 6


@pytest.mark.parametrize(("direction", "way"), [(None, 1.0), ("left", 1.0), ("right", -1.0)])
@pytest.mark.parametrize("repeats", [1, 2])
def test_spin_dance_turns_full_circles_on_one_ball(direction: str | None, way: float, repeats: int) -> None:
    motion = example("spin_dance", direction=direction, repeats=repeats)
    heading = np.unwrap(rot.yaw(motion.world_rotations()[:, 0].astype(np.float64)))
    assert np.degrees(heading[-1] - heading[0]) * way == pytest.approx(360.0 * repeats, abs=8.0)
    support = 1 if way > 0 else 0
    assert motion.contacts[:, support].all()
    assert visits(~motion.contacts[:, 1 - support]) == repeats
    heel = place(motion, f"{SIDES[support]}_heel")[:, 1]
    assert visits(heel > 0.05) == repeats
    top = place(motion, "head_top")[:, 1]
    assert visits((place(motion, "left_wrist")[:, 1] > top) & (place(motion, "right_wrist")[:, 1] > top)) == repeats


@pytest.mark.parametrize("name", ["jump", "kick", "throw", "lunge", "golf_swing", "spin_dance", "pick_up"])
def test_slower_is_longer_not_other(name: str) -> None:
    """The same move at 0.7 of its pace passes through the same heights of the hands."""
    one, slow = example(name), example(name, speed=0.7)
    assert len(slow) == pytest.approx(len(one) / 0.7, abs=2)
    for side in SIDES:
        a, b = place(one, f"{side}_wrist")[:, 1], place(slow, f"{side}_wrist")[:, 1]
        assert abs(a.max() - b.max()) < 0.12
        assert abs(a.min() - b.min()) < 0.12


@pytest.mark.parametrize("name", THESE)
def test_what_is_done_quickly_is_done_smaller_not_wilder(name: str) -> None:
    speeds = measure.joint_speeds(example(name, speed=1.39))
    assert speeds.max() <= 1000.0, example(name).rig.joint_names[int(speeds.argmax())]


@pytest.mark.parametrize("name", THESE)
@pytest.mark.parametrize("stature", [0.65, 1.2])
def test_children_and_giants_keep_their_feet_on_the_floor(name: str, stature: float) -> None:
    landmarks = {
        landmark: (joint, (x * stature, y * stature, z * stature))
        for landmark, (joint, (x, y, z)) in DEFAULT_RIG.landmarks.items()
    }
    rig = DEFAULT_RIG.with_offsets(DEFAULT_RIG.rest_offsets * stature, landmarks)
    motion, _ = measure.play(measure.example_segment(name, repeats=2), fps=Fraction(30), rig=rig)
    assert measure.lowest_point(motion) > -0.01
    assert measure.stance_speeds(motion).max() < 5.0
    assert motion.contacts.any(axis=0).all()
