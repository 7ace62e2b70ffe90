"""A picture of a character, rendered by Blender, as a photo with everything known about it. Knows no take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from fleximo.errors import FleximoError
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.portrait import person_of_pose, portrait_camera

from . import axes, camera, compat

__all__ = ["meshes_of", "render_photo"]

_SIZE = (720, 1280)
_BACKDROP = (0.80, 0.82, 0.84)
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


def render_photo(scene: Any, armature: Any, pose: Motion, path: Path) -> Person:
    """Renders the character as it stands in `scene`, which is `pose`, from the front into the PNG file `path`.

    Returns the person in it. Raises `FleximoError` where the picture cannot be written or shows nothing.
    """
    meshes = meshes_of(armature)
    view = portrait_camera(pose, np.concatenate([_corners(mesh) for mesh in meshes]), _SIZE)
    path.parent.mkdir(parents=True, exist_ok=True)
    stage = bpy.data.scenes.new("Fleximo Photo")
    holder = None
    try:
        for each in (armature, *meshes):
            stage.collection.objects.link(each)
        _set_up(stage, scene, path)
        holder = camera.make_camera(stage, view, "Fleximo Photo")
        stage.camera = holder
        bpy.ops.render.render(write_still=True, scene=stage.name)
    finally:
        if holder is not None:
            bpy.data.cameras.remove(holder.data)
        bpy.data.scenes.remove(stage)
    return person_of_pose(pose, view, _on_backdrop(path))


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


def _on_backdrop(path: Path) -> Any:
    """Puts the picture of `path` on a plain backdrop; returns (H,W) True where it showed something."""
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError:
        raise FleximoError(
            f"The picture {path} was not written.", remedy="Choose another folder for videos in the preferences."
        ) from None
    try:
        width, height = image.size
        values = np.empty(4 * width * height, dtype=np.float32)
        image.pixels.foreach_get(values)
        pixels = values.reshape(height, width, 4)
        covered = pixels[..., 3:]
        mask = covered[::-1, :, 0] >= _COVERED
        if not mask.any():
            raise FleximoError("The picture shows nothing of the character.", remedy="Show its meshes in renders.")
        pixels[..., :3] = pixels[..., :3] * covered + np.array(_BACKDROP) * (1.0 - covered)
        pixels[..., 3] = 1.0
        image.pixels.foreach_set(pixels.ravel())
        image.save()
    finally:
        bpy.data.images.remove(image)
    return mask
