"""What a reader found in a file, before it becomes a motion: joints, a mesh, SMPL's rotations, or a motion already.

Owns how units, up axes and floors of strangers are judged. Knows no file format.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fleximo.arrays import BoolArray, FloatArray, freeze
from fleximo.errors import FleximoError, Notice
from fleximo.motion import Motion
from fleximo.rig import BODY_JOINTS

__all__ = [
    "MAX_FRAMES", "Ask", "Clip", "Found", "JointClip", "MeshClip", "SmplClip", "check_frames", "choose", "grounded",
    "in_metres", "numbers", "unit_notice", "unit_of",
]  # fmt: skip

MAX_FRAMES = 100_000  # ten minutes at 120 frames a second, and half as much again
_UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254, "CMU's units": 0.056444}
_LARGEST = 1e9  # millimetres from here to nowhere; keeps squares and casts finite
_LEG_M = 0.81  # hip to ankle of an adult
_LEGS_M = (0.35, 1.25)  # children to giants; beyond it the unit is not the one assumed
_FLOOR_NEAR_M = 0.02  # within which a floor is at 0
_CHUNK_FRAMES = 4096  # bounds the memory of long clips
_TOE_LOW_M, _TOE_SLOW_M_S = 0.06, 0.40  # a toe this low and slow is planted


@dataclass(frozen=True)
class Ask:
    """What the user said about a file."""

    item: int = 0  # which of several motions
    fps: Fraction | None = None  # of a file that does not tell its rate
    up: str | None = None  # "y" or "z" where the file's axes are not the usual ones of its format

    def rate(self, usual: Fraction) -> tuple[Fraction, tuple[Notice, ...]]:
        """The rate of a file that does not tell it: the user's, or the `usual` one with a notice."""
        if self.fps is not None:
            return self.fps, ()
        message = f"The file does not tell its frame rate; {float(usual):g} frames a second were assumed."
        return usual, (Notice("frame_rate_assumed", message, "Give the true one with --fps."),)


@dataclass(frozen=True, eq=False)
class JointClip:
    """Places of the 22 body joints."""

    joints: FloatArray  # (T,22,3) m of `BODY_JOINTS`, Y up
    fps: Fraction
    contacts: BoolArray | None = None  # (T,2) toes planted, where the file tells


@dataclass(frozen=True, eq=False)
class MeshClip:
    """A body's surface over time, vertices in one order."""

    vertices: FloatArray  # (T,6890,3) m, Y up
    fps: Fraction
    beside: Path | None = None  # where it was read from, for the joints that may lie beside it


@dataclass(frozen=True, eq=False)
class SmplClip:
    """Rotations of SMPL's joints (24), SMPL-H's (52) or SMPL-X's (55)."""

    rotations: FloatArray  # (T,24|52|55,4) local wxyz, in the file's axes
    places: FloatArray  # (T,3) m, in the file's axes
    fps: Fraction
    up: str = "y"  # "y" or "z"
    places_are: str = "translation"  # SMPL's translation, or the "pelvis" itself
    betas: FloatArray | None = None  # (B,) shape, for those who have the model file


Clip = Motion | JointClip | MeshClip | SmplClip


@dataclass(frozen=True, eq=False)
class Found:
    """One motion of a file, and how many it has."""

    kind: str  # words for the user, e.g. "AMASS, SMPL-H"
    clip: Clip
    items: int = 1
    text: str = ""  # the sentence that a model made it from, where the file keeps it
    notices: tuple[Notice, ...] = ()


def numbers(values: Any, shape: tuple[int | None, ...], *, name: str) -> FloatArray:
    """`values` as finite numbers of `shape` (None = any length); raises `FleximoError` naming them."""
    if not isinstance(values, (np.ndarray, list, tuple, float, int)):
        raise FleximoError(f"{name} is no array of numbers.", code="unreadable_file")
    if isinstance(values, np.ndarray) and values.dtype.kind not in "fiu":
        raise FleximoError(f"{name} holds no numbers.", code="unreadable_file")
    try:
        array = freeze(values, shape, name=name, dtype=np.float64)
    except FleximoError as error:
        raise FleximoError(error.message, code="unreadable_file", remedy=error.remedy) from None
    if max(array.max(initial=0.0), -array.min(initial=0.0)) > _LARGEST:
        raise FleximoError(f"{name} holds absurdly large numbers.", code="unreadable_file")
    return array


