"""The empty scene behind the person: the photo on the canvas without her, grown where the canvas is larger.

Knows masks, no skeleton.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.models.draft.texture import paint_from_surroundings
from fleximo.arrays import BoolArray, FloatArray
from fleximo.camera import Framing

__all__ = ["empty_scene", "place_image", "place_mask"]


def place_image(photo: FloatArray, framing: Framing, pad: tuple[int, int, int, int]) -> tuple[FloatArray, BoolArray]:
    """The photo (h,w,3) uint8 on the canvas widened by `pad` (left, top, right, bottom px), and where it lies."""
    image, covered = _warp(photo, framing, pad, cv2.BORDER_REFLECT_101)
    return image, covered


def place_mask(mask: BoolArray, framing: Framing, pad: tuple[int, int, int, int]) -> FloatArray:
    """The mask (h,w) on the widened canvas as float32 0..1."""
    return _warp(mask.astype(np.uint8) * 255, framing, pad, cv2.BORDER_CONSTANT)[0].astype(np.float32) / 255.0


def _warp(
    photo: FloatArray, framing: Framing, pad: tuple[int, int, int, int], border: int
) -> tuple[FloatArray, BoolArray]:
    scale = framing.scale
    source, rest = photo, scale
    if scale < 0.95:  # shrink by area first, or fine texture turns into noise
        size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
        source = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        rest = scale * photo.shape[1] / size[0]
    width = framing.canvas_size[0] + pad[0] + pad[2]
    height = framing.canvas_size[1] + pad[1] + pad[3]
    matrix = np.array(
        [
            [rest, 0.0, framing.offset[0] + pad[0] + 0.5 * rest - 0.5],
            [0.0, rest, framing.offset[1] + pad[1] + 0.5 * rest - 0.5],
        ]
    )
    method = cv2.INTER_CUBIC if rest > 1.05 else cv2.INTER_LINEAR
    image = cv2.warpAffine(source, matrix, (width, height), flags=method, borderMode=border)
    left, top = framing.offset[0] + pad[0], framing.offset[1] + pad[1]
    rows = (np.arange(height) + 0.5 > top) & (np.arange(height) + 0.5 < top + photo.shape[0] * scale)
    columns = (np.arange(width) + 0.5 > left) & (np.arange(width) + 0.5 < left + photo.shape[1] * scale)
    return image, rows[:, None] & columns[None]


def empty_scene(image: FloatArray, hole: BoolArray, covered: BoolArray) -> FloatArray:
    """(H,W,3) uint8: `image` with `hole` painted over and everything outside `covered` grown from the rest.

    Telea's method at a quarter of the size gives the large, the picture's own texture the fine.
    """
    height, width = hole.shape
    small = (max(4, width // 4), max(4, height // 4))
    thick = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8))
    colours = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    missing = (cv2.resize(thick.astype(np.float32), small, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    painted = cv2.inpaint(colours, missing, 5, cv2.INPAINT_TELEA)
    painted = cv2.resize(painted, (width, height), interpolation=cv2.INTER_CUBIC)
    painted = paint_from_surroundings(image, hole | ~covered, painted)
    share = cv2.GaussianBlur(thick.astype(np.float32), (0, 0), 2.0)
    share = np.maximum(share, hole.astype(np.float32))[..., None]
    scene = image * (1.0 - share) + painted * share
    if not covered.all():
        scene = _soften_outside(_mirrored(scene.astype(np.float32), covered), covered)
    return np.asarray(np.clip(np.round(scene), 0, 255).astype(np.uint8))


def _mirrored(scene: FloatArray, covered: BoolArray) -> FloatArray:
    """The empty scene mirrored beyond the photo's edges: the photo's own mirror image would show the person again."""
    if not covered.any():  # the photo lies out of the canvas altogether
        return scene
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    bottom, right = scene.shape[0] - 1 - int(rows[-1]), scene.shape[1] - 1 - int(columns[-1])
    inner = scene[top : scene.shape[0] - bottom, left : scene.shape[1] - right]
    return np.asarray(cv2.copyMakeBorder(inner, top, bottom, left, right, cv2.BORDER_REFLECT_101))


def _soften_outside(scene: FloatArray, covered: BoolArray) -> FloatArray:
    """Blurs the mirrored surroundings more and more away from the photo's edge, so that the mirror is not seen."""
    distance = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, 3)
    reach = max(scene.shape[:2]) * 0.06
    mild = cv2.GaussianBlur(scene, (0, 0), max(1.0, reach * 0.12))
    strong = cv2.GaussianBlur(scene, (0, 0), max(2.0, reach * 0.5))
    near = np.clip(distance / (0.4 * reach), 0.0, 1.0)[..., None]
    far = np.clip((distance - 0.4 * reach) / reach, 0.0, 1.0)[..., None]
    return np.asarray((scene * (1 - near) + mild * near) * (1 - far) + strong * far)
