"""From an engine's own frame rate to that of delivery: which moments it renders, and the frames between them.

Frames between are found by optical flow in both directions. Knows jobs and pictures, no engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from backend.stages import Progress, VideoModel, Workplace, silent
from fleximo.arrays import BoolArray, FloatArray
from fleximo.errors import FleximoError
from fleximo.job import RETIME, RenderJob
from fleximo.pose_track import PoseSignal
from fleximo.timing import as_fps, frame_count, native_positions
from fleximo.video import Video

__all__ = ["between", "contact_events", "longest_window", "made_from", "native_rate", "render_delivered", "retime"]

Picture = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]

_FLOW_PX = 512  # longer side of the pictures that flow is sought on: half of 1024, a quarter of the time, no worse
_SMALLEST_PX = 32  # shorter side there; the patches of the search are 8 px
_DOUBT_LEVELS = 30.0  # the two moved frames differ by so much: the flow is wrong, a mixture of both frames shows less
_ENGINE_SHARE = 0.97  # of the progress; interpolation takes some 0.1 s a frame


def native_rate(model: VideoModel, job: RenderJob) -> Fraction | None:
    """The engine's own rate where the job's frames have to be made from it; None where it renders each of them."""
    if model.fps is None or model.fps == job.fps or job.retime == "dense":
        return None
    return model.fps


def longest_window(model: VideoModel, job: RenderJob) -> int | None:
    """The most delivered frames that one call of the engine can give; None: any number."""
    rate = native_rate(model, job)
    if model.window is None or rate is None:
        return model.window
    return max(1, int((model.window - 3) * job.fps / rate))  # one at either end, one that an event moved in


def made_from(model: VideoModel, job: RenderJob, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The `ranges` [start, stop), and every other frame that is made from a frame of the engine which sees theirs."""
    rate = native_rate(model, job)
    if rate is None:
        return list(ranges)
    positions, count = _moments(job, rate), len(job.signal.track)
    made = []
    for start, stop in ranges:
        seeing = np.flatnonzero((positions > start - 1) & (positions < stop))  # a moment between two frames sees both
        if len(seeing):
            first, last = int(seeing[0]), int(seeing[-1])
            start = min(start, int(np.floor(positions[first - 1])) + 1) if first else 0
            stop = max(stop, int(np.ceil(positions[last + 1]))) if last + 1 < len(positions) else count
        made.append((start, stop))
    return made


def render_delivered(
    model: VideoModel, job: RenderJob, progress: Progress = silent, place: Workplace | None = None
) -> Video:
    """The frames `job.frames` at the job's rate, whatever the engine's is."""
    rate = native_rate(model, job)
    if rate is None:
        return model.render(job, progress, place)
    positions = _moments(job, rate)
    start, stop = job.frames
    first = int(np.searchsorted(positions, start, side="right")) - 1
    last = int(np.searchsorted(positions, stop - 1, side="left"))

    def engine_progress(fraction: float, message: str = "", /) -> None:
        progress(_ENGINE_SHARE * fraction, message)

    native = _at(job, positions, rate).with_window(first, last + 1)
    video = model.render(native, engine_progress, place)
    if len(video) != last + 1 - first:
        raise FleximoError(f"The engine {job.engine} gave {len(video)} frames; {last + 1 - first} were asked for.")
    frames = _delivered(video.frames, positions[first : last + 1], np.arange(start, stop), job.retime, progress)
    return Video(frames, job.fps)


def _moments(job: RenderJob, rate: Fraction) -> FloatArray:
    """The moments that an engine of `rate` renders of the job, in delivered frame numbers."""
    return native_positions(len(job.signal.track), job.fps, rate, contact_events(job.motion.contacts))


def retime(
    video: Video,
    source_fps: float | Fraction,
    target_fps: float | Fraction,
    contacts: BoolArray | None = None,
    mode: str = "flow",
) -> Video:
    """A video of `source_fps` shown at `target_fps`: frames between by "flow", or the nearer one again ("none").

    `contacts` (T,2), planted toes of the frames to deliver, tells that the source was rendered at the moments of
    `native_positions` for their events, and how many frames to deliver; without them the source is evenly spaced and
    its duration is kept. Source frames that fall on a delivered one are that one unchanged. Raises `FleximoError` for
    another mode, or when the source has not the frames that `contacts` ask for.
    """
    source, target = as_fps(source_fps), as_fps(target_fps)
    if mode not in RETIME:
        raise FleximoError(f"There is no way of retiming called {mode!r}; use one of: {', '.join(RETIME)}.")
    if source == target:
        return replace(video, fps=target)
    if mode == "dense":
        raise FleximoError('The way "dense" is for engines, which then render every frame.', remedy="Use flow or none.")
    if contacts is None:
        count = frame_count(float(len(video) / source), target)
        positions = np.arange(len(video)) * float(target / source)
    else:
        count = len(contacts)
        positions = native_positions(count, target, source, contact_events(contacts))
        if len(positions) != len(video):
            raise FleximoError(
                f"The video has {len(video)} frames; {len(positions)} at {float(source):g} fps make {count} at "
                f"{float(target):g} fps."
            )
    return Video(_delivered(video.frames, positions, np.arange(count), mode, silent), target)


def contact_events(contacts: BoolArray) -> list[int]:
    """The first and the last frame of each time in which a toe is planted (T,2), but for the clip's own ends."""
    planted = np.asarray(contacts).astype(np.int8)
    landed, lifted = np.diff(planted, axis=0) > 0, np.diff(planted, axis=0) < 0
    frames = {*(np.flatnonzero(landed.any(axis=1)) + 1).tolist(), *np.flatnonzero(lifted.any(axis=1)).tolist()}
    return sorted(frames)


