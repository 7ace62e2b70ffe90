"""Video files: colours, exactness, joins, and what happens when writing fails."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from backend.media import GOP, Piece, VideoWriter, concatenate, read_frames, read_video, write_video
from fleximo import FleximoError, Video
from tests.backend.same_pictures import same_pictures


def moving_picture(count: int, width: int = 96, height: int = 64, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.stack([np.roll(noise, 3 * frame, axis=1) for frame in range(count)])


def colour_chart() -> np.ndarray:
    levels = np.linspace(0, 255, 6).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    chart = colours.reshape(12, 18, 3)
    return np.repeat(np.repeat(chart, 32, axis=0), 32, axis=1)


def test_the_master_is_lossless(tmp_path: Path) -> None:
    frames = moving_picture(5)
    write_video(tmp_path / "master.mkv", Video(frames, Fraction(30)), lossless=True)
    assert np.array_equal(read_video(tmp_path / "master.mkv").frames, frames)


def test_colours_survive_mp4_and_are_tagged_bt709(tmp_path: Path) -> None:
    chart = colour_chart()
    path = tmp_path / "chart.mp4"
    write_video(path, Video(np.stack([chart] * 3), Fraction(24)))
    back = read_video(path).frames[1].astype(int)
    # Judged inside each patch: 4:2:0 mixes neighbours at the borders.
    inside = np.zeros(chart.shape[:2], dtype=bool)
    for y in range(0, chart.shape[0], 32):
        for x in range(0, chart.shape[1], 32):
            inside[y + 8 : y + 24, x + 8 : x + 24] = True
    assert np.abs(back - chart)[inside].max() <= 3
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1


def test_mp4_starts_with_its_index_and_keeps_the_rate(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, Video(moving_picture(10), Fraction(24000, 1001)))
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")
    assert read_video(path).fps == Fraction(24000, 1001)
    assert len(read_video(path)) == 10


@pytest.mark.parametrize("lossless", [True, False])
def test_joined_parts_equal_the_frames_of_the_parts(tmp_path: Path, lossless: bool) -> None:
    frames = moving_picture(3 * GOP + 5)
    parts = []
    for number, start in enumerate(range(0, len(frames), GOP)):
        parts.append(tmp_path / f"{number}.mkv")
        write_video(parts[-1], Video(frames[start : start + GOP], Fraction(30)), lossless=lossless)
    out = tmp_path / ("joined.mkv" if lossless else "joined.mp4")
    concatenate([Piece(part) for part in parts], out)
    joined = read_video(out)
    apart = np.concatenate([read_video(part).frames for part in parts])
    assert np.array_equal(joined.frames, apart)
    assert joined.fps == 30
    if lossless:
        assert np.array_equal(joined.frames, frames)
    with av.open(str(out)) as container:
        times = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.size]
    assert np.allclose(np.diff([float(t) for t in times]), 1 / 30, atol=1e-3)


@pytest.mark.parametrize("lossless", [True, False])
def test_a_piece_in_the_middle_is_exchanged_and_the_rest_untouched(tmp_path: Path, lossless: bool) -> None:
    old, new = moving_picture(4 * GOP), moving_picture(GOP, seed=1)
    suffix = ".mkv" if lossless else ".mp4"
    write_video(tmp_path / f"old{suffix}", Video(old, Fraction(25)), lossless=lossless)
    write_video(tmp_path / "new.mkv", Video(new, Fraction(25)), lossless=lossless)
    old_file, out = tmp_path / f"old{suffix}", tmp_path / f"out{suffix}"
    concatenate([Piece(old_file, 0, GOP), Piece(tmp_path / "new.mkv"), Piece(old_file, 2 * GOP)], out)
    frames, before = read_video(out).frames, read_video(old_file).frames
    assert np.array_equal(frames[:GOP], before[:GOP])
    assert np.array_equal(frames[2 * GOP :], before[2 * GOP :])
    assert np.array_equal(frames[GOP : 2 * GOP], read_video(tmp_path / "new.mkv").frames)


def test_the_same_frames_give_the_same_master_and_the_same_pictures(tmp_path: Path) -> None:
    """x264 gives other bytes for the same frames once in some thousand runs; the master is what is judged by bytes."""
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mkv", Video(moving_picture(4), Fraction(30)), lossless=True)
        write_video(tmp_path / f"{name}.mp4", Video(moving_picture(4), Fraction(30)))
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()
    assert same_pictures(tmp_path / "a.mp4", tmp_path / "b.mp4")
    write_video(tmp_path / "c.mp4", Video(moving_picture(4)[::-1], Fraction(30)))
    assert not same_pictures(tmp_path / "a.mp4", tmp_path / "c.mp4")


def test_a_failure_leaves_no_half_file_and_the_old_one_stands(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, Video(moving_picture(3), Fraction(30)))
    before = path.read_bytes()
    with pytest.raises(RuntimeError), VideoWriter(path, (96, 64), 30) as writer:
        writer.write(moving_picture(3))
        raise RuntimeError
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("name", ["clip.mp4", "master.mkv"])
def test_no_space_left_is_one_sentence_and_no_file(tmp_path: Path, name: str) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(FleximoError, match="cannot be written"):
            write_video(tmp_path / name, Video(moving_picture(30), Fraction(30)), lossless=name.endswith("mkv"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FleximoError, match="cannot be written"):
        write_video(tmp_path / "file" / "clip.mp4", Video(moving_picture(3), Fraction(30)))


def test_odd_sizes_and_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(FleximoError, match="even width"):
        write_video(tmp_path / "odd.mp4", Video(moving_picture(1, width=95), Fraction(30)))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(FleximoError, match=r"text\.mp4"):
        list(read_frames(tmp_path / "text.mp4"))


def test_a_video_that_is_closed_before_its_end_waits_for_nobody(tmp_path: Path) -> None:
    """What decoders log must not go through the interpreter: closing a threaded one then hangs now and then."""
    write_video(tmp_path / "video.mp4", Video(np.zeros((24, 64, 64, 3), np.uint8), Fraction(24)))
    for _ in range(20):
        next(read_frames(tmp_path / "video.mp4"))
    assert av.logging.get_level() is None
