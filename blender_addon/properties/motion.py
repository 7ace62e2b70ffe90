"""What a take remembers of its motion: text, plan, motion model, armature and previews. Plain values only."""

# mypy: disable-error-code="valid-type"

from typing import Any

import bpy

from fleximo.plan import DIRECTIONS, MAX_SEGMENT_SECONDS, MOVES, SIDES

from .. import choices, plan_list, takes

__all__ = ["CLASSES", "MotionOfTake"]

# Enum items carry numbers, so that a file keeps its meaning when items are added.
_MOVES = tuple((move, move.replace("_", " ").capitalize(), "", number) for number, move in enumerate(MOVES))
_ANY = ("any", "Any", "As the move usually goes", 0)
_SIDES = (_ANY, *((side, side.capitalize(), "The person's own", n) for n, side in enumerate(SIDES, start=1)))
_DIRECTIONS = (
    _ANY,
    *((way, way.capitalize(), "As the person sees it", n) for n, way in enumerate(DIRECTIONS, start=1)),
)


def _is_armature(_take: Any, candidate: Any) -> bool:
    return bool(candidate.type == "ARMATURE")


class FLEXIMO_PG_segment(bpy.types.PropertyGroup):
    """One move of a take's plan."""

    text: bpy.props.StringProperty(name="Words", description="The words of the text that this move came from")
    move: bpy.props.EnumProperty(name="Move", description="What the person does", items=_MOVES)
    seconds: bpy.props.FloatProperty(
        name="Seconds",
        description="How long it lasts",
        default=2.0,
        min=0.1,
        max=MAX_SEGMENT_SECONDS,
        step=10,
        precision=1,
    )
    repeats: bpy.props.IntProperty(
        name="Times", description="How often it is done in that time", default=1, min=1, max=200
    )
    side: bpy.props.EnumProperty(name="Side", description="Which arm or leg", items=_SIDES)
    direction: bpy.props.EnumProperty(name="Direction", description="Where to", items=_DIRECTIONS)
    speed: bpy.props.FloatProperty(name="Speed", description="1 is the move's own pace", default=1.0, min=0.2, max=5.0)
    layers: bpy.props.StringProperty(description="The moves of other joints laid over it, as JSON", options={"HIDDEN"})
    seed: bpy.props.IntProperty(
        name="Seed", description="Of its own variation; -1: told by the take's seed", default=-1, min=-1
    )


class FLEXIMO_PG_candidate(bpy.types.PropertyGroup):
    """A motion that is previewed."""

    action: bpy.props.PointerProperty(type=bpy.types.Action, description="Its keys")
    seed: bpy.props.IntProperty(name="Seed", description="The seed that it was made with")
    frames: bpy.props.IntProperty(description="How many frames it has")
    plan: bpy.props.StringProperty(description="Its plan as JSON")
    text: bpy.props.StringProperty(description="The text that the plan was made of")
    made_by: bpy.props.StringProperty(description="The motion model that made it, and its settings, as JSON")


class MotionOfTake:
    """What is done, by which armature, in which frames."""

    text: bpy.props.StringProperty(
        name="Text",
        description="What the person does, in plain words, such as: a man waves his right hand, then does three squats",
    )
    seed: bpy.props.IntProperty(name="Seed", description="Another seed, another natural variation", min=0)
    motion_model: bpy.props.StringProperty(
        name="Model",
        description="What makes the motion, by its name on the server",
        default="moves",
        update=lambda take, _context: plan_list.forget_unread(take),
    )
    motion_choice: bpy.props.EnumProperty(
        name="Model",
        description="What makes the motion of the text. The server tells what there is beside the moves",
        items=choices.motion_model_items,
        get=choices.get_motion_model,
        set=choices.set_motion_model,
        options={"SKIP_SAVE"},
    )
    motion_settings: bpy.props.StringProperty(
        name="Settings",
        description="Of the motion model, such as: greedy=true, precision=bf16. Empty: as it usually does",
    )
    made_by: bpy.props.StringProperty(description="The motion model that made the motion, and its settings, as JSON")
    plan: bpy.props.StringProperty(description="The motion plan as JSON")
    segments: bpy.props.CollectionProperty(type=FLEXIMO_PG_segment, name="Moves", description="The plan, move by move")
    segment: bpy.props.IntProperty(name="Active move", description="The move whose values are shown", min=0)
    planned_text: bpy.props.StringProperty(description="The text that the plan was made of")
    armature: bpy.props.PointerProperty(
        type=bpy.types.Object, name="Armature", description="The armature whose motion is rendered", poll=_is_armature
    )
    candidates: bpy.props.CollectionProperty(type=FLEXIMO_PG_candidate, description="Motions that are previewed")
    candidate: bpy.props.IntProperty(description="The preview that is shown", min=0)
    armature_is_new: bpy.props.BoolProperty(description="Whether the armature was made for the previews")
    former_armature: bpy.props.PointerProperty(type=bpy.types.Object, description="The armature before the previews")
    character: bpy.props.PointerProperty(
        type=bpy.types.Object,
        name="Character",
        description="An armature of your own, onto which the motion is baked, or which is the source of the motion",
        poll=_is_armature,
    )
    show_body: bpy.props.BoolProperty(
        name="Body",
        description="Show a light body around the bones. It is never rendered",
        default=True,
        update=lambda take, _context: takes.tell_shown(take.id_data),
    )
    frame_start: bpy.props.IntProperty(name="First frame", description="First scene frame of the take", default=1)
    frame_end: bpy.props.IntProperty(name="Last frame", description="Last scene frame of the take", default=0)


CLASSES = (FLEXIMO_PG_segment, FLEXIMO_PG_candidate)
