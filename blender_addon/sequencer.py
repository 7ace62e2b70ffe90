"""Finished videos in the sequencer: a movie strip at the take's frames, one video frame per scene frame.

Former versions of the same take are kept, muted. Knows files and frames, nothing of how the video was made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fleximo.errors import FleximoError

from . import compat
from .preferences import stored_path

__all__ = ["PROVENANCE", "free_channel", "insert_variant", "insert_video", "provenance_of", "variants_of"]

PROVENANCE = "fleximo"  # the strip's custom property: JSON with take, job, seed and files
_MOST_CHANNELS = 128


def free_channel(strips: Any, start: int, stop: int) -> int:
    """The lowest channel above all strips that overlap the scene frames [start, stop)."""
    used = []
    for strip in strips:
        first, last = compat.strip_range(strip)
        if first < stop and last > start:
            used.append(strip.channel)
    channel = max(used, default=0) + 1
    if channel > _MOST_CHANNELS:
        raise FleximoError(
            f"All {_MOST_CHANNELS} channels of the sequencer are in use at frame {start}.",
            remedy="Remove a strip there, then press Insert Video: the video is kept.",
        )
    return channel


def insert_video(scene: Any, path: Path, *, start: int, frames: int, name: str, provenance: dict[str, Any]) -> Any:
    """Puts the video `path` at scene frame `start` on a free channel and mutes the take's former versions.

    Raises `FleximoError`, leaving the sequencer as it was, if the file has not exactly `frames` frames.
    """
    if not path.is_file():
        raise FleximoError(f"The video {path} is not there.", remedy="Render the take again.")
    strips = compat.strips_of(scene)
    channel = free_channel(strips, start, start + frames)
    former = [strip for strip in strips if provenance_of(strip).get("take") == provenance["take"]]
    strip = strips.new_movie(name=name, filepath=stored_path(path), channel=channel, frame_start=start)
    found = compat.strip_frame_count(strip)
    if found != frames:
        strips.remove(strip)
        raise FleximoError(
            f"The video {path.name} has {found} frames; {frames} were expected, one per scene frame.",
            code="wrong_frame_count",
            remedy="Render the take again.",
        )
    for old in former:
        old.mute = True
    strip[PROVENANCE] = json.dumps(provenance)
    return strip


def insert_variant(scene: Any, path: Path, window: tuple[int, int], *, name: str, provenance: dict[str, Any]) -> Any:
    """Puts the scene frames `window` [start, stop) of a whole video into the sequencer, muted.

    `provenance` tells with `start` and `frames` where the whole video lies. Raises as `insert_video` does.
    """
    start, frames = provenance["start"], provenance["frames"]
    shown = [strip for strip in compat.strips_of(scene) if not strip.mute]
    strip = insert_video(scene, path, start=start, frames=frames, name=name, provenance=provenance)
    for other in shown:
        other.mute = False
    compat.trim_strip(strip, *window)
    strip.mute = True
    return strip


def variants_of(scene: Any, take: str) -> list[Any]:
    """The strips of a take's variants, the first one first."""
    found = [strip for strip in compat.strips_of(scene) if provenance_of(strip).get("take") == take]
    found = [strip for strip in found if provenance_of(strip).get("variant")]
    return sorted(found, key=lambda strip: int(provenance_of(strip)["variant"]))


def provenance_of(strip: Any) -> dict[str, Any]:
    """What `insert_video` wrote on a strip, empty for strips of others and for None."""
    if strip is None:
        return {}
    try:
        document = json.loads(strip.get(PROVENANCE, "{}"))
    except (TypeError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
