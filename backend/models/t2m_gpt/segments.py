"""Features of several segments -> parts of one long motion: solved for the rig, brought to their length, joined.

A segment's part depends on its own tokens and on those of its two neighbours only. Knows features and motions, no
network: it is given the decoder as a function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from backend.models.t2m_gpt.skeleton import HUMANML_RIG, SOLE_M
from backend.models.t2m_gpt.vqvae import FRAMES_PER_TOKEN, RECEPTIVE_TOKENS
from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.foot_lock import lock_feet
from fleximo.formats.humanml import FPS, decode_features
from fleximo.motion import Motion
from fleximo.posed import Posed
from fleximo.seams import MAX_JUMP_M, MAX_SLIDE_M_S, Seam, measure_seams, slide_m_s
from fleximo.solve import motion_from_joints
from fleximo.transitions import Heading, chained, inverse, join, moved

__all__ = ["Decode", "join_segments", "solve"]

Decode = Callable[[Sequence[int]], FloatArray]  # tokens (L,) -> raw features (4L,263)

_OVERLAP_S = 0.5  # to each side of a seam that was decoded together: 20 frames in all at the model's rate
_BLEND_S = 0.75  # 15 frames
_KEPT_TOKENS = 5  # so many tokens to each side of a seam can be shown of a common decoding; the rest is context
_AROUND = 6  # frames: what is next to a seam


def solve(features: FloatArray) -> Motion:
    """The motion of raw `features` (T,263) at 20 fps on `HUMANML_RIG`; its feet are not held yet."""
    clip = decode_features(features)
    return motion_from_joints(clip.joints, FPS, contacts=clip.toe_contacts, rig=HUMANML_RIG, lock=False)


def _exit(features: FloatArray) -> Heading:
    """Where the next segment begins, by the last turn and step of raw `features` (T,263), in their own frame."""
    longer = decode_features(np.concatenate((features, features[-1:]))).joints
    turn = -2.0 * float(features[:, 0].astype(np.float64).sum())
    return float(longer[-1, 0, 0]), float(longer[-1, 0, 2]), turn


@dataclass
class _Part:
    """A segment on its way: frames at the rate asked for, and where in its tokens they lie."""

    motion: Motion
    exit: Heading
    tokens: tuple[int, ...]
    positions: FloatArray  # (T,) frames of the model's rate

    @property
    def natural(self) -> int:
        return len(self.tokens) * FRAMES_PER_TOKEN


def join_segments(
    tokens: Sequence[Sequence[int]],
    counts: Sequence[int],
    fps: Fraction,
    decode: Decode,
    told: Callable[[int], None] = lambda _: None,
) -> tuple[Motion, tuple[Seam, ...]]:
    """One motion of segments whose `tokens` are shown in `counts` frames at `fps`, and its seams.

    At each seam the end of one token list and the start of the next are decoded together; where that gives no jump it
    is what is shown there, elsewhere the two motions are blended. `told` hears of each segment that is done.
    """
    parts: list[_Part] = []
    together: list[bool] = []
    for i, (own, count) in enumerate(zip(tokens, counts)):
        parts.append(_part(own, count, fps, decode))
        if i:
            together.append(_bridge(parts[-2], parts[-1], decode))
        told(i)
    motion = join([part.motion for part in parts], [part.exit for part in parts], seconds=_BLEND_S, continuing=together)
    kinds = ["decoded together" if one else "blended" for one in together]
    return motion, measure_seams(motion, np.cumsum(counts)[:-1].tolist(), kinds)


def _part(tokens: Sequence[int], count: int, fps: Fraction, decode: Decode) -> _Part:
    """A segment by itself, from the origin."""
    features = decode(tokens)
    positions = np.arange(count) * (len(features) / count)
    return _Part(_sampled(solve(features), positions, fps), _exit(features), tuple(tokens), positions)


def _sampled(motion: Motion, positions: FloatArray, fps: Fraction) -> Motion:
    """The motion at fractional frame numbers, planted toes held; beyond the last frame a part of its last step on."""
    low = np.clip(np.floor(positions).astype(int), 0, max(0, len(motion) - 2))
    high = np.minimum(low + 1, len(motion) - 1)
    share = positions - low
    rotations = rot.slerp(motion.rotations[low], motion.rotations[high], share[:, None])
    root = motion.root[low] + (motion.root[high] - motion.root[low]) * share[:, None]
    planted = motion.contacts[np.clip(np.round(positions).astype(int), 0, len(motion) - 1)]
    # Held at the rate that is shown: between two frames of a foot held at another rate it would slide.
    posed = Posed(motion.rig, rotations, root.astype(np.float64))
    held = lock_feet(posed, planted, fps, SOLE_M)
    return Motion(rot.continuous(rot.normalise(posed.rotations)), posed.root, fps, held, motion.rig)


def _bridge(before: _Part, after: _Part, decode: Decode) -> bool:
    """Leads the end of `before` and the start of `after` over a common decoding; says whether.

    Not where that jumps or a planted toe would slide: blended, the feet step to their new places instead.
    """
    context = RECEPTIVE_TOKENS + _KEPT_TOKENS
    end, start = before.tokens[-context:], after.tokens[:context]
    overlaps = [_overlap(part) for part in (before, after)]
    features = decode((*end, *start))
    seam = len(end) * FRAMES_PER_TOKEN
    if min(overlaps) < 1 or _jump_m(decode_features(features).joints, seam) > MAX_JUMP_M:
        return False
    # One frame more than is led over: there each is still itself.
    last = slice(len(before.motion) - overlaps[0] - 1, len(before.motion))
    first = slice(0, overlaps[1] + 1)
    own_last, own_first = before.motion[last], after.motion[first]
    shown = np.concatenate((before.positions[last] - before.natural, after.positions[first])) + seam
    common = _sampled(solve(features), shown, before.motion.fps)
    common_last, common_first = common[: len(own_last)], common[len(own_last) :]
    onto_last, onto_first = _onto(own_last, common_last, 0), _onto(own_first, common_first, -1)
    share = np.arange(overlaps[0] + 1) / overlaps[0]
    led_last = _mixed(own_last, moved(common_last, onto_last), share)
    led_first = _mixed(own_first, moved(common_first, onto_first), 1.0 - np.arange(overlaps[1] + 1) / overlaps[1])
    if max(slide_m_s(led_last), slide_m_s(led_first)) > MAX_SLIDE_M_S:
        return False
    before.motion = _replaced(before.motion, last, led_last)
    after.motion = _replaced(after.motion, first, led_first)
    before.exit = chained(onto_last, inverse(onto_first))
    return True


def _onto(own: Motion, common: Motion, frame: int) -> Heading:
    """The way that lays `common` onto `own`: with one heading in `frame`, and planted toes on planted toes.

    Where no toe is planted in both, pelvis on pelvis.
    """
    turn = float(rot.yaw(own.rotations[frame, 0].astype(float)) - rot.yaw(common.rotations[frame, 0].astype(float)))
    turned = moved(common, (0.0, 0.0, turn))
    toes = [own.rig.index(f"{side}_foot") for side in ("left", "right")]
    planted = own.contacts & common.contacts
    if planted.any():
        x, _, z = (own.joints()[:, toes] - turned.joints()[:, toes])[planted].mean(axis=0)
    else:
        x, _, z = own.root[frame] - turned.root[frame]
    return float(x), float(z), turn


def _overlap(part: _Part) -> int:
    """How many frames of a part a seam may change: less than half, and no more than the common decoding shows."""
    shown = np.count_nonzero(part.positions < min(len(part.tokens), _KEPT_TOKENS) * FRAMES_PER_TOKEN) - 1
    wanted = round(_OVERLAP_S * float(part.motion.fps))
    return min(wanted, shown, (len(part.motion) - 1) // 2 - 1)


def _jump_m(joints: FloatArray, seam: int) -> float:
    """How much further a joint (T,22,3) moves into frame `seam` than in the frames around it."""
    steps = np.linalg.norm(np.diff(joints[max(0, seam - _AROUND) : seam + _AROUND], axis=0), axis=-1)
    across = seam - 1 - max(0, seam - _AROUND)
    beside = np.delete(steps, across, axis=0)
    return float((steps[across] - beside.max(axis=0)).max())


def _mixed(a: Motion, b: Motion, share: FloatArray) -> Motion:
    """`a` where `share` (T,) is 0, `b` where it is 1."""
    share = share**2 * (3.0 - 2.0 * share)
    return replace(
        a,
        rotations=rot.slerp(a.rotations, b.rotations, share[:, None]),
        root=a.root + (b.root - a.root) * share[:, None],
        contacts=np.where(share[:, None] < 0.5, a.contacts, b.contacts),
    )


def _replaced(motion: Motion, frames: slice, by: Motion) -> Motion:
    arrays = {name: getattr(motion, name).copy() for name in ("rotations", "root", "contacts")}
    for name, array in arrays.items():
        array[frames] = getattr(by, name)
    return replace(motion, **arrays)
