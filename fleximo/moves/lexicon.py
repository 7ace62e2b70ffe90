"""The dictionary of the moves: the words for each, how long one repeat takes, which joints it needs.

Read by the planner (words, times, sides) and by the generators (`period_s`, `lead_s`). Knows no grammar and no joints.

Verbs are given in their base form, nouns in the singular; the planner derives the other forms (`IRREGULAR` holds
those that no rule gives). A phrase starts with a verb in its base form; `a/b` are alternatives and `*` stands for up
to four words in between: "raise * arm/hand" finds "raises both of her arms".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["IRREGULAR", "LEXICON", "Entry", "Kind", "Mask", "Variant"]

Kind = Literal["cycle", "gesture", "held", "travel"]
Mask = Literal["body", "upper", "arms", "arm", "head"]


@dataclass(frozen=True)
class Variant:
    """Words (verbs or phrases) that mean the move done in a special way, where the text does not say otherwise."""

    words: tuple[str, ...]
    speed: float = 1.0
    direction: str | None = None  # "back" = turns round first
    seconds: float | None = None
    repeats: int | None = None
    nouns: tuple[str, ...] = ()
    near: tuple[str, ...] = ()  # means the move only where one of these words is in the text as well


@dataclass(frozen=True)
class Entry:
    """What the planner and the generators must know of one move.

    `kind` says what an asked length does: a `cycle` (clap, squat) is repeated to fill it; a `gesture` (bow, point) is
    done once and held or slowed to fill it; `held` and `travel` last as long as asked.
    """

    move: str
    kind: Kind
    period_s: float  # seconds of one repeat at speed 1: one squat, one side-to-side of a wave, one step of a walk
    verbs: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    nouns: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    lead_s: float = 0.0  # seconds for getting into and out of the pose, once a segment (the hand up before a wave)
    default_repeats: int = 1  # where no count is said
    default_seconds: float = 0.0  # held and travelling moves where no length is said
    default_side: str | None = None  # left, right or both; None = the move has no sides
    one_sided: bool = False  # can be done with one side alone
    mask: Mask = "body"  # the joints that it takes; narrower than "body" can be played over another move
    directions: tuple[str, ...] = ()  # those that change the move; others ("jump up", "sit down") say nothing new

    @property
    def counted(self) -> bool:
        """True where repeats make the length; False where `default_seconds` does."""
        return self.kind in ("cycle", "gesture")

    def seconds(self, repeats: int = 1, speed: float = 1.0) -> float:
        """The natural length: lead and repeats, or the default seconds, over the speed.

        >>> LEXICON["squat"].seconds(repeats=3)
        6.0
        """
        natural = self.lead_s + self.period_s * repeats if self.counted else self.default_seconds
        return natural / speed


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_HANDED = "right"  # most people wave, throw and drink with the right hand

_ENTRIES = (
    Entry(
        move="idle",
        kind="held",
        period_s=1.0,
        default_seconds=2.0,
        verbs=_words("wait, rest, idle, freeze, linger, stand, relax"),
        phrases=_words(
            "stand still, stand up straight, stand tall, stay/hold/remain/keep still, stay there/put, stand there, "
            "return/go/come/get * stance/pose/standing, stay in place, stand in place, stand * on the spot, "
            "do nothing, "
            "take a break/rest/moment, catch * breath, lower * arm/hand, lower them/it, "
            "put/bring/let/drop * arm/hand * down, "
            "drop * arm/hand"
        ),
        nouns=_words("rest, break, wait"),
        variants=(
            Variant(_words("pause, hesitate, pause for thought, take a pause"), seconds=1.0, nouns=_words("pause")),
            Variant(_words("stop, halt, come to a stop/halt/standstill, come to rest"), seconds=0.8),
        ),
    ),
    Entry(
        move="walk",
        kind="travel",
        period_s=0.55,
        default_seconds=4.0,
        verbs=_words("walk, step, pace, wander, amble, advance, stride, enter, approach, leave, exit, depart"),
        phrases=_words(
            "go/take * for a walk, take * walk, take * step, move/go/come/head forward/forwards/ahead/over/in/out/up, "
            "go/move/head to/toward/towards, move/go left/right/backward/backwards/sideways, "
            "move to the left/right/side, come/go into/inside, cross * street/road/room/stage"
        ),
        nouns=_words("walk, stroll, step"),
        variants=(
            Variant(_words("stroll, saunter, mosey, plod, trudge"), speed=0.71),
            Variant(_words("back away, back up, retreat, step back, move back, walk in reverse"), direction="backward"),
            Variant(_words("return, come/go/head back"), direction="back"),
            Variant(_words("sidestep, side step, step/walk sideways"), direction="left"),
        ),
        directions=("forward", "backward", "left", "right"),
    ),
    Entry(
        move="run",
        kind="travel",
        period_s=0.35,
        default_seconds=3.0,
        verbs=_words("run, jog, race, rush, charge"),
        phrases=_words("go/take * for a run/jog, break into a run/jog/sprint"),
        nouns=_words("run, jog"),
        variants=(Variant(_words("sprint, dash, bolt"), speed=1.39),),
        directions=("forward", "backward", "left", "right"),
    ),
    Entry(
        move="march",
        kind="travel",
        period_s=0.5,
        default_seconds=4.0,
        verbs=_words("march"),
        phrases=_words("march in place, walk/step in place, walk/step on the spot, goose step, do high knee"),
        nouns=_words("march, high knee"),
        directions=("forward",),
    ),
    Entry(
        move="wave",
        kind="cycle",
        period_s=0.6,
        lead_s=1.0,
        default_repeats=3,
        verbs=_words("wave, greet"),
        phrases=_words("say hello/hi/goodbye/bye, wave hello/hi/goodbye/bye, wave * hand/arm"),
        nouns=_words("wave"),
        default_side=_HANDED,
        one_sided=True,
        mask="arm",
    ),
    Entry(
        move="jump",
        kind="cycle",
        period_s=1.2,
        verbs=_words("jump, leap, hop"),
        phrases=_words("jump up and down, hop up and down, take a leap/jump"),
        nouns=_words("jump, leap, hop"),
        directions=("forward", "backward", "left", "right"),
    ),
    Entry(
        move="jumping_jacks",
        kind="cycle",
        period_s=1.0,
        phrases=_words("do * star jump"),
        nouns=_words("jumping jack, star jump"),
    ),
    Entry(
        move="squat",
        kind="cycle",
        period_s=2.0,
        verbs=_words("squat, crouch"),
        phrases=_words("squat down, crouch down, bend * knee"),
        nouns=_words("squat, knee bend, crouch"),
    ),
    Entry(
        move="lunge",
        kind="cycle",
        period_s=2.2,
        verbs=_words("lunge"),
        phrases=_words("step into a lunge"),
        nouns=_words("lunge"),
        default_side=_HANDED,
        one_sided=True,
        directions=("forward", "backward", "left", "right"),
    ),
    Entry(
        move="kneel",
        kind="gesture",
        period_s=3.0,
        verbs=_words("kneel, genuflect"),
        phrases=_words("kneel down, get/go/drop/fall/sink/come * on/onto/to * knee, take a knee"),
        default_side=_HANDED,
        one_sided=True,
    ),
    Entry(
        move="dance",
        kind="held",
        period_s=1.0,
        default_seconds=6.0,
        verbs=_words("dance, boogie, groove"),
        phrases=_words("bust a move, show off * dance move"),
        nouns=_words("dance, dance move, dance step"),
    ),
    Entry(
        move="spin_dance",
        kind="cycle",
        period_s=1.6,
        verbs=_words("spin, twirl, pirouette, whirl"),
        phrases=_words("spin/twirl/whirl around/round, spin in a circle, spin in circles"),
        nouns=_words("spin, twirl, pirouette, whirl"),
        directions=("left", "right"),
    ),
    Entry(
        move="clap",
        kind="cycle",
        period_s=0.5,
        lead_s=0.6,
        default_repeats=4,
        verbs=_words("clap, applaud"),
        phrases=_words("clap * hand, give * round of applause"),
        nouns=_words("clap, applause"),
        default_side="both",
        mask="arms",
    ),
    Entry(
        move="sit_down",
        kind="gesture",
        period_s=2.5,
        verbs=_words("sit"),
        phrases=_words("sit down, sit back down, take/have a seat, be seated"),
    ),
    Entry(
        move="stand_up",
        kind="gesture",
        period_s=2.0,
        verbs=_words("rise, arise"),
        phrases=_words(
            "stand up, stand back up, get up, get back up, rise up, get/rise/jump/come * to * foot, rise from"
        ),
    ),
    Entry(
        move="kick",
        kind="cycle",
        period_s=1.2,
        verbs=_words("kick"),
        phrases=_words("kick * leg, kick out"),
        nouns=_words("kick, roundhouse, roundhouse kick, side kick, front kick"),
        default_side=_HANDED,
        one_sided=True,
        directions=("forward", "backward", "left", "right"),
    ),
    Entry(
        move="punch",
        kind="cycle",
        period_s=0.8,
        verbs=_words("punch, jab, box, shadowbox"),
        phrases=_words("shadow box"),
        nouns=_words("punch, jab, uppercut, hook"),
        default_side=_HANDED,
        one_sided=True,
        mask="upper",
        directions=("forward", "left", "right", "up", "down"),
    ),
    Entry(
        move="throw",
        kind="cycle",
        period_s=1.6,
        verbs=_words("throw, toss, hurl, lob, fling, chuck, pitch"),
        nouns=_words("throw, toss, pitch"),
        default_side=_HANDED,
        one_sided=True,
        mask="upper",
        directions=("forward", "backward", "left", "right", "up", "down"),
    ),
    Entry(
        move="catch",
        kind="cycle",
        period_s=1.6,
        verbs=_words("catch"),
        nouns=_words("catch"),
        default_side="both",
        one_sided=True,
        mask="upper",
        directions=("left", "right", "up", "down"),
    ),
    Entry(
        move="turn",
        kind="gesture",
        period_s=1.4,
        verbs=_words("turn, rotate, pivot"),
        phrases=_words("turn/rotate/pivot around/round, turn back, turn away, face left/right, spin to face"),
        nouns=_words("turn, about turn, quarter turn"),
        variants=(
            Variant(
                _words(
                    "turn/rotate/pivot around/round, turn back, turn away, turn * back to/on, about face, make a u turn"
                ),
                direction="around",
                nouns=_words("half turn"),
            ),
            Variant(
                _words("turn/rotate in a full circle, turn/rotate in a circle"),
                direction="around",
                repeats=2,
                nouns=_words("full turn, full circle"),
            ),
        ),
        directions=("left", "right", "around"),
    ),
    Entry(
        move="bow",
        kind="gesture",
        period_s=2.4,
        verbs=_words("bow"),
        phrases=_words("take * bow, bow down, bend over/forward/forwards, bend at the waist, lean forward/forwards"),
        nouns=_words("bow"),
        mask="upper",
        directions=("left", "right"),
    ),
    Entry(
        move="nod",
        kind="cycle",
        period_s=0.6,
        default_repeats=2,
        verbs=_words("nod"),
        phrases=_words("nod * head"),
        nouns=_words("nod, head nod"),
        mask="head",
    ),
    Entry(
        move="shake_head",
        kind="cycle",
        period_s=0.7,
        default_repeats=2,
        phrases=_words("shake * head"),
        nouns=_words("head shake, shake of * head"),
        variants=(Variant(_words("shake it"), near=_words("head")),),
        mask="head",
    ),
    Entry(
        move="golf_swing",
        kind="cycle",
        period_s=2.8,
        verbs=_words("golf"),
        phrases=_words(
            "swing * golf club, swing * club, hit/strike/drive * golf ball, play * golf, tee off, take * golf swing"
        ),
        nouns=_words("golf swing, golf stroke, golf shot, golf drive"),
        variants=(
            Variant(
                _words("swing, take a swing, take a shot"),
                nouns=_words("swing"),
                near=_words("golf, golfer, club, tee, fairway"),
            ),
        ),
        default_side=_HANDED,
        one_sided=True,
    ),
    Entry(
        move="cross_arms",
        kind="held",
        period_s=3.0,
        default_seconds=3.0,
        phrases=_words("cross/fold * arm"),
        nouns=_words("arm crossed, arm folded, crossed arm, folded arm"),
        default_side="both",
        mask="arms",
    ),
    Entry(
        move="raise_arms",
        kind="gesture",
        period_s=2.4,
        phrases=_words(
            "raise/lift/hold/throw/put/stretch/reach * arm/hand/fist * up/overhead, raise/lift * arm/hand/fist, "
            "raise/lift/hold/throw/put * arm/hand/fist * in/into the air, "
            "hold/put * arm/hand/fist * above/over * head, "
            "reach up/overhead, reach for the sky/ceiling, throw up * arm/hand/fist, put/hold up * arm/hand/fist"
        ),
        nouns=_words(
            "arm raised, hand raised, arm up, hand up, arm in the air, hand in the air, arm raise, raised arm, "
            "arm/hand go/goes/come/comes/rise/rises up, arm/hand rise/rises"
        ),
        default_side="both",
        one_sided=True,
        mask="arms",
    ),
    Entry(
        move="stretch",
        kind="gesture",
        period_s=4.0,
        verbs=_words("stretch"),
        phrases=_words("stretch out, stretch * arm/back/body/shoulder"),
        nouns=_words("stretch"),
        default_side="both",
        mask="upper",
        directions=("left", "right"),
    ),
    Entry(
        move="point",
        kind="gesture",
        period_s=2.0,
        verbs=_words("point"),
        phrases=_words("point * finger"),
        default_side=_HANDED,
        one_sided=True,
        mask="arm",
        directions=("forward", "backward", "left", "right", "up", "down"),
    ),
    Entry(
        move="shrug",
        kind="gesture",
        period_s=1.4,
        verbs=_words("shrug"),
        phrases=_words("shrug * shoulder"),
        nouns=_words("shrug"),
        default_side="both",
        mask="arms",
    ),
    Entry(
        move="salute",
        kind="gesture",
        period_s=2.2,
        verbs=_words("salute"),
        nouns=_words("salute"),
        default_side=_HANDED,
        one_sided=True,
        mask="arm",
    ),
    Entry(
        move="pick_up",
        kind="gesture",
        period_s=2.6,
        verbs=_words("lift"),
        phrases=_words(
            "pick up, pick * up, pick * off the floor/ground, grab/take/lift * off/from the floor/ground, "
            "bend/reach/lean/squat down to/and pick * up, bend/reach/lean over to/and pick * up, bend/reach/lean down "
            "and/to grab, bend/reach down and/to pick up, bend/reach over and/to pick up"
        ),
        default_side=_HANDED,
        one_sided=True,
    ),
    Entry(
        move="drink",
        kind="gesture",
        period_s=3.2,
        verbs=_words("drink, sip, gulp"),
        phrases=_words("take/have * sip/drink/gulp/swig"),
        nouns=_words("sip"),
        default_side=_HANDED,
        one_sided=True,
        mask="arm",
    ),
)

LEXICON: Mapping[str, Entry] = MappingProxyType({entry.move: entry for entry in _ENTRIES})

IRREGULAR: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # base -> past forms
        "arise": ("arose", "arisen"),
        "bend": ("bent",),
        "break": ("broke", "broken"),
        "bring": ("brought",),
        "catch": ("caught",),
        "come": ("came", "come"),
        "do": ("did", "done"),
        "drink": ("drank", "drunk"),
        "fall": ("fell", "fallen"),
        "fling": ("flung",),
        "freeze": ("froze", "frozen"),
        "get": ("got", "gotten"),
        "give": ("gave", "given"),
        "go": ("went", "gone"),
        "have": ("had",),
        "hit": ("hit",),
        "hold": ("held",),
        "keep": ("kept",),
        "kneel": ("knelt",),
        "lean": ("leant", "leaned"),
        "leap": ("leapt", "leaped"),
        "let": ("let",),
        "make": ("made",),
        "put": ("put",),
        "rise": ("rose", "risen"),
        "run": ("ran",),
        "say": ("said",),
        "shake": ("shook", "shaken"),
        "sink": ("sank", "sunk"),
        "sit": ("sat",),
        "spin": ("spun",),
        "stand": ("stood",),
        "stride": ("strode", "stridden"),
        "strike": ("struck",),
        "swing": ("swung",),
        "take": ("took", "taken"),
        "throw": ("threw", "thrown"),
    }
)
