"""A person cut from a photo into textures, with all that placing them needs; it travels as one npz.

Knows pictures and bones by number; nothing of how they were cut out (that is the draft engine's) or of motion.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fleximo.arrays import BoolArray, FloatArray
from fleximo.files import canonical_json, read_npz, reading
from fleximo.puppet.rest import RestPose

__all__ = ["Picture", "Piece", "Puppet", "Shadow"]

Picture = npt.NDArray[np.uint8]

_FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Piece:
    """One texture and the bones that carry it."""

    name: str
    texture: Picture  # (h,w,4) RGBA, colours multiplied by alpha
    origin: tuple[int, int]  # canvas px of its top-left corner
    bone: int
    links: tuple[tuple[int, int, bool], ...]  # (link, the bone on its other side, whether that one lies further out)
    outline: FloatArray  # (N,2) canvas px: convex hull of what can be seen
    near_link: tuple[BoolArray, ...] = field(default=())  # per link (N,): which corners its other bone may carry


@dataclass(frozen=True, eq=False)
class Shadow:
    """One foot's shadow."""

    side: str
    darkening: FloatArray  # (h,w) float32: the share of light that is missing
    origin: tuple[int, int]  # canvas px of its top-left corner
    anchor: FloatArray  # (2,) canvas px: the ankle in the photo


@dataclass(frozen=True, eq=False)
class Puppet:
    """Everything of a photo that rendering needs, in px of the canvas."""

    scene: Picture  # (H,W,3) RGB: the photo without her
    pieces: tuple[Piece, ...]
    shadows: tuple[Shadow, ...]
    rest: RestPose
    hands_seen: dict[str, bool]
    folded_arms: tuple[str, ...]  # sides whose arm the photo folds before the trunk; the pieces replace it
    skin: dict[str, FloatArray]  # side -> (3,) RGB of the hand

    def to_bytes(self) -> bytes:
        """The puppet as an npz: numbers as JSON in `document`, pictures and points as arrays."""
        arrays: dict[str, npt.NDArray[Any]] = {"scene": self.scene}
        arrays |= {"rest_points": self.rest.points, "rest_seen": self.rest.seen}
        for n, piece in enumerate(self.pieces):
            arrays |= {f"texture_{n}": piece.texture, f"outline_{n}": piece.outline}
            arrays[f"near_{n}"] = np.array(piece.near_link, dtype=bool).reshape(len(piece.links), len(piece.outline))
        for n, shadow in enumerate(self.shadows):
            arrays |= {f"darkening_{n}": shadow.darkening, f"anchor_{n}": shadow.anchor}
        document = {
            "rest_scale": self.rest.scale,
            "pieces": [
                {"name": piece.name, "origin": piece.origin, "bone": piece.bone, "links": piece.links}
                for piece in self.pieces
            ],
            "shadows": [{"side": shadow.side, "origin": shadow.origin} for shadow in self.shadows],
            "hands_seen": self.hands_seen,
            "folded_arms": self.folded_arms,
            "skin": {side: [float(value) for value in colour] for side, colour in self.skin.items()},
        }
        told = np.array(canonical_json(document).decode())
        content = io.BytesIO()
        np.savez_compressed(content, format_version=np.int32(_FORMAT_VERSION), document=told, **arrays)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Puppet:
        """Reads what `to_bytes` wrote; raises `FleximoError` for anything else."""
        required = ("scene", "document", "rest_points", "rest_seen")
        arrays = read_npz(content, required=required, what="puppet", newest=_FORMAT_VERSION)
        with reading("puppet"):
            document = json.loads(str(arrays["document"]))
            return cls(
                scene=arrays["scene"],
                pieces=tuple(_piece(arrays, n, piece) for n, piece in enumerate(document["pieces"])),
                shadows=tuple(
                    Shadow(entry["side"], arrays[f"darkening_{n}"], _corner(entry["origin"]), arrays[f"anchor_{n}"])
                    for n, entry in enumerate(document["shadows"])
                ),
                rest=RestPose(arrays["rest_points"], arrays["rest_seen"], float(document["rest_scale"])),
                hands_seen=document["hands_seen"],
                folded_arms=tuple(document["folded_arms"]),
                skin={side: np.array(colour) for side, colour in document["skin"].items()},
            )


def _piece(arrays: dict[str, npt.NDArray[Any]], n: int, entry: dict[str, Any]) -> Piece:
    links = tuple((int(link), int(bone), bool(outward)) for link, bone, outward in entry["links"])
    origin, near = _corner(entry["origin"]), tuple(arrays[f"near_{n}"])
    return Piece(entry["name"], arrays[f"texture_{n}"], origin, int(entry["bone"]), links, arrays[f"outline_{n}"], near)


def _corner(given: list[int]) -> tuple[int, int]:
    return int(given[0]), int(given[1])
