"""The person of the photo in the viewport: her layers, cut by the server, follow the armature while it is posed.

Draws behind the bones when one looks through the take's camera. Knows a puppet, poses and the graphics card; the
movement of the layers is `fleximo.puppet`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import gpu
import numpy as np

from fleximo.arrays import FloatArray
from fleximo.errors import FleximoError
from fleximo.pose_track import PoseTrack
from fleximo.puppet import CELL, Placed, Puppet, Sequence, paint_hand

from . import overlay, shot, takes

__all__ = ["close_live_puppet", "is_live", "load", "open_live_puppet", "placed_now", "show", "stop"]

_BEHIND_M = 1.5  # how far behind the root the layers lie: behind the bones, before the floor's far lines
_ATLAS_WIDTH = 2048

_handle: Any = None
_live: _Live | None = None


class _Live:
    """The puppet of one take, on the graphics card."""

    def __init__(self, uid: str, puppet: Puppet) -> None:
        self.uid = uid
        self.puppet = puppet
        self.atlas: _Atlas | None = None
        self.layers: _Layers | None = None  # None: the pose has changed since they were made


def show(uid: str, puppet: Puppet) -> None:
    """Shows `puppet` for the take `uid` from now on, instead of another."""
    global _live
    _live = _Live(uid, puppet)
    take = takes.find_take(uid)[1]
    take.show_body = False
    if take.armature is not None:
        take.armature.show_in_front = False  # bones in front have a depth of their own, which the layers would cover


def stop() -> None:
    """Shows the plain photo again."""
    global _live
    if _live is not None:
        try:
            take = takes.find_take(_live.uid)[1]
        except FleximoError:
            take = None
        if take is not None and take.armature is not None:
            take.armature.show_in_front = True
    _live = None


def is_live(take: Any) -> bool:
    """Whether the take's puppet is shown."""
    return _live is not None and take is not None and _live.uid == take.uid


def open_live_puppet() -> None:
    """Begins to draw in the 3D views, as soon as there is a puppet."""
    global _handle
    if not bpy.app.background:
        _handle = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")
    overlay.on_pose_changed(_pose_changed)


def close_live_puppet() -> None:
    """Undoes `open_live_puppet`."""
    global _handle, _live
    if _handle is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handle, "WINDOW")
    _handle = _live = None


def _pose_changed() -> None:
    if _live is not None:
        _live.layers = None


def placed_now(puppet: Puppet, track: PoseTrack, take: Any) -> list[Placed]:
    """The textures of this moment's pose, back to front; `track` has one frame."""
    camera, _ = shot.camera_of(take)
    return Sequence(puppet, track, camera, shot.person_of(take).stature_m, paint_hand).frame(0)


def _draw() -> None:
    context = bpy.context
    take = takes.active_take(context.scene)
    if _live is None or not is_live(take) or not overlay.looks_through_camera(context, take):
        return
    if take.armature is None or not take.fit:
        return
    try:
        if _live.atlas is None:
            _live.atlas = _Atlas(_live.puppet)
        if _live.layers is None:
            track = overlay.track_now(context.scene, take)
            _live.layers = _Layers(_live.atlas, placed_now(_live.puppet, track, take))
    except FleximoError:
        return  # the panel says what the take lacks
    height, width = _live.puppet.scene.shape[:2]
    placed = overlay.canvas_to_region(context, (width, height))
    # From pixels of the region to the whole view, -1..1.
    placed[0][:] = [value * 2.0 / context.region.width for value in placed[0]]
    placed[1][:] = [value * 2.0 / context.region.height for value in placed[1]]
    placed[0][3] -= 1.0
    placed[1][3] -= 1.0
    gpu.state.blend_set("ALPHA_PREMULT")
    gpu.state.depth_test_set("LESS_EQUAL")
    _live.layers.draw(placed, (float(width), float(height)), _depth(context, take))
    gpu.state.depth_test_set("NONE")
    gpu.state.blend_set("NONE")


