"""What a flat puppet of this job cannot show well: told as notices, so that nobody mistakes it for the model's best.

Reads the track and the photo's person; draws nothing.
"""

from __future__ import annotations

import numpy as np

from fleximo.arrays import BoolArray, FloatArray
from fleximo.errors import Notice
from fleximo.job import RenderJob
from fleximo.puppet.layers import Puppet
from fleximo.puppet.pose import TURN_LIMIT_DEGREES
from fleximo.puppet.rest import ARMS, SIDES, RestPose
from fleximo.puppet.target import Target

__all__ = ["puppet_notices"]

_FEW_FRAMES = 0.02  # a share of frames that is not worth a word


def puppet_notices(job: RenderJob, puppet: Puppet, target: Target) -> tuple[Notice, ...]:
    """The notices of the job's frames, each code once."""
    start, stop = job.frames
    found = [
        _turned(puppet.rest, target, start, stop),
        _leaves(job, puppet, target, start, stop),
        _folded(puppet),
        _hands(puppet),
    ]
    return tuple(notice for notice in found if notice is not None)


def yaw_beyond(rest: RestPose, target: Target) -> BoolArray:
    """(T,) whether the shoulders and hips are seen more from the side than the photo allows.

    From depth where it is known, else from how narrow both have become.
    """
    wide = np.zeros(len(target.points))
    for right, left in ((2, 5), (8, 11)):
        across = np.abs(target.points[:, left, 0] - target.points[:, right, 0])
        rest_across = max(abs(float(rest.points[left, 0] - rest.points[right, 0])), 1.0)
        wide = np.maximum(wide, across / (rest_across * target.growth[:, [right, left]].mean(axis=1)))
    facing = np.sign((rest.points[5, 0] - rest.points[2, 0]) * (target.points[:, 5, 0] - target.points[:, 2, 0]))
    return np.asarray((wide < np.cos(np.radians(TURN_LIMIT_DEGREES))) | (facing < 0))


def _turned(rest: RestPose, target: Target, start: int, stop: int) -> Notice | None:
    beyond = yaw_beyond(rest, target)[start:stop]
    if beyond.mean() <= _FEW_FRAMES:
        return None
    return Notice(
        "turn_clamped",
        f"In {int(beyond.sum())} of {stop - start} frames the body turns more than {TURN_LIMIT_DEGREES:.0f} degrees "
        "away from the photo; one photo has no side view, so the draft shows its front.",
        "Choose a motion that faces the camera, or another engine.",
    )


def _leaves(job: RenderJob, puppet: Puppet, target: Target, start: int, stop: int) -> Notice | None:
    """Points that the photo shows and the video does not."""
    width, height = job.size
    shown = puppet.rest.seen[:18] & _inside(puppet.rest.points[:18], width, height)
    out = ~_inside(target.points[start:stop, :18], width, height) & shown
    frames = out.any(axis=1)
    if frames.mean() <= _FEW_FRAMES:
        return None
    return Notice(
        "motion_leaves_frame",
        f"In {int(frames.sum())} of {stop - start} frames a part of the body is outside the picture.",
        "Use a framing with more room around the person, or a smaller motion.",
    )


def _inside(points: FloatArray, width: int, height: int) -> BoolArray:
    return np.asarray(((points >= 0) & (points <= [width, height])).all(axis=-1))


def _folded(puppet: Puppet) -> Notice | None:
    """Forearms that lie before the trunk in the photo are replaced."""
    if not puppet.folded_arms:
        return None
    return Notice(
        "arm_overlaps_torso",
        f"In the photo the {' and the '.join(puppet.folded_arms)} forearm lies before the body; "
        "another arm is put in its place.",
        "Use a photo with the arms away from the body.",
    )


def _hands(puppet: Puppet) -> Notice | None:
    missing = [s for s in SIDES if not puppet.hands_seen[s] and puppet.rest.has(*ARMS[s])]
    if not missing:
        return None
    return Notice(
        "hands_synthesised",
        f"The photo does not show the {' and the '.join(missing)} hand; it is drawn in the face's skin tone.",
        "Use a photo with both hands in sight.",
    )
