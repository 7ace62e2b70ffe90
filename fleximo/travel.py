"""Keeping a travelling figure in the picture: shorter steps, never sliding feet.

A photo has a fixed camera; three seconds of walking would carry the figure through it. Knows motions and cameras.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.camera import Camera
from fleximo.errors import Notice
from fleximo.limbs import leg_rotations
from fleximo.motion import Motion
from fleximo.rig import BODY_JOINTS

__all__ = ["share_of_travel", "shortened", "travel_notices"]

_NEARER, _FURTHER = 1.35, 0.65  # how much larger or smaller than in the first frame the figure may become
_MARGIN = 0.01  # of the picture's longer side that is kept free
_SWAY_SECONDS = 0.4  # movements of the pelvis shorter than this are sway, not travel
_SHARES = np.linspace(1.0, 0.0, 41)
_WATCHED = (*BODY_JOINTS, "head_top", "left_toe_tip", "right_toe_tip", "left_heel", "right_heel")


def share_of_travel(motion: Motion, camera: Camera) -> float:
    """The largest share 0..1 of the motion's travel over the floor that keeps the figure in the picture.

    Points that would leave the picture on the spot, too (a raised hand), do not count. 1 = nothing to shorten.
    """
    travel = _travel(motion)
    if np.abs(travel).max() < 0.02:
        return 1.0
    points = motion.positions(*_WATCHED)
    inside, depth = _inside(points - travel[:, None], camera)
    for share in _SHARES[:-1]:
        now_inside, now_depth = _inside(points - (1.0 - share) * travel[:, None], camera)
        size = depth[:1].mean() / np.maximum(now_depth.mean(axis=1), 1e-3)
        if (now_inside | ~inside).all() and size.min() >= _FURTHER and size.max() <= _NEARER:
            return float(share)
    return 0.0


def shortened(motion: Motion, share: float) -> Motion:
    """The motion with `share` of its travel: every planted foot keeps one place, every step becomes shorter."""
    if share >= 1.0:
        return motion
    shift = (1.0 - share) * _travel(motion)
    root = motion.root - shift
    rotations = motion.rotations.astype(np.float64)
    world, joints = motion.world_rotations(), motion.joints()
    for column, side in enumerate(("left", "right")):
        hip, knee, ankle = (motion.rig.index(f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        target = joints[:, ankle] - _foot_shift(shift, motion.contacts[:, column])
        # Where the knee points, from the thigh and shin themselves or, with a straight leg, from the thigh's front.
        bend = joints[:, knee] - (joints[:, hip] + joints[:, ankle]) / 2.0
        pole = bend + 0.02 * rot.rotate(world[:, hip], np.array([0.0, 0.0, 1.0]))
        rotations[:, [hip, knee, ankle]] = leg_rotations(
            motion.rig, side, world[:, 0], root, target, world[:, ankle], pole
        )
    return replace(motion, rotations=rotations, root=root)


def travel_notices(motion: Motion, camera: Camera, share: float) -> tuple[Notice, ...]:
    """What to tell of a motion whose travel was cut to `share`."""
    if share >= 1.0:
        return ()
    metres = float(np.linalg.norm(_travel(motion), axis=1).max())
    return (
        Notice(
            "motion_leaves_frame",
            f"The motion travels {metres:.1f} m and would leave the picture; its steps were cut to {share:.0%}.",
            "Use a photo taken from further away, or a motion on the spot.",
        ),
    )


def _travel(motion: Motion) -> FloatArray:
    """(T,3) m from the first frame's place over the floor, sway smoothed away."""
    path = motion.root[:, [0, 2]].astype(np.float64)
    half = min(len(path) - 1, round(_SWAY_SECONDS * float(motion.fps) / 2.0))
    # Mirrored about its ends, a steady walk stays steady up to its first and last frame.
    padded = np.concatenate((2 * path[:1] - path[half:0:-1], path, 2 * path[-1:] - path[-2 : -half - 2 : -1]))
    sums = np.concatenate((np.zeros((1, 2)), np.cumsum(padded, axis=0)))
    width = 2 * half + 1
    smooth = (sums[width:] - sums[:-width]) / width
    travel = np.zeros((len(path), 3))
    travel[:, [0, 2]] = smooth - smooth[0]
    return travel


def _foot_shift(shift: FloatArray, planted: BoolArray) -> FloatArray:
    """(T,3) m: constant while the foot is planted, eased from one plant to the next in between."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], planted.astype(np.int8), [0]))))
    if not len(edges):
        return shift
    result = np.empty_like(shift)
    starts, stops = edges[::2], edges[1::2]
    places = np.stack([shift[start:stop].mean(axis=0) for start, stop in zip(starts, stops)])
    for number, (start, stop) in enumerate(zip(starts, stops)):
        result[start:stop] = places[number]
        if number:
            before = int(stops[number - 1])
            t = (np.arange(before, start) - before + 1.0) / (start - before + 1.0)
            ease = (t * t * (3.0 - 2.0 * t))[:, None]
            result[before:start] = places[number - 1] * (1.0 - ease) + places[number] * ease
    result[: starts[0]] = places[0]
    result[stops[-1] :] = places[-1]
    return result


def _inside(points_m: FloatArray, camera: Camera) -> tuple[BoolArray, FloatArray]:
    points_px, depth = camera.project(points_m)
    width, height = camera.size
    margin = _MARGIN * max(width, height)
    low, high = np.array([margin, margin]), np.array([width - margin, height - margin])
    return ((points_px >= low) & (points_px <= high)).all(axis=-1) & (depth > 0.1), depth
