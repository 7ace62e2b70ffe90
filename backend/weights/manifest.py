"""Which tensors a model has, as one sum over their names and shapes. Knows no files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Manifest", "Shapes", "matches"]

Shapes = dict[str, tuple[int, ...]]

_MAX_TENSORS = 20_000  # far above any model here; bounds the time for a header made to cost some
_COMPUTED = "position_ids"  # older files carry this buffer, newer ones do not; its values are 0, 1, 2, ...


@dataclass(frozen=True)
class Manifest:
    """Which tensors a model has: all those whose name begins with one of `tops`, `tensors` in number."""

    tops: tuple[str, ...]
    tensors: int
    sha256: str  # over the lines "name shape", sorted

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> Manifest:
        """The manifest of a model with these tensors."""
        tops = tuple(sorted({name.partition(".")[0] for name in shapes}))
        return cls(tops, len(shapes), _fingerprint(shapes))


def matches(shapes: Mapping[str, tuple[int, ...]], manifest: Manifest) -> bool:
    """Whether the tensors of `manifest` are in the file, perhaps beside others and below a common prefix."""
    if len(shapes) > _MAX_TENSORS:
        return False
    below = Counter(name.partition(".")[0] for name in shapes)
    for start in ("", *(f"{top}." for top, count in below.items() if count >= manifest.tensors)):
        inner = {name.removeprefix(start): shape for name, shape in shapes.items() if name.startswith(start)}
        chosen = {
            name: shape
            for name, shape in inner.items()
            if name.partition(".")[0] in manifest.tops and not name.endswith(_COMPUTED)
        }
        if len(chosen) == manifest.tensors and _fingerprint(chosen) == manifest.sha256:
            return True
    return False


def _fingerprint(shapes: Mapping[str, tuple[int, ...]]) -> str:
    lines = sorted(f"{name} {'x'.join(map(str, shape))}\n" for name, shape in shapes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
