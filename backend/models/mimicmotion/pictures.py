"""The pictures that MimicMotion is given: the photo on the canvas, and the skeletons with the photo's own first.

Knows jobs and pixels; nothing of networks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from backend.drawing import draw_track
from backend.media import read_frames
from backend.models.mimicmotion.upstream_crop import crop, crop_geometry
from backend.photo import decode_photo
from fleximo.camera import Framing
from fleximo.camera_fit import frame_photo
from fleximo.errors import FleximoError
from fleximo.job import RenderJob
from fleximo.layouts import WHOLEBODY_128
from fleximo.pose_track import PoseTrack

__all__ = ["reference", "skeletons"]

Pictures = npt.NDArray[np.uint8]

_AROUND = 0.02  # of the photo's shorter side, cleared around the person's mask: hair and shadow


def reference(job: RenderJob, *, antialias: bool = True) -> Pictures:
    """(H,W,3) the job's photo, upright, laid on the canvas; beyond its edges the mirrored scene without the person.

    Without `antialias` pixels are picked as the reference program picks them, which shows in photos much larger than
    the canvas; a photo that is framed like there is then cut by its very rule.
    """
    photo, framing = decode_photo(job.photo).rgb, job.framing
    size = (photo.shape[1], photo.shape[0])
    if not antialias and framing == frame_photo(size, framing.canvas_size, mode="centre"):
        resolution = min(framing.canvas_size)
        if crop_geometry(size, resolution).size == framing.canvas_size:
            return crop(photo, resolution)
    if antialias and framing.scale < 1.0:
        small = (max(1, round(size[0] * framing.scale)), max(1, round(size[1] * framing.scale)))
        photo = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_CUBIC if antialias else cv2.INTER_LINEAR
    inside = _inside(framing, size)
    if inside.all():
        return _warp(photo, framing, size, how)
    scene = _without_person(photo, job.person.mask)
    return np.where(inside[..., None], _warp(photo, framing, size, how), _warp(scene, framing, size, how))


def _without_person(photo: Pictures, mask: npt.NDArray[np.bool_]) -> Pictures:
    """The person's place filled from what lies left and right of it: a second person must not be mirrored beside her.

    Rooms and landscapes are layered, so rows stay apart.
    """
    height, width = photo.shape[:2]
    person = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    around = 2 * round(_AROUND * min(width, height)) + 1
    free = 1.0 - cv2.dilate(person, np.ones((around, around), np.uint8))
    filled = np.zeros(photo.shape, np.float32)
    known = np.full((height, width), 1e-9, np.float32)
    for reach in (0.1, 0.4, 2.0):  # of the width: near pixels if there are any
        blur = {"ksize": (0, 0), "sigmaX": reach * width, "sigmaY": max(0.5, 0.01 * reach * height)}
        weights = cv2.GaussianBlur(free, **blur)
        share = np.clip(weights * 20.0, 0.0, 1.0) * (1.0 - np.minimum(known, 1.0))
        colours = cv2.GaussianBlur(photo * free[..., None], **blur) / np.maximum(weights, 1e-6)[..., None]
        filled += share[..., None] * colours
        known += share
    kept = free[..., None]
    return np.rint(kept * photo + (1.0 - kept) * (filled / known[..., None])).clip(0, 255).astype(np.uint8)


def _warp(photo: Pictures, framing: Framing, size: tuple[int, int], how: int) -> Pictures:
    """`photo`, already at some size of its own, onto the canvas; `size` (W, H) is what the framing calls the photo."""
    matrix = framing.matrix @ np.diag([size[0] / photo.shape[1], size[1] / photo.shape[0], 1.0])
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # from pixel edges to OpenCV's pixel centres
    return cv2.warpAffine(photo, matrix, framing.canvas_size, flags=how, borderMode=cv2.BORDER_REFLECT_101)


def _inside(framing: Framing, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """(H,W) True where the canvas shows the photo."""
    width, height = framing.canvas_size
    centres = framing.to_photo(np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1))
    return np.asarray(((centres >= 0.0) & (centres <= size)).all(axis=-1))


def skeletons(job: RenderJob, frames: Sequence[int]) -> Pictures:
    """(n,H,W,3) as PoseNet expects them: frame 0 is the skeleton of the photo itself, frame i + 1 the track's i."""
    track, person = job.signal.track, job.person
    if job.signal.drawn_frames is None:
        wanted = [frame - 1 for frame in frames if frame > 0]
        drawn = dict(zip((frame for frame in frames if frame > 0), draw_track(_rows(track, wanted))))
    else:
        drawn = {frame + 1: picture for frame, picture in enumerate(_decoded(job.signal.drawn_frames))}
    own = PoseTrack(
        points_px=job.framing.to_canvas(person.points_px)[None],
        confidence=person.confidence[None],
        size=job.size,
        fps=track.fps,
        layout=WHOLEBODY_128,
    )
    drawn[0] = next(iter(draw_track(own)))
    lacking = [frame for frame in frames if frame not in drawn]
    if lacking:
        raise FleximoError(f"The drawn skeleton lacks the frames {lacking[:5]} of {len(track)}.", code="invalid_job")
    return np.stack([drawn[frame] for frame in frames])


def _rows(track: PoseTrack, rows: list[int]) -> PoseTrack:
    return replace(
        track, points_px=track.points_px[rows], confidence=track.confidence[rows], depths_m=track.depths_m[rows]
    )


def _decoded(video: bytes) -> list[Pictures]:
    """The frames of a video that a model drew."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.mkv"
        path.write_bytes(video)
        return list(read_frames(path))
