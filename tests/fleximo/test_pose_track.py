"""Pose tracks: slices, smaller layouts, files, and what they refuse."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fleximo.errors import FleximoError
from fleximo.layouts import OPENPOSE_18, WHOLEBODY_128, Layout
from fleximo.pose_track import PoseSignal, PoseTrack


def make_track(frames: int = 8, layout: Layout = WHOLEBODY_128, seed: int = 0) -> PoseTrack:
    rng = np.random.default_rng(seed)
    shape = (frames, len(layout))
    return PoseTrack(rng.uniform(0, 500, (*shape, 2)), rng.uniform(0, 1, shape), (576, 1024), Fraction(30), layout,
                     rng.uniform(3.0, 4.0, shape))  # fmt: skip


def test_file_round_trip(tmp_path: Path):
    track = make_track()
    track.save(tmp_path / "pose_track.npz")
    again = PoseTrack.load(tmp_path / "pose_track.npz")
    assert again.to_bytes() == track.to_bytes()
    assert (again.size, again.fps, again.layout) == ((576, 1024), 30, WHOLEBODY_128)


def test_the_subset_goes_by_name():
    track = make_track()
    body = track.subset(OPENPOSE_18)
    assert body.points_px.shape == (8, 18, 2)
    np.testing.assert_array_equal(body.column("left_knee"), track.column("left_knee"))
    np.testing.assert_array_equal(body.depths_m[:, 0], track.depths_m[:, WHOLEBODY_128.index("nose")])
    hand = Layout("one", ("right_hand_thumb4",), (), ())
    np.testing.assert_array_equal(track.subset(hand).points_px[:, 0], track.column("right_hand_thumb4"))
    tip = WHOLEBODY_128.index("right_hand_thumb4")
    np.testing.assert_array_equal(track.subset(hand).depths_m[:, 0], track.depths_m[:, tip])
    np.testing.assert_array_equal(track.subset(hand).confidence[:, 0], track.confidence[:, tip])
    with pytest.raises(FleximoError, match="openpose_18 has no key point called 'face_0'"):
        body.subset(Layout("face", ("face_0",), (), ()))


def test_slices_and_unknown_depths():
    track = make_track()
    np.testing.assert_array_equal(track[2:5].points_px, track.points_px[2:5])
    flat = PoseTrack(track.points_px, track.confidence, track.size, track.fps)
    assert flat.depths_m.shape == track.confidence.shape
    assert not flat.depths_m.any()


def test_layouts_hold_18_68_21_21_points_in_this_order():
    names = WHOLEBODY_128.names
    assert len(names) == len(set(names)) == 128
    assert names[:18] == OPENPOSE_18.names
    assert names[18] == "face_0"
    assert names[86] == "left_hand_wrist"
    assert names[107] == "right_hand_wrist"
    assert names[86 + 4] == "left_hand_thumb4"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": np.full((8, 128), 1.5)}, "must lie in 0..1"),
        ({"confidence": np.zeros((7, 128))}, "PoseTrack.confidence has the shape"),
        ({"points_px": np.full((8, 128, 2), np.nan)}, "not finite"),
        ({"layout": OPENPOSE_18}, "PoseTrack.points_px has the shape"),
        ({"depths_m": np.zeros((8, 18))}, "PoseTrack.depths_m has the shape"),
    ],
)
def test_wrong_tracks_are_explained(change: dict[str, object], message: str):
    with pytest.raises(FleximoError, match=message):
        replace(make_track(), **change)


def test_unknown_layouts_in_files_are_named():
    content = replace(make_track(layout=OPENPOSE_18), layout=Layout("coco_18", OPENPOSE_18.names, (), ())).to_bytes()
    with pytest.raises(FleximoError, match="layout 'coco_18'; one of openpose_18, wholebody_128"):
        PoseTrack.from_bytes(content)


@pytest.mark.parametrize("size", [np.zeros(1), np.array(3), np.array(["wide", "high"])])
def test_a_file_with_an_odd_size_is_explained(size: np.ndarray):
    arrays = dict(np.load(io.BytesIO(make_track().to_bytes())))
    content = io.BytesIO()
    np.savez(content, **arrays | {"size": size})
    with pytest.raises(FleximoError, match="pose track file cannot be read"):
        PoseTrack.from_bytes(content.getvalue())


def test_a_signal_is_cut_with_its_track_unless_it_was_drawn():
    signal = PoseSignal(make_track())
    np.testing.assert_array_equal(signal[1:3].track.points_px, signal.track.points_px[1:3])
    with pytest.raises(FleximoError, match="drawn frames cannot be cut"):
        PoseSignal(make_track(), b"video")[1:3]
