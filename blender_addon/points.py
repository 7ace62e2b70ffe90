"""Key points placed by hand: 18 handles over the photo, dragged in the view through the take's camera.

Knows photo pixels, handles and the camera; what becomes of the points is the server's detection.
"""

from __future__ import annotations

import json
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from fleximo.arrays import FloatArray
from fleximo.camera import Camera, Framing
from fleximo.layouts import OPENPOSE_18
from fleximo.person import Person
from fleximo.puppet.rest import upright_figure

from . import axes, shot

__all__ = [
    "blank_camera",
    "canvas_points",
    "handles_of",
    "photo_points",
    "place_handles",
    "remove_handles",
    "start_points",
    "view_of",
]

_OF_TAKE = "fleximo_points_of"  # custom property of a handle: the take's uid
_SIZE_M = 0.03
_LENS_DEGREES = 35.0  # of the longer side: a portrait's usual lens
_HEIGHT_M, _DISTANCE_M = 1.0, 4.0


def blank_camera(framing: Framing) -> Camera:
    """A level camera before anything is known of the photo's, at half a person's height."""
    width, height = framing.canvas_size
    focal = 0.5 * max(width, height) / np.tan(np.radians(_LENS_DEGREES) / 2.0)
    lens = np.array([[focal, 0.0, width / 2.0], [0.0, focal, height / 2.0], [0.0, 0.0, 1.0]])
    view = np.diag([1.0, -1.0, -1.0, 1.0])
    view[:3, 3] = 0.0, _HEIGHT_M, _DISTANCE_M
    return Camera(lens, view[None], framing.canvas_size)


def view_of(take: Any) -> tuple[Camera, Framing]:
    """Camera and framing through which points are placed: the fitted ones, else blank ones."""
    if take.fitted_camera:
        return shot.camera_of(take)
    framing = Framing.from_json(json.loads(take.framing))
    return blank_camera(framing), framing


def start_points(person: Person | None, framing: Framing) -> FloatArray:
    """(18,2) photo px where the handles begin: at the points that were found, else an upright figure in the photo."""
    if person is not None:
        found = person.body_px.astype(np.float64).copy()
        missing = person.body_confidence <= 0.0
        found[missing] = upright_figure(person.photo_size)[missing]
        return found
    return upright_figure(framing.photo_size)


def place_handles(scene: Any, take: Any, camera: Camera, framing: Framing, points_px: FloatArray) -> None:
    """Makes the take's handles anew at `points_px` (18,2) of the photo, seen through `camera`."""
    remove_handles(take)
    take.placing = True
    canvas = framing.to_canvas(points_px)
    view = camera.world_to_camera[0]
    depth = float((view @ np.array([0.0, _HEIGHT_M, 0.0, 1.0]))[2])
    rays = np.concatenate((canvas - camera.K[:2, 2], np.full((18, 1), camera.K[0, 0])), axis=1) / camera.K[0, 0]
    seen = np.concatenate((rays * depth, np.ones((18, 1))), axis=1)
    places = axes.points_to_blender((seen @ np.linalg.inv(view).T)[:, :3])
    for name, place in zip(OPENPOSE_18.names, places):
        handle = bpy.data.objects.new(_mirrored_name(name), None)
        handle.empty_display_type, handle.empty_display_size = "SPHERE", _SIZE_M
        handle.show_in_front = handle.show_name = True
        handle.location = place
        handle.lock_rotation = handle.lock_scale = (True, True, True)
        handle[_OF_TAKE], handle["point"] = take.uid, name
        scene.collection.objects.link(handle)


def _mirrored_name(name: str) -> str:
    """left_wrist -> wrist.L, the form by which Blender mirrors names."""
    side, _, part = name.partition("_")
    return f"{part}.{side[0].upper()}" if side in ("left", "right") else name


def handles_of(take: Any) -> dict[str, Any]:
    """The take's handles by key point, empty where none are placed."""
    return {each["point"]: each for each in bpy.data.objects if each.get(_OF_TAKE) == take.uid}


def remove_handles(take: Any) -> None:
    """Takes the take's handles away."""
    for handle in handles_of(take).values():
        bpy.data.objects.remove(handle)
    take.placing = False


def canvas_points(handles: dict[str, Any], camera: Camera) -> FloatArray:
    """(18,2) canvas px of the handles; NaN where one was deleted or hidden: the photo does not show it."""
    places = np.full((18, 3), np.nan)
    for n, name in enumerate(OPENPOSE_18.names):
        handle = handles.get(name)
        if handle is not None and not handle.hide_get():
            places[n] = axes.points_from_blender(np.array(Vector(handle.matrix_world.translation)))
    return camera.project(places)[0]


def photo_points(take: Any, camera: Camera, framing: Framing) -> dict[str, tuple[float, float] | None]:
    """The points in photo px as detection takes them; None for those that the photo does not show."""
    places = framing.to_photo(canvas_points(handles_of(take), camera))
    return {
        name: (float(x), float(y)) if np.isfinite([x, y]).all() else None
        for name, (x, y) in zip(OPENPOSE_18.names, places)
    }
