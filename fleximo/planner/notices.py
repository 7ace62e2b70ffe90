"""What a plan tells about words that no move shows and about moves that cannot go on at once.

Knows the lexicon's spellings and the steps; knows no grammar.
"""

from __future__ import annotations

import difflib

from fleximo.errors import Notice
from fleximo.moves.lexicon import LEXICON
from fleximo.plan import MOVES
from fleximo.planner.ordering import Step

__all__ = ["plan_notices", "remedy"]


def _nearest_moves(words: list[str], count: int = 3) -> list[str]:
    """The moves whose words are spelled most like any of `words`."""
    spelled = {word: entry.move for entry in LEXICON.values() for word in (entry.move, *entry.verbs, *entry.nouns)}
    scored = [
        (difflib.SequenceMatcher(None, word.lower(), known).ratio(), move)
        for word in words[:12]
        for known, move in spelled.items()
    ]
    ranked = [move for _, move in sorted(scored, key=lambda pair: (-pair[0], MOVES.index(pair[1])))]
    return list(dict.fromkeys(ranked or MOVES))[:count]


def remedy(words: list[str]) -> str:
    """Which moves there are, those first whose words are spelled most like `words`."""
    nearest = ", ".join(_nearest_moves(words))
    return f"The moves nearest in spelling are {nearest}; all moves are {', '.join(MOVES)}."


def plan_notices(unmatched: list[str], steps: list[Step]) -> tuple[Notice, ...]:
    """The notices `unmatched_text` of the words not understood and of the steps that had to follow each other."""
    notices = []
    if unmatched:
        quoted = ", ".join(f'"{words}"' for words in unmatched)
        heads = [words.split()[0] for words in unmatched]
        notices.append(Notice("unmatched_text", f"Not understood and left out of the motion: {quoted}.", remedy(heads)))
    for before, step in zip(steps, steps[1:]):
        if step.clash:
            moves = f"{before.base.entry.move} and {step.base.entry.move}"
            notices.append(
                Notice(
                    "unmatched_text",
                    f"{moves} need the same limbs and cannot go on at the same time; they follow each other.",
                    "Combine a move of the legs with one of the arms or the head.",
                )
            )
    return tuple(notices)
