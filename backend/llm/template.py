"""What a language model is asked, and how its answer is read.

The paper divides a long text into single motions with a template, which it does not print; this one is our own. Knows
no model and no network.
"""

from __future__ import annotations

import json
from typing import Any

from fleximo.errors import FleximoError
from fleximo.moves.lexicon import LEXICON
from fleximo.plan import DIRECTIONS

__all__ = ["Messages", "messages", "outline_in"]

Messages = list[dict[str, str]]

_MOST_CHARACTERS = 200_000  # of an answer; an outline of 500 segments has some 100,000
_MOST_OBJECTS = 64  # places at which an answer is tried as JSON

_TASK = """\
You divide the description of a person's actions into single motions for an animation program.
Answer with one JSON object and nothing else:
{"setting": "...", "segments": [...], "unmatched": [...]}

"segments": the motions in the order in which they happen, each
{"text": "...", "move": "...", "side": null, "direction": null, "repeats": null, "seconds": null, "speed": null, "layers": []}
- "move": one of the moves below, the one that shows this motion.
- "text": the motion alone as a short sentence about "a person", without looks, clothes, feelings and places.
- "side": "left", "right" or "both": the person's own hand or foot, if the description says it and the move has sides.
- "direction": one of the move's directions, if the description says it. "left" and "right" are the person's own.
- "repeats": how often, if the description says it. "seconds": how long, if it says it.
- "speed": 1 is normal, 0.7 slow, 1.4 fast; only if the description says it.
- "layers": motions done at the same time with other limbs, in the same form without "layers": a walk with a wave over it.
- null where the description says nothing. Add no motion that it does not name.
"setting": what the description says about looks and place, in a few words; "" if nothing.
"unmatched": the motions of the description that none of the moves shows, in its own words; leave them out of "segments".

Moves:
"""  # noqa: E501

_EXAMPLE = (
    "A tall man in a black suit on a stage walks forward while waving his left hand, bows twice, then backflips.",
    {
        "setting": "a tall man in a black suit, on a stage",
        "segments": [
            {
                "text": "a person walks forward while waving the left hand",
                "move": "walk",
                "side": None,
                "direction": "forward",
                "repeats": None,
                "seconds": None,
                "speed": None,
                "layers": [
                    {
                        "text": "a person waves the left hand",
                        "move": "wave",
                        "side": "left",
                        "direction": None,
                        "repeats": None,
                        "seconds": None,
                        "speed": None,
                    }
                ],
            },
            {
                "text": "a person bows twice",
                "move": "bow",
                "side": None,
                "direction": None,
                "repeats": 2,
                "seconds": None,
                "speed": None,
                "layers": [],
            },
        ],
        "unmatched": ["backflips"],
    },
)


def messages(text: str) -> Messages:
    """The conversation that asks for the outline of `text`: task and moves, one example, the text."""
    example, answer = _EXAMPLE
    task = _TASK + "\n".join(_moves())
    return [
        # No system role: some models' templates refuse it.
        {"role": "user", "content": f"{task}\n\nDescription: {example}"},
        {"role": "assistant", "content": json.dumps(answer)},
        {"role": "user", "content": f"Description: {text}"},
    ]


def _moves() -> list[str]:
    """One line for each move with what it can be told."""
    lines = []
    for entry in LEXICON.values():
        directions = [direction for direction in DIRECTIONS if direction in entry.directions]
        told = ["sides"] if entry.one_sided else []
        told += [f"directions {', '.join(directions)}"] if directions else []
        lines.append(f"- {entry.move}" + (f" ({'; '.join(told)})" if told else ""))
    return lines


def outline_in(answer: str) -> Any:
    """The outline in a model's answer, which may have prose or a code fence around it or thoughts before it.

    Of several objects with segments the last counts, for models correct themselves forwards. Raises `FleximoError`
    (code `invalid_outline`) where there is none.
    """
    if len(answer) > _MOST_CHARACTERS:
        raise FleximoError(
            f"The answer has {len(answer)} characters; at most {_MOST_CHARACTERS} are read.", code="invalid_outline"
        )
    answer = answer.rpartition("</think>")[2]
    decoder, found, place = json.JSONDecoder(), None, 0
    for _ in range(_MOST_OBJECTS):
        start = answer.find("{", place)
        if start < 0:
            break
        try:
            document, place = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            place = start + 1
            continue
        if isinstance(document, dict) and "segments" in document:
            found = document
    if found is None:
        raise FleximoError("The answer holds no JSON object with segments.", code="invalid_outline")
    return found
