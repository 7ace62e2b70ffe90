"""The puppet's bones and links, and how a bone carries points: one formula for limbs and for rigid parts.

Knows no pictures; `pose` fills the numbers in for each frame.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import FloatArray
from fleximo.puppet.rest import SIDES

__all__ = [
    "BONES",
    "LINKS",
    "Link",
    "affine_map",
    "angle",
    "bone_index",
    "carry",
    "link_index",
    "rotation",
    "stretch_map",
    "wrap",
]

_PARTS = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
BONES = ("chest", "pelvis", "head", *(f"{side}_{part}" for side in SIDES for part in _PARTS))

Link = tuple[str, str, str]  # name, bone nearer to the chest, bone further out
LINKS: tuple[Link, ...] = (
    ("waist", "chest", "pelvis"),
    ("neck", "chest", "head"),
    *(
        (f"{side}_{name}", inner if inner in ("chest", "pelvis") else f"{side}_{inner}", f"{side}_{outer}")
        for side in SIDES
        for name, inner, outer in (
            ("shoulder", "chest", "upper_arm"),
            ("elbow", "upper_arm", "forearm"),
            ("wrist", "forearm", "hand"),
            ("hip", "pelvis", "thigh"),
            ("knee", "thigh", "shin"),
            ("ankle", "shin", "foot"),
        )
    ),
)


def bone_index(name: str) -> int:
    return BONES.index(name)


def link_index(name: str) -> int:
    return [link[0] for link in LINKS].index(name)


def angle(vectors: FloatArray) -> FloatArray:
    """(...) rad, direction of the vectors (...,2): 0 to the right, positive downwards."""
    return np.arctan2(vectors[..., 1], vectors[..., 0])


def wrap(angles_rad: FloatArray, period: float = 2 * np.pi) -> FloatArray:
    """The angles brought to within half a `period` of 0; with pi, a line has no direction."""
    return (angles_rad + period / 2) % period - period / 2


def rotation(angles_rad: FloatArray) -> FloatArray:
    """(...,2,2) the turns by `angles_rad` (...)."""
    c, s = np.cos(angles_rad), np.sin(angles_rad)
    return np.stack([np.stack([c, -s], axis=-1), np.stack([s, c], axis=-1)], axis=-2)


def affine_map(matrix: FloatArray, origin: FloatArray, image: FloatArray) -> FloatArray:
    """(...,15) the map x -> image + matrix (x - origin); matrix (...,2,2), points (...,2)."""
    shift = image - np.einsum("...ij,...j->...i", matrix, origin)
    maps = np.empty((*shift.shape[:-1], 15))
    maps[..., :9] = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0
    maps[..., 9:11] = shift
    maps[..., 11:13] = matrix[..., 0]
    maps[..., 13:15] = matrix[..., 1]
    return maps


def stretch_map(
    start: FloatArray,
    axis: FloatArray,
    length: FloatArray,
    image_start: FloatArray,
    image_axis: FloatArray,
    image_length: FloatArray,
    scale: FloatArray,
) -> FloatArray:
    """(...,15) carries the bone at `start` along `axis` (unit) onto its image.

    Between the bone's ends lengths change as the bone's does; across, and beyond the ends, by `scale` alone, so that
    a foreshortened limb keeps round joints.
    """
    across = np.stack([axis[..., 1], -axis[..., 0]], axis=-1)
    image_across = np.stack([image_axis[..., 1], -image_axis[..., 0]], axis=-1) * scale[..., None]
    maps = np.empty((*np.broadcast_shapes(start.shape, image_start.shape)[:-1], 15))
    maps[..., 0:2] = axis
    maps[..., 2] = -(axis * start).sum(axis=-1)
    maps[..., 3:5] = across
    maps[..., 5] = -(across * start).sum(axis=-1)
    maps[..., 6] = length
    maps[..., 7] = image_length / np.maximum(length, 1e-3)
    maps[..., 8] = scale
    maps[..., 9:11] = image_start
    maps[..., 11:13] = image_axis
    maps[..., 13:15] = image_across
    return maps


def carry(maps: FloatArray, points: FloatArray) -> FloatArray:
    """`points` (...,2) carried by `maps` (...,15), broadcast against each other."""
    x, y = points[..., 0], points[..., 1]
    along = maps[..., 0] * x + maps[..., 1] * y + maps[..., 2]
    across = maps[..., 3] * x + maps[..., 4] * y + maps[..., 5]
    held = np.clip(along, 0.0, maps[..., 6])
    along = maps[..., 8] * (along - held) + maps[..., 7] * held
    return np.stack(
        [
            maps[..., 9] + along * maps[..., 11] + across * maps[..., 13],
            maps[..., 10] + along * maps[..., 12] + across * maps[..., 14],
        ],
        axis=-1,
    )
