"""The add-on's preferences, and the folders that follow from them.

The one place that knows the extension's package name.
"""

# mypy: disable-error-code="valid-type"

from pathlib import Path
from typing import Any

import bpy

from fleximo.data_folder import data_folder

__all__ = [
    "CLASSES",
    "FLEXIMO_AP_preferences",
    "preferences",
    "server_folder",
    "stored_path",
    "user_folder",
    "video_folder",
]


class FLEXIMO_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    data_folder: bpy.props.StringProperty(
        name="Server data",
        description="The folder in which the render server keeps its address, its token and its jobs. "
        "Empty: the usual place",
        subtype="DIR_PATH",
    )
    server_command: bpy.props.StringProperty(
        name="Server command",
        description="The program `fleximo`, or the Python in whose environment it is installed. "
        "Empty: `fleximo` on the PATH, else the Python that ran the server last",
        subtype="FILE_PATH",
    )
    video_folder: bpy.props.StringProperty(
        name="Videos",
        description="Where finished videos are saved. Empty: the folder `fleximo` beside the .blend file, "
        "or the extension's own folder for a file that has not been saved",
        subtype="DIR_PATH",
    )

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        for name in ("video_folder", "server_command", "data_folder"):
            layout.prop(self, name)


def preferences() -> Any:
    """The preferences as Blender keeps them."""
    return bpy.context.preferences.addons[__package__].preferences


def server_folder() -> Path:
    """The data folder of the render server."""
    chosen = preferences().data_folder
    return data_folder(bpy.path.abspath(chosen) if chosen else None)


def user_folder(path: str) -> Path:
    """A folder of the extension's own, made where it is missing."""
    return Path(bpy.utils.extension_path_user(__package__, path=path, create=True))


def video_folder() -> Path:
    """Where finished videos are saved; made by whoever writes there."""
    chosen = preferences().video_folder
    if chosen and not (chosen.startswith("//") and not bpy.data.filepath):
        return Path(bpy.path.abspath(chosen))
    if bpy.data.filepath:
        return Path(bpy.path.abspath("//fleximo"))
    return user_folder("videos")


def stored_path(path: Path) -> str:
    """How the .blend file names `path`: relative to itself, so that both may be moved, where it can be."""
    if not bpy.data.filepath or path.drive != Path(bpy.data.filepath).drive:
        return str(path)
    return str(bpy.path.relpath(str(path)))


CLASSES = (FLEXIMO_AP_preferences,)
