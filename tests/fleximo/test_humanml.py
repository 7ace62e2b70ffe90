"""HumanML3D features: decoded and encoded as the published samples are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleximo import FleximoError
from fleximo import rotations as rot
from fleximo.formats.humanml import FEATURES, decode_features, encode_features, implausible_features
from tests.fleximo.move_metrics import example

_PARITY = os.environ.get("FLEXIMO_PARITY_DATA", "")
_EDGE = 81  # rows from the end whose smoothed heading saw a frame that the features no longer hold


def _parity(*parts: str) -> Path:
    path = Path(_PARITY).joinpath(*parts)
    if not _PARITY or not path.is_file():
        pytest.skip(f"{path.name}: not in FLEXIMO_PARITY_DATA")
    return path


def _walk(frames: int = 60, turn_rad: float = 0.0) -> np.ndarray:
    """(T,22,3) joints of a walk, seen from another side."""
    joints = example("walk", fps=20, seconds=frames / 20).joints()[:, :22]
    return rot.rotate(rot.from_axis_angle([0.0, 1.0, 0.0], turn_rad), joints) + np.array([0.3, 0.0, -0.2])


@pytest.mark.parametrize("clip", [0, 1])
def test_decodes_as_the_reference(clip: int):
    with np.load(_parity("t2m_gpt", "recover_from_ric.npz")) as archive:
        joints = decode_features(archive["features"][clip]).joints
        assert np.abs(joints - archive["joints"][clip]).max() < 2e-6


def test_decodes_the_published_sample():
    joints = np.load(_parity("humanml3d", "sample", "012314_new_joints.npy"))
    clip = decode_features(np.load(_parity("humanml3d", "sample", "012314_new_joint_vecs.npy")))
    assert np.abs(clip.joints - joints).max() < 2e-6


@pytest.mark.parametrize(("name", "tolerance"), [("012314", 5e-6), ("000612", 5e-3)])
def test_encodes_the_published_samples(name: str, tolerance: float):
    # The second sample was cut before its last frames were smoothed, so that its heading is not told by itself.
    rows = np.load(_parity("humanml3d", "sample", f"{name}_new_joint_vecs.npy")).astype(np.float64)
    again = encode_features(decode_features(rows).joints)
    assert again.shape == (len(rows) - 1, FEATURES)
    assert np.abs(again - rows[:-1])[: len(rows) - _EDGE].max() < tolerance


@settings(deadline=None, max_examples=20)
@given(st.floats(-3.0, 3.0), st.integers(2, 120))
def test_joints_come_back(turn_rad: float, frames: int):
    joints = _walk(frames, turn_rad)
    clip = decode_features(encode_features(joints))
    assert len(clip.joints) == frames - 1
    # Features hold no place and no heading of the first frame.
    moved = joints[:-1] - joints[0, 0] * np.array([1.0, 0.0, 1.0])
    across = (moved[0, 17] - moved[0, 16]) + (moved[0, 2] - moved[0, 1])
    faced = rot.rotate(rot.from_axis_angle([0.0, 1.0, 0.0], -np.arctan2(across[2], -across[0])), moved)
    assert np.abs(clip.joints - faced).max() < 1e-6


def test_a_standing_foot_is_a_contact_and_a_kicking_one_is_not():
    motion = example("kick", fps=20)
    joints = motion.joints()[:, :22]
    clip = decode_features(encode_features(joints))
    speed = np.linalg.norm(np.diff(joints[:, [10, 11]], axis=0), axis=-1) * 20.0
    assert clip.toe_contacts[speed < 0.3].all()
    assert not clip.toe_contacts[speed > 1.0].any()


def test_wrong_statistics_are_noticed():
    rows = encode_features(_walk())
    assert implausible_features(rows) is None
    fast = rows.copy()
    fast[:, :3] *= 25.0
    notice = implausible_features(fast)
    assert notice is not None and notice.code == "implausible_motion"
    high = rows.copy()
    high[:, 3] += 3.0
    assert implausible_features(high) is not None


@pytest.mark.parametrize("shape", [(10, 251), (10, 22, 3), (263,), (0, 263)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]):
    with pytest.raises(FleximoError):
        decode_features(np.zeros(shape))


def test_too_short_and_broken_clips_are_refused():
    with pytest.raises(FleximoError, match="at least two"):
        encode_features(_walk()[:1])
    rows = encode_features(_walk())
    rows[3, 7] = np.nan
    with pytest.raises(FleximoError, match="not finite"):
        decode_features(rows)
