"""The operators, by subject. `base` has what they share."""

from . import backend, files, live, motion, reference, render, takes

__all__ = ["CLASSES"]

CLASSES = (
    *takes.CLASSES,
    *motion.CLASSES,
    *files.CLASSES,
    *reference.CLASSES,
    *live.CLASSES,
    *render.CLASSES,
    *backend.CLASSES,
)
