"""Frames that are marked before a render: those that changed, left the picture, or hide a limb."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fleximo import FleximoError
from fleximo.frame_marks import FrameMarks, frame_marks
from fleximo.layouts import OPENPOSE_18, WHOLEBODY_128
from fleximo.pose_track import PoseTrack

WRIST, KNEE = OPENPOSE_18.index("left_wrist"), OPENPOSE_18.index("right_knee")


def still(frames: int = 10) -> PoseTrack:
    points = np.full((frames, 128, 2), 50.0)
    confidence = np.ones((frames, 128))
    return PoseTrack(points, confidence, (100, 100), Fraction(30), WHOLEBODY_128, np.ones((frames, 128)))


def test_nothing_is_marked_in_a_shot_that_is_well() -> None:
    assert frame_marks(still()) == frame_marks(still(), still()) == FrameMarks(10)


def test_each_kind_is_marked_where_it_is() -> None:
    before = still()
    points, confidence = before.points_px.copy(), before.confidence.copy()
    points[2:4, WRIST] = (120.0, 50.0)
    confidence[5:7, KNEE] = 0.3
    now = replace(before, points_px=points, confidence=confidence)
    marks = frame_marks(now, before)
    assert marks.outside == ((2, 4),)
    assert marks.hidden == ((5, 7),)
    assert marks.changed == ((2, 4), (5, 7))
    assert frame_marks(now).changed == ()


def test_what_the_photo_lacks_is_not_missed_and_who_is_gone_is() -> None:
    track = still()
    points, confidence = track.points_px.copy(), track.confidence.copy()
    points[:, KNEE] = (50.0, 140.0)
    confidence[:, KNEE] = 0.0
    assert frame_marks(replace(track, points_px=points, confidence=confidence)) == FrameMarks(10)
    confidence[8:, :18] = 0.0
    assert frame_marks(replace(track, points_px=points, confidence=confidence)).outside == ((8, 10),)


def test_another_length_is_a_change_of_every_frame() -> None:
    assert frame_marks(still(8), still(10)).changed == ((0, 8),)


def test_marks_are_kept_as_json() -> None:
    marks = FrameMarks(10, changed=((1, 3),), outside=(), hidden=((4, 5), (7, 10)))
    assert FrameMarks.from_json(marks.to_json()) == marks
    with pytest.raises(FleximoError, match="cannot be read"):
        FrameMarks.from_json({"frames": 10, "changed": [[1]]})
