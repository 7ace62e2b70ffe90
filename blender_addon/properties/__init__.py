"""What the add-on remembers: takes on the scene (saved with the file), live state on the window manager (not saved).

Plain values only; `takes` adds and finds them, `shot` turns them into Fleximo's types and back.
"""

# mypy: disable-error-code="valid-type"

from typing import Any

import bpy

from .. import takes
from . import motion, person
from .motion import MotionOfTake
from .person import PersonOfTake
from .rendering import RenderOfTake

__all__ = ["CLASSES", "FLEXIMO_PG_live", "FLEXIMO_PG_scene", "FLEXIMO_PG_take", "attach", "detach", "live"]

_SERVER = (
    ("unknown", "Not asked yet", "", 0),
    ("connected", "Connected", "", 1),
    ("missing", "Not connected", "", 2),
)


class FLEXIMO_PG_take(MotionOfTake, PersonOfTake, RenderOfTake, bpy.types.PropertyGroup):
    """One shot: motion + photo + camera + range + engine + seed, and the job that rendered it last."""

    uid: bpy.props.StringProperty(description="Names the take where its name may change", options={"HIDDEN"})


class FLEXIMO_PG_scene(bpy.types.PropertyGroup):
    """The takes of a scene."""

    format: bpy.props.IntProperty(description="Which version of Fleximo's takes the file holds; 0: before 1 was told")

    takes: bpy.props.CollectionProperty(type=FLEXIMO_PG_take)
    active: bpy.props.IntProperty(
        name="Active take",
        description="The take that the panels show",
        default=0,
        min=0,
        update=lambda state, _context: takes.show_only(state.id_data),
    )
    show_overlay: bpy.props.BoolProperty(
        name="Skeleton",
        description="Show over the photo, seen through the take's camera, the skeleton that the video model will see",
        default=True,
    )
    show_trails: bpy.props.BoolProperty(
        name="Trails and Ghosts",
        description="Show where hands, feet, head and hips go, and the body some frames before and after",
        default=False,
    )
    trail_frames: bpy.props.IntProperty(
        name="Trail", description="Frames of the trails before and after the current one", default=16, min=1, max=240
    )
    ghosts: bpy.props.IntProperty(
        name="Ghosts", description="How many before and how many after the current frame", default=2, min=0, max=12
    )
    ghost_step: bpy.props.IntProperty(
        name="Step", description="Frames from one ghost to the next", default=8, min=1, max=100
    )
    body_file: bpy.props.StringProperty(
        description="The body of the user's own that stands in for the mannequin", options={"HIDDEN"}
    )
    body_name: bpy.props.StringProperty(name="Body", description="The model file that the body was taken from")


class FLEXIMO_PG_live(bpy.types.PropertyGroup):
    """What happens right now; written by `session` on the main thread only."""

    server: bpy.props.EnumProperty(
        name="Server", description="Whether the render server answered when it was asked last", items=_SERVER
    )
    server_text: bpy.props.StringProperty(name="Server", description="Version and address, or why there is none")
    server_code: bpy.props.StringProperty(name="Code", description="What went wrong with the server last")
    offer: bpy.props.StringProperty(name="Offer", description="The server's engines and weights, as JSON")
    task: bpy.props.StringProperty(name="At work on", description="What is being done now")
    progress: bpy.props.FloatProperty(
        name="Progress", description="How much of it is done", subtype="FACTOR", min=0.0, max=1.0
    )
    message: bpy.props.StringProperty(name="Message", description="What happened last")
    error: bpy.props.StringProperty(name="Error", description="What went wrong last, and what to do")
    code: bpy.props.StringProperty(name="Code", description="The code of the last error")
    detail: bpy.props.StringProperty(name="Detail", description="The full text of the last error")


CLASSES = (*motion.CLASSES, *person.CLASSES, FLEXIMO_PG_take, FLEXIMO_PG_scene, FLEXIMO_PG_live)


def attach() -> None:
    """Hangs the groups on scene and window manager."""
    bpy.types.Scene.fleximo = bpy.props.PointerProperty(type=FLEXIMO_PG_scene)
    bpy.types.WindowManager.fleximo = bpy.props.PointerProperty(type=FLEXIMO_PG_live)


def detach() -> None:
    """Takes off what `attach` hung on, as far as it is there."""
    for owner in (bpy.types.WindowManager, bpy.types.Scene):
        if hasattr(owner, "fleximo"):
            del owner.fleximo


def live() -> Any:
    """The live state. There is one window manager for all windows."""
    return bpy.data.window_managers[0].fleximo
