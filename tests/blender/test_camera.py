"""The Blender camera projects as the fitted camera does, and the photo lies behind it where the canvas has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleximo import Camera, FleximoError, Framing, Person

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed")

PEOPLE = Path(__file__).resolve().parents[1] / "data" / "people"
PORTRAIT = (576, 1024)


def tilted_camera(size: tuple[int, int] = PORTRAIT) -> Camera:
    """4 m before the origin, 1.2 m high, tilted, with a principal point off the centre."""
    pitch = 0.1
    rotation = np.array([[1, 0, 0], [0, -np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), -np.cos(pitch)]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, rotation @ [0.1, -1.2, -4.0]
    centre = (size[0] * 0.48, size[1] * 0.53)
    return Camera(np.array([[1200.0, 0, centre[0]], [0, 1200.0, centre[1]], [0, 0, 1]]), matrix, size)


def seen_by_blender(addon: Any, scene: Any, holder: Any, points_m: Any, canvas: tuple[int, int]) -> Any:
    """Canvas pixels of Fleximo points by Blender's own projection; the canvas is centred and whole in the frame."""
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    bpy.context.view_layer.update()
    render = scene.render
    frame = np.array(
        [render.resolution_x * render.pixel_aspect_x, render.resolution_y * render.pixel_aspect_y], dtype=float
    )
    world = addon("axes").points_to_blender(points_m)
    views = np.array([world_to_camera_view(scene, holder, Vector(point))[:2] for point in world])
    pixels = np.stack((views[:, 0], 1.0 - views[:, 1]), axis=-1) * frame
    zoom = (frame / canvas).min()
    return (pixels - (frame - zoom * np.array(canvas)) / 2.0) / zoom


@pytest.mark.parametrize("resolution", [(1920, 1080), (576, 1024), (1080, 1080), (4096, 300)])
def test_projection_is_the_fitted_cameras_whatever_the_scenes_resolution(
    addon: Any, scene: Any, resolution: tuple[int, int]
) -> None:
    camera = tilted_camera()
    points = np.random.default_rng(3).uniform((-0.8, 0.0, -0.5), (0.8, 1.9, 0.5), (60, 3))
    wanted, depth = camera.project(points)
    assert depth.min() > 2.0
    scene.render.resolution_x, scene.render.resolution_y = 1920, 1080
    holder = addon("camera").make_camera(scene, camera, "Camera")
    scene.render.resolution_x, scene.render.resolution_y = resolution  # changed afterwards: the camera follows
    assert np.abs(seen_by_blender(addon, scene, holder, points, camera.size) - wanted).max() < 0.01
    scene.render.pixel_aspect_x = 1.4
    assert np.abs(seen_by_blender(addon, scene, holder, points, camera.size) - wanted).max() < 0.01
    left, right = camera.project(np.array([[0.5, 1.0, 0.0], [-0.5, 1.0, 0.0]]))[0][:, 0]
    assert left > right  # her left is on the picture's right


def test_fitting_again_keeps_the_camera_object(addon: Any, scene: Any) -> None:
    make_camera = addon("camera").make_camera
    first = make_camera(scene, tilted_camera(), "Camera")
    second = make_camera(scene, tilted_camera((1024, 576)), "Camera", first)
    assert first == second and len(bpy.data.cameras) == 1
    assert len(first.data.animation_data.drivers) == 3


def test_cameras_that_blender_cannot_show_are_refused(addon: Any, scene: Any) -> None:
    camera = tilted_camera()
    matrix = camera.K.copy()
    matrix[1, 1] *= 1.1
    with pytest.raises(FleximoError, match="square pixels"):
        addon("camera").make_camera(scene, Camera(matrix, camera.world_to_camera, camera.size), "Camera")
    with pytest.raises(FleximoError, match="moves"):
        moving = Camera(camera.K, np.repeat(camera.world_to_camera, 2, axis=0), camera.size)
        addon("camera").make_camera(scene, moving, "Camera")


def canvas_image(addon: Any, path: Path, framing: Framing, name: str) -> Any:
    steps = addon("photo").canvas_steps(path, framing, name)
    try:
        while True:
            assert 0.0 <= next(steps) <= 1.0
    except StopIteration as end:
        return bpy.data.images[end.value]


def test_the_canvas_picture_is_the_photo_placed_by_the_framing(addon: Any, scene: Any) -> None:
    from PIL import Image

    photo = np.asarray(Image.open(PEOPLE / "anna.jpg").convert("RGB")) / 255.0
    height, width = photo.shape[:2]
    framing = Framing((width, height), (400, 300), 0.25, (30.0, 20.0))
    image = canvas_image(addon, PEOPLE / "anna.jpg", framing, "canvas")
    pixels = np.array(image.pixels[:]).reshape(300, 400, 4)[::-1]
    assert image.packed_file is not None
    assert pixels[5, 5, 3] == 0 and pixels[100, 100, 3] == 1
    for x, y in ((60, 60), (100, 150), (150, 200)):
        left, top = (int(4 * (x - 30)), int(4 * (y - 20)))
        wanted = photo[top : top + 4, left : left + 4].mean(axis=(0, 1))
        assert np.abs(pixels[y, x, :3] - wanted).max() < 0.01


def test_a_camera_fitted_again_has_one_picture(addon: Any, scene: Any, anna: Person) -> None:
    take = addon("takes").add_take(scene)
    take.photo = str(PEOPLE / "anna.jpg")
    addon("shot").store_person(take, anna, "")
    for _ in range(2):
        assert bpy.ops.fleximo.fit_camera() == {"FINISHED"}
        assert [image.name for image in bpy.data.images] == ["Take 1 photo"]
        assert addon("camera").background_of(take.camera) == bpy.data.images[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_stand_upright_as_exif_asks(addon: Any, scene: Any, tmp_path: Path, orientation: int) -> None:
    from PIL import Image, ImageOps

    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(PEOPLE / "anna.jpg").resize((120, 200)).save(path, exif=exif, quality=95)
    upright = ImageOps.exif_transpose(Image.open(path))
    framing = Framing(upright.size, upright.size, 1.0, (0.0, 0.0))
    image = canvas_image(addon, path, framing, "upright")
    pixels = np.array(image.pixels[:]).reshape(upright.size[1], upright.size[0], 4)[::-1, :, :3]
    assert np.abs(pixels - np.asarray(upright) / 255.0).max() < 0.02


def test_a_photo_that_changed_or_is_none_is_refused_in_words(addon: Any, scene: Any, tmp_path: Path) -> None:
    with pytest.raises(FleximoError, match="Detect Pose again"):
        canvas_image(addon, PEOPLE / "anna.jpg", Framing((10, 10), (10, 10), 1.0, (0.0, 0.0)), "canvas")
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(FleximoError, match="cannot be read as a picture"):
        canvas_image(addon, tmp_path / "text.jpg", Framing((10, 10), (10, 10), 1.0, (0.0, 0.0)), "canvas")
