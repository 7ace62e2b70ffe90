"""Fleximo in Blender: text becomes a motion on an armature, a photo becomes a video strip of that person doing it.

Only the two functions that Blender calls; what is registered stands in `registration`.
"""

from . import registration

__all__ = ["register", "unregister"]


def register() -> None:
    """Called by Blender when the extension is enabled."""
    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled; leaves nothing behind."""
    registration.unregister()
