"""Photo -> `Person`: MediaPipe, which needs no download, or key points set by hand, which need no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.models.detect import mediapipe_models
from backend.photo import decode_photo
from fleximo.errors import FleximoError
from fleximo.person import Person

__all__ = ["DETECTORS", "detect", "release"]

DETECTORS = ("auto", "mediapipe", "manual")


def detect(
    photo: bytes,
    *,
    points: Mapping[str, Sequence[float] | None] | None = None,
    detector: str = "auto",
    choose: int | Sequence[float] | None = None,
    stature_m: float = 1.70,
) -> Person:
    """The person of a photo file (PNG, JPEG, WebP), with notices of what to beware of.

    `points`: name -> x, y in photo px of points set by hand; `detector` "auto" takes them where given and MediaPipe
    otherwise. `choose`: of several people the index from the left or a point on the one wanted. Raises `FleximoError`
    `no_person`, `detector_unavailable`, or what `decode_photo` and the manual points raise.
    """
    if detector not in DETECTORS:
        raise FleximoError(f"There is no detector {detector!r}; one of {', '.join(DETECTORS)} was expected.")
    decoded = decode_photo(photo)
    from backend.models.detect.mediapipe_detector import detect_person

    return detect_person(decoded, choose=choose, stature_m=stature_m)


def release() -> None:
    """Gives the memory of the loaded models back; the next photo loads them again."""
    mediapipe_models.release()
