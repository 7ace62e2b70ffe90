"""DWPose's two ONNX networks, loaded once per process, and whom they see in a picture.

Knows the weights' bundle and ONNX Runtime; what the numbers mean is `dwpose_boxes`' and `dwpose_points`'.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backend import weights
from backend.models.detect.coco_wholebody import wholebody_128
from backend.models.detect.dwpose_boxes import Boxes, boxes_of, letterboxed
from backend.models.detect.dwpose_points import crop_boxes, crops, points_of
from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError

__all__ = ["BUNDLE", "Seen", "look", "release"]

BUNDLE = "dwpose"
_AT_ONCE = 16  # crops of one call: 21 MB of input


@dataclass(frozen=True, eq=False)
class Seen:
    """The people of a picture, surest first. Scores are DWPose's own, which may exceed 1."""

    points_px: FloatArray  # (N,128,2) of WHOLEBODY_128
    scores: FloatArray  # (N,128)
    boxes: Boxes  # N of them, or none where the one person was sought in the whole picture


class _Networks:
    """The two sessions of this process and the bundle that they were loaded from."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.bundle: weights.Bundle | None = None
        self.detector: Any = None
        self.pose: Any = None

    def load(self) -> None:
        bundle = weights.bundle(BUNDLE)
        if self.bundle is not None and self.bundle.sha256 == bundle.sha256:
            return
        self.close()
        self.detector, self.pose = _session(bundle, "detector.onnx"), _session(bundle, "pose.onnx")
        self.bundle = bundle

    def close(self) -> None:
        self.bundle = self.detector = self.pose = None


_networks = _Networks()


def look(rgb: npt.NDArray[np.uint8]) -> Seen:
    """The people of a picture (H,W,3). Where the detector finds none, one is sought in the whole picture.

    Raises `FleximoError`: `weights_missing`, `missing_package`, `unreadable_weights`.
    """
    with _networks.lock:
        _networks.load()
        fitted, ratio = letterboxed(rgb)
        raw = _networks.detector.run(None, {_input(_networks.detector): fitted[None].astype(np.float32)})[0][0]
        boxes = boxes_of(raw.astype(np.float64), ratio)
        corners = boxes.corners_px
        if not len(corners):
            corners = np.array([[0.0, 0.0, rgb.shape[1], rgb.shape[0]]])
        centres, sizes = crop_boxes(corners)
        simcc_x, simcc_y = _peaks(_networks.pose, crops(rgb, centres, sizes))
    points, scores = wholebody_128(*points_of(simcc_x, simcc_y, centres, sizes))
    return Seen(points, scores, boxes)


def release() -> None:
    """Gives the memory of the networks back; the next picture loads them again."""
    with _networks.lock:
        _networks.close()


def _peaks(session: Any, pictures: npt.NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
    """SimCC of crops (N,3,384,288): all in few calls where the network takes any number, else one by one."""
    fixed = session.get_inputs()[0].shape[0]
    step = fixed if isinstance(fixed, int) and fixed > 0 else _AT_ONCE
    parts = [
        session.run(None, {_input(session): pictures[start : start + step]}) for start in range(0, len(pictures), step)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _input(session: Any) -> str:
    return str(session.get_inputs()[0].name)


def _session(bundle: weights.Bundle, name: str) -> Any:
    """An inference session on the GPU where ONNX Runtime has one, else on the CPU."""
    try:
        import onnxruntime
    except ImportError:
        raise FleximoError(
            "DWPose runs in ONNX Runtime, which is not installed here.",
            code="missing_package",
            remedy="Run `pip install 'fleximo[models]'`, or use `--detector mediapipe`.",
        ) from None
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [provider for provider in wanted if provider in onnxruntime.get_available_providers()]
    path = bundle.file(name)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime has no family of errors of its own
        raise FleximoError(
            f"The network {path} cannot be loaded: {str(error).splitlines()[0]}.",
            code="unreadable_weights",
            remedy=f"Fetch it again: `fleximo models pull {BUNDLE}`.",
        ) from None
