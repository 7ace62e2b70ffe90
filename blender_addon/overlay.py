"""Over the camera view: the skeleton that the video model will see, in its shapes and colours, as the armature stands.

Draws the active take when one looks through its camera. A pose is projected when it changes; a redraw only draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import gpu
import numpy as np
from bpy.app.handlers import persistent
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Matrix, Vector

from fleximo.camera import Camera, Framing
from fleximo.errors import FleximoError
from fleximo.layouts import BODY, WHOLEBODY_128
from fleximo.paper_rescale import ClipFit, paper_rescale
from fleximo.person import Person
from fleximo.pose_track import PoseTrack
from fleximo.projection import project
from fleximo.rescale import Fit, apply_fit
from fleximo.skeleton_mesh import SkeletonMesh, skeleton_mesh

from . import points, sampling, shot, takes

__all__ = [
    "canvas_to_region",
    "close_overlay",
    "looks_through_camera",
    "on_pose_changed",
    "open_overlay",
    "track_now",
]

_NAMES = ("person", "fitted_camera", "framing", "fit", "seed")

_WIDTH_PX = 4.0  # of a limb in the view, at least
_MODELS_WIDTH = 1 / 270  # of a limb in the picture, by its shorter side

_handle: Any = None
_shown: _Shown | None = None
_listeners: list[Callable[[], None]] = []


class _Shown:
    """What is drawn at present, and what it was made of."""

    def __init__(self, take: Any) -> None:
        self.made_of = _made_of(take)
        self.person: Person = shot.person_of(take)
        self.camera: Camera
        self.framing: Framing
        self.camera, self.framing = shot.camera_of(take)
        self.fit: Fit
        self.paper: ClipFit | None
        self.fit, self.paper = shot.fit_of(take)
        self.seed: int = take.seed
        self.now: PoseTrack | None = None  # None: the pose has changed since it was projected
        self.batch: Any = None  # None: since it was drawn
        self.wider = 1.0  # the strokes of the batch

    def track(self, scene: Any, armature: Any) -> PoseTrack:
        """One frame: what the video model would see of the armature as it stands; projected once for all who draw."""
        if self.now is None:
            self.now = self._projected(scene, armature)
        return self.now

    def _projected(self, scene: Any, armature: Any) -> PoseTrack:
        fitted = apply_fit(sampling.pose_now(scene, armature), self.fit)
        track = project(fitted, self.camera, self.person, self.framing, seed=self.seed)
        if self.paper is None:
            return track
        reference = self.framing.to_canvas(self.person.body_px)
        return paper_rescale(track, reference, self.person.body_confidence, self.paper)


def _made_of(take: Any) -> tuple[Any, ...]:
    return (take.uid, *(getattr(take, name) for name in _NAMES))


def _current(take: Any) -> _Shown:
    """What is shown of `take`, made anew where the take has changed."""
    global _shown
    if _shown is None or _shown.made_of != _made_of(take):
        _shown = _Shown(take)
    return _shown


def track_now(scene: Any, take: Any) -> PoseTrack:
    """One frame: what the video model would see of `take` at this moment.

    Raises `FleximoError` where the take is not measured yet.
    """
    return _current(take).track(scene, take.armature)


def on_pose_changed(call: Callable[[], None]) -> None:
    """Calls `call` whenever a pose may have changed, until the overlay is closed."""
    _listeners.append(call)


def looks_through_camera(context: Any, take: Any) -> bool:
    """Whether the 3D view shows the photo of `take`."""
    region = context.region_data
    if take is None or region is None or take.camera is None:
        return False
    return bool(region.view_perspective == "CAMERA" and context.space_data.camera == take.camera)


def open_overlay() -> None:
    """Begins to draw in the 3D views, and to notice poses that change."""
    global _handle
    if not bpy.app.background:
        _handle = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")
    bpy.app.handlers.depsgraph_update_post.append(_pose_changed)
    bpy.app.handlers.frame_change_post.append(_pose_changed)


def close_overlay() -> None:
    """Undoes `open_overlay`."""
    global _handle, _shown
    if _handle is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handle, "WINDOW")
    for handlers in (bpy.app.handlers.depsgraph_update_post, bpy.app.handlers.frame_change_post):
        if _pose_changed in handlers:
            handlers.remove(_pose_changed)
    _listeners.clear()
    _handle = _shown = None


@persistent  # type: ignore[untyped-decorator]
def _pose_changed(*_: Any) -> None:
    if _shown is not None:
        _shown.now = _shown.batch = None
    for call in _listeners:
        call()


def _draw() -> None:
    context = bpy.context
    take = takes.active_take(context.scene)
    if not looks_through_camera(context, take):
        return
    if take.placing:
        _draw_points(context, take)
        return
    if take.armature is None:
        return
    if not take.fit:
        if not bpy.app.timers.is_registered(_measure):  # nothing may be written while drawing
            bpy.app.timers.register(_measure, first_interval=0.0)
        return
    if not context.scene.fleximo.show_overlay:
        return
    try:
        shown = _current(take)
        placed = canvas_to_region(context, shown.camera.size)
        wider = _wider(context, placed, shown.camera.size)
        if shown.batch is None or abs(wider - shown.wider) > 0.05 * wider:
            track = shown.track(context.scene, take.armature)
            shown.batch = _batch(skeleton_mesh(track.points_px[0], track.confidence[0], track.size, wider=wider))
            shown.wider = wider
    except FleximoError:
        return  # the panel says what the take lacks
    with gpu.matrix.push_pop():
        gpu.matrix.multiply_matrix(placed)
        shown.batch.draw(_shader())


def _draw_points(context: Any, take: Any) -> None:
    """The skeleton of the points that are being placed by hand."""
    camera, _ = points.view_of(take)
    body = points.canvas_points(points.handles_of(take), camera)
    places, seen = np.zeros((len(WHOLEBODY_128), 2)), np.zeros(len(WHOLEBODY_128))
    places[BODY], seen[BODY] = np.nan_to_num(body), np.isfinite(body).all(axis=-1)
    placed = canvas_to_region(context, camera.size)
    mesh = skeleton_mesh(places, seen, camera.size, wider=_wider(context, placed, camera.size))
    with gpu.matrix.push_pop():
        gpu.matrix.multiply_matrix(placed)
        _batch(mesh).draw(_shader())


def _wider(context: Any, placed: Matrix, size: tuple[int, int]) -> float:
    """How much wider than the video model's strokes they are drawn, so that people see them in a small view."""
    models = float(_MODELS_WIDTH * min(size) * placed[0][0])
    return max(1.0, float(_WIDTH_PX * context.preferences.system.ui_scale) / models)


