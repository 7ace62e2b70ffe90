"""Arms and legs solved from where their ends shall be: targets -> local joint rotations with anatomical hinges.

Elbow and knee bend about one axis only; the forearm's twist sits on the elbow, the rest on the wrist. Knows no
moves and no time.
"""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.easing import smoothstep
from fleximo.kinematics import two_bone_ik
from fleximo.rig import SIDES, Rig

__all__ = ["LEG", "arm_rotations", "into_reach", "leg_rotations", "mirrored", "on_elbow_hinge"]

LEG = ("hip", "knee", "ankle")

_X, _Y, _Z = np.eye(3)
_MAX_TWIST = np.radians(80.0)  # of the forearm, either way from the palm-down T-pose
_MAX_WRIST = np.radians([20.0, 28.0, 72.0])  # left over twist, sideways, flexion


def mirrored(q: FloatArray) -> FloatArray:
    """The rotations (...,4) seen in a mirror across the body's middle plane (x -> -x)."""
    return np.asarray(q * np.array([1.0, 1.0, -1.0, -1.0]))


def _frame(x: FloatArray, y: FloatArray) -> FloatArray:
    """Rotations (...,4) whose local axes x and y lie along the unit, orthogonal directions `x`, `y` (...,3)."""
    return rot.from_matrix(np.stack((x, y, np.cross(x, y)), axis=-1))


def _without(v: FloatArray, along: FloatArray) -> FloatArray:
    """The unit part of `v` (...,3) across the unit direction `along`."""
    return rot.unit(v - (v * along).sum(axis=-1, keepdims=True) * along)


def _collar(reach: FloatArray, length: float, shrug_rad: FloatArray) -> FloatArray:
    """The collar bone (T,4) of a left arm: it rises with a raised arm and follows a reach forward or across."""
    direction = rot.unit(reach)
    elevation = np.degrees(np.arcsin(np.clip(direction[:, 1], -1.0, 1.0)))
    # Scapulo-humeral rhythm: above some 30 degrees a third of the elevation is the shoulder blade's (Inman 1944).
    lift = np.radians(24.0) * smoothstep((elevation + 25.0) / 110.0) + shrug_rad
    forward = np.radians(12.0) * np.clip(reach[:, 2] / length, 0.0, 1.0)
    across = np.radians(12.0) * np.clip(-reach[:, 0] / length, 0.0, 1.0)
    return rot.multiply(rot.from_axis_angle(_Z, lift), rot.from_axis_angle(-_Y, forward + across))


def arm_rotations(
    rig: Rig,
    side: str,
    wrist: FloatArray,
    elbow: FloatArray,
    fingers: FloatArray | None = None,
    palm: FloatArray | None = None,
    shrug_rad: FloatArray | float = 0.0,
) -> FloatArray:
    """Collar, shoulder, elbow and wrist (T,4,4) of the `side` arm that bring the wrist to `wrist`.

    All vectors are (T,3) in the frame of the chest (joint spine3) as a left arm sees it: +x is outward on the
    arm's own side, so that one pose serves both sides. `wrist` in m; `elbow`: where the elbow points; `fingers`,
    `palm`: directions of the straight fingers and out of the palm, None = straight on from the forearm.
    A wrist out of reach is approached; joints stop at their limits, the hand then only leans towards `palm`.
    """
    flip = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
    collar_offset, shoulder_offset, upper_offset, lower_offset = (
        rig.rest_offsets[rig.index(f"{side}_{joint}")].astype(np.float64) * flip
        for joint in ("collar", "shoulder", "elbow", "wrist")
    )
    upper, lower = float(np.linalg.norm(upper_offset)), float(np.linalg.norm(lower_offset))
    shrug = np.broadcast_to(np.asarray(shrug_rad, dtype=np.float64), wrist.shape[:1])
    collar = _collar(wrist - collar_offset - shoulder_offset, upper + lower, shrug)
    shoulder = collar_offset + rot.rotate(collar, shoulder_offset)
    reach = wrist - shoulder
    distance = np.linalg.norm(reach, axis=-1, keepdims=True)
    # 0.37 of both bones is an elbow bent by 137 degrees, 0.995 one by 11: neither crushed nor locked.
    target = shoulder + reach * np.clip(distance, 0.37 * (upper + lower), 0.995 * (upper + lower)) / np.maximum(
        distance, 1e-9
    )
    along = rot.unit(target - shoulder)
    pole = _without(elbow, along)
    middle, end = two_bone_ik(shoulder, target, upper, lower, pole)
    upper_world = _frame(rot.unit(middle - shoulder), rot.unit(np.cross(along, pole)))
    bend = np.arccos(np.clip((rot.unit(middle - shoulder) * rot.unit(end - middle)).sum(axis=-1), -1.0, 1.0))
    flexion = rot.from_axis_angle(-_Y, bend)
    twist, hand = _hand(rot.multiply(upper_world, flexion), fingers, palm)
    local = np.stack(
        (collar, rot.multiply(rot.conjugate(collar), upper_world), rot.multiply(flexion, twist), hand), axis=1
    )
    return local if side == "left" else mirrored(local)


