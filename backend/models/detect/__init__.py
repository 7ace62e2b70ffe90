"""Photo -> `Person`: DWPose, MediaPipe, which needs no download, or key points set by hand, which need no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from backend import weights
from backend.models.detect import dwpose_models, mediapipe_models
from backend.photo import decode_photo
from fleximo.bones import PhotoView
from fleximo.errors import FleximoError
from fleximo.person import Person

__all__ = ["DETECTORS", "bundles_of", "detect", "detector_used", "release"]

DETECTORS = ("auto", "mediapipe", "dwpose", "manual")
_STATURE_M = 1.70  # prior for an adult; a photo alone tells no absolute size


def detect(
    photo: bytes,
    *,
    points: Mapping[str, Any] | None = None,
    detector: str = "auto",
    choose: int | Sequence[float] | None = None,
    stature_m: float | None = None,
    lens_degrees: float | None = None,
) -> Person:
    """The person of a photo file (PNG, JPEG, WebP), with notices of what to beware of.

    `points`: name -> [x, y] in photo px, set by hand; `detector` "auto" takes them where given, else DWPose where its
    weights are there, else MediaPipe.
    `choose`: of several people the index from the left, or a point [x, y] on the one wanted. `stature_m` (default 1.70)
    tells how large everything is; `lens_degrees`, the angle of view of the photo's longer side, counts instead of what
    EXIF tells. Raises `FleximoError` `no_person`, `no_body`, `no_such_person`, `detector_unavailable`,
    `invalid_points`, or what `decode_photo` raises.
    """
    used = detector_used(detector, points)
    decoded = decode_photo(photo)
    stature_m = _STATURE_M if stature_m is None else stature_m
    if lens_degrees is not None:
        PhotoView.of(decoded.size, lens_degrees)  # refuses an angle that no lens has
        decoded = replace(decoded, lens_degrees=lens_degrees)
    if used == "manual":
        from backend.models.detect.manual import person_from_points

        return person_from_points(decoded, points, stature_m=stature_m)
    if used == "dwpose":
        from backend.models.detect.dwpose import detect_person
    else:
        from backend.models.detect.mediapipe_detector import detect_person
    return detect_person(decoded, choose=choose, stature_m=stature_m)


def detector_used(detector: str, points: Mapping[str, Any] | None = None) -> str:
    """Which of "mediapipe", "dwpose" and "manual" `detect` takes; raises `FleximoError` where it cannot take any."""
    if detector not in DETECTORS:
        raise FleximoError(f"There is no detector {detector!r}; one of {', '.join(DETECTORS)} was expected.")
    if detector == "manual" and points is None:
        raise FleximoError('The detector "manual" needs the key points.', remedy="Pass them with `--points FILE`.")
    if detector != "auto":
        return detector
    if points is not None:
        return "manual"
    ready = weights.available(dwpose_models.BUNDLE) and find_spec("onnxruntime") is not None
    return "dwpose" if ready else "mediapipe"


def bundles_of(used: str) -> tuple[weights.Bundle, ...]:
    """The weights that a detector runs on, beside those inside the MediaPipe package."""
    return (weights.bundle(dwpose_models.BUNDLE),) if used == "dwpose" else ()


def release() -> None:
    """Gives the memory of the loaded models back; the next photo loads them again."""
    mediapipe_models.release()
    dwpose_models.release()
