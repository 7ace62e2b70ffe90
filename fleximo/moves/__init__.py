"""Text's moves as motion: the table of all moves, and `generate`, which plays a whole plan.

Owns which move is played how; the moves themselves live one family to a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from fleximo import rotations as rot
from fleximo.errors import FleximoError
from fleximo.limbs import on_elbow_hinge
from fleximo.motion import Motion
from fleximo.moves import dance, floor, gestures, locomotion, sports
from fleximo.moves.base import SIDES, Body, Cue, Move, Place, to_motion
from fleximo.moves.easing import envelope
from fleximo.plan import MotionPlan, Segment
from fleximo.rig import DEFAULT_RIG, Rig
from fleximo.timing import as_fps, frame_count
from fleximo.transitions import Heading, join

__all__ = ["LIBRARY", "Cue", "Move", "generate", "play"]

_ENTRIES = (
    Move("idle", gestures.idle, (), uses_legs=False),
    Move("walk", locomotion.walk, ("arms",), uses_legs=True, cyclic=True),
    Move("run", locomotion.run, ("arms",), uses_legs=True, cyclic=True),
    Move("march", locomotion.march, ("arms",), uses_legs=True, cyclic=True),
    Move("wave", gestures.wave, ("arm",), uses_legs=False, cyclic=True),
    Move("jump", sports.jump, ("arms",), uses_legs=True, cyclic=True),
    Move("jumping_jacks", sports.jumping_jacks, ("arms",), uses_legs=True, cyclic=True),
    Move("squat", floor.squat, ("spine", "arms"), uses_legs=True, cyclic=True),
    Move("lunge", floor.lunge, ("arms",), uses_legs=True),
    Move("kneel", floor.kneel, ("arms",), uses_legs=True, ends="kneeling"),
    Move("dance", dance.dance, ("spine", "head", "arms"), uses_legs=True, side="both"),
    Move("spin_dance", dance.spin_dance, ("arms",), uses_legs=True, side="both"),
    Move("clap", gestures.clap, ("arms",), uses_legs=False, cyclic=True, side="both"),
    Move("sit_down", floor.sit_down, ("arms",), uses_legs=True, ends="seated"),
    Move("stand_up", floor.stand_up, ("arms",), uses_legs=True, starts="seated"),
    Move("kick", sports.kick, ("arms",), uses_legs=True),
    Move("punch", sports.punch, ("spine", "arms"), uses_legs=False, side="both"),
    Move("throw", sports.throw, ("spine", "arms"), uses_legs=False),
    Move("catch", sports.catch, ("spine", "arms"), uses_legs=False, side="both"),
    Move("turn", locomotion.turn, (), uses_legs=True, side="left"),
    Move("bow", gestures.bow, ("spine", "head", "arms"), uses_legs=True),
    Move("nod", gestures.nod, ("head",), uses_legs=False, cyclic=True),
    Move("shake_head", gestures.shake_head, ("head",), uses_legs=False, cyclic=True),
    Move("golf_swing", sports.golf_swing, ("spine", "arms"), uses_legs=True),
    Move("cross_arms", gestures.cross_arms, ("arms",), uses_legs=False, side="both"),
    Move("raise_arms", gestures.raise_arms, ("arm",), uses_legs=False, side="both"),
    Move("stretch", gestures.stretch, ("spine", "head", "arms"), uses_legs=False, side="both"),
    Move("point", gestures.point, ("arm",), uses_legs=False),
    Move("shrug", gestures.shrug, ("arms", "head"), uses_legs=False, side="both"),
    Move("salute", gestures.salute, ("arm",), uses_legs=False),
    Move("pick_up", floor.pick_up, ("spine", "arm"), uses_legs=True),
    Move("drink", gestures.drink, ("arm", "head"), uses_legs=False),
)

LIBRARY: Mapping[str, Move] = MappingProxyType({move.name: move for move in _ENTRIES})
_LAYER_BLEND_S = 0.3


def _move(name: str) -> Move:
    if name not in LIBRARY:
        raise FleximoError(f"The move {name!r} has no generator.", remedy=f"Use one of {', '.join(LIBRARY)}.")
    return LIBRARY[name]


def _cue(segment: Segment, frames: int, fps: Fraction, seed: int, body: Body, liveliness: float) -> Cue:
    side = segment.side or _move(segment.move).side
    return Cue(frames, fps, side, segment.repeats, segment.direction, segment.speed, seed, liveliness, body)


def _base_first(segment: Segment) -> tuple[Segment, tuple[Segment, ...]]:
    """The move that owns the legs, and the others as layers over it."""
    if _move(segment.move).uses_legs:
        return segment, segment.layers
    for i, layer in enumerate(segment.layers):
        if _move(layer.move).uses_legs:
            return layer, (*segment.layers[:i], segment, *segment.layers[i + 1 :])
    return segment, segment.layers


def play(
    segment: Segment, *, fps: Fraction, seed: int = 0, rig: Rig = DEFAULT_RIG, liveliness: float = 1.0
) -> tuple[Motion, Place]:
    """One segment with its layers, from the origin, and the place where its stance ends up."""
    body = Body(rig)
    frames = frame_count(segment.seconds, fps)
    base, layers = _base_first(segment)
    tracks = _move(base.move).generate(_cue(base, frames, fps, seed, body, liveliness))
    for i, layer in enumerate(layers):
        cue = _cue(layer, frames, fps, seed + 7919 * (i + 1), body, liveliness)
        joints = list(_move(layer.move).layer_joints(rig, cue.side))
        if not joints:
            continue
        over = _move(layer.move).generate(cue)
        blend = min(_LAYER_BLEND_S, 0.25 * cue.end)
        weight = envelope(cue.t, 0.0, blend, cue.end - blend, cue.end)
        tracks.local[:, joints] = rot.slerp(tracks.local[:, joints], over.local[:, joints], weight[:, None])
        for side in SIDES:
            elbow = rig.index(f"{side}_elbow")
            tracks.local[:, elbow] = on_elbow_hinge(tracks.local[:, elbow], side)
    return to_motion(tracks, fps), tracks.exit


def generate(
    plan: MotionPlan,
    *,
    fps: float | Fraction = 30,
    rig: Rig = DEFAULT_RIG,
    progress: Callable[[float, str], None] | None = None,
) -> Motion:
    """The motion of a whole plan; each segment lasts round(seconds * fps) frames, one joined to the next in 3D.

    The same plan, seed and rate give the same bits.
    """
    rate = as_fps(fps)
    parts: list[Motion] = []
    exits: list[Heading] = []
    for i, segment in enumerate(plan.segments):
        if progress is not None:
            progress(i / len(plan.segments), segment.move)
        seed = int(np.random.SeedSequence([plan.seed & 0xFFFFFFFF, i]).generate_state(1)[0])
        motion, place = play(segment, fps=rate, seed=seed, rig=rig)
        parts.append(motion)
        exits.append((place.x, place.z, place.yaw_rad))
    return join(parts, exits)
