"""The photo on the video's canvas, as the job frames it, and the scene going on beyond its edges.

Knows jobs and pixels; nothing of engines.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from backend.photo import decode_photo
from fleximo.camera import Framing
from fleximo.job import RenderJob

__all__ = ["photo_on_canvas"]

Pictures = npt.NDArray[np.uint8]

_AROUND = 0.02  # of the photo's shorter side, cleared around the person's mask: hair and shadow


def photo_on_canvas(job: RenderJob, *, antialias: bool = True) -> Pictures:
    """(H,W,3) the job's photo, upright, laid on the canvas; beyond its edges the mirrored scene without the person.

    Without `antialias` pixels are picked bilinearly, whatever the scale.
    """
    photo, framing = decode_photo(job.photo).rgb, job.framing
    size = (photo.shape[1], photo.shape[0])
    if antialias and framing.scale < 1.0:
        small = (max(1, round(size[0] * framing.scale)), max(1, round(size[1] * framing.scale)))
        photo = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_CUBIC if antialias else cv2.INTER_LINEAR
    inside = _inside(framing, size)
    if inside.all():
        return _warp(photo, framing, size, how)
    scene = _without_person(photo, job.person.mask)
    return np.where(inside[..., None], _warp(photo, framing, size, how), _warp(scene, framing, size, how))


def _without_person(photo: Pictures, mask: npt.NDArray[np.bool_]) -> Pictures:
    """The person's place filled from what lies left and right of it: a second person must not be mirrored beside her.

    Rooms and landscapes are layered, so rows stay apart.
    """
    height, width = photo.shape[:2]
    person = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    around = 2 * round(_AROUND * min(width, height)) + 1
    free = 1.0 - cv2.dilate(person, np.ones((around, around), np.uint8))
    filled = np.zeros(photo.shape, np.float32)
    known = np.full((height, width), 1e-9, np.float32)
    for reach in (0.1, 0.4, 2.0):  # of the width: near pixels if there are any
        blur = {"ksize": (0, 0), "sigmaX": reach * width, "sigmaY": max(0.5, 0.01 * reach * height)}
        weights = cv2.GaussianBlur(free, **blur)
        share = np.clip(weights * 20.0, 0.0, 1.0) * (1.0 - np.minimum(known, 1.0))
        colours = cv2.GaussianBlur(photo * free[..., None], **blur) / np.maximum(weights, 1e-6)[..., None]
        filled += share[..., None] * colours
        known += share
    kept = free[..., None]
    return np.rint(kept * photo + (1.0 - kept) * (filled / known[..., None])).clip(0, 255).astype(np.uint8)


def _warp(photo: Pictures, framing: Framing, size: tuple[int, int], how: int) -> Pictures:
    """`photo`, already at some size of its own, onto the canvas; `size` (W, H) is what the framing calls the photo."""
    matrix = framing.matrix @ np.diag([size[0] / photo.shape[1], size[1] / photo.shape[0], 1.0])
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # from pixel edges to OpenCV's pixel centres
    return cv2.warpAffine(photo, matrix, framing.canvas_size, flags=how, borderMode=cv2.BORDER_REFLECT_101)


def _inside(framing: Framing, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """(H,W) True where the canvas shows the photo."""
    width, height = framing.canvas_size
    centres = framing.to_photo(np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1))
    return np.asarray(((centres >= 0.0) & (centres <= size)).all(axis=-1))
