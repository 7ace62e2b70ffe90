"""From a 3D motion and a camera to the 2D key points that are drawn: 18 body, 68 face and 2 x 21 hand points.

Owns which points are seen, hidden or missing. Knows nothing of how a motion or a camera was fitted.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.camera import Camera, Framing
from fleximo.face import blinks, closed_eyes, face_facing, face_points, face_shape, has_photo_face
from fleximo.hands import hand_points
from fleximo.layouts import BODY, FACE, LEFT_HAND, OPENPOSE_18, RIGHT_HAND, WHOLEBODY_128
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.pose_track import PoseTrack

__all__ = ["HIDDEN", "INVENTED", "body_points", "project"]

INVENTED = 0.6  # confidence of points that no detector saw in the photo
HIDDEN = 0.3  # confidence of a point behind the person's own body: at the limit below which nothing is drawn
_BEHIND_TORSO_M = 0.10  # half the depth of a trunk
_NEAREST_M = 0.05


def body_points(motion: Motion) -> FloatArray:
    """World positions (T,18,3) in m of the OpenPose-18 points: the neck is the middle of the shoulders."""
    places = motion.positions(*(name for name in OPENPOSE_18.names if name != "neck"))
    shoulders = motion.positions("left_shoulder", "right_shoulder")
    return np.insert(places, OPENPOSE_18.index("neck"), shoulders.mean(axis=1), axis=1)


def project(
    motion: Motion,
    camera: Camera,
    person: Person | None = None,
    framing: Framing | None = None,
    *,
    seed: int = 0,
) -> PoseTrack:
    """The key points of `motion` as `camera` sees them, layout `WHOLEBODY_128`, with depths.

    Confidence: 1 for the body and the photo's own face, 0.6 for hands and an invented face, less where the person's
    own body hides a point, 0 behind the camera, outside the picture (unless a limb reaches in), and for points that
    are missing in the photo of `person`. Coordinates are finite everywhere. `seed` times the blinks.
    """
    shape = closed_eyes(face_shape(motion.rig), blinks(len(motion), motion.fps, seed))
    world = np.empty((len(motion), len(WHOLEBODY_128), 3))
    world[:, BODY] = body_points(motion)
    world[:, FACE] = face_points(motion, shape)
    world[:, LEFT_HAND] = hand_points(motion, "left")
    world[:, RIGHT_HAND] = hand_points(motion, "right")
    points, depths = camera.project(world)
    # A point beside the lens would lie millions of pixels out; its limb only needs the direction.
    far = 20.0 * max(camera.size)
    points = np.clip(points, -far, far)
    confidence = np.full(depths.shape, INVENTED)
    confidence[:, BODY] = np.where(_behind_torso(points, depths), HIDDEN, 1.0)
    for hand, wrist in ((LEFT_HAND, "left_wrist"), (RIGHT_HAND, "right_wrist")):
        confidence[:, hand] *= confidence[:, [OPENPOSE_18.index(wrist)]]
    found = 1.0 if has_photo_face(motion.rig) else INVENTED
    confidence[:, FACE] = found * face_facing(motion, _camera_places(camera))
    if person is not None:
        confidence *= _in_photo(person)
    confidence *= (depths > _NEAREST_M) & _reaches_in(points, camera.size)
    return PoseTrack(points, confidence, camera.size, motion.fps, WHOLEBODY_128, depths)


def _camera_places(camera: Camera) -> FloatArray:
    """(N,3) where the camera stands in the world."""
    rotation, shift = camera.world_to_camera[:, :3, :3], camera.world_to_camera[:, :3, 3]
    return np.asarray(-np.einsum("nji,nj->ni", rotation, shift))


def _in_photo(person: Person) -> FloatArray:
    """(128,) 0 for points that the photo does not show, and for hands and faces that hang on such a point."""
    shown = np.ones(len(WHOLEBODY_128))
    body = person.body_confidence
    shown[BODY] = body > 0.0
    shown[FACE] = float(body[OPENPOSE_18.index("nose")] > 0.0)
    shown[LEFT_HAND] = float(body[OPENPOSE_18.index("left_wrist")] > 0.0)
    shown[RIGHT_HAND] = float(body[OPENPOSE_18.index("right_wrist")] > 0.0)
    return shown


def _reaches_in(points: FloatArray, size: tuple[int, int]) -> BoolArray:
    """(T,128) True inside the picture, and outside of it for the ends of limbs that reach in."""
    inside = ((points >= 0.0) & (points <= np.array(size))).all(axis=-1)
    reaching = inside.copy()
    for a, b in OPENPOSE_18.limbs:
        reaching[:, a] |= inside[:, b]
        reaching[:, b] |= inside[:, a]
    return np.asarray(reaching)


def _behind_torso(points: FloatArray, depths: FloatArray) -> BoolArray:
    """(T,18) True for arms that lie inside the trunk's outline and further away than its middle."""
    corners = [OPENPOSE_18.index(f"{name}") for name in ("right_shoulder", "left_shoulder", "left_hip", "right_hip")]
    quad, quad_depths = points[:, corners], depths[:, corners]
    hidden = np.zeros((len(points), len(OPENPOSE_18)), dtype=bool)
    for name in ("right_elbow", "right_wrist", "left_elbow", "left_wrist"):
        column = OPENPOSE_18.index(name)
        place = points[:, column]
        edges = np.roll(quad, -1, axis=1) - quad
        towards = place[:, None] - quad
        turns = edges[..., 0] * towards[..., 1] - edges[..., 1] * towards[..., 0]
        inside = (turns > 0).all(axis=1) | (turns < 0).all(axis=1)
        weight = 1.0 / np.maximum(np.linalg.norm(towards, axis=-1), 1.0)
        surface = (quad_depths * weight).sum(axis=1) / weight.sum(axis=1)
        hidden[:, column] = inside & (depths[:, column] > surface + _BEHIND_TORSO_M)
    return hidden
