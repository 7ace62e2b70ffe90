"""Motion trails and ghosts of the active take in the 3D views: where hands, feet, head and hips go, and the body there.

What is drawn is kept until the frame or the keys change. Poses are `keyed_pose`'s, lines and fades `fleximo.trails`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import bpy
import gpu
import numpy as np
from bpy.app.handlers import persistent

from fleximo.body import SkinnedBody, fitted_body, mannequin, skinned
from fleximo.rig import DEFAULT_RIG
from fleximo.trails import TRAILED, discs, ghost_frames, trail_fades, trail_frames, trail_lines

from . import axes, body, keyed_pose, sampling, takes
from .limb_ik import LIMBS, control_of, pole_of

__all__ = ["Trails", "close_trails", "open_trails", "trails_now"]

_SIDES = {"left": (0.25, 0.58, 1.0), "right": (1.0, 0.33, 0.28), "": (1.0, 0.76, 0.22)}
_BEFORE, _AFTER = (0.35, 0.75, 1.0), (1.0, 0.62, 0.25)  # the colours of ghosts
_LINE_PX, _DOT_PX, _KEY_PX = 2.0, 2.2, 5.0
_KEY_COLOUR = (1.0, 1.0, 1.0)
_MOST_KEPT, _MOST_SURFACES = 2_000, 200  # frames; a surface takes 40 KiB
_NAMES = ("show_trails", "trail_frames", "ghosts", "ghost_step")

_handles: list[Any] = []
_kept: _Kept | None = None
_drawn: _Drawn | None = None


@dataclass
class _Kept:
    """What is known of one armature's frames as long as its keys are the same."""

    made_of: tuple[Any, ...]
    body: SkinnedBody
    poses: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # frame -> turns (52,4), places (52,3)
    surfaces: dict[int, Any] = field(default_factory=dict)  # frame -> (N,3) m in the armature's axes
    keys: dict[str, set[int]] = field(default_factory=dict)  # joint -> frames with keys by hand

    def pose(self, armature: Any, frames: range | list[int]) -> None:
        """Looks up the frames that are not known yet."""
        new = [frame for frame in frames if frame not in self.poses]
        if len(self.poses) + len(new) > _MOST_KEPT:
            self.poses.clear()
            self.surfaces.clear()
            new = list(frames)
        if new:
            found = keyed_pose.keyed_poses(armature, new)
            self.poses.update(zip(new, zip(found.turns, found.places)))

    def surface(self, frame: int) -> Any:
        """(N,3) m of the body at a known frame."""
        if frame not in self.surfaces:
            if len(self.surfaces) >= _MOST_SURFACES:
                self.surfaces.clear()
            self.surfaces[frame] = axes.points_to_blender(skinned(self.body, *self.poses[frame])).astype(np.float32)
        return self.surfaces[frame]


@dataclass
class Trails:
    """What is shown at one frame, in the armature's axes."""

    frames: range
    current: int
    paths: Any  # (K,T,3) m of the trailed joints
    keyed: Any  # (K,T) bool: keyed by hand there
    fades: Any  # (T,)
    ghosts: list[tuple[Any, tuple[float, ...]]]  # surfaces (N,3) m and RGBA, farthest first


@dataclass
class _Drawn:
    """What is on the graphics card, and what it was made of."""

    made_of: tuple[Any, ...]
    trails: Trails
    lines: Any
    ghosts: list[Any]
    centres: list[Any]  # (3,) m of each ghost
    dots: Any = None
    dots_of: bytes = b""  # the view that the dots face


def open_trails() -> None:
    """Begins to draw in the 3D views, and to notice keys that change."""
    if not bpy.app.background:
        for call in (_draw_ghosts, _draw_trails):
            _handles.append(bpy.types.SpaceView3D.draw_handler_add(call, (), "WINDOW", "POST_VIEW"))
    bpy.app.handlers.depsgraph_update_post.append(_keys_changed)
    for handlers in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post, bpy.app.handlers.load_post):
        handlers.append(_forget)


def close_trails() -> None:
    """Undoes `open_trails`."""
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
    handlers = bpy.app.handlers
    for kind, call in (
        (handlers.depsgraph_update_post, _keys_changed),
        (handlers.undo_post, _forget),
        (handlers.redo_post, _forget),
        (handlers.load_post, _forget),
    ):
        if call in kind:
            kind.remove(call)
    _forget()


