"""Reads an untrusted photo file into upright RGB pixels, and what its EXIF says about the lens.

PNG, JPEG and WebP only, with limits on bytes and pixels. Knows nothing of people.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from fleximo.errors import FleximoError

__all__ = ["MAX_PHOTO_BYTES", "MAX_PHOTO_PIXELS", "Photo", "decode_photo"]

MAX_PHOTO_BYTES = 20 * 1024 * 1024
MAX_PHOTO_PIXELS = 25_000_000
_FORMATS = ("JPEG", "PNG", "WEBP")
_EXIF_IFD = 0x8769
_FOCAL_LENGTH_35MM = 0xA405
_DIAGONAL_35MM = math.hypot(36.0, 24.0)  # mm; CIPA defines the equivalent focal length by the diagonal


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo: upright, opaque, 8 bits a channel."""

    rgb: npt.NDArray[np.uint8]  # (H,W,3), read-only
    lens_degrees: float | None = None  # angle of view of the longer side, if EXIF tells the focal length

    @property
    def size(self) -> tuple[int, int]:
        """(W, H) px."""
        return int(self.rgb.shape[1]), int(self.rgb.shape[0])


def decode_photo(content: bytes) -> Photo:
    """The first frame of a PNG, JPEG or WebP file, turned upright by its EXIF orientation, transparency over white.

    Raises `FleximoError`: `photo_too_large` above 20 MB or 25 megapixels, `unreadable_photo` on any other or
    damaged file.
    """
    if len(content) > MAX_PHOTO_BYTES:
        raise FleximoError(
            f"The photo file has {len(content) / 1e6:.1f} MB; at most {MAX_PHOTO_BYTES / 1e6:.0f} MB are read.",
            code="photo_too_large",
            remedy="Save it as a JPEG of less than 20 MB.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # a damaged EXIF block does not spoil the pixels
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                _check_pixels(image.size)
                image.load()
                upright = ImageOps.exif_transpose(image)
                rgb = _to_rgb(upright)
                focal_mm = _equivalent_focal_mm(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels("an enormous number of") from None
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, struct.error, zlib.error) as error:
        raise FleximoError(
            f"The photo cannot be read: {_reason(content, error)}. A PNG, JPEG or WebP picture was expected.",
            code="unreadable_photo",
            remedy="Open it in a picture editor and save it again as JPEG or PNG.",
        ) from None
    rgb.setflags(write=False)
    return Photo(rgb, _lens_degrees(focal_mm, rgb.shape[1], rgb.shape[0]))


def _check_pixels(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PHOTO_PIXELS:
        raise _too_many_pixels(f"{size[0]}x{size[1]} =")


def _too_many_pixels(count: str) -> FleximoError:
    return FleximoError(
        f"The photo has {count} pixels; at most {MAX_PHOTO_PIXELS // 1_000_000} million are read.",
        code="photo_too_large",
        remedy="Scale it down; 2000 pixels along the longer side are plenty.",
    )


def _reason(content: bytes, error: Exception) -> str:
    """Why a file cannot be read, in words rather than Pillow's."""
    if not content:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        started = content.startswith((b"\x89PNG", b"\xff\xd8\xff")) or content[8:12] == b"WEBP"
        return "the file is damaged or cut off" if started else "the file is of another kind"
    return f"the file is damaged or cut off ({error})"


def _to_rgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    """(H,W,3) of any mode that the three formats decode to."""
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip at 255
        grey = (np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return np.array(Image.alpha_composite(white, rgba).convert("RGB"))
    return np.array(image.convert("RGB"))


def _equivalent_focal_mm(image: Image.Image) -> float | None:
    """EXIF FocalLengthIn35mmFilm; None where it is absent, 0 ("unknown") or nonsense."""
    try:
        focal_mm = float(image.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_LENGTH_35MM, 0.0))
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, struct.error, ZeroDivisionError):
        return None
    return focal_mm if 4.0 <= focal_mm <= 2000.0 else None


def _lens_degrees(focal_mm: float | None, width: int, height: int) -> float | None:
    if focal_mm is None:
        return None
    longer_mm = _DIAGONAL_35MM * max(width, height) / math.hypot(width, height)
    return math.degrees(2.0 * math.atan(longer_mm / (2.0 * focal_mm)))
