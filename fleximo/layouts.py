"""2D key-point conventions: names, limbs and colours. Left and right are the subject's own.

`OPENPOSE_18` is the body that pose-to-video models are trained on; `WHOLEBODY_128` = 18 body + 68 face
+ 21 left hand + 21 right hand points, in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fleximo.errors import FleximoError

__all__ = [
    "BODY",
    "FACE",
    "HAND_EDGES",
    "LAYOUTS",
    "LEFT_HAND",
    "OPENPOSE_18",
    "RAINBOW",
    "RIGHT_HAND",
    "WHOLEBODY_128",
    "Layout",
]


@dataclass(frozen=True)
class Layout:
    """One convention: `names[i]` is key point `i`; `limbs` are pairs of key points drawn as one stroke."""

    name: str
    names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    limb_colours: tuple[tuple[int, int, int], ...]  # RGB, one per limb

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        if name not in self._indices:
            raise FleximoError(f"The layout {self.name} has no key point called {name!r}.")
        return self._indices[name]


_BODY = tuple(
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee "
    "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear".split()
)
_HAND = ("wrist", *(f"{finger}{n}" for finger in ("thumb", "index", "middle", "ring", "pinky") for n in (1, 2, 3, 4)))
_LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
# The OpenPose rainbow (Cao et al. 2019), RGB.
RAINBOW: tuple[tuple[int, int, int], ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip

OPENPOSE_18 = Layout("openpose_18", _BODY, _LIMBS, RAINBOW[:17])

BODY = slice(0, 18)
FACE = slice(18, 86)
LEFT_HAND = slice(86, 107)
RIGHT_HAND = slice(107, 128)

HAND_EDGES: tuple[tuple[int, int], ...] = tuple(
    (0 if n == 0 else 4 * finger + n, 4 * finger + n + 1) for finger in range(5) for n in range(4)
)

WHOLEBODY_128 = Layout(
    "wholebody_128",
    _BODY
    + tuple(f"face_{n}" for n in range(68))
    + tuple(f"left_hand_{name}" for name in _HAND)
    + tuple(f"right_hand_{name}" for name in _HAND),
    _LIMBS,
    RAINBOW[:17],
)

LAYOUTS = {layout.name: layout for layout in (OPENPOSE_18, WHOLEBODY_128)}
