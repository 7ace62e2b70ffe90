"""A motion's pose in every frame, corrected limb by limb: an arm or a leg bent so that its end comes to a place.

Knows neither why a limb is moved nor what comes before or after a frame.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.kinematics import forward, landmark_positions, two_bone_ik
from fleximo.motion import Motion
from fleximo.rig import Rig

__all__ = ["Limb", "Posed"]

Limb = tuple[str, str, str]  # the joints at its root, its hinge and its end


class Posed:
    """A pose of every frame that is being corrected limb by limb."""

    def __init__(self, rig: Rig, rotations: FloatArray, root: FloatArray) -> None:
        self.rig = rig
        self.root = root
        self.rotations = rotations.copy()
        self.world, self.joints = forward(rig, rotations, root)

    def points(self, *names: str) -> FloatArray:
        """(N,T,3) m, joints or landmarks, before any correction."""
        return np.moveaxis(landmark_positions(self.rig, self.world, self.joints, names), 1, 0)

    def motion(self, like: Motion) -> Motion:
        """The corrected pose with the time and contacts of `like`."""
        return replace(like, rotations=rot.normalise(self.rotations), root=self.root, rig=self.rig)

    def carry(self, root: FloatArray) -> None:
        """Puts the whole body where its root is at `root` (T,3) m; before any limb is brought."""
        self.joints = self.joints + (root - self.root)[:, None]
        self.root = root

    def bring(self, limb: Limb, target: FloatArray, forward_axis: FloatArray, lean_m: float = 0.02) -> None:
        """Bends `limb` so that its end comes to `target` (T,3); the end keeps its world rotation.

        Both bones turn the shortest way, which keeps their twist. A limb whose hinge is not much more than `lean_m` off
        the straight line bends towards its root's `forward_axis`.
        """
        start, hinge, end = (self.rig.index(name) for name in limb)
        at, world = self.joints, self.world
        bend = at[:, hinge] - (at[:, start] + at[:, end]) / 2.0
        pole = bend + lean_m * rot.rotate(world[:, start], forward_axis)
        upper, lower = (float(np.linalg.norm(self.rig.rest_offsets[joint])) for joint in (hinge, end))
        middle, reached = two_bone_ik(at[:, start], target, upper, lower, pole)
        first = rot.multiply(rot.from_two_vectors(at[:, hinge] - at[:, start], middle - at[:, start]), world[:, start])
        second = rot.multiply(rot.from_two_vectors(at[:, end] - at[:, hinge], reached - middle), world[:, hinge])
        parent = world[:, int(self.rig.parents[start])]
        self.rotations[:, start] = rot.multiply(rot.conjugate(parent), first)
        self.rotations[:, hinge] = rot.multiply(rot.conjugate(first), second)
        self.rotations[:, end] = rot.multiply(rot.conjugate(second), world[:, end])
