"""Request bodies, taken in pieces with a limit: the announced length is not trusted, nor the depth of JSON.

Knows limits and JSON; nothing of what the documents mean.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NoReturn

from fastapi import Request
from starlette.requests import ClientDisconnect

from fleximo.errors import FleximoError

__all__ = ["pieces", "read_json_body"]


async def pieces(request: Request, *, content_type: str, most_bytes: int, seconds: float) -> AsyncIterator[bytes]:
    """The body's pieces as they come; raises `FleximoError` `bad_content_type`, `too_large` or `incomplete_body`."""
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given != content_type:
        raise FleximoError(f"The content type {content_type} was expected.", code="bad_content_type")
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > most_bytes:
        raise _too_large(most_bytes)
    count = 0
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                count += len(piece)
                if count > most_bytes:
                    raise _too_large(most_bytes)
                if piece:
                    yield piece
    except (TimeoutError, ClientDisconnect):
        raise FleximoError("The body did not come to its end.", code="incomplete_body") from None


def _too_large(most_bytes: int) -> FleximoError:
    return FleximoError(f"The body is larger than {most_bytes / 1e6:g} MB.", code="too_large")


async def read_json_body(request: Request, *, most_bytes: int, most_depth: int, seconds: float) -> Any:
    """The JSON document of the body: no NaN, no lone surrogates, no deep nesting. Raises `FleximoError`."""
    body = bytearray()
    async for piece in pieces(request, content_type="application/json", most_bytes=most_bytes, seconds=seconds):
        body += piece
    try:
        document = json.loads(bytes(body).decode("utf-8"), parse_constant=_refuse_constant)
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise FleximoError("The body is no JSON document in UTF-8.", code="invalid_request") from None
    if _depth(document) > most_depth:
        raise FleximoError(f"The JSON document is nested deeper than {most_depth}.", code="invalid_request")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _depth(document: Any) -> int:
    """Levels of lists and objects, counted without recursion."""
    depth, level = 0, [document]
    while True:
        level = [
            child
            for parent in level
            if isinstance(parent, (list, dict))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return depth
        depth += 1
