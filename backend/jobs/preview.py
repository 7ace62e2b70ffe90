"""A small picture of a render that is still running, or of its result.

Knows where the pipeline keeps its files in a job's folder; makes JPEG of at most 512 px.
"""

from __future__ import annotations

import io
from pathlib import Path

from fleximo.errors import FleximoError
from fleximo.files import read_bytes, write_atomic

__all__ = ["write_preview"]

_LONGER_SIDE_PX = 512


def write_preview(work: Path, target: Path) -> bool:
    """Writes a frame of the newest finished piece of the render in `work` to `target`; False if there is no newer one.

    A preview never stops a render: what cannot be read or written is left out.
    """
    newest = _newest(work)
    if newest is None or (target.is_file() and target.stat().st_mtime >= newest.stat().st_mtime):
        return False
    from PIL import Image

    from backend.media import read_frames

    try:
        if newest.suffix == ".jpg":
            write_atomic(target, read_bytes(newest))
            return True
        frame = next(iter(read_frames(newest, 0, 1)), None)
        if frame is None:
            return False
        picture = Image.fromarray(frame)
        picture.thumbnail((_LONGER_SIDE_PX, _LONGER_SIDE_PX))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        write_atomic(target, buffer.getvalue())
    except FleximoError:
        return False
    return True


def _newest(work: Path) -> Path | None:
    """The finished piece that shows most of the render, of the pass that is at work where it is being refined."""
    passes = sorted((each for each in work.glob("passes/*") if each.is_dir()), key=lambda each: each.stat().st_mtime)
    for folder in (*reversed(passes), work):
        pieces = [folder / "master.mkv", *sorted((folder / "windows").glob("[0-9]*.ffv1.mkv"), reverse=True)]
        pieces.append(folder / "engine" / "preview.jpg")  # of an engine that finishes all its frames at once
        for piece in pieces:
            if piece.is_file():
                return piece
    return None
