"""Model files: what each bundle is made of, where it lies, how it gets here, and how far it can be trusted.

Stages ask for `bundle(name)`; only the command `fleximo models` fetches or imports anything.
"""

from __future__ import annotations

from backend.weights.lock import locked, locked_bundles
from backend.weights.mediapipe_package import bundled_models
from backend.weights.store import Bundle, available, bundle, models_folder, standing

__all__ = [
    "Bundle", "available", "bundle", "bundled_models", "locked", "locked_bundles", "models_folder", "standing",
]  # fmt: skip
