"""Settings of an engine, read from a job and checked, with refusals in one form.

Plain values; needs neither torch nor weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

from fleximo.errors import FleximoError

__all__ = ["PRECISIONS", "CheckedSettings", "is_number", "is_whole"]

PRECISIONS = ("auto", "fp16", "bf16", "fp32")


class CheckedSettings:
    """Base of a frozen dataclass whose `__post_init__` calls `_check` for every field."""

    engine: ClassVar[str]  # as people call it

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The settings of a job; raises `FleximoError` (`invalid_setting`) for a name or a value that is not known."""
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        unknown = document.keys() - known
        if unknown:
            raise _wrong(
                f"{cls.engine} has no setting called {', '.join(sorted(unknown))}.",
                f"It has: {', '.join(sorted(known))}.",
            )
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in document.items()})

    def _check(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise _wrong(f"The setting {name} is {getattr(self, name)!r}.", f"Expected: {expected}.")


def is_whole(value: Any, least: int, most: int) -> bool:
    """Whether `value` is a whole number from `least` to `most`, both included."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_number(value: Any, least: float, most: float) -> bool:
    """Whether `value` is a number from `least` to `most`, both included."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _wrong(message: str, remedy: str) -> FleximoError:
    return FleximoError(message, code="invalid_setting", remedy=remedy)
