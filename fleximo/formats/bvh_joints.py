"""Which joint of a strange skeleton is which: by the names that programs use, else by the shape of the tree.

Knows names and trees; no motion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.rig import FINGERS

__all__ = ["NamedJoints", "name_joints"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIDES = {"left": "left", "l": "left", "lft": "left", "right": "right", "r": "right", "rgt": "right", "rt": "right"}
_IGNORED = {"bip", "mixamorig", "def", "jnt", "joint", "bend", "bone", "ctrl", "sk"}
# What a joint is called, by the joint's role; those in `_EITHER` mean one thing in one program, another in the next.
_WORDS = {
    "hip": ("upleg", "thigh", "hip", "upperleg", "legupper", "femur"),
    "knee": ("leg", "shin", "calf", "knee", "lowerleg", "lowleg", "leglower", "tibia"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toe", "toes", "ball"),
    "collar": ("collar", "clavicle", "clav", "collarbone"),
    "shoulder": ("upperarm", "uparm", "arm", "shldr", "humerus", "armupper"),
    "elbow": ("forearm", "elbow", "lowerarm", "lowarm", "armlower"),
    "wrist": ("wrist", "hand"),
}
_FINGER_WORDS = {"thumb": "thumb", "index": "index", "middle": "middle", "mid": "middle", "ring": "ring",
                 "pinky": "pinky", "little": "pinky"}  # fmt: skip
_NEEDED = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_LIMB_SHARE = 0.12  # of the whole tree's reach: what is shorter is no limb (an eye, a finger, a tail's stump)


@dataclass(frozen=True)
class NamedJoints:
    """Numbers of the joints in the file by the rig's names; collars, feet, neck, head and fingers may be absent."""

    by_name: dict[str, int]
    spine: tuple[int, ...]  # from the joint above the pelvis to the chest, one or more
    by_structure: bool = False


def name_joints(names: Sequence[str], parents: Sequence[int], places: FloatArray) -> NamedJoints:
    """The rig's joints among those called `names`, whose `parents` and rest `places` (J,3) are given.

    Raises `FleximoError` if neither names nor tree are those of a person.
    """
    tree = _Tree(parents, places)
    found = _by_words(names)
    for attempt in (found, _by_tree(tree)):
        named = None if attempt is None else _with_trunk(names, tree, attempt)
        if named is not None:
            return NamedJoints(named.by_name, named.spine, attempt is not found)
    shown = ", ".join(name[:30] for name in names[:12]) + (", ..." if len(names) > 12 else "")
    raise FleximoError(
        f"Arms and legs were not found among the joints of this file ({shown}).",
        code="unknown_skeleton",
        remedy="Rename its joints as Mixamo or SMPL do, e.g. LeftUpLeg, LeftLeg, LeftFoot.",
    )


class _Tree:
    def __init__(self, parents: Sequence[int], places: FloatArray) -> None:
        self.parents = list(parents)
        self.places = places
        self.children: list[list[int]] = [[] for _ in parents]
        for joint, parent in enumerate(parents):
            if parent >= 0:
                self.children[parent].append(joint)
        # The longest way from a joint to a tip below it; children come after their parents.
        self.reach = np.zeros(len(parents))
        for joint in range(len(parents) - 1, -1, -1):
            if parents[joint] >= 0:
                way = self.reach[joint] + np.linalg.norm(places[joint] - places[parents[joint]])
                self.reach[parents[joint]] = max(self.reach[parents[joint]], way)

    def path(self, joint: int) -> list[int]:
        """From the root to `joint`, both included."""
        path = []
        while joint >= 0:
            path.append(joint)
            joint = self.parents[joint]
        return path[::-1]

    def meeting(self, one: int, other: int) -> int:
        """The last joint that the ways to both have in common; -1 if they hang on different roots."""
        common = [a for a, b in zip(self.path(one), self.path(other)) if a == b]
        return common[-1] if common else -1

    def limbs(self, joint: int) -> list[int]:
        """The children of `joint` that start a limb, the longest first."""
        least = _LIMB_SHARE * self.reach.max()
        ways = {
            child: self.reach[child] + np.linalg.norm(self.places[child] - self.places[joint])
            for child in self.children[joint]
        }
        return sorted((child for child, way in ways.items() if way > least), key=lambda child: -ways[child])

    def chain(self, joint: int) -> list[int]:
        """From `joint` down to where the limb branches or ends; joints that lie on top of each other count once."""
        chain = [joint]
        while len(self.children[chain[-1]]) == 1:
            child = self.children[chain[-1]][0]
            if np.linalg.norm(self.places[child] - self.places[chain[-1]]) < 0.005 * self.reach.max():
                chain[-1] = child
            else:
                chain.append(child)
        return chain


def _words(name: str) -> tuple[str, str, int]:
    """Side ("" for neither), the rest in lower case, and the number at the end (0 for none)."""
    side, rest, number = "", "", 0
    for word in _WORD.findall(name.rpartition(":")[2]):
        word = word.lower()
        for known in ("left", "right"):
            if word.startswith(known) and len(word) > len(known):
                side, word = known, word[len(known) :]
        if word in _SIDES:
            side = _SIDES[word]
        elif word.isdigit():
            number = int(word[:4])
        elif word not in _IGNORED:
            rest += word
            number = 0
    known_words = {entry for entries in _WORDS.values() for entry in entries}
    if not side and rest[:1] in ("l", "r") and rest[1:] in known_words | set(_FINGER_WORDS):
        side, rest = _SIDES[rest[0]], rest[1:]
    return side, rest, number


