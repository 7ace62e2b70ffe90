"""Biovision hierarchy files (BVH): text, a tree of joints with offsets in centimetres and Euler angles in degrees.

Written with the channel order Z X Y that most programs expect; the world's axes are kept (Y up).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.files import write_atomic
from fleximo.motion import Motion

__all__ = ["save", "to_text"]

_CENTIMETRES = 100.0


def save(motion: Motion, path: str | Path) -> None:
    """Writes `motion` as a BVH file, all or nothing."""
    write_atomic(Path(path), to_text(motion).encode("ascii"))


def to_text(motion: Motion) -> str:
    """The BVH text of a motion: hierarchy, then one line of channels per frame."""
    children: dict[int, list[int]] = {joint: [] for joint in range(-1, len(motion.rig.joint_names))}
    for joint, parent in enumerate(motion.rig.parents.tolist()):
        children[parent].append(joint)
    lines = ["HIERARCHY"]
    order: list[int] = []
    _write_joint(motion, 0, children, 0, lines, order)
    angles = np.degrees(_euler_zxy(motion.rotations.astype(np.float64)))[:, order]
    channels = np.concatenate((motion.root * _CENTIMETRES, angles.reshape(len(motion), -1)), axis=1)
    lines += ["MOTION", f"Frames: {len(motion)}", f"Frame Time: {float(1 / motion.fps):.8f}"]
    lines += [" ".join(f"{value:.5f}" for value in row) for row in channels]
    return "\n".join(lines) + "\n"


def _write_joint(
    motion: Motion, joint: int, children: dict[int, list[int]], depth: int, lines: list[str], order: list[int]
) -> None:
    pad = "\t" * depth
    name, offset = motion.rig.joint_names[joint], motion.rig.rest_offsets[joint] * _CENTIMETRES
    order.append(joint)
    lines += [f"{pad}{'JOINT' if depth else 'ROOT'} {name}", f"{pad}{{", f"{pad}\tOFFSET {_numbers(offset)}"]
    places = "" if depth else "Xposition Yposition Zposition "
    lines.append(f"{pad}\tCHANNELS {3 if depth else 6} {places}Zrotation Xrotation Yrotation")
    for child in children[joint]:
        _write_joint(motion, child, children, depth + 1, lines, order)
    if not children[joint]:
        tip = next((np.asarray(at) for on, at in motion.rig.landmarks.values() if on == name), np.zeros(3))
        lines += [f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {_numbers(tip * _CENTIMETRES)}", f"{pad}\t}}"]
    lines.append(f"{pad}}}")


def _numbers(values: FloatArray) -> str:
    return " ".join(f"{value:.5f}" for value in values)


def _euler_zxy(q: FloatArray) -> FloatArray:
    """Angles (...,3) of R = Rz Rx Ry in radians, in the order z, x, y."""
    m = rot.to_matrix(q)
    x = np.arcsin(np.clip(m[..., 2, 1], -1.0, 1.0))
    z = np.arctan2(-m[..., 0, 1], m[..., 1, 1])
    y = np.arctan2(-m[..., 2, 0], m[..., 2, 2])
    return np.stack((z, x, y), axis=-1)
