"""Photos of all kinds become upright RGB pixels or one sentence; nothing else leaves the decoder."""

from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.photo import MAX_PHOTO_BYTES, decode_photo
from fleximo.errors import FleximoError

ANNA = Path(__file__).parents[1] / "data" / "people" / "anna.jpg"


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _gradient(width: int = 48, height: int = 32) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 5, rows * 7, (rows + columns) * 3], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 98})])
def test_the_three_formats(kind: str, options: dict[str, object]) -> None:
    photo = decode_photo(_encoded(Image.fromarray(_gradient()), kind, **options))
    assert photo.size == (48, 32)
    assert photo.rgb.dtype == np.uint8 and not photo.rgb.flags.writeable
    assert np.abs(photo.rgb.astype(int) - _gradient()).mean() < (3.0 if kind == "JPEG" else 0.01)
    assert photo.lens_degrees is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation(kind: str, orientation: int) -> None:
    upright = _gradient()
    turn = {  # how the camera stored the upright picture, by the EXIF standard's table
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 98} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    stored = Image.fromarray(np.ascontiguousarray(turn(upright)))
    photo = decode_photo(_encoded(stored, kind, exif=exif.tobytes(), **options))
    assert photo.rgb.shape == upright.shape
    assert np.abs(photo.rgb.astype(int) - upright).mean() < 3.0


def test_transparency_lies_over_white() -> None:
    rgba = np.dstack([_gradient(), np.tile(np.linspace(0, 255, 48).astype(np.uint8), (32, 1))])
    share = rgba[..., 3:] / 255.0
    expected = _gradient() * share + 255.0 * (1.0 - share)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        photo = decode_photo(_encoded(Image.fromarray(rgba), kind, **options))
        assert np.abs(photo.rgb - expected).max() <= 1.5, kind
    palette = Image.fromarray(_gradient()).quantize(8)
    corner = palette.getpixel((0, 0))
    photo = decode_photo(_encoded(palette, "PNG", transparency=corner))
    assert photo.rgb[0, 0].tolist() == [255, 255, 255]
    assert photo.rgb[-1, -1].tolist() != [255, 255, 255]


def test_sixteen_bits_palette_grey_and_cmyk() -> None:
    ramp = np.linspace(0, 65535, 48 * 32).reshape(32, 48).astype(np.uint16)
    photo = decode_photo(_encoded(Image.fromarray(ramp), "PNG"))
    assert np.abs(photo.rgb[..., 1].astype(int) - (ramp >> 8)).max() <= 1
    photo = decode_photo(_rgb16_png(_gradient()))
    assert np.abs(photo.rgb.astype(int) - _gradient()).max() <= 1
    for mode in ("L", "LA", "1", "P"):
        assert decode_photo(_encoded(Image.fromarray(_gradient()).convert(mode), "PNG")).rgb.shape == (32, 48, 3), mode
    cmyk = Image.fromarray(_gradient()).convert("CMYK")
    assert np.abs(decode_photo(_encoded(cmyk, "JPEG", quality=98)).rgb.astype(int) - _gradient()).mean() < 4.0


def test_only_the_first_frame_counts() -> None:
    first, second = Image.fromarray(_gradient()), Image.fromarray(255 - _gradient())
    for kind, options in (("WEBP", {"lossless": True}), ("PNG", {})):
        photo = decode_photo(_encoded(first, kind, save_all=True, append_images=[second], duration=100, **options))
        assert np.array_equal(photo.rgb, _gradient()), kind


@pytest.mark.parametrize(
    ("focal_mm", "degrees"),
    [(26, 2 * math.degrees(math.atan(18 / 26))), (50, 2 * math.degrees(math.atan(18 / 50))), (0, None), (65535, None)],
)
def test_lens_from_exif(focal_mm: int, degrees: float | None) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = focal_mm
    photo = decode_photo(
        _encoded(Image.fromarray(_gradient(48, 32)), "JPEG", exif=exif)
    )  # 3:2, as the film it refers to
    assert photo.lens_degrees == (None if degrees is None else pytest.approx(degrees, abs=0.01))


def test_a_damaged_exif_block_does_not_spoil_the_photo() -> None:
    photo = decode_photo(_encoded(Image.fromarray(_gradient()), "JPEG", exif=b"Exif\0\0MM\0*" + b"\xff" * 20))
    assert photo.size == (48, 32)


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "empty"), (b"hello", "another kind"), (b"\x89PNG\r\n\x1a\n", "damaged"), (b"%PDF-1.7", "another kind")],
)
def test_other_files_are_refused(content: bytes, word: str) -> None:
    with pytest.raises(FleximoError, match="PNG, JPEG or WebP") as caught:
        decode_photo(content)
    assert caught.value.code == "unreadable_photo"
    assert caught.value.remedy
    assert word in str(caught.value)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(FleximoError, match="another kind"):
        decode_photo(_encoded(Image.fromarray(_gradient()), kind))


def test_a_cut_off_file_is_refused() -> None:
    content = ANNA.read_bytes()
    with pytest.raises(FleximoError, match="damaged or cut off"):
        decode_photo(content[: len(content) // 2])


def test_limits_on_bytes_and_pixels() -> None:
    with pytest.raises(FleximoError, match=r"21\.0 MB") as caught:
        decode_photo(b"\xff\xd8" + bytes(MAX_PHOTO_BYTES + 10_000))
    assert caught.value.code == "photo_too_large"
    for width, height in ((5001, 5000), (12000, 12000), (60000, 60000)):  # above our limit, Pillow's warning, its error
        with pytest.raises(FleximoError, match="25 million") as caught:
            decode_photo(_png_header(width, height))
        assert caught.value.code == "photo_too_large", (width, height)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_bytes_give_a_photo_or_a_sentence(kind: str) -> None:
    content = _encoded(Image.fromarray(_gradient()), kind)
    rng = np.random.default_rng(7)
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), size=int(rng.integers(1, 6))):
            damaged[place] = int(rng.integers(0, 256))
        try:
            photo = decode_photo(bytes(damaged))
        except FleximoError as error:
            assert error.code in ("unreadable_photo", "photo_too_large")
        else:
            assert photo.rgb.shape[2] == 3


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"")) + _chunk(b"IEND", b"")


def _rgb16_png(rgb: np.ndarray) -> bytes:
    rows = (rgb.astype(">u2") * 257).tobytes()
    stride = rgb.shape[1] * 6
    raw = b"".join(b"\0" + rows[i : i + stride] for i in range(0, len(rows), stride))
    header = struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(raw)) + _chunk(b"IEND", b"")