def check_frames(count: int) -> None:
    """Raises `FleximoError` for clips without a frame or with more than `MAX_FRAMES`."""
    if not 1 <= count <= MAX_FRAMES:
        raise FleximoError(f"The file has {count} frames; 1 to {MAX_FRAMES} are read.", code="unreadable_file")


def choose(item: int, count: int) -> int:
    """`item`, if a file with `count` motions has it; raises `FleximoError` otherwise."""
    if not 0 <= item < count:
        has = "one motion, number 0" if count == 1 else f"{count} motions, 0 to {count - 1}"
        raise FleximoError(f"Motion {item} was asked for; the file has {has}.", code="no_such_item")
    return item


def unit_of(leg_length: float) -> tuple[str, float] | None:
    """The unit, and its metres, in which a leg of `leg_length` is nearest to an adult's; None if in none it could be.

    >>> unit_of(0.8), unit_of(81.0), unit_of(14.2)
    (('metres', 1.0), ('centimetres', 0.01), ("CMU's units", 0.056444))
    """
    if not np.isfinite(leg_length) or leg_length <= 0.0:
        return None
    name, metres = min(_UNITS.items(), key=lambda unit: abs(np.log(leg_length * unit[1] / _LEG_M)))
    return (name, metres) if _LEGS_M[0] <= leg_length * metres <= _LEGS_M[1] else None


def in_metres(joints: FloatArray) -> tuple[FloatArray, tuple[Notice, ...]]:
    """`joints` (T,22,3) in metres, judged by the legs, and a notice if they were in another unit.

    Raises `FleximoError` if no unit makes a person of them.
    """
    hip, knee, ankle = (joints[:, BODY_JOINTS.index(f"left_{name}")] for name in ("hip", "knee", "ankle"))
    leg = float(np.median(np.linalg.norm(hip - knee, axis=1) + np.linalg.norm(knee - ankle, axis=1)))
    unit = unit_of(leg)
    if unit is None:
        raise FleximoError(
            f"The legs in this file are {leg:.4g} long; in metres, centimetres or millimetres that is no person.",
            code="implausible_scale",
            remedy="Are these 22 joints of HumanML3D, in its order, and not normalised?",
        )
    if unit[0] == "metres":
        return joints, ()
    return joints * unit[1], (unit_notice(unit[0]),)


def unit_notice(unit: str) -> Notice:
    """What to say when a file's lengths turn out not to be metres."""
    return Notice("unit_guessed", f"The file's lengths were taken as {unit}, for then its legs are a person's.")


def grounded(motion: Motion, *, shift: bool = True) -> Motion:
    """`motion` with its stance on the floor and its toes' contacts found.

    Another body than the one that was recorded stands too high or too low by a constant, and so does a file whose
    floor is not at 0. Less than 2 cm is left as it is.
    """
    names = ("left_toe_tip", "right_toe_tip", "left_heel", "right_heel", "left_knee", "right_knee", "pelvis")
    chunks = range(0, len(motion), _CHUNK_FRAMES)
    points = np.concatenate([motion[start : start + _CHUNK_FRAMES].positions(*names) for start in chunks])
    if shift:
        floor = float(np.percentile(points[..., 1].min(axis=1), 2.0))
        if abs(floor) > _FLOOR_NEAR_M:
            lift = np.array([0.0, floor, 0.0])
            motion, points = replace(motion, root=motion.root - lift), points - lift
    toes = points[:, :2]
    speed = np.zeros((1, 2))
    if len(toes) > 1:
        speed = np.linalg.norm(np.gradient(toes, axis=0), axis=-1) * float(motion.fps)
    return replace(motion, contacts=(toes[..., 1] < _TOE_LOW_M) & (speed < _TOE_SLOW_M_S))
