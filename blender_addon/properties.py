"""What the add-on remembers: takes on the scene (saved with the file), live state on the window manager (not saved).

Plain values only; `shot` turns them into Fleximo's types and back.
"""

# mypy: disable-error-code="valid-type"

import json
import uuid
from collections.abc import Callable
from typing import Any

import bpy

from fleximo.errors import FleximoError
from fleximo.plan import DIRECTIONS, MAX_SEGMENT_SECONDS, MOVES, SIDES

from . import check_marks, choices, plan_list

__all__ = [
    "CLASSES",
    "FORMAT",
    "FLEXIMO_PG_live",
    "FLEXIMO_PG_scene",
    "FLEXIMO_PG_take",
    "active_take",
    "add_take",
    "attach",
    "detach",
    "duplicate_take",
    "find_take",
    "forget_camera",
    "forget_fit",
    "forget_person",
    "found_in",
    "list_bones",
    "live",
    "on_shown",
    "remove_take",
    "show_only",
    "told_of_format",
]

# Enum items carry numbers, so that a file keeps its meaning when items are added.
_RESCALE = (
    ("bones", "Bones", "Bone lengths of the person in the photo, in 3D", 0),
    ("paper", "Paper", "The paper's own 2D alignment", 1),
    ("off", "Off", "The armature's own proportions", 2),
)
_SERVER = (
    ("unknown", "Not asked yet", "", 0),
    ("connected", "Connected", "", 1),
    ("missing", "Not connected", "", 2),
)


def _is_armature(_take: Any, candidate: Any) -> bool:
    return bool(candidate.type == "ARMATURE")


def _is_camera(_take: Any, candidate: Any) -> bool:
    return bool(candidate.type == "CAMERA")


_MOVES = tuple((move, move.replace("_", " ").capitalize(), "", number) for number, move in enumerate(MOVES))
_ANY = ("any", "Any", "As the move usually goes", 0)
_SIDES = (_ANY, *((side, side.capitalize(), "The person's own", n) for n, side in enumerate(SIDES, start=1)))
_DIRECTIONS = (
    _ANY,
    *((way, way.capitalize(), "As the person sees it", n) for n, way in enumerate(DIRECTIONS, start=1)),
)


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


class FLEXIMO_PG_bone(bpy.types.PropertyGroup):
    """The length of one bone of the person in the photo."""

    metres: bpy.props.FloatProperty(
        name="Length",
        description="As measured in the photo; set it where the photo misleads",
        unit="LENGTH",
        min=0.01,
        max=3.0,
        precision=3,
        update=lambda bone, _context: _set_length(bone),
    )


def _set_length(bone: Any) -> None:
    """Writes a length that was changed by hand into the person, and has the motion laid on him anew."""
    scene = bone.id_data
    take = next(each for each in scene.fleximo.takes if any(bone == own for own in each.bones))
    if not take.person:
        return
    person = json.loads(take.person)
    if abs(person["bone_lengths_m"].get(bone.name, 0.0) - bone.metres) > 1e-6:
        person["bone_lengths_m"][bone.name] = bone.metres
        take.person = json.dumps(person)
        forget_fit(take)


