"""What the draft is judged on: the texts, and a table of all people and texts for the bench."""

from __future__ import annotations

__all__ = ["TEXTS"]

TEXTS = (
    "a person waves the right hand",
    "a person does two squats",
    "a person bows",
    "a person does three jumping jacks",
    "a person raises both arms",
    "a person walks forward for three seconds",
    "a person points with the left hand",
    "a person nods twice and shrugs",
)
