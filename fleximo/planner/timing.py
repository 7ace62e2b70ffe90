"""From steps to segments: sides, directions, repeats and seconds of each, and the turns that "back" asks for.

Knows the lexicon's times; knows no words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from fleximo.errors import FleximoError, Notice
from fleximo.moves.lexicon import LEXICON
from fleximo.plan import MAX_PLAN_SECONDS, MAX_SEGMENT_SECONDS, Segment
from fleximo.planner.ordering import Step
from fleximo.planner.units import Action

__all__ = ["timed_segments"]

SHORTEST_S = 0.5  # less than this and no move can be seen
SHORTEST_HELD_S = 2.0  # of held and travelling moves whose length nobody asked for
_SLOWEST, _FASTEST = 0.25, 4.0
_TURNING_BACK = frozenset({"walk", "run", "march"})
_SIDED_BY_DIRECTION = frozenset("punch kick lunge kneel wave raise_arms".split())  # "kicks left": with the left leg


@dataclass(frozen=True)
class _Piece:
    """An act with one side and one direction."""

    action: Action
    side: str | None
    direction: str | None
    repeats: int | None
    seconds: float | None


def timed_segments(steps: list[Step], text_of: Callable[[int, int], str]) -> tuple[list[Segment], list[Notice]]:
    """The segments of `steps` and notices on changed lengths; `text_of` gives the words of a range of tokens.

    Raises `FleximoError` (code `too_long`) where the plan lasts longer than can be made at once.
    """
    segments: list[Segment] = []
    notices: list[Notice] = []
    for step in steps:
        for piece in _pieces(step.base):
            if piece.direction == "back" and _TURNING_BACK & {piece.action.entry.move}:
                if not (segments and segments[-1].move == "turn"):
                    segments.append(_turn_around(text_of(step.base.start, step.base.stop)))
                piece = replace(piece, direction=None)
            made, notice = _segment(piece, step, text_of)
            segments.extend(made)
            notices.extend(notice)
            if sum(segment.seconds for segment in segments) > MAX_PLAN_SECONDS:
                raise _too_long(segments)
    return segments, notices


def _too_long(segments: list[Segment]) -> FleximoError:
    longest = max(segments, key=lambda segment: segment.seconds)
    return FleximoError(
        f"The text asks for more than {MAX_PLAN_SECONDS:.0f} s of motion (the longest part is {longest.text!r}).",
        code="too_long",
        remedy="Ask for fewer repeats or a shorter time, or plan it in several texts.",
    )


def _turn_around(text: str) -> Segment:
    return Segment("turn", LEXICON["turn"].seconds(), text, direction="around")


def _pieces(action: Action) -> Iterator[_Piece]:
    """The act once for each of its sides and directions ("left and right"), and there and back for "to and fro"."""
    said, entry = action.modifiers, action.entry
    directions: tuple[str | None, ...] = tuple(_direction(action, direction) for direction in said.directions) or (
        _direction(action, action.variant.direction),
    )
    sides: tuple[str | None, ...] = tuple(_side(action, side) for side in said.sides) or (None,)
    repeats = action.variant.repeats if said.repeats is None else said.repeats
    seconds = action.variant.seconds if said.seconds is None else said.seconds
    if entry.move in _SIDED_BY_DIRECTION and not said.sides:
        bare = [direction for direction in directions if direction in ("left", "right")]
        if bare and entry.one_sided:
            sides, directions = tuple(bare), (None,)
    if directions == ("to and fro",):
        yield from _to_and_fro(action, sides[0], repeats, seconds)
        return
    if said.degrees is not None and entry.move == "turn":
        directions, repeats = _turned(said.degrees, directions[0], repeats)
    if said.degrees is not None and entry.move == "spin_dance":
        repeats = (repeats or 1) * max(1, round(min(said.degrees, 7200.0) / 360.0))
    pieces = len(dict.fromkeys(sides)) * len(dict.fromkeys(directions))
    seconds = None if seconds is None else seconds / pieces
    for side in dict.fromkeys(sides):
        for direction in dict.fromkeys(directions):
            yield _Piece(action, side, direction, repeats, seconds)


def _to_and_fro(action: Action, side: str | None, repeats: int | None, seconds: float | None) -> Iterator[_Piece]:
    """There, round, and back; twice as many ways as times."""
    if action.entry.move not in _TURNING_BACK:
        yield _Piece(action, side, None, repeats, seconds)
        return
    ways = 2 * min(repeats or 1, 200)
    turning = (ways - 1) * LEXICON["turn"].seconds()
    each = None if seconds is None else max(SHORTEST_S, (seconds - turning) / ways)
    for way in range(ways):
        yield _Piece(action, side, "back" if way else None, None, each)


def _turned(degrees: float, direction: str | None, repeats: int | None) -> tuple[tuple[str | None, ...], int | None]:
    """A turn is a quarter to one side or a half round; an angle is made of the nearest number of them."""
    quarters = max(1, round(min(degrees, 3600.0) / 90.0))
    times = repeats or 1
    if quarters % 2 == 0:
        return ("around",), times * quarters // 2
    return (direction if direction in ("left", "right") else "left",), times * quarters


def _direction(action: Action, direction: str | None) -> str | None:
    entry = action.entry
    if direction == "away":
        return "back" if entry.move in _TURNING_BACK else action.variant.direction
    if direction == "back":
        if entry.move == "walk" and action.stepping:
            return "backward"
        if entry.move in _TURNING_BACK:
            return "backward" if action.variant.direction == "backward" else "back"
        return "backward" if entry.move in ("jump", "lunge") else action.variant.direction
    if direction == "to and fro":
        return direction
    if direction == "side" and "left" in entry.directions:
        side = action.modifiers.sides[0] if action.modifiers.sides else action.variant.direction
        return side if side in ("left", "right") else "left"
    if direction in entry.directions:
        return direction
    variant = action.variant.direction
    return variant if variant in entry.directions else None


def _side(action: Action, side: str) -> str | None:
    entry = action.entry
    if not entry.one_sided:
        return None
    if side == "one":
        return "right" if entry.default_side == "both" else None
    return side


def _lengths(piece: _Piece, speed: float) -> tuple[int, float]:
    """(repeats, seconds): what is said wins; a cycle fills the time said with repeats."""
    entry = piece.action.entry
    repeats = piece.repeats
    if repeats is None:
        repeats = entry.default_repeats
        if piece.seconds is not None and entry.kind == "cycle":
            repeats = max(1, round((piece.seconds * speed - entry.lead_s) / entry.period_s))
    if piece.seconds is not None:
        return repeats, piece.seconds
    if entry.kind == "travel" and piece.repeats is not None:
        return repeats, entry.period_s * repeats / speed  # so many steps
    if entry.counted:
        return repeats, entry.seconds(repeats, speed)
    return repeats, max(SHORTEST_HELD_S, entry.seconds(1, speed)) * (piece.repeats or 1)


def _segment(piece: _Piece, step: Step, text_of: Callable[[int, int], str]) -> tuple[list[Segment], list[Notice]]:
    speed = _speed(piece.action)
    repeats, seconds = _lengths(piece, speed)
    seconds += piece.action.modifiers.held or 0.0
    notices: list[Notice] = []
    text = text_of(piece.action.start, piece.action.stop)
    layers = [_Layer.of(layer) for layer in step.layers]
    if piece.seconds is None and layers:
        asked = [layer.seconds for layer in layers if layer.asked]
        timed = [layer.piece.seconds for layer in layers if layer.piece.seconds is not None]
        if timed:
            seconds = max(timed)
            repeats = _lengths(replace(piece, seconds=seconds), speed)[0]
        elif asked:
            seconds = max(seconds, *asked)
    if seconds < SHORTEST_S:
        notices.append(
            Notice("length_changed", f"{text!r} would last {seconds:.2g} s; it was given {SHORTEST_S} s.", "")
        )
        seconds = SHORTEST_S
    if seconds > MAX_PLAN_SECONDS:
        raise _too_long([Segment(piece.action.entry.move, MAX_SEGMENT_SECONDS, text)])
    whole = Segment("idle", 1.0, text, piece.side, 1, piece.direction, speed)
    parts = _parts(piece.action.entry.move, repeats, seconds)
    made = [
        replace(
            whole,
            move=piece.action.entry.move,
            repeats=part_repeats,
            seconds=round(part_seconds, 4),
            layers=tuple(layer.segment(part_seconds, text_of) for layer in layers),
        )
        for part_repeats, part_seconds in parts
    ]
    return made, notices


def _parts(move: str, repeats: int, seconds: float) -> list[tuple[int, float]]:
    """Parts of at most the longest segment, with the repeats shared out."""
    count = max(1, -int(-seconds // MAX_SEGMENT_SECONDS), -(-repeats // 200))
    shares = [repeats // count + (part < repeats % count) for part in range(count)]
    if not LEXICON[move].counted or 0 in shares:
        return [(max(1, min(repeats, 200)), seconds / count)] * count
    total = sum(shares)
    longest = max(shares) * seconds / total
    if longest > MAX_SEGMENT_SECONDS:
        return [(share, seconds / count) for share in shares]
    return [(share, seconds * share / total) for share in shares]


def _speed(action: Action) -> float:
    said = action.modifiers.speed
    speed = action.variant.speed if said is None else said
    return min(max(speed, _SLOWEST), _FASTEST)


@dataclass(frozen=True)
class _Layer:
    """An act over another: it fills the other's time unless a count or a time is said for it."""

    piece: _Piece
    repeats: int
    seconds: float
    asked: bool

    @classmethod
    def of(cls, action: Action) -> _Layer:
        piece = next(_pieces(action))
        repeats, seconds = _lengths(piece, _speed(action))
        asked = piece.repeats is not None or piece.seconds is not None
        return cls(piece, min(repeats, 200), seconds, asked)

    def segment(self, base_seconds: float, text_of: Callable[[int, int], str]) -> Segment:
        action = self.piece.action
        speed = _speed(action)
        seconds = min(self.seconds, base_seconds) if self.asked else base_seconds
        repeats = self.repeats
        if not self.asked:
            repeats = min(200, _lengths(replace(self.piece, seconds=seconds), speed)[0])
        direction = None if self.piece.direction in ("back", "to and fro") else self.piece.direction
        text = text_of(action.start, action.stop)
        seconds = round(max(SHORTEST_S, min(seconds, MAX_SEGMENT_SECONDS)), 4)
        return Segment(action.entry.move, seconds, text, self.piece.side, repeats, direction, speed)
