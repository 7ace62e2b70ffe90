"""What the server answers where something goes wrong: a code, a sentence and a remedy, never a trace.

Knows errors, no routes.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from backend.jobs.store import MissingBlobs
from fleximo.errors import FleximoError

__all__ = ["answer_errors"]

_LOG = logging.getLogger(__name__)
_STATUS = {
    "unknown_job": 404,
    "unknown_blob": 404,
    "no_preview": 404,
    "no_result": 404,
    "other_request": 409,
    "wrong_state": 409,
    "too_large": 413,
    "bad_content_type": 415,
    "bad_range": 416,
    "queue_full": 429,
    "unwritable_file": 507,
    "no_space": 507,
    "incomplete_body": 408,
}


def answer_errors(app: FastAPI) -> None:
    """Has the application answer every error in one form."""
    app.add_exception_handler(FleximoError, _told)
    app.add_exception_handler(RequestValidationError, _told_invalid)
    app.add_exception_handler(ValidationError, _told_invalid)
    app.add_exception_handler(HTTPException, _told_http)
    app.add_exception_handler(OSError, _told_disk)
    app.add_exception_handler(sqlite3.OperationalError, _told_disk)
    app.add_exception_handler(Exception, _told_unexpected)


def _error(status: int, code: str, message: str, remedy: str = "", missing: list[str] | None = None) -> JSONResponse:
    detail = {"code": code, "message": message, "remedy": remedy, "missing": missing or []}
    return JSONResponse({"error": detail}, status)


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, FleximoError)
    missing = error.digests if isinstance(error, MissingBlobs) else None
    return _error(_STATUS.get(error.code, 422), error.code, error.message, error.remedy, missing)


async def _told_invalid(request: Request, error: Exception) -> Response:
    """Names the first wrong field; what was sent is not sent back."""
    assert isinstance(error, (RequestValidationError, ValidationError))
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])[:200]
    return _error(422, "invalid_request", f"{place or 'The request'}: {first['msg']}.")


async def _told_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "unknown_path", 405: "unknown_method", 416: "bad_range"}.get(error.status_code, "refused")
    response = _error(error.status_code, code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _told_disk(request: Request, error: Exception) -> Response:
    """A full or failing disk, in one sentence; nothing half-written is left, so the request can be sent again."""
    _LOG.error("disk error at %s %s", request.method, request.url.path, exc_info=error)
    reason = error.strerror if isinstance(error, OSError) else error
    return _error(507, "unwritable_file", f"The data folder cannot be written or read: {reason}.", "Make room.")


async def _told_unexpected(request: Request, error: Exception) -> Response:
    """An id to look for in the server's log; never the trace."""
    mark = secrets.token_hex(4)
    _LOG.error("error %s at %s %s", mark, request.method, request.url.path, exc_info=error)
    return _error(500, "internal_error", f"The server met an unexpected error; its log names it {mark}.")
