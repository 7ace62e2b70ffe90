"""A Fleximo camera as a Blender camera, with the photo behind it.

The canvas is shown whole inside the camera frame, centred, whatever the scene's resolution is: simple drivers follow
the resolution, so the projection stays that of the fitted camera. Knows no take.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from fleximo.camera import Camera
from fleximo.errors import FleximoError

from . import axes

__all__ = ["background_of", "make_camera", "show_background"]

_SENSOR_MM = 36.0
# Canvas pixels across the width of the camera frame: the canvas touches the frame on two sides.
_ACROSS = "max({width!r}, {height!r} * x * ax / (y * ay))"
_SCENE_VALUES = {
    "x": "render.resolution_x",
    "y": "render.resolution_y",
    "ax": "render.pixel_aspect_x",
    "ay": "render.pixel_aspect_y",
}


def make_camera(scene: Any, camera: Camera, name: str, existing: Any = None) -> Any:
    """A camera object in `scene` that projects as `camera` does (which must be still, with square pixels and no skew).

    `existing` is set anew instead of making another. The object is locked, because renders use the fitted camera.
    """
    if len(camera.world_to_camera) != 1:
        raise FleximoError("This camera moves; a still one was expected.")
    focal_x, skew, focal_y = camera.K[0, 0], camera.K[0, 1], camera.K[1, 1]
    if abs(focal_x - focal_y) > 1e-4 * focal_x or abs(skew) > 1e-6 * focal_x:
        raise FleximoError("Blender shows only cameras with square pixels and without skew.")
    holder = existing
    if holder is None:
        holder = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        scene.collection.objects.link(holder)
    lens = holder.data
    lens.type, lens.sensor_fit, lens.sensor_width = "PERSP", "HORIZONTAL", _SENSOR_MM
    width, height = (float(n) for n in camera.size)
    across = _ACROSS.format(width=width, height=height)
    right, down = camera.K[0, 2] - width / 2.0, camera.K[1, 2] - height / 2.0
    _drive(lens, "lens", scene, f"{float(focal_x) * _SENSOR_MM!r} / {across}")
    _drive(lens, "shift_x", scene, f"{-float(right)!r} / {across}")
    _drive(lens, "shift_y", scene, f"{float(down)!r} / {across}")
    holder.rotation_mode = "QUATERNION"
    holder.matrix_world = Matrix(axes.camera_to_blender(camera.world_to_camera[0]).tolist())
    holder.lock_location = holder.lock_rotation = holder.lock_scale = (True, True, True)
    holder.lock_rotation_w = True
    distance = float(np.linalg.norm(camera.world_to_camera[0][:3, 3]))
    lens.display_size = 0.1 * distance
    return holder


def _drive(lens: Any, path: str, scene: Any, expression: str) -> None:
    """Drives `lens.path` by an expression over the scene's resolution and pixel aspect, simple enough to need no
    permission to run scripts."""
    lens.driver_remove(path)
    driver = lens.driver_add(path).driver
    for name, source in _SCENE_VALUES.items():
        variable = driver.variables.new()
        variable.name, variable.type = name, "SINGLE_PROP"
        target = variable.targets[0]
        target.id_type, target.id, target.data_path = "SCENE", scene, source
    driver.expression = expression


def background_of(holder: Any) -> Any:
    """The picture behind the view through the camera `holder`, None where there is none."""
    backgrounds = holder.data.background_images
    return backgrounds[0].image if backgrounds else None


def show_background(holder: Any, image: Any) -> None:
    """Shows `image`, a picture of the whole canvas, behind the view through the camera `holder`."""
    lens = holder.data
    lens.background_images.clear()
    background = lens.background_images.new()
    background.image = image
    background.frame_method = "FIT"
    background.alpha = 1.0
    lens.show_background_images = True
