"""Plans for motion models that read words themselves: what no planner knows is kept as a segment of its own words.

Knows where one motion ends and the next begins only by punctuation and "then"; planners do the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from fleximo.errors import FleximoError
from fleximo.plan import MAX_SEGMENT_SECONDS, MotionPlan, Segment

__all__ = ["plan_any_text"]

_CUT = re.compile(r"\s*(?:[.;!?]+|,?\s+(?:and\s+)?(?:then|afterwards|after that)\b|,\s+and\b|,)\s*", re.IGNORECASE)
_SECONDS = re.compile(r"\b(?:for\s+)?(\d+(?:\.\d+)?)\s*(?:s|sec|secs|seconds?)\b", re.IGNORECASE)
_UNKNOWN_S = 4.0  # of a motion whose words say nothing of its length


def plan_any_text(text: str, plan: Callable[[str], MotionPlan]) -> MotionPlan:
    """The plan that `plan` makes of `text`; words that it does not know become segments of their own.

    Such a segment has the move "idle", which motion models that read words do not look at, and `matched` 0. Raises what
    `plan` raises for texts in other languages, empty ones and ones that are too long.
    """
    try:
        whole = plan(text)
        if not _unknown(whole):
            return whole
        notices = tuple(notice for notice in whole.notices if notice.code != "unmatched_text")
        known = replace(whole, notices=notices)
    except FleximoError as error:
        if error.code != "unmatched_text" or not re.search(r"\w", text):
            raise
        known = MotionPlan((Segment("idle", _UNKNOWN_S, matched=0.0),))
    segments: list[Segment] = []
    for clause in filter(None, _CUT.split(text)):
        segments += _segments(clause, plan)
    return replace(known, segments=tuple(segments))


def _unknown(plan: MotionPlan) -> bool:
    return any(notice.code == "unmatched_text" for notice in plan.notices)


def _segments(clause: str, plan: Callable[[str], MotionPlan]) -> tuple[Segment, ...]:
    try:
        planned = plan(clause)
        if not _unknown(planned):
            return planned.segments
    except FleximoError as error:
        if error.code not in ("unmatched_text", "not_english"):
            raise
    told = _SECONDS.search(clause)
    seconds = min(max(float(told[1]), 0.5), MAX_SEGMENT_SECONDS) if told else _UNKNOWN_S
    words = _SECONDS.sub("", clause).strip() if told else clause
    return (Segment("idle", seconds, text=words or clause, matched=0.0),)
