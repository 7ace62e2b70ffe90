"""Rendering a take: the motion as it is now, sampled from the armature, to a video strip.

The server renders; what changed since the last render is found here, from the signal that the engine would see.
"""

# mypy: disable-error-code="valid-type"

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from fleximo.changes import changed_frames, changed_ranges
from fleximo.errors import FleximoError
from fleximo.frame_marks import FrameMarks
from fleximo.job import RenderJob
from fleximo.pose_track import PoseTrack
from fleximo.take import Take

from .. import compat, sampling, sequencer, shot, takes
from ..preferences import file_stem, server_folder, video_folder
from ..remote import renders
from ..session import Report, Task, Work
from . import orders
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator, session
from .reference import read_photo

__all__ = ["CLASSES", "LastRender", "take_steps", "task_of", "why_not"]


def why_not(context: Any) -> str:
    """Why the active take cannot be rendered yet, empty if it can."""
    take = takes.active_take(context.scene)
    if take is None:
        return "Add a take first"
    if take.armature is None:
        return "Generate a motion first, or choose an armature"
    if take.candidates:
        return "Accept or reject the previewed motion first"
    if not take.person:
        return "Choose a photo and press Detect Pose first"
    if not take.fitted_camera:
        return "Press Fit Camera first"
    return ""


def take_steps(uid: str) -> Generator[float, None, Callable[[], Take]]:
    """The take as it is now, for any thread: the armature sampled over its frames, a few at a time."""

    def look_up() -> tuple[Any, Any]:
        return takes.find_take(uid)[0], takes.armature_of(uid)

    take = takes.find_take(uid)[1]
    motion = yield from sampling.sampling_steps(look_up, take.frame_start, take.frame_end + 1)
    take = takes.find_take(uid)[1]
    return shot.take_of(take, motion, read_photo(take))


@dataclass(frozen=True)
class LastRender:
    """What is known of the take's last render."""

    track: Path  # the file of what the engine saw
    appearance: str  # all that it saw beside the motion, see `shot.appearance`
    master_digest: str

    @classmethod
    def of(cls, take: Any) -> "LastRender":
        """The last render of a take that was rendered."""
        return cls(Path(bpy.path.abspath(take.track)), take.rendered_with, take.master_digest)

    def why_full(self, job: RenderJob) -> str | None:
        """Why the whole of `job` has to be rendered; None if the frames that changed do."""
        if not self.track.is_file():
            return "the pose track of the last render is gone"
        return shot.why_full(self.appearance, job)

    def ranges(self, job: RenderJob) -> list[tuple[int, int]]:
        """The frames that the engine would see differently, as ranges."""
        return changed_ranges(changed_frames(PoseTrack.load(self.track), job.signal.track))

    def change_to(self, job: RenderJob) -> RenderJob:
        """`job` as a change of this render's frames; `job` itself where the whole has to be rendered.

        Raises `FleximoError` if the engine would see nothing new.
        """
        if self.why_full(job) is not None:
            return job
        ranges = self.ranges(job)
        if not ranges:
            raise FleximoError(
                "Nothing that the video model sees has changed since the last render.",
                code="nothing_changed",
                remedy="Move a bone, or press Render.",
            )
        return renders.changing(job, (ranges[0][0], ranges[-1][1]), self.master_digest)


class _Render(TaskOperator):
    """What `render` and `render_changed` share."""

    kind = orders.KIND

    @classmethod
    def poll(cls, context: Any) -> bool:
        reason = why_not(context)
        return cls.refuse(reason) if reason else cls.idle(takes.active_take(context.scene).uid)


def task_of(take: Any, last: LastRender | None) -> Task:
    """The task that renders the take as it is now and puts its video into the sequencer."""
    uid, server, folder = take.uid, server_folder(), video_folder()
    stem, label, start = file_stem(take.name), take.name, take.frame_start
    target = compat.sequencer_scene(bpy.context).name
    fitted_for, engine, quality, refine = orders.fitted_for(take), take.engine, take.quality, take.refine

    def gather() -> Generator[float, None, Work]:
        now = yield from take_steps(uid)

        def work(report: Report) -> Generator[None, None, tuple[renders.Rendered, FrameMarks]]:
            report(0.0, "Preparing the take")
            yield
            made = now()
            job = made.job()
            appearance = shot.appearance(job)
            why = None if last is None else last.why_full(job)
            job = job if last is None else last.change_to(job)
            order = yield from renders.order(server, job, folder, stem, label, report, refine=refine)
            report.keep(
                orders.Asked(
                    order.job,
                    str(order.path),
                    start,
                    target,
                    appearance,
                    shot.kept_fit(made),
                    fitted_for,
                    engine,
                    quality,
                    made.camera.size,
                    "" if why is None else f"All frames were rendered, for {why}: ",
                )
            )
            return (yield from orders.wait_steps(server, order, report))

        return work

    return orders.render_task(take, f"Rendering {take.name}", None, gather)


