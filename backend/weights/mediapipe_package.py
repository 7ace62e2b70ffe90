"""The model files that come inside the mediapipe package: where they lie, size, sha256, licence and state.

Knows nothing of the bundles, which are fetched or imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

__all__ = ["bundled_models"]

_MODELS = {  # sha256 of the files of mediapipe 0.10.21 that the detector uses
    "pose_detection/pose_detection.tflite": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark/pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "face_landmark/face_landmark.tflite": "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    "hand_landmark/hand_landmark_full.tflite": "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    "holistic_landmark/hand_recrop.tflite": "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
    "face_detection/face_detection_full_range_sparse.tflite": (
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1"
    ),
}


def bundled_models() -> list[dict[str, Any]]:
    """The model files inside the mediapipe package: name, path, size, sha256, licence, and the state: "there",
    "missing", or "altered" if it is not the file of the release that the project was tested with.
    """
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or spec.origin is None:
        return []
    root = Path(spec.origin).parent / "modules"
    rows = []
    for name, expected in _MODELS.items():
        path = root / name
        content = path.read_bytes() if path.is_file() else b""
        digest = hashlib.sha256(content).hexdigest() if content else ""
        rows.append(
            {
                "name": path.name,
                "path": str(path),
                "size": len(content),
                "sha256": digest,
                "licence": "Apache-2.0",
                "state": "missing" if not content else "there" if digest == expected else "altered",
            }
        )
    return rows
