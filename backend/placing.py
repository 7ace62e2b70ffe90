"""The photo on the video's canvas: placed as the job frames it, with something quiet beyond its edges.

Knows jobs and pixels; nothing of engines.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from backend.photo import decode_photo
from fleximo.camera import Framing
from fleximo.job import RenderJob

__all__ = ["photo_on_canvas", "softened", "warped"]

Pictures = npt.NDArray[np.uint8]

_BLUR = 0.03  # of the canvas's shorter side: what lies beyond the photo's edge must not look like a second person


def photo_on_canvas(job: RenderJob) -> Pictures:
    """(H,W,3) the job's photo, upright, laid on the canvas; beyond its edges the mirrored photo, blurred."""
    photo, framing = decode_photo(job.photo).rgb, job.framing
    height, width = photo.shape[:2]
    if framing.scale < 1.0:
        small = (max(1, round(width * framing.scale)), max(1, round(height * framing.scale)))
        photo = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
    return softened(warped(photo, framing, (width, height), cv2.INTER_CUBIC), framing, (width, height))


def softened(placed: Pictures, framing: Framing, size: tuple[int, int]) -> Pictures:
    """`placed` (H,W,3), a photo of `size` (W, H) px on the canvas, blurred where the canvas shows no photo."""
    width, height = size
    left, top = framing.offset
    covered = left <= 0 and top <= 0 and left + width * framing.scale >= framing.canvas_size[0] - 0.5
    if covered and top + height * framing.scale >= framing.canvas_size[1] - 0.5:
        return placed
    soft = cv2.GaussianBlur(placed, (0, 0), _BLUR * min(framing.canvas_size))
    return np.where(_inside(framing, size)[..., None], placed, soft)


def warped(photo: Pictures, framing: Framing, size: tuple[int, int], how: int) -> Pictures:
    """`photo`, already at some size of its own, onto the canvas; `size` (W, H) is what the framing calls the photo."""
    matrix = framing.matrix @ np.diag([size[0] / photo.shape[1], size[1] / photo.shape[0], 1.0])
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # from pixel edges to OpenCV's pixel centres
    return cv2.warpAffine(photo, matrix, framing.canvas_size, flags=how, borderMode=cv2.BORDER_REFLECT_101)


def _inside(framing: Framing, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """(H,W) True where the canvas shows the photo."""
    width, height = framing.canvas_size
    centres = framing.to_photo(np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1))
    return np.asarray(((centres >= 0.0) & (centres <= size)).all(axis=-1))
