"""The same motion on another body: feet stay where they were planted, hands that touch keep touching.

Knows rigs of the same joints and nothing of the person that a rig was fitted to. Every frame by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.bones import rig_bones
from fleximo.easing import smoothstep
from fleximo.motion import Motion
from fleximo.posed import Posed
from fleximo.rig import SIDES, Rig

__all__ = ["Plants", "regrip", "retarget"]

_REACH = 0.9995  # of both leg bones; beyond it the pelvis is lowered, for a locked knee snaps
_TOUCH_M = (0.12, 0.30)  # palms nearer than the first keep their distance, further than the second are free
_STANCE_M = (0.12, 0.50)  # a foot this near to where it started is moved with it wholly, this far away not at all
Plants = tuple[tuple[float, float, float, float], ...]


def retarget(motion: Motion, rig: Rig, stride: tuple[float, ...] = (1.0, 0.0, 0.0, 1.0), plants: Plants = ()) -> Motion:
    """`motion` on `rig`, which has the joints of `motion.rig` and other lengths.

    The joints turn as before; the path is scaled with the legs, planted feet stay in place by leg inverse kinematics,
    and palms that come near each other or the face do so on this body too. `stride` (2x2 by rows) maps x and z of
    the path. `plants`, of the left and the right foot, are (x, z) of the toe where it starts, on this body before
    `stride`, and (dx, dz) m by which it shall stand elsewhere; a foot that walks away from there loses that shift.
    Both only map places on the floor, so that what stands still before them stands still after them.
    """
    old = motion.rig
    own, new = rig_bones(old), rig_bones(rig)
    legs = (new["thigh"] + new["shin"]) / (own["thigh"] + own["shin"])
    feet = new["foot"] / own["foot"]
    walked = np.eye(3)
    walked[np.ix_([0, 2], [0, 2])] = np.reshape(stride, (2, 2))
    hips = [old.index("left_hip"), old.index("right_hip")]
    # The hips' height over the ankles scales with the legs, the ankles' over the floor with the feet.
    ankle_height = -old.landmarks["left_heel"][1][1]
    hips_drop = [-float(body.rest_offsets[hips, 1].mean()) for body in (old, rig)]
    higher = (feet - legs) * ankle_height + hips_drop[1] - legs * hips_drop[0]
    root = legs * motion.root.astype(np.float64) @ walked.T + np.array([0.0, higher, 0.0])
    ankles = {side: _ankle_targets(motion, side, legs, feet, walked) for side in SIDES}
    for side, plant in zip(SIDES, plants):
        ankles[side] += _planted(legs * motion.positions(f"{side}_toe_tip")[:, 0], plant)
    root[:, 1] -= _too_far(rig, motion.world_rotations(), root, ankles)
    pose = Posed(rig, motion.rotations.astype(np.float64), root)
    for side in SIDES:
        pose.bring((f"{side}_hip", f"{side}_knee", f"{side}_ankle"), ankles[side], np.array([0.0, 0.0, 1.0]))
    return regrip(motion, pose.motion(motion))


def regrip(motion: Motion, fitted: Motion) -> Motion:
    """`fitted` with its arms bent so that palms touch each other and the face as they do in `motion`."""
    pose = Posed(fitted.rig, fitted.rotations.astype(np.float64), fitted.root.astype(np.float64))
    wrists = _touching_wrists(motion, fitted.rig, pose)
    for side in SIDES:
        pose.bring((f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"), wrists[side], np.array([0.0, 0.0, -1.0]))
    return pose.motion(fitted)


def _ankle_targets(motion: Motion, side: str, legs: float, feet: float, walked: FloatArray) -> FloatArray:
    """(T,3) m, where the ankle goes: over the lower end of its foot, on a path shortened by `walked` (3,3).

    The toe tip is what the path is read from, for it stays in place longest.
    """
    ankle, heel, toe = np.moveaxis(motion.positions(f"{side}_ankle", f"{side}_heel", f"{side}_toe_tip"), 1, 0)
    on_toes = 1.0 / (1.0 + np.exp(np.clip((toe[:, 1:2] - heel[:, 1:2]) / 0.01, -30.0, 30.0)))
    support = toe * on_toes + heel * (1.0 - on_toes)
    return np.asarray(legs * support + feet * (ankle - support) + legs * (toe @ walked.T - toe))


def _planted(toe: FloatArray, plant: tuple[float, float, float, float]) -> FloatArray:
    """(T,3) m, the shift of a foot whose toe is at `toe` (T,3)."""
    away = toe[:, [0, 2]] - np.array(plant[:2])
    shift = np.zeros(toe.shape)
    shift[:, [0, 2]] = _nearness(away, _STANCE_M) * np.array(plant[2:])
    return shift


def _too_far(rig: Rig, world: FloatArray, root: FloatArray, targets: Mapping[str, FloatArray]) -> FloatArray:
    """(T,) m by which the pelvis must sink so that both ankles can be reached."""
    sink = np.zeros(len(root))
    for side in SIDES:
        hip = root + rot.rotate(world[:, 0], rig.rest_offsets[rig.index(f"{side}_hip")].astype(np.float64))
        reach = _REACH * sum(
            float(np.linalg.norm(rig.rest_offsets[rig.index(f"{side}_{name}")])) for name in ("knee", "ankle")
        )
        span = hip - targets[side]
        level = np.hypot(span[:, 0], span[:, 2])
        sink = np.maximum(sink, span[:, 1] - np.sqrt(np.maximum(reach**2 - level**2, 0.0)))
    return np.maximum(sink, 0.0)


def _touching_wrists(motion: Motion, rig: Rig, pose: Posed) -> dict[str, FloatArray]:
    """(T,3) m, where each wrist goes so that palms keep their distance from each other and from the nose."""
    names = ("left_middle1", "right_middle1", "nose")
    old_left, old_right, old_nose = np.moveaxis(motion.positions(*names), 1, 0)
    left, right, nose = pose.points(*names)
    own, new = rig_bones(motion.rig), rig_bones(rig)
    hands, head = new["hand"] / own["hand"], new["neck_to_nose"] / own["neck_to_nose"]
    together = _nearness(old_left - old_right) * (hands * (old_left - old_right) - (left - right)) / 2.0
    moved = {"left": left + together, "right": right - together}
    wrists = {}
    for side, palm, old in (("left", left, old_left), ("right", right, old_right)):
        to_face = _nearness(old - old_nose) * (nose + head * (old - old_nose) - moved[side])
        wrists[side] = pose.joints[:, rig.index(f"{side}_wrist")] + moved[side] - palm + to_face
    return wrists


def _nearness(span: FloatArray, limits_m: tuple[float, float] = _TOUCH_M) -> FloatArray:
    """(T,1) 1 where the vector `span` (T,N) is shorter than the first limit, 0 beyond the second, smooth between."""
    near, far = limits_m
    return smoothstep((far - np.linalg.norm(span, axis=-1, keepdims=True)) / (far - near))