class FLEXIMO_OT_render(_Render, bpy.types.Operator):
    """Render the take's frames as a video of the person in the photo, and put it into the sequencer"""

    bl_idname = "fleximo.render"
    bl_label = "Render"
    bl_options = LEAVES_FILE

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        return task_of(take, last=None)


class FLEXIMO_OT_render_changed(_Render, bpy.types.Operator):
    """Render again only the frames that the video model would see differently since the last render"""

    bl_idname = "fleximo.render_changed"
    bl_label = "Render Changed"
    bl_options = LEAVES_FILE

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is not None and not take.job:
            return cls.refuse("Render the take once first")
        return super().poll(context)

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        return task_of(take, LastRender.of(take))


class FLEXIMO_OT_cancel(FleximoOperator, bpy.types.Operator):
    """Stop what is being done; what was finished before is kept"""

    bl_idname = "fleximo.cancel"
    bl_label = "Cancel"
    bl_options = LEAVES_FILE

    kind: bpy.props.StringProperty(name="Kind", description="motion, detect, render or server; empty: all")
    about: bpy.props.StringProperty(name="About", description="The uid of a take: only its renders; empty: all")

    @classmethod
    def poll(cls, _context: Any) -> bool:
        if not session().tasks:
            return cls.refuse("Nothing is being done")
        return True

    def act(self, _context: Any) -> str:
        session().cancel(self.kind, self.about)
        return "Stopping..."


class FLEXIMO_OT_insert_video(FleximoOperator, bpy.types.Operator):
    """Put the take's last video into the sequencer again"""

    bl_idname = "fleximo.insert_video"
    bl_label = "Insert Video"
    bl_options = CHANGES_FILE

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or not take.video:
            return cls.refuse("Render the take once first")
        return True

    def act(self, context: Any) -> str:
        take = takes.active_take(context.scene)
        strip = orders.insert(compat.sequencer_scene(context), take)
        return f"{strip.name} lies in channel {strip.channel} from frame {take.rendered_start} on."


class FLEXIMO_OT_go_to_source(FleximoOperator, bpy.types.Operator):
    """Go from the active strip to the take and the armature that it was rendered from"""

    bl_idname = "fleximo.go_to_source"
    bl_label = "Go to Source"
    bl_options = CHANGES_FILE

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not sequencer.provenance_of(compat.active_strip(context)):
            return cls.refuse("Choose a strip that Fleximo rendered, in the sequencer")
        return True

    def act(self, context: Any) -> str:
        strip = compat.active_strip(context)
        scene, take = takes.find_take(sequencer.provenance_of(strip).get("take", ""))
        if context.window is not None:
            context.window.scene = scene
        scene.fleximo.active = [each.uid for each in scene.fleximo.takes].index(take.uid)
        scene.frame_set(min(max(scene.frame_current, take.frame_start), take.frame_end))
        if take.armature is not None:
            for other in scene.objects:
                other.select_set(other == take.armature)
            scene.view_layers[0].objects.active = take.armature
        return f"{strip.name} was rendered from {take.name}."


class FLEXIMO_OT_standard_view(FleximoOperator, bpy.types.Operator):
    """Show strips in the colours of their files: set the view transform Standard"""

    bl_idname = "fleximo.standard_view"
    bl_label = "Use Standard"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        context.scene.view_settings.view_transform = "Standard"
        return "Strips are shown in the colours of their files."


CLASSES = (
    FLEXIMO_OT_render,
    FLEXIMO_OT_render_changed,
    FLEXIMO_OT_cancel,
    FLEXIMO_OT_insert_video,
    FLEXIMO_OT_go_to_source,
    FLEXIMO_OT_standard_view,
)