class FLEXIMO_PG_take(bpy.types.PropertyGroup):
    """One shot: motion + photo + camera + range + engine + seed, and the job that rendered it last."""

    uid: bpy.props.StringProperty(description="Names the take where its name may change", options={"HIDDEN"})
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
        update=lambda take, _context: _tell_shown(take.id_data),
    )
    frame_start: bpy.props.IntProperty(name="First frame", description="First scene frame of the take", default=1)
    frame_end: bpy.props.IntProperty(name="Last frame", description="Last scene frame of the take", default=0)

    photo: bpy.props.StringProperty(
        name="Photo",
        description="A picture of the person: JPEG, PNG or WebP",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
        update=lambda take, _context: forget_person(take),
    )
    person: bpy.props.StringProperty(description="The person found in the photo, as JSON")
    photo_digest: bpy.props.StringProperty(description="sha256 of the photo in which the person was found")
    placing: bpy.props.BoolProperty(description="Whether points are being placed by hand over the photo")
    bones: bpy.props.CollectionProperty(
        type=FLEXIMO_PG_bone, name="Bones", description="The person's bone lengths, as measured or as set by hand"
    )
    stature_m: bpy.props.FloatProperty(
        name="Stature",
        description="Height of the person, where you know it; 0: 1.70 m. Takes effect with Detect Pose",
        unit="LENGTH",
        min=0.0,
        max=2.6,
    )
    lens_degrees: bpy.props.FloatProperty(
        name="Lens",
        description="Angle of view of the photo's longer side in degrees, where you know it; 0: as the file tells, "
        "else 35. Takes effect with Detect Pose",
        min=0.0,
        max=150.0,
    )
    warnings: bpy.props.StringProperty(description="What to beware of in the photo, one sentence per line")
    camera: bpy.props.PointerProperty(
        type=bpy.types.Object, name="Camera", description="The camera fitted to the photo", poll=_is_camera
    )
    framing: bpy.props.StringProperty(description="How the photo lies on the canvas, as JSON")
    fitted_camera: bpy.props.StringProperty(description="The fitted camera, exact: base64 of its npz")
    fit: bpy.props.StringProperty(description="How the motion is laid on the person, measured once, as JSON")

    engine: bpy.props.StringProperty(
        name="Engine",
        description="What renders the video, by its name on the server",
        default="draft",
        update=lambda take, _context: setattr(take, "quality", ""),  # qualities are the engine's own
    )
    quality: bpy.props.StringProperty(
        name="Quality",
        description="How much time the engine takes, by the engine's own name; empty: as it usually does",
    )
    engine_choice: bpy.props.EnumProperty(
        name="Engine",
        description="What renders the video. The server tells what there is",
        items=choices.engine_items,
        get=choices.get_engine,
        set=choices.set_engine,
        options={"SKIP_SAVE"},
    )
    quality_choice: bpy.props.EnumProperty(
        name="Quality",
        description="How much time the engine takes",
        items=choices.quality_items,
        get=choices.get_quality,
        set=choices.set_quality,
        options={"SKIP_SAVE"},
    )
    size_choice: bpy.props.EnumProperty(
        name="Size",
        description="Width and height of the video in pixels",
        items=choices.size_items,
        get=choices.get_size,
        set=choices.set_size,
        options={"SKIP_SAVE"},
    )
    size: bpy.props.IntVectorProperty(
        name="Size",
        description="Width and height of the video in pixels. 0: chosen from the photo",
        size=2,
        min=0,
        max=4096,
        update=lambda take, _context: forget_camera(take),
    )
    rescale: bpy.props.EnumProperty(
        name="Proportions",
        description="How the motion is fitted to the person in the photo",
        items=_RESCALE,
        update=lambda take, _context: forget_fit(take),
    )
    refine: bpy.props.BoolProperty(
        name="Refine",
        description="Look at the finished video, fit the pose seen in it to the photo, and render once more. Kept only "
        "if the person does better what was asked. Takes at least twice as long",
    )
    refinement: bpy.props.StringProperty(description="What refining brought to the last render, in a sentence")
    order: bpy.props.StringProperty(
        description="The render that the server was asked for, until it has landed, as JSON"
    )
    job: bpy.props.StringProperty(description="The id of the last render job")
    master: bpy.props.StringProperty(
        name="Master",
        description="The lossless video of the last render",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )
    master_digest: bpy.props.StringProperty(description="sha256 of the master, by which the server knows the render")
    track: bpy.props.StringProperty(
        description="The pose track of the last render",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )
    rendered_with: bpy.props.StringProperty(description="Digest of all that the last render saw beside the motion")
    video: bpy.props.StringProperty(
        name="Video",
        description="The video of the last render",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )
    marks: bpy.props.StringProperty(description="Frames that deserve a look, as JSON")
    self_check: bpy.props.StringProperty(description="How far the last render is from what was asked, as JSON")
    tried_seed: bpy.props.IntProperty(description="The highest seed that a range was rendered again with")
    rendered_start: bpy.props.IntProperty(description="The scene frame at which the last render starts")
    rendered_frames: bpy.props.IntProperty(description="How many frames the last render has")


FORMAT = 1  # of the takes in a file; a higher one means that earlier versions of Fleximo would lose something


