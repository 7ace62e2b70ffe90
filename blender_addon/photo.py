"""The photo as the canvas shows it: upright and placed by a framing, as a packed Blender image.

Blender shows JPEG files without the rotation that EXIF asks for; everything in Fleximo is measured after it.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt

from fleximo.camera import Framing
from fleximo.errors import FleximoError

__all__ = ["canvas_bands", "canvas_steps", "exif_orientation", "size_of"]

Pixels = npt.NDArray[np.float32]  # (H,W,4) RGBA 0..1, the top row first

_ORIENTATION_TAG = 0x0112
_BAND_ROWS = 64  # of the canvas, placed in one step


def canvas_steps(path: Path, framing: Framing, name: str) -> Generator[float, None, str]:
    """Makes a packed image of the canvas with the photo of `path` on it, some rows at a time; returns its name.

    Yields how much is done, 0..1. Reading the photo's file is Blender's own and one step.
    """
    photo = yield from _upright_steps(path, framing.photo_size)
    width, height = framing.canvas_size
    canvas = np.empty((height, width, 4), dtype=np.float32)
    row = 0
    for band in canvas_bands(photo, framing):
        canvas[row : row + len(band)] = band
        row += len(band)
        yield 0.3 + 0.5 * row / height
    image = bpy.data.images.new(name, width, height, alpha=True)
    own: str = image.name
    image.pixels.foreach_set(canvas[::-1].ravel())
    yield 0.9
    bpy.data.images[own].pack()
    return own


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


def _upright_steps(path: Path, photo_size: tuple[int, int]) -> Generator[float, None, Pixels]:
    """The photo's pixels (H,W,4) after EXIF rotation."""
    try:
        photo = bpy.data.images.load(str(path), check_existing=False)
        width, height = photo.size
    except RuntimeError:
        width = height = 0
    if not width or not height:
        raise FleximoError(f"The photo {path} cannot be read as a picture.", remedy="Choose a JPEG, PNG or WebP file.")
    try:
        channels = photo.channels
        values = np.empty(width * height * channels, dtype=np.float32)
        photo.pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(photo)
    yield 0.2
    rows = values.reshape(height, width, channels)[::-1]
    if channels != 4:
        pixels = np.ones((height, width, 4), dtype=np.float32)
        pixels[..., :channels] = rows if channels == 3 else rows[..., :1]
        rows = pixels
    turned = _turn(rows, exif_orientation(path.read_bytes()))
    if turned.shape[1::-1] != photo_size:
        raise FleximoError(
            f"The photo {path.name} has {turned.shape[1]}x{turned.shape[0]} pixels; "
            f"{photo_size[0]}x{photo_size[1]} were measured in it.",
            remedy="It was changed meanwhile: press Detect Pose again.",
        )
    yield 0.3
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


def canvas_bands(photo: Pixels, framing: Framing) -> Iterator[Pixels]:
    """The canvas from the top, some rows (h,W,4) at a time: the photo placed by `framing`, transparent outside it."""
    shrink = max(1, int(1.0 / framing.scale))  # whole blocks are averaged first, so that a large photo does not flicker
    height, width = (n // shrink for n in photo.shape[:2])
    canvas_width, canvas_height = framing.canvas_size
    across = _in_photo(framing, canvas_width, 0) / shrink
    down = _in_photo(framing, canvas_height, 1) / shrink
    low = np.clip(np.floor(down - 0.5), 0, height - 1).astype(int)
    for start in range(0, canvas_height, _BAND_ROWS):
        own = slice(start, start + _BAND_ROWS)
        first, last = low[own].min(), min(low[own].max() + 1, height - 1)
        part = photo[first * shrink : (last + 1) * shrink, : width * shrink]
        if shrink > 1:
            part = part.reshape(last + 1 - first, shrink, width, shrink, 4).mean(axis=(1, 3), dtype=np.float32)
        band = _lerp(_lerp(part, down[own] - first, axis=0), across, axis=1)
        inside = (down[own] >= 0)[:, None] & (down[own] <= height)[:, None] & (across >= 0) & (across <= width)
        band[~inside] = 0.0
        yield band


def _in_photo(framing: Framing, count: int, axis: int) -> npt.NDArray[Any]:
    """(count,) px of the photo for the centres of the canvas's columns (axis 0) or rows (1)."""
    places = np.zeros((count, 2))
    places[:, axis] = np.arange(count) + 0.5
    return np.asarray(framing.to_photo(places)[:, axis])


def _lerp(pixels: Pixels, places: npt.NDArray[Any], axis: int) -> Pixels:
    """Rows or columns at fractional `places` (pixel centres at .5), the border repeated."""
    last = pixels.shape[axis] - 1
    low = np.clip(np.floor(places - 0.5), 0, last).astype(int)
    weight = np.clip(places - 0.5 - low, 0.0, 1.0).astype(np.float32)
    weight = weight.reshape([-1 if n == axis else 1 for n in range(3)])
    high = np.minimum(low + 1, last)
    return np.asarray(np.take(pixels, low, axis) * (1.0 - weight) + np.take(pixels, high, axis) * weight)
