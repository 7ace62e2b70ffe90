"""The operators, by subject. `base` has what they share."""

from . import (
    backend,
    body,
    checks,
    edit,
    fetch,
    files,
    live,
    motion,
    preview,
    reference,
    render,
    repair,
    retarget,
    self_check,
    takes,
)

__all__ = ["CLASSES"]

CLASSES = (
    *takes.CLASSES,
    *motion.CLASSES,
    *preview.CLASSES,
    *files.CLASSES,
    *edit.CLASSES,
    *body.CLASSES,
    *reference.CLASSES,
    *retarget.CLASSES,
    *live.CLASSES,
    *render.CLASSES,
    *fetch.CLASSES,
    *repair.CLASSES,
    *self_check.CLASSES,
    *checks.CLASSES,
    *backend.CLASSES,
)
