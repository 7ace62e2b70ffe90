"""The person of a picture that was rendered of a posed body: everything is known exactly, nothing is detected.

Also where the camera of such a picture stands. Knows no renderer.
"""

from __future__ import annotations

import numpy as np

from fleximo import rotations as rot
from fleximo.arrays import BoolArray, FloatArray
from fleximo.bones import LENS_DEGREES, rig_bones
from fleximo.camera import Camera
from fleximo.layouts import FACE
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.projection import body_points, project
from fleximo.rig import SIDES, Rig

__all__ = ["person_of_pose", "portrait_camera"]

_FILLED = 0.88  # of the picture's height or width by what is to be seen


def portrait_camera(pose: Motion, points_m: FloatArray, size: tuple[int, int]) -> Camera:
    """A level camera that looks at the front of `pose` (one frame) so that all `points_m` (N,3) are in the picture."""
    width, height = size
    focal = max(size) / 2.0 / np.tan(np.radians(LENS_DEGREES) / 2.0)
    heading = float(rot.yaw(pose.world_rotations()[0, 0]))
    ahead = np.array([np.sin(heading), 0.0, np.cos(heading)])
    right = np.cross(ahead, [0.0, 1.0, 0.0])  # of the picture: the subject's left is on it
    axes = np.stack((-right, [0.0, -1.0, 0.0], -ahead))
    low, high = (points_m @ axes.T).min(axis=0), (points_m @ axes.T).max(axis=0)
    middle, spans = (low + high) / 2.0, high - low
    near = low[2]
    distance = float(max(focal * spans[0] / (_FILLED * width), focal * spans[1] / (_FILLED * height), 0.1))
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = axes
    world_to_camera[:3, 3] = [-middle[0], -middle[1], distance - near]
    lens = np.array([[focal, 0.0, width / 2.0], [0.0, focal, height / 2.0], [0.0, 0.0, 1.0]])
    return Camera(lens, world_to_camera, size)


def person_of_pose(pose: Motion, camera: Camera, mask: BoolArray) -> Person:
    """The person in the picture that `camera` takes of `pose` (one frame); `mask` (H,W) is where the picture shows it.

    Body and hand points are certain, also where the body hides them; the face's 68 points are left to the average face.
    """
    track = project(pose, camera)
    confidence = np.where(track.confidence[0] > 0.0, 1.0, 0.0)
    confidence[FACE] = 0.0
    seen = camera.to_camera(body_points(pose))[0] * [1.0, -1.0, -1.0]
    hips = np.mean([camera.to_camera(pose.positions(f"{side}_hip"))[0, 0] for side in SIDES], axis=0)
    ahead = camera.to_camera(rot.rotate(pose.world_rotations()[0, 0], np.array([0.0, 0.0, 1.0])))
    ahead = ahead - camera.to_camera(np.zeros(3))
    return Person(
        points_px=track.points_px[0],
        confidence=confidence,
        photo_size=camera.size,
        mask=mask,
        body_m=seen - hips * [1.0, -1.0, -1.0],
        bone_lengths_m=dict(rig_bones(pose.rig)),
        yaw_degrees=float(np.degrees(np.arctan2(ahead[0], -ahead[2]))),
        stature_m=_stature(pose.rig),
        lens_degrees=LENS_DEGREES,
    )


def _stature(rig: Rig) -> float:
    joint, (_, top, _) = rig.landmarks["head_top"]
    return float(rig.rest_height + rig.rest_joints[rig.index(joint), 1] + top)
