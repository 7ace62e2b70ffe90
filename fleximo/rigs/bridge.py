"""Motion from a strange character to the default rig and back, by the difference of their rest poses.

Knows places and turns of the bones that carry our joints, not their names, rolls or program. A turn is a rotation of
the world since the rest pose, so that how a bone's own axes lie does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.errors import FleximoError
from fleximo.motion import Motion
from fleximo.rest_pose import alignments, fitted_rig, local_rotations, torso_frame
from fleximo.retarget import retarget
from fleximo.rig import DEFAULT_RIG, SIDES, Landmark, Rig
from fleximo.rigs.families import NEEDED

__all__ = ["Bridge"]

_UPRIGHT = np.cos(np.radians(25.0))  # a trunk that leans less stands; only its heading is taken over
_ANKLE_SHARE = (0.6, 1.8)  # of the default rig's ankle height at that size: outside it the floor is not at 0
_UP = np.array([0.0, 1.0, 0.0])


class Bridge:
    """Between the default rig and a character whose bones at rest start at `places` (joint -> (3,) m, floor y = 0).

    Raises `FleximoError` where a needed joint is missing or the places are no body's.
    """

    def __init__(self, places: Mapping[str, FloatArray]) -> None:
        lacking = [joint for joint in NEEDED if joint not in places]
        if lacking:
            raise FleximoError(
                f"No bone is chosen for {', '.join(lacking)}.",
                code="unknown_rig",
                remedy="Choose them in the list of bones.",
            )
        self.joints = tuple(joint for joint in DEFAULT_RIG.joint_names if joint in places)
        rest = _completed({joint: np.asarray(places[joint], dtype=np.float64) for joint in self.joints})
        frame = torso_frame(rest)
        if frame is None:
            raise FleximoError(
                "The bones chosen for hips, shoulders and spine do not lie as a body's do.",
                code="unknown_rig",
                remedy="Correct the list of bones; left is the character's own left.",
            )
        up = rot.rotate(frame, _UP)
        if up[1] > _UPRIGHT:
            frame = rot.normalise(rot.multiply(rot.from_two_vectors(up, _UP), frame))
        self._aligned = alignments(rest, frame)
        rig = fitted_rig(rest, self._aligned)
        self.rig: Rig = rig.with_offsets(rig.rest_offsets, _with_feet(rig, rest))

    def motion(self, turns: Mapping[str, FloatArray], root: FloatArray, fps: Fraction, contacts: BoolArray) -> Motion:
        """What the character does, on a rig of its lengths: `turns` (T,4) by joint, the pelvis bone at `root` (T,3)."""
        turned = np.stack([turns[joint] for joint in self.joints], axis=1)
        world = rot.multiply(turned, np.array([self._aligned[joint] for joint in self.joints]))
        local = rot.continuous(local_rotations({joint: world[:, n] for n, joint in enumerate(self.joints)}))
        return Motion(local, root, fps, contacts, self.rig)

    def fit(self, motion: Motion) -> Motion:
        """`motion` with the character's lengths: feet stay planted, touching hands keep touching."""
        return retarget(motion, self.rig)

    def turns(self, fitted: Motion) -> dict[str, FloatArray]:
        """(T,4) by joint: how far each bone turns from its rest pose to do what `fitted`, of this rig, does."""
        world = fitted.world_rotations()
        return {
            joint: rot.multiply(world[:, DEFAULT_RIG.index(joint)], rot.conjugate(self._aligned[joint]))
            for joint in self.joints
        }


def _completed(rest: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """`rest` with the joints of the trunk that the character lacks, on the line between those it has."""
    middle = (rest["left_shoulder"] + rest["right_shoulder"]) / 2.0
    top = rest.get("spine3", rest["pelvis"] + 0.75 * (middle - rest["pelvis"]))
    shares = {"spine1": 1.0 / 3.0, "spine2": 2.0 / 3.0, "spine3": 1.0}
    low, low_share = rest["pelvis"], 0.0
    for name, share in shares.items():
        if name in rest:
            low, low_share = rest[name], share
        else:
            rest[name] = low + (top - low) * (share - low_share) / (1.0 - low_share)
    for side in SIDES:
        shoulder = rest[f"{side}_shoulder"]
        rest.setdefault(f"{side}_collar", rest["spine3"] + (shoulder - rest["spine3"]) * 0.4)
    return rest


def _with_feet(rig: Rig, rest: Mapping[str, FloatArray]) -> dict[str, Landmark]:
    """The rig's landmarks with soles as far below the ankles as the character's ankles stand over the floor."""
    landmarks = dict(rig.landmarks)
    for side in SIDES:
        own = -landmarks[f"{side}_heel"][1][1]
        share = float(rest[f"{side}_ankle"][1]) / own
        if not _ANKLE_SHARE[0] < share < _ANKLE_SHARE[1]:
            continue
        _, (x, y, z) = landmarks[f"{side}_heel"]
        landmarks[f"{side}_heel"] = (f"{side}_ankle", (share * x, share * y, share * z))
        ours = DEFAULT_RIG.rest_offsets[DEFAULT_RIG.index(f"{side}_foot")].astype(np.float64)
        size = share * own / -DEFAULT_RIG.landmarks[f"{side}_heel"][1][1]
        tip = (ours + DEFAULT_RIG.landmarks[f"{side}_toe_tip"][1]) * size - rig.rest_offsets[rig.index(f"{side}_foot")]
        landmarks[f"{side}_toe_tip"] = (f"{side}_foot", (float(tip[0]), float(tip[1]), float(tip[2])))
    return landmarks
