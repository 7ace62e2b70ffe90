"""After rendering: how far each frame is from what was asked for, from one worst second to the next, and its repair."""

# mypy: disable-error-code="valid-type"

from collections.abc import Generator
from typing import Any

import bpy

from fleximo.errors import FleximoError
from fleximo.self_check import SelfCheck

from .. import check_marks, compat, offers, takes
from ..preferences import server_folder
from ..remote import stages
from ..session import Report, Task
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator
from .orders import KIND
from .render import why_not
from .repair import Wish, range_task

__all__ = ["CLASSES"]

_VARIANTS = 4


class FLEXIMO_OT_self_check(TaskOperator, bpy.types.Operator):
    """Find the person in the rendered frames again and compare with the skeleton that was asked for: colours in \
timeline and sequencer, markers on the worst frames"""

    bl_idname = "fleximo.self_check"
    bl_label = "Self-Check"
    bl_options = LEAVES_FILE
    kind = "self_check"

    every: bpy.props.IntProperty(
        name="Every",
        description="Look at every n-th frame; 0: about eight a second. Frames that were looked at are not looked at "
        "again",
        min=0,
        max=10_000,
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or not take.job:
            return cls.refuse("Render the take once first")
        return cls.idle()

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        uid, job, server, every = take.uid, take.job, server_folder(), self.every

        def work(report: Report) -> Generator[None, None, SelfCheck]:
            found = yield from stages.self_check(server, job, every, report)
            return found

        def land(found: SelfCheck) -> str:
            scene, landed = takes.find_take(uid)
            if landed.job != job:
                raise FleximoError(f"{landed.name} has been rendered anew meanwhile.", code="take_edited")
            check_marks.keep(landed, found)
            check_marks.renew_markers(scene, takes.active_take(scene))
            checked = check_marks.checked(landed)
            return "" if checked is None else check_marks.told(checked)

        return Task(self.kind, f"Looking at {take.name}", work, land, asks_server=True)


class _OnChecked(FleximoOperator):
    """What works on the self-check of the active take."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        if check_marks.checked(takes.active_take(context.scene)) is None:
            return cls.refuse("Press Self-Check first")
        return True


class FLEXIMO_OT_clear_check(_OnChecked, bpy.types.Operator):
    """Take away the colours and markers of the self-check; the server keeps what it saw"""

    bl_idname = "fleximo.clear_check"
    bl_label = "Clear Self-Check"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        take = takes.active_take(context.scene)
        check_marks.forget(take)
        check_marks.renew_markers(context.scene, take)
        return "Colours and markers of the self-check are gone."


class FLEXIMO_OT_go_to_worst(_OnChecked, bpy.types.Operator):
    """Go to the next or the former frame that deserves a second look, after the last one to the first"""

    bl_idname = "fleximo.go_to_worst"
    bl_label = "Go to Worst Frame"
    bl_options = LEAVES_FILE

    step: bpy.props.IntProperty(name="Step", description="1: the next, -1: the former", default=1)

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not super().poll(context):
            return False
        if not _peaks(context):
            return cls.refuse("No frame is far from what was asked for")
        return True

    def act(self, context: Any) -> str:
        peaks, now = _peaks(context), context.scene.frame_current
        beyond = [peak for peak in peaks if (peak[0] - now) * self.step > 0]
        order = beyond or peaks
        at, look = order[0] if self.step > 0 else order[-1]
        context.scene.frame_set(at)
        check_marks.select_marker(context.scene, at)
        what = f"{look.worst.replace('_', ' ')} is furthest off" if look.found else "nobody was found"
        return f"Frame {at}: {look.error:.2f} torso lengths; {what}."


def _peaks(context: Any) -> list[tuple[int, Any]]:
    checked = check_marks.checked(takes.active_take(context.scene))
    return [] if checked is None else checked.peaks


class FLEXIMO_OT_repair_second(TaskOperator, bpy.types.Operator):
    """Render the second around the marked frame once more with new seeds; the variants lie muted over it, to be \
looked at and accepted"""

    bl_idname = "fleximo.repair_second"
    bl_label = "Repair This Second"
    bl_options = LEAVES_FILE
    kind = KIND

    frame: bpy.props.IntProperty(name="Frame", description="The marked scene frame; not given: the current one")
    variants: bpy.props.IntProperty(
        name="Variants", description="How many to choose from", default=_VARIANTS, min=1, max=_VARIANTS
    )
    steps: bpy.props.IntProperty(name="Steps", description="Denoising steps; 0: as many as the engine takes", min=0)

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        checked = check_marks.checked(take)
        if checked is None:
            return cls.refuse("Press Self-Check first")
        engine = offers.engine_named(take.engine)
        if not engine.seeded:
            return cls.refuse(f"{engine.title} gives the same picture for every seed: choose another engine, Render")
        marked = check_marks.selected_marker(context.scene)
        if checked.peak_near(context.scene.frame_current) is None and marked is None:
            return cls.refuse("Go to a marked frame first: Alt Shift Right Arrow")
        reason = why_not(context)
        return cls.refuse(reason) if reason else cls.idle(take.uid)

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        checked = check_marks.checked(take)
        frame = self.frame if self.properties.is_property_set("frame") else context.scene.frame_current
        peak = None if checked is None else checked.peak_near(frame)
        if checked is None or peak is None:
            raise FleximoError(
                f"The self-check has marked no second around frame {frame}.", remedy="Go to a marked frame first."
            )
        window = checked.check.second_around(peak[0] - checked.start)
        wish = Wish(window, self.variants, -1, "", self.steps, take.tried_seed)
        return range_task(take, wish, compat.sequencer_scene(context).name)


CLASSES = (
    FLEXIMO_OT_self_check,
    FLEXIMO_OT_clear_check,
    FLEXIMO_OT_go_to_worst,
    FLEXIMO_OT_repair_second,
)