@persistent  # type: ignore[untyped-decorator]
def _keys_changed(_scene: Any, graph: Any) -> None:
    if _kept is None:
        return
    # A pose alone updates the armature too; bones change in its edit mode only.
    if graph.id_type_updated("ACTION") or (bpy.context.mode == "EDIT_ARMATURE" and graph.id_type_updated("ARMATURE")):
        _forget()


@persistent  # type: ignore[untyped-decorator]
def _forget(*_: Any) -> None:
    global _kept, _drawn
    _kept = _drawn = None


def _settings(scene: Any, take: Any) -> tuple[Any, ...]:
    state = scene.fleximo
    return (scene.frame_current, take.frame_start, take.frame_end, *(getattr(state, name) for name in _NAMES))


def trails_now(scene: Any, take: Any) -> Trails:
    """What is to be shown of the take at the scene's current frame; its armature must have the default rig's bones."""
    global _kept
    armature, state = take.armature, scene.fleximo
    made_of = (armature.name_full, keyed_pose.played(armature))
    if _kept is None or _kept.made_of != made_of:
        rig = sampling.rig_of(armature)
        _kept = _Kept(made_of, fitted_body(mannequin(), rig), keys=_keys_by_hand(armature))
    current, start, stop = scene.frame_current, take.frame_start, take.frame_end + 1
    frames = trail_frames(current, start, stop, state.trail_frames)
    ghosts = ghost_frames(current, start, stop, state.ghosts, state.ghost_step)
    _kept.pose(armature, [*frames, *ghosts])
    joints = [DEFAULT_RIG.index(name) for name in TRAILED]
    places = np.array([_kept.poses[frame][1][joints] for frame in frames]).reshape(-1, len(joints), 3)
    paths = axes.points_to_blender(places.swapaxes(0, 1))
    keyed = np.array([[frame in _kept.keys[name] for frame in frames] for name in TRAILED], dtype=bool)
    surfaces: list[tuple[Any, tuple[float, ...]]] = [
        (_kept.surface(frame), (*(_BEFORE if frame < current else _AFTER), opaque)) for frame, opaque in ghosts.items()
    ]
    return Trails(frames, current, paths, keyed, trail_fades(frames, current, state.trail_frames), surfaces)


def _keys_by_hand(armature: Any) -> dict[str, set[int]]:
    """Per trailed joint the frames at which a key by hand moves it: its own, or one of what it hangs on."""
    keys = {}
    for name in TRAILED:
        chain = [name]
        while (parent := int(DEFAULT_RIG.parents[DEFAULT_RIG.index(chain[-1])])) >= 0:
            chain.append(DEFAULT_RIG.joint_names[parent])
        chain += [own(limb) for limb, bones in LIMBS.items() if bones[-1] == name for own in (control_of, pole_of)]
        keys[name] = {round(frame) for frame in keyed_pose.hand_keys(armature, chain)}
    return keys


def _take_to_draw() -> Any:
    """The active take where its trails are to be seen, else None."""
    scene = bpy.context.scene
    take = takes.active_take(scene)
    if take is None or not scene.fleximo.show_trails or take.armature is None or not take.armature.visible_get():
        return None
    return take if body.can_have_body(take.armature) else None


def _current(take: Any) -> _Drawn:
    """What is drawn of the take, made anew where frame, keys or switches have changed."""
    global _drawn
    scene = bpy.context.scene
    made_of = (take.uid, keyed_pose.played(take.armature), *_settings(scene, take))
    if _drawn is None or _drawn.made_of != made_of:
        trails = trails_now(scene, take)
        colours = np.array([_SIDES[side] for side in TRAILED.values()])
        lines = trail_lines(trails.paths, colours, trails.fades)
        batch = _batch("LINES", lines.places, lines.colours) if len(lines.places) else None
        centres = [surface.mean(axis=0) for surface, _ in trails.ghosts]
        _drawn = _Drawn(made_of, trails, batch, [_ghost(*ghost) for ghost in trails.ghosts], centres)
    return _drawn


def _ghost(surface: Any, colour: tuple[float, ...]) -> Any:
    faces = mannequin().faces
    triangles = np.concatenate((faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]))
    return _batch("TRIS", surface, np.tile(colour, (len(surface), 1)), triangles)


