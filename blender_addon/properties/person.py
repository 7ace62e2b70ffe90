"""What a take remembers of the photo: the person found in it, and the camera fitted to it. Plain values only."""

# mypy: disable-error-code="valid-type"

import json
from typing import Any

import bpy

from .. import takes

__all__ = ["CLASSES", "PersonOfTake"]


def _is_camera(_take: Any, candidate: Any) -> bool:
    return bool(candidate.type == "CAMERA")


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
        takes.forget_fit(take)


class PersonOfTake:
    """The person in the photo, and how the photo is seen."""

    photo: bpy.props.StringProperty(
        name="Photo",
        description="A picture of the person: JPEG, PNG or WebP",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
        update=lambda take, _context: takes.forget_person(take),
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
    warning_codes: bpy.props.StringProperty(description="The codes of these warnings, with spaces between them")
    camera: bpy.props.PointerProperty(
        type=bpy.types.Object, name="Camera", description="The camera fitted to the photo", poll=_is_camera
    )
    framing: bpy.props.StringProperty(description="How the photo lies on the canvas, as JSON")
    fitted_camera: bpy.props.StringProperty(description="The fitted camera, exact: base64 of its npz")
    fit: bpy.props.StringProperty(description="How the motion is laid on the person, measured once, as JSON")


CLASSES = (FLEXIMO_PG_bone,)
