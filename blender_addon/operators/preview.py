"""What comes after a motion is generated: previews accepted, rejected and flipped through, one move made anew."""

# mypy: disable-error-code="valid-type"

import json
from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import bpy

from fleximo.errors import FleximoError
from fleximo.exchange import Exchange
from fleximo.plan import MotionPlan, Segment

from .. import edit_layer, landing, plan_list, sampling, segments, takes
from ..motion_source import MotionSource
from ..session import Report, Task
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator

__all__ = ["CLASSES"]


class _OnPreview(FleximoOperator):
    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or not take.candidates:
            return cls.refuse("No motion is previewed: press Generate Motion")
        return True


class FLEXIMO_OT_accept_motion(_OnPreview, bpy.types.Operator):
    """Make the previewed motion the take's motion. Keys by hand stay; the former motion is kept in the file"""

    bl_idname = "fleximo.accept_motion"
    bl_label = "Accept"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        return f"Accepted: {plan_list.told(landing.accept(takes.active_take(context.scene)))}"


class FLEXIMO_OT_reject_motion(_OnPreview, bpy.types.Operator):
    """Go back to the take's motion as it was before the previews"""

    bl_idname = "fleximo.reject_motion"
    bl_label = "Reject"
    bl_options = CHANGES_FILE

    def act(self, context: Any) -> str:
        landing.reject(takes.active_take(context.scene))
        return "The take has its former motion."


class FLEXIMO_OT_flip_preview(_OnPreview, bpy.types.Operator):
    """Show the next of the previewed motions, or the one before"""

    bl_idname = "fleximo.flip_preview"
    bl_label = "Flip"
    bl_options = CHANGES_FILE

    step: bpy.props.IntProperty(name="Step", description="1: the next one, -1: the one before", default=1)

    def act(self, context: Any) -> str:
        take = takes.active_take(context.scene)
        landing.choose(take, (take.candidate + self.step) % len(take.candidates))
        return f"Preview {take.candidate + 1} of {len(take.candidates)}, seed {take.candidates[take.candidate].seed}."


class FLEXIMO_OT_regenerate_segment(TaskOperator, bpy.types.Operator):
    """Make this move anew: as it is listed now, else another variation. The keys of the other moves stay as they are"""

    bl_idname = "fleximo.regenerate_segment"
    bl_label = "Regenerate Move"
    bl_options = LEAVES_FILE
    kind = "motion"

    number: bpy.props.IntProperty(
        name="Number",
        description="Of the list, from 0; -1: the active one",
        default=-1,
        options={"SKIP_SAVE"},
    )
    seed: bpy.props.IntProperty(
        name="Seed", description="Its own seed; -1: told by the list", default=-1, min=-1, options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or take.armature is None or not take.segments:
            return cls.refuse("Generate a motion first")
        if take.candidates:
            return cls.refuse("Accept or reject the preview first")
        return cls.idle()

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        number = take.segment if self.number < 0 else self.number
        fps, uid = sampling.scene_fps(context.scene), take.uid
        plan, segment = _exchanged(take, number, self.seed, fps)
        base, source = edit_layer.base_action(take.armature).name, MotionSource.that_made(take)

        def work(report: Report) -> Generator[None, None, Exchange]:
            report(0.0, f"Making {segment.move} anew")
            yield
            return (yield from source.exchange(plan, number, segment, fps, report))

        def land(made: Exchange) -> Generator[float, None, str]:
            yield from landing.exchange_steps(uid, base, made, number)
            return _exchange_told(made, number)

        return Task(self.kind, f"{segment.move} of {take.name}", work, land)


def _exchanged(take: Any, number: int, seed: int, fps: Fraction) -> tuple[MotionPlan, Segment]:
    """The plan that the armature's motion was made of, and what shall come in the place of its segment `number`."""
    action = edit_layer.base_action(take.armature)
    plan = MotionPlan.from_json(json.loads(take.plan)) if take.plan else None
    lengths = [stop - start for _, start, stop in segments.ranges(action)] if action is not None else []
    if plan is None or len(take.segments) != len(plan.segments) or lengths != list(plan.frame_counts(fps)):
        raise FleximoError(
            "The motion on the armature was not made from this list of moves.",
            remedy="Press Generate Motion: one move can be made anew as long as none is added, removed or reordered.",
        )
    if not 0 <= number < len(plan.segments):
        raise FleximoError(f"There is no move {number}; the list has {len(plan.segments)}.")
    before = plan.segments[number]
    segment = plan_list.plan_of(take).segments[number]
    if seed >= 0:
        segment = replace(segment, seed=seed)
    elif plan_list.same(segment, before):
        segment = replace(segment, seed=0 if before.seed is None else before.seed + 1)
    return plan, segment


def _exchange_told(made: Exchange, number: int) -> str:
    changed = max(span.new_stop for span in made.joints) - made.frames.start
    told = f"{plan_list.title(made.plan.segments[number])}: {max(0, changed)} frames made anew."
    if made.longer:
        told += f" The motion is {abs(made.longer)} frames {'longer' if made.longer > 0 else 'shorter'}."
    if number + 1 < len(made.plan.segments) and made.root.new_stop == len(made.motion):
        told += " The person goes on from another place."
    return told


CLASSES = (
    FLEXIMO_OT_accept_motion,
    FLEXIMO_OT_reject_motion,
    FLEXIMO_OT_flip_preview,
    FLEXIMO_OT_regenerate_segment,
)