def _batch(kind: str, places: Any, colours: Any, rows: Any = None) -> Any:
    form = gpu.types.GPUVertFormat()
    form.attr_add(id="pos", comp_type="F32", len=3, fetch_mode="FLOAT")
    form.attr_add(id="color", comp_type="F32", len=4, fetch_mode="FLOAT")
    vertices = gpu.types.GPUVertBuf(form, len(places))
    vertices.attr_fill("pos", np.ascontiguousarray(places, dtype=np.float32))
    vertices.attr_fill("color", np.ascontiguousarray(colours, dtype=np.float32))
    if rows is None:
        return gpu.types.GPUBatch(type=kind, buf=vertices)
    order = gpu.types.GPUIndexBuf(type=kind, seq=np.ascontiguousarray(rows, dtype=np.int32))
    return gpu.types.GPUBatch(type=kind, buf=vertices, elem=order)


def _draw_ghosts() -> None:
    take, context = _take_to_draw(), bpy.context
    if take is None or not context.scene.fleximo.ghosts:
        return
    drawn, world = _current(take), take.armature.matrix_world
    view = np.array(context.region_data.view_matrix @ world)[2]
    away = [-float(centre @ view[:3]) for centre in drawn.centres]
    shader = gpu.shader.from_builtin("SMOOTH_COLOR")
    gpu.state.blend_set("ALPHA")
    gpu.state.face_culling_set("BACK")
    gpu.state.depth_test_set("LESS_EQUAL")
    with gpu.matrix.push_pop():
        gpu.matrix.multiply_matrix(world)
        # From the farthest on; of each only the surface in front is seen, told by its depth before its colour.
        for number in sorted(range(len(away)), key=lambda number: -away[number]):
            for colours in (False, True):
                gpu.state.color_mask_set(colours, colours, colours, colours)
                gpu.state.depth_mask_set(not colours)
                drawn.ghosts[number].draw(shader)
    gpu.state.depth_mask_set(False)
    gpu.state.depth_test_set("NONE")
    gpu.state.face_culling_set("NONE")
    gpu.state.blend_set("NONE")


def _draw_trails() -> None:
    take, context = _take_to_draw(), bpy.context
    if take is None:
        return
    drawn, scale = _current(take), context.preferences.system.ui_scale
    if drawn.lines is None:
        return
    world, region = take.armature.matrix_world, context.region
    view = np.array(context.region_data.view_matrix @ world)
    seen = np.array(context.region_data.perspective_matrix @ world)
    gpu.state.blend_set("ALPHA")
    with gpu.matrix.push_pop():
        gpu.matrix.multiply_matrix(world)
        lines = gpu.shader.from_builtin("POLYLINE_SMOOTH_COLOR")
        lines.bind()
        lines.uniform_float("viewportSize", (region.width, region.height))
        lines.uniform_float("lineWidth", _LINE_PX * scale)
        drawn.lines.draw(lines)
        dots_of = seen.tobytes() + bytes(f"{region.width} {region.height} {scale}", "ascii")
        if drawn.dots_of != dots_of:
            upright = context.region_data.window_matrix[1][1] * region.height / 2.0
            drawn.dots, drawn.dots_of = _dots(drawn.trails, view, seen[3], scale / upright), dots_of
        drawn.dots.draw(gpu.shader.from_builtin("SMOOTH_COLOR"))
    gpu.state.blend_set("NONE")


def _dots(trails: Trails, view: Any, depth: Any, pixel: float) -> Any:
    """A dot per frame, larger and white where there is a key by hand, that faces `view` (4,4).

    `depth` (4,): by which a place is as far away as it tells; `pixel`: the size of a pixel at the distance of 1.
    """
    count = trails.paths.shape[1]
    away = trails.paths @ depth[:3] + depth[3]
    size = np.linalg.norm(view[0, :3])
    radii = np.where(trails.keyed, _KEY_PX, _DOT_PX) * pixel * np.abs(away) / size
    across, up = view[0, :3] / size, view[1, :3] / size
    colours = np.empty((len(TRAILED), count, 4))
    colours[..., :3] = np.array([_SIDES[side] for side in TRAILED.values()])[:, None]
    colours[..., 3] = trails.fades
    colours[trails.keyed] = (*_KEY_COLOUR, 1.0)
    if trails.current in trails.frames:
        radii[:, trails.frames.index(trails.current)] *= 1.6
    corners, triangles = discs(trails.paths.reshape(-1, 3), radii.ravel(), across, up)
    return _batch(
        "TRIS", corners.reshape(-1, 3), np.repeat(colours.reshape(-1, 4), corners.shape[1], axis=0), triangles
    )
