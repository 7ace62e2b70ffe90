"""MediaPipe's graphs, loaded once per process, and what they see in one picture.

Knows MediaPipe's own key points and nothing of `Person`.
"""

from __future__ import annotations

import gc
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.models.detect.quiet import native_logs_silenced
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.system import return_free_memory

__all__ = ["Sighting", "find_faces", "loaded", "look", "release"]

_MANUAL_WAY = "Or set the key points by hand (`--points FILE`, see docs/photos.md), which needs no model."
_MODEL_FILES = (
    "pose_detection/pose_detection.tflite",
    "pose_landmark/pose_landmark_full.tflite",
    "face_landmark/face_landmark.tflite",
    "hand_landmark/hand_landmark_full.tflite",
    "holistic_landmark/hand_recrop.tflite",
    "face_detection/face_detection_full_range_sparse.tflite",
)


@dataclass(frozen=True, eq=False)
class Sighting:
    """One person as MediaPipe's holistic graph sees him. Left and right are the subject's own."""

    body_px: FloatArray  # (33,2) BlazePose
    visibility: FloatArray  # (33,) 0..1
    world_m: FloatArray  # (33,3) m, origin mid-hip, x right, y down, z away from the camera
    segmentation: npt.NDArray[np.float32]  # (H,W) probability of "person"
    face_px: FloatArray | None  # (468,2)
    left_hand_px: FloatArray | None  # (21,2)
    right_hand_px: FloatArray | None  # (21,2)

    def moved(self, scale: float, shift: tuple[float, float]) -> Sighting:
        """The same in a picture where every point lies at `point * scale + shift`; the segmentation stays."""

        def move(points: FloatArray) -> FloatArray:
            return np.asarray(points * scale + np.asarray(shift))

        return replace(
            self,
            body_px=move(self.body_px),
            face_px=None if self.face_px is None else move(self.face_px),
            left_hand_px=None if self.left_hand_px is None else move(self.left_hand_px),
            right_hand_px=None if self.right_hand_px is None else move(self.right_hand_px),
        )


class _Graphs:
    """The two graphs of this process; MediaPipe's objects may be used by one thread at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holistic: Any = None
        self.faces: Any = None
        self._remembers = False

    def see(self, rgb: npt.NDArray[np.uint8]) -> Any:
        """The holistic result of one picture, whatever was seen before it.

        Even in its still-picture mode the graph starts its search for hands and face where the last picture had them;
        a black picture makes it forget.
        """
        self.load()
        if self._remembers:
            self.holistic.process(np.zeros((32, 32, 3), dtype=np.uint8))
        seen = self.holistic.process(np.ascontiguousarray(rgb))
        self._remembers = seen.pose_landmarks is not None
        return seen

    def load(self) -> None:
        if self.holistic is not None:
            return
        solutions = _import_solutions()
        # Complexity 1 is the one whose landmark model lies inside the wheel; 0 and 2 would be downloaded.
        self.holistic = solutions.holistic.Holistic(
            static_image_mode=True, model_complexity=1, enable_segmentation=True, min_detection_confidence=0.5
        )
        self.faces = solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.6)

    def close(self) -> None:
        for graph in (self.holistic, self.faces):
            if graph is not None:
                graph.close()
        self.holistic = self.faces = None
        self._remembers = False


_graphs = _Graphs()


def loaded() -> bool:
    """Whether the graphs are in memory."""
    return _graphs.holistic is not None


def release() -> None:
    """Closes the graphs and gives their memory back; the next photo loads them again."""
    with _graphs.lock, native_logs_silenced():
        _graphs.close()
        gc.collect()
        return_free_memory()


def look(rgb: npt.NDArray[np.uint8]) -> Sighting | None:
    """The most prominent person of a picture (H,W,3), or None."""
    height, width = rgb.shape[:2]
    with _graphs.lock, native_logs_silenced():
        seen = _graphs.see(rgb)
    if seen.pose_landmarks is None or seen.segmentation_mask is None:
        return None
    size = np.array([width, height], dtype=float)
    body = seen.pose_landmarks.landmark
    return Sighting(
        body_px=_pixels(seen.pose_landmarks, size),
        visibility=np.array([point.visibility for point in body]),
        world_m=np.array([[point.x, point.y, point.z] for point in seen.pose_world_landmarks.landmark]),
        segmentation=np.asarray(seen.segmentation_mask, dtype=np.float32),
        face_px=None if seen.face_landmarks is None else _pixels(seen.face_landmarks, size)[:468],
        left_hand_px=None if seen.left_hand_landmarks is None else _pixels(seen.left_hand_landmarks, size),
        right_hand_px=None if seen.right_hand_landmarks is None else _pixels(seen.right_hand_landmarks, size),
    )


def find_faces(rgb: npt.NDArray[np.uint8]) -> FloatArray:
    """(N,4) boxes left, top, right, bottom in px of the faces in a picture (H,W,3)."""
    height, width = rgb.shape[:2]
    with _graphs.lock, native_logs_silenced():
        _graphs.load()
        found = _graphs.faces.process(np.ascontiguousarray(rgb)).detections or []
    boxes = [face.location_data.relative_bounding_box for face in found]
    corners = [[box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height] for box in boxes]
    return np.array(corners, dtype=float).reshape(-1, 4) * [width, height, width, height]


def _pixels(landmarks: Any, size: FloatArray) -> FloatArray:
    return np.array([[point.x, point.y] for point in landmarks.landmark]) * size


def _import_solutions() -> Any:
    """`mediapipe.solutions`, or a `FleximoError` that says what is missing and what to do."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        import mediapipe
    except ModuleNotFoundError as error:
        if sys.version_info >= (3, 13):
            raise FleximoError(
                f"Key points are found by MediaPipe 0.10.21, which runs on Python 3.9 to 3.12; this is {version}.",
                code="detector_unavailable",
                remedy=f"Install Fleximo in a Python 3.12 environment. {_MANUAL_WAY}",
            ) from None
        raise FleximoError(
            f"Key points are found by MediaPipe, which is not installed here (missing module: {error.name}).",
            code="detector_unavailable",
            remedy=f"Run `pip install mediapipe==0.10.21`. {_MANUAL_WAY}",
        ) from None
    except ImportError as error:  # libGL.so.1, libEGL, a C++ runtime: the loader names the library
        raise FleximoError(
            f"MediaPipe cannot be loaded, because a system library is missing: {error}.",
            code="detector_unavailable",
            remedy="Install that library (Debian and Ubuntu: `apt install libgl1 libegl1 libglib2.0-0`; Windows: the "
            f"Visual C++ runtime). {_MANUAL_WAY}",
        ) from None
    modules = Path(mediapipe.__file__).parent / "modules"
    missing = [name for name in _MODEL_FILES if not (modules / name).is_file()]
    if missing or not hasattr(mediapipe, "solutions"):
        found = getattr(mediapipe, "__version__", "of unknown version")
        raise FleximoError(
            f"The installed MediaPipe {found} does not carry the key-point models; 0.10.21 does.",
            code="detector_unavailable",
            remedy=f"Run `pip install mediapipe==0.10.21` on Python 3.11 or 3.12 (this is {version}). {_MANUAL_WAY}",
        )
    return mediapipe.solutions
