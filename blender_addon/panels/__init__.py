"""What is drawn: panels and lists. They read state and name operators, nothing else."""

from . import view3d

__all__ = ["CLASSES"]

CLASSES = view3d.CLASSES
