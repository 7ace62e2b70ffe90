"""Which bone of a strange character carries which of our joints: by its family's names, by words, by structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fleximo.errors import FleximoError, Notice
from fleximo.formats.bvh_joints import name_joints
from fleximo.rig import DEFAULT_RIG
from fleximo.rigs.families import NEEDED, Family, families
from fleximo.rigs.skeleton import Skeleton
from fleximo.rigs.structure import bones_by_structure, spine_bones

__all__ = ["Match", "match_rig"]

_KNOWN = 0.6  # of a family's body: where so many of its names are found it is that family
_SAME_PLACE = 1e-3  # of the height
_TRUNK = ("spine1", "spine2", "spine3", "neck")
_AGREEING = 0.7  # of the joints that names and structure both tell; else structure is not trusted with the rest


@dataclass(frozen=True)
class Match:
    """The bones found, by our joints; a joint that the character lacks is absent."""

    family: str  # "" = unknown names
    bones: Mapping[str, str]  # joint -> the bone that shows its motion
    controls: Mapping[str, str] = field(default_factory=dict)  # joint -> the bone to key instead, in control rigs
    mover: str = ""  # the control that carries the body, where it is not the pelvis' own
    switches: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # bone -> properties the controls need
    by_structure: tuple[str, ...] = ()  # joints told by the shape of the skeleton, which are worth a look
    notices: tuple[Notice, ...] = ()


def match_rig(skeleton: Skeleton) -> Match:
    """The bones of `skeleton` by our joints, as far as names and structure tell; notices say what to look at."""
    family, named = _by_family(skeleton)
    shaped = bones_by_structure(skeleton)
    if family is None:
        named = _by_words(skeleton)
    found, missing = _together(skeleton, named, shaped)
    in_order = {joint: skeleton.names[found[joint]] for joint in DEFAULT_RIG.joint_names if joint in found}
    controls = family.controls_in(skeleton.names, in_order) if family is not None else {}
    return Match(
        family.name if family is not None else "",
        in_order,
        controls,
        family.mover if family is not None and controls else "",
        family.switches_in(skeleton.names) if family is not None and controls else {},
        tuple(joint for joint in in_order if joint in missing),
        _notices(family, in_order, missing),
    )


def _together(
    skeleton: Skeleton, named: Mapping[str, int], shaped: Mapping[str, int]
) -> tuple[dict[str, int], list[str]]:
    """What the names tell, completed by the structure where both agree by and large; and the joints it added."""
    both = [joint for joint in shaped if joint in named]
    same = {joint for joint in both if _at_one_place(skeleton, shaped[joint], named[joint])}
    if len(same) < _AGREEING * len(both):
        return dict(named), []
    kept = dict(named)
    if named and "spine3" in shaped and "spine3" not in same:
        # Rigs of one family may have more bones in the trunk; the arms hang on the last one.
        kept = {joint: bone for joint, bone in named.items() if joint not in _TRUNK}
    added = [joint for joint in shaped if joint not in kept and shaped[joint] not in kept.values()]
    return kept | {joint: shaped[joint] for joint in added}, added


def _at_one_place(skeleton: Skeleton, one: int, other: int) -> bool:
    """Control rigs have several bones for one joint."""
    return bool(np.linalg.norm(skeleton.heads[one] - skeleton.heads[other]) < _SAME_PLACE * skeleton.height)


def _by_family(skeleton: Skeleton) -> tuple[Family | None, dict[str, int]]:
    """The family whose names are found, and the bones by its joints."""
    best, found = None, dict[str, int]()
    for family in families():
        named = family.match(skeleton.names)
        if len(named) > len(found):
            best, found = family, named
    if best is None or sum(joint in found for joint in NEEDED) < _KNOWN * len(NEEDED):
        return None, {}
    return best, found


def _by_words(skeleton: Skeleton) -> dict[str, int]:
    """Bones whose names say what they are in no family's manner."""
    try:
        named = name_joints(skeleton.names, skeleton.parents.tolist(), skeleton.heads)
    except FleximoError:
        return {}
    return {} if named.by_structure else named.by_name | spine_bones(named.spine)


def _notices(family: Family | None, found: Mapping[str, str], shaped: list[str]) -> tuple[Notice, ...]:
    notices = []
    lacking = [joint for joint in NEEDED if joint not in found]
    if lacking:
        message = f"{len(lacking)} bones that a body needs were not found: {', '.join(lacking)}."
        notices.append(Notice("bones_needed", message, "Choose them in the list."))
    if shaped:
        told = "all bones" if len(shaped) == len(found) else f"{len(shaped)} of {len(found)} bones"
        message = f"The shape of the skeleton told {told}."
        notices.append(Notice("bones_by_structure", message, "Look at them in the list."))
    absent = [joint for joint in DEFAULT_RIG.joint_names if joint not in found and joint not in lacking]
    if absent:
        shown = ", ".join(absent[:4]) + (" and others" if len(absent) > 4 else "")
        notices.append(Notice("bones_absent", f"The character has no bone for {shown}."))
    return tuple(notices)
