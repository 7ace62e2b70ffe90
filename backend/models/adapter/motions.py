"""Endless training material: our own moves with random fingers, seen by random cameras, true in 3D.

Everything follows from a seed. Knows motions and cameras; draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fleximo import moves
from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.camera import Camera
from fleximo.errors import FleximoError
from fleximo.fingers import curled, finger_names, shape_rotations
from fleximo.layouts import FACE, LEFT_HAND, RIGHT_HAND
from fleximo.motion import Motion
from fleximo.plan import MOVES, MotionPlan, Segment
from fleximo.pose_track import PoseTrack
from fleximo.projection import INVENTED, project
from fleximo.timing import frame_times

__all__ = ["MOVES_WITH_HANDS", "random_fingers", "random_track"]

MOVES_WITH_HANDS = tuple(move for move in MOVES if move not in ("bow", "sit_down", "kneel", "pick_up"))
_KEY_EVERY_S = 0.7
_WRIST_DEGREES = 25.0


def random_track(
    rng: np.random.Generator,
    *,
    frames: int,
    fps: float = 15.0,
    size: tuple[int, int] = (576, 1024),
    only: Sequence[str] = MOVES_WITH_HANDS,
    closest: float = 2.0,
    yaw_degrees: float = 60.0,
) -> PoseTrack:
    """`frames` frames of a random move by random hands. `closest`: how much larger than a whole figure may be shown."""
    if not set(only) <= set(MOVES):
        raise FleximoError(f"There is no move called {sorted(set(only) - set(MOVES))[0]!r}.", code="unknown_move")
    seconds = max(2.0, frames / fps + 1.0)
    segment = Segment(str(rng.choice(list(only))), seconds, seed=int(rng.integers(1 << 31)))
    motion = random_fingers(moves.generate(MotionPlan((segment,)), fps=fps), rng)
    start = int(rng.integers(len(motion) - frames + 1))
    motion = motion[slice(start, start + frames)]
    track = project(motion, _camera(motion, rng, size, closest, yaw_degrees), seed=int(rng.integers(1 << 31)))
    confidence = track.confidence.copy()
    for hand in (LEFT_HAND, RIGHT_HAND):
        confidence[:, hand] *= rng.uniform(0.75, 1.0) / INVENTED  # as sure as a detector is of hands it sees
    confidence[:, FACE] = 0.0
    return replace(track, confidence=np.clip(confidence, 0.0, 1.0))


def random_fingers(motion: Motion, rng: np.random.Generator) -> Motion:
    """`motion` with hands that open, close and turn at the wrist, each by itself."""
    times = frame_times(len(motion), motion.fps)
    keys = np.arange(0.0, times[-1] + 2.0 * _KEY_EVERY_S, _KEY_EVERY_S)
    low = np.clip(np.searchsorted(keys, times, side="right") - 1, 0, len(keys) - 2)
    share = (times - keys[low]) / _KEY_EVERY_S
    share = share * share * (3.0 - 2.0 * share)
    rotations = motion.rotations.copy()
    for side in ("left", "right"):
        shapes = np.stack([_shape(rng, side) for _ in keys])
        joints = [motion.rig.index(name) for name in finger_names(side)]
        rotations[:, joints] = rot.slerp(shapes[low], shapes[low + 1], share[:, None])
        turns = rot.from_rotation_vector(np.radians(rng.normal(0.0, _WRIST_DEGREES, (len(keys), 3))))
        turned = rot.slerp(turns[low], turns[low + 1], share)
        wrist = motion.rig.index(f"{side}_wrist")
        rotations[:, wrist] = rot.multiply(rotations[:, wrist], turned)
    return replace(motion, rotations=rotations)


def _shape(rng: np.random.Generator, side: str) -> FloatArray:
    """(15,4) a hand somewhere between open and closed, now and then pointing."""
    if rng.random() < 0.15:
        return shape_rotations("point", side)
    return shape_rotations(curled(float(rng.beta(0.7, 0.9)), float(rng.uniform(-2.0, 10.0))), side)


def _camera(
    motion: Motion, rng: np.random.Generator, size: tuple[int, int], closest: float, yaw_degrees: float
) -> Camera:
    """Looks at the person from a random side; shows all of the figure, or its upper part larger."""
    figure = motion.positions("head", "left_wrist", "right_wrist", "left_ankle", "right_ankle").reshape(-1, 3)
    low, high = figure.min(axis=0), figure.max(axis=0)
    closeness = rng.uniform(1.0, closest)
    height_m = 1.3 * (high[1] - low[1]) / closeness
    width_m = 1.3 * float(np.linalg.norm((high - low)[[0, 2]])) / closeness
    middle = 0.5 * (low + high)
    middle[1] = high[1] + 0.1 - 0.46 * height_m  # what is cut off are the legs
    focal = np.hypot(*size)
    yaw, pitch = np.radians([rng.uniform(-yaw_degrees, yaw_degrees), rng.uniform(-5.0, 15.0)])
    distance = focal * max(height_m / size[1], width_m / size[0])
    away = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    forward = -away
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = [right, np.cross(forward, right), forward]
    matrix[:3, 3] = -matrix[:3, :3] @ (middle + distance * away)
    intrinsics = np.array([[focal, 0.0, size[0] / 2.0], [0.0, focal, size[1] / 2.0], [0.0, 0.0, 1.0]])
    return Camera(intrinsics, matrix, size)
