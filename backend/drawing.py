"""Pose tracks as pictures: the skeleton on black that video models are given.

Colours and limb order are the OpenPose convention of `fleximo.layouts`; brightness follows confidence. Knows tracks
and pixels, not where they come from.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from fleximo.layouts import HAND_EDGES, OPENPOSE_18, RAINBOW
from fleximo.pose_track import PoseTrack

__all__ = ["draw_track"]

Picture = npt.NDArray[np.uint8]

_SHOWN = 0.3  # points of lower confidence are not drawn (MimicMotion's threshold)
_LIMB_SHADE = 0.6  # limbs are darkened before the joints are drawn over them
_SUBPIXEL = 4  # OpenCV's fixed-point bits: coordinates are drawn to 1/16 px


def draw_track(track: PoseTrack) -> Iterator[Picture]:
    """Each frame's skeleton on black, (H,W,3) uint8 RGB, drawn on the track's canvas."""
    for points, confidence in zip(track.points_px, track.confidence):
        yield _draw(points, confidence, track.size)


def _draw(points: npt.NDArray[np.floating], confidence: npt.NDArray[np.floating], size: tuple[int, int]) -> Picture:
    width, height = size
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    unit = min(width, height) / 576.0
    _draw_limbs(canvas, points[:18], confidence[:18], unit)
    canvas = (canvas * _LIMB_SHADE).astype(np.uint8)
    for joint in range(18):
        if confidence[joint] > _SHOWN:
            _dot(canvas, points[joint], 4.0 * unit, np.array(RAINBOW[joint]) * float(confidence[joint]))
    if len(points) == 128:
        for start in (86, 107):
            _draw_hand(canvas, points[start : start + 21], confidence[start : start + 21], unit)
        for point, sure in zip(points[18:86], confidence[18:86]):
            if sure > _SHOWN:
                _dot(canvas, point, 1.6 * unit, np.full(3, 255.0 * float(sure)))
    return canvas


def _draw_limbs(canvas: Picture, points: npt.NDArray, confidence: npt.NDArray, unit: float) -> None:
    for (start, stop), colour in zip(OPENPOSE_18.limbs, OPENPOSE_18.limb_colours):
        if min(confidence[start], confidence[stop]) <= _SHOWN:
            continue
        middle = (points[start] + points[stop]) / 2.0
        along = points[stop] - points[start]
        axes = (float(np.linalg.norm(along)) / 2.0, 4.0 * unit)
        angle = float(np.degrees(np.arctan2(along[1], along[0])))
        sure = float(confidence[start] * confidence[stop])
        outline = cv2.ellipse2Poly(
            (int(middle[0] * 16), int(middle[1] * 16)), (int(axes[0] * 16), int(axes[1] * 16)), int(angle), 0, 360, 4
        )
        shade = tuple(float(channel) * sure for channel in colour)
        cv2.fillConvexPoly(canvas, outline, shade, cv2.LINE_AA, _SUBPIXEL)


def _draw_hand(canvas: Picture, points: npt.NDArray, confidence: npt.NDArray, unit: float) -> None:
    for edge, (start, stop) in enumerate(HAND_EDGES):
        if min(confidence[start], confidence[stop]) > _SHOWN:
            red, green, blue = colorsys.hsv_to_rgb(edge / len(HAND_EDGES), 1.0, 1.0)
            sure = 255.0 * float(confidence[start] * confidence[stop])
            ends = (np.concatenate((points[start], points[stop])) * 16).astype(int)
            colour = (red * sure, green * sure, blue * sure)
            thickness = max(1, round(2 * unit))
            cv2.line(canvas, ends[:2].tolist(), ends[2:].tolist(), colour, thickness, cv2.LINE_AA, _SUBPIXEL)
    for point, sure in zip(points, confidence):
        if sure > _SHOWN:
            _dot(canvas, point, 2.5 * unit, np.array([0.0, 0.0, 255.0 * float(sure)]))


def _dot(canvas: Picture, centre: npt.NDArray, radius: float, colour: npt.NDArray) -> None:
    place = (int(centre[0] * 16), int(centre[1] * 16))
    cv2.circle(canvas, place, max(1, int(radius * 16)), tuple(map(float, colour)), -1, cv2.LINE_AA, _SUBPIXEL)