def _hand(forearm: FloatArray, fingers: FloatArray | None, palm: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Forearm twist and wrist rotation (T,4) that turn a left hand on the `forearm` frame towards its directions."""
    if fingers is None and palm is None:
        still = np.broadcast_to(rot.IDENTITY, forearm.shape)
        return still, still
    along = rot.rotate(forearm, _X) if fingers is None else rot.unit(fingers)
    back = rot.rotate(forearm, _Y) if palm is None else -palm
    relative = rot.multiply(rot.conjugate(forearm), _frame(along, _without(back, along)))
    angle = rot.to_rotation_vector(rot.twist_about(relative, _X))[:, 0]
    twist = rot.from_axis_angle(_X, np.clip(angle, -_MAX_TWIST, _MAX_TWIST))
    rest = rot.to_rotation_vector(rot.multiply(rot.conjugate(twist), relative))
    return twist, rot.from_rotation_vector(np.clip(rest, -_MAX_WRIST, _MAX_WRIST))


def on_elbow_hinge(elbow: FloatArray, side: str) -> FloatArray:
    """The nearest rotations (...,4) that an elbow can take: a bend about its hinge and a twist of the forearm.

    Two such elbows mixed as rotations leave the hinge; this brings the mixture back.
    """
    sign = 1.0 if side == "left" else -1.0
    forearm = rot.rotate(elbow, sign * _X)
    bend = np.maximum(np.arctan2(forearm[..., 2], sign * forearm[..., 0]), 0.0)
    flexion = rot.from_axis_angle(-sign * _Y, bend)
    return rot.multiply(flexion, rot.twist_about(rot.multiply(rot.conjugate(flexion), elbow), _X))


def leg_rotations(
    rig: Rig, side: str, pelvis: FloatArray, root: FloatArray, ankle: FloatArray, foot: FloatArray, knee: FloatArray
) -> FloatArray:
    """Hip, knee and ankle (T,3,4) of the `side` leg that bring the ankle to `ankle` and turn the foot to `foot`.

    `pelvis` (T,4), `root` (T,3): the pelvis in the world; `ankle` (T,3) m; `foot` (T,4): the ankle joint's world
    rotation; `knee` (T,3): where the knee points. An ankle out of reach is approached along its direction.
    """
    hip_offset, upper_offset, lower_offset = (
        rig.rest_offsets[rig.index(f"{side}_{joint}")].astype(np.float64) for joint in ("hip", "knee", "ankle")
    )
    upper, lower = float(np.linalg.norm(upper_offset)), float(np.linalg.norm(lower_offset))
    hip = root + rot.rotate(pelvis, hip_offset)
    along = rot.unit(ankle - hip)
    pole = _without(knee, along)
    middle, end = two_bone_ik(hip, ankle, upper, lower, pole)
    thigh_down, shin_down = rot.unit(middle - hip), rot.unit(end - middle)
    hinge = rot.unit(np.cross(pole, along))
    thigh = _frame(hinge, -thigh_down)
    bend = np.arccos(np.clip((thigh_down * shin_down).sum(axis=-1), -1.0, 1.0))
    flexion = rot.from_axis_angle(_X, bend)
    shin = rot.multiply(thigh, flexion)
    return np.stack(
        (rot.multiply(rot.conjugate(pelvis), thigh), flexion, rot.multiply(rot.conjugate(shin), foot)), axis=1
    )


def into_reach(
    rig: Rig,
    pelvis: FloatArray,
    root: FloatArray,
    ankles: FloatArray,
    wanted: BoolArray,
    straightest: float = 0.995,
) -> FloatArray:
    """The root (T,3), lowered where an ankle (T,2,3) that is `wanted` (T,2) is out of reach, and smoothly around it.

    `straightest`: the reach, as a fraction of the straight leg; the default lies above what the moves themselves use.
    """
    missing = np.zeros(len(root))
    for i, side in enumerate(SIDES):
        hip_offset, *bones = (rig.rest_offsets[rig.index(f"{side}_{n}")].astype(np.float64) for n in LEG)
        reach = straightest * sum(float(np.linalg.norm(bone)) for bone in bones)
        gap = ankles[:, i] - root - rot.rotate(pelvis, hip_offset)
        drop = np.sqrt(np.maximum(reach**2 - gap[:, 0] ** 2 - gap[:, 2] ** 2, 0.0))
        missing = np.maximum(missing, np.where(wanted[:, i], -gap[:, 1] - drop, 0.0))
    if missing.max() <= 0.0:
        return root
    padded = np.pad(missing, 8, mode="edge")
    window = np.lib.stride_tricks.sliding_window_view
    lowered = window(window(padded, 9).max(axis=1), 9).mean(axis=1)
    return np.asarray(root - lowered[:, None] * np.array([0.0, 1.0, 0.0]))
