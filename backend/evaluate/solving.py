"""How fast and how truly joints become a motion: all our moves, reduced to 22 joints, and the same disturbed.

Whole rotations are judged in the tests; here are the joints and the time.
"""

from __future__ import annotations

import time

import numpy as np

from fleximo import kinematics
from fleximo.arrays import FloatArray
from fleximo.motion import Motion
from fleximo.moves import LIBRARY, generate
from fleximo.moves.lexicon import LEXICON
from fleximo.plan import MotionPlan, Segment
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG
from fleximo.solve import motion_from_joints

__all__ = ["JITTER_M", "SMPLIFY_S", "STRETCH", "solving_errors_mm", "solving_seconds"]

JITTER_M, STRETCH = 0.010, 0.05  # standard deviation of each coordinate; the most that a bone is longer or shorter
SMPLIFY_S = 120.0  # "a few minutes" a clip on a GPU, as its users are told: two at least
_FPS = 20


def solving_seconds(runs: int = 15) -> float:
    """CPU seconds for 196 frames on one core, the fastest of `runs`: others' work only ever adds to it."""
    walk = generate(MotionPlan((Segment("walk", 9.8),)), fps=_FPS)
    joints = _body(walk.joints())
    return min(_once(joints) for _ in range(runs))


def _once(joints: FloatArray) -> float:
    started = time.thread_time()
    motion_from_joints(joints, _FPS)
    return time.thread_time() - started


def solving_errors_mm() -> tuple[FloatArray, FloatArray]:
    """Per move of the library: the worst error of any joint in any frame, and the mean error when disturbed.

    Disturbed: every bone is longer or shorter by up to `STRETCH` and every coordinate trembles by `JITTER_M`; the error
    is the distance from where the joints were before they trembled.
    """
    worst, disturbed = [], []
    for seed, name in enumerate(LIBRARY):
        entry = LEXICON[name]
        seconds = entry.seconds(entry.default_repeats, 1.0)
        true = generate(MotionPlan((Segment(name, seconds, repeats=entry.default_repeats),)), fps=_FPS)
        found = motion_from_joints(_body(true.joints()), _FPS, contacts=true.contacts)
        worst.append(_errors_mm(found, _body(true.joints())).max())
        rng = np.random.default_rng(seed)
        factors = rng.uniform(1.0 - STRETCH, 1.0 + STRETCH, (len(DEFAULT_RIG.joint_names), 1))
        rig = DEFAULT_RIG.with_offsets(DEFAULT_RIG.rest_offsets * factors)
        clean = _body(kinematics.forward(rig, true.rotations.astype(np.float64), true.root.astype(np.float64))[1])
        trembling = clean + rng.normal(scale=JITTER_M, size=clean.shape)
        disturbed.append(_errors_mm(motion_from_joints(trembling, _FPS), clean).mean())
    return np.array(worst), np.array(disturbed)


def _body(joints: FloatArray) -> FloatArray:
    return joints[:, : len(BODY_JOINTS)]


def _errors_mm(found: Motion, truth: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(_body(found.joints()) - truth, axis=-1) * 1e3)
