"""The pictures that MimicMotion is given: the photo on the canvas, and the skeletons with the photo's own first.

Knows jobs and pixels; nothing of networks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backend.drawing import draw_track
from backend.media import read_frames
from backend.models.mimicmotion.upstream_crop import crop, crop_geometry
from backend.photo import decode_photo
from backend.placing import photo_on_canvas
from fleximo.camera_fit import frame_photo
from fleximo.errors import FleximoError
from fleximo.job import RenderJob
from fleximo.layouts import WHOLEBODY_128
from fleximo.pose_track import PoseTrack

__all__ = ["reference", "skeletons"]

Pictures = npt.NDArray[np.uint8]


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
    return photo_on_canvas(job, antialias=antialias)


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
