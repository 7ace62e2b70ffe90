"""BVH files: read back by a reader of the test's own, judged by SciPy's Euler angles."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy.spatial.transform import Rotation

from fleximo import DEFAULT_RIG, Motion
from fleximo.formats import bvh


def joints_of_bvh(text: str) -> tuple[list[str], np.ndarray, float]:
    """Joint names, positions (T,J,3) in m and seconds per frame, by walking the file."""
    lines = [line.split() for line in text.splitlines()]
    names, parents, offsets, stack = [], [], [], []
    row = 0
    while lines[row][0] != "MOTION":
        word = lines[row]
        if word[0] in ("ROOT", "JOINT"):
            parents.append(stack[-1] if stack else -1)
            stack.append(len(names))
            names.append(word[1])
            offsets.append(np.array(lines[row + 2][1:], dtype=float) / 100)
        elif word[0] == "End":
            row += 3  # {, OFFSET, }
        elif word[0] == "}":
            stack.pop()
        row += 1
    seconds = float(lines[row + 2][2])
    channels = np.array(lines[row + 3 :], dtype=float)
    local = [Rotation.from_euler("ZXY", channels[:, 3 + 3 * j : 6 + 3 * j], degrees=True) for j in range(len(names))]
    world, joints = [], np.zeros((len(channels), len(names), 3))
    for j, parent in enumerate(parents):
        if parent < 0:
            world.append(local[j])
            joints[:, j] = channels[:, :3] / 100
        else:
            world.append(world[parent] * local[j])
            joints[:, j] = joints[:, parent] + world[parent].apply(offsets[j])
    return names, joints, seconds


def test_a_bvh_reader_finds_the_same_joints() -> None:
    rng = np.random.default_rng(3)
    turned = rng.normal(size=(7, 52, 4))
    motion = Motion(
        turned / np.linalg.norm(turned, axis=-1, keepdims=True),
        rng.normal(size=(7, 3)),
        Fraction(24000, 1001),
        np.zeros((7, 2)),
    )
    names, joints, seconds = joints_of_bvh(bvh.to_text(motion))
    order = [names.index(name) for name in DEFAULT_RIG.joint_names]
    assert np.abs(joints[:, order] - motion.joints()).max() < 1e-4
    assert abs(seconds - 1001 / 24000) < 1e-6
