"""How another body's rest pose lies against the rig's: T, A, arms hanging, any proportions.

Owns the rotation per joint that brings our bones to lie along theirs, and the rig with their lengths; knows neither
files nor names. All places are metres in our axes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.fingers import shape_rotations
from fleximo.rig import DEFAULT_RIG, FINGERS, SIDES, Rig

__all__ = ["LEG_M", "alignments", "fitted_rig", "local_rotations", "torso_frame"]

Rest = Mapping[str, FloatArray]  # joint -> (3,) m

LEG_M = 0.81  # hip to ankle of the default rig
_NAMES = DEFAULT_RIG.joint_names
_PARENT = {name: _NAMES[parent] if parent >= 0 else "" for name, parent in zip(_NAMES, DEFAULT_RIG.parents.tolist())}
# The bones whose rest direction differs between programs, beside the joint that they hang on.
_ALONG = {f"{side}_{joint}": f"{side}_{child}" for side in SIDES for joint, child in
          (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))}  # fmt: skip


def torso_frame(rest: Rest) -> FloatArray | None:
    """(4,) the rotation from the rig's rest pose to `rest`: left from hips and shoulders, up along the spine.

    None where hips, shoulders and spine give no frame.
    """
    left = np.sum([rot.unit(rest[f"left_{joint}"] - rest[f"right_{joint}"]) for joint in ("hip", "shoulder")], axis=0)
    up = rest["spine3"] - (rest["left_hip"] + rest["right_hip"]) / 2.0
    ahead = np.cross(left, up)
    if np.linalg.norm(left) < 0.5 or np.linalg.norm(ahead) < 1e-6:
        return None
    x, z = rot.unit(left), rot.unit(ahead)
    return rot.from_matrix(np.stack((x, np.cross(z, x), z), axis=-1))


def alignments(rest: Rest, turned: FloatArray) -> dict[str, FloatArray]:
    """Per rig joint the rotation (4,) from the rig's rest pose to `rest`, so that bones come to lie alike.

    `turned` (4,) is the trunk's. Each limb follows by the shortest arc, so that no twist is added; hands and the
    joints that `rest` lacks follow what they hang on.
    """
    aligned = dict.fromkeys(_NAMES, turned)
    for joint, child in _ALONG.items():
        before = aligned[_PARENT[joint]] if joint.endswith(("knee", "elbow")) else turned
        aligned[joint] = _along(before, _offset(child), rest[child] - rest[joint])
    for side in SIDES:
        aligned[f"{side}_ankle"] = aligned[f"{side}_foot"] = _foot_alignment(rest, turned, side)
        aligned[f"{side}_wrist"] = aligned[f"{side}_elbow"]
        for finger in FINGERS:
            for segment in (1, 2, 3):
                joint, child = f"{side}_{finger}{segment}", f"{side}_{finger}{segment + 1}"
                aligned[joint] = aligned[_PARENT[joint]]
                if joint in rest and child in rest:
                    aligned[joint] = _along(aligned[joint], _offset(child), rest[child] - rest[joint])
    return aligned


def _foot_alignment(rest: Rest, turned: FloatArray, side: str) -> FloatArray:
    """`turned` about the vertical only: soles are flat in both rest poses, however high the ankle is."""
    foot = f"{side}_foot"
    if foot not in rest:
        return turned
    up = rot.rotate(turned, np.array([0.0, 1.0, 0.0]))
    bone = rest[foot] - rest[f"{side}_ankle"]
    level = _offset(foot) * np.array([1.0, 0.0, 1.0])
    return _along(turned, level, bone - (bone @ up) * up)


def _offset(name: str) -> FloatArray:
    return np.asarray(DEFAULT_RIG.rest_offsets[DEFAULT_RIG.index(name)], dtype=np.float64)


def _along(turned: FloatArray, ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """`turned` with the shortest arc after it that brings the rig's bone `ours` (3,) onto `theirs` (3,)."""
    if np.linalg.norm(theirs) < 1e-6:
        return turned
    return np.asarray(rot.multiply(rot.from_two_vectors(rot.rotate(turned, ours), theirs), turned))


def fitted_rig(rest: Rest, aligned: Mapping[str, FloatArray]) -> Rig:
    """The default rig with the bones of `rest`, each seen from the joint it hangs on; what lacks is scaled."""
    offsets = DEFAULT_RIG.rest_offsets.astype(np.float64)
    legs = sum(
        float(np.linalg.norm(rest[f"left_{b}"] - rest[f"left_{a}"])) for a, b in (("hip", "knee"), ("knee", "ankle"))
    )
    size = min(max(legs / LEG_M, 0.4), 2.0)
    for name, parent in _PARENT.items():
        joint = DEFAULT_RIG.index(name)
        if name in rest and parent in rest:
            offsets[joint] = rot.rotate(rot.conjugate(aligned[parent]), rest[name] - rest[parent])
        elif parent:
            offsets[joint] *= size
    landmarks = {
        name: (joint, (x * size, y * size, z * size)) for name, (joint, (x, y, z)) in DEFAULT_RIG.landmarks.items()
    }
    return DEFAULT_RIG.with_offsets(offsets, landmarks)


def local_rotations(world: Mapping[str, FloatArray]) -> FloatArray:
    """(T,52,4) local rotations of the `world` rotations (T,4) by joint; fingers that are absent are relaxed.

    Other joints that are absent move with their parent; the pelvis is there.
    """
    present = [name for name in _NAMES if name in world]
    place = {name: number for number, name in enumerate(present)}
    for name in _NAMES:
        place.setdefault(name, place.get(_PARENT[name], 0))
    turned = np.stack([world[name] for name in present], axis=1)[:, [place[name] for name in _NAMES]]
    local = turned.copy()
    local[:, 1:] = rot.multiply(rot.conjugate(turned[:, DEFAULT_RIG.parents[1:]]), turned[:, 1:])
    for side in SIDES:
        absent = [finger for finger in FINGERS if not any(f"{side}_{finger}{n}" in world for n in (1, 2, 3))]
        if absent:
            relaxed = shape_rotations("relaxed", side).reshape(len(FINGERS), 3, 4)
            for finger in absent:
                first = DEFAULT_RIG.index(f"{side}_{finger}1")
                local[:, first : first + 3] = relaxed[FINGERS.index(finger)]
    return rot.normalise(local)
