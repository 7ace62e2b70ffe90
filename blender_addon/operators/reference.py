"""The photo of a take: choosing it, finding the person in it, fitting the camera to it.

Detection is the server's; the camera is fitted inside Blender.
"""

# mypy: disable-error-code="valid-type"

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy

from fleximo.camera import Camera, Framing
from fleximo.camera_fit import fit_camera, frame_photo
from fleximo.errors import FleximoError
from fleximo.files import read_bytes
from fleximo.job import blob_digest
from fleximo.person import Person
from fleximo.plan import MotionPlan
from fleximo.upper_body import plan_for

from .. import camera, photo, points, shot, takes
from ..preferences import server_folder
from ..remote import stages
from ..session import Report, Task
from .base import CHANGES_FILE, LEAVES_FILE, FleximoOperator, TaskOperator, soon

__all__ = ["CLASSES", "fit_take_camera", "photo_steps", "read_photo"]


def photo_path(take: Any) -> Path:
    """Where the take's photo lies; raises `FleximoError` where none is set or it is not there."""
    if not take.photo:
        raise FleximoError("The take has no photo.", remedy="Choose a picture of the person.")
    path = Path(bpy.path.abspath(take.photo))
    if not path.is_file():
        raise FleximoError(
            f"There is no picture at {path}.", code="photo_gone", remedy="Put it back, or choose the photo again."
        )
    return path


def read_photo(take: Any) -> bytes:
    """The photo's file; raises `FleximoError` if it is not there or is not the one the person was found in."""
    content = read_bytes(photo_path(take))
    if take.photo_digest and blob_digest(content) != take.photo_digest:
        raise FleximoError(
            f"The photo {photo_path(take).name} is another one now than when the person was found in it.",
            remedy="Press Detect Pose again.",
        )
    return content


class FLEXIMO_OT_set_reference(FleximoOperator, bpy.types.Operator):
    """Choose the photo of the person"""

    bl_idname = "fleximo.set_reference"
    bl_label = "Choose Photo"
    bl_options = CHANGES_FILE

    filepath: bpy.props.StringProperty(name="Photo", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.jpg;*.jpeg;*.png;*.webp", options={"HIDDEN"})

    def invoke(self, context: Any, _event: Any) -> set[str]:
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, context: Any) -> str:
        if not Path(bpy.path.abspath(self.filepath)).is_file():
            raise FleximoError(f"There is no picture at {self.filepath!r}.", remedy="Choose a JPEG, PNG or WebP file.")
        take = takes.active_take(context.scene) or takes.add_take(context.scene)
        take.photo = self.filepath
        told = f"{Path(self.filepath).name} is the photo of {take.name}."
        digest = blob_digest(read_bytes(photo_path(take)))
        known = takes.found_in(context.scene, digest)
        if known is None:
            return told
        shot.store_person(take, shot.person_of(known), digest)
        fit_take_camera(context.scene, take)
        return _show_photo(take, f"{told} The person was found in it for {known.name}.")


class FLEXIMO_OT_detect_pose(TaskOperator, bpy.types.Operator):
    """Find the person in the photo: key points, outline and bone lengths. Needs the server"""

    bl_idname = "fleximo.detect_pose"
    bl_label = "Detect Pose"
    bl_options = LEAVES_FILE
    kind = "detect"

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or not take.photo:
            return cls.refuse("Choose a photo first")
        return cls.idle()

    by_points: bpy.props.BoolProperty(
        name="By Points", description="Use the points placed by hand instead of looking", options={"SKIP_SAVE"}
    )
    choose: bpy.props.IntProperty(
        name="Person",
        description="Which of several people, from the left, from 1 on; 0: the largest",
        min=0,
        options={"SKIP_SAVE"},
    )

    def prepare(self, context: Any) -> Task:
        take = takes.active_take(context.scene)
        content = read_bytes(photo_path(take))
        uid, folder, digest = take.uid, server_folder(), blob_digest(content)
        if self.by_points and not points.handles_of(take):
            raise FleximoError("No points have been placed.", remedy="Press Place Points and drag them.")
        marks = points.photo_points(take, *points.view_of(take)) if self.by_points else None
        choose = self.choose - 1 if self.choose else None

        stature_m, lens_degrees = take.stature_m or None, take.lens_degrees or None

        def work(report: Report) -> Generator[None, None, Person]:
            return stages.detect(
                folder, content, report, points=marks, choose=choose, stature_m=stature_m, lens_degrees=lens_degrees
            )

        def land(person: Person) -> Generator[float, None, str]:
            scene, landed = takes.find_take(uid)
            shot.store_person(landed, person, digest)
            points.remove_handles(landed)
            fit_take_camera(scene, landed)
            yield 0.1
            yield from photo_steps(uid)
            landed = takes.find_take(uid)[1]
            found = f"The person in {photo_path(landed).name} was found; the camera is fitted to the photo."
            return f"{found} {_motion_told(landed, person)}".strip()

        return Task(self.kind, f"Looking at the photo of {take.name}", work, land, asks_server=True)


