"""Walking in a photo: the figure stays in the picture and planted feet stay planted."""

from __future__ import annotations

import numpy as np
import pytest

from fleximo import Camera, Motion, MotionPlan, Segment, moves
from fleximo.travel import share_of_travel, shortened, travel_notices


@pytest.fixture(scope="module")
def walk() -> Motion:
    return moves.generate(MotionPlan((Segment("walk", 4.0),), seed=3))


@pytest.fixture(scope="module")
def camera() -> Camera:
    """Level, 1 m above the floor, 4 m in front of the figure, 35 degrees high."""
    matrix = np.diag([1.0, -1.0, -1.0, 1.0])
    matrix[:3, 3] = (0.0, 1.0, 4.0)
    return Camera([[1624.0, 0, 288], [0, 1624, 512], [0, 0, 1]], matrix, (576, 1024))


def toe_speeds(motion: Motion) -> np.ndarray:
    toes = motion.positions("left_foot", "right_foot")
    steps = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) * float(motion.fps)
    return steps[motion.contacts[1:] & motion.contacts[:-1]]


def test_a_walk_towards_the_camera_is_cut_until_it_fits(walk: Motion, camera: Camera) -> None:
    share = share_of_travel(walk, camera)
    assert 0.02 < share < 0.5
    short = shortened(walk, share)
    points, depth = camera.project(short.positions("head_top", "left_toe_tip", "right_toe_tip", "pelvis"))
    assert depth.min() > 1
    assert points.min() >= 0 and points[..., 0].max() <= 576 and points[..., 1].max() <= 1024
    [notice] = travel_notices(walk, camera, share)
    assert notice.code == "motion_leaves_frame" and "4." in notice.message


def test_shorter_steps_do_not_slide_and_still_step(walk: Motion) -> None:
    short = shortened(walk, 0.2)
    travelled = np.ptp(short.root[:, 2])
    assert travelled == pytest.approx(0.2 * np.ptp(walk.root[:, 2]), rel=0.15)
    speeds = toe_speeds(short)
    assert speeds.mean() < 0.012 and speeds.max() < 0.06
    lift = np.ptp(short.positions("left_ankle")[:, 0, 1])
    assert lift > 0.5 * np.ptp(walk.positions("left_ankle")[:, 0, 1])


def test_the_first_frame_and_the_upper_body_stay(walk: Motion) -> None:
    short = shortened(walk, 0.3)
    legs = set(walk.rig.descendants("left_hip")) | set(walk.rig.descendants("right_hip"))
    upper = [joint for joint in range(52) if joint not in legs]
    assert np.array_equal(short.rotations[:, upper], walk.rotations[:, upper])
    assert np.allclose(short.root[0], walk.root[0])
    assert shortened(walk, 1.0) is walk


def test_a_motion_on_the_spot_is_left_alone(camera: Camera) -> None:
    wave = moves.generate(MotionPlan((Segment("wave", 3.0),), seed=3))
    assert share_of_travel(wave, camera) == 1.0
    assert travel_notices(wave, camera, 1.0) == ()
