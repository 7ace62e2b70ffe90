"""How well joints were solved, measured against the motion that they were taken from."""

from __future__ import annotations

import numpy as np

from fleximo import DEFAULT_RIG, Motion, kinematics
from fleximo import rotations as rot
from fleximo.rig import BODY_JOINTS
from tests.fleximo.move_metrics import hinge

# joint whose rotation is judged -> the end of its bone
BONES = {
    "pelvis": "spine1", "spine1": "spine2", "spine2": "spine3", "spine3": "neck", "neck": "head",
    **{f"{side}_{a}": f"{side}_{b}" for side in ("left", "right") for a, b in (
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"),
        ("collar", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"),
    )},
}  # fmt: skip
# Joints alone tell no turn of these about their own bone.
UNTOLD = ("neck", "left_ankle", "right_ankle", "left_elbow", "right_elbow")
UPPERS = {
    "left_hip": "left_knee", "right_hip": "right_knee",
    "left_shoulder": "left_elbow", "right_shoulder": "right_elbow",
}  # fmt: skip


def body_joints(motion: Motion) -> np.ndarray:
    """(T,22,3) m: all that a joints file would hold of the motion."""
    return motion.joints()[:, : len(BODY_JOINTS)]


def joint_errors_mm(found: Motion, truth: np.ndarray) -> np.ndarray:
    """(T,22) mm between the joints of `found` and `truth` (T,22,3) m."""
    return np.linalg.norm(body_joints(found) - truth, axis=-1) * 1e3


def rotation_errors(found: Motion, true: Motion) -> dict[str, np.ndarray]:
    """Degrees between local rotations, per joint: whole rotations where joints tell them, else the bone's swing.

    Hips and shoulders count where knee or elbow is bent by more than 10 degrees; (N,) of the frames that count.
    """
    errors = {}
    for joint, end in BONES.items():
        i = true.rig.index(joint)
        a, b = (motion.rotations[:, i].astype(np.float64) for motion in (found, true))
        if joint in UNTOLD:
            bone = true.rig.rest_offsets[true.rig.index(end)].astype(np.float64)
            bone = bone / np.linalg.norm(bone)
            a, b = (rot.multiply(q, rot.conjugate(rot.twist_about(q, bone))) for q in (a, b))
        degrees = np.degrees(rot.angle_between(a, b))
        errors[joint] = degrees[hinge(true, UPPERS[joint]) > 10.0] if joint in UPPERS else degrees
    return errors


def twist_steps(motion: Motion) -> np.ndarray:
    """(T-1,4) degrees by which thighs and upper arms turn about themselves from frame to frame.

    What is left of the turn between two frames when the shortest arc between the bone's directions is taken off.
    """
    world, steps = motion.world_rotations(), []
    for upper, end in UPPERS.items():
        q = world[:, motion.rig.index(upper)]
        bone = rot.rotate(q, motion.rig.rest_offsets[motion.rig.index(end)].astype(np.float64))
        carried = rot.multiply(rot.from_two_vectors(bone[:-1], bone[1:]), q[:-1])
        steps.append(np.degrees(rot.angle_between(carried, q[1:])))
    return np.stack(steps, axis=1)


def disturbed(motion: Motion, seed: int, jitter_m: float = 0.010, stretch: float = 0.05) -> tuple[np.ndarray, ...]:
    """The motion's joints (T,22,3) on bones up to `stretch` longer or shorter, and the same with jitter.

    `jitter_m` is the standard deviation of each coordinate in each frame.
    """
    rng = np.random.default_rng(seed)
    offsets = DEFAULT_RIG.rest_offsets * rng.uniform(1.0 - stretch, 1.0 + stretch, (len(DEFAULT_RIG.joint_names), 1))
    rig = DEFAULT_RIG.with_offsets(offsets)
    _, joints = kinematics.forward(rig, motion.rotations.astype(np.float64), motion.root.astype(np.float64))
    clean = joints[:, : len(BODY_JOINTS)]
    return clean, clean + rng.normal(scale=jitter_m, size=clean.shape)
