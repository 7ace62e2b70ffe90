"""Video files: the lossless master (FFV1), the delivered H.264, reading both, and joining parts packet by packet.

Colours go out and come back as BT.709 limited range and are tagged so. Every file appears under its name only when
it is complete. Knows frames, not jobs.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from fleximo.errors import FleximoError
from fleximo.timing import as_fps
from fleximo.video import Video

__all__ = ["GOP", "Piece", "VideoWriter", "concatenate", "read_chosen", "read_frames", "read_video", "write_video"]

# Silent, for whatever a decoder's threads log waits for the interpreter, which waits for them where a video is closed
# before its end (PyAV issue 909). Errors are raised with their reason all the same.
av.logging.set_level(None)

Frames = npt.NDArray[np.uint8]

GOP = 12  # frames of one closed group of pictures; windows of a render are multiples of it

_FFV1 = {"level": "3", "coder": "range_tab", "context": "0", "g": "1", "slices": "4", "flags": "+bitexact"}
# No B-frames and no scene cuts: every group is GOP long and can be copied as packets with pts = dts.
_H264 = {
    "preset": "veryfast",
    "crf": "17",
    "flags": "+bitexact+cgop",
    "x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0:open-gop=0",
}
_SCALING = Interpolation.BICUBIC


class VideoWriter:
    """Writes frames to one file, H.264 (`.mp4`, or `.mkv` for a part) or lossless FFV1, all or nothing.

    Used as a context manager: leaving it without an exception puts the file in place, an exception removes it.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: Fraction | float, *, lossless: bool = False) -> None:
        self._path = path
        self._part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._size = size
        self._lossless = lossless
        self._count = 0
        if not lossless and (size[0] % 2 or size[1] % 2):
            raise FleximoError(f"H.264 needs an even width and height; {size[0]}x{size[1]} was given.")
        with _file_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container = _open_for_writing(self._part)
            self._stream = self._add_stream(as_fps(fps))

    def _add_stream(self, fps: Fraction) -> Any:
        codec, options = ("ffv1", _FFV1) if self._lossless else ("libx264", _H264)
        stream = self._container.add_stream(codec, rate=fps, options=dict(options))
        stream.width, stream.height = self._size
        stream.pix_fmt = "bgr0" if self._lossless else "yuv420p"
        context = stream.codec_context
        # x264 on two threads gave other bytes for the same frames in 3 of 360 runs, on one hardly ever (docs/log.md).
        context.thread_count = 2 if self._lossless else 1
        if self._lossless:
            context.thread_type = "SLICE"
        else:
            context.colorspace = int(Colorspace.ITU709)
            context.color_primaries = int(ColorPrimaries.BT709)
            context.color_trc = int(ColorTrc.BT709)
            context.color_range = int(ColorRange.MPEG)
        return stream

    def write(self, frames: Frames) -> None:
        """Appends frames (T,H,W,3) uint8 RGB."""
        with _file_errors(self._path):
            for rgb in frames:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
                if self._lossless:
                    frame = frame.reformat(format="bgr0")
                else:
                    frame = frame.reformat(
                        format="yuv420p",
                        src_colorspace=Colorspace.ITU709,
                        dst_colorspace=Colorspace.ITU709,
                        src_color_range=ColorRange.JPEG,
                        dst_color_range=ColorRange.MPEG,
                        interpolation=_SCALING,
                    )
                frame.pts = self._count
                frame.time_base = 1 / Fraction(self._stream.codec_context.framerate)
                self._count += 1
                self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            with _file_errors(self._path):
                if kind is None:
                    self._container.mux(self._stream.encode())
                self._container.close()
                if kind is None:
                    self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)


def write_video(path: Path, video: Video, *, lossless: bool = False) -> None:
    """Writes a whole video, all or nothing."""
    height, width = video.frames.shape[1:3]
    with VideoWriter(path, (width, height), video.fps, lossless=lossless) as writer:
        writer.write(video.frames)


