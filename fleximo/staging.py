"""Whether a motion stays in the picture, and the shorter steps with which it does.

Knows a camera and the fitted motion; nothing of how either was made.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.camera import Camera
from fleximo.errors import Notice
from fleximo.layouts import OPENPOSE_18
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.pose_track import PoseTrack
from fleximo.projection import body_points

__all__ = ["Stride", "leaves_frame", "stride_in_frame"]

Stride = tuple[float, float, float, float]  # 2x2 by rows, on x and z of the path

_NO_TRAVEL_M = 0.25  # a path this narrow is swaying, not travel
_FURTHEST = 1.5  # times the first frame's distance: a photo's floor ends somewhere, and a wall stands behind it
_HALVINGS = 10
_BARELY = 0.02  # of the frames may touch the picture's edge without a word


def stride_in_frame(motion: Motion, camera: Camera, person: Person) -> Stride:
    """By how much the path of the fitted `motion` must be shortened, and along which way, to stay in the picture.

    (1, 0, 0, 1) where it stays anyway. Head, trunk and legs count, for arms reach out of many pictures on the spot;
    only travel is blamed for what leaves. Who goes further away than half as far again leaves the picture too: he
    would walk up the wall. The path is assumed to start where the person stands.
    """
    path = motion.root[:, [0, 2]].astype(np.float64)
    path = path - path[0]
    axes = _travel_axes(path)
    if axes.size == 0:
        return (1.0, 0.0, 0.0, 1.0)
    arms = [name.endswith(("elbow", "wrist")) for name in OPENPOSE_18.names]
    shown = (person.body_confidence > 0.0) & ~np.array(arms)
    body = body_points(motion)
    points, margins = body[:, shown], _side_margins(body[0], camera)[:, shown]

    def outside(share: float) -> BoolArray:
        shift = np.zeros((len(path), 1, 3))
        shift[:, 0, [0, 2]] = (share - 1.0) * path @ axes.T @ axes
        pixels, depth = camera.project(points + shift)
        near = depth.mean(axis=1, keepdims=True)
        inside = ((pixels >= margins[0]) & (pixels <= camera.size - margins[1])).all(axis=-1) & (depth > 0.0)
        return np.asarray(~inside | (near > _FURTHEST * near[0]))

    excused = outside(0.0)
    low, high = 0.0, 1.0
    if (outside(1.0) <= excused).all():
        return (1.0, 0.0, 0.0, 1.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if (outside(middle) <= excused).all() else (low, middle)
    matrix = np.eye(2) + (low - 1.0) * axes.T @ axes
    return (float(matrix[0, 0]), float(matrix[0, 1]), float(matrix[1, 0]), float(matrix[1, 1]))


def _side_margins(body_m: FloatArray, camera: Camera) -> FloatArray:
    """(2,18,2) px that each key point keeps from the picture's left top and right bottom edges.

    Half the shoulders' width beside the neck, for a body that has turned is as wide as before to the draft, or as much
    as the start `body_m` (18,3) has there; nothing for the others.
    """
    pixels = camera.project(body_m[None])[0][0, :, 0]
    neck, right, left = (OPENPOSE_18.index(name) for name in ("neck", "right_shoulder", "left_shoulder"))
    room = pixels[neck], camera.size[0] - pixels[neck]
    margins = np.zeros((2, len(OPENPOSE_18.names), 2))
    margins[:, neck, 0] = np.clip(room, 0.0, abs(pixels[left] - pixels[right]) / 2.0)
    return margins


def _travel_axes(path: FloatArray) -> FloatArray:
    """(N,2) unit directions, N = 0 to 2, along which the path (T,2) covers ground."""
    centred = path - path.mean(axis=0)
    directions = np.linalg.eigh(centred.T @ centred)[1].T
    extents = np.ptp(path @ directions.T, axis=0)
    return np.asarray(directions[extents > _NO_TRAVEL_M])


def leaves_frame(track: PoseTrack, stride: Stride = (1.0, 0.0, 0.0, 1.0)) -> tuple[Notice, ...]:
    """A `motion_leaves_frame` notice if body points of `track` lie outside the picture, or steps were shortened."""
    notices = []
    share = float(np.linalg.eigvalsh(np.reshape(stride, (2, 2)))[0])
    if share < 0.995:
        notices.append(
            Notice(
                "motion_leaves_frame",
                f"The motion would leave the picture or go far into its background; its steps are shortened to "
                f"{100.0 * share:.0f} %.",
                "Use a photo with more room around the person, or a camera of your own.",
            )
        )
    points = track.points_px[:, :18]
    beyond = ((points < 0.0) | (points > np.array(track.size))).any(axis=-1) & (track.confidence[:, :18] > 0.0)
    frames = float(beyond.any(axis=1).mean())
    if frames > _BARELY:
        notices.append(
            Notice(
                "motion_leaves_frame",
                f"Part of the body is outside the picture in {100.0 * frames:.0f} % of the frames.",
                "Use a photo with more room around the person, or a larger canvas.",
            )
        )
    return tuple(notices)
