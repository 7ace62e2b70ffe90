"""Contact sheets: many frames of a video as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fleximo.errors import FleximoError
from fleximo.files import write_atomic

__all__ = ["contact_sheet", "write_picture"]

Picture = npt.NDArray[np.uint8]


def contact_sheet(pictures: Sequence[Picture], *, columns: int, tile_height: int = 360, gap: int = 4) -> Picture:
    """Pictures (H,W,3) RGB of one size, row by row on white, each `tile_height` px high."""
    height, width = pictures[0].shape[:2]
    tile = (max(1, round(width * tile_height / height)), tile_height)
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (tile[1] + gap) - gap, columns * (tile[0] + gap) - gap, 3), 255, dtype=np.uint8)
    for number, picture in enumerate(pictures):
        y, x = (number // columns) * (tile[1] + gap), (number % columns) * (tile[0] + gap)
        sheet[y : y + tile[1], x : x + tile[0]] = cv2.resize(picture, tile, interpolation=cv2.INTER_AREA)
    return sheet


def write_picture(path: Path, picture: Picture) -> None:
    """Writes an RGB picture as PNG or JPEG by its ending, all or nothing."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88] if path.suffix.lower() in (".jpg", ".jpeg") else []
    try:
        ok, content = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)
    except cv2.error:
        ok = False
    if not ok:
        raise FleximoError(f"{path} cannot be written as a picture.", remedy="Use a name that ends in .png or .jpg.")
    write_atomic(path, content.tobytes())
