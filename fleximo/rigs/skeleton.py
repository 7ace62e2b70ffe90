"""The bones of a strange character at rest: names, tree and places. Knows no joint of ours and no motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleximo.arrays import BoolArray, FloatArray, IntArray, freeze
from fleximo.errors import FleximoError

__all__ = ["Skeleton"]

_FEWEST_DEFORMING = 15  # fewer bones than a body has limbs, hands and a head tell nothing
_SAME_PLACE = 1e-3  # of the height
_SAME_WAY = 0.999  # cosine


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Bones in any unit, Y up; every parent stands before its children."""

    names: tuple[str, ...]
    parents: IntArray  # (B,) -1 for a root; there may be several
    heads: FloatArray  # (B,3) where each bone starts
    tails: FloatArray  # (B,3) where it ends
    deforms: BoolArray  # (B,) whether it moves the mesh

    def __post_init__(self) -> None:
        count = len(self.names)
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        object.__setattr__(self, "parents", freeze(self.parents, (count,), name="Skeleton.parents", dtype=np.int32))
        for name in ("heads", "tails"):
            places = freeze(getattr(self, name), (count, 3), name=f"Skeleton.{name}", dtype=np.float64)
            object.__setattr__(self, name, places)
        object.__setattr__(self, "deforms", freeze(self.deforms, (count,), name="Skeleton.deforms", dtype=np.bool_))
        if any(not -1 <= parent < bone for bone, parent in enumerate(self.parents.tolist())):
            raise FleximoError("Skeleton.parents must name each parent before its children.")

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def height(self) -> float:
        """From the lowest to the highest head."""
        return float(np.ptp(self.heads[:, 1])) if len(self) else 0.0

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Of each bone."""
        below: list[list[int]] = [[] for _ in self.names]
        for bone, parent in enumerate(self.parents.tolist()):
            if parent >= 0:
                below[parent].append(bone)
        return tuple(tuple(bones) for bones in below)

    def path(self, bone: int) -> list[int]:
        """From its root to `bone`, both included."""
        path = []
        while bone >= 0:
            path.append(bone)
            bone = int(self.parents[bone])
        return path[::-1]

    def below(self, bone: int) -> list[int]:
        """`bone` and all bones below it."""
        found = [bone]
        for one in found:
            found.extend(self.children[one])
        return found

    def deforming(self) -> tuple[Skeleton, IntArray]:
        """The bones that move the mesh, as a tree of their own, and their numbers here; all bones where few do.

        Control rigs hang some of them on helpers: a helper that lies where a deforming bone does stands for it.
        """
        if self.deforms.sum() < _FEWEST_DEFORMING or self.deforms.all():
            return self, np.arange(len(self))
        kept = np.flatnonzero(self.deforms)
        parents = [self._standing_in(int(bone)) for bone in kept]
        order = _parents_first(kept.tolist(), parents)
        place = {bone: number for number, bone in enumerate(order)}
        above = dict(zip(kept.tolist(), parents))
        tree = Skeleton(
            tuple(self.names[bone] for bone in order),
            np.array([place.get(above[bone], -1) for bone in order]),
            self.heads[order],
            self.tails[order],
            np.ones(len(order), dtype=bool),
        )
        return tree, np.array(order)

    def _standing_in(self, bone: int) -> int:
        """The nearest deforming bone above `bone`, or at the place of a helper above it; -1 if there is none."""
        own, above = set(self.below(bone)), int(self.parents[bone])
        while above >= 0:
            if self.deforms[above]:
                return above
            for twin in self.coinciding(above):
                if self.deforms[twin] and twin not in own:
                    return twin
            above = int(self.parents[above])
        return -1

    def coinciding(self, bone: int) -> list[int]:
        """The other bones that start where `bone` does and point the same way."""
        near = np.linalg.norm(self.heads - self.heads[bone], axis=1) < _SAME_PLACE * max(self.height, 1e-9)
        along = self.tails - self.heads
        length = np.linalg.norm(along, axis=1) * np.linalg.norm(along[bone])
        near &= along @ along[bone] > _SAME_WAY * length
        return [int(one) for one in np.flatnonzero(near) if one != bone]


def _parents_first(bones: Sequence[int], parents: Sequence[int]) -> list[int]:
    """`bones` ordered so that each stands after its parent."""
    above, order, placed = dict(zip(bones, parents)), [], set()
    for bone in bones:
        way = []
        while bone >= 0 and bone not in placed and bone not in way:
            way.append(bone)
            bone = above[bone]
        order += way[::-1]
        placed.update(way)
    return order
