"""Which bone is which joint, told by the tree and the places of the bones alone: legs, trunk, arms, head.

Looks for what all bodies share, in lengths relative to each other; knows no names. Fingers are `finger_chains`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.rigs.finger_chains import name_fingers, wrist_on
from fleximo.rigs.skeleton import Skeleton

__all__ = ["bones_by_structure", "spine_bones"]

_UP = np.array([0.0, 1.0, 0.0])
_SOLE = 0.12  # of the height: a leg ends at most this far over the lowest bone
_LEG = 0.3  # of the height: a leg is at least this long
_ANKLE = 0.2  # of the height: an ankle is at most this far over the lowest bone
_HANGS = 0.8  # cosine to the vertical above which a bone is part of the leg, below which part of the foot
_MIDDLE = 0.03  # of the height: what is nearer to the middle plane lies in it
_ARM_OF_LEG, _UPPER_OF_FORE = 0.66, 1.1  # lengths of the default rig, rounded
_TOO_LONG = 0.2  # how much an arm that is too long for the legs counts against one too short, where the wrist is known
_SHORT = 0.012  # of the height: a bone shorter than this is no collar bone
_HEAD_BONE = 1.3  # a bone this much longer than the neck is the head itself and ends at the crown


def bones_by_structure(skeleton: Skeleton) -> dict[str, int]:
    """The bone of each of the default rig's joints, as far as tree and places tell; empty if they are no body's."""
    tree, numbers = skeleton.deforming()
    found = _Body(tree).joints()
    return {joint: int(numbers[bone]) for joint, bone in found.items()}


def spine_bones(way: Sequence[int]) -> dict[str, int]:
    """Which of the bones from above the pelvis to the chest are spine1, spine2 and spine3: first, middle, last."""
    if not way:
        return {}
    if len(way) == 1:
        return {"spine3": way[0]}
    if len(way) == 2:
        return {"spine1": way[0], "spine3": way[1]}
    return {"spine1": way[0], "spine2": way[(len(way) - 1) // 2], "spine3": way[-1]}


class _Body:
    def __init__(self, tree: Skeleton) -> None:
        self.tree = tree
        self.at = tree.heads
        self.height = max(tree.height, 1e-9)
        self.floor = float(self.at[:, 1].min()) if len(tree) else 0.0
        self.lowest = self.at[:, 1].copy()
        for bone in range(len(tree) - 1, -1, -1):
            parent = int(tree.parents[bone])
            if parent >= 0:
                self.lowest[parent] = min(self.lowest[parent], self.lowest[bone])

    def joints(self) -> dict[str, int]:
        """Everything that was found; empty without two legs and two arms."""
        fork = self._pelvis()
        if fork is None:
            return {}
        pelvis, starts = fork
        legs = [leg for start in starts if (leg := self._leg(start))]
        if len(legs) != 2:
            return {}
        across = self.at[legs[0]["hip"]] - self.at[legs[1]["hip"]]
        across[1] = 0.0
        if np.linalg.norm(across) < 0.01 * self.height:
            return {}
        left = self._left(legs, across / np.linalg.norm(across))
        if (self.at[legs[1]["hip"]] - self.at[legs[0]["hip"]]) @ left > 0:
            legs.reverse()
        trunk = [bone for bone in self.tree.below(pelvis) if not any(start in self.tree.path(bone) for start in starts)]
        tips = [max(trunk, key=lambda bone: sign * float(self.at[bone] @ left)) for sign in (1.0, -1.0)]
        ways = [self.tree.path(tip) for tip in tips]
        chest = [one for one, other in zip(*ways) if one == other][-1]
        if chest == pelvis or chest in tips:
            return {}
        leg_length = float(np.linalg.norm(self.at[legs[0]["hip"]] - self.at[legs[0]["ankle"]]))
        found = {"pelvis": pelvis}
        for side, leg, way in zip(("left", "right"), legs, ways):
            arm = self._arm(way[way.index(chest) + 1 :], leg_length)
            if not arm:
                return {}
            found |= {f"{side}_{joint}": bone for joint, bone in (leg | arm).items()}
            found |= {f"{side}_{joint}": bone for joint, bone in name_fingers(self.tree, arm["wrist"]).items()}
        spine = self.tree.path(chest)
        found |= spine_bones(spine[spine.index(pelvis) + 1 :])
        return found | self._head(chest, pelvis, left, {way[way.index(chest) + 1] for way in ways})

    def _pelvis(self) -> tuple[int, list[int]] | None:
        """The lowest fork in the tree from which two legs hang, and where those start."""
        best: tuple[int, int, list[int]] | None = None
        for bone in range(len(self.tree)):
            legs = [child for child in self.tree.children[bone] if self._is_leg(child)]
            if len(legs) < 2:
                continue
            deep = len(self.tree.path(bone))
            if best is None or deep > best[0]:
                legs.sort(key=lambda leg: (round(float(self.lowest[leg] - self.floor) / (0.03 * self.height)),
                                           -len(self.tree.below(leg))))  # fmt: skip
                best = (deep, bone, legs[:2])
        return None if best is None else best[1:]

    def _is_leg(self, bone: int) -> bool:
        low = self.lowest[bone] < self.floor + _SOLE * self.height
        return bool(low and self.at[bone, 1] - self.lowest[bone] > _LEG * self.height)

    def _leg(self, start: int) -> dict[str, int]:
        """Hip, knee, ankle and, where the foot has one toe bone, foot."""
        way = [start]
        while self.tree.children[way[-1]]:
            last = way[-1]
            ahead = any(not self._hangs(last, bone) for bone in self.tree.children[last])
            if ahead and self.at[last, 1] < self.floor + _ANKLE * self.height:
                break
            way.append(min(self.tree.children[last], key=lambda bone: (self.lowest[bone], -len(self.tree.below(bone)))))
        ankle = way[-1]
        hip = 0
        for number, (upper, lower) in enumerate(zip(way, way[1:])):
            if not self._hangs(upper, lower):
                hip = number + 1
        between = way[hip + 1 : -1]
        if not between:
            return {}
        top, length = self.at[way[hip]], np.linalg.norm(self.at[ankle] - self.at[way[hip]])
        knee = min(between, key=lambda bone: abs(float(np.linalg.norm(self.at[bone] - top)) / float(length) - 0.5))
        leg = {"hip": way[hip], "knee": knee, "ankle": ankle}
        toes = [bone for bone in self.tree.children[ankle] if not self._hangs(ankle, bone)]
        far = [self._level(self.at[bone] - self.at[ankle]) for bone in toes]
        toes = [bone for bone, way_out in zip(toes, far) if way_out > 0.6 * max(far)]
        return leg | ({"foot": toes[0]} if len(toes) == 1 else {})

    def _hangs(self, upper: int, lower: int) -> bool:
        """Whether the way from one bone to the next goes down; a way of no length does not."""
        way = self.at[lower] - self.at[upper]
        return bool(-way[1] > _HANGS * max(float(np.linalg.norm(way)), 1e-4 * self.height))

    @staticmethod
    def _level(way: FloatArray) -> float:
        return float(np.hypot(way[0], way[2]))

    def _left(self, legs: Sequence[dict[str, int]], across: FloatArray) -> FloatArray:
        """The subject's left: up x ahead, where toes point ahead; facing +Z where there are none."""
        ahead = np.array([0.0, 0.0, 1.0])
        ways = [self.at[leg["foot"]] - self.at[leg["ankle"]] for leg in legs if "foot" in leg]
        if not ways:
            ways = [self.at[toe] - self.at[leg["ankle"]] for leg in legs for toe in self.tree.below(leg["ankle"])]
        mean = np.sum(ways, axis=0) * [1.0, 0.0, 1.0]
        if np.linalg.norm(mean) > 0.01 * self.height:
            ahead = mean
        return across if across @ np.cross(_UP, ahead) > 0 else -across

    def _arm(self, way: Sequence[int], leg_length: float) -> dict[str, int]:
        """Collar, shoulder, elbow and wrist of the way from the chest to a fingertip."""
        wrist = wrist_on(self.tree, way)
        ends = [wrist] if wrist is not None else list(way[2:])
        best: tuple[float, dict[str, int]] = (np.inf, {})
        for end in ends:
            chain = way[: list(way).index(end)]
            for first, shoulder in enumerate(chain):
                for elbow in chain[first + 1 :]:
                    upper = float(np.linalg.norm(self.at[elbow] - self.at[shoulder]))
                    fore = float(np.linalg.norm(self.at[end] - self.at[elbow]))
                    if min(upper, fore) < 0.02 * self.height:
                        continue
                    miss = abs(np.log(upper / fore / _UPPER_OF_FORE))
                    longer = np.log((upper + fore) / (_ARM_OF_LEG * leg_length))
                    miss += max((1.0 if wrist is None else _TOO_LONG) * longer, -longer)
                    if miss < best[0]:
                        best = (float(miss), {"shoulder": shoulder, "elbow": elbow, "wrist": end})
        arm = best[1]
        if arm:
            collars = [bone for bone in way[: list(way).index(arm["shoulder"])]
                       if np.linalg.norm(self.at[bone] - self.at[arm["shoulder"]]) > _SHORT * self.height]  # fmt: skip
            arm |= {"collar": collars[0]} if collars else {}
        return arm

    def _head(self, chest: int, pelvis: int, left: FloatArray, arms: set[int]) -> dict[str, int]:
        """Neck and head: the way upwards in the middle plane, to where it ends or branches into a face."""
        way: list[int] = []
        bone = chest
        while True:
            upwards = [
                child
                for child in self.tree.children[bone]
                if child not in arms
                and abs(float((self.at[child] - self.at[pelvis]) @ left)) < _MIDDLE * self.height
                and self.at[child, 1] > self.at[bone, 1]
            ]
            if not upwards or (len(way) > 1 and len(self.tree.children[bone]) >= 3):
                break
            bone = max(upwards, key=lambda child: max(self.at[one, 1] for one in self.tree.below(child)))
            way.append(bone)
        if not way:
            return {}
        if len(way) == 1:
            return {"head": way[0]}
        if len(way) >= 3 and not self.tree.children[way[-1]]:
            last = float(np.linalg.norm(self.at[way[-1]] - self.at[way[-2]]))
            if last > _HEAD_BONE * float(np.linalg.norm(self.at[way[-2]] - self.at[way[-3]])):
                way.pop()
        return {"neck": way[0], "head": way[-1]}
