"""The skeleton as triangles is the skeleton that the video model is shown."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from backend.drawing import draw_track
from fleximo import Camera, PoseTrack
from fleximo.layouts import OPENPOSE_18
from fleximo.moves import generate
from fleximo.plan import MotionPlan, Segment
from fleximo.projection import project
from fleximo.skeleton_mesh import skeleton_mesh

SIZE = (576, 1024)
FINE = 8


@pytest.fixture(scope="module")
def track() -> PoseTrack:
    view = np.diag([1.0, -1.0, -1.0, 1.0])
    view[:3, 3] = 0.0, 0.9, 4.0
    camera = Camera(np.array([[1500.0, 0.0, 288.0], [0.0, 1500.0, 512.0], [0.0, 0.0, 1.0]]), view[None], SIZE)
    return project(generate(MotionPlan((Segment("wave", 1.0),))), camera)


def rasterised(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """(H,W,3) 0..255, every triangle filled on a canvas `FINE` times as large, then averaged."""
    mesh = skeleton_mesh(points, confidence, SIZE)
    canvas = np.zeros((SIZE[1] * FINE, SIZE[0] * FINE, 3), dtype=np.uint8)
    corners = np.round((mesh.corners_px * FINE - 0.5) * 16).astype(np.int32)
    for triangle in mesh.triangles:
        colour = (mesh.colours[triangle[0]] * 255).tolist()
        cv2.fillConvexPoly(canvas, corners[triangle], colour, shift=4)
    return cv2.resize(canvas, SIZE, interpolation=cv2.INTER_AREA).astype(float)


def test_it_looks_as_the_drawn_skeleton(track: PoseTrack) -> None:
    drawn = next(iter(draw_track(track[10:11]))).astype(float)
    mesh = rasterised(track.points_px[10], track.confidence[10])
    inked = (drawn.max(axis=-1) > 40) | (mesh.max(axis=-1) > 40)
    near = cv2.GaussianBlur(drawn, (0, 0), 1.5) - cv2.GaussianBlur(mesh, (0, 0), 1.5)
    assert np.abs(near)[inked].mean() < 8.0
    wrong = cv2.GaussianBlur(drawn, (0, 0), 1.5) - cv2.GaussianBlur(mesh[..., ::-1], (0, 0), 1.5)
    assert np.abs(wrong)[inked].mean() > 20.0, "red and blue exchanged would be seen"


def test_what_is_not_there_is_not_drawn(track: PoseTrack) -> None:
    points, confidence = track.points_px[10], track.confidence[10].copy()
    whole = len(skeleton_mesh(points, confidence, SIZE).triangles)
    confidence[OPENPOSE_18.index("left_wrist")] = 0.0
    assert len(skeleton_mesh(points, confidence, SIZE).triangles) < whole
    nothing = skeleton_mesh(points, np.zeros(128), SIZE)
    assert len(nothing.triangles) == 0 and nothing.corners_px.shape == (0, 2)


def test_it_is_quick(track: PoseTrack) -> None:
    times = []
    for _ in range(20):
        started = time.process_time()
        skeleton_mesh(track.points_px[10], track.confidence[10], SIZE)
        times.append(time.process_time() - started)
    assert min(times) < 0.002
    print(min(times))
