"""The add-on's preferences, and the folders that follow from them.

The one place that knows the extension's package name.
"""

# mypy: disable-error-code="valid-type"

from pathlib import Path
from typing import Any

import bpy

from fleximo.data_folder import ServerAddress, data_folder
from fleximo.errors import FleximoError

__all__ = [
    "CLASSES",
    "FLEXIMO_AP_preferences",
    "file_stem",
    "is_loopback",
    "may_go_online",
    "preferences",
    "server_environment",
    "server_folder",
    "server_host",
    "stored_path",
    "user_folder",
    "video_folder",
]


_STEM_CHARACTERS = 40  # of up to four bytes each; a name of 255 bytes is the most that file systems take


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

    planner: bpy.props.EnumProperty(
        name="Planner",
        description="Who divides a text into moves",
        items=(
            ("rules", "Rules", "Rules and a dictionary, inside Blender", 0),
            ("llm", "Language model", "A language model that the server asks; the rules where it does not answer", 1),
            ("local", "Language model on disk", "A model of transformers that the server loads; else the rules", 2),
        ),
    )
    llm_url: bpy.props.StringProperty(
        name="Address",
        description="Where the language model answers, such as http://127.0.0.1:11434 for Ollama or https://host/v1",
    )
    llm_model: bpy.props.StringProperty(
        name="Model", description="The model's name at that address, or the folder of the model on disk"
    )
    llm_key: bpy.props.StringProperty(
        name="Key",
        description="The key of that address, if it asks for one. Blender saves it with its preferences, unencrypted; "
        "the environment variable FLEXIMO_LLM_KEY does without",
        subtype="PASSWORD",
    )

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        for name in ("video_folder", "server_command", "data_folder", "planner"):
            layout.prop(self, name)
        asked = {"rules": (), "llm": ("llm_url", "llm_model", "llm_key"), "local": ("llm_model",)}[self.planner]
        for name in asked:
            layout.prop(self, name)
        if asked:
            layout.label(text="The server takes these over when it is started here.", icon="INFO")


def preferences() -> Any:
    """The preferences as Blender keeps them."""
    return bpy.context.preferences.addons[__package__].preferences


def _data_folder() -> Path:
    chosen = preferences().data_folder
    return data_folder(bpy.path.abspath(chosen) if chosen else None)


def server_folder() -> Path:
    """The data folder of the render server.

    Raises `FleximoError` where it names a server on another computer and Blender may not go online.
    """
    host = server_host()
    if not (is_loopback(host) or may_go_online()):
        raise FleximoError(
            f"The render server is {host}, and Blender may not go online.",
            code="offline",
            remedy="Allow Online Access in Preferences > System, or start a server on this computer.",
        )
    return _data_folder()


def server_host() -> str:
    """Where the server answers, as its data folder tells; this computer where it tells nothing."""
    try:
        return ServerAddress.read(_data_folder()).host
    except FleximoError:
        return "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether the host is this computer."""
    return host in ("localhost", "::", "::1", "0.0.0.0") or host.startswith("127.")


def may_go_online() -> bool:
    """Whether the user lets Blender go online; asked anew every time."""
    return bool(bpy.app.online_access)


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


def server_environment() -> dict[str, str]:
    """What the server is told when it is started here: where the planner's language model answers."""
    chosen = preferences()
    given = {"URL": chosen.llm_url, "MODEL": chosen.llm_model, "KEY": chosen.llm_key}
    return {f"FLEXIMO_LLM_{name}": value for name, value in given.items() if value}


def file_stem(name: str) -> str:
    """What a file of the thing called `name` is called, as far as every file system has room for it."""
    return str(bpy.path.clean_name(name))[:_STEM_CHARACTERS].strip("_ ") or "Take"


def stored_path(path: Path) -> str:
    """How the .blend file names `path`: relative to itself, so that both may be moved, where it can be."""
    if not bpy.data.filepath or path.drive != Path(bpy.data.filepath).drive:
        return str(path)
    return str(bpy.path.relpath(str(path)))


CLASSES = (FLEXIMO_AP_preferences,)
