"""Feet that stand: when a toe is planted, and legs bent so that it stays where it stands, on the floor.

Owns contacts told from positions, soles laid flat and the way a held foot is let go. Knows no moves and no joins.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.easing import minimum_jerk
from fleximo.limbs import into_reach
from fleximo.posed import Posed
from fleximo.rig import BODY_JOINTS, SIDES

__all__ = ["flat_soles", "lock_feet", "planted_toes"]

_TOES = tuple(BODY_JOINTS.index(f"{side}_foot") for side in SIDES)
_SLOW_M_S = 0.3  # a toe that stands still; sliding of generated motion included
_LABELLED_SLOW_M_S = 0.4  # the same where a contact is given: HumanML3D's label reaches to 0.9 m/s
_LIFTED_M = 0.07  # above the lowest toe around
_AROUND_S = 0.6
_STAND_S = 0.12  # less is no stance
_STILL_M = 0.005
_SLIDE_M = 0.025  # a foot that moves on by twice as much in one stance has made a small step
_LET_GO_S = 0.2  # in which a held foot comes to its place, and goes on from it
_FLOOR_M = 0.03  # stances this near to the floor are on it; others are steps and stools
_STANDING_M = (-0.01, 0.02)  # where a toe may stand against its height on the floor: soles differ, toes land
_STRAIGHTEST = 0.9995  # of the leg: a foot held further away pulls the pelvis down
_NOTHING_M = 1e-4
_ROLL_RAD = np.radians(35.0)  # the most a sole is turned to lie flat
_UPRIGHT = 0.2  # a foot that points nearly straight down has no level side to find
_NEAR_M = 0.05  # over the floor: there the sole's lie is half of the foot's
_TOE_BEND_RAD = np.radians(55.0)


def planted_toes(places: FloatArray, fps: Fraction, contacts: BoolArray | None = None) -> BoolArray:
    """(T,2): left and right toe planted, told from `places` (T,22,3) m.

    `contacts` (T,2), where known, are believed only while the toe is slow and low: labels of data sets are generous.
    """
    toes = places[:, _TOES]
    if len(toes) < 2:
        return np.ones((len(toes), 2), dtype=np.bool_) if contacts is None else contacts.copy()
    step = np.linalg.norm(np.diff(toes, axis=0), axis=-1) * float(fps)
    speed = np.minimum(np.concatenate((step[:1], step)), np.concatenate((step, step[-1:])))
    reach = max(1, round(_AROUND_S * float(fps)))
    lowest = np.pad(toes[..., 1].min(axis=1), reach, mode="edge")
    floor = np.lib.stride_tricks.sliding_window_view(lowest, 2 * reach + 1).min(axis=1)
    low = toes[..., 1] - floor[:, None] < _LIFTED_M
    if contacts is None:
        return np.asarray(low & (speed < _SLOW_M_S))
    return np.asarray(low & contacts & (speed < _LABELLED_SLOW_M_S))


def _stances(planted: BoolArray, toe: FloatArray, fps: Fraction) -> Iterator[slice]:
    """The frames of each stance of one foot: `planted` (T,), cut where `toe` (T,3) has slid away."""
    least = max(2, round(_STAND_S * float(fps)))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], planted, [False])).astype(np.int8)))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist()):
        while start < stop:
            away = np.linalg.norm(toe[start:stop, [0, 2]] - toe[start, [0, 2]], axis=-1) > 2.0 * _SLIDE_M
            end = start + int(np.argmax(away)) if away.any() else stop
            apart = toe[start:end] - _middle(toe[start:end])
            off = np.linalg.norm(apart[:, [0, 2]], axis=-1)
            # A foot that comes or goes is not held yet, or no longer: what else it does tells how far it may be off.
            near = off <= min(max(_STILL_M, 3.0 * float(np.sort(off)[len(off) // 2])), _SLIDE_M)
            near &= apart[:, 1] <= _STANDING_M[1]
            frames = slice(start + int(np.argmax(near)), end - int(np.argmax(near[::-1])))
            if frames.stop - frames.start >= least:
                yield frames
            start = end + 1  # the frame between two stances is the step


def _middle(toe: FloatArray) -> FloatArray:
    """(3,) m, where a `toe` (T,3) was half of the time."""
    return np.asarray(np.sort(toe, axis=0)[len(toe) // 2])


def lock_feet(posed: Posed, planted: BoolArray, fps: Fraction, floor_m: float | None = None) -> BoolArray:
    """Bends the legs of `posed` so that each `planted` (T,2) toe stays in one place; (T,2) the stances that are held.

    `floor_m`: height of a toe joint that stands on the floor; stances near it are put on it, None = all keep their
    height. A foot goes to its place and from it smoothly in 0.2 s. The pelvis sinks where a leg is too short. Feet
    that already stand still are not touched.
    """
    rig, let_go = posed.rig, max(2, round(_LET_GO_S * float(fps)))
    held = np.zeros(planted.shape, dtype=np.bool_)
    shift = np.zeros((*planted.shape, 3))
    for i, side in enumerate(SIDES):
        toe = posed.joints[:, rig.index(f"{side}_foot")]
        stances = list(_stances(planted[:, i], toe, fps))
        for frames in stances:
            held[frames, i] = True
            shift[frames, i] = _to_stand(toe[frames], floor_m)
        _let_go(shift[:, i], stances, let_go)
    if np.abs(shift).max() < _NOTHING_M:
        return held
    ankles = posed.joints[:, [rig.index(f"{side}_ankle") for side in SIDES]] + shift
    posed.carry(into_reach(rig, posed.world[:, 0], posed.root, ankles, held, _STRAIGHTEST))
    for i, side in enumerate(SIDES):
        limb = (f"{side}_hip", f"{side}_knee", f"{side}_ankle")
        posed.bring(limb, ankles[:, i], np.array([0.0, 0.0, 1.0]), lean_m=0.001)
    return held


def _to_stand(toe: FloatArray, floor_m: float | None) -> FloatArray:
    """(T,3) m by which the `toe` (T,3) of one stance must move to stand still, on the floor where that is near."""
    middle = _middle(toe)
    shift: FloatArray = middle - toe
    shift[:, 1] = 0.0
    if floor_m is not None and abs(middle[1] - floor_m) < _FLOOR_M:
        over = toe[:, 1] - floor_m
        shift[:, 1] = np.clip(over, *_STANDING_M) - over
    return shift


def _let_go(shift: FloatArray, stances: list[slice], frames: int) -> None:
    """Fills `shift` (T,3) between the `stances`: to nothing in `frames`, or to the next stance where that is nearer."""
    ends = [(stance.start, stance.stop) for stance in stances]
    for (_, stop), (start, _) in zip(ends, ends[1:]):
        if start - stop <= 2 * frames:
            share = minimum_jerk(np.arange(1, start - stop + 1) / (start - stop + 1))[:, None]
            shift[stop:start] = (1.0 - share) * shift[stop - 1] + share * shift[start]
    for (start, stop), before, after in zip(
        ends, [None, *(stop for _, stop in ends)], [*(start for start, _ in ends[1:]), None]
    ):
        if before is None or start - before > 2 * frames:
            count = min(frames, start)
            share = minimum_jerk(np.arange(frames + 1 - count, frames + 1) / (frames + 1))[:, None]
            shift[start - count : start] = share * shift[start]
        if after is None or after - stop > 2 * frames:
            count = min(frames, len(shift) - stop)
            share = 1.0 - minimum_jerk(np.arange(1, count + 1) / (frames + 1))[:, None]
            shift[stop : stop + count] = share * shift[stop - 1]


def flat_soles(posed: Posed, floor_m: float) -> None:
    """Turns ankles and toes of `posed` as soles near the floor lie, which joints alone do not tell.

    `floor_m`: height of a toe joint that stands. The foot rolls about its own length until it is level from side to
    side, and toes stay flat while the heel is up. No joint moves.
    """
    for side in SIDES:
        knee, ankle, toe = (posed.rig.index(f"{side}_{name}") for name in ("knee", "ankle", "foot"))
        lift = posed.joints[:, toe, 1] - floor_m
        near = 1.0 / (1.0 + np.square(np.maximum(lift, 0.0) / _NEAR_M))
        along = rot.unit(posed.joints[:, toe] - posed.joints[:, ankle])
        aside = rot.rotate(posed.world[:, ankle], np.array([1.0, 0.0, 0.0]))
        roll = np.arctan(-aside[:, 1] / np.maximum(rot.cross(along, aside)[:, 1], _UPRIGHT))
        roll = near * np.clip(roll, -_ROLL_RAD, _ROLL_RAD)
        foot = rot.multiply(rot.from_axis_angle(along, roll), posed.world[:, ankle])
        posed.world[:, ankle] = foot
        posed.rotations[:, ankle] = rot.multiply(rot.conjugate(posed.world[:, knee]), foot)
        heel_up = np.arcsin(np.clip(-rot.rotate(foot, np.array([0.0, 0.0, 1.0]))[:, 1], -1.0, 1.0))
        posed.rotations[:, toe] = rot.from_axis_angle([-1.0, 0.0, 0.0], near * np.clip(heel_up, 0.0, _TOE_BEND_RAD))
