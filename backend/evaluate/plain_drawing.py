"""Skeletons drawn in the straightforward way: a large canvas, dimmed and scaled as a whole, one person at a time.

What `backend.drawing` must equal to the pixel and is measured against; nothing is rendered with it.
"""

from __future__ import annotations

import colorsys
import math

import cv2
import numpy as np
import numpy.typing as npt

from backend.drawing import Style
from fleximo.arrays import FloatArray
from fleximo.layouts import FACE, HAND_EDGES, LEFT_HAND, RAINBOW, RIGHT_HAND

__all__ = ["draw_plainly"]

Picture = npt.NDArray[np.uint8]


def draw_plainly(points_px: FloatArray, confidence: FloatArray, size: tuple[int, int], style: Style) -> Picture:
    """People (N,18 or 128,2) px on a picture of `size` (W,H): (H,W,3) uint8, red and blue as the networks get them."""
    width, height = size
    scale = 1.0 if style.canvas_px is None else style.canvas_px / min(height, width)
    canvas = np.zeros((int(height * scale), int(width * scale), 3), dtype=np.uint8)
    canvas_size = np.array([canvas.shape[1], canvas.shape[0]], dtype=np.float32)
    people = (points_px.astype(np.float32) / np.array(size, dtype=np.float32)) * canvas_size
    confidence = confidence.astype(np.float32)
    if not style.fades:
        confidence = (confidence > 0).astype(np.float32)
    _limbs(canvas, people, confidence, style)
    canvas = (canvas * 0.6).astype(np.uint8)
    for joint in range(style.joints):
        for points, sure in zip(people, confidence):
            if sure[joint] > np.float32(0.3):
                colour = [int(channel * float(sure[joint])) for channel in RAINBOW[joint]]
                cv2.circle(canvas, _pixel(points[joint]), 4, colour, thickness=-1)
    if points_px.shape[1] == 128 and style.hands:
        for side in (LEFT_HAND, RIGHT_HAND):
            for points, sure in zip(people[:, side], confidence[:, side]):
                _hand(canvas, points, sure)
    if points_px.shape[1] == 128 and style.face:
        for points, sure in zip(people[:, FACE], confidence[:, FACE]):
            for point, one in zip(points, sure):
                if one > 0 and min(_pixel(point)) > 0:
                    cv2.circle(canvas, _pixel(point), 3, [int(float(one) * 255)] * 3, thickness=-1)
    return np.ascontiguousarray(cv2.resize(canvas, size, interpolation=cv2.INTER_LINEAR)[:, :, ::-1])


def _limbs(canvas: Picture, people: FloatArray, confidence: FloatArray, style: Style) -> None:
    for (start, stop), colour in zip(style.limbs, RAINBOW):
        for points, sure in zip(people, confidence):
            if min(sure[start], sure[stop]) <= np.float32(0.3):
                continue
            (ax, ay), (bx, by) = points[start].astype(float), points[stop].astype(float)
            centre = (int((points[start, 0] + points[stop, 0]) / 2), int((points[start, 1] + points[stop, 1]) / 2))
            axes = (int(math.hypot(ax - bx, ay - by) / 2), 4)
            angle = int(math.degrees(math.atan2(ay - by, ax - bx)))
            outline = cv2.ellipse2Poly(centre, axes, angle, 0, 360, 1)
            both = float(sure[start] * sure[stop])
            cv2.fillConvexPoly(canvas, outline, [int(channel * both) for channel in colour])


def _hand(canvas: Picture, points: FloatArray, confidence: FloatArray) -> None:
    for edge, (start, stop) in enumerate(HAND_EDGES):
        ends = (*_pixel(points[start]), *_pixel(points[stop]))
        if min(confidence[start], confidence[stop]) > 0 and min(ends) > 0:
            bright = int(float(confidence[start] * confidence[stop]) * 255)
            colour = [channel * bright for channel in colorsys.hsv_to_rgb(edge / len(HAND_EDGES), 1.0, 1.0)]
            cv2.line(canvas, ends[:2], ends[2:], colour, thickness=2)
    for point, sure in zip(points, confidence):
        if sure > 0 and min(_pixel(point)) > 0:
            cv2.circle(canvas, _pixel(point), 4, (0, 0, int(float(sure) * 255)), thickness=-1)


def _pixel(point: FloatArray) -> tuple[int, int]:
    return int(point[0]), int(point[1])
