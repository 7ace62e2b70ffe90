"""The picture of a render that is under way, as an icon for the panel; gone when the render ends."""

from __future__ import annotations

from typing import Any

import bpy.utils.previews

from fleximo.errors import FleximoError
from fleximo.files import write_atomic

from .preferences import user_folder

__all__ = ["clear", "close_pictures", "icon", "show"]

_NAME = "rendering"
_pictures: Any = None
_content = b""


def show(content: bytes) -> None:
    """Shows a JPEG from now on."""
    global _pictures, _content
    if content == _content:
        return
    path = user_folder("server") / "preview.jpg"
    try:
        write_atomic(path, content)
    except FleximoError:
        return  # a render goes on without its picture
    if _pictures is None:
        _pictures = bpy.utils.previews.new()
    _pictures.clear()
    _pictures.load(_NAME, str(path), "IMAGE", True)
    _content = content


def icon() -> int:
    """The icon's number, 0 where there is none."""
    return int(_pictures[_NAME].icon_id) if _pictures is not None and _NAME in _pictures else 0


def clear() -> None:
    """Shows none."""
    global _content
    _content = b""
    if _pictures is not None:
        _pictures.clear()


def close_pictures() -> None:
    """Gives the icons back to Blender."""
    global _pictures
    clear()
    if _pictures is not None:
        bpy.utils.previews.remove(_pictures)
        _pictures = None
