"""What reading gives: units of a sentence, the acts in them and how each act is done.

Plain values; knows no words and no order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fleximo.moves.lexicon import Entry, Variant
from fleximo.planner.forms import Form

__all__ = ["Action", "Modifiers", "Unit"]


@dataclass(frozen=True)
class Modifiers:
    """What is said about how an act is done; None where nothing is said."""

    sides: tuple[str, ...] = ()
    repeats: int | None = None
    seconds: float | None = None
    directions: tuple[str, ...] = ()
    speed: float | None = None
    degrees: float | None = None
    held: float | None = None  # seconds that the end of it is kept

    def over(self, other: Modifiers) -> Modifiers:
        """These, and where they say nothing the other's."""
        return Modifiers(
            self.sides or other.sides,
            other.repeats if self.repeats is None else self.repeats,
            other.seconds if self.seconds is None else self.seconds,
            self.directions or other.directions,
            other.speed if self.speed is None else self.speed,
            other.degrees if self.degrees is None else self.degrees,
            other.held if self.held is None else self.held,
        )

    def __bool__(self) -> bool:
        return self != Modifiers()


@dataclass
class Action:
    """One act that a move shows. `link`: how it stands to the act before it: "next", "layer" or "perhaps" a layer."""

    entry: Entry
    form: Form
    start: int  # token
    stop: int
    variant: Variant = field(default_factory=lambda: Variant(()))
    modifiers: Modifiers = field(default_factory=Modifiers)
    link: str = "next"
    bare: bool = False  # a plural noun without a number: "squats"
    stepping: bool = False  # steps rather than walks: its "back" is backward
    state: bool = False  # "stands": where someone is rather than what he does

    def modified(self, new: Modifiers) -> None:
        self.modifiers = new.over(self.modifiers)


@dataclass
class Unit:
    """The words from one joint of a sentence to the next."""

    marks: frozenset[str]
    start: int
    stop: int = 0
    subject: bool = False
    actions: list[Action] = field(default_factory=list)
    loose: Modifiers = field(default_factory=Modifiers)  # said without an act beside it
    again: tuple[int, bool] | None = None  # how often, and whether the number is a count of its own
    whole: bool = False  # "repeat everything"
    unmatched: list[tuple[int, int]] = field(default_factory=list)  # token ranges
    hold: float | None = None  # seconds that the act before it is kept: "hold for three seconds"
    light: str = ""  # the verb of "does a kick"
    progressive: bool = False  # "is walking"
