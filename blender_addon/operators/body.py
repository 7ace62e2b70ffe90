"""The body around the bones: the user's own body model in the place of the mannequin, and back."""

# mypy: disable-error-code="valid-type"

from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy

from fleximo.errors import FleximoError
from fleximo.files import write_atomic
from fleximo.formats.body_file import read_body
from fleximo.job import blob_digest

from .. import takes
from ..preferences import user_folder
from ..session import Report, Task
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator

__all__ = ["CLASSES"]


class FLEXIMO_OT_use_body_model(TaskOperator, bpy.types.Operator):
    """Show your own SMPL, SMPL-H or SMPL-X model in the place of the mannequin; the file is read as data, never run"""

    bl_idname = "fleximo.use_body_model"
    bl_label = "Body Model"
    bl_options = LEAVES_FILE
    kind = "body"

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.pkl;*.npz", options={"HIDDEN"})

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return cls.idle()

    def invoke(self, context: Any, event: Any) -> set[str]:
        if self.filepath:
            return super().invoke(context, event)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def prepare(self, context: Any) -> Task:
        path, folder, scene_name = Path(bpy.path.abspath(self.filepath)), user_folder("bodies"), context.scene.name
        if not path.is_file():
            raise FleximoError(f"There is no file at {self.filepath!r}.", remedy="Choose a body model file.")

        def work(report: Report) -> Generator[None, None, Path]:
            report(0.0, f"Reading {path.name}")
            content = read_body(path).to_bytes()
            yield
            kept = folder / f"{blob_digest(content)}.npz"
            write_atomic(kept, content)
            return kept

        def land(kept: Path) -> str:
            scene = bpy.data.scenes[scene_name]
            scene.fleximo.body_file, scene.fleximo.body_name = str(kept), path.name
            takes.show_only(scene)
            return f"The body is that of {path.name}."

        return Task(self.kind, "Reading the body model", work, land)


class FLEXIMO_OT_drop_body_model(FleximoOperator, bpy.types.Operator):
    """Show the mannequin again"""

    bl_idname = "fleximo.drop_body_model"
    bl_label = "Mannequin"
    bl_options = CHANGES_FILE

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not context.scene.fleximo.body_file:
            return cls.refuse("The body is the mannequin already")
        return True

    def act(self, context: Any) -> str:
        state = context.scene.fleximo
        state.body_file = state.body_name = ""
        takes.show_only(context.scene)
        return "The body is the mannequin."


CLASSES = (FLEXIMO_OT_use_body_model, FLEXIMO_OT_drop_body_model)
