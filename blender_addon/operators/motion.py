"""Text to a plan, a plan to a motion on the armature.

Rules and moves run inside Blender, without a server; a language model is asked by the server.
"""

# mypy: disable-error-code="valid-type"

import json
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy

from fleximo.errors import FleximoError, Notice
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.planner import RulePlanner
from fleximo.upper_body import plan_for

from .. import landing, plan_list, sampling, takes
from ..motion_source import MotionSource
from ..preferences import preferences, server_folder
from ..remote import stages
from ..session import Report, Task
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator

__all__ = ["CLASSES"]


def _take_for_text(context: Any, text: str, seed: int) -> Any:
    """The active take (a new one if there is none) with `text` and `seed` set where given."""
    take = takes.active_take(context.scene) or takes.add_take(context.scene)
    if text:
        take.text = text
    if seed >= 0:
        take.seed = seed
    if not (take.text.strip() or plan_list.has_plan(take)):
        raise FleximoError("There is no text.", remedy="Write what the person does, such as: a man waves.")
    return take


@dataclass(frozen=True)
class _Wish:
    """What is to be planned and by whom, read from Blender once."""

    text: str
    seed: int
    person: str  # JSON; empty where nobody has been found yet
    planner: str
    server: Path
    source: MotionSource

    @classmethod
    def of(cls, take: Any) -> "_Wish":
        source = MotionSource.of(take)
        return cls(take.text, take.seed, take.person, preferences().planner, server_folder(), source)

    def planned(self, report: Report) -> Generator[None, None, MotionPlan]:
        """The plan, for the upper body where the photo shows no more."""
        plan = self._by_rules() if self.planner == "rules" else (yield from self._asked(report))
        return self.fitted(plan)

    def _by_rules(self) -> MotionPlan:
        return self.source.planned(self.text, RulePlanner().plan)

    def fitted(self, plan: MotionPlan) -> MotionPlan:
        """The plan with this seed, for the upper body where the photo shows no more."""
        plan = plan.with_seed(self.seed)
        return plan_for(plan, Person.from_json(json.loads(self.person))) if self.person else plan

    def _asked(self, report: Report) -> Generator[None, None, MotionPlan]:
        """The plan of the server's language model; the rules' where there is no server."""
        try:
            return (yield from stages.plan(self.server, self.text, self.planner, self.source.model, report))
        except FleximoError as error:
            if error.code != "server_not_running":
                raise
            plan, reason = self._by_rules(), error
        notice = Notice(
            "planner_fallback",
            f"The rules planned, for no server asks the language model: {reason.message}",
            reason.remedy,
        )
        return replace(plan, notices=(notice, *plan.notices))


class FLEXIMO_OT_plan(TaskOperator, bpy.types.Operator):
    """Turn the text into a plan: which moves, how long, on which side"""

    bl_idname = "fleximo.plan"
    bl_label = "Plan"
    bl_options = LEAVES_FILE
    kind = "motion"

    text: bpy.props.StringProperty(
        name="Text", description="Replaces the take's text where given", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, _context: Any) -> bool:
        return cls.idle()

    def prepare(self, context: Any) -> Task:
        take = _take_for_text(context, self.text, seed=-1)
        wish, uid = _Wish.of(take), take.uid

        def land(plan: MotionPlan) -> str:
            plan_list.show_plan(takes.find_take(uid)[1], plan)
            return plan_list.told(plan)

        return Task(self.kind, f"Plan of {take.name}", wish.planned, land)


_EDITS = (
    ("add", "Add", "Add a move after the active one", 0),
    ("remove", "Remove", "Remove the active move", 1),
    ("up", "Earlier", "Move the active one up", 2),
    ("down", "Later", "Move the active one down", 3),
    ("split", "Split", "Cut the active move in two of half the length", 4),
)


class FLEXIMO_OT_edit_plan(FleximoOperator, bpy.types.Operator):
    """Change the list of moves"""

    bl_idname = "fleximo.edit_plan"
    bl_label = "Edit Plan"
    bl_options = CHANGES_FILE

    edit: bpy.props.EnumProperty(name="Edit", description="What is done to the list", items=_EDITS)

    @classmethod
    def description(cls, _context: Any, given: Any) -> str:
        return {name: told for name, _, told, _ in _EDITS}[given.edit]

    @classmethod
    def poll(cls, context: Any) -> bool:
        if takes.active_take(context.scene) is None:
            return cls.refuse("Add a take first")
        return True

    def act(self, context: Any) -> str:
        take = takes.active_take(context.scene)
        rows, at = take.segments, take.segment
        if not plan_list.has_plan(take):
            rows.clear()
            take.plan, take.planned_text, at = "", take.text, -1
        if self.edit == "add":
            rows.add().move = "idle"
            rows.move(len(rows) - 1, min(at + 1, len(rows) - 1))
            at += 1
        elif not 0 <= at < len(rows):
            raise FleximoError("No move is chosen in the list.", remedy="Press Plan, or add a move.")
        elif self.edit == "remove":
            rows.remove(at)
        elif self.edit == "split":
            _split(rows, at)
        else:
            to = at + (1 if self.edit == "down" else -1)
            rows.move(at, min(max(to, 0), len(rows) - 1))
            at = to
        take.segment = min(max(at, 0), max(len(rows) - 1, 0))
        return ""


