"""The rigs that programs make, known by the names of their bones: one data file each.

A file gives for each of our joints the names its bone may have, in order of preference; "a|b" means: a, if there is a
b too. `{side}` stands for the words of its `sides`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from fleximo.rig import DEFAULT_RIG, SIDES

__all__ = ["NEEDED", "Family", "families"]


@dataclass(frozen=True)
class Family:
    """One program's way of naming."""

    name: str
    prefixes: tuple[str, ...]  # in front of every bone's name, may be absent; in small letters, the longer first
    sides: tuple[tuple[str, str], ...]  # the words for left and right
    bones: Mapping[str, tuple[str, ...]]  # joint, without its side -> patterns
    controls: Mapping[str, str] = field(default_factory=dict)
    # ^ joint, without its side -> the bone that takes keys instead: its name, or "a>b": the bone's with b for a
    mover: str = ""  # the control that carries the whole body
    switches: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # bone -> properties for those controls

    def match(self, names: Sequence[str]) -> dict[str, int]:
        """The numbers of the bones by joint, for the way of saying left and right that finds the most."""
        called: dict[str, int] = {}
        for number, name in enumerate(names):
            called.setdefault(self._plain(name), number)
        return max((self._found(called, words) for words in self.sides), key=len)

    def _plain(self, name: str) -> str:
        """A bone's name without the namespace and the prefix that programs put in front of it."""
        bare = name.casefold().rpartition(":")[2]
        return next((bare.removeprefix(prefix) for prefix in self.prefixes if bare.startswith(prefix)), bare)

    def _found(self, called: Mapping[str, int], words: tuple[str, str]) -> dict[str, int]:
        found = {}
        for joint in DEFAULT_RIG.joint_names:
            stem, word = _stem(joint, words)
            for pattern in self.bones.get(stem, ()):
                wanted = [part.replace("{side}", word).casefold() for part in pattern.split("|")]
                if all(part in called for part in wanted):
                    found[joint] = called[wanted[0]]
                    break
        return found

    def controls_in(self, names: Sequence[str], bones: Mapping[str, str]) -> dict[str, str]:
        """The control of each joint of `bones` among those called `names`; empty where the body's are not all there."""
        found = {}
        for joint, bone in bones.items():
            control = _renamed(bone, self.controls.get(_stem(joint, self.sides[0])[0], ""))
            if control not in ("", bone) and control in names:
                found[joint] = control
        return found if self.mover in names and all(joint in found for joint in NEEDED) else {}

    def switches_in(self, names: Sequence[str]) -> dict[str, Mapping[str, float]]:
        """Which properties of which bones have to be set for the controls to count."""
        both = {bone.replace("{side}", word): values for bone, values in self.switches.items()
                for word in self.sides[0]}  # fmt: skip
        return {bone: values for bone, values in both.items() if bone in names}


# A body cannot be posed without these.
NEEDED = ("pelvis", *(f"{side}_{joint}" for side in SIDES
                      for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")))  # fmt: skip


def _renamed(bone: str, rule: str) -> str:
    """What the rule "a>b" makes of a bone's name; a rule without ">" is the name itself, an empty one keeps it."""
    former, arrow, latter = rule.partition(">")
    return bone.replace(former, latter) if arrow else rule or bone


def _stem(joint: str, words: tuple[str, str]) -> tuple[str, str]:
    """A joint without its side, and the word for that side."""
    for side, word in zip(SIDES, words):
        if joint.startswith(side + "_"):
            return joint[len(side) + 1 :], word
    return joint, ""


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """All that there are data files of, by name."""
    found = []
    for file in sorted(resources.files("fleximo.rigs").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".json"):
            read = json.loads(file.read_text("utf-8"))
            found.append(
                Family(
                    read["family"],
                    tuple(prefix.casefold() for prefix in read["prefixes"]),
                    tuple((left, right) for left, right in read["sides"]),
                    MappingProxyType({joint: tuple(names) for joint, names in read["bones"].items()}),
                    MappingProxyType(read.get("controls", {})),
                    read.get("mover", ""),
                    MappingProxyType(read.get("switches", {})),
                )
            )
    return tuple(found)