class FLEXIMO_PG_scene(bpy.types.PropertyGroup):
    """The takes of a scene."""

    format: bpy.props.IntProperty(description="Which version of Fleximo's takes the file holds; 0: before 1 was told")

    takes: bpy.props.CollectionProperty(type=FLEXIMO_PG_take)
    active: bpy.props.IntProperty(
        name="Active take",
        description="The take that the panels show",
        default=0,
        min=0,
        update=lambda state, _context: show_only(state.id_data),
    )
    show_overlay: bpy.props.BoolProperty(
        name="Skeleton",
        description="Show over the photo, seen through the take's camera, the skeleton that the video model will see",
        default=True,
    )
    show_trails: bpy.props.BoolProperty(
        name="Trails and Ghosts",
        description="Show where hands, feet, head and hips go, and the body some frames before and after",
        default=False,
    )
    trail_frames: bpy.props.IntProperty(
        name="Trail", description="Frames of the trails before and after the current one", default=16, min=1, max=240
    )
    ghosts: bpy.props.IntProperty(
        name="Ghosts", description="How many before and how many after the current frame", default=2, min=0, max=12
    )
    ghost_step: bpy.props.IntProperty(
        name="Step", description="Frames from one ghost to the next", default=8, min=1, max=100
    )
    body_file: bpy.props.StringProperty(
        description="The body of the user's own that stands in for the mannequin", options={"HIDDEN"}
    )
    body_name: bpy.props.StringProperty(name="Body", description="The model file that the body was taken from")


class FLEXIMO_PG_live(bpy.types.PropertyGroup):
    """What happens right now; written by `session` on the main thread only."""

    server: bpy.props.EnumProperty(
        name="Server", description="Whether the render server answered when it was asked last", items=_SERVER
    )
    server_text: bpy.props.StringProperty(name="Server", description="Version and address, or why there is none")
    server_code: bpy.props.StringProperty(name="Code", description="What went wrong with the server last")
    offer: bpy.props.StringProperty(name="Offer", description="The server's engines and weights, as JSON")
    task: bpy.props.StringProperty(name="At work on", description="What is being done now")
    progress: bpy.props.FloatProperty(
        name="Progress", description="How much of it is done", subtype="FACTOR", min=0.0, max=1.0
    )
    message: bpy.props.StringProperty(name="Message", description="What happened last")
    error: bpy.props.StringProperty(name="Error", description="What went wrong last, and what to do")
    detail: bpy.props.StringProperty(name="Detail", description="The full text of the last error")


CLASSES = (
    FLEXIMO_PG_segment,
    FLEXIMO_PG_candidate,
    FLEXIMO_PG_bone,
    FLEXIMO_PG_take,
    FLEXIMO_PG_scene,
    FLEXIMO_PG_live,
)


def attach() -> None:
    """Hangs the groups on scene and window manager."""
    bpy.types.Scene.fleximo = bpy.props.PointerProperty(type=FLEXIMO_PG_scene)
    bpy.types.WindowManager.fleximo = bpy.props.PointerProperty(type=FLEXIMO_PG_live)


def detach() -> None:
    """Takes off what `attach` hung on, as far as it is there."""
    for owner in (bpy.types.WindowManager, bpy.types.Scene):
        if hasattr(owner, "fleximo"):
            del owner.fleximo


def live() -> Any:
    """The live state. There is one window manager for all windows."""
    return bpy.data.window_managers[0].fleximo


def told_of_format() -> str:
    """What is to be told of the open file's takes; empty where this version knows all that they hold."""
    newest = max((scene.fleximo.format for scene in bpy.data.scenes), default=0)
    if newest <= FORMAT:
        return ""
    return f"This file was saved by a newer Fleximo (takes {newest}, here {FORMAT}). Update before you save it."


def active_take(scene: Any) -> Any:
    """The take that the panels show, None where the scene has none."""
    state = scene.fleximo
    return state.takes[state.active] if 0 <= state.active < len(state.takes) else None


def add_take(scene: Any) -> Any:
    """A new take of `scene`, made the active one, with a name of its own."""
    state = scene.fleximo
    state.format = max(state.format, FORMAT)
    taken = {take.name for take in state.takes}
    take = state.takes.add()
    take.name = next(name for n in range(1, len(taken) + 2) if (name := f"Take {n}") not in taken)
    take.uid = uuid.uuid4().hex
    take.frame_start = scene.frame_start
    state.active = len(state.takes) - 1
    return take


