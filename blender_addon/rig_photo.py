"""A picture of a character, rendered by Blender, as a photo with everything known about it. Knows no take."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from fleximo.camera import Camera
from fleximo.errors import FleximoError
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.portrait import person_of_pose, portrait_camera

from . import axes, camera, compat
from .session import LATER

__all__ = ["meshes_of", "render_steps"]

_SIZE = (720, 1280)
_BACKDROP = (0.80, 0.82, 0.84)
_STRIKE_S = 0.2
_COVERED = 0.5  # alpha from which a pixel shows the character


def meshes_of(armature: Any) -> list[Any]:
    """The visible meshes that the armature moves."""
    return [
        each
        for each in bpy.data.objects
        if each.type == "MESH"
        and not each.hide_render
        and (each.find_armature() == armature or armature in _above(each))
    ]


def _above(each: Any) -> list[Any]:
    found = []
    while each.parent is not None:
        each = each.parent
        found.append(each)
    return found


def render_steps(scene: str, armature: str, pose: Motion, path: Path) -> Generator[float, None, Person]:
    """Renders the character as it stands in `scene`, which is `pose`, from the front into the PNG file `path`.

    Yields how much is done, 0..1; returns the person in the picture. In a window Blender renders beside its own work;
    each step else is short. Raises `FleximoError` where the picture cannot be written or shows nothing.
    """
    character = bpy.data.objects[armature]
    meshes = [mesh.name for mesh in meshes_of(character)]
    corners = []
    for mesh in meshes:
        corners.append(_corners(bpy.data.objects[mesh]))
        yield 0.0
    view = portrait_camera(pose, np.concatenate(corners), _SIZE)
    path.parent.mkdir(parents=True, exist_ok=True)
    stage = _staged(bpy.data.scenes[scene], [armature, *meshes], view, path)
    try:
        yield 0.1
        yield from _rendered(stage)
    finally:
        _strike(stage)
    mask = yield from _on_backdrop(path)
    return person_of_pose(pose, view, mask)


def _staged(scene: Any, shown: list[str], view: Camera, path: Path) -> str:
    """A scene of its own for the picture; returns its name."""
    stage = bpy.data.scenes.new("Fleximo Photo")
    for name in shown:
        stage.collection.objects.link(bpy.data.objects[name])
    _set_up(stage, scene, path)
    stage.camera = camera.make_camera(stage, view, "Fleximo Photo")
    return str(stage.name)


def _rendered(stage: str) -> Generator[float, None, None]:
    """Blender's render, which opens no window of its own and leaves the interface free where there is one."""
    view = bpy.context.preferences.view
    shown_in, view.render_display_type = view.render_display_type, "NONE"
    try:
        bpy.ops.render.render("INVOKE_DEFAULT", write_still=True, scene=stage)
        while bpy.app.is_job_running("RENDER"):
            yield LATER
    finally:
        view.render_display_type = shown_in
    yield 0.6


def _strike(stage: str) -> float | None:
    """Removes the scene of the picture, as soon as it is not being rendered: a timer that ends itself."""
    if bpy.app.is_job_running("RENDER"):
        bpy.app.timers.register(partial(_strike, stage), first_interval=_STRIKE_S)
        return None
    scene = bpy.data.scenes.get(stage)
    if scene is not None:
        bpy.data.cameras.remove(scene.camera.data)
        bpy.data.scenes.remove(scene)
    return None


def _corners(mesh: Any) -> Any:
    """(8,3) m, the corners of the posed mesh's box in our axes."""
    posed = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    corners = np.array([tuple(corner) for corner in posed.bound_box])
    world = np.array(posed.matrix_world)
    return axes.points_from_blender(corners @ world[:3, :3].T + world[:3, 3])


def _set_up(stage: Any, scene: Any, path: Path) -> None:
    """Workbench with the materials' colours: no light to place, no shader to compile."""
    stage.frame_set(scene.frame_current, subframe=scene.frame_subframe)
    render = stage.render
    render.engine, render.film_transparent = "BLENDER_WORKBENCH", True
    render.resolution_x, render.resolution_y, render.resolution_percentage = *_SIZE, 100
    render.filepath, render.use_file_extension = str(path), False
    compat.set_png(render)
    stage.display.shading.light, stage.display.shading.color_type = "STUDIO", "TEXTURE"
    stage.display.shading.show_cavity = True
    stage.view_settings.view_transform = "Standard"


def _on_backdrop(path: Path) -> Generator[float, None, Any]:
    """Puts the picture of `path` on a plain backdrop; returns (H,W) True where it showed something."""
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError:
        raise FleximoError(
            f"The picture {path} was not written.", remedy="Choose another folder for videos in the preferences."
        ) from None
    own = image.name
    try:
        width, height = image.size
        values = np.empty(4 * width * height, dtype=np.float32)
        image.pixels.foreach_get(values)
        yield 0.7
        pixels = values.reshape(height, width, 4)
        covered = pixels[..., 3:]
        mask = covered[::-1, :, 0] >= _COVERED
        if not mask.any():
            raise FleximoError("The picture shows nothing of the character.", remedy="Show its meshes in renders.")
        pixels[..., :3] = pixels[..., :3] * covered + np.array(_BACKDROP, dtype=np.float32) * (1.0 - covered)
        pixels[..., 3] = 1.0
        yield 0.8
        bpy.data.images[own].pixels.foreach_set(pixels.ravel())
        yield 0.9
        bpy.data.images[own].save()
    finally:
        if own in bpy.data.images:
            bpy.data.images.remove(bpy.data.images[own])
    return mask
