"""A strange skeleton's motion -> the rig's: every bone turns as it did, and keeps its length.

Rest poses of any kind (T, A, arms hanging, lying) are matched with the rig's by `rest_pose`, names by `bvh_joints`.
"""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError, Notice
from fleximo.formats.bvh_file import BvhFile
from fleximo.formats.bvh_joints import NamedJoints, name_joints
from fleximo.formats.clips import Ask, Found, choose, grounded, unit_notice, unit_of
from fleximo.motion import Motion
from fleximo.rest_pose import LEG_M, alignments, fitted_rig, local_rotations, torso_frame
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG
from fleximo.solve import motion_from_joints

__all__ = ["found_in_bvh"]

_CHUNK_FRAMES = 2048  # bounds the memory of long clips
_TURN_UP = {"y": rot.IDENTITY, "z": np.array([np.sqrt(0.5), -np.sqrt(0.5), 0.0, 0.0])}  # Z up, facing -Y, as Blender
_NAMES = DEFAULT_RIG.joint_names


def found_in_bvh(file: BvhFile, ask: Ask) -> Found:
    """The motion of one of the file's skeletons on the rig, with the bone lengths of the file.

    Rest poses in which legs do not hang below the pelvis tell nothing of the joints' frames; then only the joints'
    places are used (`motion_from_joints`).
    """
    root = file.roots[choose(ask.item, len(file.roots))]
    names = [joint.name for joint in file.joints]
    parents = [joint.parent for joint in file.joints]
    inside = _below(parents, root)
    kept = [n for n in range(len(names)) if n in inside]
    named = name_joints(
        [names[n] for n in kept], [kept.index(parents[n]) if n != root else -1 for n in kept], file.rest_places()[kept]
    )
    person = _Person(file, NamedJoints({k: kept[n] for k, n in named.by_name.items()},
                                       tuple(kept[n] for n in named.spine), named.by_structure), ask)  # fmt: skip
    motion = person.by_rotations() if person.rest_is_upright() else person.by_places()
    return Found(f"BVH, {len(kept)} joints", motion, len(file.roots), notices=tuple(person.notices))


def _below(parents: list[int], root: int) -> set[int]:
    inside = {root}
    for joint, parent in enumerate(parents):
        if parent in inside:
            inside.add(joint)
    return inside


