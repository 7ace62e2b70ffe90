"""BVH files of other programs' skeletons that move exactly as a motion of ours does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from fleximo import DEFAULT_RIG, Motion
from fleximo import rotations as rot
from fleximo.fingers import finger_names
from fleximo.rig import BODY_JOINTS, Rig

SIDES = ("left", "right")
_MIXAMO = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase", "collar": "Shoulder", "shoulder": "Arm",
    "elbow": "ForeArm", "wrist": "Hand",
}  # fmt: skip
_BIPED = {
    "pelvis": "Pelvis", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    "hip": "Thigh", "knee": "Calf", "ankle": "Foot", "foot": "Toe0", "collar": "Clavicle", "shoulder": "UpperArm",
    "elbow": "Forearm", "wrist": "Hand",
}  # fmt: skip
_RIGIFY = {
    "pelvis": "spine", "spine1": "spine.001", "spine2": "spine.002", "spine3": "spine.003", "neck": "neck",
    "head": "head", "hip": "thigh", "knee": "shin", "ankle": "foot", "foot": "toe", "collar": "shoulder",
    "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand",
}  # fmt: skip
_XSENS = {
    "pelvis": "Hips", "spine1": "Chest", "spine2": "Chest2", "spine3": "Chest3", "neck": "Neck", "head": "Head",
    "hip": "Hip", "knee": "Knee", "ankle": "Ankle", "foot": "Toe", "collar": "Collar", "shoulder": "Shoulder",
    "elbow": "Elbow", "wrist": "Wrist",
}  # fmt: skip


def _named(words: Mapping[str, str], form: str, sides: tuple[str, str]) -> dict[str, str]:
    """Our names -> theirs, `form` with {side} and {word}."""
    names = {}
    for joint in BODY_JOINTS:
        side, _, part = joint.partition("_")
        if part:
            names[joint] = form.format(side=sides[SIDES.index(side)], word=words[part])
        else:
            names[joint] = form.format(side="", word=words[joint]).strip()
    return names


def mixamo(prefix: str = "mixamorig:", *, fingers: bool = True) -> dict[str, str]:
    names = {ours: prefix + theirs for ours, theirs in _named(_MIXAMO, "{side}{word}", ("Left", "Right")).items()}
    for side in SIDES if fingers else ():
        for joint in finger_names(side):
            names[joint] = f"{prefix}{side.title()}Hand{joint.removeprefix(side + '_').title()}"
    return names


def biped() -> dict[str, str]:
    return {ours: "Bip01 " + theirs for ours, theirs in _named(_BIPED, "{side} {word}", ("L", "R")).items()}


def rigify() -> dict[str, str]:
    names = _named(_RIGIFY, "{word}.{side}", ("L", "R"))
    return {ours: theirs.removesuffix(".") for ours, theirs in names.items()}


def xsens() -> dict[str, str]:
    return _named(_XSENS, "{side}{word}", ("Left", "Right"))


def turned(degrees: float, axis: str, *joints: str) -> dict[str, np.ndarray]:
    """A rest pose in which `joints` and all below them are turned."""
    quaternion = rot.from_axis_angle(np.eye(3)["xyz".index(axis)], np.radians(degrees))
    return {DEFAULT_RIG.joint_names[n]: quaternion for joint in joints for n in DEFAULT_RIG.descendants(joint)}


def a_pose(degrees: float = 45.0) -> dict[str, np.ndarray]:
    """Arms that hang by `degrees`, legs a little apart."""
    legs = {
        name: q
        for side, sign in (("left", 1.0), ("right", -1.0))
        for name, q in turned(6.0 * sign, "z", f"{side}_hip").items()
        if not name.endswith(("ankle", "foot"))
    }
    return {**legs, **turned(-degrees, "z", "left_shoulder"), **turned(degrees, "z", "right_shoulder")}


def bent_elbows(degrees: float = 30.0) -> dict[str, np.ndarray]:
    """Arms that hang with their forearms held forward."""
    rest = a_pose(80.0)
    for side in SIDES:
        arm = rot.rotate(rest[f"{side}_elbow"], DEFAULT_RIG.rest_offsets[DEFAULT_RIG.index(f"{side}_wrist")])
        ahead = np.cos(np.radians(degrees)) * rot.unit(arm) + np.sin(np.radians(degrees)) * np.array([0.0, 0.0, 1.0])
        bend = rot.from_two_vectors(arm, ahead)
        for joint in DEFAULT_RIG.descendants(f"{side}_elbow"):
            name = DEFAULT_RIG.joint_names[joint]
            rest[name] = rot.multiply(bend, rest[name])
    return rest


@dataclass
class Skeleton:
    """How a program would have written a motion."""

    names: dict[str, str]  # ours -> theirs; joints without a name are left out
    order: str = "ZXY"
    per_metre: float = 100.0
    rest: dict[str, np.ndarray] = field(default_factory=dict)  # joint -> its turn against our rest pose
    between: dict[str, tuple[str, float]] = field(default_factory=dict)  # before a joint: extra joint, share of bone
    z_up: bool = False
    wrapped: bool = False  # a joint above the hips that carries nothing
    placed: bool = False  # every joint has position channels
    frame_time: str = ""

    def text(self, motion: Motion) -> str:
        """The BVH file; `motion` on a rig with the default rig's joints."""
        rig = motion.rig
        joints = [name for name in rig.joint_names if name in self.names]
        world = {name: motion.world_rotations()[:, rig.index(name)] for name in joints}
        parent = {name: self._above(rig, name) for name in joints[1:]}
        out = rot.from_axis_angle([1.0, 0.0, 0.0], np.pi / 2) if self.z_up else rot.IDENTITY
        theirs, offsets = {}, {}
        for name in joints:
            back = rot.conjugate(self.rest.get(name, rot.IDENTITY))
            theirs[name] = rot.multiply(rot.multiply(out, rot.multiply(world[name], back)), rot.conjugate(out))
            if name in parent:
                bone = rig.rest_joints[rig.index(name)] - rig.rest_joints[rig.index(parent[name])]
                offsets[name] = rot.rotate(out, rot.rotate(self.rest.get(parent[name], rot.IDENTITY), bone))
                offsets[name] = offsets[name] * self.per_metre
        places = rot.rotate(out, motion.root.astype(float)) * self.per_metre
        columns: list[np.ndarray] = []
        lines = ["HIERARCHY"]
        if self.wrapped:
            lines += ["ROOT reference", "{", "OFFSET 0 0 0", "CHANNELS 3 Zrotation Xrotation Yrotation"]
            columns.append(np.zeros((len(motion), 3)))
        self._add(joints[0], joints, parent, theirs, offsets, places, lines, columns)
        lines += ["}"] * self.wrapped
        rows = np.concatenate(columns, axis=1)
        time = self.frame_time or f"{float(1 / motion.fps):.7f}"
        lines += ["MOTION", f"Frames:\t{len(rows)}", f"Frame Time:\t{time}"]
        return "\r\n".join([*lines, *(" ".join(f"{value:.6f}" for value in row) for row in rows)]) + "\r\n"

    def _above(self, rig: Rig, name: str) -> str:
        """The nearest joint above `name` that the program has; those left out must not turn."""
        while True:
            name = rig.joint_names[rig.parents[rig.index(name)]]
            if name in self.names:
                return name

    def _add(self, name, joints, parent, theirs, offsets, places, lines, columns) -> None:  # type: ignore[no-untyped-def]
        root = name == joints[0]
        # Position channels replace the offset, as momask's template has it at its root.
        offset = np.array([7.0, -3.0, 11.0]) * self.placed if root else offsets[name]
        local = theirs[name] if root else rot.multiply(rot.conjugate(theirs[parent[name]]), theirs[name])
        extra = self.between.get(name)
        if extra is not None:
            lines += [f"JOINT {extra[0]}", "{", "OFFSET " + " ".join(f"{v:.6f}" for v in offset * extra[1])]
            lines.append("CHANNELS 3 " + self._rotation_channels())
            columns.append(np.zeros((len(places), 3)))
            offset = offset * (1.0 - extra[1])
        lines += [f"{'ROOT' if root and not self.wrapped else 'JOINT'} {self.names[name]}", "{"]
        lines.append("OFFSET " + " ".join(f"{v:.6f}" for v in offset))
        place = "Xposition Yposition Zposition " if root or self.placed else ""
        lines.append(f"CHANNELS {6 if place else 3} {place}{self._rotation_channels()}")
        if place:
            columns.append(places if root else np.broadcast_to(offset, (len(places), 3)))
        columns.append(Rotation.from_quat(local[:, [1, 2, 3, 0]]).as_euler(self.order, degrees=True))
        children = [child for child in joints if parent.get(child) == name]
        for child in children:
            self._add(child, joints, parent, theirs, offsets, places, lines, columns)
        if not children:
            lines += ["End Site", "{", "OFFSET 0 0 0", "}"]
        lines.append("}" * (1 if extra is None else 2) if extra is None else "}\r\n}")

    def _rotation_channels(self) -> str:
        return " ".join(f"{axis}rotation" for axis in self.order)
