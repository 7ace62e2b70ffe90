"""The photo as the canvas shows it: upright and placed by a framing, as a packed Blender image.

Blender shows JPEG files without the rotation that EXIF asks for; everything in Fleximo is measured after it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt

from fleximo.camera import Framing
from fleximo.errors import FleximoError

__all__ = ["canvas_image", "exif_orientation", "place_on_canvas", "size_of"]

Pixels = npt.NDArray[np.float32]  # (H,W,4) RGBA 0..1, the top row first

_ORIENTATION_TAG = 0x0112


def canvas_image(path: Path, framing: Framing, name: str, former: Any = None) -> Any:
    """A packed image of the canvas with the photo of `path` on it; takes the place of the image `former`."""
    canvas = place_on_canvas(_upright(path, framing.photo_size), framing)
    height, width = canvas.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=True)
    if former is not None:
        former.user_remap(image)
        bpy.data.images.remove(former)
        image.name = name
    image.pixels.foreach_set(canvas[::-1].ravel())
    image.pack()
    return image


def size_of(path: Path) -> tuple[int, int]:
    """(W, H) px of the photo after EXIF rotation."""
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError:
        raise FleximoError(
            f"The photo {path} cannot be read as a picture.", remedy="Choose a JPEG, PNG or WebP file."
        ) from None
    width, height = image.size
    bpy.data.images.remove(image)
    return (height, width) if exif_orientation(path.read_bytes()) in (5, 6, 7, 8) else (width, height)


def _upright(path: Path, photo_size: tuple[int, int]) -> Pixels:
    """The photo's pixels after EXIF rotation."""
    try:
        photo = bpy.data.images.load(str(path), check_existing=False)
        width, height = photo.size
    except RuntimeError:
        width = height = 0
    if not width or not height:
        raise FleximoError(f"The photo {path} cannot be read as a picture.", remedy="Choose a JPEG, PNG or WebP file.")
    try:
        values = np.empty(width * height * photo.channels, dtype=np.float32)
        photo.pixels.foreach_get(values)
        rows = values.reshape(height, width, photo.channels)[::-1]
    finally:
        bpy.data.images.remove(photo)
    pixels = np.ones((height, width, 4), dtype=np.float32)
    pixels[..., : rows.shape[2]] = rows if rows.shape[2] >= 3 else rows[..., :1]
    turned = _turn(pixels, exif_orientation(path.read_bytes()))
    if turned.shape[1::-1] != photo_size:
        raise FleximoError(
            f"The photo {path.name} has {turned.shape[1]}x{turned.shape[0]} pixels; "
            f"{photo_size[0]}x{photo_size[1]} were measured in it.",
            remedy="It was changed meanwhile: press Detect Pose again.",
        )
    return turned


def _turn(pixels: Pixels, orientation: int) -> Pixels:
    """Undoes the camera's rotation: EXIF orientation 1..8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def exif_orientation(content: bytes) -> int:
    """The orientation 1..8 that a JPEG's EXIF block gives (CIPA DC-008, tag 0x0112); 1 where it gives none."""
    place = 2
    while content[:2] == b"\xff\xd8" and place + 4 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], struct.unpack_from(">H", content, place + 2)[0]
        block = content[place + 4 : place + 2 + length]
        if marker == 0xE1 and block[:6] == b"Exif\0\0":
            return _orientation_of_tiff(block[6:])
        if marker == 0xDA:
            break
        place += 2 + length
    return 1


def _orientation_of_tiff(block: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order is None:
            return 1
        first = struct.unpack_from(order + "I", block, 4)[0]
        for entry in range(struct.unpack_from(order + "H", block, first)[0]):
            tag, _kind, _count, value = struct.unpack_from(order + "HHIH", block, first + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def place_on_canvas(photo: Pixels, framing: Framing) -> Pixels:
    """(H,W,4) of the canvas: the photo placed by `framing`, bilinear, transparent outside it."""
    shrink = max(1, int(1.0 / framing.scale))
    if shrink > 1:  # average whole blocks first, so that a large photo does not flicker
        height, width = (n // shrink * shrink for n in photo.shape[:2])
        blocks = photo[:height, :width].reshape(height // shrink, shrink, width // shrink, shrink, -1)
        photo = blocks.mean(axis=(1, 3), dtype=np.float32)
    width, height = framing.canvas_size
    across = framing.to_photo(np.stack((np.arange(width) + 0.5, np.zeros(width)), axis=-1))[:, 0] / shrink
    down = framing.to_photo(np.stack((np.zeros(height), np.arange(height) + 0.5), axis=-1))[:, 1] / shrink
    canvas = _lerp(_lerp(photo, down, axis=0), across, axis=1)
    inside = (down >= 0)[:, None] & (down <= photo.shape[0])[:, None] & (across >= 0) & (across <= photo.shape[1])
    canvas[~inside] = 0.0
    return canvas


def _lerp(pixels: Pixels, places: npt.NDArray[Any], axis: int) -> Pixels:
    """Rows or columns at fractional `places` (pixel centres at .5), the border repeated."""
    last = pixels.shape[axis] - 1
    low = np.clip(np.floor(places - 0.5), 0, last).astype(int)
    weight = np.clip(places - 0.5 - low, 0.0, 1.0).astype(np.float32)
    weight = weight.reshape([-1 if n == axis else 1 for n in range(3)])
    high = np.minimum(low + 1, last)
    return np.asarray(np.take(pixels, low, axis) * (1.0 - weight) + np.take(pixels, high, axis) * weight)