class _Person:
    """One skeleton of the file with its places named as the rig's joints."""

    def __init__(self, file: BvhFile, named: NamedJoints, ask: Ask) -> None:
        self.file = file
        self.named = named
        self.notices: list[Notice] = []
        if named.by_structure:
            message = "The names of the joints are unknown; arms and legs were told by the shape of the skeleton."
            self.notices.append(
                Notice("joints_by_structure", message, "Look at the motion: left and right may differ.")
            )
        rest = file.rest_places()
        at = named.by_name
        leg = np.mean([
            np.linalg.norm(rest[at[f"{side}_{a}"]] - rest[at[f"{side}_{b}"]])
            for side in ("left", "right") for a, b in (("hip", "knee"), ("knee", "ankle"))
        ])  # fmt: skip
        unit = unit_of(2.0 * float(leg))
        if unit is None:
            # A creature or a unit of nobody's: as tall as the rig.
            unit = (f"{LEG_M / max(2.0 * float(leg), 1e-9):.3g} m", LEG_M / max(2.0 * float(leg), 1e-9))
        if unit[0] not in ("metres", "centimetres"):
            self.notices.append(unit_notice(unit[0]))
        self.metres = unit[1]
        self.turn = _TURN_UP[ask.up or self._up(rest)]
        places = self._places(rot.rotate(self.turn, rest * self.metres)[None])
        self.rest = {name: place[0] for name, place in places.items()}
        self.upright = torso_frame(self.rest)

    def _up(self, rest: FloatArray) -> str:
        """The axis of the world that points up: that of the rest pose if it is Y or Z, else of the motion's middle."""
        at = self.named.by_name

        def axis(places: FloatArray) -> int:
            hips = (places[:, at["left_hip"]] + places[:, at["right_hip"]]) / 2.0
            ankles = (places[:, at["left_ankle"]] + places[:, at["right_ankle"]]) / 2.0
            mean = rot.unit(places[:, self.named.spine[-1]] + hips - 2.0 * ankles).mean(axis=0)
            return int(np.argmax(np.abs(mean)))

        resting = axis(rest[None])
        if resting:
            return "xyz"[resting]
        step = max(1, len(self.file.rows) // 200)
        return "z" if axis(self.file.posed(slice(None, None, step))[1]) == 2 else "y"

    def rest_is_upright(self) -> bool:
        """Whether the legs of the rest pose hang below the hips."""
        if self.upright is None:
            return False
        down = rot.rotate(self.upright, np.array([0.0, -1.0, 0.0]))
        bones = [self.rest[f"{side}_{a}"] - self.rest[f"{side}_{b}"] for side in ("left", "right")
                 for a, b in (("knee", "hip"), ("ankle", "knee"))]  # fmt: skip
        return all(float(rot.unit(bone) @ down) > 0.5 for bone in bones)

    def _places(self, places: FloatArray) -> dict[str, FloatArray]:
        """(T,3) m of the rig's joints; those that the file lacks lie on the bone where they would be.

        `places` (T,J,3) m in our axes.
        """
        at = self.named.by_name
        found = {name: places[:, joint] for name, joint in at.items()}
        path = [places[:, at["pelvis"]], *(places[:, joint] for joint in self.named.spine)]
        bones = len(path) - 1
        for number, name in enumerate(("spine1", "spine2", "spine3"), 1):
            bone, share = self._spine_bone(number, bones)
            found[name] = path[bone] + (path[min(bone + 1, bones)] - path[bone]) * share
        chest = found["spine3"]
        for side in ("left", "right"):
            if f"{side}_collar" not in found:
                found[f"{side}_collar"] = chest + (found[f"{side}_shoulder"] - chest) * 0.4
        return found

    def _spine_bone(self, number: int, bones: int) -> tuple[int, float]:
        """Joint of the path and share of the bone after it at which `spine<number>` lies."""
        if bones >= 3:
            return round(number * bones / 3), 0.0
        if bones == 2:
            return ((1, 0.0), (1, 0.5), (2, 0.0))[number - 1]
        return ((0, 1.0 / 3.0), (0, 2.0 / 3.0), (1, 0.0))[number - 1]

    def _source(self, name: str) -> int | None:
        """The file's joint with which the rig's joint `name` turns; None for what the file lacks."""
        at = self.named.by_name
        if name.startswith("spine"):
            path = (at["pelvis"], *self.named.spine)
            return path[self._spine_bone(int(name[-1]), len(path) - 1)[0]]
        if name in at:
            return at[name]
        instead = {"neck": "spine3", "head": "neck", "left_collar": "spine3", "right_collar": "spine3",
                   "left_foot": "left_ankle", "right_foot": "right_ankle"}  # fmt: skip
        return self._source(instead[name]) if name in instead else None

    def by_rotations(self) -> Motion:
        """Every joint turned as the file's, corrected by the difference of the rest poses."""
        assert self.upright is not None
        aligned = alignments(self.rest, self.upright)
        sources = {name: source for name in _NAMES if (source := self._source(name)) is not None}
        frames = len(self.file.rows)
        rotations = np.empty((frames, len(_NAMES), 4), dtype=np.float32)
        root = np.empty((frames, 3))
        for start in range(0, frames, _CHUNK_FRAMES):
            part = slice(start, min(start + _CHUNK_FRAMES, frames))
            world, places = self.file.posed(part)
            back = rot.conjugate(self.turn)
            turned = {
                name: rot.multiply(rot.multiply(rot.multiply(self.turn, world[:, source]), back), aligned[name])
                for name, source in sources.items()
            }
            root[part] = rot.rotate(self.turn, places[:, self.named.by_name["pelvis"]]) * self.metres
            rotations[part] = local_rotations(turned)
        motion = Motion(
            rot.continuous(rotations), root, self.file.fps, np.zeros((frames, 2), bool), fitted_rig(self.rest, aligned)
        )
        return grounded(motion)

    def by_places(self) -> Motion:
        """From the joints' places alone; the turn of straight limbs is then a guess."""
        self.notices.append(
            Notice(
                "rest_pose_unknown", "The file's rest pose is no standing person; only its joints' places were used."
            )
        )
        parts = []
        for start in range(0, len(self.file.rows), _CHUNK_FRAMES):
            _, places = self.file.posed(slice(start, start + _CHUNK_FRAMES))
            parts.append(self._body(self._places(rot.rotate(self.turn, places * self.metres))))
        return grounded(motion_from_joints(np.concatenate(parts), self.file.fps))

    def _body(self, found: dict[str, FloatArray]) -> FloatArray:
        """(T,22,3) m of the body's joints; feet, neck and head that the file lacks continue the bone before them."""
        up = rot.unit(found["spine3"] - found["pelvis"])
        found.setdefault("neck", found["spine3"] + 0.2 * up)
        found.setdefault("head", found["neck"] + 0.1 * up)
        for side in ("left", "right"):
            across = np.cross(found["left_hip"] - found["right_hip"], up)
            found.setdefault(f"{side}_foot", found[f"{side}_ankle"] + 0.12 * rot.unit(across))
        missing = [name for name in BODY_JOINTS if name not in found]
        if missing:
            raise FleximoError(f"The file has no {', '.join(missing)}.", code="unknown_skeleton")
        return np.stack([found[name] for name in BODY_JOINTS], axis=1)
