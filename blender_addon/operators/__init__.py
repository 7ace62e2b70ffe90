"""The operators, by subject. `base` has what they share."""

from . import backend, motion, reference, render

__all__ = ["CLASSES"]

CLASSES = (*motion.CLASSES, *reference.CLASSES, *render.CLASSES, *backend.CLASSES)
