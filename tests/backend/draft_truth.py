"""Jobs whose photo, person and track are the ground truth of the rendered people in `tests/data/people`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

from backend.models.draft.compositor import draw_all
from backend.models.draft.hands import draw_hand
from fleximo.arrays import BoolArray, FloatArray
from fleximo.camera import Camera, Framing
from fleximo.job import RenderJob
from fleximo.layouts import LEFT_HAND, RIGHT_HAND
from fleximo.motion import Motion
from fleximo.person import Person
from fleximo.pose_track import PoseSignal, PoseTrack
from fleximo.puppet import Puppet, Sequence

PEOPLE = Path(__file__).resolve().parents[1] / "data" / "people"
SIZE = (576, 1024)


def whole_body(body: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
    points = np.zeros((*body.shape[:-2], 128, body.shape[-1]))
    points[..., :18, :], points[..., LEFT_HAND, :], points[..., RIGHT_HAND, :] = body, left, right
    return points


def confidence() -> FloatArray:
    known = np.ones(128)
    known[18:86] = 0.0
    return known


@cache
def true_person(name: str) -> Person:
    truth = json.loads((PEOPLE / f"{name}.json").read_text())
    hands = truth["hands21"]
    points = whole_body(*(np.array(p["xy"]) for p in (truth["openpose18"], hands["left"], hands["right"])))
    mask = cv2.imread(str(PEOPLE / f"{name}_mask.png"), cv2.IMREAD_GRAYSCALE) > 127
    return Person(points, confidence(), SIZE, mask, stature_m=truth["person_height_m"])


def true_camera(name: str, framing: Framing | None = None) -> Camera:
    truth = json.loads((PEOPLE / f"{name}.json").read_text())["camera"]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = truth["R"], truth["t"]
    intrinsics = np.array(truth["K"], dtype=float)
    if framing is None:
        return Camera(intrinsics, matrix, SIZE)
    intrinsics[:2] *= framing.scale
    intrinsics[:2, 2] += framing.offset
    return Camera(intrinsics, matrix, framing.canvas_size)


@cache
def true_track(clip: str) -> tuple[PoseTrack, BoolArray]:
    """The track of `anna_<clip>` with depths, and her masks (T,1024,576)."""
    with np.load(PEOPLE / f"anna_{clip}.npz") as truth:
        hands_px, hands_m = truth["hands21_xy"], truth["hands21_xyz_m"]
        points = whole_body(truth["openpose18_xy"], hands_px[:, 0], hands_px[:, 1])
        places = whole_body(truth["openpose18_xyz_m"], hands_m[:, 0], hands_m[:, 1])
        depths = (places @ truth["R"].T + truth["t"])[..., 2]
        depths[:, 18:86] = 0.0
        masks = np.unpackbits(truth["mask_bits"], axis=-1).astype(bool)
        fps = int(truth["fps"])
    known = np.broadcast_to(confidence(), points.shape[:2])
    return PoseTrack(points, known, SIZE, fps, depths_m=depths), masks


def true_frames(clip: str) -> FloatArray:
    with av.open(str(PEOPLE / f"anna_{clip}.mp4")) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def still_motion(frames: int, fps: object) -> Motion:
    rotations = np.zeros((frames, 52, 4))
    rotations[..., 0] = 1.0
    return Motion(rotations, np.zeros((frames, 3)), fps, np.zeros((frames, 2), dtype=bool))


def make_job(name: str, track: PoseTrack, framing: Framing | None = None, person: Person | None = None) -> RenderJob:
    """A job on `name`'s photo; `track` is in px of the photo and is carried onto the framing's canvas."""
    framing = framing or Framing(SIZE, SIZE, 1.0, (0.0, 0.0))
    track = PoseTrack(
        framing.to_canvas(track.points_px), track.confidence, framing.canvas_size, track.fps, depths_m=track.depths_m
    )
    return RenderJob(
        (PEOPLE / f"{name}.jpg").read_bytes(),
        person or true_person(name),
        framing,
        true_camera(name, framing),
        still_motion(len(track), track.fps),
        PoseSignal(track),
    )


def rest_track(name: str, frames: int = 2) -> PoseTrack:
    """The photo's own pose, held."""
    person = true_person(name)
    points = np.repeat(person.points_px[None], frames, axis=0)
    return PoseTrack(points, np.repeat(person.confidence[None], frames, axis=0), SIZE, 30)


def as_detected(track: PoseTrack, person: Person) -> PoseTrack:
    """`track` of the true joints said in the detector's places of `person`, the photo being the first frame's pose.

    A detector finds other places of the body than the rig's joint centres; what lies between them is part of the body
    and turns with the bone it belongs to, arms being the only limbs of the clips that turn far.
    """
    true = np.array(track.points_px, dtype=np.float64)
    between = person.points_px.astype(np.float64) - true[0]
    between[18:86] = 0.0
    points = true + between

    def turned(start: int, end: int, offset: FloatArray) -> FloatArray:
        bone = true[:, end] - true[:, start]
        angles = np.arctan2(bone[:, 1], bone[:, 0])
        cos, sin = np.cos(angles - angles[0]), np.sin(angles - angles[0])
        return np.stack([cos * offset[0] - sin * offset[1], sin * offset[0] + cos * offset[1]], axis=-1)

    for shoulder, elbow, wrist, hand in ((2, 3, 4, 107), (5, 6, 7, 86)):
        for joint in (shoulder, elbow):
            points[:, joint] = true[:, joint] + turned(shoulder, elbow, between[joint])
        for joint in (wrist, *range(hand, hand + 21)):
            points[:, joint] = true[:, joint] + turned(elbow, wrist, between[joint])
    points[:, 1] = (points[:, 2] + points[:, 5]) / 2.0
    return PoseTrack(points, track.confidence, track.size, track.fps, depths_m=track.depths_m)


def coverage(puppet: Puppet, job: RenderJob) -> FloatArray:
    """(T,H,W) 0..1 how much of each pixel the drawn person covers."""
    sequence = Sequence(puppet, job.signal.track, job.camera, job.person.stature_m, draw_hand)
    covered = []
    for index in range(len(job.signal.track)):
        white = np.full((job.size[1], job.size[0], 3), 255, np.uint8)
        black = np.zeros_like(white)
        layers = sequence.frame(index)
        draw_all(white, layers)
        draw_all(black, layers)
        covered.append(1.0 - (white.astype(np.float32) - black).mean(axis=-1) / 255.0)
    return np.array(covered)
