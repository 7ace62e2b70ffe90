"""Reaching the render server and waiting for its jobs, also where it is being started again meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

from fleximo.client import Client, JobStatus
from fleximo.data_folder import ServerAddress
from fleximo.errors import Cancelled, FleximoError

from ..session import Report

__all__ = ["asked", "connect", "ended"]

_ASK_EVERY_S = 0.2
_ASK_QUEUED_S = 1.0  # while others are before it
_CANCEL_S = 5.0  # without an answer, after which a cancel waits for the server no longer
_PATIENCE_S = 120.0  # without an answer of the server, which a busy computer is slow to start again

Waiting = Generator[None, None, JobStatus]
Answer = TypeVar("Answer")


def connect(folder: Path) -> Client:
    """A client of the server of that data folder; raises `FleximoError` where none is named there."""
    try:
        return Client.from_data_folder(folder)
    except FleximoError as error:
        if error.code != "server_not_running":
            raise
        raise FleximoError(error.message, code=error.code, remedy="Press Start in the panel Server.") from None


def asked(folder: Path, ask: Callable[[Client], Answer], report: Report) -> Generator[None, None, Answer]:
    """The answer of `ask`, asked again where a server that has ended is being started again."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask(connect(folder))
        except FleximoError as error:
            if error.code != "server_not_running" or time.monotonic() > deadline or not _has_address(folder):
                raise
        report(0.0, "Waiting for the server")
        yield


def _has_address(folder: Path) -> bool:
    """Whether a server is named there: one that ended by itself takes its name away."""
    try:
        ServerAddress.read(folder)
    except FleximoError:
        return False
    return True


def ended(
    folder: Path,
    job: str,
    report: Report,
    share: float,
    onlooker: Callable[[Client, JobStatus], None] | None = None,
    begin: float = 0.0,
) -> Waiting:
    """Waits for a job, telling its progress as `begin` and up to `share` more; passes a cancel on to the server.

    Goes on if the server is started again meanwhile. Returns the job done; raises its error.
    """
    client: Client | None = None
    heard = time.monotonic()
    ask_at = 0.0
    cancelled = False
    while True:
        try:
            if report.leaving:
                raise Cancelled
            if client is None:
                client = connect(folder)
            if report.stopping and not cancelled:
                client.cancel(job)
                cancelled, ask_at = True, 0.0
            if time.monotonic() >= ask_at:
                status = client.job(job)
                ask_at = time.monotonic() + (_ASK_QUEUED_S if status.position else _ASK_EVERY_S)
                heard = time.monotonic()
                if status.ended:
                    return _done(status)
                if not cancelled:
                    report.tell(begin + share * status.fraction, _told(status))
                    if onlooker is not None:
                        onlooker(client, status)
        except FleximoError as error:
            if error.code != "server_not_running":
                raise
            silent_s = time.monotonic() - heard
            if report.stopping and silent_s > _CANCEL_S:
                raise Cancelled from None
            if silent_s > _PATIENCE_S:
                raise
            client = None  # it may have been started again, at another port
        yield


def _told(status: JobStatus) -> str:
    if status.state == "queued":
        return f"Waiting behind {status.position} others" if status.position else "Waiting for the server"
    left = f", {status.eta_s:.0f} s left" if status.eta_s and status.eta_s >= 1 else ""
    return f"{status.fraction:.0%} {status.message}{left}"


def _done(status: JobStatus) -> JobStatus:
    if status.state == "canceled":
        raise Cancelled
    if status.state == "failed":
        raise status.error or FleximoError("The server's job failed without a reason.", code="job_failed")
    return status
