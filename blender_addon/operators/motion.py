"""Text to a plan, a plan to a motion on the armature.

Planning and moves run inside Blender, without a server.
"""

# mypy: disable-error-code="valid-type"

import json
from collections.abc import Generator
from typing import Any

import bpy

from fleximo import moves
from fleximo.errors import FleximoError
from fleximo.motion import Motion
from fleximo.plan import MotionPlan
from fleximo.planner import RulePlanner
from fleximo.rig import DEFAULT_RIG

from .. import armature, properties, sampling
from ..session import Report, Task
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator

__all__ = ["CLASSES"]


def _take_for_text(context: Any, text: str, seed: int) -> Any:
    """The active take (a new one if there is none) with `text` and `seed` set where given."""
    take = properties.active_take(context.scene) or properties.add_take(context.scene)
    if text:
        take.text = text
    if seed >= 0:
        take.seed = seed
    if not take.text.strip():
        raise FleximoError("There is no text.", remedy="Write what the person does, such as: a man waves.")
    return take


def _plan(take: Any) -> MotionPlan:
    plan = RulePlanner().plan(take.text).with_seed(take.seed)
    take.plan = json.dumps(plan.to_json())
    return plan


def _told(plan: MotionPlan) -> str:
    steps = ", then ".join(segment.move.replace("_", " ") for segment in plan.segments)
    notices = " ".join(notice.message for notice in plan.notices)
    return f"{steps}: {plan.seconds:.1f} s. {notices}".strip()


class FLEXIMO_OT_plan(FleximoOperator, bpy.types.Operator):
    """Turn the text into a plan: which moves, how long, on which side"""

    bl_idname = "fleximo.plan"
    bl_label = "Plan"
    bl_options = CHANGES_FILE

    text: bpy.props.StringProperty(
        name="Text", description="Replaces the take's text where given", options={"SKIP_SAVE"}
    )

    def act(self, context: Any) -> str:
        return _told(_plan(_take_for_text(context, self.text, seed=-1)))


class FLEXIMO_OT_generate_motion(TaskOperator, bpy.types.Operator):
    """Make the motion of the text and key it on the take's armature, from the take's first frame on"""

    bl_idname = "fleximo.generate_motion"
    bl_label = "Generate Motion"
    bl_options = LEAVES_FILE
    kind = "motion"

    text: bpy.props.StringProperty(
        name="Text", description="Replaces the take's text where given", options={"SKIP_SAVE"}
    )
    seed: bpy.props.IntProperty(
        name="Seed", description="Replaces the take's seed where 0 or more", default=-1, min=-1, options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return cls.idle()

    def prepare(self, context: Any) -> Task:
        take = _take_for_text(context, self.text, self.seed)
        plan = _plan(take)
        fps = sampling.scene_fps(context.scene)
        uid = take.uid

        def work(report: Report) -> Generator[None, None, Motion]:
            report(0.0, "Making the motion")
            yield
            return moves.generate(plan, fps=fps, rig=DEFAULT_RIG, progress=report)

        def land(motion: Motion) -> str:
            scene, landed = properties.find_take(uid)
            _key_on_take(scene, landed, motion)
            return f"{len(motion)} frames of motion: {_told(plan)}"

        return Task(self.kind, f"Motion of {take.name}", work, land)


def _key_on_take(scene: Any, take: Any, motion: Motion) -> None:
    if take.armature is None or scene.objects.get(take.armature.name) != take.armature:
        take.armature = armature.build_armature(motion.rig, take.name, scene)
    armature.key_motion(take.armature, motion, take.frame_start, take.name)
    properties.forget_fit(take)
    take.frame_end = take.frame_start + len(motion) - 1
    scene.frame_end = max(scene.frame_end, take.frame_end)


CLASSES = (FLEXIMO_OT_plan, FLEXIMO_OT_generate_motion)
