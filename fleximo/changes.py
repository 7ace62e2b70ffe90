"""What "changed" means: which delivered frames a video engine would see differently, and when all of them do.

Used by Blender and the backend alike.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.files import canonical_json
from fleximo.job import RenderJob, blob_digest
from fleximo.pose_track import PoseTrack

__all__ = [
    "CONFIDENCE_TOLERANCE",
    "OF_A_RANGE",
    "POINT_TOLERANCE_PX",
    "appearance",
    "changed_frames",
    "changed_ranges",
    "why_full",
]

POINT_TOLERANCE_PX = 0.05
CONFIDENCE_TOLERANCE = 0.01
DEPTH_ORDER_MARGIN_M = 0.005  # depths nearer to each other than this have no order


def changed_frames(before: PoseTrack, after: PoseTrack) -> BoolArray:
    """(T,) True where the signal differs: a point by > 0.05 px, a confidence by > 0.01, or a depth order.

    Tracks of another size, rate, layout or length share no frame: everything counts as changed. Points absent from
    both (confidence 0) are not compared.
    """
    same_kind = before.size == after.size and before.fps == after.fps and before.layout.name == after.layout.name
    if not same_kind or len(before) != len(after):
        return np.ones(len(after), dtype=bool)
    seen = (before.confidence > 0) | (after.confidence > 0)
    moved = (np.abs(before.points_px - after.points_px).max(axis=-1) > POINT_TOLERANCE_PX) & seen
    faded = np.abs(before.confidence - after.confidence) > CONFIDENCE_TOLERANCE
    swapped = _order(before.depths_m) * _order(after.depths_m) < 0
    return np.asarray(moved.any(axis=1) | faded.any(axis=1) | swapped.any(axis=(1, 2)))


# What may differ between a range that is rendered again and the frames around it.
OF_A_RANGE = frozenset({"engine", "settings", "seed", "retime"})
_NAMES = {
    "photo": "the photo",
    "person": "the person found in the photo",
    "framing": "how the photo is framed or the size of the video",
    "camera": "the camera",
    "length": "the number of frames",
    "fps": "the frame rate",
    "engine": "the engine",
    "settings": "the engine's settings",
    "seed": "the seed",
    "retime": "the way to the frame rate",
    "drawing": "the drawn skeleton",
}


def appearance(job: RenderJob) -> dict[str, str]:
    """Name -> digest of each thing that an engine sees beside the motion. Plain text, to be kept with a render."""
    document = job.document()[0]
    blobs = document["blobs"]
    parts: dict[str, Any] = {
        **{name: blobs[name] for name in ("photo", "person", "camera")},
        **{name: document[name] for name in ("framing", "engine", "settings", "seed", "retime")},
        "length": len(job.signal.track),
        "fps": str(job.fps),
        "drawing": blobs.get("drawn_frames"),
    }
    return {name: blob_digest(canonical_json({"is": part}))[:16] for name, part in parts.items()}


def why_full(before: Mapping[str, str], after: Mapping[str, str], *, but: Collection[str] = ()) -> str | None:
    """Why a job has to be rendered as a whole after a render of that `appearance`; None if its changed frames do.

    What is named in `but` may differ. A part that the former render did not keep counts as changed.

    >>> why_full({"photo": "1", "seed": "2"}, {"photo": "1", "seed": "3"})
    'the seed has changed'
    """
    changed = [_NAMES.get(name, name) for name in after if name not in but and before.get(name) != after[name]]
    if not changed:
        return None
    listed = f"{', '.join(changed[:-1])} and {changed[-1]}" if len(changed) > 1 else changed[0]
    return f"{listed} {'have' if len(changed) > 1 else 'has'} changed"


def _order(depths_m: FloatArray) -> FloatArray:
    """(T,18,18) -1, 0, +1: which of two body points is nearer."""
    body = depths_m[:, :18]
    difference = body[:, :, None] - body[:, None, :]
    return np.asarray(np.sign(np.where(np.abs(difference) > DEPTH_ORDER_MARGIN_M, difference, 0.0)))


def changed_ranges(changed: BoolArray) -> list[tuple[int, int]]:
    """Half-open frame ranges [start, stop) of the True runs of `changed` (T,).

    >>> changed_ranges(np.array([0, 1, 1, 0, 1], dtype=bool))
    [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], changed.astype(np.int8), [0]))))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2])]
