"""A motion's tokens brought to the length that was asked for: T2M-GPT chooses its own and cannot be given one.

Within 0.8 to 1.25 of the natural pace nothing is done here (the motion is played faster or slower); beyond that tokens
are looped or cut where the body is calm. Knows tokens and joints, no rig.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backend.models.t2m_gpt.vqvae import FRAMES_PER_TOKEN
from fleximo.arrays import FloatArray
from fleximo.formats.humanml import FPS

__all__ = ["PACES", "Fitted", "fit_length"]

PACES = (0.8, 1.25)  # slowest and fastest playing that still looks like the same motion
_SEAMLESS_M = 0.06  # a loop whose ends are nearer than this, joints and their way in 0.2 s together, shows no seam
_DETOUR = 0.25  # m/s of calmness that a cut gives up for a pace nearer to the natural one

Joints = Callable[[Sequence[int]], FloatArray]


@dataclass(frozen=True)
class Fitted:
    """The tokens to decode, the pace to play them at, and in words what was done to get there."""

    tokens: tuple[int, ...]
    pace: float  # natural seconds per asked second: above 1 the motion is played faster
    told: str  # empty where the length was right already


def fit_length(tokens: Sequence[int], seconds: float, joints: Joints) -> Fitted:
    """The `tokens`, at least one, made to last `seconds` together with a pace; `joints` decodes tokens (4L,22,3)."""
    asked = seconds * float(FPS) / FRAMES_PER_TOKEN
    natural = len(tokens) / asked
    if natural > PACES[1] and len(tokens) > 1:
        fitted, done = _cut(tokens, asked, joints), "cut where the body is calmest"
    elif natural < PACES[0]:
        fitted, done = _looped(tokens, asked, joints), "looped where its poses fit best"
    else:
        fitted, done = tuple(tokens), ""
    pace = len(fitted) / asked
    if not done and abs(pace - 1.0) < 0.01:
        return Fitted(fitted, pace, "")
    played = "" if abs(pace - 1.0) < 0.01 else f"played at {pace:.2f} of its pace"
    length = len(tokens) * FRAMES_PER_TOKEN / float(FPS)
    steps = " and ".join(step for step in (done, played) if step)
    return Fitted(fitted, pace, f"{length:.1f} s long, {seconds:.1f} s asked for: {steps}")


def _cut(tokens: Sequence[int], asked: float, joints: Joints) -> tuple[int, ...]:
    """The first tokens, as many as end in a calm frame near the length that was asked for."""
    places = joints(tokens)
    speed = np.linalg.norm(np.diff(places, axis=0), axis=-1).mean(axis=1) * float(FPS)
    lengths = np.arange(1, len(tokens))
    allowed = lengths[(lengths >= PACES[0] * asked) & (lengths <= PACES[1] * asked)]
    if not len(allowed):
        return tuple(tokens[: max(1, round(asked))])
    cost = speed[allowed * FRAMES_PER_TOKEN - 1] + _DETOUR * np.abs(np.log(allowed / asked))
    return tuple(tokens[: int(allowed[cost.argmin()])])


def _looped(tokens: Sequence[int], asked: float, joints: Joints) -> tuple[int, ...]:
    """The tokens with a stretch of them repeated: the longest whose ends meet well, else the one that meets best."""
    count = len(tokens)
    poses, speeds = _poses(joints(tokens))
    best: tuple[tuple[float, ...], tuple[int, ...]] | None = None
    for start in range(count):
        for stop in range(start + 1, count + 1):
            period = stop - start
            repeats = max(1, round((asked - count) / period))
            if not PACES[0] <= (count + repeats * period) / asked <= PACES[1]:
                continue
            enter, leave = max(0, start * FRAMES_PER_TOKEN - 1), stop * FRAMES_PER_TOKEN - 1
            gap = np.linalg.norm(poses[enter] - poses[leave], axis=-1).mean()
            gap += np.linalg.norm(speeds[enter] - speeds[leave], axis=-1).mean() * FRAMES_PER_TOKEN
            cost = (0.0, -float(period), float(gap)) if gap <= _SEAMLESS_M else (1.0, float(gap), -float(period))
            if best is None or cost < best[0]:
                best = cost, (*tokens[:start], *(tuple(tokens[start:stop]) * (repeats + 1)), *tokens[stop:])
    assert best is not None, "a period of one token always reaches the length"
    return best[1]


def _poses(places: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Joints (T,22,3) over the pelvis and turned to one heading, and their change a frame, without the travel."""
    across = places[:, 1] - places[:, 2]
    yaw = np.arctan2(-across[:, 2], across[:, 0])
    cosine, sine = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    level = places - places[:, :1] * np.array([1.0, 0.0, 1.0])
    x, y, z = level[..., 0], level[..., 1], level[..., 2]
    poses = np.stack((x * cosine - z * sine, y, x * sine + z * cosine), axis=-1)
    return poses, np.gradient(poses, axis=0)
