"""The skeleton: joint names, parents, rest offsets, and named points on the surface that hang on a joint.

Owns the default rig of 52 joints (SMPL-H's names and order, proportions of our own). Knows nothing of time.
World: metres, Y up, floor y = 0, facing +Z, +X is the subject's left; rest pose = T-pose with every joint frame
aligned to the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from fleximo.arrays import FloatArray, IntArray, freeze
from fleximo.errors import FleximoError

__all__ = ["BODY_JOINTS", "DEFAULT_RIG", "FINGERS", "SIDES", "Landmark", "Rig"]

Landmark = tuple[str, tuple[float, float, float]]

SIDES = ("left", "right")  # in this order wherever an array has a side axis, contacts for one
FINGERS = ("index", "middle", "pinky", "ring", "thumb")

BODY_JOINTS: tuple[str, ...] = tuple(
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot "
    "right_foot neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist".split()
)


@dataclass(frozen=True, eq=False)
class Rig:
    """A tree of joints; the root comes first and every parent stands before its children."""

    joint_names: tuple[str, ...]
    parents: IntArray  # (J,) index of the parent, -1 for the root
    rest_offsets: FloatArray  # (J,3) m from the parent in the rest pose; the root's is 0
    landmarks: Mapping[str, Landmark] = field(default_factory=dict)  # name -> (joint name, local offset in m)

    def __post_init__(self) -> None:
        count = len(self.joint_names)
        object.__setattr__(self, "joint_names", tuple(str(name) for name in self.joint_names))
        object.__setattr__(self, "parents", freeze(self.parents, (count,), name="Rig.parents", dtype=np.int32))
        object.__setattr__(self, "rest_offsets", freeze(self.rest_offsets, (count, 3), name="Rig.rest_offsets"))
        object.__setattr__(self, "landmarks", MappingProxyType(dict(self.landmarks)))
        if len(set(self.joint_names)) != count or count == 0:
            raise FleximoError("A rig needs at least one joint and every joint its own name.")
        ordered = all(0 <= parent < joint for joint, parent in enumerate(self.parents.tolist()) if joint)
        if self.parents[0] != -1 or not ordered:
            raise FleximoError("Rig.parents must start with -1 for the root and name each parent before its children.")
        if np.abs(self.rest_offsets[0]).max() > 0:
            raise FleximoError("The rest offset of a rig's root must be 0; the root's place belongs to the motion.")
        for name, (joint, _) in self.landmarks.items():
            if joint not in self._indices:
                raise FleximoError(f"The landmark {name} hangs on {joint}, which is no joint of the rig.")

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {name: joint for joint, name in enumerate(self.joint_names)}

    def index(self, name: str) -> int:
        """The number of the joint called `name`; raises `FleximoError` if there is none."""
        try:
            return self._indices[name]
        except KeyError:
            raise FleximoError(f"The rig has no joint called {name!r}; it has {', '.join(self.joint_names)}.") from None

    def descendants(self, name: str) -> tuple[int, ...]:
        """The joint `name` and all joints below it, ascending."""
        inside = {self.index(name)}
        for joint, parent in enumerate(self.parents.tolist()):
            if parent in inside:
                inside.add(joint)
        return tuple(sorted(inside))

    @cached_property
    def levels(self) -> tuple[IntArray, ...]:
        """The joints by their distance from the root, the root first: those of one level do not need each other."""
        depths = [0]
        for parent in self.parents[1:].tolist():
            depths.append(depths[parent] + 1)
        return tuple(np.flatnonzero(np.array(depths) == depth) for depth in range(max(depths) + 1))

    @cached_property
    def rest_joints(self) -> FloatArray:
        """(J,3) m, positions in the rest pose with the root at the origin."""
        joints = np.zeros((len(self.joint_names), 3))
        for joint, parent in enumerate(self.parents.tolist()):
            if joint:
                joints[joint] = joints[parent] + self.rest_offsets[joint]
        joints.setflags(write=False)
        return joints

    @cached_property
    def rest_height(self) -> float:
        """Height of the root when the rig stands straight on the floor: its lowest joint or landmark has y = 0."""
        lowest = self.rest_joints[:, 1].min()
        for joint, offset in self.landmarks.values():
            lowest = min(lowest, self.rest_joints[self.index(joint), 1] + offset[1])
        return float(-lowest)

    def with_offsets(self, rest_offsets: FloatArray, landmarks: Mapping[str, Landmark] | None = None) -> Rig:
        """The same tree with other bone lengths (and landmarks)."""
        return replace(self, rest_offsets=rest_offsets, landmarks=self.landmarks if landmarks is None else landmarks)


def _mirrored(points: dict[str, tuple[float, float, float]]) -> dict[str, tuple[float, float, float]]:
    """`points` with a right twin (x negated) for each name that starts with left_."""
    both = dict(points)
    for name, (x, y, z) in points.items():
        if name.startswith("left_"):
            both["right_" + name[5:]] = (-x, y, z)
    return both


# Proportions of an adult of 1.72 m, from published body ratios (Drillis & Contini 1966), rounded; not SMPL's.
_OFFSETS = _mirrored(
    {
        "pelvis": (0.0, 0.0, 0.0),
        "left_hip": (0.090, -0.070, 0.0),
        "spine1": (0.0, 0.105, -0.010),
        "left_knee": (0.0, -0.405, 0.0),
        "spine2": (0.0, 0.125, 0.0),
        "left_ankle": (0.0, -0.405, 0.0),
        "spine3": (0.0, 0.075, 0.010),
        "left_foot": (0.0, -0.060, 0.120),
        "neck": (0.0, 0.205, -0.010),
        "left_collar": (0.065, 0.120, -0.010),
        "head": (0.0, 0.085, 0.020),
        "left_shoulder": (0.105, 0.020, 0.0),
        "left_elbow": (0.280, 0.0, 0.0),
        "left_wrist": (0.255, 0.0, 0.0),
        "left_index1": (0.090, 0.004, 0.026),
        "left_index2": (0.036, 0.0, 0.0),
        "left_index3": (0.024, 0.0, 0.0),
        "left_middle1": (0.092, 0.006, 0.004),
        "left_middle2": (0.040, 0.0, 0.0),
        "left_middle3": (0.027, 0.0, 0.0),
        "left_pinky1": (0.080, 0.0, -0.036),
        "left_pinky2": (0.028, 0.0, 0.0),
        "left_pinky3": (0.019, 0.0, 0.0),
        "left_ring1": (0.087, 0.004, -0.017),
        "left_ring2": (0.037, 0.0, 0.0),
        "left_ring3": (0.025, 0.0, 0.0),
        "left_thumb1": (0.026, -0.012, 0.026),
        "left_thumb2": (0.032, -0.006, 0.026),
        "left_thumb3": (0.024, -0.003, 0.018),
    }
)
_FINGERTIPS = {
    "index": (0.022, 0.0, 0.0),
    "middle": (0.024, 0.0, 0.0),
    "pinky": (0.019, 0.0, 0.0),
    "ring": (0.023, 0.0, 0.0),
    "thumb": (0.018, -0.002, 0.012),
}
# The bones of one side; `hip` hangs on the pelvis and `collar` on spine3.
_CHAINS = (
    ("pelvis", "hip", "knee", "ankle", "foot"),
    ("spine3", "collar", "shoulder", "elbow", "wrist"),
    *(("wrist", f"{finger}1", f"{finger}2", f"{finger}3") for finger in FINGERS),
)


def _parents_by_name() -> dict[str, str]:
    parents = {"spine1": "pelvis", "spine2": "spine1", "spine3": "spine2", "neck": "spine3", "head": "neck"}
    for side in ("left", "right"):
        for chain in _CHAINS:
            for parent, child in zip(chain, chain[1:]):
                parents[f"{side}_{child}"] = parent if parent in ("pelvis", "spine3") else f"{side}_{parent}"
    return parents


def _default_landmarks() -> dict[str, Landmark]:
    landmarks: dict[str, Landmark] = {"nose": ("head", (0.0, 0.040, 0.115)), "head_top": ("head", (0.0, 0.175, 0.010))}
    surface = _mirrored({"left_eye": (0.032, 0.072, 0.092), "left_ear": (0.075, 0.050, 0.005)})
    landmarks |= {name: ("head", offset) for name, offset in surface.items()}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        landmarks[f"{side}_heel"] = (f"{side}_ankle", (0.0, -0.080, -0.050))
        landmarks[f"{side}_toe_tip"] = (f"{side}_foot", (0.0, -0.015, 0.070))
        for finger, (x, y, z) in _FINGERTIPS.items():
            landmarks[f"{side}_{finger}_tip"] = (f"{side}_{finger}3", (sign * x, y, z))
    return landmarks


def _default_rig() -> Rig:
    fingers = (f"{side}_{finger}{segment}" for side in ("left", "right") for finger in FINGERS for segment in (1, 2, 3))
    names = (*BODY_JOINTS, *fingers)
    parents = _parents_by_name()
    return Rig(
        joint_names=names,
        parents=np.array([names.index(parents[name]) if name in parents else -1 for name in names]),
        rest_offsets=np.array([_OFFSETS[name] for name in names]),
        landmarks=_default_landmarks(),
    )


DEFAULT_RIG: Rig = _default_rig()
