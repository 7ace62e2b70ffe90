"""Motion files: taken onto the take's armature, and written from it."""

# mypy: disable-error-code="valid-type"

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from fleximo.errors import FleximoError
from fleximo.formats import WRITTEN, Imported, import_motion, save_motion

from .. import sampling, takes
from ..landing import landing_steps
from ..preferences import file_stem
from ..session import Report, Task, Work
from .base import LEAVES_FILE, TaskOperator

__all__ = ["CLASSES"]

_READ = "*.npz;*.npy;*.bvh;*.pkl;*.pickle;*.pt;*.pth;*.obj;*.gz;*.z"
_UP = (
    ("auto", "By Format", "As the format usually has it", 0),
    ("y", "Y Up", "The Y axis points up", 1),
    ("z", "Z Up", "The Z axis points up", 2),
)


class FLEXIMO_OT_import_motion(TaskOperator, bpy.types.Operator):
    """Take the motion of a file onto the take's armature: AMASS, SMPL, HumanML3D, T2M-GPT, MDM, MoMask, AIST++, BVH"""

    bl_idname = "fleximo.import_motion"
    bl_label = "Import Motion"
    bl_options = LEAVES_FILE
    kind = "motion"

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default=_READ, options={"HIDDEN"})
    item: bpy.props.IntProperty(name="Item", description="Which motion, where the file has several", min=0)
    fps: bpy.props.FloatProperty(
        name="Rate",
        description="Frames per second, where the file does not tell it; 0: its format's usual rate",
        min=0.0,
    )
    up: bpy.props.EnumProperty(name="Up", description="Which axis of the file points up", items=_UP)
    model: bpy.props.StringProperty(
        name="SMPL Model",
        description="Your own SMPL model file, for exact bone lengths and meshes; may be left empty",
        subtype="FILE_PATH",
    )

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return cls.idle()

    def invoke(self, context: Any, event: Any) -> set[str]:
        if self.filepath:  # dropped into the view
            return super().invoke(context, event)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def prepare(self, context: Any) -> Task:
        path = Path(bpy.path.abspath(self.filepath))
        if not path.exists():
            raise FleximoError(f"There is no file at {self.filepath!r}.", remedy="Choose a motion file.")
        asked = {
            "item": self.item,
            "fps": self.fps or None,
            "up": None if self.up == "auto" else self.up,
            "model": Path(bpy.path.abspath(self.model)) if self.model else None,
        }
        take = takes.active_take(context.scene) or takes.add_take(context.scene)
        uid, rate = take.uid, sampling.scene_fps(context.scene)

        def work(report: Report) -> Generator[None, None, Imported]:
            report(0.0, f"Reading {path.name}")
            yield
            read = import_motion(path, **asked)
            report(0.9, "At the scene's rate")
            return replace(read, motion=read.motion.resample(rate))

        def land(read: Imported) -> Generator[float, None, str]:
            yield from landing_steps(uid, read.motion)
            landed = takes.find_take(uid)[1]
            landed.plan, landed.text = "", read.text
            told = " ".join(notice.message for notice in read.notices)
            return f"{len(read.motion)} frames from {path.name} ({read.kind}). {told}".strip()

        return Task(self.kind, f"Importing {path.name}", work, land)


class FLEXIMO_OT_export_motion(TaskOperator, bpy.types.Operator):
    """Write the take's motion as it is now to a file: .npz, .bvh, or HumanML3D's joints .npy"""

    bl_idname = "fleximo.export_motion"
    bl_label = "Export Motion"
    bl_options = LEAVES_FILE
    kind = "motion"

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.npz;*.bvh;*.npy", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or take.armature is None:
            return cls.refuse("Generate a motion first, or choose an armature")
        return cls.idle()

    def invoke(self, context: Any, event: Any) -> set[str]:
        if self.filepath:
            return super().invoke(context, event)
        take = takes.active_take(context.scene)
        self.filepath = f"{file_stem(take.name)}.bvh"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def prepare(self, context: Any) -> Task:
        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() not in WRITTEN:
            raise FleximoError(
                f"{path.name or 'A file without a name'} cannot be written.", remedy=f"End it in {', '.join(WRITTEN)}."
            )
        take = takes.active_take(context.scene)
        uid, start, stop = take.uid, take.frame_start, take.frame_end + 1

        def look_up() -> tuple[Any, Any]:
            scene, found = takes.find_take(uid)
            return scene, found.armature

        def gather() -> Generator[float, None, Work]:
            motion = yield from sampling.sampling_steps(look_up, start, stop)

            def work(report: Report) -> Generator[None, None, str]:
                report(0.5, f"Writing {path.name}")
                yield
                told = " ".join(notice.message for notice in save_motion(motion, path))
                return f"{len(motion)} frames are in {path}. {told}".strip()

            return work

        return Task(self.kind, f"Exporting {take.name}", None, str, gather, changes_file=False)


class FLEXIMO_FH_motion(bpy.types.FileHandler):
    bl_idname = "FLEXIMO_FH_motion"
    bl_label = "Motion"
    bl_import_operator = "fleximo.import_motion"
    bl_file_extensions = _READ.replace("*", "")

    @classmethod
    def poll_drop(cls, context: Any) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (FLEXIMO_OT_import_motion, FLEXIMO_OT_export_motion, FLEXIMO_FH_motion)