@dataclass(frozen=True)
class Piece:
    """The frames `[start, stop)` of a file; `stop` None = to its end. Of H.264, `start` must begin a group."""

    path: Path
    start: int = 0
    stop: int | None = None


def concatenate(pieces: Sequence[Piece], path: Path) -> None:
    """Joins pieces of one codec, size and rate by copying their packets; nothing is decoded. All or nothing."""
    pieces = [piece for piece in pieces if piece.stop is None or piece.stop > piece.start]
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with _file_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _open_for_writing(temporary) as target:
                stream, number = None, itertools.count()
                for piece in pieces:
                    with _file_errors(piece.path, reads=True), av.open(str(piece.path)) as source:
                        template = source.streams.video[0]
                        if stream is None:
                            stream = target.add_stream_from_template(template)
                            duration = 1 / Fraction(template.average_rate or 1)
                        packets = (packet for packet in source.demux(template) if packet.size)
                        for packet in itertools.islice(packets, piece.start, piece.stop):
                            packet.stream, packet.time_base = stream, duration
                            packet.pts = packet.dts = next(number)
                            packet.duration = 1
                            target.mux(packet)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_frames(path: Path, start: int = 0, stop: int | None = None) -> Iterator[Frames]:
    """The frames `[start, stop)` of a video file, each (H,W,3) uint8 RGB, one after another."""
    with _file_errors(path, reads=True), av.open(str(path)) as container:
        if not container.streams.video:
            raise FleximoError(f"{path} holds no video.", code="unreadable_file")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in itertools.islice(container.decode(stream), start, stop):
            yield _rgb(frame)


def read_chosen(path: Path, numbers: Collection[int]) -> Iterator[Frames]:
    """The frames of these numbers of a lossless master, in their order in the file; the others are not decoded.

    Raises `FleximoError` where the file has not all of them, or is no master.
    """
    wanted, count = set(numbers), 0
    with _file_errors(path, reads=True), av.open(str(path)) as container:
        stream = next(iter(container.streams.video), None)
        if stream is None or stream.codec_context.name != "ffv1":
            raise FleximoError(f"{path} is no lossless master.", code="unreadable_file")
        stream.thread_type = "SLICE"  # no delay: each packet, a key frame by _FFV1, gives its own frame
        packets = (packet for packet in container.demux(stream) if packet.size)
        for packet in (packet for number, packet in enumerate(packets) if number in wanted):
            for frame in packet.decode():
                count += 1
                yield _rgb(frame)
    if count != len(wanted):
        raise FleximoError(f"{path} lacks {len(wanted) - count} of the frames asked for.", code="unreadable_file")


def _rgb(frame: av.VideoFrame) -> Frames:
    if frame.format.name in ("bgr0", "bgra"):
        return np.ascontiguousarray(frame.to_ndarray(format="bgra")[:, :, 2::-1])
    return frame.reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.JPEG,
        interpolation=_SCALING,
    ).to_ndarray()


def read_video(path: Path) -> Video:
    """A whole video file in memory; raises `FleximoError` that names the file."""
    frames = list(read_frames(path))
    if not frames:
        raise FleximoError(f"{path} holds no frames.", code="unreadable_file")
    with _file_errors(path, reads=True), av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
    return Video(np.stack(frames), as_fps(Fraction(rate or 30)))


def _open_for_writing(path: Path) -> Any:
    options = {"fflags": "+bitexact"}
    if path.suffix == ".mp4":
        options["movflags"] = "+faststart"
    return av.open(str(path), "w", options=options)


@contextlib.contextmanager
def _file_errors(path: Path, *, reads: bool = False) -> Iterator[None]:
    """Turns what FFmpeg and the system say about a file into one sentence that names it."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        doing, remedy = (
            ("read", "") if reads else ("written", "Choose a folder that you may write to, with free space.")
        )
        raise FleximoError(f"The video {path} cannot be {doing}: {reason}.", code="video_file", remedy=remedy) from None
