"""Settings that a person writes as NAME=VALUE."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fleximo.errors import FleximoError

__all__ = ["named_values"]


def named_values(given: Iterable[str], remedy: str) -> dict[str, Any]:
    """The values of texts NAME=VALUE; a value that is JSON is read as such.

    Raises `FleximoError` with `remedy` for a text of another form.

    >>> named_values(["greedy=true", "precision=bf16"], "Write it like greedy=true.")
    {'greedy': True, 'precision': 'bf16'}
    """
    values: dict[str, Any] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not (name and equals):
            raise FleximoError(f"{each} is not NAME=VALUE.", code="invalid_setting", remedy=remedy)
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values