# What a take is made of. The rest follows from it, or belongs to its last render.
_OF_MOTION = (
    "text",
    "seed",
    "motion_model",
    "motion_settings",
    "made_by",
    "plan",
    "planned_text",
    "armature",
    "character",
    "frame_start",
    "frame_end",
)
_OF_PHOTO = (
    "photo",
    "stature_m",
    "lens_degrees",
    "person",
    "photo_digest",
    "warnings",
    "camera",
    "framing",
    "fitted_camera",
    "show_body",
)
_OF_RENDER = ("engine", "quality", "size", "rescale", "refine")


def duplicate_take(scene: Any, source: Any, *, motion: bool, photo: bool) -> Any:
    """A new take with the motion of `source`, its photo and the person found in it, or both; the new one is active.

    The armature is shared, so that its keys serve both; so is the camera. Renders are not taken over.
    """
    uid = source.uid
    take = add_take(scene)
    source = find_take(uid)[1]  # the list may have moved in memory when it grew
    # Sizes come first and the photo's own values last: setting those forgets what was measured before.
    for name in (*_OF_RENDER, *(_OF_PHOTO if photo else ()), *(_OF_MOTION if motion else ())):
        setattr(take, name, getattr(source, name))
    if photo:
        list_bones(take)
    if motion:
        for segment in source.segments:
            copy = take.segments.add()
            for name in ("text", "move", "seconds", "repeats", "side", "direction", "speed", "layers", "seed"):
                setattr(copy, name, getattr(segment, name))
    if motion and photo:
        take.fit = source.fit
    show_only(scene)
    return take


def remove_take(scene: Any, uid: str) -> None:
    """Takes a take off the scene's list; armature, camera and videos stay in the file."""
    state = scene.fleximo
    place = [take.uid for take in state.takes].index(uid)
    state.takes.remove(place)
    state.active = max(0, min(state.active - (place < state.active), len(state.takes) - 1))


def show_only(scene: Any) -> None:
    """Looks through the active take's camera, hides the armatures of the other takes, and marks its worst frames."""
    take = active_take(scene)
    check_marks.renew_markers(scene, take)
    if take is None:
        return
    for other in scene.fleximo.takes:
        if other.armature is not None:
            other.armature.hide_set(other.armature != take.armature)
    if take.camera is not None:
        scene.camera = take.camera
    _tell_shown(scene)


_shown_listeners: list[Callable[[Any], None]] = []


def on_shown(call: Callable[[Any], None]) -> Callable[[], None]:
    """Calls `call` with the scene whenever what is shown of its takes has changed; returns what ends that."""
    _shown_listeners.append(call)
    return lambda: _shown_listeners.remove(call)


def _tell_shown(scene: Any) -> None:
    for call in _shown_listeners:
        call(scene)


def found_in(scene: Any, digest: str) -> Any:
    """A take of the scene in whose photo, of that sha256, the person has been found; None where there is none."""
    return next((take for take in scene.fleximo.takes if take.person and take.photo_digest == digest), None)


def find_take(uid: str) -> tuple[Any, Any]:
    """(scene, take) of a take's `uid`; raises `FleximoError` if it has been deleted meanwhile.

    Work that outlives a click keeps the uid, never the take itself: undo and file loading replace it.
    """
    for scene in bpy.data.scenes:
        for take in scene.fleximo.takes:
            if take.uid == uid:
                return scene, take
    raise FleximoError("The take is no longer in this file; the result was not used.", code="take_gone")


def forget_person(take: Any) -> None:
    """Another photo: what was found in the former one no longer holds."""
    take.person = take.photo_digest = take.warnings = ""
    take.bones.clear()
    forget_camera(take)


def list_bones(take: Any) -> None:
    """Lists the bone lengths of the take's person."""
    lengths = json.loads(take.person)["bone_lengths_m"] if take.person else {}
    take.bones.clear()
    for name, metres in lengths.items():
        row = take.bones.add()
        row.name, row.metres = name, metres


def forget_camera(take: Any) -> None:
    """Another person or another canvas: camera and framing have to be fitted anew."""
    take.framing = take.fitted_camera = ""
    forget_fit(take)


def forget_fit(take: Any) -> None:
    """Another motion, camera or mode: the next render measures anew how the motion is laid on the person."""
    take.fit = ""