def _at(job: RenderJob, positions: FloatArray, rate: Fraction) -> RenderJob:
    """The job with the frames at these moments alone."""
    if job.signal.drawn_frames is not None:
        raise FleximoError(
            f"The skeleton of this job was drawn frame by frame at {float(job.fps):g} fps.",
            remedy=f"Render at {float(rate):g} fps, or every frame (--retime dense).",
        )
    return replace(
        job,
        motion=job.motion.at(positions, rate),
        camera=job.camera.at(positions),
        signal=PoseSignal(job.signal.track.at(positions, rate)),
        window=None,
    )


def _delivered(
    frames: npt.NDArray[np.uint8], positions: FloatArray, wanted: FloatArray, mode: str, progress: Progress
) -> npt.NDArray[np.uint8]:
    """The frames at delivered numbers `wanted`, from those at `positions`; beyond the last one, the last one."""
    made = np.empty((len(wanted), *frames.shape[1:]), dtype=np.uint8)
    before = np.searchsorted(positions, wanted, side="right") - 1
    flows: tuple[int, tuple[Flow, Flow]] | None = None
    for n, (moment, index) in enumerate(zip(wanted, before.tolist())):
        progress(_ENGINE_SHARE + (1.0 - _ENGINE_SHARE) * n / len(wanted), "frames between")
        after = min(index + 1, len(frames) - 1)
        t = (moment - positions[index]) / (positions[after] - positions[index]) if after > index else 0.0
        if t <= 0.0 or mode == "none":
            made[n] = frames[after if t > 0.5 else index]
            continue
        if flows is None or flows[0] != index:
            flows = (index, _flows(frames[index], frames[after]))
        made[n] = _between(frames[index], frames[after], float(t), *flows[1])
    progress(1.0, "frames between")
    return made


def between(first: Picture, second: Picture, t: float) -> Picture:
    """The picture (H,W,3) at the share `t` (0..1) of the way from `first` to `second`."""
    return _between(first, second, t, *_flows(first, second))


def _flows(first: Picture, second: Picture) -> tuple[Flow, Flow]:
    """Where each place of `first` goes in `second`, and the other way (DIS, Kroeger et al. 2016).

    On a smaller picture and in its pixels, (h,w,2).
    """
    height, width = first.shape[:2]
    scale = min(1.0, max(_FLOW_PX / max(height, width), _SMALLEST_PX / min(height, width)))
    size = (round(width * scale), round(height * scale))
    a, b = (
        cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        for picture in (first, second)
    )
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return search.calc(a, b, None), search.calc(b, a, None)


def _between(first: Picture, second: Picture, t: float, forward: Flow, backward: Flow) -> Picture:
    """Both frames moved along their flows to the moment and mixed; what only one of them shows is taken from that one.

    Where the moved frames disagree the flow is wrong, and the plain mixture of both frames is taken.
    """
    height, width = first.shape[:2]
    way_on, from_first = _carried(forward, t)
    way_back, from_second = _carried(backward, 1.0 - t)
    way_on, way_back = (
        np.where(from_first[..., None] > 0, way_on, -way_back),
        np.where(from_second[..., None] > 0, way_back, -way_on),
    )

    def full(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR))

    zoom = np.float32([width / forward.shape[1], height / forward.shape[0]])
    here = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    a, b = (
        cv2.remap(picture, here - share * zoom * full(way), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for picture, share, way in ((first, np.float32(t), way_on), (second, np.float32(1.0 - t), way_back))
    )
    a, b = a.astype(np.float32), b.astype(np.float32)
    shown_first, shown_second = (full(cv2.GaussianBlur(shown, (0, 0), 1.0)) for shown in (from_first, from_second))
    of_second = t * shown_second + 1e-3
    share = (of_second / (of_second + (1.0 - t) * shown_first + 1e-3))[..., None]
    differ = np.abs(a - b).mean(axis=-1) * np.minimum(shown_first, shown_second)
    trust = np.exp(-((cv2.GaussianBlur(differ, (0, 0), 4.0) / _DOUBT_LEVELS) ** 2))[..., None]
    plain = (1.0 - t) * first.astype(np.float32) + t * second.astype(np.float32)
    mixed = trust * (a + share * (b - a)) + (1.0 - trust) * plain
    return np.asarray(np.rint(mixed).clip(0, 255), dtype=np.uint8)


def _carried(flow: Flow, share: float) -> tuple[Flow, npt.NDArray[np.float32]]:
    """The flow as it lies once every place has gone `share` of its way, and where anything has come to lie (1 or 0).

    Of places that meet, the one that moves further is taken: people move before walls.
    """
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    column = np.rint(x + share * flow[..., 0]).astype(np.intp).ravel()
    row = np.rint(y + share * flow[..., 1]).astype(np.intp).ravel()
    inside = np.flatnonzero((column >= 0) & (column < width) & (row >= 0) & (row < height))
    inside = inside[np.argsort((flow**2).sum(axis=-1).ravel()[inside], kind="stable")]
    there = row[inside] * width + column[inside]
    carried, shown = np.zeros((height * width, 2), np.float32), np.zeros(height * width, np.float32)
    carried[there], shown[there] = flow.reshape(-1, 2)[inside], 1.0
    carried, shown = carried.reshape(flow.shape), shown.reshape(height, width)
    near = cv2.blur(carried, (3, 3)) / np.maximum(cv2.blur(shown, (3, 3)), 1e-6)[..., None]
    carried = np.where(shown[..., None] > 0, carried, near)
    return carried, cv2.morphologyEx(shown, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))  # cracks are no holes