def _depth(context: Any, take: Any) -> float:
    """The depth -1..1 in the view of the plane on which the layers lie."""
    eye = context.region_data.view_matrix.inverted().translation
    root = take.armature.matrix_world @ take.armature.pose.bones[0].head
    behind = root + _BEHIND_M * (root - eye).normalized()
    seen = context.region_data.perspective_matrix @ behind.to_4d()
    return float(min(max(seen.z / seen.w, -1.0), 0.99999)) if seen.w > 0.0 else 0.99999


_VERTEX = """
void main()
{
  uv_px = uv;
  bounds = rect;
  canvas_px = pos;
  gl_Position = placed * vec4(pos, 0.0, 1.0);
  gl_Position.z = depth;
}
"""
# Bilinear between pixel centres at whole numbers, clear outside the texture's own part of the atlas: what OpenCV's
# remap does for the rendered video. The view keeps light, not sRGB: what is written is linear.
_FRAGMENT = """
vec4 texel(ivec2 at)
{
  bool inside = at.x >= int(bounds.x) && at.y >= int(bounds.y) && at.x < int(bounds.z) && at.y < int(bounds.w);
  return inside ? texelFetch(atlas, at, 0) : vec4(0.0);
}

void main()
{
  if (any(lessThan(canvas_px, vec2(0.0))) || any(greaterThan(canvas_px, canvas))) {
    discard;
  }
  vec2 base = floor(uv_px);
  vec2 part = uv_px - base;
  ivec2 at = ivec2(base);
  vec4 upper = mix(texel(at), texel(at + ivec2(1, 0)), part.x);
  vec4 lower = mix(texel(at + ivec2(0, 1)), texel(at + ivec2(1, 1)), part.x);
  vec4 premultiplied = mix(upper, lower, part.y);
  vec3 srgb = premultiplied.rgb / max(premultiplied.a, 1e-4);
  vec3 linear = mix(srgb / 12.92, pow((srgb + 0.055) / 1.055, vec3(2.4)), step(0.04045, srgb));
  colour = vec4(linear * premultiplied.a, premultiplied.a);
}
"""
_compiled: Any = None


def _shader() -> Any:
    global _compiled
    if _compiled is None:
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "placed")
        info.push_constant("VEC2", "canvas")
        info.push_constant("FLOAT", "depth")
        info.sampler(0, "FLOAT_2D", "atlas")
        info.vertex_in(0, "VEC2", "pos")
        info.vertex_in(1, "VEC2", "uv")
        info.vertex_in(2, "VEC4", "rect")
        between = gpu.types.GPUStageInterfaceInfo("fleximo_puppet")
        between.smooth("VEC2", "uv_px")
        between.smooth("VEC2", "canvas_px")
        between.flat("VEC4", "bounds")
        info.vertex_out(between)
        info.fragment_out(0, "VEC4", "colour")
        info.vertex_source(_VERTEX)
        info.fragment_source(_FRAGMENT)
        _compiled = gpu.shader.create_from_info(info)
    return _compiled


def _texture(pixels: Any) -> Any:
    """A texture of uint8 RGBA `pixels` (h,w,4)."""
    height, width = pixels.shape[:2]
    values = np.ascontiguousarray(pixels, dtype=np.float32) / 255.0
    data = gpu.types.Buffer("FLOAT", values.size, values.ravel())
    return gpu.types.GPUTexture((width, height), format="RGBA8", data=data)


class _Atlas:
    """All of a puppet's textures and its empty scene in one."""

    def __init__(self, puppet: Puppet) -> None:
        height, width = puppet.scene.shape[:2]
        scene = np.full((height, width, 4), 255, dtype=np.uint8)
        scene[..., :3] = puppet.scene
        self.scene = scene
        textures = [scene, *(piece.texture for piece in puppet.pieces)]
        self.corners: dict[int, tuple[int, int]] = {}  # id of the texture -> its place
        across = max(_ATLAS_WIDTH, width)
        x = y = shelf = 0
        for texture in sorted(textures, key=lambda texture: -texture.shape[0]):
            if x + texture.shape[1] > across:
                x, y, shelf = 0, y + shelf, 0
            self.corners[id(texture)] = (x, y)
            x, shelf = x + texture.shape[1], max(shelf, texture.shape[0])
        pixels = np.zeros((y + shelf, across, 4), dtype=np.uint8)
        for texture in textures:
            left, top = self.corners[id(texture)]
            pixels[top : top + texture.shape[0], left : left + texture.shape[1]] = texture
        self.texture = _texture(pixels)


