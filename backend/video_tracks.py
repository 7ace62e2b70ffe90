"""Human videos -> pose tracks: the person found in every frame, missing ones left empty.

Knows files and detectors; nothing of what the tracks are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from backend.media import read_frames
from backend.models import detect
from backend.stages import Progress, silent
from fleximo.errors import FleximoError
from fleximo.layouts import WHOLEBODY_128
from fleximo.pose_track import PoseTrack
from fleximo.timing import as_fps

__all__ = ["track_folder", "track_video"]

_VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi")
_NOBODY = ("no_person", "no_body")


def track_video(path: Path, *, detector: str = "auto", progress: Progress = silent) -> PoseTrack:
    """Every frame's person; a frame without one has no confidence anywhere. Raises `FleximoError`."""
    points, confidence, size = [], [], None
    used = detect.detector_used(detector)
    for number, frame in enumerate(read_frames(path)):
        progress(0.0, f"{path.name}: frame {number + 1}")
        size = (frame.shape[1], frame.shape[0])
        ok, photo = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        try:
            person = detect.detect(photo.tobytes() if ok else b"", detector=used)
            points.append(person.points_px)
            confidence.append(person.confidence)
        except FleximoError as error:
            if error.code not in _NOBODY:
                raise
            points.append(np.zeros((len(WHOLEBODY_128), 2)))
            confidence.append(np.zeros(len(WHOLEBODY_128)))
    if size is None or not np.any(confidence):
        raise FleximoError(f"Nobody was found in {path}.", code="no_person")
    return PoseTrack(np.stack(points), np.stack(confidence), size, _rate(path))


def track_folder(folder: Path, kept: Path, *, detector: str = "auto", progress: Progress = silent) -> Iterator[Path]:
    """The track of every video below `folder`, written into `kept` and taken from there the next time.

    Videos without a person are passed over. Raises `FleximoError` if there is no video.
    """
    videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _VIDEOS)
    if not videos:
        raise FleximoError(
            f"There is no video in {folder}.", code="no_material", remedy=f"One of {', '.join(_VIDEOS)}."
        )
    for path in videos:
        target = kept / path.relative_to(folder).with_suffix(path.suffix + ".npz")
        if not target.is_file():
            try:
                track_video(path, detector=detector, progress=progress).save(target)
            except FleximoError as error:
                if error.code not in _NOBODY:
                    raise
                continue
        yield target


def _rate(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        return as_fps(container.streams.video[0].average_rate or 25)
