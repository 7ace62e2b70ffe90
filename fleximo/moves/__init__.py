"""Text's moves as motion: the table of all moves, and `generate`, which plays a whole plan.

Owns which move is played how; the moves themselves live one family to a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from fleximo import rotations as rot
from fleximo.errors import FleximoError
from fleximo.limbs import on_elbow_hinge
from fleximo.motion import Motion
from fleximo.moves import dance, floor, gestures, golf, locomotion, sports
from fleximo.moves.base import SIDES, Body, Cue, Move, Place, Tracks, to_motion
from fleximo.moves.easing import envelope
from fleximo.moves.posing import standing
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
    Move("golf_swing", golf.golf_swing, ("spine", "arms"), uses_legs=True),
    Move("cross_arms", gestures.cross_arms, ("arms",), uses_legs=False, side="both"),
    Move("raise_arms", gestures.raise_arms, ("arm",), uses_legs=False, side="both"),
    Move("stretch", gestures.stretch, ("spine", "head", "arms"), uses_legs=False, side="both"),
    Move("point", gestures.point, ("arm",), uses_legs=False),
    Move("shrug", gestures.shrug, ("arms", "head"), uses_legs=False, side="both"),
    Move("salute", gestures.salute, ("arm", "head"), uses_legs=False),
    Move("pick_up", floor.pick_up, ("spine", "arm"), uses_legs=True),
    Move("drink", gestures.drink, ("arm", "head"), uses_legs=False),
)

LIBRARY: Mapping[str, Move] = MappingProxyType({move.name: move for move in _ENTRIES})


@dataclass(frozen=True)
class _Posture:
    """A posture that some moves end in: how it is held and how it is left."""

    hold: Callable[[Cue], Tracks]
    leave: Callable[[Cue], Tracks]
    leave_s: float


_POSTURES: Mapping[str, _Posture] = MappingProxyType(
    {
        "standing": _Posture(standing, standing, 0.0),
        "seated": _Posture(floor.seated, floor.stand_up, 1.5),
        "kneeling": _Posture(floor.kneeling, floor.rise, 1.4),
    }
)
_LAYER_BLEND_S = 0.3


def _move(name: str) -> Move:
    if name not in LIBRARY:
        raise FleximoError(f"The move {name!r} has no generator.", remedy=f"Use one of {', '.join(LIBRARY)}.")
    return LIBRARY[name]


def _cue(segment: Segment, frames: int, fps: Fraction, seed: int, body: Body, liveliness: float) -> Cue:
    side = segment.side or _move(segment.move).side
    return Cue(frames, fps, side, segment.repeats, segment.direction, segment.speed, seed, liveliness, body)


def _base_first(segment: Segment) -> tuple[Segment, tuple[Segment, ...]]:
    """The move that owns the legs, and the others as layers over it.

    Standing still keeps the legs: of a walk laid over it only the arms are played.
    """
    if _move(segment.move).uses_legs or segment.move == "idle":
        return segment, segment.layers
    for i, layer in enumerate(segment.layers):
        if _move(layer.move).uses_legs:
            return layer, (*segment.layers[:i], segment, *segment.layers[i + 1 :])
    return segment, segment.layers


def _lay_over(tracks: Tracks, move: Move, cue: Cue) -> None:
    """Lets `move` take over its joints in `tracks`, eased in at the start of the cue and out at its end."""
    rig = tracks.body.rig
    joints = list(move.layer_joints(rig, cue.side))
    if not joints:
        return
    span = slice(0, cue.frames)
    blend = min(_LAYER_BLEND_S, 0.25 * cue.end)
    weight = envelope(cue.t, 0.0, blend, cue.end - blend, cue.end)[:, None]
    over = move.generate(cue).local[:, joints]
    tracks.local[span, joints] = rot.slerp(tracks.local[span, joints], over, weight)
    for side in SIDES:
        elbow = rig.index(f"{side}_elbow")
        tracks.local[span, elbow] = on_elbow_hinge(tracks.local[span, elbow], side)


@dataclass(frozen=True)
class _State:
    """What one segment leaves to the next."""

    posture: str = "standing"
    side: str = "right"  # of the knee on the floor


def _tracks(
    segment: Segment, frames: int, fps: Fraction, seed: int, body: Body, liveliness: float, state: _State
) -> tuple[list[Tracks], _State]:
    """The tracks of one segment in parts that follow each other, begun in `state`, and the state it ends in."""
    base, layers = _base_first(segment)
    move, cue = _move(base.move), _cue(base, frames, fps, seed, body, liveliness)
    parts: list[Tracks] = []
    if not move.uses_legs and state.posture == "standing":
        tracks, after = move.generate(cue), state
    elif not move.uses_legs or move.ends == state.posture != "standing":
        # Gestures of someone who sits or kneels; who sits already does not sit down again.
        tracks, after = _POSTURES[state.posture].hold(replace(cue, side=state.side)), state
        if not move.uses_legs:
            _lay_over(tracks, move, cue)
    elif move.starts != state.posture:
        if state.posture == "standing":  # whoever stands has nothing to get up from
            tracks, after = standing(cue), state
        elif move.starts != "standing":  # stand_up of one who kneels: to rise is all there is to do
            tracks = _POSTURES[state.posture].leave(replace(cue, side=state.side, repeats=1, direction=None))
            after = _State(move.ends, cue.side)
        else:
            posture = _POSTURES[state.posture]
            rising = min(frame_count(posture.leave_s, fps), frames // 2)
            if rising:
                up = Cue(rising, fps, state.side, 1, None, 1.0, seed, liveliness, body)
                parts.append(posture.leave(up))
            cue = replace(cue, frames=frames - rising)
            tracks, after = move.generate(cue), _State(move.ends, cue.side)
    else:
        tracks, after = move.generate(cue), _State(move.ends, cue.side)
    for i, layer in enumerate(layers):
        length = min(tracks.frames, frame_count(layer.seconds, fps))
        _lay_over(tracks, _move(layer.move), _cue(layer, length, fps, seed + 7919 * (i + 1), body, liveliness))
    return [*parts, tracks], after


def play(
    segment: Segment, *, fps: Fraction, seed: int = 0, rig: Rig = DEFAULT_RIG, liveliness: float = 1.0
) -> tuple[Motion, Place]:
    """One segment with its layers, from the origin, and the place where its stance ends up.

    `liveliness` 0 leaves out breathing, sway and seeded variation.
    """
    state = _State(_move(_base_first(segment)[0].move).starts)
    parts, _ = _tracks(segment, frame_count(segment.seconds, fps), fps, seed, Body(rig), liveliness, state)
    return to_motion(parts[-1], fps), parts[-1].exit


def generate(
    plan: MotionPlan,
    *,
    fps: float | Fraction = 30,
    rig: Rig = DEFAULT_RIG,
    progress: Callable[[float, str], None] | None = None,
) -> Motion:
    """The motion of a whole plan; each segment lasts round(seconds * fps) frames, one joined to the next in 3D.

    A posture is kept: who has sat down waves sitting, and gets up before a move that needs the legs, within that
    move's time. The same plan, seed and rate give the same bits.

    >>> len(generate(MotionPlan((Segment("wave", 2.0), Segment("bow", 1.5))), fps=24))
    84
    """
    rate, body = as_fps(fps), Body(rig)
    parts: list[Motion] = []
    exits: list[Heading] = []
    state = _State(_move(_base_first(plan.segments[0])[0].move).starts)
    for i, segment in enumerate(plan.segments):
        if progress is not None:
            progress(i / len(plan.segments), segment.move)
        seed = segment.seed
        if seed is None:
            seed = int(np.random.SeedSequence([plan.seed & 0xFFFFFFFF, i]).generate_state(1)[0])
        played, state = _tracks(segment, frame_count(segment.seconds, rate), rate, seed, body, 1.0, state)
        for tracks in played:
            parts.append(to_motion(tracks, rate))
            exits.append((tracks.exit.x, tracks.exit.z, tracks.exit.yaw_rad))
    return join(parts, exits)