class _Layers:
    """One pose: what is drawn, back to front, in as few batches as its textures allow."""

    def __init__(self, atlas: _Atlas, placed: list[Placed]) -> None:
        height, width = atlas.scene.shape[:2]
        whole = np.array([[[0.0, 0.0], [width, 0.0]], [[0.0, height], [width, height]]])
        meshes = [(whole, whole - 0.5, atlas.scene)]
        meshes += [(_nodes(layer), layer.grid, layer.texture) for layer in placed]
        self._batches: list[tuple[Any, Any]] = []
        waiting: list[tuple[FloatArray, FloatArray, tuple[int, int, int, int]]] = []
        for places, sources, texture in meshes:
            corner = atlas.corners.get(id(texture))
            if corner is not None:
                waiting.append((places, sources + corner, _rectangle(texture, corner)))
                continue
            self._batches.append((_batch(waiting), atlas.texture))
            self._batches.append((_batch([(places, sources, _rectangle(texture, (0, 0)))]), _texture(texture)))
            waiting = []
        if waiting:
            self._batches.append((_batch(waiting), atlas.texture))

    def draw(self, placed: Any, canvas: tuple[float, float], depth: float) -> None:
        shader = _shader()
        shader.bind()
        shader.uniform_float("placed", placed)
        shader.uniform_float("canvas", canvas)
        shader.uniform_float("depth", depth)
        for batch, texture in self._batches:
            shader.uniform_sampler("atlas", texture)
            batch.draw(shader)


def _rectangle(texture: Any, corner: tuple[int, int]) -> tuple[int, int, int, int]:
    return (*corner, corner[0] + texture.shape[1], corner[1] + texture.shape[0])


def _nodes(layer: Placed) -> FloatArray:
    """(rows,columns,2) canvas px of the nodes of the layer's grid."""
    rows, columns = layer.grid.shape[:2]
    x0, y0 = layer.box[:2]
    across, down = x0 - CELL / 2 + CELL * np.arange(columns), y0 - CELL / 2 + CELL * np.arange(rows)
    return np.stack(np.meshgrid(across, down), axis=-1)


def _batch(meshes: list[tuple[FloatArray, FloatArray, tuple[int, int, int, int]]]) -> Any:
    """Grids of quads: places and sources (rows,columns,2), and the rectangle that the sources keep to."""
    places, sources, rectangles, triangles = [], [], [], []
    count = 0
    for nodes, source, rectangle in meshes:
        rows, columns = nodes.shape[:2]
        number = count + np.arange(rows * columns).reshape(rows, columns)
        a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
        triangles.append(np.stack((a, b, d, a, d, c), axis=-1).reshape(-1, 3))
        places.append(nodes.reshape(-1, 2))
        sources.append(source.reshape(-1, 2))
        rectangles.append(np.tile(rectangle, (rows * columns, 1)))
        count += rows * columns
    form = gpu.types.GPUVertFormat()
    form.attr_add(id="pos", comp_type="F32", len=2, fetch_mode="FLOAT")
    form.attr_add(id="uv", comp_type="F32", len=2, fetch_mode="FLOAT")
    form.attr_add(id="rect", comp_type="F32", len=4, fetch_mode="FLOAT")
    vertices = gpu.types.GPUVertBuf(form, count)
    for name, values in (("pos", places), ("uv", sources), ("rect", rectangles)):
        vertices.attr_fill(name, np.ascontiguousarray(np.concatenate(values), dtype=np.float32))
    indices = gpu.types.GPUIndexBuf(type="TRIS", seq=np.concatenate(triangles).astype(np.int32))
    return gpu.types.GPUBatch(type="TRIS", buf=vertices, elem=indices)


def load(path: Path) -> Puppet:
    """The puppet in a file that the server made."""
    return Puppet.from_bytes(path.read_bytes())