class FLEXIMO_OT_place_points(FleximoOperator, bpy.types.Operator):
    """Put 18 handles over the photo; drag them onto the person in the view through the camera, then press Use Points"""

    bl_idname = "fleximo.place_points"
    bl_label = "Place Points"
    bl_options = CHANGES_FILE

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or not take.photo:
            return cls.refuse("Choose a photo first")
        return True

    def act(self, context: Any) -> str:
        scene, take = context.scene, takes.active_take(context.scene)
        person = shot.person_of(take) if take.person else None
        if not take.fitted_camera:
            size = tuple(take.size) if all(take.size) else None
            framing = frame_photo(photo.size_of(photo_path(take)), size, person)
            take.framing = json.dumps(framing.to_json())
            _show_camera(scene, take, points.blank_camera(framing))
            _show_photo(take, "")
        camera, framing = points.view_of(take)
        points.place_handles(scene, take, camera, framing, points.start_points(person, framing))
        return "Drag the points onto the person; hide (H) what the photo does not show. Left is the person's own left."


def _motion_told(take: Any, person: Person) -> str:
    """What to do where the take's motion was planned for legs that the photo does not show."""
    if not take.plan:
        return ""
    plan = MotionPlan.from_json(json.loads(take.plan))
    fits = plan_for(plan, person) is plan
    return "" if fits else "It shows no feet: press Generate Motion again for a motion of the upper body."


class FLEXIMO_OT_fit_camera(FleximoOperator, bpy.types.Operator):
    """Fit the camera to the photo anew, and show the photo behind it. A later render is then a full one"""

    bl_idname = "fleximo.fit_camera"
    bl_label = "Fit Camera"
    bl_options = CHANGES_FILE

    @classmethod
    def poll(cls, context: Any) -> bool:
        take = takes.active_take(context.scene)
        if take is None or not take.person:
            return cls.refuse("Press Detect Pose first")
        return True

    def act(self, context: Any) -> str:
        take = takes.active_take(context.scene)
        fit_take_camera(context.scene, take)
        return _show_photo(take, f"{take.camera.name} sees the scene as the photo's camera did.")


def fit_take_camera(scene: Any, take: Any) -> None:
    """Framing and camera of the take, as exact values and as a camera object; the photo is left to `photo_steps`."""
    person = shot.person_of(take)
    size = tuple(take.size) if all(take.size) else None
    framing = frame_photo(person.photo_size, size, person)
    fitted = fit_camera(person, framing)
    shot.store_camera(take, fitted, framing)
    _show_camera(scene, take, fitted)


def _show_camera(scene: Any, take: Any, fitted: Camera) -> None:
    existing = take.camera if take.camera and scene.objects.get(take.camera.name) == take.camera else None
    take.camera = camera.make_camera(scene, fitted, f"{take.name} camera", existing)
    scene.camera = take.camera


def photo_steps(uid: str) -> Generator[float, None, None]:
    """Puts the photo behind the take's camera object, placed as the take's framing says."""
    take = takes.find_take(uid)[1]
    framing = Framing.from_json(json.loads(take.framing))
    made = yield from photo.canvas_steps(photo_path(take), framing, f"{take.name} photo")
    take, image = takes.find_take(uid)[1], bpy.data.images[made]
    former = camera.background_of(take.camera)
    if former is not None:
        former.user_remap(image)
        bpy.data.images.remove(former)
        image.name = f"{take.name} photo"
    camera.show_background(take.camera, image)


def _show_photo(take: Any, told: str) -> str:
    """Puts the photo behind the camera: at once for a script, step by step for people. Returns `told`."""
    uid = take.uid

    def work(report: Report) -> Generator[None, None, None]:
        report(0.0, "Reading the photo")
        yield

    def land(_: None) -> Generator[float, None, str]:
        yield from photo_steps(uid)
        return told

    soon(Task("photo", f"Photo of {take.name}", work, land, about=uid))
    return told


CLASSES = (FLEXIMO_OT_set_reference, FLEXIMO_OT_detect_pose, FLEXIMO_OT_place_points, FLEXIMO_OT_fit_camera)
