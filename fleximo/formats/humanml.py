"""HumanML3D's 263 features a frame <-> 22 joint positions and foot contacts (Guo et al., CVPR 2022).

Owns the columns of the features. Knows no rotations of a rig: the 6D columns are swings of HumanML3D's own rest pose
without twist, which tell nothing that the positions do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray, freeze
from fleximo.errors import FleximoError, Notice
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG

__all__ = ["FEATURES", "FPS", "HumanMLClip", "decode_features", "encode_features", "implausible_features"]

FPS = Fraction(20)
FEATURES = 263

_JOINTS = len(BODY_JOINTS)
_TURN, _TRAVEL, _HEIGHT = 0, slice(1, 3), 3
_PLACES = slice(4, 67)  # of joints 1..21, in the heading frame, x and z from the root
_SWINGS = slice(67, 193)  # of joints 1..21: the first two columns of each rotation matrix
_VELOCITIES = slice(193, 259)  # of joints 0..21, m a frame, in the heading frame
_CONTACTS = slice(259, 263)
_FEET = (7, 10, 8, 11)  # left ankle, left foot, right ankle, right foot
_STILL_M2 = 0.002  # a foot that moves less than this squared between two frames is labelled as a contact
_HEADING_FRAMES = 20.0  # standard deviation of the filter over the heading; the window ends at 4 of them
_UP = np.array([0.0, 1.0, 0.0])
# Rest directions of HumanML3D's skeleton, joints 1..21: the arms hang down.
_REST: FloatArray = np.array(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0], [0, 1, 0]]
    + [[0, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1]]
    + [[0, -1, 0]] * 6,
    dtype=np.float64,
)
# Each chain starts anew from the root's heading.
_CHAINS = ((0, 2, 5, 8, 11), (0, 1, 4, 7, 10), (0, 3, 6, 9, 12, 15), (9, 14, 17, 19, 21), (9, 13, 16, 18, 20))
# Wrong statistics turn and move a person 25 times too fast, or lift him to the ceiling.
_FASTEST_M_S = 6.0
_HEIGHTS_M = (0.2, 2.0)


@dataclass(frozen=True, eq=False)
class HumanMLClip:
    """What the features hold, in the world: metres, Y up, the first frame over the origin and facing +Z."""

    joints: FloatArray  # (T,22,3) m of `BODY_JOINTS`
    contacts: BoolArray  # (T,4) left ankle, left foot, right ankle, right foot
    fps: Fraction = FPS

    @property
    def toe_contacts(self) -> BoolArray:
        """(T,2) left and right toe planted, as a `Motion` has them."""
        return self.contacts[:, [1, 3]]


def decode_features(features: npt.ArrayLike) -> HumanMLClip:
    """The joints and contacts of raw `features` (T,263), that is with the model's mean and deviation undone.

    The turn column holds half the angle, so that the heading turns by twice its sum; the turn and travel of row t lead
    to row t + 1. Raises `FleximoError` for other shapes and values that are not finite.

    >>> decode_features(np.zeros((2, FEATURES))).joints.shape
    (2, 22, 3)
    """
    rows = freeze(features, (None, FEATURES), name="features", dtype=np.float64)
    if len(rows) == 0:
        raise FleximoError("The features have no frame; at least one was expected.")
    half = np.concatenate(([0.0], np.cumsum(rows[:-1, _TURN])))
    to_world = rot.from_axis_angle(_UP, -2.0 * half)
    step = np.zeros((len(rows), 3))
    step[1:, [0, 2]] = rows[:-1, _TRAVEL]
    root = np.cumsum(rot.rotate(to_world, step), axis=0)
    places = rot.rotate(to_world[:, None], rows[:, _PLACES].reshape(len(rows), _JOINTS - 1, 3))
    joints = np.concatenate((np.zeros((len(rows), 1, 3)), places), axis=1) + root[:, None]
    joints[:, 0, 1] = rows[:, _HEIGHT]
    return HumanMLClip(joints, rows[:, _CONTACTS] > 0.5)


def encode_features(joints: npt.ArrayLike) -> FloatArray:
    """Raw features (T-1,263) of `joints` (T,22,3) m at 20 fps, Y up, floor at y = 0.

    The clip is put over the origin and turned so that its first frame faces +Z, for features hold neither. The last
    frame only gives its velocities. Raises `FleximoError` for other shapes and less than two frames.
    """
    places = freeze(joints, (None, _JOINTS, 3), name="joints", dtype=np.float64)
    if len(places) < 2:
        raise FleximoError(f"The clip has {len(places)} frames; features need at least two.")
    places = places - places[0, 0] * np.array([1.0, 0.0, 1.0])
    hips, shoulders = places[0, 2] - places[0, 1], places[0, 17] - places[0, 16]
    ahead = np.cross(_UP, hips + shoulders)
    places = rot.rotate(rot.from_axis_angle(_UP, -np.arctan2(ahead[0], ahead[2])), places)
    yaw = _heading_rad(places)
    heading = rot.from_axis_angle(_UP, -yaw)
    root = places[:, 0]
    level = places - root[:, None] * np.array([1.0, 0.0, 1.0])
    velocity = np.diff(places, axis=0)
    still = (velocity[:, _FEET] ** 2).sum(axis=-1) < _STILL_M2
    return np.concatenate(
        (
            -0.5 * np.diff(yaw)[:, None],
            rot.rotate(heading[1:], np.diff(root, axis=0))[:, [0, 2]],
            root[:-1, 1:2],
            rot.rotate(heading[:-1, None], level[:-1, 1:]).reshape(len(velocity), -1),
            _swings(places, heading)[:-1].reshape(len(velocity), -1),
            rot.rotate(heading[:-1, None], velocity).reshape(len(velocity), -1),
            still,
        ),
        axis=1,
    )


def implausible_features(features: npt.ArrayLike) -> Notice | None:
    """A notice if a person of raw `features` (T,263) would run impossibly fast or not stand on the floor, else None."""
    rows = freeze(features, (None, FEATURES), name="features", dtype=np.float64)
    speed = float(np.median(np.linalg.norm(rows[:, _TRAVEL], axis=1))) * float(FPS)
    height = float(np.median(rows[:, _HEIGHT]))
    if speed <= _FASTEST_M_S and _HEIGHTS_M[0] <= height <= _HEIGHTS_M[1]:
        return None
    return Notice(
        "implausible_motion",
        f"The person would move at {speed:.1f} m/s with the pelvis {height:.2f} m above the floor: the features were "
        "scaled by the wrong mean and deviation.",
        "Use the statistics that came with the model's weights; HumanML3D's own do not fit T2M-GPT.",
    )


def _heading_rad(joints: FloatArray) -> FloatArray:
    """(T,) where the person heads, smoothed over about a second and unwrapped; the first frame's is 0 by definition.

    HumanML3D takes the shoulders' line minus the hips', which weakens the hips instead of adding them. Models were
    trained on that heading, so it is kept.
    """
    hips, shoulders = joints[:, 2] - joints[:, 1], joints[:, 17] - joints[:, 16]
    facing = np.cross(_UP, rot.unit(shoulders - hips))
    reach = int(4.0 * _HEADING_FRAMES + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _HEADING_FRAMES) ** 2)
    padded = np.pad(facing, ((reach, reach), (0, 0)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=0) @ kernel
    yaw = np.arctan2(around[:, 0], around[:, 2])
    yaw[0] = 0.0
    return np.unwrap(yaw)


def _swings(joints: FloatArray, heading: FloatArray) -> FloatArray:
    """(T,21,6): per joint the first two columns of the swing of the bone that ends in it, against the bone before."""
    parents = DEFAULT_RIG.parents[1:_JOINTS]
    bones = rot.from_two_vectors(np.broadcast_to(_REST, joints[:, 1:].shape), joints[:, 1:] - joints[:, parents])
    swings = np.empty((len(joints), _JOINTS - 1, 4))
    for chain in _CHAINS:
        before = heading
        for joint in chain[1:]:
            swings[:, joint - 1] = rot.multiply(rot.conjugate(before), bones[:, joint - 1])
            before = bones[:, joint - 1]
    return np.swapaxes(rot.to_matrix(swings)[..., :2], -1, -2).reshape(len(joints), _JOINTS - 1, 6)
