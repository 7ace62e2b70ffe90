"""Which chains of bones below a wrist are which fingers, by their places alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.rigs.skeleton import Skeleton

__all__ = ["name_fingers", "wrist_on"]

_KNUCKLE = 0.55  # a bone that starts nearer to the wrist than this share of the next one's distance lies in the palm
# The fingers beside the thumb that a hand with so many of them has.
_OTHERS = {
    1: ("middle",),
    2: ("index", "pinky"),
    3: ("index", "middle", "pinky"),
    4: ("index", "middle", "ring", "pinky"),
}


def wrist_on(tree: Skeleton, way: Sequence[int]) -> int | None:
    """The last bone of `way` from which three fingers or more go out; None where there are fewer."""
    return next((bone for bone in reversed(way) if len(_tips(tree, bone)) >= 3), None)


def _tips(tree: Skeleton, wrist: int) -> list[int]:
    """The ends of chains of two bones or more below `wrist`."""
    depth = len(tree.path(wrist))
    return [bone for bone in tree.below(wrist) if not tree.children[bone] and len(tree.path(bone)) >= depth + 2]


def name_fingers(tree: Skeleton, wrist: int) -> dict[str, int]:
    """Bones by finger and segment ("index1"), as far as the hand has them."""
    ways = [way for way in _chains(tree, wrist) if len(way) >= 2]
    if len(ways) < 2:
        return {}
    if len(ways) > 5:
        ways = sorted(ways, key=lambda way: -_length(tree, way))[:5]
    at, palm = tree.heads, tree.heads[wrist]
    ahead = np.mean([at[way[-1]] - palm for way in ways], axis=0)
    ahead = ahead / max(float(np.linalg.norm(ahead)), 1e-9)
    thumb = max(ways, key=lambda way: _apart(tree, way, ways, ahead, palm))
    others = [way for way in ways if way is not thumb]
    middle = np.mean([at[way[-2]] for way in others], axis=0)
    aside = at[thumb[0]] + at[thumb[-1]] - 2.0 * middle
    aside = aside - (aside @ ahead) * ahead
    others.sort(key=lambda way: -float(at[_segments(tree, way, wrist)[0]] @ aside))
    named = dict(zip(_OTHERS[len(others)], others))
    found = {"thumb" + str(number): bone for number, bone in enumerate(thumb[:3], 1)}
    for finger, way in named.items():
        found |= {f"{finger}{number}": bone for number, bone in enumerate(_segments(tree, way, wrist), 1)}
    return found


def _chains(tree: Skeleton, wrist: int) -> list[list[int]]:
    """The bones that belong to one finger each, from the palm on; a bone of the palm with two fingers is none's."""
    ways = [tree.path(tip) for tip in _tips(tree, wrist)]
    start = len(tree.path(wrist))
    uses: dict[int, int] = {}
    for way in ways:
        for bone in way[start:]:
            uses[bone] = uses.get(bone, 0) + 1
    return [[bone for bone in way[start:] if uses[bone] == 1] for way in ways]


def _length(tree: Skeleton, way: Sequence[int]) -> float:
    return float(np.linalg.norm(np.diff(tree.heads[list(way)], axis=0), axis=1).sum())


def _apart(
    tree: Skeleton, way: Sequence[int], ways: Sequence[Sequence[int]], ahead: FloatArray, palm: FloatArray
) -> float:
    """How much a chain looks like the thumb: it points elsewhere than the others and reaches less far."""
    at = tree.heads
    farthest = max(float((at[other[-1]] - palm) @ ahead) for other in ways)
    own = at[way[-1]] - at[way[-2]]
    rest = np.sum([at[other[-1]] - at[other[-2]] for other in ways if other is not way], axis=0)
    cosine = own @ rest / max(float(np.linalg.norm(own) * np.linalg.norm(rest)), 1e-12)
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)) - 2.0 * ((at[way[-1]] - palm) @ ahead) / max(farthest, 1e-9))


def _segments(tree: Skeleton, way: Sequence[int], wrist: int) -> list[int]:
    """At most three bones from the knuckle on: without bones of the palm and without an end bone."""
    bones = list(way)
    while len(bones) > 3:
        near, far = np.linalg.norm(tree.heads[bones[:2]] - tree.heads[wrist], axis=1)
        bones.pop(0 if near < _KNUCKLE * far else -1)
    return bones