def _by_words(names: Sequence[str]) -> dict[str, int] | None:
    """Limbs and fingers by name; None if a limb's joint is missing."""
    called: dict[tuple[str, str], int] = {}
    found: dict[str, int] = {}
    for joint, name in enumerate(names):
        side, rest, number = _words(name)
        if not side:
            continue
        finger = next((_FINGER_WORDS[word] for word in _FINGER_WORDS if rest in (word, "hand" + word)), None)
        if finger is not None and finger in FINGERS and 1 <= number <= 3:
            found.setdefault(f"{side}_{finger}{number}", joint)
        elif finger is None:
            called.setdefault((side, rest), joint)
    for side in ("left", "right"):
        words = {rest for at, rest in called if at == side}
        roles = {role: [word for word in entries if word in words] for role, entries in _WORDS.items()}
        if "shoulder" in words:  # the collar bone where the upper arm has a name of its own
            roles["collar" if roles["shoulder"] and not roles["collar"] else "shoulder"].append("shoulder")
        if "ankle" in words and "foot" in words:
            roles["foot"].append("foot")
        if any(not roles[role] for role in _NEEDED):
            return None
        found |= {f"{side}_{role}": called[side, entries[0]] for role, entries in roles.items() if entries}
    return found


def _by_tree(tree: _Tree) -> dict[str, int] | None:
    """Limbs by the shape of the tree: two legs and a trunk at the pelvis, two arms and a neck at the chest."""
    forks = [joint for joint in range(len(tree.parents)) if len(tree.limbs(joint)) >= 3]
    for pelvis in forks:
        chest = next((joint for joint in forks if joint != pelvis and pelvis in tree.path(joint)), None)
        if chest is None:
            return None
        legs = [joint for joint in tree.limbs(pelvis) if joint not in tree.path(chest)][:2]
        arms = tree.limbs(chest)[:2]
        ways = {joint: tree.chain(joint) for joint in (*legs, *arms)}
        if len(legs) != 2 or any(len(ways[leg]) < 3 for leg in legs) or any(len(ways[arm]) < 3 for arm in arms):
            continue
        found: dict[str, int] = {}
        toes = [ways[leg][2:4] for leg in legs]
        left_legs = _left_first(tree, pelvis, chest, legs, toes)
        left_arms = _left_first(tree, pelvis, chest, arms, toes)
        for side, leg, arm in zip(("left", "right"), left_legs, left_arms):
            leg_way, arm_way = ways[leg], ways[arm]
            if np.allclose(tree.places[leg_way[0]], tree.places[pelvis]) and len(leg_way) > 3:
                leg_way = leg_way[1:]
            found |= {f"{side}_{role}": joint for role, joint in zip(("hip", "knee", "ankle", "foot"), leg_way)}
            roles = ("collar", "shoulder", "elbow", "wrist")
            found |= {f"{side}_{role}": joint for role, joint in zip(roles[-len(arm_way) :], arm_way)}
        return found
    return None


def _left_first(tree: _Tree, pelvis: int, chest: int, pair: list[int], feet: list[list[int]]) -> list[int]:
    """`pair` with the subject's left one first: `feet` (ankle, toe) point ahead, and left is up x ahead."""
    up = tree.places[chest] - tree.places[pelvis]
    ahead = np.zeros(3)
    for foot in feet:
        ahead = ahead + (tree.places[foot[-1]] - tree.places[foot[0]])
    if np.linalg.norm(np.cross(up, ahead)) < 1e-6:  # no toes
        ahead = np.array([0.0, 0.0, 1.0])
    left = np.cross(up, ahead)
    return sorted(pair, key=lambda joint: -float(tree.places[tree.chain(joint)[1]] @ left))


def _with_trunk(names: Sequence[str], tree: _Tree, limbs: dict[str, int]) -> NamedJoints | None:
    """`limbs` with pelvis, spine, neck and head; None if the limbs do not hang on a trunk."""
    pelvis = tree.meeting(limbs["left_hip"], limbs["right_hip"])
    chest = tree.meeting(limbs["left_shoulder"], limbs["right_shoulder"])
    ordered = all(
        upper in tree.path(lower)[:-1]
        for side in ("left", "right")
        for upper, lower in (
            (limbs[f"{side}_hip"], limbs[f"{side}_knee"]),
            (limbs[f"{side}_knee"], limbs[f"{side}_ankle"]),
            (limbs[f"{side}_shoulder"], limbs[f"{side}_elbow"]),
            (limbs[f"{side}_elbow"], limbs[f"{side}_wrist"]),
        )
    )
    way = tree.path(chest)
    if not ordered or pelvis < 0 or chest == pelvis or pelvis not in way:
        return None
    spine = way[way.index(pelvis) + 1 :]
    found = {"pelvis": pelvis, **limbs}
    arms = {child for child in tree.children[chest] for side in ("left", "right")
            if child in tree.path(limbs[f"{side}_wrist"])}  # fmt: skip
    upwards = [child for child in tree.children[chest] if child not in arms]
    words = {joint: _words(names[joint])[1] for joint in range(len(names))}
    above = [joint for joint in range(len(names)) if any(child in tree.path(joint) for child in upwards)]
    neck = next((joint for joint in above if words[joint] == "neck"), None)
    head = next((joint for joint in above if words[joint] == "head"), None)
    if neck is None:
        neck = next((joint for joint in upwards if joint != head), None)
    if head is None and neck is not None:
        head = next(iter(tree.children[neck]), None)
    found |= {name: joint for name, joint in (("neck", neck), ("head", head)) if joint is not None}
    return NamedJoints(found, tuple(spine))
