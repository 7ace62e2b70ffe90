"""The user's own characters: finding their bones, motion onto them, and a picture of them as the take's photo."""

# mypy: disable-error-code="valid-type"

from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy

from fleximo.errors import FleximoError
from fleximo.files import read_bytes
from fleximo.job import blob_digest
from fleximo.person import Person
from fleximo.rigs import match_rig

from .. import bake, edit_layer, foreign_rig, rig_photo, sampling, shot, takes
from ..preferences import file_stem, stored_path, video_folder
from ..session import Report, Steps, Task, Work
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator
from .reference import fit_take_camera, photo_steps

__all__ = ["CLASSES"]


def _character(context: Any) -> Any:
    """The armature of the user's that the active take is about: its character, else its source of motion."""
    take = takes.active_take(context.scene)
    if take is None:
        return None
    return take.character or take.armature


class FLEXIMO_OT_map_rig(FleximoOperator, bpy.types.Operator):
    """Find which bone of the character is which joint; the list below shows it, to be corrected"""

    bl_idname = "fleximo.map_rig"
    bl_label = "Map Rig"
    bl_options = CHANGES_FILE

    @classmethod
    def poll(cls, context: Any) -> bool:
        armature = _character(context)
        if armature is None:
            return cls.refuse("Choose an armature as the take's character first")
        if foreign_rig.is_ours(armature):
            return cls.refuse(
                "Choose a character of your own; the armature that Generate Motion makes needs no mapping"
            )
        fixed = edit_layer.why_fixed(armature)
        return cls.refuse(fixed) if fixed else True

    def act(self, context: Any) -> str:
        armature = _character(context)
        match = match_rig(foreign_rig.skeleton_of(armature))
        foreign_rig.show_match(armature, match)
        kind = f"a {match.family} rig" if match.family else "of a kind not known"
        told = " ".join(f"{notice.message} {notice.remedy}".strip() for notice in match.notices)
        return f"{armature.name} is {kind}: {len(match.bones)} bones found. {told}".strip()


class FLEXIMO_OT_bake_to_rig(TaskOperator, bpy.types.Operator):
    """Put the take's motion onto the character: keys for its mapped bones only, below what you key by hand"""

    bl_idname = "fleximo.bake_to_rig"
    bl_label = "Bake to Rig"
    bl_options = LEAVES_FILE
    kind = "motion"

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or take.armature is None:
            return cls.refuse("Generate a motion first")
        if take.character is None or take.character == take.armature:
            return cls.refuse("Choose the armature of your own as the take's character")
        if not foreign_rig.is_mapped(take.character):
            return cls.refuse("Press Map Rig first")
        fixed = edit_layer.why_fixed(take.character)
        return cls.refuse(fixed) if fixed else cls.idle()

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        uid, start, stop, name = take.uid, take.frame_start, take.frame_end + 1, take.name
        bridge = foreign_rig.bridge_of(take.character)

        def source() -> tuple[Any, Any]:
            return takes.find_take(uid)[0], takes.armature_of(uid)

        def target() -> Any:
            found = takes.find_take(uid)[1]
            if found.character is None:
                raise FleximoError(f"The character of {found.name} has been deleted meanwhile.", code="take_gone")
            return found.character

        def gather() -> Generator[float, None, Work]:
            motion = yield from sampling.sampling_steps(source, start, stop)

            def work(report: Report) -> Generator[None, None, tuple[dict[str, Any], Any]]:
                report(0.0, "Fitting the motion to the character")
                yield
                fitted = bridge.fit(motion)
                return bridge.turns(fitted), fitted.root

            return work

        def land(fitted: tuple[dict[str, Any], Any]) -> Steps:
            return (yield from bake.bake_steps(target, *fitted, start, name))

        return Task(self.kind, f"Baking {take.name}", None, land, gather)


class FLEXIMO_OT_photo_from_rig(TaskOperator, bpy.types.Operator):
    """Render the character as it stands now and take the picture as the photo; nothing has to be detected, for points,
    outline and lengths are known"""

    bl_idname = "fleximo.photo_from_rig"
    bl_label = "Photo of the Character"
    bl_options = LEAVES_FILE
    kind = "photo"

    @classmethod
    def poll(cls, context: Any) -> bool:
        armature = _character(context)
        if armature is None or not (foreign_rig.is_mapped(armature) or foreign_rig.is_ours(armature)):
            return cls.refuse("Choose the take's character and press Map Rig first")
        if not rig_photo.meshes_of(armature):
            return cls.refuse("The armature moves no mesh that could be seen")
        return cls.idle()

    def prepare(self, context: Any) -> Task:
        scene, take, armature = context.scene, takes.active_take(context.scene), _character(context)
        folder, uid = video_folder(), take.uid
        stem = f"{file_stem(take.name)} {file_stem(armature.name)}"
        path = next(free for n in range(1, 10_000) if not (free := Path(folder, f"{stem} {n}.png")).exists())
        shown = (scene.name, armature.name, sampling.pose_now(scene, armature), path)

        def gather() -> Generator[float, None, Work]:
            person = yield from rig_photo.render_steps(*shown)

            def work(report: Report) -> Generator[None, None, tuple[Person, str]]:
                report(0.5, f"Reading {path.name}")
                yield
                return person, blob_digest(read_bytes(path))

            return work

        def land(found: tuple[Person, str]) -> Steps:
            scene, landed = takes.find_take(uid)
            landed.photo = stored_path(path)
            shot.store_person(landed, *found)
            fit_take_camera(scene, landed)
            yield 0.1
            yield from photo_steps(uid)
            return f"The photo is {path.name}; points, outline and lengths are the character's own."

        return Task(self.kind, f"Photo of {armature.name}", None, land, gather, about=uid)


CLASSES = (FLEXIMO_OT_map_rig, FLEXIMO_OT_bake_to_rig, FLEXIMO_OT_photo_from_rig)
