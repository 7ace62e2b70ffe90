"""Framing and camera, judged by OpenCV where it has the same thing."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleximo.camera import Camera, Framing
from fleximo.errors import FleximoError

K = np.array([[900.0, 0.0, 288.0], [0.0, 910.0, 512.0], [0.0, 0.0, 1.0]])


def _pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = cv2.Rodrigues(rng.normal(size=3) * 0.3)[0]
    matrix[:3, 3] = (0.1, 0.2, 4.0)
    return matrix


@given(st.floats(0.05, 20.0), st.floats(-500, 500), st.floats(-500, 500))
def test_framing_maps_both_ways(scale: float, x: float, y: float):
    framing = Framing((640, 480), (576, 1024), scale, (x, y))
    points = np.random.default_rng(0).uniform(-100, 700, (4, 5, 2))
    np.testing.assert_allclose(framing.to_photo(framing.to_canvas(points)), points, atol=1e-6)
    homogeneous = np.concatenate((points, np.ones((4, 5, 1))), axis=-1)
    np.testing.assert_allclose(homogeneous @ framing.matrix.T, framing.to_canvas(points), atol=1e-6)
    assert Framing.from_json(framing.to_json()) == framing


@pytest.mark.parametrize("fields", [
    ((0, 5), (5, 5), 1.0, (0.0, 0.0)), ((5, 5), (5, -1), 1.0, (0.0, 0.0)), ((5, 5), (5, 5), 0.0, (0.0, 0.0)),
    ((5, 5), (5, 5), float("nan"), (0.0, 0.0)), ((5, 5), (5, 5), 1.0, (float("inf"), 0.0)),
])  # fmt: skip
def test_framings_without_sense_are_refused(fields):
    with pytest.raises(FleximoError):
        Framing(*fields)


@pytest.mark.parametrize("document", [{}, {"photo_size": [1]}, {"photo_size": "x", "canvas_size": [1, 1]}])
def test_framing_documents_are_checked(document: dict[str, object]):
    with pytest.raises(FleximoError, match="framing cannot be read"):
        Framing.from_json(document)


def test_projection_against_opencv():
    world_to_camera = _pose(1)
    camera = Camera(K, world_to_camera, (576, 1024))
    points = np.random.default_rng(2).normal(size=(6, 7, 3))
    pixels, depth = camera.project(points)
    rotation, _ = cv2.Rodrigues(world_to_camera[:3, :3])
    expected, _ = cv2.projectPoints(points.reshape(-1, 1, 3), rotation, world_to_camera[:3, 3], K, None)
    np.testing.assert_allclose(pixels, expected.reshape(6, 7, 2), atol=1e-6)
    np.testing.assert_allclose(depth, camera.to_camera(points)[..., 2])


def test_a_moving_camera_is_one_still_camera_per_frame():
    poses = np.stack([_pose(seed) for seed in range(5)])
    camera = Camera(K, poses, (576, 1024))
    points = np.random.default_rng(3).normal(size=(5, 22, 3))
    pixels, _ = camera.project(points)
    for frame in range(5):
        still, _ = Camera(K, poses[frame], (576, 1024)).project(points[frame])
        np.testing.assert_allclose(pixels[frame], still, atol=1e-9)
    np.testing.assert_allclose(camera[2:4].project(points[2:4])[0], pixels[2:4], atol=1e-12)
    with pytest.raises(FleximoError, match="moves over 5 frames, the points over 4"):
        camera.project(points[:4])


def test_points_behind_the_camera_stay_finite_and_are_told_by_depth():
    camera = Camera(K, np.eye(4), (576, 1024))
    pixels, depth = camera.project(np.array([[0.1, 0.2, -1.0], [0.0, 0.0, 0.0]]))
    assert np.isfinite(pixels).all()
    assert (depth <= 0.0).all()


def test_bytes_round_trip_and_refusals():
    camera = Camera(K, _pose(4), (576, 1024))
    again = Camera.from_bytes(camera.to_bytes())
    np.testing.assert_array_equal(again.K, camera.K)
    np.testing.assert_array_equal(again.world_to_camera, camera.world_to_camera)
    assert again.size == (576, 1024)
    with pytest.raises(FleximoError, match="no readable camera file"):
        Camera.from_bytes(b"nothing")
    odd = io.BytesIO()
    np.savez(odd, K=K, world_to_camera=_pose(1), size=np.zeros(1))
    with pytest.raises(FleximoError, match="camera file cannot be read"):
        Camera.from_bytes(odd.getvalue())
    with pytest.raises(FleximoError, match="focal lengths above 0"):
        Camera(np.diag([-1.0, 1.0, 1.0]), np.eye(4), (5, 5))
    with pytest.raises(FleximoError, match=r"Camera.K has the shape"):
        Camera(np.eye(4), np.eye(4), (5, 5))
