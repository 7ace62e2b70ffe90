"""Features of several segments -> parts of one long motion: solved for the rig, brought to their length, joined.

A segment's part depends on its own tokens and on those of its two neighbours only. Knows features and motions, no
network: it is given the decoder as a function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from backend.models.t2m_gpt.vqvae import FRAMES_PER_TOKEN, RECEPTIVE_TOKENS
from fleximo import rotations as rot
from fleximo.arrays import FloatArray
from fleximo.formats.humanml import FPS, decode_features
from fleximo.motion import Motion
from fleximo.rig import BODY_JOINTS, DEFAULT_RIG, Rig
from fleximo.seams import MAX_JUMP_M, Seam, measure_seams
from fleximo.solve import motion_from_joints
from fleximo.transitions import Heading, chained, inverse, join, moved, pelvis_place

__all__ = ["RIG", "Decode", "join_segments", "solve"]

Decode = Callable[[Sequence[int]], FloatArray]  # tokens (L,) -> raw features (4L,263)

_OVERLAP_S = 0.5  # to each side of a seam that was decoded together: 20 frames in all at the model's rate
_BLEND_S = 0.75  # 15 frames
_KEPT_TOKENS = 5  # so many tokens to each side of a seam can be shown of a common decoding; the rest is context
_AROUND = 6  # frames: what is next to a seam
# Length of the bone that ends in joints 1..21, m: all clips of HumanML3D were brought to this one skeleton.
_BONES_M = (
    0.1031, 0.1099, 0.1316, 0.3936, 0.3902, 0.1432, 0.4324, 0.4256, 0.0574, 0.1434, 0.1494, 0.2194, 0.1375, 0.1434,
    0.1030, 0.1316, 0.1230, 0.2568, 0.2631, 0.2660, 0.2699,
)  # fmt: skip


def _humanml_rig() -> Rig:
    """The default rig with the bone lengths of HumanML3D."""
    offsets = DEFAULT_RIG.rest_offsets.astype(np.float64)
    for name, length in zip(BODY_JOINTS[1:], _BONES_M):
        offsets[DEFAULT_RIG.index(name)] *= length / np.linalg.norm(offsets[DEFAULT_RIG.index(name)])
    return DEFAULT_RIG.with_offsets(offsets)


RIG = _humanml_rig()


def solve(features: FloatArray) -> Motion:
    """The motion of raw `features` (T,263) at 20 fps on `RIG`."""
    clip = decode_features(features)
    return motion_from_joints(clip.joints, FPS, contacts=clip.toe_contacts, rig=RIG)


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
    """The motion at fractional frame numbers; beyond the last frame it goes on by a part of its last step."""
    low = np.clip(np.floor(positions).astype(int), 0, max(0, len(motion) - 2))
    high = np.minimum(low + 1, len(motion) - 1)
    share = positions - low
    return replace(
        motion,
        rotations=rot.slerp(motion.rotations[low], motion.rotations[high], share[:, None]),
        root=motion.root[low] + (motion.root[high] - motion.root[low]) * share[:, None],
        contacts=motion.contacts[np.clip(np.round(positions).astype(int), 0, len(motion) - 1)],
        fps=fps,
    )


def _bridge(before: _Part, after: _Part, decode: Decode) -> bool:
    """Leads the end of `before` and the start of `after` over a common decoding, if that has no jump; says whether."""
    context = RECEPTIVE_TOKENS + _KEPT_TOKENS
    end, start = before.tokens[-context:], after.tokens[:context]
    overlaps = [_overlap(part) for part in (before, after)]
    features = decode((*end, *start))
    seam = len(end) * FRAMES_PER_TOKEN
    if min(overlaps) < 1 or _jump_m(decode_features(features).joints, seam) > MAX_JUMP_M:
        return False
    common = solve(features)
    # One frame more than is led over: there the common decoding is laid onto the segment's own.
    last = slice(len(before.motion) - overlaps[0] - 1, len(before.motion))
    first = slice(0, overlaps[1] + 1)
    own_last, own_first = before.motion[last], after.motion[first]
    fps = before.motion.fps
    common_last = _sampled(common, before.positions[last] - before.natural + seam, fps)
    common_first = _sampled(common, after.positions[first] + seam, fps)
    onto_last = chained(pelvis_place(own_last[:1]), inverse(pelvis_place(common_last[:1])))
    onto_first = chained(pelvis_place(own_first[-1:]), inverse(pelvis_place(common_first[-1:])))
    share = np.arange(overlaps[0] + 1) / overlaps[0]
    before.motion = _replaced(before.motion, last, _mixed(own_last, moved(common_last, onto_last), share))
    share = 1.0 - np.arange(overlaps[1] + 1) / overlaps[1]
    after.motion = _replaced(after.motion, first, _mixed(own_first, moved(common_first, onto_first), share))
    before.exit = chained(onto_last, inverse(onto_first))
    return True


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