def _measure() -> None:
    take = takes.active_take(bpy.context.scene)
    if take is None:
        return
    try:
        shot.measure(bpy.context.scene, take)
    except FleximoError:
        return
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def canvas_to_region(context: Any, canvas: tuple[int, int]) -> Matrix:
    """From pixels of the canvas (y down) to those of the 3D view's region (y up), looking through its camera."""
    holder = context.space_data.camera
    corners = [holder.matrix_world @ corner for corner in holder.data.view_frame(scene=context.scene)]
    places = [location_3d_to_region_2d(context.region, context.region_data, corner) for corner in corners]
    # The canvas lies whole and centred inside the camera's frame, as its picture does.
    low = Vector((min(place.x for place in places), min(place.y for place in places)))
    high = Vector((max(place.x for place in places), max(place.y for place in places)))
    scale = min((high.x - low.x) / canvas[0], (high.y - low.y) / canvas[1])
    middle = (low + high) / 2.0
    left, top = middle.x - scale * canvas[0] / 2.0, middle.y + scale * canvas[1] / 2.0
    return Matrix(((scale, 0.0, 0.0, left), (0.0, -scale, 0.0, top), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)))


def _shader() -> Any:
    return gpu.shader.from_builtin("SMOOTH_COLOR")


def _batch(mesh: SkeletonMesh) -> Any:
    count = len(mesh.corners_px)
    places = np.zeros((count, 3), dtype=np.float32)
    places[:, :2] = mesh.corners_px
    colours = np.ones((count, 4), dtype=np.float32)
    colours[:, :3] = mesh.colours
    form = gpu.types.GPUVertFormat()
    form.attr_add(id="pos", comp_type="F32", len=3, fetch_mode="FLOAT")
    form.attr_add(id="color", comp_type="F32", len=4, fetch_mode="FLOAT")
    vertices = gpu.types.GPUVertBuf(form, count)
    vertices.attr_fill("pos", places)
    vertices.attr_fill("color", colours)
    indices = gpu.types.GPUIndexBuf(type="TRIS", seq=mesh.triangles.astype(np.int32))
    return gpu.types.GPUBatch(type="TRIS", buf=vertices, elem=indices)
