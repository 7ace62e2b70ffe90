"""What a take remembers of its render: how it is asked for, where it lies, what was seen in it. Plain values only."""

# mypy: disable-error-code="valid-type"

import bpy

from .. import choices, takes

__all__ = ["RenderOfTake"]

# Enum items carry numbers, so that a file keeps its meaning when items are added.
_RESCALE = (
    ("bones", "Bones", "Bone lengths of the person in the photo, in 3D", 0),
    ("paper", "Paper", "The paper's own 2D alignment", 1),
    ("off", "Off", "The armature's own proportions", 2),
)


class RenderOfTake:
    """How the next render is made, and what the last one was."""

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
        update=lambda take, _context: takes.forget_camera(take),
    )
    rescale: bpy.props.EnumProperty(
        name="Proportions",
        description="How the motion is fitted to the person in the photo",
        items=_RESCALE,
        update=lambda take, _context: takes.forget_fit(take),
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