def _split(rows: Any, at: int) -> None:
    """Two rows of half the length in the place of one, with its repeats shared out."""
    half = rows[at].seconds / 2.0
    if half < 0.1:
        raise FleximoError(f"A move of {2 * half:.1f} s is too short to be cut.")
    rows.add()
    rows.move(len(rows) - 1, at + 1)
    first, second = rows[at], rows[at + 1]
    for name in ("text", "move", "side", "direction", "speed", "layers", "seed"):
        setattr(second, name, getattr(first, name))
    first.seconds = second.seconds = half
    first.repeats, second.repeats = max(1, -(-first.repeats // 2)), max(1, first.repeats // 2)


class _Generate(TaskOperator):
    """Makes the motion of the take's plan, or of its text where there is no plan, and lands or previews it."""

    kind = "motion"

    def generation(self, take: Any, seed: int, *, preview: bool) -> Task:
        made_by_hand = plan_list.plan_of(take) if plan_list.has_plan(take) else None
        wish, uid = replace(_Wish.of(take), seed=seed), take.uid
        fps, made_by = sampling.scene_fps(take.id_data), wish.source.kept()

        def work(report: Report) -> Generator[None, None, tuple[MotionPlan, Motion, tuple[Notice, ...]]]:
            report(0.0, "Making the motion")
            yield
            plan = wish.fitted(made_by_hand) if made_by_hand else (yield from wish.planned(report))
            return plan, *(yield from wish.source.perform(plan, fps, report))

        def land(made: tuple[MotionPlan, Motion, tuple[Notice, ...]]) -> Generator[float, None, str]:
            plan, motion, notices = made
            told = plan_list.told(replace(plan, notices=(*plan.notices, *notices)))
            if preview:
                yield from landing.preview_steps(uid, motion, plan, made_by)
                return f"Preview, seed {plan.seed}: {told}"
            yield from landing.landing_steps(uid, motion, plan, made_by)
            plan_list.show_plan(takes.find_take(uid)[1], plan)
            return f"{len(motion)} frames of motion: {told}"

        return Task(self.kind, f"Motion of {take.name}", work, land)


def _next_seed(take: Any) -> int:
    """The take's seed, or the first above it that is not previewed yet."""
    taken = {candidate.seed for candidate in take.candidates if candidate.text == take.text}
    return next(seed for seed in range(take.seed, take.seed + len(taken) + 1) if seed not in taken)


class FLEXIMO_OT_generate_motion(_Generate, bpy.types.Operator):
    """Make the motion of the text, from the take's first frame on. It is a preview until you accept it"""

    bl_idname = "fleximo.generate_motion"
    bl_label = "Generate Motion"
    bl_options = LEAVES_FILE

    text: bpy.props.StringProperty(
        name="Text", description="Replaces the take's text where given", options={"SKIP_SAVE"}
    )
    seed: bpy.props.IntProperty(
        name="Seed", description="Replaces the take's seed where 0 or more", default=-1, min=-1, options={"SKIP_SAVE"}
    )
    preview: bpy.props.BoolProperty(
        name="Preview", description="Leave the take's motion as it is until this one is accepted", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _room_for_previews(cls, context) and cls.idle()

    def invoke(self, context: Any, event: Any) -> set[str]:
        if not bpy.app.background and not self.properties.is_property_set("preview"):
            self.preview = True
        return super().invoke(context, event)

    def prepare(self, context: Any) -> Task:
        take = _take_for_text(context, self.text, -1 if self.preview else self.seed)
        seed = self.seed if self.seed >= 0 else _next_seed(take) if self.preview else take.seed
        return self.generation(take, seed, preview=self.preview)


def _room_for_previews(cls: Any, context: Any) -> bool:
    take = takes.active_take(context.scene)
    if take is not None and len(take.candidates) >= landing.MOST_PREVIEWS:
        return bool(cls.refuse(f"{landing.MOST_PREVIEWS} motions are previewed: accept one, or reject them"))
    return True


CLASSES = (FLEXIMO_OT_plan, FLEXIMO_OT_edit_plan, FLEXIMO_OT_generate_motion)
