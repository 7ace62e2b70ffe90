"""The live puppet: the person of the photo moves in the viewport while the armature is posed."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy

from fleximo.files import canonical_json, write_atomic
from fleximo.job import blob_digest

from .. import live_puppet, shot, takes
from ..preferences import server_folder, user_folder
from ..remote import stages
from ..session import Report, Task
from .base import LEAVES_FILE, TaskOperator
from .reference import read_photo

__all__ = ["CLASSES"]


class FLEXIMO_OT_live_puppet(TaskOperator, bpy.types.Operator):
    """Show the person of the photo following the armature, in the view through the take's camera; again: stop"""

    bl_idname = "fleximo.live_puppet"
    bl_label = "Live Puppet"
    bl_options = LEAVES_FILE
    kind = "puppet"

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or not take.fitted_camera:
            return cls.refuse("Choose a photo and press Detect Pose first")
        if take.armature is None:
            return cls.refuse("Generate a motion first, or choose an armature")
        return cls.idle()

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        uid, folder = take.uid, server_folder()
        shown = live_puppet.is_live(take)
        photo, person, framing = read_photo(take), shot.person_of(take), shot.camera_of(take)[1]
        made_of = canonical_json([blob_digest(photo), person.to_json(), framing.to_json()])
        path = user_folder("puppets") / f"{blob_digest(made_of)}.npz"

        def work(report: Report) -> Generator[None, None, Path | None]:
            if shown:
                return None
            if not path.is_file():
                write_atomic(path, (yield from stages.cut_puppet(folder, photo, person, framing, report)))
            yield
            return path

        def land(cut: Path | None) -> str:
            scene, landed = takes.find_take(uid)
            if cut is None:
                live_puppet.stop()
                return "The plain photo is shown."
            shot.measure(scene, landed)
            live_puppet.show(uid, live_puppet.load(cut))
            return "The person in the photo follows the armature. Look through the camera (numpad 0)."

        return Task(self.kind, f"Cutting {take.name} out of the photo", work, land, changes_file=False)


CLASSES = (FLEXIMO_OT_live_puppet,)
