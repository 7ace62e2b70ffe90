"""The one family of errors, and the notices that a stage gives without failing.

Knows nothing of any stage. A message says what was given, what was expected and what to do next; the command
line and the Blender panel show it word for word.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cancelled", "FleximoError", "Notice"]


class FleximoError(Exception):
    """A wrong input or a stage that cannot go on, told so that the reader knows what to do.

    `code` is for machines (snake_case), `remedy` is the one next step, empty where the message already says it.

    >>> error = FleximoError("The photo has 0 people; one was expected.", code="no_person", remedy="Pass --points.")
    >>> str(error)
    'The photo has 0 people; one was expected. Pass --points.'
    """

    def __init__(self, message: str, *, code: str = "invalid_input", remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.code = code
        self.remedy = remedy


class Cancelled(FleximoError):
    """The user asked to stop; what was finished before is kept."""

    def __init__(self) -> None:
        super().__init__("Cancelled.", code="cancelled")


@dataclass(frozen=True)
class Notice:
    """Something the user should know although the work goes on: a warning code, a sentence and its remedy."""

    code: str
    message: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "remedy": self.remedy}

    @classmethod
    def from_json(cls, document: dict[str, str]) -> Notice:
        return cls(document["code"], document["message"], document.get("remedy", ""))
