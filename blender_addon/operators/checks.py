"""Looking before rendering: which frames changed, leave the picture, or hide a limb."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy

from fleximo.errors import FleximoError
from fleximo.frame_marks import FrameMarks, frame_marks
from fleximo.pose_track import PoseTrack

from .. import shot, takes, timeline_marks
from ..session import Report, Task, Work
from .base import LEAVES_FILE, TaskOperator
from .render import take_steps, why_not

__all__ = ["CLASSES"]


class FLEXIMO_OT_check_frames(TaskOperator, bpy.types.Operator):
    """Mark in timeline and sequencer which frames have changed since the last render, which show a part of the body \
outside the picture, and which hide an arm or a leg"""

    bl_idname = "fleximo.check_frames"
    bl_label = "Check Frames"
    bl_options = LEAVES_FILE
    kind = "check"

    @classmethod
    def poll(cls, context: Any) -> bool:
        reason = why_not(context)
        return cls.refuse(reason) if reason else cls.idle()

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        uid, start, made_of = take.uid, take.frame_start, (take.fitted_camera, take.rescale)
        rendered = Path(bpy.path.abspath(take.track)) if take.track else None

        def gather() -> Generator[float, None, Work]:
            now = yield from take_steps(uid)

            def work(report: Report) -> Generator[None, None, tuple[FrameMarks, Any]]:
                report(0.0, "Comparing the frames")
                yield
                made = now()
                return frame_marks(made.track(), _former(rendered)), made

            return work

        def land(result: tuple[FrameMarks, Any]) -> str:
            marks, made = result
            landed = takes.find_take(uid)[1]
            if (landed.fitted_camera, landed.rescale) == made_of:
                landed.fit = shot.kept_fit(made)
            timeline_marks.keep(landed, marks, start)
            sentences = [sentence for _, sentence in timeline_marks.told(landed)]
            return "; ".join(sentences) + "." if sentences else f"All {marks.frames} frames are well."

        return Task(self.kind, f"Checking {take.name}", None, land, gather)


def _former(path: Path | None) -> PoseTrack | None:
    """What the last render saw; None where its file is gone."""
    try:
        return None if path is None else PoseTrack.load(path)
    except FleximoError:
        return None


CLASSES = (FLEXIMO_OT_check_frames,)
